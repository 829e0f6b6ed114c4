"""Which rules of a host are proved, which are left to be monitored, and which runs break one."""

from __future__ import annotations

from dataclasses import replace

import pytest

import vm
from quicsim.operations import Rule
from vm.verifier import Category, Contract, Field, PointerTo, Range, RegionType, Rejected, Terms, verify, witness

INPUTS = RegionType(
    64,
    "inputs",
    24,
    fields=(
        Field("now", 0, 8),
        Field("limit", 8, 4, minimum=4, maximum=1000),
        Field("flag", 12, 1, maximum=1),
        Field("window", 16, 8, is_writable=True),
    ),
)
HELPERS = vm.HelperTable(
    (
        vm.Helper(1, "run_default", (), vm.Scalar.U64, lambda context: 0),
        vm.Helper(2, "small", (), vm.Scalar.U64, lambda context: 3),
    )
)
CONTRACT = Contract(
    arguments=(PointerTo(INPUTS), Range()),
    helpers=HELPERS,
    terms={1: Terms(at_most_once=True, is_hosts_own=True), 2: Terms(result=Range(0, 7))},
)


def judged(code, *rules):
    program = vm.Program.from_text(code.replace(";", "\n").replace(": ", ":\n"))
    return verify(program, "main", replace(CONTRACT, rules=rules))


@pytest.mark.parametrize(
    ("code", "rule", "is_proved"),
    [
        ("r0 = 1; exit", Rule("result <= 1"), True),
        ("r0 = r2; r0 &= 1; exit", Rule("result <= 1"), True),
        ("r0 = r2; r0 &= 2; exit", Rule("result <= 1"), False),
        ("r0 = *(u64 *)(r1 + 0); exit", Rule("result == 0 or result >= now"), True),
        ("r6 = *(u64 *)(r1 + 0); r0 = r6; exit", Rule("result == now"), True),
        ("r0 = *(u64 *)(r1 + 0); r0 += 1; exit", Rule("result > now"), False),  # it may wrap
        ("r0 = r2; exit", Rule("result > now"), False),
        ("r0 = 4; exit", Rule("result <= limit"), True),
        ("r0 = 5; exit", Rule("result <= limit"), False),
        ("r3 = *(u32 *)(r1 + 8); r0 = 5; if r3 >= 5 goto +1; r0 = 4; exit", Rule("result <= limit"), True),
        ("r3 = *(u32 *)(r1 + 8); r0 = 1; if r3 == 9 goto +1; r0 = r3; exit", Rule("result <= limit"), True),
        ("r0 = 0; exit", Rule("result != 0", when="flag"), False),
        ("r0 = 0; exit", Rule("result != 0", when="flag > 1"), True),
        ("r0 = 0; r3 = *(u8 *)(r1 + 12); if r3 == 0 goto +1; r0 = 1; exit", Rule("result != 0", when="flag"), True),
        ("r0 = 0; r3 = *(u8 *)(r1 + 12); if r3 == 0 goto +1; r0 = 1; exit", Rule("result == flag"), True),
        ("call 1; exit", Rule("result > now"), True),  # the host answers for its own
        ("call 1; r0 += 1; exit", Rule("result > now"), False),
        ("call 2; exit", Rule("result < 8"), True),
        ("call 2; exit", Rule("result < 7"), False),
        ("r6 = r1; call 2; r0 = *(u64 *)(r6 + 0); exit", Rule("result == now"), False),  # it may be another now
        ("r0 = 1; exit", Rule("window <= 1 << 62"), True),  # never written
        ("r0 = 1; *(u64 *)(r1 + 16) = 5; exit", Rule("window <= 1 << 62"), False),
        ("r0 = 9; exit", Rule("result // 2 * 3 - 1 == 11"), True),
        ("r0 = 0; loop: r0 += 1; if r0 < 100 goto loop; exit", Rule("result >= 100 and not result > 100"), True),
    ],
)
def test_a_rule_is_proved_or_monitored(code, rule, is_proved):
    [verdict] = judged(code, rule).rules
    assert verdict.is_proved is is_proved


@pytest.mark.parametrize(
    ("code", "rule", "inputs"),
    [
        ("r0 = 2; exit", Rule("result <= 1"), {"result": 2}),
        ("r0 = 0; if r2 != 4242 goto +1; r0 = 2; exit", Rule("result <= 1"), {"result": 2}),
        ("call 2; r0 += 8; exit", Rule("result < 8"), {}),
        ("r0 = 1001; exit", Rule("result <= limit"), {"result": 1001}),
        ("r3 = *(u8 *)(r1 + 12); r0 = 0; exit", Rule("result > flag"), {"result": 0}),
    ],
)
def test_a_rule_that_a_run_breaks_is_refused_with_its_inputs(code, rule, inputs):
    with pytest.raises(Rejected) as refusal:
        judged(code, rule)
    error = refusal.value
    assert error.category is Category.RULE
    assert error.reason == f"rule broken: the host asks for {rule.text}"
    assert rule.broken_by(error.counterexample)
    assert inputs.items() <= error.counterexample.items()
    assert f"result = {error.counterexample['result']}" in error.text()


def test_a_rule_that_no_run_is_found_to_break_is_monitored():
    """Only one number in 2^64 leads there, and it does not stand in the program."""
    code = "r0 = 0; r3 = r2; r3 ^= 1122334455; r3 *= 7; r4 = 0x123456789abcdef1 ll; if r3 != r4 goto +1; r0 = 2; exit"
    [verdict] = judged(code, Rule("result <= 1")).rules
    assert not verdict.is_proved


UNREACHABLE = "r3 = *(u64 *)(r1 + 0); r3 *= r3; r0 = 0; if r3 != 3 goto +1; r0 = 2; exit"
"""No square is 3 modulo 2^64, which the verifier does not know."""


@pytest.mark.parametrize("rounds", [1, 1000, 30_000])
def test_the_search_for_a_run_ends(rounds, monkeypatch):
    """A program can neither take the time of 300 runs of its longest nor of as many bytes as it likes."""
    made, drawn = [], []

    class Counted(vm.Machine):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            made.append(self)

    class Draws(witness.Draws):
        def below(self, bound):
            drawn.append(bound)
            return super().below(bound)

    monkeypatch.setattr(witness, "Machine", Counted)
    monkeypatch.setattr(witness, "Draws", Draws)
    memory = RegionType(65, "memory", 1 << 16, is_writable=True)
    fill = vm.Helper(1, "fill", (vm.Buffer(writable=True),), None, lambda context, target: None)
    rule = Rule("result <= 1")
    contract = Contract(
        arguments=(PointerTo(INPUTS), PointerTo(memory)), helpers=vm.HelperTable((fill,)), rules=(rule,)
    )
    loop = f"r6 = r1; r1 = r2; r2 = 65536; call 1; r1 = r6; r4 = 0; loop: r4 += 1; if r4 < {rounds} goto loop; "
    program = vm.Program.from_text((loop + UNREACHABLE).replace(";", "\n").replace(": ", ":\n"))
    assert not verify(program, "main", contract).rules[0].is_proved
    assert 0 < sum(machine.instructions for machine in made) <= witness.INSTRUCTIONS + 1
    assert len(drawn) < 1000 * len(made)
