"""Every state machine, walked: each state with each input either moves as its table says or is refused by name."""

import pytest

from quicsim.quic import states
from quicsim.quic.errors import StateError

MACHINES = [(machine.table, machine.states, machine.inputs) for machine in states.MACHINES.values()]
STEPS = [
    pytest.param(table, state, given, id=f"{type(state).__name__}.{state.name}-{given.name}")
    for table, all_states, inputs in MACHINES
    for state in all_states
    for given in inputs
]


def test_every_table_of_the_module_has_a_name():
    constants = {name: value for name, value in vars(states).items() if name.isupper() and isinstance(value, dict)}
    tables = [value for name, value in constants.items() if name != "MACHINES"]
    assert len(tables) == len(MACHINES)
    assert all(any(table is known for known, _, _ in MACHINES) for table in tables)


def test_a_machine_can_be_read_as_words():
    for machine in states.MACHINES.values():
        assert len(machine.steps) == len(set(machine.steps)) == len(machine.table)
        for (state, given), following in machine.table.items():
            names = [machine.state_names[list(machine.states).index(one)] for one in (state, following)]
            assert (names[0], given.name, names[1]) in machine.steps


@pytest.mark.parametrize(("table", "state", "given"), STEPS)
def test_each_step_is_in_the_table_or_refused(table, state, given):
    if (state, given) in table:
        assert states.advance(table, state, given) is table[state, given]
        return
    with pytest.raises(StateError) as refused:
        states.advance(table, state, given)
    message = str(refused.value)
    assert message.startswith(f"{type(state).__name__} {state.name} accepts ")
    assert message.endswith(f"; not {given.name}")
    for other_state, accepted in table:
        if other_state is state:
            assert accepted.name in message


@pytest.mark.parametrize(("table", "all_states", "inputs"), MACHINES, ids=lambda m: getattr(m, "__name__", ""))
def test_every_state_can_be_reached_and_every_input_is_used(table, all_states, inputs):
    reached = {next(iter(all_states))}
    while True:
        more = {table[s, i] for s, i in table if s in reached} - reached
        if not more:
            break
        reached |= more
    assert reached == set(all_states)
    assert {given for _, given in table} == set(inputs)


@pytest.mark.parametrize(
    ("table", "end"),
    [
        (states.CONNECTION, states.ConnectionState.FAILED),
        (states.SENDING_STREAM, states.SendingStreamState.DATA_RECEIVED),
        (states.SENDING_STREAM, states.SendingStreamState.RESET_RECEIVED),
    ],
)
def test_nothing_leads_out_of_an_end(table, end):
    assert not [following for (state, _), following in table.items() if state is end]
