"""Which quicsim is this? The installed package's version, or what the project file of a checkout says."""

from __future__ import annotations

from pathlib import Path


def version() -> str:
    """The version, as in "0.1.0"."""
    import tomllib
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return installed("quicsim")
    except PackageNotFoundError:
        project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
        return str(project["project"]["version"])
