"""Which line of C does an instruction come from? What the sections .BTF and .BTF.ext say.

Compilers write them beside the code where they are asked for debugging information, and they hold the text of the
lines too, so that no source file is needed (Linux, Documentation/bpf/btf.rst, sections 2 and 4).
"""

from __future__ import annotations

import posixpath
import struct
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vm.errors import LoadError
from vm.isa import SLOT_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

BTF, BTF_EXT = ".BTF", ".BTF.ext"
MAX_LINES = 65_536
MAX_NAME_BYTES = 1_024
MAX_TEXT = 240
"""Characters of a line that are shown; generated code has lines of any length."""

_MAGIC, _VERSION = 0xEB9F, 1
_PREFIX = struct.Struct("<HBBI")  # magic, version, flags, bytes of the header; both sections begin with it
_BTF_HEADER = struct.Struct("<8xIIII")  # types: offset, bytes; strings: offset, bytes; from the end of the header
_EXT_HEADER = struct.Struct("<8xIIII")  # functions: offset, bytes; lines: offset, bytes
_BLOCK = struct.Struct("<II")  # section's name, number of records
_RECORD = struct.Struct("<IIII")  # byte of the section, file's name, text, line << 10 | column


@dataclass(frozen=True, slots=True)
class SourceLine:
    """A place in a source file. Column 0 is the whole line; `text` is stripped, empty where the compiler had none."""

    file: str
    line: int
    column: int
    text: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" + (f":{self.column}" if self.column else "")
        return f"{place}: {self.text}" if self.text else place


@dataclass(frozen=True, slots=True)
class LineTable:
    """What stands at some pcs, in their order, until the next of them; the strings are decoded when asked for."""

    pcs: tuple[int, ...]
    records: tuple[tuple[int, int, int], ...]
    """File's name, text, line << 10 | column."""
    strings: bytes = field(repr=False)

    def at(self, pc: int, *, start: int) -> SourceLine | None:
        """The line in force at `pc` of a function that begins at `start`."""
        index = bisect_right(self.pcs, pc) - 1
        if index < 0 or self.pcs[index] < start:
            return None
        file, text, place = self.records[index]
        if place < 1 << 10:  # line 0: the compiler's own code
            return None
        shown = self._string(text).strip()
        if len(shown) > MAX_TEXT:
            shown = shown[:MAX_TEXT] + "..."
        return SourceLine(posixpath.normpath(self._string(file)), place >> 10, place & 0x3FF, shown)

    def _string(self, start: int) -> str:
        end = self.strings.find(0, start, start + MAX_NAME_BYTES)
        return self.strings[start : start + MAX_NAME_BYTES if end < 0 else end].decode("utf-8", "backslashreplace")


def read_lines(debug: Mapping[str, bytes], code: Mapping[str, tuple[int, int]], *, source: str) -> LineTable | None:
    """The table of an object that has one.

    `debug` has the two sections by name; `code` has, for each code section, the pc of its start and its bytes. Raises
    LoadError for what compilers do not write.
    """
    if BTF_EXT not in debug:
        return None
    if BTF not in debug:
        raise LoadError(f"there is no section {BTF!r}, which has its strings", source=source, section=BTF_EXT)
    reader = _Reader(source, _strings(debug[BTF], source), code)
    return reader.table(debug[BTF_EXT])


def _body(data: bytes, header: struct.Struct, section: str, source: str) -> tuple[int, tuple[int, ...]]:
    """Where the header ends, and its fields after the prefix."""
    if len(data) < header.size:
        reason = f"{len(data)} bytes are too few for its header, which has {header.size}"
        raise LoadError(reason, source=source, section=section)
    magic, version, _, size = _PREFIX.unpack_from(data)
    if (magic, version) != (_MAGIC, _VERSION) or not header.size <= size <= len(data):
        reason = (
            f"magic {magic:#x}, version {version}, header of {size} bytes; they must be {_MAGIC:#x}, {_VERSION}, "
            f"{header.size} to {len(data)}"
        )
        raise LoadError(reason, source=source, section=section)
    return size, header.unpack_from(data)


def _strings(data: bytes, source: str) -> bytes:
    begin, (_, _, offset, size) = _body(data, _BTF_HEADER, BTF, source)
    strings = data[begin + offset : begin + offset + size]
    if len(strings) != size or strings[:1] != b"\0" or strings[-1:] != b"\0":
        reason = f"the strings, {size} bytes at {begin + offset}, are not inside it or do not begin and end with NUL"
        raise LoadError(reason, source=source, section=BTF)
    return strings


class _Reader:
    """Reads the line information of one object."""

    def __init__(self, source: str, strings: bytes, code: Mapping[str, tuple[int, int]]) -> None:
        self.source = source
        self.strings = strings
        self.code = code
        self.rows: list[tuple[int, tuple[int, int, int]]] = []

    def table(self, data: bytes) -> LineTable | None:
        begin, (_, _, offset, size) = _body(data, _EXT_HEADER, BTF_EXT, self.source)
        begin += offset
        end = begin + size
        if end > len(data):
            raise self._refuse(f"the lines end at {end}, the section at {len(data)}", begin)
        if size:
            if size < 4:
                raise self._refuse("the size of a record is missing", begin)
            (record_bytes,) = struct.unpack_from("<I", data, begin)
            if record_bytes < _RECORD.size or record_bytes % 4:
                raise self._refuse(f"records of {record_bytes} bytes; they have at least {_RECORD.size}", begin)
            for place, section, count in self._blocks(data, begin + 4, end, record_bytes):
                self._block(data, place, section, count, record_bytes)
        if not self.rows:  # gcc writes the section for its functions' sake
            return None
        self.rows.sort()
        return LineTable(tuple(pc for pc, _ in self.rows), tuple(record for _, record in self.rows), self.strings)

    def _blocks(self, data: bytes, place: int, end: int, record_bytes: int) -> Iterator[tuple[int, str, int]]:
        """For each code section: where its records start, its name, their number."""
        seen: set[str] = set()
        while place < end:
            if place + _BLOCK.size > end:
                raise self._refuse("a section's header is truncated", place)
            name, count = _BLOCK.unpack_from(data, place)
            section = self._name(name, place)
            if section not in self.code or section in seen:
                reason = "had lines already" if section in seen else "is no code section of this object"
                raise self._refuse(f"lines of section {section!r}, which {reason}", place)
            seen.add(section)
            place += _BLOCK.size
            if place + count * record_bytes > end:
                raise self._refuse(f"{count} records end beyond the lines, which end at {end}", place)
            if len(self.rows) + count > MAX_LINES:
                raise self._refuse(f"more than {MAX_LINES} records", place)
            yield place, section, count
            place += count * record_bytes

    def _block(self, data: bytes, place: int, section: str, count: int, record_bytes: int) -> None:
        base, size = self.code[section]
        last = -1
        for at in range(place, place + count * record_bytes, record_bytes):
            offset, file, text, line = _RECORD.unpack_from(data, at)
            if offset % SLOT_BYTES or not last < offset < size:
                reason = f"a record for byte {offset} of {section!r} after one for {last}; the section has {size} bytes"
                raise self._refuse(reason, at)
            if max(file, text) >= len(self.strings):
                reason = f"string {max(file, text)} of {section!r}, but the strings have {len(self.strings)} bytes"
                raise self._refuse(reason, at)
            last = offset
            self.rows.append((base + offset // SLOT_BYTES, (file, text, line)))

    def _name(self, start: int, place: int) -> str:
        end = self.strings.find(0, start, start + MAX_NAME_BYTES)
        if end < 0:
            reason = f"no name of at most {MAX_NAME_BYTES} bytes at {start} of the strings"
            raise self._refuse(f"{reason}, which have {len(self.strings)}", place)
        return self.strings[start:end].decode("utf-8", "backslashreplace")

    def _refuse(self, reason: str, offset: int) -> LoadError:
        return LoadError(reason, source=self.source, section=BTF_EXT, offset=offset)
