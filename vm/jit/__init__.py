"""The same semantics as the interpreter's, as machine code: LLVM's, through llvmlite.

`native` is what program and host share in memory, `lowering` turns functions into LLVM IR, `runtime` has the IR that
speaks Python's C API, `compiler` makes and keeps the machine code. The interpreter is the specification: result,
memory, instructions counted, fault and its place agree to the bit.
"""
