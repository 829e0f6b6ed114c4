"""How do compiled programs and Python call each other? Through the C API, in LLVM IR.

Python enters through one function with the signature of a C-API method, which takes numbers as they come and stores
each where its record says; compiled code calls helpers, and `Memory` where it must, as any extension module would, and
carries exceptions out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vm.helpers import Helper, Scalar
from vm.jit.native import RECORD_HEAD, TABLE_ENTRY_BYTES, Callback, Status, TableEntry, offset_of
from vm.memory import FRAME_BYTES, MAX_CALL_DEPTH

if TYPE_CHECKING:
    from collections.abc import Sequence

RESULT = "{i64, i64}"
ENTRY = "quicsim_vm_entry"
"""The symbol of the function that Python enters through."""

# PY_VECTORCALL_ARGUMENTS_OFFSET: the slot before the arguments is the called one's to use.
_OFFSET_FLAG = -(1 << 63)

DECLARATIONS = """
declare ptr @PyLong_FromUnsignedLongLong(i64)
declare ptr @PyLong_FromLongLong(i64)
declare i64 @PyLong_AsUnsignedLongLongMask(ptr)
declare ptr @PyLong_AsVoidPtr(ptr)
declare ptr @PyErr_Occurred()
declare i32 @PyObject_IsTrue(ptr)
declare ptr @PyObject_Vectorcall(ptr, ptr, i64, ptr)
declare void @Py_DecRef(ptr)
declare void @PyErr_Fetch(ptr, ptr, ptr)
declare void @PyErr_NormalizeException(ptr, ptr, ptr)
declare void @PyErr_Restore(ptr, ptr, ptr)
declare i32 @PyException_SetTraceback(ptr, ptr)
declare ptr @PyErr_Format(ptr, ptr, ...)
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
declare i16 @llvm.bswap.i16(i16)
declare i32 @llvm.bswap.i32(i32)
declare i64 @llvm.bswap.i64(i64)

!0 = !{!"branch_weights", i32 1, i32 1000}
!1 = !{!"branch_weights", i32 1000, i32 1}
"""

# What a number of each type becomes for Python.
_TO_PYTHON = {
    Scalar.U64: "%o{n} = call ptr @PyLong_FromUnsignedLongLong(i64 {value})",
    Scalar.S64: "%o{n} = call ptr @PyLong_FromLongLong(i64 {value})",
    Scalar.U32: "%w{n} = and i64 {value}, 4294967295\n%o{n} = call ptr @PyLong_FromUnsignedLongLong(i64 %w{n})",
    Scalar.S32: "%t{n} = trunc i64 {value} to i32\n%w{n} = sext i32 %t{n} to i64\n"
    "%o{n} = call ptr @PyLong_FromLongLong(i64 %w{n})",
}
# What is left of a Python number that was truncated to 64 bits, %wide.
_FROM_PYTHON = {
    Scalar.U64: "%value = add i64 %wide, 0",
    Scalar.S64: "%value = add i64 %wide, 0",
    Scalar.U32: "%value = and i64 %wide, 4294967295",
    Scalar.S32: "%narrow = trunc i64 %wide to i32\n%value = sext i32 %narrow to i64",
}


def signature(helper: Helper) -> tuple[int, tuple[Scalar, ...], Scalar | None]:
    """A helper's number, what machine code passes to it, and what it takes back.

    Numbers go straight to its body. Where an argument needs memory or may be refused, the helper as it is bound to the
    machine's memory is called instead, which takes registers.
    """
    if helper.takes_numbers_only:
        kinds = tuple(kind for kind in helper.arguments if isinstance(kind, Scalar))
        return helper.number, kinds, helper.returns
    return helper.number, (Scalar.U64,) * helper.register_count, Scalar.U64


def slow_paths() -> str:
    """`Memory.load` and `Memory.store`, for what the table does not plainly allow, and a call of any helper."""
    registers = tuple(f"%r{number}" for number in range(1, 6))
    return "\n".join(
        (
            _stub("load_slowly", ("%address", "%size"), Callback.LOAD, [Scalar.U64] * 2, Scalar.U64),
            _stub("store_slowly", ("%address", "%size", "%stored"), Callback.STORE, [Scalar.U64] * 3, None),
            _stub("call_any", ("%number", *registers), Callback.CALL_ANY, [Scalar.U64] * 6, Scalar.U64, True),
        )
    )


def helper_stub(number: int, index: int, kinds: Sequence[Scalar], returns: Scalar | None) -> str:
    """A helper as the lowered code calls it: r1 to r5 to r0 and status; `index` is its place among the helpers."""
    registers = tuple(f"%r{register}" for register in range(1, 6))
    return _stub(f"helper_{number}", registers, len(Callback) + index, kinds, returns, with_context=True)


def _stub(
    name: str,
    parameters: Sequence[str],
    index: int,
    kinds: Sequence[Scalar],
    returns: Scalar | None,
    with_context: bool = False,
) -> str:
    """A function that calls the Python object of this index with its first parameters, converted.

    An object that cannot be made, for want of memory, leaves the ones before it behind.
    """
    given = ", ".join(f"i64 {each}" for each in parameters)
    lines = [
        f"define internal {RESULT} @{name}(ptr %context, {given}) noinline {{",
        f"%place = getelementptr i8, ptr %context, i64 {offset_of('objects')}",
        "%objects = load ptr, ptr %place",
        f"%slot = getelementptr ptr, ptr %objects, i64 {index}",
        "%function = load ptr, ptr %slot",
    ]
    count = len(kinds) + with_context
    lines.append(f"%arguments = alloca [{count + 1} x ptr]")
    if with_context:
        lines += [
            f"%given = getelementptr i8, ptr %context, i64 {offset_of('context')}",
            "%o = load ptr, ptr %given",
            "%p = getelementptr ptr, ptr %arguments, i64 1",
            "store ptr %o, ptr %p",
        ]
    for n, (kind, value) in enumerate(zip(kinds, parameters, strict=False)):
        lines += [
            _TO_PYTHON[kind].format(n=n, value=value),
            f"%z{n} = icmp eq ptr %o{n}, null",
            f"br i1 %z{n}, label %raised, label %made{n}, !prof !0",
            f"made{n}:",
            f"%p{n} = getelementptr ptr, ptr %arguments, i64 {n + 1 + with_context}",
            f"store ptr %o{n}, ptr %p{n}",
        ]
    flagged = count + _OFFSET_FLAG
    lines += [
        "%first = getelementptr ptr, ptr %arguments, i64 1",
        f"%result = call ptr @PyObject_Vectorcall(ptr %function, ptr %first, i64 {flagged}, ptr null)",
        *(f"call void @Py_DecRef(ptr %o{n})" for n in range(len(kinds))),
        "%failed = icmp eq ptr %result, null",
        "br i1 %failed, label %raised, label %returned, !prof !0",
        "raised:",
        f"ret {RESULT} {{ i64 0, i64 {Status.RAISED.value} }}",
        "returned:",
        *_result(returns),
        "}",
    ]
    return "\n".join(lines)


def _result(returns: Scalar | None) -> list[str]:
    """From the Python object %result to r0, and away with the object."""
    drop = "call void @Py_DecRef(ptr %result)"
    done = [
        f"%both = insertvalue {RESULT} {{ i64 undef, i64 0 }}, i64 %value, 0",
        f"ret {RESULT} %both",
    ]
    if returns is None:
        return [drop, f"ret {RESULT} zeroinitializer"]
    if returns is Scalar.BOOL:
        return [
            "%truth = call i32 @PyObject_IsTrue(ptr %result)",
            drop,
            "%unclear = icmp slt i32 %truth, 0",
            "br i1 %unclear, label %raised, label %clear, !prof !0",
            "clear:",
            "%value = zext i32 %truth to i64",
            *done,
        ]
    return [
        "%wide = call i64 @PyLong_AsUnsignedLongLongMask(ptr %result)",
        drop,
        "%suspect = icmp eq i64 %wide, -1",
        "br i1 %suspect, label %look, label %proper, !prof !0",
        "look:",
        "%error = call ptr @PyErr_Occurred()",
        "%wrong = icmp ne ptr %error, null",
        "br i1 %wrong, label %raised, label %proper",
        "proper:",
        _FROM_PYTHON[returns],
        *done,
    ]


def entry() -> str:
    """`METH_FASTCALL` of (context, number, ...): the self object is an integer, the address of an entry's record."""
    words = {name: word for word, name in enumerate(("context", "function", "count"))}
    table = offset_of("table")
    read = [f"%{name}_at = getelementptr i64, ptr %record, i64 {word}" for name, word in words.items()]
    registers = "\n".join(
        f"%r{n}_at = getelementptr i64, ptr %record, i64 {2 + n}\n%r{n} = load i64, ptr %r{n}_at" for n in range(1, 6)
    )
    given = ", ".join(f"i64 %r{n}" for n in range(1, 6))
    fields = {
        name: offset_of(name) for name in ("running", "context", "budget", "limit", "remaining", "depth", "objects")
    }
    places = "\n".join(f"%c_{name} = getelementptr i8, ptr %context, i64 {at}" for name, at in fields.items())

    twice = Status.ENTERED_TWICE.value

    def frame_sizes(depth: int, size: int, tag: str) -> str:
        lines = []
        for name in ("readable_bytes", "writable_bytes"):
            at = table + depth * TABLE_ENTRY_BYTES + getattr(TableEntry, name).offset
            value = f"%{tag}_{name}_{depth}"
            lines += [f"{value} = getelementptr i8, ptr %context, i64 {at}", f"store i64 {size}, ptr {value}"]
        return "\n".join(lines)

    return f"""
@PyExc_TypeError = external global ptr
@arity = private constant [{len(_ARITY)} x i8] c"{_ARITY[:-1]}\\00"

define ptr @{ENTRY}(ptr %self, ptr %arguments, i64 %given) {{
%saved_type = alloca ptr
%saved_value = alloca ptr
%saved_trace = alloca ptr
%explained = alloca [3 x ptr]
%record = call ptr @PyLong_AsVoidPtr(ptr %self)
{chr(10).join(read)}
%context = load ptr, ptr %context_at
%function = load ptr, ptr %function_at
%count = load i64, ptr %count_at
{places}
%wanted = add i64 %count, 1
%fits = icmp eq i64 %given, %wanted
br i1 %fits, label %ready, label %misfit, !prof !1
misfit:
%numbers = sub i64 %given, 1
%type = load ptr, ptr @PyExc_TypeError
%nothing = call ptr (ptr, ptr, ...) @PyErr_Format(ptr %type, ptr @arity, i64 %count, i64 %numbers)
ret ptr null
ready:
%object = load ptr, ptr %arguments
%running = load i64, ptr %c_running
%idle = icmp eq i64 %running, 0
br i1 %idle, label %next, label %twice, !prof !1
twice:
%previous = load ptr, ptr %c_context
br label %tell

next:
%n = phi i64 [ 0, %ready ], [ %following, %stored ]
%all = icmp eq i64 %n, %count
%following = add i64 %n, 1
br i1 %all, label %run, label %take
take:
%argument_at = getelementptr ptr, ptr %arguments, i64 %following
%argument = load ptr, ptr %argument_at
%number = call i64 @PyLong_AsUnsignedLongLongMask(ptr %argument)
%suspect = icmp eq i64 %number, -1
br i1 %suspect, label %look, label %good, !prof !0
look:
%error = call ptr @PyErr_Occurred()
%wrong = icmp ne ptr %error, null
br i1 %wrong, label %refused, label %good
refused:
ret ptr null
good:
%word = shl i64 %n, 1
%pair = add i64 %word, {RECORD_HEAD}
%target_at = getelementptr i64, ptr %record, i64 %pair
%target = load ptr, ptr %target_at
%size_at = getelementptr i64, ptr %target_at, i64 1
%size = load i64, ptr %size_at
switch i64 %size, label %store8 [ i64 4, label %store4 i64 2, label %store2 i64 1, label %store1 ]
store8:
store i64 %number, ptr %target, align 1
br label %stored
store4:
%number4 = trunc i64 %number to i32
store i32 %number4, ptr %target, align 1
br label %stored
store2:
%number2 = trunc i64 %number to i16
store i16 %number2, ptr %target, align 1
br label %stored
store1:
%number1 = trunc i64 %number to i8
store i8 %number1, ptr %target, align 1
br label %stored
stored:
br label %next

run:
store i64 1, ptr %c_running
store ptr %object, ptr %c_context
%budget = load i64, ptr %c_budget
store i64 %budget, ptr %c_limit
store i64 %budget, ptr %c_remaining
store i64 1, ptr %c_depth
{frame_sizes(1, FRAME_BYTES, "open")}
{registers}
%both = call {RESULT} %function(ptr %context, i64 0, {given}, i64 0, i64 0, i64 0, i64 0)
%status = extractvalue {RESULT} %both, 1
%well = icmp eq i64 %status, {Status.DONE.value}
br i1 %well, label %finished, label %failed, !prof !1
finished:
{frame_sizes(1, 0, "close")}
store i64 0, ptr %c_depth
store i64 0, ptr %c_running
%r0 = extractvalue {RESULT} %both, 0
%result = call ptr @PyLong_FromUnsignedLongLong(i64 %r0)
ret ptr %result

failed:
%raised = icmp eq i64 %status, {Status.RAISED.value}
br i1 %raised, label %fetch, label %tell
fetch:
call void @PyErr_Fetch(ptr %saved_type, ptr %saved_value, ptr %saved_trace)
call void @PyErr_NormalizeException(ptr %saved_type, ptr %saved_value, ptr %saved_trace)
%type1 = load ptr, ptr %saved_type
%value1 = load ptr, ptr %saved_value
%trace1 = load ptr, ptr %saved_trace
%traced = icmp ne ptr %trace1, null
br i1 %traced, label %attach, label %tell
attach:
%attached = call i32 @PyException_SetTraceback(ptr %value1, ptr %trace1)
br label %tell

tell:
%outcome = phi i64 [ {twice}, %twice ], [ %status, %failed ], [ %status, %fetch ], [ %status, %attach ]
%what = phi ptr [ %previous, %twice ], [ %object, %failed ], [ %value1, %fetch ], [ %value1, %attach ]
%code = call ptr @PyLong_FromUnsignedLongLong(i64 %outcome)
%e0 = getelementptr ptr, ptr %explained, i64 1
store ptr %code, ptr %e0
%e1 = getelementptr ptr, ptr %explained, i64 2
store ptr %what, ptr %e1
%objects = load ptr, ptr %c_objects
%explain_at = getelementptr ptr, ptr %objects, i64 {Callback.EXPLAIN.value}
%explain = load ptr, ptr %explain_at
%told = call ptr @PyObject_Vectorcall(ptr %explain, ptr %e0, i64 {2 + _OFFSET_FLAG}, ptr null)
call void @Py_DecRef(ptr %code)
%again = icmp eq i64 %outcome, {twice}
br i1 %again, label %leave, label %close
close:
{chr(10).join(frame_sizes(depth, 0, "end") for depth in range(1, MAX_CALL_DEPTH + 1))}
store i64 0, ptr %c_depth
store i64 0, ptr %c_running
%silent = icmp ne ptr %told, null
%was_raised = icmp eq i64 %outcome, {Status.RAISED.value}
%restores = and i1 %silent, %was_raised
br i1 %restores, label %restore, label %leave
restore:
call void @Py_DecRef(ptr %told)
%type2 = load ptr, ptr %saved_type
%value2 = load ptr, ptr %saved_value
%trace2 = load ptr, ptr %saved_trace
call void @PyErr_Restore(ptr %type2, ptr %value2, ptr %trace2)
ret ptr null
leave:
ret ptr null
}}
"""


_ARITY = "this entry takes a context and %llu numbers, not %llu "
