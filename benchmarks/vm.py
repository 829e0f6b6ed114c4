"""How fast is the virtual machine? Loops on both engines, calls in and out, compilation, checks left out."""

from __future__ import annotations

import ctypes
import os
from functools import partial
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import vm
from benchmarks.loops import BOUNDED, LOOPS
from benchmarks.measure import Contestant, Overhead, Target
from vm.jit import compiler
from vm.jit.facts import NOTHING

if TYPE_CHECKING:
    from collections.abc import Callable

CALLS = 100_000
CALLS_OF_HELPER = 100
INSTRUCTIONS = 180
COMPILATIONS = 10
REPEATS = 100
"""Runs of a loop as machine code, to be timed as long as one that is interpreted."""

TWENTY = (
    """
        mov %r0, %r1
"""
    + """
        add %r0, %r2
        xor %r0, %r3
        lsh %r0, 1
"""
    * 6
    + """
        exit
"""
)


def compiled_without_keeping() -> None:
    """From now on nothing is read from the disk, or written to it."""
    os.environ[compiler.CACHE_VARIABLE] = ""
    compiler.cache_directory.cache_clear()


def empty_call() -> Callable[[], int]:
    call = "text".isascii

    def work() -> int:
        for _ in range(CALLS):
            call()
        return CALLS

    return work


def entry_call() -> Callable[[], int]:
    enter = vm.Machine(vm.Program.from_text(TWENTY)).entry("main", takes=(1, 2, 3))

    def work() -> int:
        for number in range(CALLS):
            enter(None, 1, 2, number)
        return CALLS

    return work


def ctypes_call() -> Callable[[], int]:
    """The same machine code, called as any C function is: a context, r0 to r9."""
    machine = vm.Machine(vm.Program.from_text(TWENTY), budget=1 << 40)
    machine.run("main", 1, 2, 3)
    compiled = compiler.compile_program(machine.program, [], NOTHING)
    function = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p, *[ctypes.c_uint64] * 10)(compiled.functions[0])

    def work() -> int:
        context = machine._engine._context  # type: ignore[attr-defined]
        context.remaining, context.depth = 1 << 40, 1
        at = ctypes.addressof(context)
        for number in range(CALLS):
            function(at, 0, 1, 2, number, 0, 0, 0, 0, 0, 0)
        return CALLS

    return work


def body(context: object, value: int) -> int:
    return value


def helper_call() -> Callable[[], int]:
    helper = vm.Helper(1, "same", (vm.Scalar.U64,), vm.Scalar.U64, body)
    text = "mov %r1, 1000\ncall 1\n" * CALLS_OF_HELPER + "exit\n"
    enter = vm.Machine(vm.Program.from_text(text), vm.HelperTable([helper])).entry("main")

    def work() -> int:
        for _ in range(CALLS // CALLS_OF_HELPER):
            enter(None)
        return CALLS

    return work


def plain_call() -> Callable[[], int]:
    def work() -> int:
        for _ in range(CALLS):
            body(None, 1000)
        return CALLS

    return work


def typical_program(number: int) -> vm.Program:
    """180 instructions: arithmetic, loads, stores, branches, mixed as in a plugin; each number another program."""
    part = f"""
        ldxdw %r2, [%r1+0]
        add %r0, %r2
        jgt %r0, {number + 1000}, +1
        stxdw [%r1+8], %r0
        mov %r3, %r0
        rsh %r3, 3
        ldxw %r4, [%r1+16]
        mul %r3, %r4
        sub %r0, %r3
    """
    return vm.Program.from_text("mov %r0, 0\n" + part * (INSTRUCTIONS // 9) + "exit\n")


def compilation() -> Callable[[], int]:
    compiled_without_keeping()
    number = 0

    def work() -> int:
        nonlocal number
        for _ in range(COMPILATIONS):
            number += 1
            compiler.compile_program(typical_program(number), [], NOTHING)
        return COMPILATIONS

    return work


def from_disk() -> Callable[[], int]:
    directory = TemporaryDirectory(prefix="quicsim-vm-")
    os.environ[compiler.CACHE_VARIABLE] = directory.name
    compiler.cache_directory.cache_clear()
    compiler.compile_program(typical_program(0), [], NOTHING)
    programs = [typical_program(0) for _ in range(COMPILATIONS)]

    def work() -> int:
        with directory:
            for program in programs:
                compiler.compile_program(program, [], NOTHING)
        compiled_without_keeping()
        return COMPILATIONS

    return work


def of(engine: str, name: str) -> str:
    return f"{'machine code' if engine == 'jit' else engine}, {name}"


EMPTY, ENTRY, CTYPES = "an empty C function", "a program of 20 instructions", "the same through ctypes"
HELPER, PLAIN = "a helper in Python, from machine code", "the same, from Python"
COMPILED, READ = f"compiling {INSTRUCTIONS} instructions", "the same, from the disk"
REPEATED = {"jit": REPEATS, "interpreter": 1}

CONTESTANTS = (
    *(
        Contestant(of(engine, loop.name), "instructions", partial(loop.prepare, engine, REPEATED[engine]))
        for loop in LOOPS
        for engine in vm.ENGINES
    ),
    *(
        Contestant(
            f"{loop.name}, {'proved' if proved else 'checked'}",
            "instructions",
            partial(loop.prepare, "jit", REPEATS, proved=proved),
        )
        for loop in BOUNDED
        for proved in (False, True)
    ),
    Contestant(EMPTY, "calls", empty_call),
    Contestant(ENTRY, "calls", entry_call),
    Contestant(CTYPES, "calls", ctypes_call),
    Contestant(HELPER, "calls", helper_call),
    Contestant(PLAIN, "calls", plain_call),
    Contestant(COMPILED, "programs", compilation),
    Contestant(READ, "programs", from_disk),
)
TARGETS = (
    Target(of("interpreter", "alu"), None, 2_000_000),
    Target(of("jit", "alu"), of("interpreter", "alu"), 300),
    Overhead(ENTRY, EMPTY, 150),
    Target(ENTRY, CTYPES, 5),
    Overhead(HELPER, PLAIN, 150),
    Target(COMPILED, None, 1 / 0.060),
    Target(READ, None, 1 / 0.002),
    *(Target(f"{loop.name}, proved", f"{loop.name}, checked", 1.3) for loop in BOUNDED),
)
