"""Do all acknowledgements travel by the path that was named, and where the data came while that one is not there?"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quicsim import locate
from quicsim.events import PacketSent, PluginAttached
from quicsim.plugin.package import PluginError, load_plugin
from quicsim.quic.frames import PathAckFrame
from quicsim.quic.settings import Settings
from tests.plugin.pipe import MILLISECOND, Pipe

ACK_PATH = load_plugin((locate.plugin("ack_path") / "ack_path.o").read_bytes(), source="ack_path.o")


def pushed(path, addresses=2, lost=frozenset()):
    """The server has pushed it to the client of a connection with so many paths, and nothing is under way."""
    pipe = Pipe(
        "mp-quic",
        client=Settings(address_count=addresses),
        drops=lambda sender, index, datagram: (sender, index) in lost,
    )
    pipe.server.plugins.push(ACK_PATH, {"path": path})
    pipe.connect()
    pipe.run_for(5_000 * MILLISECOND)
    return pipe


def carried(side):
    """(path acknowledged, path taken) of each ACK that an end sent since it took the plugin."""
    [attached] = side.of(PluginAttached) or [side.events[0]]
    since = side.events[side.events.index(attached) :]
    return {
        (frame.path_id, event.path_id)
        for event in since
        if isinstance(event, PacketSent)
        for frame in event.frames
        if isinstance(frame, PathAckFrame)
    }


@pytest.mark.parametrize("path", [1, 2])
def test_acknowledgements_of_both_paths_take_the_one_that_was_named(path):
    pipe = pushed(path)
    pipe.send(300_000, "server")
    pipe.settle()
    assert pipe.client.delivered == {1: 300_000}
    assert carried(pipe.client) == {(0, path), (1, path), (2, path)}  # the plugin itself came by the first path


def test_without_it_they_go_where_the_data_came_and_it_acts_at_one_end_only():
    pipe = pushed(1)
    pipe.send(300_000)
    pipe.settle()
    assert carried(pipe.server) == {(1, 1), (2, 2)}


@pytest.mark.parametrize(("path", "addresses"), [(3, 2), (7, 2), (2, 1)])
def test_a_path_that_the_connection_does_not_have_changes_nothing(path, addresses):
    pipe = pushed(path, addresses)
    pipe.send(100_000, "server")
    pipe.settle()
    assert pipe.client.delivered == {1: 100_000}
    assert all(of == by for of, by in carried(pipe.client))
    assert pipe.client.connection.counts.plugin_faults == 0


def test_the_first_path_may_carry_them_too():
    """It was left to the handshake, but it is open, and the peer takes acknowledgements from any path."""
    pipe = pushed(0)
    pipe.send(100_000, "server")
    pipe.settle()
    assert pipe.client.delivered == {1: 100_000}
    assert carried(pipe.client) == {(0, 0), (1, 0), (2, 0)}


@settings(max_examples=25, deadline=None)
@given(
    path=st.integers(0, 7),
    lost=st.sets(st.tuples(st.sampled_from(["client", "server"]), st.integers(8, 80)), max_size=12),
)
def test_under_loss_every_byte_arrives_and_no_acknowledgement_strays(path, lost):
    pipe = pushed(path, lost=lost)
    pipe.send(60_000, "server")
    pipe.send(20_000)
    pipe.run_for(20_000 * MILLISECOND)
    assert (pipe.client.delivered, pipe.server.delivered) == ({1: 60_000}, {0: 20_000})
    assert pipe.client.connection.counts.plugin_faults == 0
    for acknowledged, taken in carried(pipe.client):
        assert taken == (path if path < 3 else acknowledged)


def test_on_a_stack_of_one_path_it_is_never_asked():
    pipe = Pipe("picoquic")
    attachment = pipe.client.attach(ACK_PATH)
    pipe.connect()
    pipe.send(50_000, "server")
    pipe.settle()
    assert attachment.is_installed
    assert pipe.client.connection.counts.plugin_calls == 0


@pytest.mark.parametrize("path", [-1, 8, "1", 1.0, True])
def test_a_path_that_no_connection_can_have_is_refused(path):
    pipe = Pipe("mp-quic")
    with pytest.raises(PluginError, match=r"plugin ack_path: parameter path = .*0 to 7"):
        pipe.client.plugins.attach(ACK_PATH, {"path": path})
