"""Does a program keep to its contract on every path? Each path is followed, until a state is covered by another one.

Exploration goes depth first, the path where a jump is not taken first. It is bounded by steps, not by time, so that
every machine gives the same verdict.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from vm.isa import Form
from vm.memory import FRAME_BYTES
from vm.verifier import calls, transfer, witness
from vm.verifier.access import Regions
from vm.verifier.cfg import JUMPS, flow_of, recursion
from vm.verifier.contract import PointerTo, Range, SizeOf
from vm.verifier.points import Node, Point
from vm.verifier.proof import Proof, Recorder
from vm.verifier.report import Category, Rejected, Violation
from vm.verifier.rules import Judge
from vm.verifier.state import HOSTS_OWN, State, Trail
from vm.verifier.values import ANYTHING, ZERO, Number, Pointer, Value, between, constant, range_text

if TYPE_CHECKING:
    from vm.isa import Instruction
    from vm.program import Program
    from vm.verifier.contract import Contract

MAXIMUM_STEPS = 100_000
"""Assumed: three seconds' worth on the machine this was written on."""
_ARITHMETIC = frozenset({Form.ALU_IMMEDIATE, Form.ALU_REGISTER})
_STORES = frozenset({Form.STORE_IMMEDIATE, Form.STORE_REGISTER})
_ATOMICS = frozenset({Form.ATOMIC, Form.ATOMIC_FETCH, Form.COMPARE_EXCHANGE})


def verify(
    program: Program, entry: str, contract: Contract, *, spent_steps: int = 0, keep_states: bool = False
) -> Proof:
    """Prove that a program entered at `entry` keeps to its contract, or raise Rejected, which says why not.

    `spent_steps` were taken for other entries, where all that came together is bounded as one. `keep_states` puts what
    was known at each instruction into the proof.
    """
    return Exploration(program, entry, contract, spent_steps=spent_steps, keep_states=keep_states).proof()


class Exploration:
    """One verification under way."""

    def __init__(
        self, program: Program, entry: str, contract: Contract, *, spent_steps: int = 0, keep_states: bool = False
    ) -> None:
        self.program = program
        self.entry = entry
        self.contract = contract
        self.regions = Regions(program, contract)
        self.recorder = Recorder()
        self.judge = Judge(contract)
        self.steps = self._spent_steps = spent_steps
        self.pc = program.pc_of(entry)
        self._flow = flow_of(program)
        self._deciding = self._flow.deciding(None if contract.rules else self.pc)
        self._identities = HOSTS_OWN
        self._searched: set[str] = set()
        """Rules that no run was found to break."""
        self._points: dict[tuple[int, ...], Point] = {}
        self._pending: list[tuple[int, State, Node, int, int]] = []
        self._touched: dict[int, set[int]] = {}
        self._unsafe: set[int] = set()
        self._states: dict[int, list[State]] | None = {} if keep_states else None

    def proof(self) -> Proof:
        """Explore everything. Raises Rejected."""
        pc = self.pc
        if (circle := recursion(self.program, pc)) is not None:
            at, names = circle
            violation = Violation(
                Category.RECURSION,
                f"{names[0]!r} calls itself" + (f" through {', '.join(map(repr, names[1:-1]))}" if names[2:] else ""),
                suggestion="use a loop with a bound",
            )
            raise Rejected(self.program, self.entry, at, violation, None)
        root = Node(None, 0, None)
        self._pending.append((pc, self._initial(), root, 0, 0))
        while self._pending:
            pc, state, node, distance, length = self._pending.pop()
            try:
                self._walk(pc, state, node, distance, length)
            except Violation as violation:
                raise Rejected(self.program, self.entry, self.pc, violation, state.trail) from None
        return self._proven(root.longest)

    def _initial(self) -> State:
        state = State()
        for register, argument in enumerate(self.contract.arguments, 1):
            value: Value
            if isinstance(argument, PointerTo):
                value = Pointer(argument.region.number, ZERO, self.fresh_identity(), argument.is_nullable)
            elif isinstance(argument, Range):
                value = between(argument.low, argument.high)
            else:
                region = argument.region
                state.sizes[region.number] = argument.minimum
                value = between(argument.minimum, region.size).identified(-region.number)
            state.registers[register] = value
        calls.begin_frame(state, -1, (None,) * 4)
        return state

    def _proven(self, longest: int) -> Proof:
        recorder = self.recorder
        lowest = recorder.lowest_stack_offset
        sized = {each.region.number for each in self.contract.arguments if isinstance(each, SizeOf)}
        return Proof(
            program=self.program,
            arguments=self.contract.arguments,
            entry=self.entry,
            reads=recorder.read_effects(),
            writes=recorder.write_effects(),
            helpers=tuple(sorted(recorder.helpers)),
            stack_bytes=sum(FRAME_BYTES - offset for offset in lowest.values()),
            call_depth=recorder.call_depth,
            worst_case_instructions=longest,
            safe_accesses=frozenset(self._touched.keys() - self._unsafe),
            access_regions=MappingProxyType({pc: frozenset(found) for pc, found in self._touched.items()}),
            assumed=MappingProxyType(
                {
                    number: (region.size, region.is_writable)
                    for number, region in self.regions.by_number.items()
                    if number not in sized
                }
            ),
            rules=self.judge.verdicts(recorder),
            steps=self.steps - self._spent_steps,
            states=MappingProxyType(self._states or {}),
        )

    # What the steps use

    def fresh_identity(self) -> int:
        """An identity that no value has yet."""
        self._identities += 1
        return self._identities

    def shared(self, state: State, register: int, value: Number) -> Number:
        """A register's number, about to be copied: both bear one identity."""
        if value.identity or value.is_constant:
            return value
        value = value.identified(self.fresh_identity())
        state.registers[register] = value
        return value

    def shared_slot(self, state: State, pointer: Pointer, value: Number) -> Number:
        """A number on the stack, about to be copied to a register."""
        low, high = pointer.offset.wide[2], pointer.offset.wide[3]
        if value.identity or low != high:
            return value
        frame = state.own_frame(pointer.region)
        if low in frame.slots and frame.slots[low][1] is value:
            value = value.identified(self.fresh_identity())
            frame.slots[low] = 8, value
        return value

    def touched(self, region: int, *, is_safe: bool) -> None:
        """The current instruction accesses a region, and that needs no check at run time, or it does."""
        self._touched.setdefault(self.pc, set()).add(region)
        if not is_safe:
            self._unsafe.add(self.pc)

    # The walk

    def _walk(self, pc: int, state: State, node: Node, distance: int, length: int) -> None:
        """Follow one path to its end; ways that branch off wait. `distance` and `length` count instructions from
        `node` and from the entry.
        """
        instructions, joins = self.program.instructions, self._flow.joins
        limit, states = self.contract.limit, self._states
        while True:
            self.pc = pc
            if pc in joins:
                if self._is_known(pc, state, node, distance, length):
                    return
                if self._kept is not None:
                    node, distance = self._kept, 0
            if states is not None:
                states.setdefault(pc, []).append(state.copy())
            self.steps += 1
            distance += 1
            length += 1
            if length > limit:
                raise self._too_long(limit)
            if self.steps > MAXIMUM_STEPS:
                raise self._too_complex()
            instruction = instructions[pc]
            form = instruction.opcode.form
            if form in _ARITHMETIC:
                transfer.alu(self, state, instruction)
                pc += 1
            elif form in JUMPS:
                target = instruction.target(pc)
                taken, not_taken = transfer.branch(state, instruction)
                if taken is not None and not_taken is not None:
                    trail = state.trail
                    taken.trail, not_taken.trail = Trail(pc, True, trail), Trail(pc, False, trail)
                    node.open += 1
                    self._pending.append((target, taken, node, distance, length))
                if not_taken is None:
                    if taken is None:  # the state itself cannot be
                        node.path_ends(distance)
                        return
                    state, pc = taken, target
                else:
                    state, pc = not_taken, pc + 1
            elif form is Form.LOAD:
                transfer.load(self, state, instruction)
                pc += 1
            elif form in _STORES:
                transfer.store(self, state, instruction)
                pc += 1
            elif form.jumps:
                pc = instruction.target(pc)
            elif form is Form.LOAD_IMMEDIATE:
                state.registers[instruction.dst] = constant(instruction.imm)
                pc += 2
            elif form is Form.UNARY:
                transfer.unary_alu(self, state, instruction)
                pc += 1
            elif form is Form.EXIT:
                if len(state.frames) > 1:
                    pc = calls.leave(state)
                    continue
                self._end(state)
                node.path_ends(distance)
                return
            elif form in _ATOMICS:
                transfer.atomic(self, state, instruction)
                pc += 1
            else:
                pc = self._call(pc, state, instruction)

    _kept: Node | None = None

    def _is_known(self, pc: int, state: State, node: Node, distance: int, length: int) -> bool:
        """Whether what follows was explored already; if not, the state is kept, as `_kept`."""
        self._forget(pc, state.registers)
        place = (pc, *[frame.return_pc for frame in state.frames])
        point = self._points.get(place)
        if point is None:
            point = self._points[place] = Point()
        found, is_endless = point.find(state)
        self.steps += point.compared  # each takes as long as an instruction does
        if is_endless:
            raise Violation(
                Category.ENDLESS_LOOP,
                "the loop comes back with nothing known to have changed",
                suggestion="count the iterations, and end at a bound",
            )
        if found is not None:
            if length + found.longest > self.contract.limit:
                raise self._too_long(self.contract.limit)
            node.path_ends(distance + found.longest)
            return True
        kept = Node(node, distance, state.copy())
        point.keep(kept)
        self._kept = kept
        return False

    def _forget(self, pc: int, registers: list[Value]) -> None:
        """Forget what nothing is read from any more, and of numbers that decide nothing what they are: states that
        differ in nothing else need not be told apart.
        """
        live, deciding = self._flow.live[pc], self._deciding[pc]
        for register in range(10):
            if not live >> register & 1:
                registers[register] = None
            elif not deciding >> register & 1 and isinstance(registers[register], Number):
                registers[register] = ANYTHING

    def _call(self, pc: int, state: State, instruction: Instruction) -> int:
        """A call; the pc to go on at."""
        number: int | None = instruction.imm
        target = 0
        if instruction.opcode.form is Form.CALL_LOCAL:
            number, target = None, instruction.target(pc)
        elif instruction.opcode.form is not Form.CALL_HELPER:
            number, target = calls.called_register(self, state, instruction.dst)
        if number is not None:
            calls.helper_call(self, state, number)
            return pc + 1
        calls.enter(self, state, pc, self._flow.live[pc + 1])
        return target

    def _end(self, state: State) -> None:
        broken = self.judge.at_exit(calls.check_result(self, state), state.given)
        if broken is None:
            return
        if broken.text in self._searched:
            return
        self._searched.add(broken.text)
        found = witness.find(self.program, self.entry, self.contract, broken)
        if found is None:
            return  # it may be that nothing leads here; the host looks at every run
        when = f" when {broken.when}" if broken.when else ""
        raise Violation(
            Category.RULE,
            f"the host asks for {broken.text}{when}",
            subject="r0",
            seen=f"result {range_text(calls.check_result(self, state))}",
            allowed=broken.text,
            suggestion="return what the rule asks for, or what the host's own behaviour returns",
            counterexample=found,
        )

    def _too_long(self, limit: int) -> Violation:
        return Violation(
            Category.TOO_LONG,
            f"a run may take more than {limit} instructions",
            seen=f"more than {limit}",
            allowed=f"{limit}",
            suggestion="give every loop a bound that does not depend on what the program is given",
        )

    def _too_complex(self) -> Violation:
        ways = len(self._pending)
        return Violation(
            Category.TOO_COMPLEX,
            f"given up after {MAXIMUM_STEPS} steps",
            seen=f"{MAXIMUM_STEPS} steps, and {ways} way{'' if ways == 1 else 's'} left",
            allowed=f"{MAXIMUM_STEPS} steps",
            suggestion="make loops shorter, or keep what they decide in fewer variables",
        )
