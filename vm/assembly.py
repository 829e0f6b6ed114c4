"""How do instructions become text, and text instructions? Both by the templates of `vm.syntax`.

`assemble` reads both looks, also mixed, with labels, and all that a listing has beside instructions:

    main:                        a label; `0000000000000000 <main>:` is one as well
      mov %r0, 0                 # a comment, to the end of the line, as what follows a ;
      jeq %r1, 0, done           a target is a label, or +3, or -2; `r1` and `%r1` are the same
      2: w0 = *(u8 *)(r1 + 4)    the pc before an instruction is checked
    done:
      exit

If no label is named `exit`, it is the first `exit`, as the bpf_conformance suite has it.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from functools import cache
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

from vm.errors import AssemblyError, IllegalInstruction
from vm.isa import FRAME_POINTER, SLOT_BYTES, Form, Instruction, Opcode, decode, encode
from vm.memory import CODE_REGION, OFFSET_MASK
from vm.syntax import TEMPLATES, Look

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vm.program import Program

_NUMBER = r"(?:0[xX][0-9a-fA-F]+|[0-9]{1,40})\b"
_TOKEN = re.compile(
    rf"""(?P<skipped> \s+ | [#;].* | <[^<>]*>\s*$ )
      | (?P<r> %?r[0-9]+\b )
      | (?P<w> w[0-9]+\b )
      | (?P<signed> [+-]\s*{_NUMBER} )
      | (?P<number> {_NUMBER} )
      | (?P<sign> <<= | s?>>= | s?[<>]=? | s?[/%]= | [-+*&|^=!]= | [-*=&\[\](),:] )
      | (?P<word> [A-Za-z_.$][\w.$]* )
      | (?P<strange> . )""",
    re.VERBOSE | re.ASCII,
)
# What a listing has beside instructions and comments: where a section begins, and a function.
_SECTION = re.compile(r"\s*Disassembly of section .*:\s*")
_FUNCTION = re.compile(r"[0-9a-f]{16} <(?P<name>[^<>]+)>:\s*")

_OPERAND = re.compile(r"\{(\w+)\}")
# Which tokens an operand may be; "" where it may be left out.
_KINDS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("rd", "rs", "r0"), ("r",)),
    **dict.fromkeys(("wd", "ws", "w0"), ("w",)),
    **dict.fromkeys(("imm", "imm64"), ("number", "signed")),
    "number": ("number",),
    "next": ("signed",),
    "offset": ("signed", ""),
    "to": ("signed", "word"),
}
_MEANINGS = {
    "{r}": "a register, r0 to r10",
    "{w}": "half a register, w0 to w10",
    "{number}": "a number",
    "{signed}": "a number with its sign",
    "{word}": "a label",
}
_LIMITS = {
    "imm": (-(1 << 31), (1 << 32) - 1),
    "imm64": (-(1 << 63), (1 << 64) - 1),
    "number": (0, (1 << 32) - 1),
    "next": (0, (1 << 32) - 1),
    "offset": (-(1 << 15), (1 << 15) - 1),
}


class _Token(NamedTuple):
    """A piece of a line; `kind` is a group of the pattern, `column` counts from 1."""

    kind: str
    text: str
    column: int

    @property
    def value(self) -> int:
        digits = "".join(self.text.split()).lstrip("%rw").lower()
        return int(digits, 16 if "0x" in digits else 10)


class _Node:
    """What may follow, by the text of a literal or the {kind} of an operand; `leaf` where a line may end."""

    __slots__ = ("following", "leaf")

    def __init__(self) -> None:
        self.following: dict[str, _Node] = {}
        self.leaf: tuple[Opcode, tuple[str, ...]] | None = None


@cache
def _grammar() -> _Node:
    """All templates as one tree, so that a line is read in one walk, and a walk that ends early knows what was due."""
    root = _Node()
    for row, template in ((row, each) for rows in TEMPLATES.values() for row, all_ in rows.items() for each in all_):
        pieces = _OPERAND.split(template)
        literals = [[match.group() for match in _tokens(piece)] for piece in pieces[::2]]
        names = pieces[1::2]
        for kinds in product(*(_KINDS[name] for name in names)):
            node = root
            for literal, kind in zip(literals, [*kinds, ""], strict=True):
                for key in [*literal, *([f"{{{kind}}}"] if kind else [])]:
                    node = node.following.setdefault(key, _Node())
            node.leaf = row, tuple(name for name, kind in zip(names, kinds, strict=True) if kind)
    return root


def _tokens(line: str) -> list[re.Match[str]]:
    return [match for match in _TOKEN.finditer(line) if match.lastgroup != "skipped"]


class _Line(NamedTuple):
    """An instruction as read, before labels are known."""

    number: int
    pc: int
    start: _Token
    row: Opcode
    operands: dict[str, _Token]


def assemble(text: str, *, source: str = "<assembly>") -> list[Instruction]:
    """The instructions that a text describes, indexed by pc as those of `vm.isa.decode`.

    Raises AssemblyError, with line and column, for what is not an instruction, out of range, or forbidden.
    """
    return _Assembler(source).assemble(text)


class _Assembler:
    def __init__(self, source: str) -> None:
        self.source = source
        self.lines: list[_Line] = []
        self.labels: dict[str, int] = {}
        self.pc = 0

    def assemble(self, text: str) -> list[Instruction]:
        for number, line in enumerate(text.split("\n"), 1):
            if function := _FUNCTION.fullmatch(line):
                self.define(_Token("word", function["name"], function.start("name") + 1), number)
            elif not _SECTION.fullmatch(line):
                self.read(line, number)
        first_exit = next((line.pc for line in self.lines if line.row.form is Form.EXIT), None)
        if first_exit is not None:
            self.labels.setdefault("exit", first_exit)
        return [slot for line in self.lines for slot in self.finish(line)]

    def refuse(self, number: int, column: int, reason: str) -> AssemblyError:
        return AssemblyError(reason, source=self.source, line=number, column=column)

    def define(self, label: _Token, number: int) -> None:
        if label.text in self.labels:
            reason = f"label {label.text!r} is already defined, at instruction {self.labels[label.text]}"
            raise self.refuse(number, label.column, reason)
        self.labels[label.text] = self.pc

    def read(self, line: str, number: int) -> None:
        """Labels, and at most one instruction."""
        tokens = [_Token(match.lastgroup or "", match.group(), match.start() + 1) for match in _tokens(line)]
        while len(tokens) > 1 and tokens[1].text == ":" and tokens[0].kind in ("word", "number"):
            if tokens[0].kind == "word":
                self.define(tokens[0], number)
            elif tokens[0].value != self.pc:
                reason = f"this is instruction {self.pc}, not {tokens[0].value}"
                raise self.refuse(number, tokens[0].column, reason)
            del tokens[:2]
        if tokens:
            row, names, operands = self.match(tokens, number)
            self.lines.append(_Line(number, self.pc, tokens[0], row, self.bind(names, operands, number)))
            self.pc += 2 if row.form.is_wide else 1

    def match(self, tokens: list[_Token], number: int) -> tuple[Opcode, tuple[str, ...], list[_Token]]:
        node, operands = _grammar(), []
        for token in tokens:
            following = node.following.get(token.text)
            if following is None:
                following = node.following.get(f"{{{token.kind}}}")
                operands.append(token)
            if following is None:
                raise self.refuse(number, token.column, _unexpected(node, token))
            node = following
        if node.leaf is None:
            end = tokens[-1].column + len(tokens[-1].text)
            raise self.refuse(number, end, f"the line ends too soon; {_expected(node)}")
        return *node.leaf, operands

    def bind(self, names: tuple[str, ...], operands: list[_Token], number: int) -> dict[str, _Token]:
        """Operands by name, each in its range; one that is written twice is the same twice."""
        bound: dict[str, _Token] = {}
        for name, token in zip(names, operands, strict=True):
            if token.kind in ("r", "w") and token.value > FRAME_POINTER:
                raise self.refuse(number, token.column, f"there is no register {token.text}; they are r0 to r10")
            low, high = _LIMITS.get(name, (None, None))
            if low is not None and high is not None and not low <= token.value <= high:
                raise self.refuse(number, token.column, f"{token.text} is out of range, which is {low} to {high}")
            if name in ("r0", "w0") and token.value != 0:
                raise self.refuse(number, token.column, f"{token.text} stands where only {name} may")
            if name in bound and bound[name].value != token.value:
                reason = f"{token.text} stands where {bound[name].text} must be repeated"
                raise self.refuse(number, token.column, reason)
            bound[name] = token
        return bound

    def finish(self, line: _Line) -> list[Instruction]:
        """The slots of an instruction."""
        row, operands = line.row, line.operands
        fields = {"dst": 0, "src": 0, "offset": 0, "imm": 0, **row.fixed}
        for name, token in operands.items():
            if name == "to":
                fields["offset" if "offset" in row.form.fields else "imm"] = self.displacement(line, token)
            elif name != "next" and name not in ("r0", "w0"):
                fields[_FIELDS[name]] = token.value
        if row.form.is_wide:
            low = fields["imm"] & (0xFFFF_FFFF if row.form is Form.LOAD_PSEUDO else (1 << 64) - 1)
            fields["imm"] = low | (operands["next"].value << 32 if "next" in operands else 0)
        elif "imm" in operands or "number" in operands:
            fields["imm"] = (fields["imm"] & 0xFFFF_FFFF ^ 0x8000_0000) - 0x8000_0000
        try:
            return decode(encode(Instruction(row, **fields)))
        except IllegalInstruction as illegal:
            raise self.refuse(line.number, line.start.column, illegal.reason) from None

    def displacement(self, line: _Line, target: _Token) -> int:
        if target.kind == "signed":
            distance = target.value
        elif target.text in self.labels:
            distance = self.labels[target.text] - line.pc - 1
        else:
            reason = f"no label {target.text!r}{_similar(target.text, self.labels)}"
            raise self.refuse(line.number, target.column, reason)
        bits = 16 if "offset" in line.row.form.fields else 32
        if not -(1 << bits - 1) <= distance < 1 << bits - 1:
            reason = f"{target.text} is {distance} instructions away, which does not fit {bits} bits"
            raise self.refuse(line.number, target.column, reason + ("; ja32 (gotol) reaches it" if bits == 16 else ""))
        return distance


# The field of an instruction that an operand fills.
_FIELDS = {
    **dict.fromkeys(("rd", "wd"), "dst"),
    **dict.fromkeys(("rs", "ws"), "src"),
    **dict.fromkeys(("imm", "imm64", "number"), "imm"),
    "offset": "offset",
}


def _unexpected(node: _Node, token: _Token) -> str:
    if node is _grammar():
        names = [key for key in node.following if key[0].isalpha()]
        return f"no instruction begins with {token.text!r}{_similar(token.text, names)}"
    return f"{token.text!r} is out of place; {_expected(node)}"


def _expected(node: _Node) -> str:
    due = [_MEANINGS.get(key, repr(key)) for key in node.following] + (["the end of the line"] if node.leaf else [])
    return "expected " + (", ".join(due[:-1]) + " or " if due[1:] else "") + due[-1]


def _similar(word: str, words: Iterable[str]) -> str:
    close = get_close_matches(word, sorted(words), 1)
    return f"; did you mean {close[0]!r}?" if close else ""


def disassemble(instructions: Iterable[Instruction], look: Look = Look.LLVM) -> str:
    """A line for each instruction. `assemble` gives the same instructions back."""
    return "".join(f"{_written(each, look)}\n" for each in instructions if each.opcode.form is not Form.SECOND_HALF)


def listing(program: Program, look: Look = Look.LLVM) -> str:
    """A program as llvm-objdump prints objects: sections, functions, pcs, targets, and lines of C where it has them.

    `assemble` gives the program's instructions back.
    """
    lines: list[str] = []
    section = source = None
    for function in program.functions:
        if function.section != section:
            section = function.section
            lines += ["", f"Disassembly of section {_printable(section)}:"]
        lines += ["", f"{SLOT_BYTES * function.start:016x} <{_printable(function.name)}>:"]
        for pc in range(function.start, function.end):
            instruction = program.instructions[pc]
            if instruction.opcode.form is Form.SECOND_HALF:
                continue
            at = program.line_at(pc)
            if at is not None and (at.file, at.line) != source:
                source = at.file, at.line
                lines.append(_printable(f"; {at.file}:{at.line}: {at.text}".rstrip(": ")))
            lines.append(f"{pc:8}:\t{_written(instruction, look)}{_annotation(program, pc)}")
    return "\n".join(lines[1:]) + "\n"


def _written(instruction: Instruction, look: Look) -> str:
    row, dst, src, offset, imm = instruction
    low, high = instruction.halves
    target = offset if "offset" in row.form.fields else low
    percent = "%" if look is Look.UBPF else ""
    if look is Look.UBPF:
        displacement, wide = f"{offset:+}", f"{imm:#x}"
    else:
        displacement, wide = f" {'-' if offset < 0 else '+'} {abs(offset)}", f"{(imm ^ 1 << 63) - (1 << 63):#x}"
    operands = {
        "rd": f"{percent}r{dst}",
        "rs": f"{percent}r{src}",
        "wd": f"w{dst}",
        "ws": f"w{src}",
        "r0": "r0",
        "w0": "w0",
        "imm": str(low),
        "number": str(low & 0xFFFF_FFFF),
        "imm64": wide,
        "next": f" + {high & 0xFFFF_FFFF}",
        "offset": displacement,
        "to": f"{target:+}",
    }
    return _OPERAND.sub(lambda match: operands[match[1]], TEMPLATES[look][row][0])


def _annotation(program: Program, pc: int) -> str:
    """What a target or an address is, by the name of its function or data section."""
    instruction = program.instructions[pc]
    form = instruction.opcode.form
    region, offset = instruction.imm >> 32, instruction.imm & OFFSET_MASK
    if form.jumps or form is Form.CALL_LOCAL:
        region, offset = CODE_REGION, SLOT_BYTES * instruction.target(pc)
    elif form is not Form.LOAD_IMMEDIATE:
        return ""
    if region == CODE_REGION and offset // SLOT_BYTES < len(program.instructions):
        function = program.function_at(offset // SLOT_BYTES)
        name, offset = function.name, offset - SLOT_BYTES * function.start
    else:
        name = next((section.name for section in program.data if section.region == region), "")
    return f" <{_printable(name)}{f'+{offset:#x}' if offset else ''}>" if name else ""


def _printable(text: str) -> str:
    """Names and source text are whatever an object file holds; a line stays a line."""
    return "".join(character if character.isprintable() else "?" for character in text)
