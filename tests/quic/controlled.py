"""Paths without a connection, for the tests of what controls their windows: their state is what a test sets."""

from dataclasses import replace

from quicsim.quic.congestion import CONTROLLERS
from quicsim.quic.path import Path
from quicsim.quic.profiles import profile_named
from quicsim.randomness import Streams

PACKET_BYTES = 1_200
MILLISECOND_NS = 1_000_000


def profile(**values):
    """RFC 9002's, with other constants."""
    return replace(profile_named("rfc9002"), **values)


def paths_under(controller, count, of=None, **values):
    """So many paths coupled under one controller, past slow start, their windows full, round trips of 50 ms.

    Only one path: it is the initial one. Several: the initial one is there, idle, and not in the list.
    """
    of = of or profile()
    paths = []
    for path_id in range(1 if count == 1 else count + 1):
        path = Path(path_id, of, PACKET_BYTES, CONTROLLERS[controller](of, paths), Streams(0, 0).stream("path"))
        path.rtt.begin(50 * MILLISECOND_NS)
        path.ssthresh_bytes = path.cwnd_bytes
        for name, value in values.items():
            setattr(path, name, value)
        paths.append(path)
    return paths if count == 1 else paths[1:]


def ack(path, now_ns, sent_ns=None):
    """A packet of a full window was acknowledged."""
    path.bytes_in_flight = path.cwnd_bytes
    path.congestion.acked(path, PACKET_BYTES, now_ns if sent_ns is None else sent_ns, now_ns)


def lose(path, now_ns, sent_ns=None, lost_bytes=PACKET_BYTES):
    path.congestion.congested(path, lost_bytes, now_ns if sent_ns is None else sent_ns, now_ns)


def packets(path):
    return path.cwnd_bytes / PACKET_BYTES
