"""Hosts that take time: nothing is lost between link and core, everything is paid for, and no price is no change."""

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quicsim.endpoint import Endpoint
from quicsim.events import PacketDropped, PacketSent
from quicsim.quic.packet import APPLICATION
from quicsim.scenario import build
from quicsim.scenario.build import simulate
from quicsim.scenario.load import load

FREE = ("hosts.client.cpu={}", "hosts.server.cpu={}")
BUSY = ('hosts.server.cpu={packet_sent="30us", packet_received="10us", byte="2.5ns"}',)
FAST = ("links.bottleneck.rate=10Gbps", "links.bottleneck.delay=10us", "links.bottleneck.queue.limit=100MB")
PROFILES = ("rfc9002", "picoquic", "mp-quic")


def download(*overrides, size="500kB", profile="rfc9002", events=None):
    hosts = [f"hosts.{host}.{key}" for host in ("client", "server") for key in (f"profile={profile}",)]
    control = "olia" if profile == "mp-quic" else "newreno"
    hosts += [f"hosts.{host}.congestion_control={control}" for host in ("client", "server")]
    scenario = load("bulk_download", [*hosts, f"transfer.size={size}", *overrides])
    return simulate(scenario.variant("default"), "default", 0, [] if events is None else [events.append])


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("network", [(), FAST, ("links.bottleneck.loss={server=0.02}",)])
def test_work_that_takes_no_time_changes_nothing(profile, network):
    plain = download(*network, profile=profile)
    free = download(*network, *FREE, profile=profile)
    assert free.metrics == {**plain.metrics, "cpu_client_busy_s": 0, "cpu_server_busy_s": 0}
    assert free.counts == plain.counts


def test_no_core_no_trace_of_one():
    assert not any("cpu" in name for name in download().metrics)
    assert download().digest == download().digest != download(*BUSY).digest == download(*BUSY).digest


@pytest.mark.parametrize("profile", PROFILES)
def test_the_slower_of_link_and_core_decides(profile):
    """A packet takes 1,200 bytes' serialisation on the link, and its price in the core."""
    overrides = [*FAST, "hosts.server.datagram_size=1200B", "hosts.server.max_data=16MB", "hosts.client.max_data=16MB"]
    overrides.append("hosts.client.max_stream_data=16MB")
    free = download(*overrides, *FREE, size="5MB", profile=profile)
    price = 'hosts.server.cpu={packet_sent="100us"}'
    slow = download(*overrides, price, size="5MB", profile=profile)
    per_packet_s = slow.metrics["completion_s"] / (5e6 / 1_170)
    assert per_packet_s == pytest.approx(100e-6, rel=0.03)
    assert slow.metrics["cpu_server_busy_s"] == pytest.approx(slow.metrics["completion_s"], rel=0.02)
    assert free.metrics["completion_s"] < 0.3 * slow.metrics["completion_s"]


def test_everything_is_paid_for_once():
    """The core's time is the sum over what was done: packets, bytes, calls, instructions, bytes marshalled."""
    prices = {"packet_sent": 30_000_000, "packet_received": 10_000_000, "byte": 2_500, "anchor_call": 700_001}
    prices |= {"instruction": 9_001, "byte_marshalled": 77}
    written = ", ".join(f'{key}="{Decimal(value)}ps"' for key, value in prices.items())
    plugin = 'plugins=[{name="tlp", from="server"}]'
    scenario = load(
        "bulk_download", [f"hosts.server.cpu={{{written}}}", plugin, "transfer.size=200kB", "time_limit=60s"]
    )
    sides = {}
    events = []
    record = observed(scenario.variant("default"), sides, events)
    endpoint = sides["server"].endpoint
    counts = endpoint.connection.counts
    assert counts.plugin_calls > 100
    assert record.counts["plugin_calls"] == counts.plugin_calls
    sent = [event for event in events if isinstance(event, PacketSent) and event.component == "server"]
    assert len(sent) == counts.packets_sent
    sent_bytes = sum(event.size_bytes for event in sent)
    expected = (
        prices["packet_sent"] * counts.packets_sent
        + prices["packet_received"] * sides["packets handled"]
        + prices["byte"] * (sent_bytes + sides["bytes handled"])
        + prices["anchor_call"] * counts.plugin_calls
        + prices["instruction"] * counts.plugin_instructions
        + prices["byte_marshalled"] * counts.plugin_bytes_marshalled
    )
    assert endpoint.cpu.given_ps == expected


def observed(setup, sides, events):
    """Simulate, keep the sides, and count what the server's core takes up."""
    sides |= {"packets handled": 0, "bytes handled": 0}
    real = build.build_application

    def spied(scenario, own):
        sides.update(own)
        endpoint = own["server"].endpoint
        receive = endpoint._receive

        def counting(datagram):
            sides["packets handled"] += len(datagram.payload.packets)
            sides["bytes handled"] += datagram.payload.size_bytes
            receive(datagram)

        endpoint._receive = counting
        return real(scenario, own)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "build_application", spied)
        return simulate(setup, "default", 0, [events.append])


def test_a_full_receive_buffer_drops_and_tells():
    events = []
    slow = 'hosts.client.cpu={packet_received="500us", receive_buffer="20kB"}'
    record = download(*FAST, slow, size="1MB", events=events)
    drops = [event for event in events if isinstance(event, PacketDropped) and event.component == "client:cpu"]
    assert record.counts["datagrams_dropped_buffer"] == len(drops) > 0
    assert {event.reason for event in drops} == {"buffer"}
    assert record.counts["packets_lost"] >= len(drops)
    # What was dropped is sent again: not a byte is missing, and the core was the bottleneck.
    assert record.metrics["cpu_client_busy_s"] > 0.8 * record.metrics["completion_s"]


def test_a_larger_buffer_drops_less():
    def drops(size):
        slow = f'hosts.client.cpu={{packet_received="500us", receive_buffer="{size}"}}'
        return download(*FAST, slow, size="1MB").counts["datagrams_dropped_buffer"]

    assert drops("5kB") > drops("20kB") > drops("2MB") == 0


def test_what_is_sent_leaves_in_order_and_not_before_it_is_produced():
    """Two packets of one burst arrive as far apart as the core takes for the second."""
    arrivals = []
    price = 'hosts.server.cpu={packet_sent="1ms"}'
    real = Endpoint._receive

    def noting(self, datagram):
        if self.connection.is_client:
            numbers = [packet.number for packet in datagram.payload.packets if packet.space == APPLICATION]
            arrivals.append((self.clock.now, numbers))
        real(self, datagram)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Endpoint, "_receive", noting)
        download(*FAST, price, size="100kB")
    numbers = [number for _, packets in arrivals for number in packets]
    assert numbers == sorted(numbers)
    gaps = [later - earlier for (earlier, _), (later, _) in pairwise(arrivals)]
    serialisation_ns = 1_000  # of a full packet at most, where a short one follows
    assert min(gaps) >= 1_000_000 - serialisation_ns


def test_a_deadline_waits_for_the_core():
    """With a core that is busy for longer than its timeouts the connection still ends well."""
    record = download('hosts.server.cpu={packet_sent="20ms", packet_received="20ms"}', size="50kB")
    assert record.metrics["completion_s"] > 0.02 * 50


def prices(draw_us):
    return st.fixed_dictionaries(
        {
            key: st.sampled_from(values)
            for key, values in {
                "packet_sent": ("0", *draw_us),
                "packet_received": ("0", *draw_us),
                "byte": ("0", "3ns"),
                "anchor_call": ("0", "1us", "333ps"),
                "instruction": ("0", "7ns"),
                "byte_marshalled": ("0", "11ps"),
                "receive_buffer": ("1500B", "4kB", "20kB", "212992B"),
            }.items()
        }
    )


@settings(max_examples=30, deadline=None)
@given(
    client=prices(("5us", "200us", "1001ns")),
    server=prices(("5us", "200us", "3ms")),
    profile=st.sampled_from(PROFILES),
    loss=st.sampled_from(["0", "0.02"]),
    seed=st.integers(0, 1_000),
)
def test_whatever_it_takes_every_byte_arrives_and_every_datagram_is_accounted_for(client, server, profile, loss, seed):
    """`simulate` checks conservation at links and cores; a run that does not end is an error of its own."""
    tables = [
        f"hosts.{host}.cpu.{key}={value}"
        for host, table in (("client", client), ("server", server))
        for key, value in table.items()
    ]
    events = []
    overrides = [*tables, f"links.bottleneck.loss={{client={loss}, server={loss}}}", f"seed={seed}"]
    overrides += ['plugins=[{name="no_op", from="server"}]', "links.bottleneck.delay=1ms"]
    once = download(*overrides, size="60kB", profile=profile, events=events)
    assert once.digest == download(*overrides, size="60kB", profile=profile).digest
    assert once.metrics["completion_s"] > 0
    dropped = [event for event in events if isinstance(event, PacketDropped) and event.reason == "buffer"]
    assert len(dropped) == once.counts["datagrams_dropped_buffer"]
    for host in ("client", "server"):
        assert once.metrics[f"cpu_{host}_busy_s"] <= once.metrics["completion_s"] + 1e-9
