"""What carries a datagram from one host to another? Links, their queues and losses, and the network they make.

Nothing here knows QUIC: a datagram is opaque, and rules about requests go by the labels that its sender put on it.
"""
