"""Explicit congestion notification in Python, from RFC 3168, RFC 9000 section 13.4 and RFC 9002 section 7."""

import struct
from dataclasses import dataclass

from quicsim.net.datagram import CE, ECT_0, NOT_ECT
from quicsim.quic.frames import PluginFrame, frame_size
from quicsim.quic.packet import APPLICATION
from tests.plugin.twins import Twin, at

REPORT = 0x1C0D
FIELDS = struct.Struct("<IIBBBx")
"""Packets with ECT, packets with CE, path, whether it asks, whether it answers."""


@dataclass
class Marks:
    """What is known of one path."""

    ect: int = 0
    ce: int = 0
    peer_ce: int = 0
    settled_ce: int = 0
    cut_ns: int = 0
    threshold: int = 0
    news: bool = False


class Native(Twin):
    """Counts, reports, and cuts the window once a round trip."""

    negotiate: int
    kept: int

    def start(self):
        """Nothing is known of any path."""
        self.marks = {}
        self.may_mark = False
        self.answer_due = False

    def of(self, path_id):
        """What is known of a path."""
        return self.marks.setdefault(path_id, Marks())

    @at("replace/InitOpaqueData")
    def init(self, default, connection, path):
        """There is something to say: that no mark was seen yet."""
        self.of(0).news = True
        return 0

    @at("after/ReadPacket")
    def packet_read(self, result, connection, path, packet):
        """Count how it was marked."""
        if result and packet.space is APPLICATION:
            marks = self.of(path.path_id)
            if packet.ecn == CE:
                marks.ce += 1
                marks.news = True
            elif packet.ecn != NOT_ECT:
                marks.ect += 1
        return 0

    @at("replace/GenerateFrames")
    def generate(self, default, connection, path, space, packet, selected):
        """Report what is new, and mark what goes out to a peer that counts."""
        if packet.space is APPLICATION:
            asks = bool(self.negotiate) and not self.may_mark
            for other in connection.paths:
                marks = self.of(other.path_id)
                if marks.news or asks or self.answer_due:
                    fields = (marks.ect, marks.ce, other.path_id, asks, self.answer_due)
                    if self.sent(packet, PluginFrame(REPORT, FIELDS.pack(*fields))):
                        marks.news = self.answer_due = False
                        self.may_mark = self.may_mark or not self.negotiate
            if self.may_mark:
                path.ecn_codepoint = ECT_0
        return default(connection, path, space, packet, selected)

    def sent(self, packet, frame):
        """Whether the frame found room in a packet to a peer that knows it."""
        size = frame_size(frame)
        if size > packet.room_bytes or not self.connection.plugin_host.peer_has("ecn"):
            return False
        packet.frames.append(frame)
        packet.room_bytes -= size
        return True

    @at("replace/ParseFrames:0x1C0D")
    def parse(self, default, connection, path, space, packet, frame):
        """Take the peer's count; it never falls."""
        if len(frame.data) < FIELDS.size:
            return 0
        _ect, ce, path_id, asks, answers = FIELDS.unpack(frame.data[: FIELDS.size])
        marks = self.of(path_id % 8)
        marks.peer_ce = max(marks.peer_ce, ce)
        self.may_mark = self.may_mark or bool(answers)
        self.answer_due = self.answer_due or bool(asks)
        return 1

    @at("after/ParseFrames")
    def frames_parsed(self, result, connection, path, space, packet):
        """Cut the window, unless what was acknowledged last was sent before the last cut."""
        now_ns = connection.now_ns
        for each in connection.paths:
            marks = self.of(each.path_id)
            if each.ssthresh_bytes != marks.threshold:
                marks.threshold, marks.cut_ns = each.ssthresh_bytes, now_ns
            fresh = marks.peer_ce != marks.settled_ce
            marks.settled_ce = marks.peer_ce
            if fresh and now_ns - each.rtt.latest_ns > marks.cut_ns:
                window = max(each.cwnd_bytes * self.kept // 100, each.minimum_window_bytes)
                each.cwnd_bytes = each.ssthresh_bytes = marks.threshold = window
                marks.cut_ns = now_ns
        return 0
