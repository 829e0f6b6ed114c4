"""How does an object file become a program? Layout, relocations, entries.

Code sections are put one after the other; data sections become regions in the order of the file. Relocations are those
that clang and gcc emit for eBPF (Linux, Documentation/bpf/llvm_reloc.rst).

A code section other than .text is an entry, at its one global function; the others in it must be static. Functions in
.text, and in what compilers split from it (.text.unlikely, one section a function), are subprograms.
"""

from __future__ import annotations

import re
import struct
from types import MappingProxyType
from typing import TYPE_CHECKING

from vm import elf
from vm.elf import ObjectFile, Relocation, Section, Symbol, Use
from vm.errors import LoadError
from vm.isa import LDDW_CODE, SLOT_BYTES, decode
from vm.memory import CODE_REGION, DATA_REGION, HOST_REGION, MASK64, address
from vm.program import MAX_INSTRUCTIONS, DataSection, Function, Program
from vm.source import read_lines

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vm.pseudo import Resolver

R_BPF_64_64, R_BPF_64_ABS64, R_BPF_64_32 = 1, 2, 10
R_BPF_DATA_64 = 12  # R_BPF_64_ABS64 as binutils numbered it before 2.41
_GCC = re.compile(r"GCC: \(.*\) (\d+)\.")
_FIRST_GCC_WITH_NEW_BINUTILS, _LAST_GCC_WITH_OLD_BINUTILS = 14, 12
_CALL_CODE, _PSEUDO_CALL = 0x85, 1
_JUMP_TABLES = ".jumptables"
_STANDARD_DATA = (".rodata", ".data", ".bss")


def load(
    data: bytes,
    *,
    source: str = "<memory>",
    helpers: Mapping[str, int] | None = None,
    resolver: Resolver | None = None,
) -> Program:
    """The program in an ELF object file.

    Undefined external functions become calls of the helper that `helpers` (name to number) has for them. `resolver`
    answers for what `lddw` loads of the host's (`vm.pseudo`). Raises LoadError, and nothing else, whatever the bytes;
    its subclass IllegalInstruction where the code is at fault.
    """
    return _Linker(elf.read(data, source=source), helpers or {}).program(resolver)


def _stores_what_to_add(file: ObjectFile) -> bool:
    """Binutils before 2.41, which assembled for gcc up to 12, stored a symbol's value, in bytes, with the addend.

    An object does not say what assembled it, only what compiled it. Raises LoadError where that leaves it open.
    """
    version = _GCC.search(file.compiler)
    if version is None or int(version[1]) >= _FIRST_GCC_WITH_NEW_BINUTILS:
        return True
    if int(version[1]) > _LAST_GCC_WITH_OLD_BINUTILS:
        reason = f"{file.compiler!r} may have used binutils before or after 2.41, which differ in what they store at a "
        raise LoadError(reason + "relocation; build with gcc 12, gcc 14 or clang", source=file.source)
    return False


class _Linker:
    """Patches copies of an object's sections until they can be decoded."""

    def __init__(self, file: ObjectFile, helpers: Mapping[str, int]) -> None:
        self.file = file
        self.helpers = helpers
        self.code = {section.index: bytearray(section.data) for section in file.of(Use.CODE)}
        self.data = {section.index: bytearray(section.data) for section in file.of(Use.DATA)}
        self.bases: dict[int, int] = {}
        self.regions: dict[int, int] = {}
        self.is_relative = _stores_what_to_add(file)
        """Whether what is stored where a relocation points is to be added to the symbol's value, or has it already."""

    def program(self, resolver: Resolver | None) -> Program:
        self._lay_out()
        for relocation in self.file.relocations:
            self._relocate(relocation)
        functions = self._functions()
        instructions = []
        for section in self.file.of(Use.CODE):
            content, base = bytes(self.code[section.index]), self.bases[section.index]
            instructions += decode(content, source=self.file.source, section=section.name, base=base)
        return Program(
            instructions=tuple(instructions),
            functions=tuple(each for section in functions.values() for each in section),
            entries=MappingProxyType(self._entries(functions)),
            data=tuple(
                DataSection(each.name, self.regions[each.index], bytes(self.data[each.index]), each.writable)
                for each in self.file.of(Use.DATA)
            ),
            sections=MappingProxyType(self._metadata()),
            source=self.file.source,
            lines=read_lines(
                {each.name: each.data for each in self.file.of(Use.LINES)},
                {each.name: (self.bases[each.index], len(each.data)) for each in self.file.of(Use.CODE)},
                source=self.file.source,
            ),
            resolver=resolver,
        )

    def _refuse(self, reason: str, section: Section, offset: int | None = None) -> LoadError:
        return LoadError(reason, source=self.file.source, section=section.name, offset=offset)

    def _lay_out(self) -> None:
        pc = 0
        names: set[str] = set()
        for section in self.file.of(Use.CODE):
            if section.name in names:
                raise self._refuse("a second code section of this name", section)
            names.add(section.name)
            if len(section.data) % SLOT_BYTES:
                raise self._refuse(f"{len(section.data)} bytes of code are not a whole number of slots", section)
            self.bases[section.index] = pc
            pc += len(section.data) // SLOT_BYTES
            if pc > MAX_INSTRUCTIONS:
                raise self._refuse(
                    f"{pc} instruction slots up to here; at most {MAX_INSTRUCTIONS} are allowed", section
                )
        if pc == 0:
            raise LoadError("there is no code: no executable section has any bytes", source=self.file.source)
        for region, section in enumerate(self.file.of(Use.DATA), DATA_REGION):
            if region >= HOST_REGION:
                raise self._refuse(f"more than {HOST_REGION - DATA_REGION} data sections", section)
            self.regions[section.index] = region

    def _relocate(self, relocation: Relocation) -> None:
        section = self.file.sections[relocation.section]
        size = 16 if relocation.kind == R_BPF_64_64 else 8
        if relocation.offset + size > len(section.data):
            reason = f"relocation outside of the section, which has {len(section.data)} bytes"
            raise self._refuse(reason, section, relocation.offset)
        pointer = R_BPF_64_ABS64 if self.is_relative else R_BPF_DATA_64
        if section.use is Use.CODE and relocation.offset % SLOT_BYTES:
            raise self._refuse("relocation inside an instruction", section, relocation.offset)
        if section.use is Use.CODE and relocation.kind == R_BPF_64_64:
            self._relocate_address(relocation, section)
        elif section.use is Use.CODE and relocation.kind == R_BPF_64_32:
            self._relocate_call(relocation, section)
        elif section.use is Use.DATA and relocation.kind == pointer:
            self._relocate_pointer(relocation, section)
        else:
            raise self._refuse(
                f"relocation type {relocation.kind} is not supported in {section.use.value}; supported are "
                f"{R_BPF_64_64} and {R_BPF_64_32} in code, {pointer} in data",
                section,
                relocation.offset,
            )

    def _relocate_address(self, relocation: Relocation, section: Section) -> None:
        """R_BPF_64_64: `lddw` of an address; the addend is the first immediate."""
        code, offset = self.code[section.index], relocation.offset
        if code[offset] != LDDW_CODE:
            raise self._refuse("the address of a symbol is only taken by lddw", section, offset)
        (stored,) = struct.unpack_from("<i", code, offset + 4)
        value = self._address_of(relocation, section, stored)
        struct.pack_into("<I", code, offset + 4, value & 0xFFFF_FFFF)
        struct.pack_into("<I", code, offset + 12, value >> 32)

    def _relocate_pointer(self, relocation: Relocation, section: Section) -> None:
        """R_BPF_64_ABS64: an initialised pointer; the addend is what stands there."""
        data, offset = self.data[section.index], relocation.offset
        (stored,) = struct.unpack_from("<q", data, offset)
        struct.pack_into("<Q", data, offset, self._address_of(relocation, section, stored))

    def _address_of(self, relocation: Relocation, section: Section, stored: int) -> int:
        """The address of data, or of a function as `callx` takes it."""
        symbol = relocation.symbol
        if symbol.section in self.regions:
            start = address(self.regions[int(symbol.section)])
        elif symbol.section in self.bases:
            start = address(CODE_REGION, SLOT_BYTES * self.bases[int(symbol.section)])
        elif symbol.section == "SHN_UNDEF":
            raise self._refuse(
                f"undefined symbol {symbol.name!r}: external data cannot be linked", section, relocation.offset
            )
        else:
            raise self._refuse(self._why_not_loaded(symbol), section, relocation.offset)
        return (start + stored + (symbol.value if self.is_relative else 0)) & MASK64

    def _why_not_loaded(self, symbol: Symbol) -> str:
        place = symbol.section
        name = repr(self.file.names[place]) if isinstance(place, int) and place < len(self.file.names) else place
        reason = f"symbol {symbol.name!r} is in section {name}, which is not loaded"
        if name == repr(_JUMP_TABLES):
            reason += ": jumps through a table (clang 22 at -mcpu=v4) are not supported; compile with -fno-jump-tables"
        return reason

    def _relocate_call(self, relocation: Relocation, section: Section) -> None:
        """R_BPF_64_32: `call`; symbol value / 8 + immediate + 1 is the slot in the symbol's section.

        Binutils before 2.41 store that only of a section's symbol; of a function's, its value - 1.
        """
        code, offset, symbol = self.code[section.index], relocation.offset, relocation.symbol
        opcode, registers, _, imm = struct.unpack_from("<BBhi", code, offset)
        if opcode != _CALL_CODE or registers >> 4 != _PSEUDO_CALL:
            raise self._refuse("the relocation of a call is not on a local call", section, offset)
        if symbol.section in self.bases:
            start = imm + 1 + (symbol.value // SLOT_BYTES if self.is_relative else 0)
            if symbol.is_function and not self.is_relative:
                start //= SLOT_BYTES
            target = self.bases[int(symbol.section)] + start
            imm = target - (self.bases[section.index] + offset // SLOT_BYTES + 1)
        elif symbol.section == "SHN_UNDEF" and symbol.name in self.helpers:
            registers &= 0x0F
            imm = self.helpers[symbol.name]
        elif symbol.section == "SHN_UNDEF":
            known = ", ".join(self.helpers) or "none"
            reason = f"undefined function {symbol.name!r} is not a helper; helpers known by name: {known}"
            raise self._refuse(reason, section, offset)
        else:
            raise self._refuse(f"call of {symbol.name!r}, which is not in a code section", section, offset)
        if not -(1 << 31) <= imm < 1 << 31:
            raise self._refuse(f"call of {symbol.name!r} goes to slot {imm}, outside of the program", section, offset)
        struct.pack_into("<BBhi", code, offset, opcode, registers, 0, imm)

    def _functions(self) -> dict[int, list[Function]]:
        """The functions of each code section; one extends to the next one's start."""
        named: dict[int | str, dict[int, tuple[str, bool]]] = {index: {} for index in self.code}
        for symbol in self.file.symbols:
            if symbol.is_function and symbol.section in named:
                section = self.file.sections[int(symbol.section)]
                if symbol.value % SLOT_BYTES or symbol.value >= len(section.data):
                    raise self._refuse(f"function {symbol.name!r} is not at an instruction", section, symbol.value)
                aliases = named[symbol.section]
                if symbol.value not in aliases or symbol.is_global > aliases[symbol.value][1]:
                    aliases[symbol.value] = (symbol.name, symbol.is_global)
        return {section.index: self._ranges(section, named[section.index]) for section in self.file.of(Use.CODE)}

    def _ranges(self, section: Section, named: dict[int, tuple[str, bool]]) -> list[Function]:
        if 0 not in named:
            raise self._refuse("no function symbol at the start of this code section", section, 0)
        starts = sorted(named)
        base = self.bases[section.index]
        return [
            Function(
                named[start][0], section.name, base + start // SLOT_BYTES, base + end // SLOT_BYTES, named[start][1]
            )
            for start, end in zip(starts, [*starts[1:], len(section.data)], strict=True)
        ]

    def _entries(self, functions: Mapping[int, list[Function]]) -> dict[str, int]:
        entries: dict[str, int] = {}
        for section in self.file.of(Use.CODE):
            if section.name == ".text" or section.name.startswith(".text."):
                continue
            candidates = [each for each in functions[section.index] if each.is_global]
            if len(candidates) != 1:
                names = ", ".join(each.name for each in candidates) or "none"
                reason = f"a code section needs exactly one global function, its entry, but has {names}; "
                raise self._refuse(reason + "make the others static or move them to .text", section)
            entries[section.name] = candidates[0].start
        return entries

    def _metadata(self) -> dict[str, bytes]:
        sections: dict[str, bytes] = {}
        for section in (*self.file.of(Use.DATA), *self.file.of(Use.METADATA)):
            if section.name.startswith(_STANDARD_DATA):
                continue
            if section.name in sections:
                raise self._refuse("a second section of this name", section)
            sections[section.name] = bytes(self.data.get(section.index, section.data))
        return sections
