"""Two sans-IO connections with several paths between them, each with a delay of its own, which may lose or die."""

import heapq
from collections import Counter, defaultdict

from quicsim.quic.packet import Datagram
from tests.quic.pipe import MILLISECOND_NS, OTHER, Pipe


class SeveralPaths(Pipe):
    """A client with an address for each path from 1 on; path 0 is the first address's as well.

    `lost` holds (sender's name, path, index among the datagrams it sent there); `dead` says (sender, path, instant)
    of what does not arrive either.
    """

    profile = "mp-quic"
    paths_beside_those_of_addresses = 1

    def __init__(self, *, delays_ms=(10, 10), lost=frozenset(), dead=None, client=None, **settings):
        super().__init__(self.profile, client=client or {"address_count": len(delays_ms)}, **settings)
        beside_ms = [delays_ms[0]] * self.paths_beside_those_of_addresses
        self.delays_ns = [delay * MILLISECOND_NS for delay in (*beside_ms, *delays_ms)]
        self.lost, self.dead = lost, dead or (lambda sender, path_id, now_ns: False)
        self.carried = Counter()
        self.log = defaultdict(list)
        """(sender's name, path) -> (instant, datagram), lost ones included."""

    def _send(self, name, datagram: Datagram):
        index = self.carried[name, datagram.path_id]
        self.carried[name, datagram.path_id] += 1
        self.log[name, datagram.path_id].append((self.now_ns, datagram))
        self.sides[name].sizes.append(datagram.size_bytes)
        self.sent += 1
        if (name, datagram.path_id, index) in self.lost or self.dead(name, datagram.path_id, self.now_ns):
            self.dropped += 1
            return
        self.entries += 1
        arrival_ns = self.now_ns + self.delays_ns[datagram.path_id]
        heapq.heappush(self.heap, (arrival_ns, self.entries, OTHER[name], datagram))

    def frames(self, name, kind):
        """(instant, path, frame) of each frame of a kind that an end sent, in order of time."""
        return sorted(
            (
                (now_ns, path_id, frame)
                for (sender, path_id), sent in self.log.items()
                if sender == name
                for now_ns, datagram in sent
                for packet in datagram.packets
                for frame in packet.frames
                if isinstance(frame, kind)
            ),
            key=lambda entry: entry[:2],
        )
