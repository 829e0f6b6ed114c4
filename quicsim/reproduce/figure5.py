"""Figure 5: how long does a download take when its ACKs have a path of their own? Paper section 3.2.1."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicsim.analysis.inline import distributions
from quicsim.reproduce.compare import bands_data, bands_table, quartiles_in_order, saved
from quicsim.reproduce.curves import paper_curves
from quicsim.reproduce.reproduction import Claim, Drawing, Findings, Outcome, Remark, Reproduction, Study
from quicsim.reproduce.studies import Jitter, Point, Sweep, claims_of_marks

if TYPE_CHECKING:
    from quicsim.results import Results

SCENARIO = "fig5_ack_path"
VARIANTS = ("without", "with-ack-path")
METRIC = "completion_s"
EFFECT_TOLERANCE = 0.3  # assumed: what two medians that are within 15 % may well leave to their difference
LINKS = ("R1-R3", "R2-R3")  # the two that are slow one way

BUFFERS = Sweep(
    name="buffers",
    scenario=SCENARIO,
    label="buffer of each queue (packets)",
    metric=METRIC,
    points=tuple(
        Point(
            packets,
            f"{packets} packets",
            tuple(f'links.{link}.queue.limit="{packets} packets"' for link in LINKS if packets != 100),
        )
        for packets in (25, 50, 100, 200, 400)
    ),
    variants=VARIANTS,
    full=5,
    quick=0,
    doubling=True,
)
JITTER = Jitter(SCENARIO, full=5, quick=0)


def claims(results: Results) -> list[Claim]:
    """Both medians, and what the plugin saves."""
    marks = claims_of_marks(results)
    paper = {claim.variant: claim.paper for claim in marks}
    source = "difference of the two medians"
    return [
        *marks,
        saved(results, METRIC, VARIANTS, paper["without"] - paper["with-ack-path"], EFFECT_TOLERANCE, source),
    ]


def drawings(findings: Findings) -> list[Drawing]:
    """The distributions over the paper's, and the influence of the buffers."""
    results, curves = findings["main"], paper_curves("fig5_cdf").curves
    ours = {name: [run.metrics[METRIC] for run in results.runs if run.variant == name] for name in VARIANTS}
    title = "Completion of 20 MB"
    drawn = [
        Drawing(
            title,
            "Every run; broad lines: the paper's curves.",
            distributions(title, ours, "completion (s)", curves),
        )
    ]
    swept = BUFFERS.drawing(findings, "Completion against the buffers", "Median by variant; nobody gives the buffers.")
    return drawn + ([swept] if swept else [])


def remarks(results: Results) -> list[Remark]:
    """Why ours is where it is."""
    return []


def evaluate(findings: Findings) -> Outcome:
    """All of figure 5."""
    results, curves = findings["main"], paper_curves("fig5_cdf").curves
    return Outcome(
        claims=JITTER.beside(findings, claims),
        checks=(quartiles_in_order(results, METRIC, curves),),
        drawings=tuple(drawings(findings)),
        tables=(
            bands_table(results, METRIC, curves, "Quantiles"),
            *([BUFFERS.table(findings, "Completion against the buffers")] if BUFFERS.found(findings) else []),
        ),
        remarks=tuple(remarks(results)),
        data={
            "paper_curves": curves,
            "bands": bands_data(results, METRIC, curves),
            "sweeps": {BUFFERS.name: BUFFERS.data(findings)},
        },
    )


FIGURE5 = Reproduction(
    name="fig5",
    title="Figure 5: ACKs on a path of their own finish the download sooner",
    section="3.2.1",
    paper="A client downloads 20 MB over two asymmetric paths. ACKs on the path of the data saturate the slow uplink "
    "and make it 6 to 10 seconds, 7.09 s in the median; a plugin that sends them all over the other path makes it "
    "4.67 s.",
    studies=(Study("main", SCENARIO, full=100, quick=4), *JITTER.studies, *BUFFERS.studies),
    evaluate=evaluate,
)
