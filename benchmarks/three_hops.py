"""What crosses the three hops, whoever carries it? 20 MB in full packets, and a small one back for every second.

The packets leave at the pace of the links, so queues stay short and each hop is one service and one delay.
"""

HOPS = 3
RATE_BPS = 100_000_000
DELAY_NS = 5_000_000
LIMIT_BYTES = 1_000_000
PACKET_BYTES = 1350
ANSWER_BYTES = 78
PACKETS = -(-20_000_000 // PACKET_BYTES)
GAP_NS = PACKET_BYTES * 8 * 1_000_000_000 // RATE_BPS
PACKET_HOPS = HOPS * (PACKETS + PACKETS // 2)
