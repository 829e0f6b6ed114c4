"""quicsim plugins: which plugins come along, where they attach, and how large they are."""

from __future__ import annotations

from quicsim.cli.options import reported


def plugins() -> None:
    """List the plugins that come with quicsim."""
    with reported():
        from quicsim.plugin.catalogue import catalogue

        for entry in catalogue():
            plugin = entry.plugin
            print(f"{plugin.name} {plugin.version}\n    {entry.description}\n    {entry.source}")
            print(f"    anchors: {', '.join(anchor.section for anchor in plugin.anchors)}")
            print(
                f"    {len(plugin.data)} bytes of ELF, {len(plugin.program.instructions)} instructions, "
                f"{plugin.state_bytes} bytes of memory a connection"
            )
