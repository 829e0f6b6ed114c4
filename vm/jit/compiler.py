"""Where does the machine code of a program come from? LLVM, once a process; the disk, once it was compiled anywhere.

The key of a compiled object is what it depends on: code, functions, the helpers' types, the proof, LLVM's version, the
processor's architecture, and the sources of the machine. Code is generated for the architecture's baseline, so an
object serves every machine of its kind.
"""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache
from hashlib import blake2b
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from vm.isa import encode
from vm.jit.lowering import lower
from vm.jit.runtime import DECLARATIONS, ENTRY, entry, function_at, helper_stub, signature, slow_paths
from vm.memory import MAX_CALL_DEPTH

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from vm.helpers import Helper
    from vm.jit.facts import Facts
    from vm.program import Program

CACHE_VARIABLE = "QUICSIM_VM_CACHE"
"""The environment variable that names another directory for compiled objects; empty: none is kept."""

LARGE = 1_024
"""Slots above which code is generated at level 0: level 1 took 27 s for 16,000, and this takes 2."""

MOST_NESTED_SLOTS = 65_536
"""Slots of the largest function times frames: at level 0 a slot was seen to take 48 bytes of a stack of 8 MiB."""

_METH_FASTCALL = 0x0080
_DIGEST_BYTES = 16


class Compiled:
    """Machine code in memory: the address of each function by its pc. It lives as long as this object."""

    __slots__ = ("_engine", "functions")

    def __init__(self, machine_code: bytes, names: Mapping[int, str]) -> None:
        llvm = _llvm()
        engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _target_machine(1))
        engine.add_object_file(llvm.ObjectFileRef.from_data(machine_code))
        engine.finalize_object()
        self._engine = engine
        self.functions = {pc: engine.get_function_address(name) for pc, name in names.items()}


_programs: WeakKeyDictionary[Program, dict[object, Compiled]] = WeakKeyDictionary()


def compile_program(program: Program, helpers: Sequence[Helper], facts: Facts) -> Compiled:
    """The machine code of a program whose context holds these helpers, in this order."""
    signatures = tuple(signature(helper) for helper in helpers)
    variants = _programs.setdefault(program, {})
    key = (signatures, facts.key)
    compiled = variants.get(key)
    if compiled is None:
        described = repr(key).encode()
        code = b"".join(encode(each) for each in program.instructions)
        starts = [function.start for function in program.functions if function.end > function.start]

        def text() -> str:
            stubs = [helper_stub(number, n, kinds, given) for n, (number, kinds, given) in enumerate(signatures)]
            return "\n".join((DECLARATIONS, slow_paths(), *stubs, function_at(starts), lower(program, facts)))

        level = 1 if len(program.instructions) <= LARGE else 0
        machine_code = _object([described, code, repr(starts).encode()], text, level)
        compiled = variants[key] = Compiled(machine_code, {start: f"f{start}" for start in starts})
    return compiled


@cache
def entry_function() -> Callable[[object], Callable[..., int]]:
    """A function that makes, from an entry's record, the Python callable that enters there."""
    compiled = Compiled(_object([b"entry"], lambda: DECLARATIONS + entry(), 1), {0: ENTRY})

    class MethodDefinition(ctypes.Structure):
        _fields_ = (
            ("name", ctypes.c_char_p),
            ("function", ctypes.c_void_p),
            ("flags", ctypes.c_int),
            ("doc", ctypes.c_char_p),
        )

    definition = MethodDefinition(b"entry", compiled.functions[0], _METH_FASTCALL, None)
    make = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)(
        ("PyCFunction_NewEx", ctypes.pythonapi)
    )
    forever = (compiled, definition)

    def bind(record: object) -> Callable[..., int]:
        made: Callable[..., int] = make(ctypes.addressof(forever[1]), record, None)
        return made

    return bind


def fits_the_stack(program: Program) -> bool:
    """Whether the machine code of all calls that can be nested has room on the thread's own stack."""
    largest = max((function.end - function.start for function in program.functions), default=0)
    return largest * (MAX_CALL_DEPTH if program.nests_calls else 1) <= MOST_NESTED_SLOTS


def is_available() -> bool:
    """Whether machine code can be made here: llvmlite is installed, and the processor is little-endian with 64 bits."""
    from importlib.util import find_spec

    return find_spec("llvmlite") is not None and sys.byteorder == "little" and sys.maxsize > 1 << 32


def _object(parts: Sequence[bytes], text: Callable[[], str], level: int) -> bytes:
    """The object file for what `parts` describe: from the disk, or compiled from `text()` and then kept there."""
    digest = blake2b(_environment(), digest_size=_DIGEST_BYTES)
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)
    directory = cache_directory()
    path = directory / f"{digest.hexdigest()}.o" if directory else None
    if path is not None and (kept := _read(path)) is not None:
        return kept
    machine_code = _compile(text(), level)
    if path is not None:
        _write(path, machine_code)
    return machine_code


def _compile(text: str, level: int) -> bytes:
    """LLVM at its cheapest that is still fast: SROA makes values of stack slots, then code generation of a level."""
    llvm = _llvm()
    module = llvm.parse_assembly(text)
    target_machine = _target_machine(level)
    passes = llvm.create_new_module_pass_manager()
    passes.add_sroa_pass()
    passes.run(module, llvm.create_pass_builder(target_machine, llvm.create_pipeline_tuning_options(speed_level=1)))
    machine_code: bytes = target_machine.emit_object(module)
    return machine_code


@cache
def _llvm() -> Any:
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm


def _target_machine(level: int) -> Any:
    """For the baseline of this architecture. An engine takes its own along when it goes."""
    return _llvm().Target.from_default_triple().create_target_machine(opt=level, jit=True)


@cache
def _environment() -> bytes:
    """What machine code depends on beside its program."""
    import platform

    here = Path(__file__).parent
    sources = b"".join(path.read_bytes() for path in sorted([*here.glob("*.py"), *here.parent.glob("*.py")]))
    described = (_llvm().llvm_version_info, platform.machine(), sys.platform, blake2b(sources).hexdigest())
    return repr(described).encode()


@cache
def cache_directory() -> Path | None:
    """Where compiled objects are kept: a directory that only this user can write, or none.

    What lies there is run, so one that others may write to is not used.
    """
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen == "":
        return None
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
        directory = (Path(chosen) if chosen else base / "quicsim" / "vm").expanduser().absolute()
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = directory.stat()
    except (OSError, RuntimeError):
        return None
    own = not hasattr(os, "getuid") or (status.st_uid == os.getuid() and not status.st_mode & 0o022)
    return directory if own else None


def _read(path: Path) -> bytes | None:
    """A kept object; None where there is none, or it is damaged: then it is compiled anew."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    digest, machine_code = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
    return machine_code if digest == blake2b(machine_code, digest_size=_DIGEST_BYTES).digest() else None


def _write(path: Path, machine_code: bytes) -> None:
    """Keep an object, whole or not at all; where the disk does not let it, the next process compiles again."""
    content = blake2b(machine_code, digest_size=_DIGEST_BYTES).digest() + machine_code
    temporary = None
    try:
        with NamedTemporaryFile(dir=path.parent, prefix=f"{path.name}.", delete=False) as file:
            temporary = Path(file.name)
            file.write(content)
        temporary.replace(path)
    except OSError:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
