"""Does the machine agree with a public suite? `python -m vm.conformance` runs raw programs for a suite's runner.

The protocol of bpf_conformance's plugins: the program comes as hex bytes on standard input, its memory as the argument;
r1 is the address of the memory, which is writable, r2 its length; r0 is printed, in hex. On any error the exit status
is 1 and the reason stands on standard error. There are no helpers: a program that calls one is refused.

With `--batch` each line of standard input is a JSON object with `program` and, if need be, `memory` and `engine`, and
is answered by a line with `r0` or `error`, so that a thousand programs take one process.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from vm.errors import VmError
from vm.machine import ENGINES, Machine
from vm.memory import HOST_REGION, Region, address
from vm.program import Program

if TYPE_CHECKING:
    from collections.abc import Sequence

KEYS = ("program", "memory", "engine")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m vm.conformance",
        description="Run a raw eBPF program, in hex on standard input: r0 in hex.",
    )
    parser.add_argument("memory", nargs="?", default="", metavar="MEMORY_HEX", help="bytes at r1; r2 is how many")
    parser.add_argument("--engine", choices=ENGINES, default="interpreter", help="default: interpreter")
    parser.add_argument("--batch", action="store_true", help="JSON lines in and out, one program a line")
    options = parser.parse_args(arguments)
    if options.batch:
        if options.memory:
            parser.error("with --batch, memory is a key of each line")
        for line in sys.stdin.buffer:
            print(json.dumps(answer(line, options.engine)), flush=True)
        return 0
    try:
        print(f"{run(sys.stdin.buffer.read().decode('ascii', 'replace'), options.memory, options.engine):x}")
    except VmError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def answer(line: bytes, engine: str) -> dict[str, str]:
    """What a line of a batch is answered with; `engine` is the one for a line that names none."""
    try:
        request = json.loads(line)
    except (ValueError, RecursionError) as error:
        return {"error": f"not a line of JSON: {error}"}
    if not isinstance(request, dict) or "program" not in request:
        return {"error": 'not a JSON object with "program"'}
    for key, value in request.items():
        if key not in KEYS or not isinstance(value, str):
            return {"error": f"{key!r}: the keys are {', '.join(KEYS)}, their values strings"}
    try:
        r0 = run(request["program"], request.get("memory", ""), request.get("engine", engine))
    except VmError as error:
        return {"error": str(error)}
    return {"r0": f"{r0:x}"}


def run(program: str, memory: str, engine: str) -> int:
    """r0 of a program, given in hex as its memory is. Raises VmError for whatever is wrong with either."""
    content = _bytes(memory, "memory")
    loaded = Program.from_bytes(_bytes(program, "program"), source="program")
    if engine == "jit":
        from vm.jit.compiler import fits_the_stack, is_available

        if not is_available():  # an answer of the interpreter would say nothing about the JIT
            raise VmError("engine jit: there is none here; it needs llvmlite: pip install llvmlite")
        if not fits_the_stack(loaded):
            raise VmError("engine jit: a program that nests calls of so large a function is interpreted")
    machine = Machine(loaded, engine=engine)
    machine.memory.map(Region(HOST_REGION, "memory", bytearray(content), writable=True))
    return machine.run("main", address(HOST_REGION), len(content))


def _bytes(text: str, what: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise VmError(f"{what}: not bytes in hex: {error}") from None


if __name__ == "__main__":
    sys.exit(main())
