"""Do plugins come, cross the wire, act and go as the paper says, and is what is no plugin refused with a reason?"""

import random
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quicsim import locate
from quicsim.events import PluginAttached, PluginCalled, PluginDetached, PluginOffered, PluginRefused
from quicsim.operations import OPERATIONS
from quicsim.plugin.context import ABI_MAJOR, ABI_MINOR
from quicsim.plugin.exchange import Offer, encode
from quicsim.plugin.host import ConnectionPlugins
from quicsim.plugin.package import MANIFEST, PluginError, load_plugin
from quicsim.quic.errors import QuicError
from quicsim.quic.settings import Settings
from tests.plugin.pipe import MILLISECOND, Pipe, compiled, entry, is_default, plugin, set_word, word

TLP = (locate.plugin("tlp") / "tlp.o").read_bytes()


def tlp():
    return load_plugin(TLP, source="tlp.o")


def everything_is_default(side):
    return all(is_default(side, operation.name) for operation in OPERATIONS)


@pytest.fixture
def pipe():
    pipe = Pipe()
    pipe.connect()
    return pipe


# --------------------------------------------------------------------------------------------------------- attaching


def test_nothing_attached_is_no_cost(pipe):
    assert everything_is_default(pipe.client)
    assert everything_is_default(pipe.server)


def test_an_application_attaches_to_its_own_end(pipe):
    pipe.client.connection.attach(tlp())
    assert not is_default(pipe.client, "SetTimer")
    assert not is_default(pipe.client, "SelectRetransmission")
    assert is_default(pipe.client, "SendPacket")
    assert everything_is_default(pipe.server)
    [attached] = pipe.client.of(PluginAttached)
    assert (attached.plugin, attached.anchors) == ("tlp", ("replace/SetTimer", "replace/SelectRetransmission"))


def test_a_connection_without_a_host_says_so():
    pipe = Pipe(hosts=False)
    with pytest.raises(QuicError, match="no plugin host"):
        pipe.client.connection.attach(tlp())


def test_after_detaching_the_entry_is_the_default_again(pipe):
    attachment = pipe.client.attach(tlp())
    pipe.client.plugins.detach(attachment, "the application asked")
    assert everything_is_default(pipe.client)
    [detached] = pipe.client.of(PluginDetached)
    assert detached.reason == "the application asked"
    assert pipe.client.troubles == []  # nothing went wrong


def test_detaching_twice_is_an_error_with_the_plugin_s_name(pipe):
    attachment = pipe.client.attach(tlp())
    pipe.client.plugins.detach(attachment, "once")
    with pytest.raises(PluginError, match="plugin tlp: it is not attached"):
        pipe.client.plugins.detach(attachment, "twice")


def test_a_second_plugin_at_a_replaced_anchor_is_refused_with_the_holder_s_name(pipe):
    holder = pipe.client.attach(tlp())
    with pytest.raises(PluginError, match="plugin order: replace/SetTimer is held by plugin tlp; detach that first"):
        pipe.client.plugins.attach(plugin("order"))
    assert pipe.client.plugins.attachments == [holder]
    pipe.client.plugins.detach(holder, "make room")
    pipe.client.plugins.attach(plugin("order"))
    assert [each.plugin.name for each in pipe.client.plugins.attachments] == ["order"]


def test_plugins_beside_each_other_are_welcome(pipe):
    pipe.client.attach(tlp())
    pipe.client.attach(plugin("watcher"))
    pipe.client.attach(plugin("watcher"))
    assert len(pipe.client.plugins.attachments) == 3


def test_attaching_and_detaching_take_effect_when_the_call_ends(pipe):
    connection = pipe.client.connection
    attachment = None

    def within(connection, path, packet):
        nonlocal attachment
        attachment = pipe.client.attach(plugin("order"))
        seen.append(is_default(pipe.client, "SetTimer"))
        return read(connection, path, packet)

    seen = []
    read = entry(pipe.client, "ReadPacket")
    connection.operations.read_packet = within
    pipe.send(10, "server")
    pipe.step()
    connection.operations.read_packet = read
    assert seen == [True]
    assert not is_default(pipe.client, "SetTimer")
    connection._in_call = True
    pipe.client.plugins.detach(attachment, "done")
    assert not is_default(pipe.client, "SetTimer")
    connection._in_call = False
    connection._apply_changes()
    assert everything_is_default(pipe.client)


def test_what_comes_and_goes_in_one_call_was_never_there(pipe):
    connection = pipe.client.connection
    connection._in_call = True
    attachment = pipe.client.attach(plugin("watcher"))
    pipe.client.plugins.detach(attachment, "changed its mind")
    connection._in_call = False
    connection._apply_changes()
    assert everything_is_default(pipe.client)
    assert pipe.client.of(PluginAttached) == pipe.client.of(PluginDetached) == []
    assert word(attachment, 0) == 0


def test_each_plugin_s_memory_is_initialised_once(pipe):
    """InitOpaqueData belongs to the plugin that is attached: two may replace it, and neither sees the other's."""
    first = pipe.client.attach(plugin("watcher"))
    second = pipe.client.attach(plugin("watcher"))
    assert [word(each, 0) for each in (first, second)] == [1, 1]
    assert is_default(pipe.client, "InitOpaqueData")
    pipe.send(5_000)
    pipe.settle()
    assert [word(each, 0) for each in (first, second)] == [1, 1]


# ---------------------------------------------------------------------------------------------------------- exchange


@pytest.mark.parametrize(("sender", "taker"), [("client", "server"), ("server", "client")])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_push_crosses_byte_for_byte_and_acts_on_this_connection(sender, taker, when):
    pipe = Pipe()
    if when == "before":
        pipe.sides[sender].plugins.push(tlp())
        pipe.connect()
    else:
        pipe.connect()
        pipe.sides[sender].plugins.push(tlp())
    pipe.settle()
    [attachment] = pipe.sides[taker].plugins.attachments
    assert attachment.plugin.data == TLP
    assert [event.size_bytes for event in pipe.sides[sender].of(PluginOffered)] == [len(TLP)]
    assert everything_is_default(pipe.sides[sender])
    assert pipe.sides[sender].plugins.negotiation._asked == {}  # accepted
    pipe.send(3_000, taker)
    pipe.settle()
    assert pipe.sides[taker].of(PluginCalled)
    assert not pipe.sides[sender].of(PluginCalled)
    assert pipe.sides[sender].delivered == {0 if taker == "client" else 1: 3_000}


def test_both_ends_can_push_at_once_and_more_than_once():
    pipe = Pipe()
    for side in pipe.sides.values():
        side.plugins.push(tlp())
        side.plugins.push(plugin("watcher"))
    pipe.connect()
    pipe.client.plugins.push(plugin("watcher"))
    pipe.settle()
    assert [each.plugin.name for each in pipe.client.plugins.attachments] == ["tlp", "watcher"]
    assert [each.plugin.name for each in pipe.server.plugins.attachments] == ["tlp", "watcher", "watcher"]
    assert pipe.client.troubles == pipe.server.troubles == []


@pytest.mark.parametrize("profile", ["picoquic", "rfc9002"])
@pytest.mark.parametrize("lost", range(10))
@pytest.mark.parametrize("loser", ["client", "server"])
def test_the_push_survives_the_loss_of_any_datagram(loser, lost, profile):
    pipe = Pipe(profile, drops=lambda sender, index, datagram: sender == loser and index == lost)
    pipe.server.plugins.push(plugin("neutral"))
    pipe.connect()
    pipe.settle()
    [attachment] = pipe.client.plugins.attachments
    assert attachment.plugin.data == compiled("neutral")
    assert pipe.server.plugins.negotiation._asked == {}


@settings(max_examples=25, deadline=None)
@given(st.sets(st.tuples(st.sampled_from(["client", "server"]), st.integers(0, 25)), max_size=12))
def test_the_push_survives_any_losses(lost):
    pipe = Pipe("rfc9002", drops=lambda sender, index, datagram: (sender, index) in lost, watched=False)
    pipe.server.plugins.push(plugin("neutral"))
    pipe.connect()
    pipe.settle()
    assert [each.plugin.data for each in pipe.client.plugins.attachments] == [compiled("neutral")]


def test_a_push_competes_with_data_and_both_arrive(pipe):
    pipe.server.plugins.push(plugin("neutral"))
    stream = pipe.send(50_000, "server")
    pipe.settle()
    assert pipe.client.delivered == {stream: 50_000}
    assert len(pipe.client.plugins.attachments) == 1


# ---------------------------------------------------------------------------------------------------------- refusals


def patched(old, new, count=1, data=TLP):
    assert data.count(old) >= count
    return data.replace(old, new)


MANIFEST_OF_TLP = MANIFEST.pack(ABI_MAJOR, ABI_MINOR, 24, b"tlp", b"1.0")


def with_manifest(major=ABI_MAJOR, minor=ABI_MINOR, state=24, name=b"tlp", version=b"1.0"):
    return patched(MANIFEST_OF_TLP, MANIFEST.pack(major, minor, state, name, version))


REFUSED = {
    "no bytes": (b"", "0 bytes are too few for an ELF header"),
    "random bytes": (random.Random(5).randbytes(2_000), "not an ELF file"),
    "wrong machine": (TLP[:18] + (62).to_bytes(2, "little") + TLP[20:], "machine is 62; it must be 247"),
    "truncated": (TLP[: len(TLP) // 2], "truncated"),
    "last byte missing": (TLP[:-1], "truncated"),
    "unknown anchor": (patched(b"replace/SetTimer", b"replace/SetTimes"), "no operation 'SetTimes'; there are Select"),
    "unknown slot": (patched(b"replace/SetTimer", b"rep1ace/SetTimer"), "is no anchor; write replace/, before/ or"),
    "unknown helper": (
        patched(b"\x85\x00\x00\x00\x02\x00\x00\x00", b"\x85\x00\x00\x00\x63\x00\x00\x00"),
        "calls helper 99, which does not exist; the helpers are 1 (run_default)",
    ),
    "too much memory": (with_manifest(state=65_537), "asks for 65537 bytes of memory; at most 65536 are given"),
    "newer minor": (with_manifest(minor=ABI_MINOR + 1), f"built for ABI 1.{ABI_MINOR + 1}; this is 1.{ABI_MINOR}"),
    "newer major": (with_manifest(major=2), f"built for ABI 2.{ABI_MINOR}; this is 1.{ABI_MINOR}"),
    "no name": (with_manifest(name=b""), "the name b'"),
    "a name that would colour the terminal": (with_manifest(name=b"\x1b[31mred"), "is no printable ASCII text"),
    "no manifest": (patched(b"quicsim.plugin", b"quicsim.plugon"), "no section 'quicsim.plugin'"),
}


def rogue(data):
    """A plugin that only its sender takes for one: what travels is `data`."""
    return replace(tlp(), name="rogue", data=data)


@pytest.mark.parametrize(("data", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_plugin_is_refused_at_both_ends_and_the_connection_lives(data, reason, pipe):
    pipe.server.plugins.push(rogue(data))
    pipe.settle()
    [here] = pipe.server.of(PluginRefused)
    [there] = pipe.client.of(PluginRefused)
    assert here.plugin == "rogue"
    assert here.reason == f"by the peer: {there.reason}"
    assert reason in there.reason
    assert "plugin offer 0 of the peer" in there.reason
    assert (pipe.client.troubles, pipe.server.troubles) == ([there], [here])
    assert everything_is_default(pipe.client)
    stream = pipe.send(3_000)
    pipe.server.plugins.push(tlp())
    pipe.settle()
    assert pipe.server.delivered == {stream: 3_000}
    assert [each.plugin.name for each in pipe.client.plugins.attachments] == ["tlp"]


@pytest.mark.parametrize(("data", "reason"), REFUSED.values(), ids=REFUSED)
def test_loading_says_the_same_and_names_the_file(data, reason):
    with pytest.raises(PluginError) as refusal:
        load_plugin(data, source="some/file.o")
    assert str(refusal.value).startswith("some/file.o")
    assert reason in str(refusal.value)


@given(st.integers(0, len(TLP) - 1), st.integers(0, 255))
def test_a_byte_changed_anywhere_is_a_plugin_or_an_error_of_plugins(at, value):
    with suppress(PluginError):
        load_plugin(TLP[:at] + bytes([value]) + TLP[at + 1 :], source="x")


def test_the_largest_memory_is_given(pipe):
    attachment = pipe.client.attach(load_plugin(with_manifest(state=65_536), source="x"))
    set_word(attachment, 8_191, 1)
    assert word(attachment, 8_191) == 1


def test_the_holder_of_an_anchor_is_named_to_the_peer_as_well(pipe):
    pipe.client.attach(plugin("order"))
    pipe.server.plugins.push(tlp())
    pipe.run_for(100 * MILLISECOND)  # order's timer never rests
    [refused] = pipe.server.of(PluginRefused)
    assert refused.reason == ("by the peer: plugin tlp: replace/SetTimer is held by plugin order; detach that first")
    [refused] = pipe.client.of(PluginRefused)
    assert refused.plugin == "tlp"


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    ("without", "reason"),
    [
        ("client", "the peer does not take part in the exchange of plugins"),
        ("server", "this end does not take part in the exchange of plugins"),
    ],
)
def test_an_end_without_plugins_is_not_offered_any_and_whoever_pushed_is_told(without, reason, when):
    pipe = Pipe(**{without: Settings(accepts_plugins=False)})
    if when == "before":
        pipe.server.plugins.push(tlp())
        pipe.connect()
    else:
        pipe.connect()
        pipe.server.plugins.push(tlp())
    stream = pipe.send(3_000)
    pipe.settle()
    [refused] = pipe.server.of(PluginRefused)
    assert (refused.plugin, refused.reason) == ("tlp", reason)
    assert pipe.server.troubles == [refused]
    assert pipe.server.of(PluginOffered) == []
    assert everything_is_default(pipe.client)
    assert pipe.server.delivered == {stream: 3_000}


def test_an_offer_to_an_end_that_said_it_takes_none_is_refused():
    pipe = Pipe(client=Settings(accepts_plugins=False))
    pipe.connect()
    connection = pipe.server.connection
    connection.sending_stream(connection.exchange_stream_id)
    connection.send(connection.exchange_stream_id, encode(Offer(0, TLP)))
    pipe.settle()
    [refused] = pipe.client.of(PluginRefused)
    assert refused.reason == "this end does not take part in the exchange of plugins"
    assert everything_is_default(pipe.client)


def test_an_end_whose_host_is_missing_ignores_the_exchange():
    pipe = Pipe(hosts=False)
    ConnectionPlugins(pipe.server.connection)
    pipe.server.connection.plugin_host.push(tlp())
    pipe.connect()
    stream = pipe.send(3_000)
    pipe.settle()
    assert pipe.server.delivered == {stream: 3_000}


def test_a_pushed_plugin_that_misbehaves_is_detached_and_data_arrives(pipe):
    pipe.server.plugins.push(plugin("wild"))
    pipe.settle()
    stream = pipe.send(30_000)
    pipe.run_for(1_000 * MILLISECOND)
    assert everything_is_default(pipe.client)
    assert pipe.client.of(PluginDetached)[0].plugin == "wild"
    assert pipe.server.delivered == {stream: 30_000}
