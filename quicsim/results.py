"""What did the runs give? Records of single runs, and the tables, files and figures made of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One replication of one variant.

    `metrics` are numbers of the whole run, their unit last in their names (`completion_s`, `goodput_bps`);
    `samples` hold one number for each request, in order, under the same names; `counts` are events;
    `digest` is the hexadecimal digest of the run's event trace;
    `notes` are sentences for the reader of the results, such as a plugin's detachment.
    """

    variant: str
    replication: int
    metrics: dict[str, float]
    counts: dict[str, int]
    samples: dict[str, tuple[float, ...]]
    digest: str
    notes: tuple[str, ...] = ()
