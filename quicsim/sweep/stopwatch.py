"""How many seconds has something taken? The only clock of a sweep: it sizes batches and ends what hangs.

No result depends on it: which points are in one batch, and when a point is given up, never reach a point's row.
"""

from time import monotonic as seconds

__all__ = ["seconds"]
