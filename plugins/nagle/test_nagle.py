"""Does it send small writes in fewer packets, deliver every byte, and let nothing wait for ever?"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quicsim import locate
from quicsim.events import PacketSent
from quicsim.plugin.package import PluginError, load_plugin
from quicsim.quic.profiles import PROFILES
from quicsim.quic.settings import Settings
from tests.plugin.pipe import DELAY_NS, MILLISECOND, Pipe
from tests.plugin.twins import in_scenario, on_pipe, same_packets, same_run

NAGLE = load_plugin((locate.plugin("nagle") / "nagle.o").read_bytes(), source="nagle.o")
DEFAULT_DELAY_NS = 200 * MILLISECOND
ROUND_TRIP_NS = 2 * DELAY_NS
UNUSED_BYTES = 64

by_profile = pytest.mark.parametrize("profile", PROFILES)


def connected(profile="picoquic", *, with_nagle=("client",), delay_ns=DEFAULT_DELAY_NS, **more):
    pipe = Pipe(profile, **more)
    pipe.connect()
    for name in with_nagle:
        pipe.sides[name].plugins.attach(NAGLE, {"delay": delay_ns})
    for side in pipe.sides.values():
        side.events.clear()
    return pipe


def write(pipe, stream_id, size, name="client", *, fin=False):
    connection = pipe.sides[name].connection
    connection.now_ns = pipe.now_ns
    connection.send(stream_id, size, fin=fin)
    pipe.flush()


def chat(pipe, *, messages=200, size=40, gap_ns=MILLISECOND, name="client"):
    """Small writes on one stream, one after another; the stream's identifier."""
    stream_id = pipe.sides[name].connection.open_stream()
    for number in range(messages):
        write(pipe, stream_id, size, name, fin=number == messages - 1)
        pipe.run_for(gap_ns)
    pipe.settle()
    return stream_id


def data_packets(side):
    return [event for event in side.of(PacketSent) if event.size_bytes > 50]


def small_in_flight(side):
    return [
        packet
        for path in side.connection.paths
        for packet in path.application.outstanding.values()
        if packet.data_only and packet.size_bytes <= path.datagram_bytes - UNUSED_BYTES
    ]


@by_profile
def test_many_small_writes_go_out_in_few_packets(profile):
    without, with_it = (connected(profile, with_nagle=names) for names in ((), ("client",)))
    for pipe in (without, with_it):
        stream_id = chat(pipe)
        assert pipe.server.delivered == {stream_id: 8_000}
    plain, merged = (len(data_packets(pipe.client)) for pipe in (without, with_it))
    assert plain == 200
    # A packet a round trip at most; more than one of 200 ms each, which is how long they take to be written.
    assert 200 * MILLISECOND // DEFAULT_DELAY_NS < merged <= 200 * MILLISECOND // ROUND_TRIP_NS + 1
    assert with_it.client.connection.counts.plugin_faults == 0


@by_profile
def test_at_most_one_small_packet_is_in_flight(profile):
    pipe = connected(profile, delay_ns=10_000 * MILLISECOND)
    stream_id = pipe.client.connection.open_stream()
    for number in range(300):
        write(pipe, stream_id, 1 + number * 7919 % 900)
        assert len(small_in_flight(pipe.client)) <= 1
        pipe.run_for(MILLISECOND // 3)
        assert len(small_in_flight(pipe.client)) <= 1
    assert max(event.size_bytes for event in data_packets(pipe.client)) > 1_100, "pieces become full packets"
    write(pipe, stream_id, 0, fin=True)
    pipe.settle()
    assert pipe.server.delivered == {stream_id: sum(1 + number * 7919 % 900 for number in range(300))}


def test_without_it_there_are_many():
    pipe = connected(with_nagle=())
    stream_id = pipe.client.connection.open_stream()
    for _ in range(10):
        write(pipe, stream_id, 40)
    assert len(small_in_flight(pipe.client)) == 10


@by_profile
def test_the_end_of_a_stream_goes_at_once(profile):
    pipe = connected(profile)
    stream_id = pipe.client.connection.open_stream()
    start_ns = pipe.now_ns
    write(pipe, stream_id, 40)
    write(pipe, stream_id, 40)
    write(pipe, stream_id, 40, fin=True)
    assert [event.time_ns for event in data_packets(pipe.client)] == [start_ns, start_ns]
    pipe.settle()
    assert pipe.server.delivered == {stream_id: 120}


@by_profile
def test_the_first_small_packet_goes_at_once_and_the_next_when_that_is_acknowledged(profile):
    ack_delay_ns = 5 * MILLISECOND  # so short that no probe comes before
    pipe = connected(profile, server=Settings(max_ack_delay_ns=ack_delay_ns))
    stream_id = pipe.client.connection.open_stream()
    start_ns = pipe.now_ns
    for _ in range(3):
        write(pipe, stream_id, 40)
    assert [event.time_ns for event in data_packets(pipe.client)] == [start_ns]
    pipe.settle()
    first, second = data_packets(pipe.client)
    assert sum(frame.length for frame in second.frames if hasattr(frame, "fin")) == 80
    assert ROUND_TRIP_NS <= second.time_ns - first.time_ns <= ROUND_TRIP_NS + ack_delay_ns


@by_profile
@pytest.mark.parametrize("delay_ms", [1, 15, 40])
def test_without_an_ack_it_waits_no_longer_than_the_delay(profile, delay_ms):
    """The peer's answers are lost."""
    pipe = connected(profile, delay_ns=delay_ms * MILLISECOND)
    pipe.drops = lambda sender, index, datagram: sender == "server"
    stream_id = pipe.client.connection.open_stream()
    start_ns = pipe.now_ns
    write(pipe, stream_id, 40)
    pipe.run_for(MILLISECOND // 2)
    held_ns = pipe.now_ns
    write(pipe, stream_id, 41)
    pipe.run_for(45 * MILLISECOND)
    new = [event for event in data_packets(pipe.client) if any(getattr(f, "length", 0) == 41 for f in event.frames)]
    assert [event.time_ns for event in data_packets(pipe.client)[:1]] == [start_ns]
    assert new[0].time_ns <= held_ns + delay_ms * MILLISECOND
    if not any(event.is_probe for event in data_packets(pipe.client) if event.time_ns <= new[0].time_ns):
        assert new[0].time_ns == held_ns + delay_ms * MILLISECOND


@by_profile
def test_a_large_transfer_is_as_fast_as_without(profile):
    """Its last packet, though a small one, ends the stream; so does each of many requests."""
    for sizes in ([300_000], 20 * [100]):
        finished = []
        for names in ((), ("client", "server")):
            pipe = connected(profile, with_nagle=names)
            for size in sizes:
                pipe.send(size, "server")
            while len(pipe.client.delivered) < len(sizes):
                assert pipe.step()
            finished.append(pipe.now_ns)
        assert abs(finished[1] - finished[0]) < MILLISECOND // 10


@by_profile
def test_the_receiver_s_own_frames_are_not_held_back(profile):
    """MAX_DATA, MAX_STREAM_DATA and ACKs go as they do without: the sender sees no difference."""
    runs = []
    for names in ((), ("client",)):
        pipe = connected(profile, with_nagle=names)
        pipe.send(1_000_000, "server")
        pipe.settle()
        runs.append(on_pipe(pipe))
    same_packets(*runs)


@by_profile
def test_two_ends_that_chat_both_do_not_wait_for_one_another(profile):
    pipe = connected(profile, with_nagle=("client", "server"), delay_ns=10_000 * MILLISECOND)
    streams = {name: side.connection.open_stream() for name, side in pipe.sides.items()}
    for number in range(100):
        for name, stream_id in streams.items():
            write(pipe, stream_id, 30, name, fin=number == 99)
        pipe.run_for(2 * MILLISECOND)
    pipe.run_for(200 * MILLISECOND)
    assert pipe.server.delivered == {streams["client"]: 3_000}
    assert pipe.client.delivered == {streams["server"]: 3_000}


@by_profile
def test_what_goes_out_because_the_timer_has_expired_is_not_held_back(profile):
    """A probe takes along what waits, whether or not there is anything to repeat."""
    pipe = connected(profile, client=Settings(address_count=2))
    stream_id = pipe.client.connection.open_stream()
    write(pipe, stream_id, 40)
    sent = len(data_packets(pipe.client))
    write(pipe, stream_id, 40)
    assert len(data_packets(pipe.client)) == sent
    [path] = [path for path in pipe.client.connection.paths if path.application.pending]
    path.timer_expired = True
    pipe.flush()
    assert len(data_packets(pipe.client)) == sent + 1
    write(pipe, stream_id, 40)
    assert len(data_packets(pipe.client)) == sent + 1, "and the next one is"


def test_nothing_waits_for_a_path_that_may_have_failed():
    pipe = connected("mp-quic", client=Settings(address_count=2))
    pipe.drops = lambda sender, index, datagram: True
    stream_id = pipe.client.connection.open_stream()
    write(pipe, stream_id, 40)
    write(pipe, stream_id, 40)
    in_flight = len(small_in_flight(pipe.client))
    for path in pipe.client.connection.paths:
        path.is_potentially_failed = bool(path.application.outstanding)
    write(pipe, stream_id, 40)
    assert len(small_in_flight(pipe.client)) == in_flight + 1


LOSSES = st.sets(st.tuples(st.sampled_from(["client", "server"]), st.integers(5, 60)), max_size=8)


@by_profile
@settings(max_examples=60, deadline=None)
@given(
    writes=st.lists(st.tuples(st.integers(1, 3_000), st.integers(0, 30)), min_size=1, max_size=20),
    lost=LOSSES,
    delay_ms=st.integers(1, 300),
)
def test_whatever_is_written_and_lost_every_byte_arrives_and_its_twin_sends_the_same(profile, writes, lost, delay_ms):
    def driven():
        pipe = connected(
            profile,
            with_nagle=("client", "server"),
            delay_ns=delay_ms * MILLISECOND,
            drops=lambda sender, index, datagram: (sender, index) in lost,
        )
        stream_id = pipe.client.connection.open_stream()
        for number, (size, gap_ms) in enumerate(writes):
            write(pipe, stream_id, size, fin=number == len(writes) - 1)
            pipe.run_for(gap_ms * MILLISECOND)
        pipe.run_for(30_000 * MILLISECOND)
        assert pipe.server.delivered == {stream_id: sum(size for size, _gap in writes)}
        assert not any(side.connection.counts.plugin_faults for side in pipe.sides.values())
        return on_pipe(pipe)

    same_run(driven, "nagle")


def test_the_scenario_is_the_same_with_its_native_twin():
    same_run(lambda: in_scenario("nagle", ["messages.count=100"], "with-nagle"), "nagle")


def test_where_there_is_nothing_to_wait_for_it_changes_nothing():
    same_packets(*(in_scenario("nagle", [], variant) for variant in ("sparse", "sparse-with-nagle")))


@pytest.mark.parametrize("delay", ["999us", "11s"])
def test_a_delay_out_of_range_is_refused(delay):
    with pytest.raises(PluginError, match=r"nagle: parameter delay = .* out of range"):
        Pipe().client.plugins.attach(NAGLE, {"delay": delay})
