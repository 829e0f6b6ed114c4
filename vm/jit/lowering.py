"""What is a program in LLVM IR? One function for each of its functions, with the interpreter's meaning to the bit.

    {i64, i64} @f<pc>(ptr context, i64 r0, ..., i64 r9)      r0, status

Registers are stack slots, which LLVM's SROA pass turns into values. A block is what runs without a jump or a local
call between: its instructions are counted when it begins. Where the budget does not last to its end, the interpreter
goes on from its beginning (`Status.BUDGET_SHORT`), so the count is exact and no instruction looks at it.

A memory access looks its region up in the context's table. What is not plainly allowed there, because a host's hook
wants to see it or because it is a fault, is left to `Memory`, which raises the same fault as under the interpreter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vm.isa import FRAME_POINTER, Form, Instruction
from vm.jit.native import TABLE_ENTRY_BYTES, TABLE_REGIONS, Status, TableEntry, offset_of
from vm.memory import CODE_REGION, FRAME_BYTES, MAX_CALL_DEPTH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from vm.jit.facts import Facts
    from vm.program import Function, Program

ENDS_BLOCK = (Form.JUMP, Form.JUMP_LONG, Form.JUMP_IMMEDIATE, Form.JUMP_REGISTER, Form.CALL_LOCAL, Form.EXIT)
_CALLS_UNKNOWN = Form.CALL_REGISTER
CALLS = (Form.CALL_HELPER, Form.CALL_LOCAL, Form.CALL_REGISTER)
_OVERWRITES = ("mov", "movsx", "load", "load_signed", "lddw")
RESULT = "{i64, i64}"
_SIGNATURE = ", ".join(f"i64 %a{register}" for register in range(FRAME_POINTER))
MASK32 = 0xFFFF_FFFF

# LLVM's names of what needs no guard.
_PLAIN = {"add": "add", "sub": "sub", "mul": "mul", "or": "or", "and": "and", "xor": "xor"}
_SHIFTS = {"lsh": "shl", "rsh": "lshr", "arsh": "ashr"}
_CONDITIONS = {
    "jeq": "eq",
    "jne": "ne",
    "jgt": "ugt",
    "jge": "uge",
    "jlt": "ult",
    "jle": "ule",
    "jsgt": "sgt",
    "jsge": "sge",
    "jslt": "slt",
    "jsle": "sle",
}


def lower(program: Program, facts: Facts) -> str:
    """The IR of all functions of a program, without the checks that are needless by these facts."""
    functions = [
        _Lowering(program, function, facts).text() for function in program.functions if function.end > function.start
    ]
    return "\n".join(functions)


def blocks(program: Program, function: Function) -> list[tuple[int, int]]:
    """The blocks of a function, as ranges of pcs."""
    leaders = {function.start}
    for pc in range(function.start, function.end):
        instruction = program.instructions[pc]
        form = instruction.opcode.form
        if form.jumps:
            leaders.add(instruction.target(pc))
        if form in ENDS_BLOCK or form is _CALLS_UNKNOWN:
            leaders.add(pc + 1)
    ordered = sorted(leader for leader in leaders if leader < function.end)
    return list(zip(ordered, [*ordered[1:], function.end], strict=True))


def read_first(instructions: Iterable[Instruction]) -> set[int]:
    """The registers that are read before they are written, in instructions one after the other."""
    read: set[int] = set()
    written: set[int] = set()
    for instruction in instructions:
        opcode, form = instruction.opcode, instruction.opcode.form
        uses: set[int] = set()
        if form in CALLS:
            uses.update(range(FRAME_POINTER))
        if "dst" in form.fields and opcode.operation not in _OVERWRITES:
            uses.add(instruction.dst)
        if "src" in form.fields:
            uses.add(instruction.src)
        if form in (Form.COMPARE_EXCHANGE, Form.EXIT):
            uses.add(0)
        read |= uses - written
        if form.writes_dst or form is Form.UNARY:
            written.add(instruction.dst)
    return read


class _Lowering:
    """One function's IR, line by line."""

    def __init__(self, program: Program, function: Function, facts: Facts) -> None:
        self._program = program
        self._function = function
        self._facts = facts
        self._lines: list[str] = []
        self._names = 0
        self._following = 0
        """How many instructions of the block come after the current one."""

    def text(self) -> str:
        start = self._function.start
        self._put(f"define {RESULT} @f{start}(ptr %context, {_SIGNATURE}) {{")
        self._put("entry:")
        for name in (*(f"r{register}" for register in range(FRAME_POINTER + 1)), "remaining"):
            self._put(f"%{name} = alloca i64")
        for register in range(FRAME_POINTER):
            self._put(f"store i64 %a{register}, ptr %r{register}")
        self._put(f"%table = getelementptr i8, ptr %context, i64 {offset_of('table')}")
        self._take_up_count()
        self._begin_frame()
        self._put(f"br label %b{start}")
        for first, end in blocks(self._program, self._function):
            self._block(first, end)
        for ending in (Status.RAISED, Status.TOO_DEEP, Status.ILLEGAL_CALL):
            self._put(f"{ending.name}:")
            self._put(f"ret {RESULT} {{ i64 0, i64 {ending.value} }}")
        self._put("}")
        return "\n".join(self._lines)

    # The little language of this file: a line, a new value, a register's value.

    def _put(self, line: str) -> None:
        self._lines.append(line)

    def _new(self, expression: str) -> str:
        self._names += 1
        name = f"%v{self._names}"
        self._lines.append(f"{name} = {expression}")
        return name

    def _label(self) -> str:
        self._names += 1
        return f"l{self._names}"

    def _get(self, register: int, bits: int = 64) -> str:
        value = self._new(f"load i64, ptr %r{register}")
        return value if bits == 64 else self._new(f"trunc i64 {value} to i{bits}")

    def _set(self, register: int, value: str, bits: int = 64) -> None:
        if bits != 64:
            value = self._new(f"zext i{bits} {value} to i64")
        self._put(f"store i64 {value}, ptr %r{register}")

    def _field(self, name: str) -> str:
        return self._new(f"getelementptr i8, ptr %context, i64 {offset_of(name)}")

    def _load_field(self, name: str) -> str:
        return self._new(f"load i64, ptr {self._field(name)}")

    def _store_field(self, name: str, value: str) -> None:
        self._put(f"store i64 {value}, ptr {self._field(name)}")

    def _table_field(self, region: str, name: str) -> str:
        field = getattr(TableEntry, name).offset // 8
        return self._new(f"getelementptr [{TABLE_ENTRY_BYTES // 8} x i64], ptr %table, i64 {region}, i64 {field}")

    # Beginning and end.

    def _take_up_count(self) -> None:
        self._put(f"store i64 {self._load_field('remaining')}, ptr %remaining")

    def _begin_frame(self) -> None:
        """Zero the frame and point r10 at its end. The regions of frames are numbered by depth, from 1."""
        depth = self._load_field("depth")
        top = self._new(f"shl i64 {depth}, 32")
        self._set(FRAME_POINTER, self._new(f"or i64 {top}, {FRAME_BYTES}"))
        base = self._new(f"load ptr, ptr {self._table_field(depth, 'base')}")
        self._put(f"call void @llvm.memset.p0.i64(ptr align 16 {base}, i8 0, i64 {FRAME_BYTES}, i1 false)")

    def _mark(self, pc: int) -> None:
        """What is called next, if it fails, failed at `pc`, with so many instructions left."""
        self._store_field("pc", str(pc))
        remaining = self._new("load i64, ptr %remaining")
        self._store_field("remaining", self._new(f"add i64 {remaining}, {self._following}"))

    def _fall_short(self, first: int, instructions: Sequence[tuple[int, Instruction]]) -> None:
        """Leave the block to the interpreter, which stops in it; it gets the registers that it may read there."""
        for register in sorted(read_first(instruction for _, instruction in instructions)):
            field = self._new(f"getelementptr i8, ptr %context, i64 {offset_of('registers') + 8 * register}")
            self._put(f"store i64 {self._get(register)}, ptr {field}")
        self._store_field("pc", str(first))
        self._store_field("remaining", self._new("load i64, ptr %remaining"))
        self._put(f"ret {RESULT} {{ i64 0, i64 {Status.BUDGET_SHORT.value} }}")

    # Blocks and instructions.

    def _block(self, first: int, end: int) -> None:
        instructions = [
            (pc, self._program.instructions[pc])
            for pc in range(first, end)
            if self._program.instructions[pc].opcode.form is not Form.SECOND_HALF
        ]
        self._put(f"b{first}:")
        remaining = self._new("load i64, ptr %remaining")
        if self._facts.compares_with_budget:
            short = self._new(f"icmp ult i64 {remaining}, {len(instructions)}")
            falls_short, lasts = self._label(), self._label()
            self._put(f"br i1 {short}, label %{falls_short}, label %{lasts}, !prof !0")
            self._put(f"{falls_short}:")
            self._fall_short(first, instructions)
            self._put(f"{lasts}:")
        self._put(f"store i64 {self._new(f'sub i64 {remaining}, {len(instructions)}')}, ptr %remaining")
        for number, (pc, instruction) in enumerate(instructions, 1):
            self._following = len(instructions) - number
            _LOWERINGS[instruction.opcode.form](self, pc, instruction)
        last = instructions[-1][1].opcode.form
        if last not in ENDS_BLOCK and last is not _CALLS_UNKNOWN:
            self._put(f"br label %b{end}")

    def _operand(self, instruction: Instruction, bits: int) -> str:
        if "src" in instruction.opcode.form.fields:
            return self._get(instruction.src, bits)
        return str(instruction.imm)

    def _alu(self, pc: int, instruction: Instruction) -> None:
        opcode = instruction.opcode
        operation, bits = opcode.operation, opcode.bits
        if opcode.operation == "movsx":
            narrow = self._get(instruction.src, opcode.source_bits)
            self._set(instruction.dst, self._new(f"sext i{opcode.source_bits} {narrow} to i{bits}"), bits)
            return
        source = self._operand(instruction, bits)
        if operation == "mov":
            self._set(instruction.dst, source, bits)
            return
        value = self._get(instruction.dst, bits)
        self._set(instruction.dst, self._arithmetic(operation, bits, value, source), bits)

    def _arithmetic(self, operation: str, bits: int, value: str, source: str) -> str:
        """RFC 9669 section 4.1: shifts take the low bits of their count, division by zero gives 0, or the dividend."""
        if operation in _PLAIN:
            return self._new(f"{_PLAIN[operation]} i{bits} {value}, {source}")
        if operation in _SHIFTS:
            count = self._new(f"and i{bits} {source}, {bits - 1}")
            return self._new(f"{_SHIFTS[operation]} i{bits} {value}, {count}")
        signed = operation.startswith("s")
        is_division = operation.endswith("div")
        by_zero = self._new(f"icmp eq i{bits} {source}, 0")
        divisor = self._new(f"select i1 {by_zero}, i{bits} 1, i{bits} {source}")
        overflow = ""
        if signed:  # the most negative number by -1 would trap; any number by -1 is its negation, remainder 0
            overflow = self._new(f"icmp eq i{bits} {source}, -1")
            divisor = self._new(f"select i1 {overflow}, i{bits} 1, i{bits} {divisor}")
        name = ("s" if signed else "u") + ("div" if is_division else "rem")
        result = self._new(f"{name} i{bits} {value}, {divisor}")
        if overflow:
            special = self._new(f"sub i{bits} 0, {value}") if is_division else "0"
            result = self._new(f"select i1 {overflow}, i{bits} {special}, i{bits} {result}")
        return self._new(f"select i1 {by_zero}, i{bits} {'0' if is_division else value}, i{bits} {result}")

    def _unary(self, pc: int, instruction: Instruction) -> None:
        opcode, dst = instruction.opcode, instruction.dst
        value = self._get(dst, opcode.bits)
        if opcode.operation == "neg":
            value = self._new(f"sub i{opcode.bits} 0, {value}")
        elif opcode.operation in ("be", "bswap"):
            value = self._new(f"call i{opcode.bits} @llvm.bswap.i{opcode.bits}(i{opcode.bits} {value})")
        self._set(dst, value, opcode.bits)

    def _jump(self, pc: int, instruction: Instruction) -> None:
        self._put(f"br label %b{instruction.target(pc)}")

    def _branch(self, pc: int, instruction: Instruction) -> None:
        bits = instruction.opcode.bits
        left, right = self._get(instruction.dst, bits), self._operand(instruction, bits)
        if instruction.opcode.operation == "jset":
            left, right, condition = self._new(f"and i{bits} {left}, {right}"), "0", "ne"
        else:
            condition = _CONDITIONS[instruction.opcode.operation]
        taken = self._new(f"icmp {condition} i{bits} {left}, {right}")
        self._put(f"br i1 {taken}, label %b{instruction.target(pc)}, label %b{pc + 1}")

    def _load_immediate(self, pc: int, instruction: Instruction) -> None:
        self._set(instruction.dst, str(_signed(instruction.imm)))

    def _exit(self, pc: int, instruction: Instruction) -> None:
        self._store_field("remaining", self._new("load i64, ptr %remaining"))
        result = self._new(f"insertvalue {RESULT} {{ i64 undef, i64 0 }}, i64 {self._get(0)}, 0")
        self._put(f"ret {RESULT} {result}")

    # Memory.

    def _address(self, register: int, offset: int) -> str:
        return self._new(f"add i64 {self._get(register)}, {offset}")

    def _load(self, pc: int, instruction: Instruction) -> None:
        bits = instruction.opcode.bits
        value = self._read(pc, self._address(instruction.src, instruction.offset), bits)
        if instruction.opcode.operation == "load_signed":
            self._set(instruction.dst, self._new(f"sext i{bits} {value} to i64"))
        else:
            self._set(instruction.dst, value, bits)

    def _store_immediate(self, pc: int, instruction: Instruction) -> None:
        bits = instruction.opcode.bits
        value = str(_signed(instruction.imm, bits))
        self._write(pc, self._address(instruction.dst, instruction.offset), bits, value)

    def _store_register(self, pc: int, instruction: Instruction) -> None:
        bits = instruction.opcode.bits
        address = self._address(instruction.dst, instruction.offset)
        self._write(pc, address, bits, self._get(instruction.src, bits))

    def _atomic(self, pc: int, instruction: Instruction) -> None:
        opcode, bits = instruction.opcode, instruction.opcode.bits
        address = self._address(instruction.dst, instruction.offset)
        old = self._read(pc, address, bits)
        source = self._get(instruction.src, bits)
        if opcode.form is Form.COMPARE_EXCHANGE:
            same = self._new(f"icmp eq i{bits} {old}, {self._get(0, bits)}")
            self._write(pc, address, bits, self._new(f"select i1 {same}, i{bits} {source}, i{bits} {old}"))
            self._set(0, old, bits)
            return
        new = source if opcode.operation == "mov" else self._arithmetic(opcode.operation, bits, old, source)
        self._write(pc, address, bits, new)
        if opcode.form is Form.ATOMIC_FETCH:
            self._set(instruction.src, old, bits)

    def _read(self, pc: int, address: str, bits: int) -> str:
        def directly(pointer: str) -> str:
            return self._new(f"load i{bits}, ptr {pointer}, align 1")

        def ask() -> tuple[str, str]:
            both = self._new(f"call {RESULT} @load_slowly(ptr %context, i64 {address}, i64 {bits // 8})")
            value = self._new(f"extractvalue {RESULT} {both}, 0")
            return value if bits == 64 else self._new(f"trunc i64 {value} to i{bits}"), both

        return self._access(pc, address, bits, "readable_bytes", directly, ask)

    def _write(self, pc: int, address: str, bits: int, value: str) -> None:
        def directly(pointer: str) -> str:
            self._put(f"store i{bits} {value}, ptr {pointer}, align 1")
            return ""

        def ask() -> tuple[str, str]:
            wide = value if bits == 64 else self._new(f"zext i{bits} {value} to i64")
            call = f"call {RESULT} @store_slowly(ptr %context, i64 {address}, i64 {bits // 8}, i64 {wide})"
            return "", self._new(call)

        self._access(pc, address, bits, "writable_bytes", directly, ask)

    def _access(
        self,
        pc: int,
        address: str,
        bits: int,
        limit: str,
        directly: Callable[[str], str],
        ask: Callable[[], tuple[str, str]],
    ) -> str:
        """Check, then access directly or ask `Memory`; the value that was read, if any. No check where it is proved."""
        offset = self._new(f"and i64 {address}, {MASK32}")
        number = self._facts.regions.get(pc)
        if number is not None:
            base = self._new(f"load ptr, ptr {self._table_field(str(number), 'base')}")
            return directly(self._new(f"getelementptr i8, ptr {base}, i64 {offset}"))
        region = self._new(f"lshr i64 {address}, 32")
        in_table = self._new(f"icmp ult i64 {region}, {TABLE_REGIONS}")
        region = self._new(f"select i1 {in_table}, i64 {region}, i64 0")  # region 0 has no bytes
        has = self._new(f"load i64, ptr {self._table_field(region, limit)}")
        end = self._new(f"add i64 {offset}, {bits // 8}")
        fits = self._new(f"icmp ule i64 {end}, {has}")
        fast, slow, done = self._label(), self._label(), self._label()
        self._put(f"br i1 {fits}, label %{fast}, label %{slow}, !prof !1")
        self._put(f"{fast}:")
        base = self._new(f"load ptr, ptr {self._table_field(region, 'base')}")
        found = directly(self._new(f"getelementptr i8, ptr {base}, i64 {offset}"))
        self._put(f"br label %{done}")
        self._put(f"{slow}:")
        self._mark(pc)
        asked, both = ask()
        self._go_on_unless(both, Status.RAISED, done)
        if not found:
            return ""
        return self._new(f"phi i{bits} [ {found}, %{fast} ], [ {asked}, %{slow} ]")

    def _go_on_unless(self, both: str, failed: Status, following: str) -> None:
        """Leave if the status of a call's result is not `DONE`, else go on at `following`, which begins here."""
        status = self._new(f"extractvalue {RESULT} {both}, 1")
        bad = self._new(f"icmp ne i64 {status}, 0")
        self._put(f"br i1 {bad}, label %{failed.name}, label %{following}, !prof !0")
        self._put(f"{following}:")

    # Calls.

    def _call_helper(self, pc: int, instruction: Instruction) -> None:
        arguments = ", ".join(f"i64 {self._get(register)}" for register in range(1, 6))
        self._mark(pc)
        both = self._new(f"call {RESULT} @helper_{instruction.imm}(ptr %context, {arguments})")
        self._go_on_unless(both, Status.RAISED, self._label())
        self._returned(both)

    def _returned(self, both: str) -> None:
        self._set(0, self._new(f"extractvalue {RESULT} {both}, 0"))
        for register in range(1, 6):
            self._set(register, "0")

    def _call_local(self, pc: int, instruction: Instruction) -> None:
        self._enter(pc, instruction.target(pc))
        self._put(f"br label %b{pc + 1}")

    def _enter(self, pc: int, start: int) -> None:
        """Call a function of the program: a frame more for as long as it lasts."""
        self._mark(pc)
        depth = self._load_field("depth")
        deepest = self._new(f"icmp eq i64 {depth}, {MAX_CALL_DEPTH}")
        go_on = self._label()
        self._put(f"br i1 {deepest}, label %{Status.TOO_DEEP.name}, label %{go_on}, !prof !0")
        self._put(f"{go_on}:")
        inner = self._new(f"add i64 {depth}, 1")
        self._store_field("depth", inner)
        self._size_frame(inner, FRAME_BYTES)
        self._store_field("remaining", self._new("load i64, ptr %remaining"))
        arguments = ", ".join(f"i64 {self._get(register)}" for register in range(FRAME_POINTER))
        both = self._new(f"call {RESULT} @f{start}(ptr %context, {arguments})")
        status = self._new(f"extractvalue {RESULT} {both}, 1")
        bad = self._new(f"icmp ne i64 {status}, 0")
        failed, returned = self._label(), self._label()
        self._put(f"br i1 {bad}, label %{failed}, label %{returned}, !prof !0")
        self._put(f"{failed}:")
        self._put(f"ret {RESULT} {both}")
        self._put(f"{returned}:")
        self._size_frame(inner, 0)
        self._store_field("depth", depth)
        self._take_up_count()
        self._returned(both)

    def _size_frame(self, depth: str, size: int) -> None:
        for name in ("readable_bytes", "writable_bytes"):
            self._put(f"store i64 {size}, ptr {self._table_field(depth, name)}")

    def _call_register(self, pc: int, instruction: Instruction) -> None:
        """A function's address, or a helper's number: what `callx` calls is known when it runs."""
        target = self._get(instruction.dst)
        following, other, number = f"b{pc + 1}", self._label(), self._label()
        self._mark(pc)
        starts = [function.start for function in self._program.functions]
        cases = {start: self._label() for start in starts}
        listed = " ".join(f"i64 {(CODE_REGION << 32) + 8 * start}, label %{label}" for start, label in cases.items())
        self._put(f"switch i64 {target}, label %{other} [ {listed} ]")
        for start, label in cases.items():
            self._put(f"{label}:")
            self._enter(pc, start)
            self._put(f"br label %{following}")
        self._put(f"{other}:")
        is_number = self._new(f"icmp ule i64 {target}, {MASK32}")
        self._put(f"store i64 {target}, ptr {self._field('registers')}")
        self._put(f"br i1 {is_number}, label %{number}, label %{Status.ILLEGAL_CALL.name}")
        self._put(f"{number}:")
        arguments = ", ".join(f"i64 {self._get(register)}" for register in range(1, 6))
        both = self._new(f"call {RESULT} @call_any(ptr %context, i64 {target}, {arguments})")
        self._go_on_unless(both, Status.RAISED, self._label())
        self._returned(both)
        self._put(f"br label %{following}")


def _signed(value: int, bits: int = 64) -> int:
    sign = 1 << bits - 1
    return (value & (1 << bits) - 1 ^ sign) - sign


_LOWERINGS: dict[Form, Callable[[_Lowering, int, Instruction], None]] = {
    Form.ALU_IMMEDIATE: _Lowering._alu,
    Form.ALU_REGISTER: _Lowering._alu,
    Form.UNARY: _Lowering._unary,
    Form.JUMP: _Lowering._jump,
    Form.JUMP_LONG: _Lowering._jump,
    Form.JUMP_IMMEDIATE: _Lowering._branch,
    Form.JUMP_REGISTER: _Lowering._branch,
    Form.LOAD: _Lowering._load,
    Form.STORE_IMMEDIATE: _Lowering._store_immediate,
    Form.STORE_REGISTER: _Lowering._store_register,
    Form.ATOMIC: _Lowering._atomic,
    Form.ATOMIC_FETCH: _Lowering._atomic,
    Form.COMPARE_EXCHANGE: _Lowering._atomic,
    Form.LOAD_IMMEDIATE: _Lowering._load_immediate,
    Form.CALL_HELPER: _Lowering._call_helper,
    Form.CALL_LOCAL: _Lowering._call_local,
    Form.CALL_REGISTER: _Lowering._call_register,
    Form.EXIT: _Lowering._exit,
}
