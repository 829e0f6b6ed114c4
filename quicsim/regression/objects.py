"""Which ELF object does a plugin's name, object or C source stand for, and at which C line is a program of it?"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from quicsim.regression.check import Finding
    from quicsim.regression.refusal import Refusal
    from quicsim.results import Results

__all__ = ["CLine", "Objects"]


@dataclass(frozen=True, slots=True)
class CLine:
    """A line of a C source."""

    path: Path
    line: int


@dataclass(slots=True)
class Objects:
    """Builds what is given as C, below `home`, and remembers from which source."""

    home: Path
    sources: dict[Path, Path] = field(default_factory=dict)

    def object_of(self, plugin: str, root: Path) -> str:
        """What `quicsim run --plugin` would be given: a plugin's name as it is, an object by its path from `root`.

        A C source is built with the pinned compiler, and its lines are kept. Raises BuildError and PluginError.
        """
        if "/" not in plugin and not plugin.endswith((".o", ".c")):
            return plugin
        path = root / plugin
        if path.suffix != ".c":
            return str(path)
        from quicsim import locate
        from quicsim.plugin.build import compile_debug, compile_plugin
        from quicsim.plugin.package import DEBUG_SUFFIX

        source, include = path.resolve(), locate.plugin_include()
        data = compile_plugin(source, include)
        lines = compile_debug(source, include, data)
        directory = self.home / hashlib.blake2b(str(path).encode(), digest_size=8).hexdigest()
        directory.mkdir(exist_ok=True)
        built = directory / f"{path.stem}.o"
        built.write_bytes(data)
        built.with_name(path.stem + DEBUG_SUFFIX).write_bytes(lines)
        self.sources[built.resolve()] = path
        return str(built)

    def lines_of(self, finding: Finding, results: Results) -> dict[str, CLine]:
        """By section, where the programs begin that ran last where traces part; in the order of the partings' places.

        Sections of plugins whose source is not at hand are left out.
        """
        objects = {path for setup in results.setups.values() for path in setup.plugin_objects.values()}
        return {
            place.section: found
            for parting in finding.partings
            for place in parting.places
            if (found := self.line_of(objects, place.section)) is not None
        }

    def line_of_refusal(self, refusal: Refusal) -> CLine | None:
        """Where a refused plugin does what it is refused for; None if its lines or its source are not at hand."""
        source = self._source_of(refusal.object)
        if refusal.place is None or refusal.place.line is None or not source.is_file():
            return None
        return CLine(source, refusal.place.line.line)

    def _source_of(self, path: Path) -> Path:
        return self.sources.get(path, path.with_suffix(".c"))

    def line_of(self, objects: Iterable[Path], section: str) -> CLine | None:
        """Where the program of a section begins, `SEC("replace/SetTimer")`, in the source of one of these objects.

        The source of an object lies beside it under its name, unless it was built here. None if no source has it.
        """
        begins = re.compile(rf'\bSEC\(\s*"{re.escape(section)}"\s*\)')
        for path in objects:
            source = self._source_of(path)
            if not section or not source.is_file():
                continue
            for number, text in enumerate(source.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
                if begins.search(text):
                    return CLine(source, number)
        return None
