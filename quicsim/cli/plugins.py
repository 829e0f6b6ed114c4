"""quicsim plugins: which plugins come along, where they attach, what may be chosen, and how large they are."""

from __future__ import annotations

from quicsim.cli.options import reported


def plugins() -> None:
    """List the plugins that come with quicsim."""
    with reported():
        from quicsim.plugin.catalogue import catalogue

        for entry in catalogue():
            plugin, about = entry.plugin, entry.about
            print(f"{plugin.name} {plugin.version}\n    {about.description}\n    {about.source}")
            print(f"    anchors: {', '.join(anchor.section for anchor in plugin.anchors)}")
            for parameter in plugin.parameters:
                print(
                    f"    parameter {parameter.name} = {parameter.default}: {about.meanings[parameter.name]}; "
                    f"{parameter.range_text}"
                )
            print(
                f"    {len(plugin.data)} bytes of ELF, {len(plugin.program.instructions)} instructions, "
                f"{plugin.state_bytes} bytes of memory a connection"
            )
