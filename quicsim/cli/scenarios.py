"""quicsim scenarios: what can be run by name."""

from __future__ import annotations

from quicsim.cli.options import reported


def scenarios() -> None:
    """List the scenarios that come with quicsim."""
    with reported():
        from quicsim.scenario.load import headers

        for name, header in headers().items():
            print(f"{name}\n    {header.title}\n    {header.source}")
            print(f"    variants: {', '.join(header.variants)}; replications: {header.replications}")
