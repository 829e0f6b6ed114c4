"""What is in an object file? Its sections, symbols and relocations, checked before anything is believed.

Only what compilers emit for the eBPF target is read: ELF64, little-endian, relocatable, machine EM_BPF. The header's
numbers are compared with the length of the file first, so a damaged one cannot make the reader allocate or loop.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from vm.errors import LoadError
from vm.source import BTF, BTF_EXT, MAX_NAME_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_OBJECT_BYTES = 1 << 20
MAX_LOADED_BYTES = 1 << 20  # of code, data and metadata each
MAX_SECTIONS = 1_024
MAX_SYMBOLS = 8_192
MAX_RELOCATIONS = 16_384

EM_BPF = 247
_ET_REL = 1
_SHT_PROGBITS, _SHT_SYMTAB, _SHT_STRTAB, _SHT_RELA, _SHT_NOBITS, _SHT_REL = 1, 2, 3, 4, 8, 9
_SHF_WRITE, _SHF_ALLOC, _SHF_EXECINSTR, _SHF_COMPRESSED = 1, 2, 4, 0x800

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION_HEADER = struct.Struct("<IIQQQQIIQQ")
_SYMBOL_BYTES = 24
_REL_BYTES = 16


class Use(Enum):
    """What a section is to a loaded program."""

    CODE = "code"
    DATA = "data"
    METADATA = "metadata"
    LINES = "debug"


@dataclass(frozen=True, slots=True)
class Section:
    """A section that is loaded; `data` of a NOBITS one is zeros."""

    index: int
    name: str
    use: Use
    writable: bool
    data: bytes


@dataclass(frozen=True, slots=True)
class Symbol:
    """`section` is a section's index, or the name of a special one such as "SHN_UNDEF"."""

    name: str
    section: int | str
    value: int
    is_function: bool
    is_global: bool


@dataclass(frozen=True, slots=True)
class Relocation:
    """Patch the section of index `section` at `offset` with what `symbol` turns out to be."""

    section: int
    offset: int
    kind: int
    symbol: Symbol


@dataclass(frozen=True, slots=True)
class ObjectFile:
    """What the linker needs of an ELF file."""

    source: str
    sections: dict[int, Section]
    symbols: tuple[Symbol, ...]
    relocations: tuple[Relocation, ...]
    names: tuple[str, ...]
    """Of all sections, by index, those that are not loaded as well."""
    compiler: str
    """What the compiler says of itself; clang says nothing."""

    def of(self, use: Use) -> Iterator[Section]:
        """The sections of one use, in the order of the file."""
        return (section for section in self.sections.values() if section.use is use)


def read(data: bytes, *, source: str = "<memory>") -> ObjectFile:
    """Parse an object file. Raises LoadError, and nothing else, whatever the bytes."""
    headers = _checked_headers(data, source)
    try:
        return _parse(data, headers, source)
    except LoadError as error:
        error.source = source
        raise
    except Exception as error:
        # pyelftools raises whatever its parsing trips over: construct errors, struct.error, AttributeError, ...
        raise LoadError(f"not a readable ELF file: {type(error).__name__}: {error}", source=source) from error


def _checked_headers(data: bytes, source: str) -> list[tuple[int, ...]]:
    """The section headers, after the file header and every extent were compared with the file's length."""

    def refuse(reason: str, offset: int) -> LoadError:
        return LoadError(reason, source=source, offset=offset)

    if len(data) > MAX_OBJECT_BYTES:
        raise LoadError(f"the object has {len(data)} bytes; at most {MAX_OBJECT_BYTES} are allowed", source=source)
    if len(data) < _HEADER.size:
        raise LoadError(f"{len(data)} bytes are too few for an ELF header, which has {_HEADER.size}", source=source)
    ident, kind, machine, _, _, _, table, _, _, _, _, entry_size, count, names = _HEADER.unpack_from(data)
    if ident[:4] != b"\x7fELF":
        raise refuse(f"not an ELF file: it starts with {ident[:4].hex()}, not 7f454c46", 0)
    if ident[4:7] != b"\x02\x01\x01":
        raise refuse(f"ELF class, byte order, version are {ident[4:7].hex()}; they must be 020101 (64, little, 1)", 4)
    if kind != _ET_REL:
        raise refuse(f"ELF type is {kind}; it must be {_ET_REL} (relocatable: compile with -c)", 16)
    if machine != EM_BPF:
        raise refuse(f"machine is {machine}; it must be {EM_BPF} (eBPF: compile with -target bpfel)", 18)
    if entry_size != _SECTION_HEADER.size or not 0 < count <= MAX_SECTIONS or names >= count:
        raise refuse(f"section table of {count} entries of {entry_size} bytes, names in {names}, is not usable", 58)
    if table + count * entry_size > len(data):
        raise refuse(f"the section table ends at {table + count * entry_size}, the file at {len(data)}: truncated", 40)
    headers = [_SECTION_HEADER.unpack_from(data, table + index * entry_size) for index in range(count)]
    for index, (_, section_kind, _, _, offset, size, link, _, _, _) in enumerate(headers):
        place = table + index * entry_size
        if section_kind not in (0, _SHT_NOBITS) and offset + size > len(data):
            raise refuse(f"section {index} ends at {offset + size}, the file at {len(data)}: truncated", place)
        wanted = {_SHT_SYMTAB: _SHT_STRTAB, _SHT_REL: _SHT_SYMTAB}.get(section_kind)
        if wanted is not None and (link >= count or headers[link][1] != wanted):
            raise refuse(f"section {index} refers to section {link}, which is not of type {wanted}", place)
    if headers[names][1] != _SHT_STRTAB:
        raise refuse(f"section {names}, of the section names, is not a string table", 62)
    return headers


def _parse(data: bytes, headers: list[tuple[int, ...]], source: str) -> ObjectFile:
    from elftools.elf.elffile import ELFFile  # here, because importing it takes longer than importing the rest of vm

    elf = ELFFile(io.BytesIO(data))
    names_header = headers[elf["e_shstrndx"]]
    names = [_string(data, names_header, header[0]) for header in headers]
    sections: dict[int, Section] = {}
    symbols: tuple[Symbol, ...] = ()
    compiler = ""
    loaded = dict.fromkeys(Use, 0)
    for index, (name, header) in enumerate(zip(names, headers, strict=True)):
        _, kind, flags, _, offset, size, link, _, _, _ = header
        if kind == _SHT_SYMTAB:
            if symbols:
                raise LoadError("a second symbol table", source=source, section=name)
            symbols = _symbols(elf, data, header, headers[link], source)
        if name == ".comment" and kind == _SHT_PROGBITS:
            compiler = (
                data[offset : offset + min(size, MAX_NAME_BYTES)].strip(b"\0").decode("utf-8", "backslashreplace")
            )
        use = _use(name, header)
        if use is None:
            continue
        if flags & _SHF_COMPRESSED:
            raise LoadError("a compressed section is not supported", source=source, section=name)
        loaded[use] += size
        if loaded[use] > MAX_LOADED_BYTES:
            reason = f"the {use.value} sections up to here have {loaded[use]} bytes; the most is {MAX_LOADED_BYTES}"
            raise LoadError(reason, source=source, section=name)
        content = bytes(size) if kind == _SHT_NOBITS else data[offset : offset + size]
        sections[index] = Section(index, name, use, bool(flags & _SHF_WRITE), content)
    relocations: list[Relocation] = []
    # What the compiler wants patched in .BTF.ext is there already: offsets in their own sections.
    relocated = {section.index for section in sections.values() if section.use is not Use.LINES}
    for index, header in enumerate(headers):
        if header[1] in (_SHT_REL, _SHT_RELA) and header[7] in relocated:
            if header[1] == _SHT_RELA:
                reason = "relocations with explicit addends (RELA) are not supported; eBPF compilers emit REL"
                raise LoadError(reason, source=source, section=names[index])
            relocations += _relocations(elf, index, header, symbols, names[index], source)
            if len(relocations) > MAX_RELOCATIONS:
                reason = f"{len(relocations)} relocations up to here; at most {MAX_RELOCATIONS} are allowed"
                raise LoadError(reason, source=source, section=names[index])
    return ObjectFile(source, sections, symbols, tuple(relocations), tuple(names), compiler)


def _use(name: str, header: tuple[int, ...]) -> Use | None:
    """What a section is loaded as; None for those that a program does not need."""
    kind, flags, size = header[1], header[2], header[5]
    if kind not in (_SHT_PROGBITS, _SHT_NOBITS) or name == ".eh_frame" or not size:
        return None
    if not flags & _SHF_ALLOC:
        if name in (BTF, BTF_EXT) and kind == _SHT_PROGBITS:
            return Use.LINES
        return Use.METADATA if kind == _SHT_PROGBITS and not name.startswith(".") else None
    return Use.CODE if flags & _SHF_EXECINSTR else Use.DATA


def _string(data: bytes, table: tuple[int, ...], start: int) -> str:
    """The name at `start` of a string table, given by its section header."""
    begin, end = table[4] + start, table[4] + table[5]
    stop = data.find(0, begin, min(end, begin + MAX_NAME_BYTES))
    if stop < 0:
        raise LoadError(f"no name of at most {MAX_NAME_BYTES} bytes at {start} of the string table", offset=table[4])
    return data[begin:stop].decode("utf-8", "backslashreplace")


def _symbols(
    elf: Any, data: bytes, header: tuple[int, ...], strings: tuple[int, ...], source: str
) -> tuple[Symbol, ...]:
    offset, size = header[4], header[5]
    if header[9] != _SYMBOL_BYTES or size > MAX_SYMBOLS * _SYMBOL_BYTES:
        reason = f"symbol table of {size} bytes, {header[9]} an entry; at most {MAX_SYMBOLS} entries of {_SYMBOL_BYTES}"
        raise LoadError(reason, source=source, offset=offset)
    parsed = [
        elf.structs.Elf_Sym.parse(data[at : at + _SYMBOL_BYTES])
        for at in range(offset, offset + size - _SYMBOL_BYTES + 1, _SYMBOL_BYTES)
    ]
    return tuple(
        Symbol(
            name=_string(data, strings, each["st_name"]),
            section=each["st_shndx"],
            value=each["st_value"],
            is_function=each["st_info"]["type"] == "STT_FUNC",
            is_global=each["st_info"]["bind"] != "STB_LOCAL" and each["st_other"]["visibility"] == "STV_DEFAULT",
        )
        for each in parsed
    )


def _relocations(
    elf: Any, index: int, header: tuple[int, ...], symbols: tuple[Symbol, ...], name: str, source: str
) -> list[Relocation]:
    if header[9] != _REL_BYTES or header[5] > MAX_RELOCATIONS * _REL_BYTES:
        reason = f"{header[5]} bytes, {header[9]} an entry; at most {MAX_RELOCATIONS} entries of {_REL_BYTES}"
        raise LoadError(reason, source=source, section=name)
    relocations = []
    for each in elf.get_section(index).iter_relocations():
        number = each["r_info_sym"]
        if number >= len(symbols):
            reason = f"relocation with symbol {number}, but there are only {len(symbols)}"
            raise LoadError(reason, source=source, section=name, offset=each["r_offset"])
        relocations.append(Relocation(header[7], each["r_offset"], each["r_info_type"], symbols[number]))
    return relocations
