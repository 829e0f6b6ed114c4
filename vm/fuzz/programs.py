"""Random programs that a verifier has something to say about: indices clamped in many ways, loops, spills, calls.

Most accesses are made to just fit, so that an analysis that is off by one is wrong about some program. r6 to r9 hold
what the program is given (see `vm.fuzz.soundness`), r0 to r5 are numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vm.isa import Instruction, encode, make
from vm.memory import DATA_REGION, MASK64

if TYPE_CHECKING:
    from random import Random

MEMORY_BYTES = 64
PACKET_BYTES = 48
RODATA, RODATA_BYTES = DATA_REGION, 32
BSS, BSS_BYTES = DATA_REGION + 1, 16
STACK_SLOTS = (-8, -16, -24, -32)
SCRATCH_BYTES = 64
"""Of the stack, from the frame's end, beside the slots below it."""

INTERESTING = (
    0, 1, 2, 3, 7, 8, 15, 31, 32, 63, 64, 127, 128, 255, 256, 0x7FFF, 0x8000, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000,
    0xFFFF_FFFF, 0x1_0000_0000, 0x7FFF_FFFF_FFFF_FFFF, 0x8000_0000_0000_0000, 0xFFFF_FFFF_8000_0000, MASK64 - 1, MASK64,
)  # fmt: skip
"""Values at the seams of widths and signs."""
BINARY = ("add", "sub", "mul", "div", "mod", "sdiv", "smod", "or", "and", "xor", "lsh", "rsh", "arsh", "mov")
CONDITIONS = ("jeq", "jne", "jgt", "jge", "jlt", "jle", "jset", "jsgt", "jsge", "jslt", "jsle")
SIZES = {"b": 1, "h": 2, "w": 4, "dw": 8}
Code = list[Instruction]


def interesting(rng: Random) -> int:
    """A number that is likely to be at a seam, or near one."""
    value = rng.choice(INTERESTING) if rng.random() < 0.8 else rng.getrandbits(rng.randint(1, 64))
    return (value + rng.choice((0, 0, 0, 1, -1, 2))) & MASK64


def slots(code: Code) -> int:
    """How many slots instructions take."""
    return sum(len(encode(each)) // 8 for each in code)


class Generator:
    """Makes one program from a stream of random numbers."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._loops = 0
        self._busy: list[int] = []
        """Registers that count a loop, and must be left alone in it."""

    def program(self) -> Code:
        """The instructions of a whole program, with a function that it may call at its end."""
        rng = self._rng
        code = [make("mov", 6 + each, src=1 + each) for each in range(4)]
        for register in range(6):
            code += self._number(register, is_start=register != 5)
        for at in STACK_SLOTS[: rng.randint(0, 4)]:
            code.append(make("stdw", 10, offset=at, imm=rng.choice((0, 5, -1))))
        for _ in range(rng.randint(2, 7)):
            code += self._gadget(2)
        code += [make("mov", 0, src=rng.randrange(6)), make("exit")]
        return self._linked(code)

    def _linked(self, code: Code) -> Code:
        """Let local calls, written with no target, go to a function behind the program."""
        starts = [pc for pc, each in enumerate(code) if each.opcode.form.name == "CALL_LOCAL"]
        if not starts:
            return code
        end = slots(code)
        for index in starts:
            code[index] = make("call_local", imm=end - slots(code[:index]) - 1)
        return code + self._function()

    def _function(self) -> Code:
        """r1 is a pointer to 8 bytes of the caller's stack, r2 a number."""
        rng = self._rng
        code = [make("ldxdw", 3, src=1)] if rng.random() < 0.7 else [make("mov", 3, imm=rng.randint(-9, 9))]
        code += [self._operation(3, 2), make("mov", 0, src=3)]
        if rng.random() < 0.5:
            code += [make("stxdw", 1, src=2)]
        if rng.random() < 0.5:
            code += [make("stxdw", 10, src=3, offset=-8), make("ldxw", 0, src=10, offset=rng.choice((-8, -4)))]
        return [*code, make("exit")]

    def _free(self) -> int:
        return self._rng.choice([each for each in range(6) if each not in self._busy])

    def _number(self, register: int, *, is_start: bool = True) -> Code:
        """Put some number into a register."""
        rng = self._rng
        kind = rng.randrange(7)
        if kind == 0:
            return [make("lddw", register, imm=interesting(rng))]
        if kind == 1:
            return [make("mov32" if rng.random() < 0.3 else "mov", register, imm=rng.choice((0, 1, -1, 7, 100, -128)))]
        if kind == 2:
            return [make("mov", register, src=9)]  # the packet's size
        if kind == 3 and not is_start:
            return [make("call", imm=rng.choice((1, 2))), *([make("mov", register, src=0)] if register else []),
                    *self._refill(register)]  # fmt: skip
        if kind in (4, 5):  # fields of the structure: value, small, signed, flag, index
            size, offset = rng.choice((("dw", 0), ("w", 8), ("w", 12), ("h", 16), ("b", 18), ("b", 19)))
            return [make(f"ldx{size}", register, src=7, offset=offset)]
        letter = rng.choice(tuple(SIZES))
        signed = "s" if letter != "dw" and rng.random() < 0.4 else ""
        last = MEMORY_BYTES - SIZES[letter]
        offset = last + 1 if rng.random() < 0.04 else rng.choice((0, last, rng.randint(0, last)))
        return [make(f"ldx{signed}{letter}", register, src=6, offset=offset)]

    def _refill(self, kept: int) -> Code:
        """After a call r1 to r5 are gone; a loop that counts in one of them begins anew, at its end."""
        code = []
        for register in range(1, 6):
            if register != kept:
                code.append(make("mov", register, imm=self._rng.choice((0, 3, 200))))
        return code

    def _operation(self, dst: int, src: int) -> Instruction:
        """An arithmetic instruction."""
        rng = self._rng
        if rng.random() < 0.15:
            name = rng.choice(("neg", "neg32", "le16", "le32", "be16", "be32", "be64", "bswap16", "bswap32", "bswap64"))
            return make(name, dst)
        if rng.random() < 0.15:
            return make(rng.choice(("movsx864", "movsx1664", "movsx3264", "movsx832", "movsx1632")), dst, src=src)
        name = rng.choice(BINARY) + ("32" if rng.random() < 0.4 else "")
        if rng.random() < 0.5:
            return make(name, dst, src=src)
        if "sh" in name:
            return make(name, dst, imm=rng.choice((0, 1, 3, 8, 16, 31, 32, 33, 48, 63)))
        imm = interesting(rng) & 0xFFFF_FFFF
        return make(name, dst, imm=(imm ^ 1 << 31) - (1 << 31))

    def _gadget(self, depth: int) -> Code:
        rng = self._rng
        choices = [self._arithmetic, self._arithmetic, self._access, self._access, self._spill, self._renew, self._scan,
                   self._atomic, self._data]  # fmt: skip
        if depth:
            choices += [self._branch, self._branch, self._loop, self._call]
        return rng.choice(choices)(depth)

    def _arithmetic(self, depth: int) -> Code:
        return [self._operation(self._free(), self._rng.randrange(6)) for _ in range(self._rng.randint(1, 4))]

    def _renew(self, depth: int) -> Code:
        return self._number(self._free(), is_start=True)

    def _condition(self, offset: int, register: int | None = None) -> Instruction:
        rng = self._rng
        name = rng.choice(CONDITIONS) + ("32" if rng.random() < 0.4 else "")
        dst = rng.randrange(6) if register is None else register
        if rng.random() < 0.4:
            return make(name, dst, src=rng.randrange(6), offset=offset)
        imm = interesting(rng) & 0xFFFF_FFFF
        return make(name, dst, imm=(imm ^ 1 << 31) - (1 << 31), offset=offset)

    def _branch(self, depth: int) -> Code:
        """An if, perhaps with an else; what it compares is often used next, in a copy or where it was spilled."""
        rng = self._rng
        register = self._free()
        before: Code = []
        if rng.random() < 0.3:
            before = [make(rng.choice(("mov", "mov32")), self._free(), src=register)]
        body = [each for _ in range(rng.randint(1, 2)) for each in self._gadget(depth - 1)]
        if rng.random() < 0.4:
            other = self._gadget(depth - 1)
            body.append(make("ja", offset=slots(other)))
            return [*before, self._condition(slots(body), register), *body, *other]
        return [*before, self._condition(slots(body), register), *body]

    def _loop(self, depth: int) -> Code:
        """A loop that counts up or down in a register."""
        rng = self._rng
        counter = self._free()
        self._busy.append(counter)
        body = [each for _ in range(rng.randint(1, 2)) for each in self._gadget(0)]
        self._busy.pop()
        times = rng.randint(1, 6)
        size = slots(body)
        if rng.random() < 0.5:
            step = [make("add", counter, imm=1), make("jlt", counter, imm=times, offset=-size - 2)]
            return [make("mov", counter, imm=0), *body, *step]
        step = [make("sub", counter, imm=1), make("jne", counter, imm=0, offset=-size - 2)]
        return [make("mov", counter, imm=times), *body, *step]

    def _spill(self, depth: int) -> Code:
        """Keep a register on the stack, and take it back whole or in part."""
        rng = self._rng
        at = rng.choice(STACK_SLOTS)
        letter = rng.choice(("dw", "dw", "w", "h", "b"))
        code = [make(f"stx{letter}", 10, src=rng.randrange(6), offset=at)]
        if rng.random() < 0.5:
            code.append(self._operation(self._free(), rng.randrange(6)))
        if rng.random() < 0.4:
            code += [self._condition(1, self._free()), make("ja", offset=0)]
        again = letter if rng.random() < 0.7 else rng.choice(tuple(SIZES))
        offset = at if rng.random() < 0.7 else at + rng.choice((0, 1, 2, 4))
        return [*code, make(f"ldx{again}", self._free(), src=10, offset=offset)]

    def _atomic(self, depth: int) -> Code:
        """An atomic operation on memory or on the stack, with or without what was there."""
        rng = self._rng
        name = rng.choice(("lock_add", "lock_or", "lock_and", "lock_xor", "lock_xchg", "lock_cmpxchg"))
        if name not in ("lock_xchg", "lock_cmpxchg") and rng.random() < 0.5:
            name = name.replace("lock_", "lock_fetch_")
        narrow = "32" if rng.random() < 0.5 else ""
        base, offset = rng.choice(((6, rng.choice((0, 8, MEMORY_BYTES - 8, 13))), (10, rng.choice(STACK_SLOTS))))
        begin = [make("stdw", 10, offset=offset, imm=rng.choice((0, 5, -1)))] if base == 10 else []
        if name == "lock_cmpxchg" and 0 in self._busy:  # it would write r0
            name = "lock_xchg"
        operation = make(name + narrow, base, src=self._free(), offset=offset)
        return [*begin, operation, make("ldxdw", self._free(), src=base, offset=offset)]

    def _data(self, depth: int) -> Code:
        """Read-only data at an index, or a store into the program's own data and back."""
        rng = self._rng
        index = self._free()
        pointer = rng.choice([each for each in range(6) if each != index and each not in self._busy])
        letter = rng.choice(tuple(SIZES))
        size = SIZES[letter]
        if rng.random() < 0.5:
            mask = rng.choice((7, 15, 31, 24))
            code = [
                make("and", index, imm=mask),
                make("lddw", pointer, imm=RODATA << 32),
                make("add", pointer, src=index),
            ]
            return [*code, make(f"ldx{letter}", index, src=pointer, offset=min(RODATA_BYTES - size, 32) - mask % 32),
                    make("mov", pointer, imm=4)]  # fmt: skip
        at = rng.randint(0, BSS_BYTES - size)
        return [make("lddw", pointer, imm=BSS << 32), make(f"stx{letter}", pointer, src=index, offset=at),
                make(f"ldx{rng.choice(('b', letter))}", pointer, src=pointer, offset=at)]  # fmt: skip

    def _clamped(self, index: int, most: int) -> tuple[Code, int]:
        """Code that brings a register into 0 to `most`, and how many instructions at its end jump over what follows."""
        rng = self._rng
        narrow = "32" if rng.random() < 0.35 else ""
        kind = rng.randrange(7)
        if kind == 0:
            return [make("and", index, imm=(1 << most.bit_length() - 1) - 1 if most & most + 1 else most)], 0
        if kind == 1:
            return [make("mod" + narrow, index, imm=most + 1)], 0
        if kind == 2:
            return [make("jgt" + narrow, index, imm=most)], 1
        if kind == 3:
            return [make("jsgt" + narrow, index, imm=most), make("jslt" + narrow, index, imm=0)], 2
        if kind == 4:
            shift = 64 - max(most.bit_length() - 1, 1)
            return [make("rsh", index, imm=shift)], 0
        if kind == 5:
            return [make("jge" + narrow, index, imm=most + 1)], 1
        return [make("jset" + narrow, index, imm=~(most & 0x38))], 1

    def _access(self, depth: int) -> Code:
        """An access with an index that just fits, into the memory, the structure's array or the stack."""
        rng = self._rng
        letter = rng.choice(tuple(SIZES))
        size = SIZES[letter]
        room = rng.choice((MEMORY_BYTES, MEMORY_BYTES, SCRATCH_BYTES)) if rng.random() < 0.9 else MEMORY_BYTES + 1
        most = rng.choice((room - size, 31, 15, 7)) if size <= 8 else 0
        fit = room - size - most
        index, pointer = self._free(), self._free()
        if index == pointer:
            pointer = next(each for each in range(6) if each != index and each not in self._busy)
        base = 10 if room == SCRATCH_BYTES and rng.random() < 0.4 else 6
        start = -room if base == 10 else 0
        displacement = start + max(fit if rng.random() < 0.6 else rng.randint(0, max(fit, 0)), 0)
        clamp, jumps = self._clamped(index, most)
        code: Code = []
        copy = rng.random()
        if copy < 0.3:
            code.append(make("mov", pointer, src=index))  # compared in one register, used in the other
            clamp = [each._replace(dst=pointer) if each.opcode.form.jumps else each for each in clamp]
            use = index
        else:
            use = index
        body = [make("mov", pointer, src=base), make("add", pointer, src=use)]
        if rng.random() < 0.5:
            signed = "s" if letter != "dw" and rng.random() < 0.3 else ""
            body.append(make(f"ldx{signed}{letter}", pointer, src=pointer, offset=displacement))
        else:
            body += [make(f"stx{letter}", pointer, src=use, offset=displacement), make("mov", pointer, imm=1)]
        if base == 10:
            lowest = -SCRATCH_BYTES
            code += [make("stdw", 10, offset=at, imm=0) for at in range(lowest, 0, 8)]
        for left in range(jumps):
            at = len(clamp) - 1 - left
            clamp[at] = clamp[at]._replace(offset=left + slots(body))
        if jumps:  # where the access is jumped over, the pointer must be a number again
            body.append(make("ja", offset=1))
            clamp = [each._replace(offset=each.offset + 1) if each.opcode.form.jumps else each for each in clamp]
            body.append(make("mov", pointer, imm=3))
        return [*code, *clamp, *body]

    def _scan(self, depth: int) -> Code:
        """Compare with the end of the packet, or with its size, before a byte of it is read."""
        rng = self._rng
        pointer, other = self._rng.sample([each for each in range(6) if each not in self._busy], 2)
        letter = rng.choice(tuple(SIZES))
        at = rng.randint(0, PACKET_BYTES - 8)
        needed = at + SIZES[letter] - (rng.random() < 0.1)
        read = make(f"ldx{letter}", pointer, src=8, offset=at)
        if rng.random() < 0.5:
            return [make("mov", pointer, imm=0), make("jlt", 9, imm=needed, offset=1), read]
        return [
            make("mov", pointer, src=8), make("add", pointer, imm=needed),
            make("mov", other, src=8), make("add", other, src=9),
            make("jgt", pointer, src=other, offset=2), read, make("ja", offset=1), make("mov", pointer, imm=0),
            make("mov", other, imm=1),
        ]  # fmt: skip

    def _call(self, depth: int) -> Code:
        """A call of the function, of a helper with a buffer, or of the one that gives a pointer or null."""
        rng = self._rng
        if self._busy:
            return self._arithmetic(depth)
        kind = rng.randrange(4)
        if kind == 0:
            return [
                make("stdw", 10, offset=-40, imm=7), make("mov", 2, src=self._rng.randrange(6)),
                make("mov", 1, src=10), make("add", 1, imm=-40), make("call_local"), *self._refill(0),
                make("ldxdw", self._free(), src=10, offset=-40),
            ]  # fmt: skip
        if kind == 1:
            length = rng.choice((1, 4, 8, 16, 17))
            fills, at = rng.random() < 0.5, rng.choice((-48, -56, -64))
            code = [make("stdw", 10, offset=each, imm=1) for each in range(-64, -32, 8)] if not fills else []
            return [*code, make("mov", 1, src=10), make("add", 1, imm=at), make("mov", 2, imm=length),
                    make("call", imm=3 if fills else 4), *self._refill(0),
                    make(rng.choice(("ldxb", "ldxh")), self._free(), src=10, offset=at)]  # fmt: skip
        if kind == 2:
            register = self._free()
            code = [make("call", imm=5), *self._refill(0)]
            code.append(make("jeq", 0, imm=0, offset=1) if rng.random() < 0.9 else make("jgt", 0, imm=0, offset=1))
            letter = rng.choice(tuple(SIZES))
            load = make(f"ldx{letter}", register, src=0, offset=16 - SIZES[letter])
            return [*code, load, make("mov", 0, imm=2)]
        return [make("call", imm=rng.choice((1, 2))), *self._refill(0)]
