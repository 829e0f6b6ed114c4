"""What does a call ask for, and what is known after it? Helpers by their signatures, local calls, returns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vm.helpers import Buffer, CString, Scalar
from vm.isa import FRAME_POINTER, SLOT_BYTES
from vm.memory import CODE_REGION, FRAME_BYTES, MAX_CALL_DEPTH, OFFSET_MASK, STACK_REGION
from vm.verifier import access
from vm.verifier.access import STACK_REGIONS
from vm.verifier.contract import PointerTo, Range, Terms
from vm.verifier.report import Category, Violation
from vm.verifier.state import HOSTS_OWN, Frame, State, bytes_mask
from vm.verifier.transfer import leak, read
from vm.verifier.values import ANYTHING, MASK32, ZERO, Number, Pointer, Value, between, constant, range_text

if TYPE_CHECKING:
    from vm.helpers import Helper
    from vm.verifier.check import Exploration

TERMS = Terms()
SCALAR_RANGES = {
    Scalar.U64: ANYTHING,
    Scalar.S64: ANYTHING,
    Scalar.U32: between(0, MASK32),
    Scalar.S32: between(-(1 << 31), (1 << 31) - 1),
    Scalar.BOOL: between(0, 1),
}


def helper_call(exploration: Exploration, state: State, number: int) -> None:
    """A call of a helper: its arguments as declared, r0 as it returns it, r1 to r5 gone."""
    contract = exploration.contract
    helper = contract.helpers.by_number.get(number)
    if helper is None or number in contract.unavailable:
        known = ", ".join(each.name for each in contract.helpers if each.number not in contract.unavailable)
        name = f"helper {number}" if helper is None else f"{helper.name}()"
        why = contract.unavailable.get(number, "the host does not offer it")
        raise Violation(Category.HELPER, f"{name} may not be called here: {why}", allowed=f"{known or 'none'}")
    terms = contract.terms.get(number, TERMS)
    if terms.at_most_once:
        if state.called >> number & 1:
            raise Violation(
                Category.HELPER,
                f"{helper.name}() may be called a second time in one run; it may be called once",
                suggestion="keep what it returned",
            )
        state.called |= 1 << number
    _check_arguments(exploration, state, helper, terms)
    exploration.recorder.helpers.add(helper.name)
    state.registers[1:6] = [None] * 5
    state.registers[0] = _result(exploration, helper, terms)
    state.fields = {}


def _result(exploration: Exploration, helper: Helper, terms: Terms) -> Value:
    if isinstance(terms.result, PointerTo):
        region = terms.result.region.number
        return Pointer(region, ZERO, exploration.fresh_identity(), terms.result.is_nullable)
    if isinstance(terms.result, Range):
        number = between(terms.result.low, terms.result.high)
    else:
        number = ZERO if helper.returns is None else SCALAR_RANGES[helper.returns]
    return number.identified(HOSTS_OWN) if terms.is_hosts_own and terms.at_most_once else number


def _check_arguments(exploration: Exploration, state: State, helper: Helper, terms: Terms) -> None:
    register = 1
    for kind in helper.arguments:
        if isinstance(kind, Scalar):
            _check_scalar(exploration, state, helper, kind, register, terms)
        elif isinstance(kind, CString):
            _check_string(exploration, state, helper, kind, register)
        else:
            register += _check_buffer(exploration, state, helper, kind, register)
        register += 1


def _argument(state: State, helper: Helper, register: int) -> Number | Pointer:
    if state.registers[register] is None:
        raise Violation(
            Category.HELPER,
            f"r{register} of {helper.name}() is not initialised",
            subject=f"r{register}",
            suggestion=f"give r{register} a value before the call",
        )
    return read(state, register)


def _check_scalar(
    exploration: Exploration, state: State, helper: Helper, kind: Scalar, register: int, terms: Terms
) -> None:
    value = _argument(state, helper, register)
    if isinstance(value, Pointer):
        raise leak(exploration, value, f"r{register}", f"is given to {helper.name}() as a number")
    allowed = terms.arguments.get(register) or (Range(0, 1) if kind is Scalar.BOOL else None)
    if allowed is None:
        return
    if kind in (Scalar.U32, Scalar.S32):
        low, high = (value.low[2], value.low[3]) if kind is Scalar.U32 else (value.low[4], value.low[5])
    else:
        low, high = (value.wide[2], value.wide[3]) if allowed.low >= 0 else (value.wide[4], value.wide[5])
    if low < allowed.low or high > allowed.high:
        is_never = high < allowed.low or low > allowed.high
        raise Violation(
            Category.HELPER,
            f"r{register} of {helper.name}() {'is' if is_never else 'may be'} out of range",
            subject=f"r{register}",
            seen=f"{low}" if low == high else f"{low} to {high}",
            allowed=f"{allowed.low} to {allowed.high}",
            suggestion="give one of the allowed numbers"
            if is_never
            else f"compare r{register} with {allowed.high} before the call",
        )


def _check_buffer(exploration: Exploration, state: State, helper: Helper, kind: Buffer, register: int) -> int:
    """Check a pointer to memory, and the size in the next register if it has one; returns how many registers more."""
    value = _argument(state, helper, register)
    size = kind.size
    more = 0
    if size is None:
        more = 1
        length = _argument(state, helper, register + 1)
        if isinstance(length, Pointer):
            raise leak(exploration, length, f"r{register + 1}", f"is given to {helper.name}() as a size")
        size = length.wide[3]
        least = length.wide[2]
        if size == 0:
            return more
    else:
        least = size
    what = "a pointer to bytes that it fills" if kind.writable else "a pointer to bytes"
    if isinstance(value, Number) and not _is_data(exploration, value):
        raise Violation(
            Category.HELPER,
            f"r{register} of {helper.name}() is a number; it takes {what}",
            subject=f"r{register}",
            seen=range_text(value),
            allowed=what,
        )
    pointer = exploration.regions.pointer(value, register, f"given to {helper.name}()")
    low, high = exploration.regions.check_bounds(state, pointer, size, f"{helper.name}(): access", register)
    if pointer.region in STACK_REGIONS:
        _use_stack(exploration, state, pointer, (low, high), (least, size), is_writable=kind.writable)
        return more
    region = exploration.regions.by_number[pointer.region]
    access.check_read(region, pointer.offset, size, exploration.recorder)
    if kind.writable:
        access.check_write(region, pointer.offset, size, exploration.recorder, register)
    return more


def _is_data(exploration: Exploration, value: Number) -> bool:
    region = value.wide[2] >> 32
    return region == value.wide[3] >> 32 and region in exploration.regions.data


def _use_stack(
    exploration: Exploration, state: State, pointer: Pointer, place: tuple[int, int], sizes: tuple[int, int],
    *, is_writable: bool,
) -> None:  # fmt: skip
    """A helper gets bytes of the stack: to read them all, or to fill them.

    It may fill fewer, and then leaves the zeros that a frame begins with, or what the program wrote: where that was a
    pointer, nothing may be read before it is stored over.
    """
    low, high = place
    least, most = sizes
    exploration.recorder.uses_stack(pointer.region, low)
    if not is_writable:
        access.check_stack_read(state, pointer, low, high, most)
        frame = state.frame(pointer.region)
        for at in frame.overlapping(low, high - low + most):
            slot = frame.slots[at][1]
            if isinstance(slot, Pointer):
                raise leak(exploration, slot, f"[r10{at - FRAME_BYTES:+d}]", "is among the bytes given to a helper")
        return
    frame = state.own_frame(pointer.region)
    pointers = frame.pointer_bytes()
    frame.blur(low, high - low + most)
    if low == high:
        frame.written |= bytes_mask(low, least) & ~pointers


def _check_string(exploration: Exploration, state: State, helper: Helper, kind: CString, register: int) -> None:
    value = _argument(state, helper, register)
    pointer = exploration.regions.pointer(value, register, f"given to {helper.name}()")
    low, high = exploration.regions.check_bounds(state, pointer, 1, f"{helper.name}(): access", register)
    known = exploration.regions.known.get(pointer.region)
    if known is not None and all(known.find(0, at, at + kind.limit) >= 0 for at in range(low, high + 1)):
        return
    raise Violation(
        Category.HELPER,
        f"r{register} of {helper.name}() may have no NUL within {kind.limit} bytes",
        subject=f"r{register}",
        region=exploration.regions.name(pointer.region),
        allowed="a string constant",
    )


def enter(exploration: Exploration, state: State, pc: int, live_after: int) -> None:
    """A local call: a frame of its own; r1 to r5 are its arguments."""
    depth = len(state.frames)
    if depth == MAX_CALL_DEPTH:
        raise Violation(
            Category.TOO_DEEP,
            f"local calls nest deeper than {MAX_CALL_DEPTH} frames",
            allowed=f"{MAX_CALL_DEPTH} frames",
            suggestion="let the compiler inline some of them",
        )
    saved = tuple(state.registers[each] if live_after >> each & 1 else None for each in range(6, 10))
    begin_frame(state, pc + 1, saved)
    state.registers[0] = None
    exploration.recorder.call_depth = max(exploration.recorder.call_depth, depth + 1)


def begin_frame(state: State, return_pc: int, saved: tuple[Value, ...]) -> None:
    """A new frame, of which nothing was written."""
    state.registers[6:10] = [None] * 4
    state.frames.append(Frame(state.token, return_pc, saved, 0, {}))
    number = STACK_REGION + len(state.frames) - 1
    state.registers[FRAME_POINTER] = Pointer(number, constant(FRAME_BYTES))


def leave(state: State) -> int:
    """Return from a local call; the pc to go on at. Pointers to the frame that ends mean nothing any more."""
    frame = state.frames.pop()
    gone = STACK_REGION + len(state.frames)
    state.registers[1:6] = [None] * 5
    state.registers[6:10] = frame.saved
    state.registers[FRAME_POINTER] = Pointer(gone - 1, constant(FRAME_BYTES))
    result = state.registers[0]
    if isinstance(result, Pointer) and result.region == gone:
        state.registers[0] = None
    for index, other in enumerate(state.frames):
        dangling = [at for at, (_, value) in other.slots.items() if isinstance(value, Pointer) and value.region == gone]
        if dangling:
            own = state.own_frame(index + STACK_REGION)
            for at in dangling:
                size, _ = own.slots.pop(at)
                own.written &= ~bytes_mask(at, size)
    return frame.return_pc


def check_result(exploration: Exploration, state: State) -> Number:
    """What the program returns: a number."""
    result = state.registers[0]
    if result is None:
        raise Violation(
            Category.UNINITIALISED,
            "r0 is not written when the program returns",
            subject="r0",
            suggestion="return a value on every path",
        )
    if isinstance(result, Pointer):
        raise leak(exploration, result, "r0", "is what the program returns")
    return result


def called_register(exploration: Exploration, state: State, register: int) -> tuple[int | None, int]:
    """What `callx` calls: a helper's number, or (None, pc) of a function."""
    value = read(state, register)
    if isinstance(value, Number) and value.is_constant:
        target = value.wide[0]
        if target <= MASK32:
            return target, 0
        starts = exploration.program.starts
        offset = target & OFFSET_MASK
        if target >> 32 == CODE_REGION and offset % SLOT_BYTES == 0 and offset // SLOT_BYTES in starts:
            return None, offset // SLOT_BYTES
    raise Violation(
        Category.CALL,
        f"what r{register} calls is not known",
        subject=f"r{register}",
        seen=range_text(value) if isinstance(value, Number) else "a pointer",
        allowed="one function or one helper",
        suggestion="call the function or the helper by its name",
    )
