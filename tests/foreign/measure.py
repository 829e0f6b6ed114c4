"""How long do downloads take that the reference has no row of? aioquic over one link, as its rows were measured.

`quic_stacks.json` says how: aioquic 1.7.2 with whole packets, RFC 9002's rttvar and an initial round trip of 333 ms;
drop-tail in bytes of waiting packets, 28 bytes more a datagram. Its clock is exact, in seconds as floats, unlike that
of `quicsim.foreign`: a timer expires at the very instant it was set for, which decides whether aioquic's pacer, whose
bucket then is empty or a rounding above, lets a second packet out.

`python -m tests.foreign.measure > tests/validate/other_links.json` measures the rows of GRID anew, in 5 minutes.
"""

from __future__ import annotations

import heapq
import json
import ssl
from collections import deque
from contextlib import ExitStack
from statistics import mean, median, stdev
from unittest.mock import patch

import aioquic.quic.connection
from aioquic.quic import events
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.packet_builder import QuicPacketBuilder
from aioquic.quic.recovery import QuicPacketRecovery

from quicsim.foreign.aioquic import CONTROLLERS
from quicsim.foreign.certificate import certificate, private_key
from quicsim.foreign.chance import Chance
from quicsim.randomness import Streams

HEADER_BYTES = 28
REQUEST_BYTES = 100
CERTIFICATE_BYTES = 300  # as a short elliptic-curve certificate's: the server's flight fits one datagram
LEAST_CLIENT_BUFFER_BYTES = 100_000
NEVER = float("inf")
LEAST_STEP_S = 1e-6
"""How far time goes on where a timer that has expired is set to the same instant again."""
RUNS = 20


class WholePackets(QuicPacketBuilder):
    """No packet is cut to what is left of the congestion window."""

    def start_packet(self, packet_type, crypto):
        super().start_packet(packet_type, crypto)
        if self._flight_capacity < self._buffer_capacity:
            self._flight_capacity = 0


class Recovery(QuicPacketRecovery):
    """Its deviation is from the smoothed round-trip time, as RFC 9002 section 5.3 has it, not from the minimum."""

    def __init__(self, **arguments):
        super().__init__(**arguments)
        self._before = (False, 0.0, 0.0)
        self._told = self._cc.on_rtt_measurement
        self._cc.on_rtt_measurement = self._on_sample

    def on_ack_received(self, **arguments):
        self._before = (self._rtt_initialized, self._rtt_variance, self._rtt_smoothed)
        super().on_ack_received(**arguments)

    def _on_sample(self, *, now, rtt):
        had_sample, variance, smoothed = self._before
        if had_sample:
            self._rtt_variance = 3 / 4 * variance + 1 / 4 * abs(smoothed - self._rtt_latest)
        self._told(now=now, rtt=rtt)


class Direction:
    """One direction of the link; loses what the row says, and what its buffer has no room for."""

    def __init__(self, row, buffer_bytes, *, is_lossy=False, chance=None):
        self.rate_bps = row["rate_mbps"] * 1e6
        self.delay_s = row["one_way_delay_ms"] / 1e3
        self.buffer_bytes = buffer_bytes
        self.loss = row["loss"] if is_lossy else 0
        self.drop_every = row["drop_every_nth_server_datagram"] if is_lossy else 0
        self.chance = chance
        self.offered = 0
        self.free_s = 0.0
        self.waiting: deque[tuple[float, int]] = deque()
        """When each waiting packet's sending begins, and its size."""
        self.waiting_bytes = 0

    def arrival_s(self, now_s, size_bytes):
        """When a datagram that is offered now arrives; None: it does not."""
        self.offered += 1
        if self.drop_every and self.offered % self.drop_every == 0:
            return None
        if self.loss and self.chance.u64(self.offered) < self.loss * 2**64:
            return None
        while self.waiting and self.waiting[0][0] <= now_s:
            self.waiting_bytes -= self.waiting.popleft()[1]
        begins_s = max(now_s, self.free_s)
        if begins_s > now_s:
            if self.waiting_bytes + size_bytes > self.buffer_bytes:
                return None
            self.waiting.append((begins_s, size_bytes))
            self.waiting_bytes += size_bytes
        self.free_s = begins_s + size_bytes * 8 / self.rate_bps
        return self.free_s + self.delay_s


class Download:
    """A row's transfer, from connecting to the last byte."""

    def __init__(self, row, replication=0):
        streams = Streams(1, replication)
        self.download_bytes = row["download_bytes"]
        self.links = (
            Direction(row, max(row["buffer_bytes"], LEAST_CLIENT_BUFFER_BYTES)),
            Direction(row, row["buffer_bytes"], is_lossy=True, chance=streams.stream("loss")),
        )
        self.chances = (Chance(streams.stream("client")), Chance(streams.stream("server")))
        configurations = [self._configuration(row["congestion_control"], is_client) for is_client in (True, False)]
        configurations[1].certificate = certificate(CERTIFICATE_BYTES)
        configurations[1].private_key = private_key()
        with self.chances[0].replaced():
            client = QuicConnection(configuration=configurations[0])
        with self.chances[1].replaced():
            server = QuicConnection(
                configuration=configurations[1],
                original_destination_connection_id=client.original_destination_connection_id,
            )
        self.ends = (client, server)
        self.on_the_way: list[tuple[float, int, int, bytes]] = []
        self.numbered = 0
        self.completion_s = 0.0

    @staticmethod
    def _configuration(control, is_client):
        return QuicConfiguration(
            is_client=is_client,
            alpn_protocols=["quicsim"],
            congestion_control_algorithm=CONTROLLERS[control],
            initial_rtt=0.333,
            max_data=1 << 30,
            max_stream_data=1 << 30,
            verify_mode=ssl.CERT_NONE,
        )

    def run(self):
        """The completion time in seconds."""
        now_s = 0.0
        with self.chances[0].replaced():
            self.ends[0].connect(("server", 1), now_s)
            self._send(0, now_s)
        while not self.completion_s:
            timers = [NEVER if (timer := end.get_timer()) is None else timer for end in self.ends]
            expires_s = min(timers)
            if self.on_the_way and self.on_the_way[0][0] <= expires_s:
                now_s, _number, index, data = heapq.heappop(self.on_the_way)
            else:
                index, data = timers.index(expires_s), b""
                now_s = expires_s if expires_s > now_s else now_s + LEAST_STEP_S
            with self.chances[index].replaced():
                if data:
                    self.ends[index].receive_datagram(data, (("server", "client")[index], 1), now_s)
                else:
                    self.ends[index].handle_timer(now_s)
                self._serve(index, now_s)
                self._send(index, now_s)
        return self.completion_s

    def _serve(self, index, now_s):
        end = self.ends[index]
        while (event := end.next_event()) is not None:
            match event:
                case events.HandshakeCompleted() if index == 0:
                    end.send_stream_data(end.get_next_available_stream_id(), bytes(REQUEST_BYTES), end_stream=True)
                case events.StreamDataReceived(end_stream=True) if index == 0:
                    self.completion_s = now_s
                case events.StreamDataReceived(end_stream=True):
                    end.send_stream_data(event.stream_id, bytes(self.download_bytes), end_stream=True)
                case events.ConnectionTerminated():
                    raise AssertionError(f"aioquic ended the connection: {event.reason_phrase}")

    def _send(self, index, now_s):
        for data, _address in self.ends[index].datagrams_to_send(now_s):
            arrival_s = self.links[index].arrival_s(now_s, len(data) + HEADER_BYTES)
            if arrival_s is not None:
                self.numbered += 1
                heapq.heappush(self.on_the_way, (arrival_s, self.numbered, 1 - index, data))


def measured(row):
    """A row's completion time: a number, or under random loss what the reference gives of 20 runs."""
    with ExitStack() as stack:
        stack.enter_context(patch.object(aioquic.quic.connection, "QuicPacketBuilder", WholePackets))
        stack.enter_context(patch.object(aioquic.quic.connection, "QuicPacketRecovery", Recovery))
        if not row["loss"]:
            return round(Download(row).run(), 6)
        times_s = [Download(row, replication).run() for replication in range(RUNS)]
    spread = {"median": median(times_s), "mean": mean(times_s), "stdev": stdev(times_s)}
    return {name: round(value, 4) for name, value in spread.items()} | {"runs": RUNS}


def row(name, rate_mbps, rtt_ms, products, size_bytes, *, loss=0, drop_every=0, control="newreno"):
    """A row in the reference's form, not yet measured; its buffer in bandwidth-delay products, 15 kB at least."""
    return {
        "name": name,
        "congestion_control": control,
        "rate_mbps": rate_mbps,
        "one_way_delay_ms": rtt_ms / 2,
        "buffer_bytes": max(int(products * rate_mbps * rtt_ms * 125), 15_000),
        "download_bytes": size_bytes,
        "loss": loss,
        "drop_every_nth_server_datagram": drop_every,
    }


def grid():
    """Rows of the reference's kinds on other links."""
    kinds = []
    for size in (1, 30, 100, 300, 1_000):
        for rate, rtt in ((10, 50), (10, 200), (50, 100), (100, 20), (200, 400)):
            kinds.append((f"small-{size}K-r{rate}-rtt{rtt}", rate, rtt, 1, size * 1_000, {}))
    links = (
        (2, 40, 2), (2, 100, 2), (5, 20, 3), (5, 50, 3), (10, 20, 5), (10, 60, 5), (10, 200, 5), (20, 20, 10),
        (20, 100, 10), (50, 20, 20), (50, 100, 20), (100, 5, 20), (100, 50, 20), (200, 40, 20),
    )  # fmt: skip
    for rate, rtt, size in links:
        for text, products in (("05", 0.5), ("1", 1), ("2", 2), ("4", 4)):
            kinds.append((f"bulk-{size}M-r{rate}-rtt{rtt}-b{text}", rate, rtt, products, size * 1_000_000, {}))
    for every, rate, rtt, size in (
        (50, 50, 50, 5), (200, 50, 50, 5), (400, 50, 50, 5), (100, 10, 40, 5), (100, 20, 20, 5), (400, 100, 20, 10),
        (100, 10, 100, 2), (400, 20, 40, 5), (200, 50, 20, 5),
    ):  # fmt: skip
        name = f"periodic{every}-{size}M-r{rate}-rtt{rtt}"
        kinds.append((name, rate, rtt, 5, size * 1_000_000, {"drop_every": every}))
    for text, loss, rate, rtt, size in (
        ("1", 0.01, 10, 40, 2), ("05", 0.005, 20, 50, 5), ("1", 0.01, 50, 20, 5), ("2", 0.02, 10, 20, 2),
        ("3", 0.03, 5, 100, 1),
    ):  # fmt: skip
        kinds.append((f"loss{text}-{size}M-r{rate}-rtt{rtt}", rate, rtt, 5, size * 1_000_000, {"loss": loss}))
    return [row(*kind[:5], control=control, **kind[5]) for kind in kinds for control in ("newreno", "cubic")]


if __name__ == "__main__":
    rows = [each | {"completion_s": {"aioquic_rfc": measured(each)}} for each in grid()]
    print(json.dumps({"what": "Written by tests/foreign/measure.py.", "rows": rows}).replace('{"name"', '\n{"name"'))
