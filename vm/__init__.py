"""An eBPF virtual machine: loads ELF objects and runs them with every access checked.

It knows nothing of what its programs are for. A host offers helpers and maps regions of memory; the program sees both
through virtual addresses and can reach nothing else:

>>> import vm
>>> from vm.isa import encode, make
>>> log = vm.Helper(7, "log", (vm.Scalar.U64,), None, lambda context, value: context.append(value))
>>> code = [make("ldxdw", 6, src=1), make("mov", 1, src=6), make("call", imm=7), make("mov", 0, src=6), make("exit")]
>>> program = vm.Program.from_bytes(b"".join(encode(each) for each in code))
>>> machine = vm.Machine(program, vm.HelperTable([log]))
>>> machine.memory.map(vm.Region(vm.HOST_REGION, "input", (42).to_bytes(8, "little")))
>>> logged = []
>>> machine.run("main", vm.address(vm.HOST_REGION), context=logged)
42
>>> logged, machine.instructions
([42], 5)
>>> machine.run("main", 0, context=logged)  # doctest: +ELLIPSIS
Traceback (most recent call last):
vm.errors.AccessViolation: instruction 0 of 'main' in 'main': access to 8 bytes at address 0x0: ...
"""

from vm.engine import Place
from vm.errors import (
    AccessViolation,
    AssemblyError,
    BudgetExhausted,
    CallDepthExceeded,
    Fault,
    HelperError,
    IllegalCall,
    IllegalInstruction,
    LoadError,
    UnknownHelper,
    VmError,
)
from vm.heap import Heap
from vm.helpers import Buffer, CString, Helper, HelperTable, Scalar
from vm.isa import Instruction, Opcode
from vm.linker import load
from vm.machine import DEFAULT_BUDGET, ENGINES, Machine
from vm.memory import CODE_REGION, HOST_REGION, Memory, Region, address
from vm.program import DataSection, Function, Program
from vm.pseudo import Resolver
from vm.source import SourceLine

__all__ = [
    "CODE_REGION",
    "DEFAULT_BUDGET",
    "ENGINES",
    "HOST_REGION",
    "AccessViolation",
    "AssemblyError",
    "BudgetExhausted",
    "Buffer",
    "CString",
    "CallDepthExceeded",
    "DataSection",
    "Fault",
    "Function",
    "Heap",
    "Helper",
    "HelperError",
    "HelperTable",
    "IllegalCall",
    "IllegalInstruction",
    "Instruction",
    "LoadError",
    "Machine",
    "Memory",
    "Opcode",
    "Place",
    "Program",
    "Region",
    "Resolver",
    "Scalar",
    "SourceLine",
    "UnknownHelper",
    "VmError",
    "address",
    "load",
]
