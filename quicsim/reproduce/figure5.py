"""Figure 5: how long does a download take when its ACKs have a path of their own? Paper section 3.2.1."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicsim.analysis.inline import distributions
from quicsim.analysis.statistics import quantiles
from quicsim.reproduce.compare import bands_data, bands_table, quartiles_in_order, saved
from quicsim.reproduce.curves import paper_curves
from quicsim.reproduce.reproduction import Claim, Drawing, Findings, Outcome, Remark, Reproduction, Study
from quicsim.reproduce.studies import Jitter, Point, Sweep, claims_of_marks, values

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
JITTER = Jitter(SCENARIO, full=10, quick=0, levels=("0", "50us", "1ms"))
"""At 1 Mbps, the rate that decides, a full packet takes 11 ms."""


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
    curves = paper_curves("fig5_cdf").curves
    widths = {
        variant: [quantiles(found, (0.95,))[0] for found in (values(results, variant, METRIC), curve)]
        for variant, curve in curves.items()
    }
    tails = ", ".join(f"{ours:.2f} s {variant} (the paper's {paper:.2f})" for variant, (ours, paper) in widths.items())
    outcomes = {variant: len({round(value, 1) for value in values(results, variant, METRIC)}) for variant in curves}
    few = " and ".join(f"{count} {variant}" for variant, count in outcomes.items())
    return [
        Remark(
            "Why 7 seconds without the plugin, and not the 1.6 that the fast downlink would need",
            "ACKs return on the path of the data, so those of the fast downlink fill an uplink of 1 Mbps, and what its "
            "window lets go is limited by them. Meanwhile the scheduler puts data on the downlink of 1 Mbps as well, "
            "11 ms a packet, and the receiver's windows, which begin small and double, wait for it. The download is "
            "over when that slow link has delivered what was put on it last.",
        ),
        Remark(
            "Why ours is narrower than the paper's",
            f"To a tenth of a second, ours has only so many outcomes: {few}. Nothing is lost here, and nothing differs "
            "from run to run but the instant of the start and microseconds at the hosts, so the window of the slow "
            "link takes one of a few courses, and each packet more on it costs 11 ms. The paper's runs share a "
            "machine, whose delays are not given. So medians and quartiles are compared; the tails are not reproduced: "
            f"the 95th percentile is {tails}. Delays of up to a millisecond at the hosts (under host jitter) and other "
            "buffers (the sweep) do not widen it to the paper's.",
        ),
    ]


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
