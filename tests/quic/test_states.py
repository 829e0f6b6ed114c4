"""Every state machine, walked: each state with each input either moves as its table says or is refused by name."""

import pytest

from quicsim.quic import states
from quicsim.quic.errors import StateError

MACHINES = [
    (states.CONNECTION, states.ConnectionState, states.ConnectionInput),
    (states.PATH, states.PathState, states.PathInput),
    (states.SENDING_PROCESS, states.SendingProcessState, states.SendingProcessInput),
    (states.SENDING_STREAM, states.SendingStreamState, states.SendingStreamInput),
    (states.RECEIVING_STREAM, states.ReceivingStreamState, states.ReceivingStreamInput),
]
STEPS = [
    pytest.param(table, state, given, id=f"{type(state).__name__}.{state.name}-{given.name}")
    for table, all_states, inputs in MACHINES
    for state in all_states
    for given in inputs
]


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
    ],
)
def test_nothing_leads_out_of_an_end(table, end):
    assert not [following for (state, _), following in table.items() if state is end]
