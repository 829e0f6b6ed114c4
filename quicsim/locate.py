"""Where are the plugins and scenarios that come with quicsim?

In a built wheel they lie inside the package, as `quicsim/_data`; in a checkout, and so in an editable install,
beside it. Nothing but the standard library is imported here, so that `quicsim --help` stays quick.
"""

from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path

__all__ = ["LocateError", "costs", "plugin", "plugin_include", "plugins", "scenario", "scenarios", "sweeps"]


class LocateError(LookupError):
    """No such plugin or scenario, or an installation that lost its data; the message says what there is instead."""


def scenarios() -> dict[str, Path]:
    """Every scenario that comes with quicsim: its name, which is the file's without `.toml`, and the file; by name."""
    return dict(sorted((path.stem, path) for path in _house().glob("scenarios/[!.]*.toml")))


def costs() -> dict[str, Path]:
    """Every calibration of a host's time that comes with quicsim: its name and its file; by name."""
    return dict(sorted((path.stem, path) for path in _house().glob("scenarios/costs/[!.]*.toml")))


def sweeps() -> dict[str, Path]:
    """Every sweep that comes with quicsim: its name and its file; by name."""
    return dict(sorted((path.stem, path) for path in _house().glob("scenarios/sweeps/[!.]*.toml")))


def plugins() -> dict[str, Path]:
    """Every plugin that comes with quicsim: its name and its directory, which holds a `plugin.toml`; by name."""
    return dict(sorted((path.parent.name, path.parent) for path in _house().glob("plugins/[!.]*/plugin.toml")))


def scenario(name: str) -> Path:
    """The file of one scenario; LocateError if there is none of that name."""
    return _one("scenario", name, scenarios())


def plugin(name: str) -> Path:
    """The directory of one plugin; LocateError if there is none of that name."""
    if name.endswith(".c"):
        raise LocateError(f"{name} is C source: build it, python -m quicsim.plugin.build {name}, and name the .o")
    return _one("plugin", name, plugins())


def plugin_include() -> Path:
    """The directory of the generated `quicsim.h`, for a C compiler's `-I`."""
    return _house() / "plugins" / "include"


def _one(kind: str, name: str, known: dict[str, Path]) -> Path:
    if name in known:
        return known[name]
    nearest = get_close_matches(name, known, n=1)
    guess = f"; did you mean {nearest[0]!r}?" if nearest else "."
    raise LocateError(f"There is no {kind} {name!r}{guess} Known: {', '.join(known) or 'none'}.")


def _house() -> Path:
    """The directory that holds `plugins/` and `scenarios/`."""
    package = Path(str(files("quicsim")))
    data = package / "_data"
    if data.is_dir():
        return data
    checkout = package.parent
    if (checkout / "pyproject.toml").is_file() and (checkout / "scenarios").is_dir():
        return checkout
    raise LocateError(
        f"quicsim at {package} has lost its plugins and scenarios: it has no _data directory, "
        "and its parent is no checkout of quicsim. Install it again: pip install --force-reinstall quicsim."
    )
