"""What can go wrong in the virtual machine, and where?

A `LoadError` says that a program cannot run at all; a `Fault` says that a running program did what it may not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vm.source import SourceLine


class VmError(Exception):
    """Everything this package raises on purpose."""


class LoadError(VmError):
    """The program is refused before it runs.

    `source` names the file, `section` the ELF section, `offset` the byte in it; None where it does not apply.
    """

    def __init__(
        self, reason: str, *, source: str | None = None, section: str | None = None, offset: int | None = None
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.source = source
        self.section = section
        self.offset = offset

    def __str__(self) -> str:
        place = [] if self.source is None else [self.source]
        if self.section is not None:
            place.append(f"section {self.section!r}" + ("" if self.offset is None else f" offset {self.offset:#x}"))
        elif self.offset is not None:
            place.append(f"offset {self.offset:#x}")
        return ": ".join([*place, self.reason])


class IllegalInstruction(LoadError):  # noqa: N818
    """An encoding, register, jump or call that RFC 9669 or this machine does not allow; `pc` is its slot."""

    def __init__(
        self,
        reason: str,
        *,
        pc: int,
        source: str | None = None,
        section: str | None = None,
        offset: int | None = None,
    ) -> None:
        super().__init__(reason, source=source, section=section, offset=offset)
        self.pc = pc

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.args, self.__dict__)

    def __str__(self) -> str:
        place = "" if self.source is None else f"{self.source}: "
        place += "" if self.section is None else f"section {self.section!r} offset {self.offset or 0:#x}, "
        return f"{place}instruction {self.pc}: {self.reason}"


class AssemblyError(LoadError):
    """A text is not a program: `source` names it, `line` and `column`, both from 1, are where it stops being one."""

    def __init__(self, reason: str, *, source: str | None = None, line: int = 1, column: int = 1) -> None:
        super().__init__(reason, source=source)
        self.line = line
        self.column = column

    def __str__(self) -> str:
        return f"{self.source or '<assembly>'}:{self.line}:{self.column}: {self.reason}"


class UnknownHelper(IllegalInstruction):
    """A call to a helper number that the host does not offer."""


class Fault(VmError):  # noqa: N818
    """A running program was stopped.

    The machine fills in `pc` (the slot of the instruction that did it), `section` and `function` (their names), `line`
    (of the source, where the program has lines), and `instructions` (how many were executed, the faulting one included;
    BudgetExhausted names one not yet executed).
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.pc: int | None = None
        self.section: str | None = None
        self.function: str | None = None
        self.line: SourceLine | None = None
        self.instructions: int | None = None

    def __str__(self) -> str:
        if self.pc is None:
            return self.reason
        place = f"instruction {self.pc}"
        if self.function is not None:
            place += f" of {self.function!r}"
        if self.section is not None:
            place += f" in {self.section!r}"
        return f"{place}: {self.reason}" + ("" if self.line is None else f"; {self.line}")


class AccessViolation(Fault):
    """A load, store or helper buffer outside what the program may touch.

    `region` is the region number and `offset` the byte in it, both taken from the address. A region's hook that
    refuses an access may leave them out: memory fills them in.
    """

    def __init__(self, reason: str, *, region: int | None = None, offset: int | None = None) -> None:
        super().__init__(reason)
        self.region = region
        self.offset = offset


class BudgetExhausted(Fault):
    """The budget ran out; `pc` is the instruction that would have been executed next."""


class CallDepthExceeded(Fault):
    """More local calls are nested than there are stack frames."""


class IllegalCall(Fault):
    """A call through a register that holds neither a helper's number nor the address of a function."""


class HelperError(Fault):
    """A helper refused its arguments; raised by the machine for a declared type, or by the helper's body."""


def too_deep() -> CallDepthExceeded:
    """The fault of a local call for which there is no frame."""
    return CallDepthExceeded("a local call nested deeper than 8 frames")


def illegal_call(register: int, value: int) -> IllegalCall:
    """The fault of a call through a register that nothing can be called with."""
    return IllegalCall(f"r{register} is {value:#x}, neither a helper's number nor the address of a function")


def _rebuild(kind: type[IllegalInstruction], args: tuple[str, ...], state: dict[str, object]) -> IllegalInstruction:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error
