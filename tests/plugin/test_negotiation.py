"""Do plugins come, change places and go on a live connection as either end asks, and does each end know what runs?"""

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from quicsim.events import (
    PluginAccepted,
    PluginAttached,
    PluginDetached,
    PluginOffered,
    PluginRecalled,
    PluginRefused,
    PluginRemoved,
    PluginReplaced,
    PluginStopped,
)
from quicsim.operations import OPERATIONS, operation_named
from quicsim.plugin.exchange import Accepted, ExchangeReader, Offer, Refused, Remove, Running, Stopped, encode
from quicsim.plugin.package import PluginError
from quicsim.quic.settings import Settings
from quicsim.quic.streams import ReceivingStream
from tests.plugin.pipe import MILLISECOND, Pipe, compiled, is_default, plugin, set_word, word

LIMITER = plugin("limiter")


@pytest.fixture
def pipe():
    pipe = Pipe()
    pipe.connect()
    return pipe


def everything_is_default(side):
    return all(is_default(side, operation.name) for operation in OPERATIONS)


def names(side):
    return [attachment.plugin.name for attachment in side.plugins.attachments]


def say(side, message):
    """Put a message on a side's exchange stream, whatever its host thinks of that."""
    connection = side.connection
    connection.sending_stream(connection.exchange_stream_id)
    connection.send(connection.exchange_stream_id, encode(message))


def window(side):
    return side.connection.path.cwnd_bytes


# -------------------------------------------------------------------------------------------------------- acceptance


@pytest.mark.parametrize(("sender", "taker"), [("client", "server"), ("server", "client")])
def test_the_pusher_is_told_of_acceptance(sender, taker):
    pipe = Pipe()
    told = []
    host = pipe.sides[sender].plugins
    host.push(LIMITER, on_accepted=lambda: told.append(host.peer_has("limiter")))
    assert (told, host.peer_has("limiter")) == ([], False)
    pipe.connect()
    pipe.settle()
    assert told == [True]
    assert host.peer_has("limiter")
    assert not pipe.sides[taker].plugins.peer_has("limiter"), "it is attached at one end only"
    [accepted] = pipe.sides[sender].of(PluginAccepted)
    [attached] = pipe.sides[taker].of(PluginAttached)
    [offered] = pipe.sides[sender].of(PluginOffered)
    assert offered.time_ns < attached.time_ns < accepted.time_ns


def test_a_refusal_is_no_acceptance(pipe):
    pipe.client.attach(plugin("order"))
    pipe.server.plugins.push(plugin("neutral"), on_accepted=lambda: pytest.fail("it was refused"))
    pipe.run_for(100 * MILLISECOND)
    assert not pipe.server.plugins.peer_has("neutral")
    assert "held by plugin order" in pipe.server.troubles[0].reason


# --------------------------------------------------------------------------------------------------------- replacing


@pytest.mark.parametrize(("sender", "taker"), [("client", "server"), ("server", "client")])
def test_a_plugin_is_replaced_twice_on_a_live_connection(sender, taker):
    """What the paper does in figure 6: one version after the other, while data flows."""
    pipe = Pipe()
    pusher, holder = pipe.sides[sender], pipe.sides[taker]
    pusher.plugins.push(LIMITER, {"window": 20_000})
    pipe.connect()
    pipe.settle()
    stream = pipe.send(3_000_000, taker)
    windows = []
    for chosen in (60_000, 10_000):
        pipe.run_for(200 * MILLISECOND)
        windows.append(window(holder))
        pusher.plugins.push(LIMITER, {"window": chosen}, replaces="limiter")
    pipe.run_for(200 * MILLISECOND)
    windows.append(window(holder))
    pipe.settle()
    assert windows == [20_000, 60_000, 10_000]
    assert pusher.delivered == {stream: 3_000_000}
    assert names(holder) == ["limiter"]
    assert [(event.plugin, event.by) for event in holder.of(PluginReplaced)] == 2 * [("limiter", "limiter")]
    assert len(holder.of(PluginAttached)) == len(pusher.of(PluginAccepted)) == 3
    assert holder.of(PluginDetached) == holder.troubles == pusher.troubles == []
    assert pusher.plugins.negotiation.at_peer == ["limiter"]
    for _ in range(2):  # the three were one after the other: there is one to take back
        pusher.plugins.remove("limiter")
    pipe.settle()
    assert names(holder) == []
    assert len(pusher.of(PluginRemoved)) == len(pusher.of(PluginRefused)) == 1


def test_there_is_no_call_without_the_old_or_the_new(monkeypatch):
    """Every call of the operation, also those of the datagram that brings the new one, goes through one of the two."""
    operation = operation_named("CongestionControl")
    default = operation.default_for("picoquic")
    defaults_run = []

    def counted(connection, *arguments):
        defaults_run.append(connection)
        return default(connection, *arguments)

    monkeypatch.setattr(operation, "defaults", {operation.EVERY_PROFILE: counted})
    pipe = Pipe()
    pipe.client.plugins.push(LIMITER)
    pipe.connect()
    pipe.settle()
    server = pipe.server.connection
    defaults_run.clear()
    calls = server.counts.plugin_calls
    pipe.send(500_000, "server")
    for chosen in (30_000, 40_000, 50_000):
        pipe.run_for(40 * MILLISECOND)
        pipe.client.plugins.push(LIMITER, {"window": chosen}, replaces="limiter")
    pipe.settle()
    assert len(pipe.server.of(PluginReplaced)) == 3
    assert defaults_run.count(server) == server.counts.plugin_calls - calls > 300


def test_what_is_replaced_within_a_call_acts_until_its_end(pipe):
    old = pipe.server.attach(plugin("order"))
    connection = pipe.server.connection
    connection._in_call = True
    pipe.server.plugins.attach(plugin("neutral"), replaces="order")
    assert old.enabled
    assert names(pipe.server) == ["neutral"]
    assert pipe.server.of(PluginReplaced) == []
    connection._in_call = False
    connection._apply_changes()
    assert not old.enabled
    [replaced] = pipe.server.of(PluginReplaced)
    assert (replaced.plugin, replaced.by) == ("order", "neutral")


def test_chained_within_one_call_only_the_last_stays(pipe):
    connection = pipe.server.connection
    pipe.server.plugins.attach(LIMITER, {"window": 10_000})
    connection._in_call = True
    for chosen in (20_000, 30_000):
        pipe.server.plugins.attach(LIMITER, {"window": chosen}, replaces="limiter")
    connection._in_call = False
    connection._apply_changes()
    assert names(pipe.server) == ["limiter"]
    assert len(pipe.server.of(PluginReplaced)) == 1, "the one in the middle was never there"
    pipe.send(200_000, "server")
    pipe.settle()
    assert window(pipe.server) == 30_000


def test_a_new_one_starts_with_its_own_memory(pipe):
    first = pipe.client.attach(plugin("watcher"))
    set_word(first, 1, 77)
    pipe.client.plugins.attach(plugin("watcher"), replaces="watcher")
    [second] = pipe.client.plugins.attachments
    assert second is not first
    assert (word(second, 0), word(second, 1)) == (1, 0)


def test_what_the_old_one_set_is_given_back_before_the_new_one_starts(pipe):
    path = pipe.client.connection.path
    marking = pipe.client.attach(plugin("marking"), word0=1, word1=2)
    pipe.send(100)
    pipe.settle()
    assert path.ecn_codepoint == 2
    pipe.client.plugins.attach(plugin("watcher"), replaces="marking")
    assert not marking.enabled
    assert path.ecn_codepoint == 0


def test_what_cannot_take_the_place_leaves_the_old_one_there(pipe):
    pipe.server.attach(plugin("order"))
    pipe.client.plugins.push(LIMITER)
    pipe.run_for(100 * MILLISECOND)
    pipe.client.plugins.push(plugin("neutral"), replaces="limiter")  # order holds SetTimer
    pipe.run_for(100 * MILLISECOND)
    assert names(pipe.server) == ["order", "limiter"]
    assert pipe.client.plugins.negotiation.at_peer == ["limiter"]
    [refused] = pipe.client.of(PluginRefused)
    assert "is held by plugin order" in refused.reason


# --------------------------------------------------------------------------------------------------------- removing


@pytest.mark.parametrize(("sender", "taker"), [("client", "server"), ("server", "client")])
def test_a_plugin_is_removed_on_request(sender, taker):
    pipe = Pipe()
    pusher, holder = pipe.sides[sender], pipe.sides[taker]
    pusher.plugins.push(LIMITER)
    pipe.connect()
    pipe.settle()
    pusher.plugins.remove("limiter")
    assert pusher.plugins.peer_has("limiter"), "until the peer says otherwise"
    pipe.settle()
    assert everything_is_default(holder)
    assert not pusher.plugins.peer_has("limiter")
    [detached] = holder.of(PluginDetached)
    [recalled] = pusher.of(PluginRecalled)
    [removed] = pusher.of(PluginRemoved)
    assert detached.reason == "the peer removed it"
    assert recalled.time_ns < detached.time_ns < removed.time_ns
    assert pusher.troubles == holder.troubles == []
    assert pusher.of(PluginStopped) == [], "it was asked to go"


def test_a_removal_behind_a_push_that_waits_comes_after_it():
    pipe = Pipe()
    pipe.client.plugins.push(LIMITER)
    pipe.client.plugins.remove("limiter")
    pipe.connect()
    pipe.settle()
    assert len(pipe.server.of(PluginAttached)) == len(pipe.server.of(PluginDetached)) <= 1
    assert everything_is_default(pipe.server)
    assert len(pipe.client.of(PluginRemoved)) == 1


# ---------------------------------------------------------------------------------------------------------- refusals


def nothing(pipe):
    """There is nothing before it."""


def own(pipe):
    pipe.server.attach(LIMITER)


def offered(pipe):
    pipe.client.plugins.push(LIMITER)


ELF = compiled("limiter")

UNKNOWN = "plugin limiter: none of this name was offered and is attached; those that were are none"

REFUSED = {
    "nothing to remove": (nothing, Remove(7, "limiter"), UNKNOWN),
    "nothing to replace": (nothing, Offer(7, ELF, (), "limiter"), UNKNOWN),
    "the application's own is not the peer's to remove": (own, Remove(7, "limiter"), UNKNOWN),
    "the application's own is not the peer's to replace": (own, Offer(7, ELF, (), "limiter"), UNKNOWN),
    "another name": (offered, Remove(7, "limitre"), "those that were are limiter"),
    "the anchor is held": (own, Offer(7, ELF), "plugin limiter: replace/CongestionControl is held by plugin limiter"),
    "the anchor is held by what the peer offered": (offered, Offer(7, ELF), "is held by plugin limiter"),
    "unknown parameter": (nothing, Offer(7, ELF, (("rate", 1),)), "plugin limiter: there is no parameter 'rate'"),
    "out of range": (nothing, Offer(7, ELF, (("window", 1),)), "parameter window = 1: it is out of range"),
    "beyond its type": (nothing, Offer(7, ELF, (("path", 2**64 - 1),)), "parameter path = 18446744073709551615: it is"),
    "a good one and a bad one": (nothing, Offer(7, ELF, (("path", 1), ("x", 2))), "there is no parameter 'x'"),
}


@pytest.mark.parametrize(("before", "message", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_is_said_to_the_peer_and_changes_nothing(before, message, reason, pipe, monkeypatch):
    """The peer's host would not say these; the end that gets them checks them all the same."""
    before(pipe)
    pipe.settle()
    attached = pipe.server.plugins.attachments.copy()
    heard = []
    reader = ExchangeReader()
    monkeypatch.setattr(pipe.client.plugins, "receive_exchange", lambda data: heard.extend(reader.feed(data)))
    say(pipe.client, message)
    pipe.settle()
    [answer] = heard
    assert isinstance(answer, Refused)
    assert answer.request_id == 7
    assert reason in answer.reason
    assert pipe.server.plugins.attachments == attached
    stream = pipe.send(5_000)
    pipe.settle()
    assert pipe.server.delivered[stream] == 5_000


def test_anchors_that_the_profile_does_not_offer_are_named(pipe, monkeypatch):
    for name in ("SetTimer", "SelectRetransmission"):
        monkeypatch.setattr(operation_named(name), "defaults", {"another": lambda *arguments: 0})
    pipe.client.plugins.push(plugin("neutral"))
    pipe.run_for(50 * MILLISECOND)
    [refused] = pipe.client.of(PluginRefused)
    assert "plugin neutral: a host of profile picoquic does not offer replace/S" in refused.reason
    for section in ("replace/SetTimer", "replace/SelectRetransmission"):
        assert section in refused.reason
    with pytest.raises(PluginError, match="does not offer"):
        pipe.client.plugins.attach(plugin("neutral"))
    assert names(pipe.server) == names(pipe.client) == []


@pytest.mark.parametrize("message", [Accepted(99), Refused(99, "so"), Running("x"), Stopped("y", "z")])
def test_an_answer_that_nobody_waits_for_is_ignored(message, pipe):
    say(pipe.server, message)
    stream = pipe.send(5_000)
    pipe.settle()
    assert pipe.server.delivered == {stream: 5_000}
    assert pipe.client.troubles == []


@pytest.mark.parametrize(
    ("without", "reason"),
    [
        ("server", "the peer does not take part in the exchange of plugins"),
        ("client", "this end does not take part in the exchange of plugins"),
    ],
)
def test_without_the_exchange_every_request_is_refused_here_and_the_connection_lives(without, reason):
    pipe = Pipe(**{without: Settings(accepts_plugins=False)})
    pipe.client.plugins.push(LIMITER, both=True, on_accepted=lambda: pytest.fail("nobody accepted"))
    pipe.connect()
    pipe.client.plugins.remove("limiter")
    stream = pipe.send(20_000)
    pipe.settle()
    assert [event.reason for event in pipe.client.troubles] == [reason, reason]
    assert not pipe.client.plugins.peer_has("limiter")
    assert names(pipe.client) == names(pipe.server) == []
    assert pipe.server.delivered == {stream: 20_000}


# ---------------------------------------------------------------------------------------------------------- both ends


def test_a_push_for_both_acts_at_both_ends_once_it_is_accepted(pipe):
    pipe.client.plugins.push(LIMITER, {"window": 9_000}, both=True)
    assert names(pipe.client) == []
    pipe.settle()
    assert names(pipe.client) == names(pipe.server) == ["limiter"]
    assert pipe.client.plugins.peer_has("limiter")
    assert pipe.server.plugins.peer_has("limiter")
    [accepted] = pipe.client.of(PluginAccepted)
    [own] = pipe.client.of(PluginAttached)
    assert accepted.time_ns == own.time_ns
    for sender in ("client", "server"):
        pipe.send(100_000, sender)
    pipe.settle()
    assert (window(pipe.client), window(pipe.server)) == (9_000, 9_000)


def test_its_frames_wait_for_the_other_end(pipe):
    pipe.server.plugins.push(plugin("framing"), both=True)
    pipe.flush()
    known = []
    while pipe.step():
        known.append(tuple((names(side), side.plugins.peer_has("framing")) for side in (pipe.client, pipe.server)))
    here, there, nowhere = ["framing"], (["framing"], True), ([], False)
    stages = [(nowhere, nowhere), ((here, False), nowhere), ((here, False), there), (there, there)]
    assert [stage for stage, after in pairwise([*known, None]) if stage != after] == stages
    pipe.server.plugins.remove("framing")
    pipe.settle()
    assert names(pipe.client) == names(pipe.server) == []


def test_frames_of_a_push_for_one_end_are_never_sent(pipe):
    pipe.server.plugins.push(plugin("framing"))
    pipe.settle()
    assert not pipe.client.plugins.peer_has("framing")


@pytest.mark.parametrize("when", ["before", "after"])
def test_ends_whose_applications_attach_a_plugin_with_frames_tell_each_other(when):
    pipe = Pipe()
    if when == "after":
        pipe.connect()
    for side in pipe.sides.values():
        side.plugins.attach(plugin("framing"))
    if when == "before":
        pipe.connect()
    pipe.settle()
    assert pipe.client.plugins.peer_has("framing")
    assert pipe.server.plugins.peer_has("framing")
    pipe.client.plugins.detach(pipe.client.plugins.attached("framing"), "enough")
    pipe.settle()
    assert not pipe.server.plugins.peer_has("framing")
    assert pipe.client.plugins.peer_has("framing")


def test_a_plugin_without_frames_is_nobody_else_s_business(pipe):
    before = pipe.offered.copy()
    pipe.client.plugins.attach(plugin("watcher"))
    pipe.client.plugins.detach(pipe.client.plugins.attached("watcher"), "enough")
    pipe.settle()
    assert not pipe.server.plugins.peer_has("watcher")
    assert pipe.client.connection.exchange_stream_id not in pipe.client.connection.sending_streams
    assert pipe.offered["server"] == before["server"]


def test_nothing_is_said_to_a_peer_without_the_exchange():
    pipe = Pipe(server=Settings(accepts_plugins=False))
    attachment = pipe.client.attach(plugin("framing"))
    pipe.connect()
    pipe.client.plugins.detach(attachment, "enough")
    pipe.settle()
    assert pipe.client.connection.exchange_stream_id not in pipe.client.connection.sending_streams


def test_replacing_what_runs_at_both_ends_replaces_both(pipe):
    pipe.client.plugins.push(LIMITER, {"window": 9_000}, both=True)
    pipe.settle()
    pipe.client.plugins.push(LIMITER, {"window": 12_000}, replaces="limiter", both=True)
    pipe.settle()
    for side in (pipe.client, pipe.server):
        assert names(side) == ["limiter"]
        assert len(side.of(PluginReplaced)) == 1
        assert side.plugins.negotiation.at_peer == ["limiter"]
        assert side.troubles == side.of(PluginDetached) == []
    pipe.client.plugins.push(LIMITER, {"window": 15_000}, replaces="limiter")
    pipe.settle()
    assert names(pipe.client) == []
    assert names(pipe.server) == ["limiter"]
    assert [event.reason for event in pipe.client.of(PluginDetached)] == ["replaced by limiter"]
    assert not pipe.server.plugins.peer_has("limiter")


def test_removing_what_runs_at_both_ends_removes_both(pipe):
    pipe.client.plugins.push(LIMITER, both=True)
    pipe.settle()
    pipe.client.plugins.remove("limiter")
    pipe.settle()
    for side in (pipe.client, pipe.server):
        assert everything_is_default(side)
        assert not side.plugins.peer_has("limiter")
        assert side.troubles == []


def test_what_its_own_end_cannot_attach_leaves_the_other_as_well(pipe):
    pipe.client.attach(LIMITER)
    pipe.client.plugins.push(LIMITER, both=True)
    pipe.settle()
    assert names(pipe.server) == []
    assert names(pipe.client) == ["limiter"], "the application's own stays"
    [refused] = pipe.client.of(PluginRefused)
    assert "by this end, for which it was meant as well" in refused.reason
    assert "is held by plugin limiter" in refused.reason
    assert not pipe.client.plugins.peer_has("limiter")


# ------------------------------------------------------------------------------------------------- what goes by itself


def test_the_pusher_hears_that_its_plugin_was_detached_for_faults(pipe):
    pipe.server.plugins.push(plugin("wild"))
    pipe.settle()
    pipe.send(30_000)
    pipe.run_for(1_000 * MILLISECOND)
    assert not pipe.server.plugins.peer_has("wild")
    [stopped] = pipe.server.of(PluginStopped)
    assert (stopped.plugin, stopped.reason) == ("wild", "after 1 fault")
    assert pipe.server.troubles == [stopped]


@pytest.mark.parametrize("ends", ["client", "server"])
def test_what_was_pushed_for_both_ends_at_both_when_it_ends_at_one(ends, pipe):
    pipe.client.plugins.push(LIMITER, {"window": 9_000}, both=True)
    pipe.settle()
    own = pipe.sides[ends].plugins
    own.detach(own.attached("limiter"), "after 3 faults")
    pipe.send(30_000)
    pipe.settle()
    for side in (pipe.client, pipe.server):
        assert everything_is_default(side)
        assert not side.plugins.peer_has("limiter")
    reasons = [event.reason for event in pipe.client.of(PluginDetached)]
    assert reasons == ["after 3 faults" if ends == "client" else "the peer's was detached: after 3 faults"]
    assert pipe.server.delivered == {0: 30_000}


@pytest.mark.parametrize("how", ["detach", "replace"])
def test_an_application_may_end_what_the_peer_pushed_and_the_peer_hears_it(how, pipe):
    pipe.server.plugins.push(LIMITER)
    pipe.settle()
    if how == "detach":
        pipe.client.plugins.detach(pipe.client.plugins.attached("limiter"), "the application's choice")
    else:
        pipe.client.plugins.attach(LIMITER, replaces="limiter")
    pipe.send(100)
    pipe.settle()
    assert not pipe.server.plugins.peer_has("limiter")
    [stopped] = pipe.server.of(PluginStopped)
    assert stopped.reason == ("the application's choice" if how == "detach" else "replaced by limiter")
    pipe.server.plugins.remove("limiter")
    pipe.settle()
    [refused] = pipe.server.of(PluginRefused)
    assert "none of this name was offered" in refused.reason


# --------------------------------------------------------------------------------------------------------- under loss

LOSSES = st.sets(st.tuples(st.sampled_from(["client", "server"]), st.integers(0, 60)), max_size=25)


@settings(max_examples=25, deadline=None)
@given(LOSSES, st.sampled_from(["client", "server"]))
def test_the_whole_exchange_survives_any_losses(lost, sender):
    pipe = Pipe("rfc9002", drops=lambda side, index, datagram: (side, index) in lost, watched=False)
    pusher, holder = pipe.sides[sender], pipe.sides["server" if sender == "client" else "client"]
    pusher.plugins.push(LIMITER, {"window": 9_000}, both=True)
    pipe.connect()
    pipe.settle()
    pusher.plugins.push(LIMITER, {"window": 12_000}, replaces="limiter", both=True)
    pusher.plugins.push(plugin("watcher"))
    pipe.settle()
    assert (names(pusher), names(holder)) == (["limiter"], ["limiter", "watcher"])
    assert pusher.plugins.negotiation.at_peer == ["limiter", "watcher"]
    assert holder.plugins.negotiation.at_peer == ["limiter"]
    pusher.plugins.remove("limiter")
    pipe.settle()
    assert (names(pusher), names(holder)) == ([], ["watcher"])
    assert pusher.plugins.negotiation.at_peer == ["watcher"]
    assert holder.plugins.negotiation.at_peer == []
    assert pusher.troubles == holder.troubles == []


@settings(max_examples=25, deadline=None)
@given(LOSSES, st.sampled_from(["client", "server"]))
@example({("client", 5), ("client", 9)}, "server")  # the server hears of path 2 first
def test_it_does_so_over_two_paths_even_where_the_first_is_opened_last(lost, sender):
    pipe = Pipe(
        "mp-quic",
        client=Settings(address_count=2),
        drops=lambda side, index, datagram: (side, index) in lost,
        watched=False,
    )
    pusher, holder = pipe.sides[sender], pipe.sides["server" if sender == "client" else "client"]
    pusher.plugins.push(LIMITER, {"path": 1}, both=True)
    pipe.connect()
    pipe.settle()
    pusher.plugins.push(LIMITER, {"path": 2}, replaces="limiter")
    pipe.settle()
    assert (names(pusher), names(holder)) == ([], ["limiter"])
    assert holder.plugins.attachments[0].parameters["path"] == 2
    assert pusher.troubles == holder.troubles == []


CONTENT = bytes(index * 7 % 251 for index in range(60_000))


@pytest.mark.parametrize("name", ["wild", "endless"])
@pytest.mark.parametrize("sender", ["client", "server"])
@settings(max_examples=8, deadline=None)
@given(lost=LOSSES, steps=st.integers(0, 40))
def test_a_peer_s_plugin_that_faults_in_mid_transfer_costs_no_byte(name, sender, lost, steps):
    """Pushed while data flows one way and content the other, over a wire that loses: all of it arrives as it was."""
    received = {}

    class Kept(ReceivingStream):
        def receive(self, frame):
            growth, count, content = super().receive(frame)
            received.setdefault(self.stream_id, bytearray()).extend(content)
            return growth, count, content

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("quicsim.quic.stream_control.ReceivingStream", Kept)
        pipe = Pipe("rfc9002", drops=lambda side, index, datagram: (side, index) in lost, watched=False)
        taker = "server" if sender == "client" else "client"
        pipe.connect()
        for side in pipe.sides.values():
            stream_id = side.connection.open_stream()
            side.connection.send(stream_id, CONTENT, fin=True)
        pipe.flush()
        for _ in range(steps):
            pipe.step()
        pipe.sides[sender].plugins.push(plugin(name))
        pipe.flush()
        pipe.settle()
        for side in pipe.sides.values():  # something for the plugin to act on, if it came after the data
            side.connection.send(side.connection.open_stream(), CONTENT, fin=True)
        pipe.settle()
    assert pipe.sides[taker].connection.counts.plugin_faults > 0
    assert names(pipe.sides[taker]) == []
    for side in pipe.sides.values():
        assert sorted(side.delivered.values()) == [60_000, 60_000]
    assert [bytes(content) for stream_id, content in received.items() if not stream_id & 2] == 4 * [CONTENT]
