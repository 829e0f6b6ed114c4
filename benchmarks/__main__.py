"""Are the speed targets met? `python -m benchmarks [SUBJECT ...] [--json] [--repeat N]`.

The exit status is 0 where all targets were met, 1 where one was missed, 2 where a package is missing.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from benchmarks import clock, many, net, nspy, plugins, quic, sweep, verifier, vm
from benchmarks.measure import Fact, Measurement, MissingPackageError, Verdict, judge, measure

if TYPE_CHECKING:
    from collections.abc import Sequence

SUBJECTS = {
    "clock": clock,
    "net": net,
    "nspy": nspy,
    "quic": quic,
    "many": many,
    "plugins": plugins,
    "sweep": sweep,
    "vm": vm,
    "verifier": verifier,
}
"""The registry: each subject is a module with CONTESTANTS and TARGETS; a target may name another's contestant.

It may have FACTS too, which are no contest.
"""

LEAST_ROUNDS = 5


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Speed beside peers, in one run.")
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=f"{', '.join(SUBJECTS)}; all by default")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--repeat", type=int, default=LEAST_ROUNDS, help="rounds, 5 or more (default 5)")
    options = parser.parse_args(arguments)
    for name in options.subjects:
        if name not in SUBJECTS:
            parser.error(f"no subject {name!r}; there are: {', '.join(SUBJECTS)}")
    if options.repeat < LEAST_ROUNDS:
        parser.error(f"--repeat {options.repeat}: give {LEAST_ROUNDS} or more, for a median that means something")

    chosen = [SUBJECTS[name] for name in options.subjects or SUBJECTS]
    try:
        measurements = measure([each for subject in chosen for each in subject.CONTESTANTS], options.repeat)
    except MissingPackageError as missing:
        print(missing, file=sys.stderr)
        return 2
    verdicts = judge(measurements, [target for subject in chosen for target in subject.TARGETS])
    facts = [(fact, fact.measure()) for subject in chosen for fact in getattr(subject, "FACTS", ())]
    if options.json:
        print(json.dumps(report(measurements, verdicts, facts), indent=2))
    else:
        show(measurements, verdicts, facts)
    return 0 if all(verdict.met for verdict in verdicts) else 1


def report(
    measurements: Sequence[Measurement], verdicts: Sequence[Verdict], facts: Sequence[tuple[Fact, float]]
) -> dict[str, object]:
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "simpy": version("simpy"),
        "measurements": [
            {
                "name": measurement.contestant.name,
                "unit": measurement.contestant.unit,
                "median_per_second": round(measurement.median_per_second),
                "rounds_per_second": [round(figure) for figure in measurement.per_second],
            }
            for measurement in measurements
        ],
        "targets": [
            {
                "name": verdict.target.contestant,
                "against": verdict.target.against,
                "limit": verdict.limit,
                "measured": round(verdict.measured, 2),
                "met": verdict.met,
            }
            for verdict in verdicts
        ],
        "facts": [{"name": fact.name, "unit": fact.unit, "measured": round(value)} for fact, value in facts],
    }


def show(measurements: Sequence[Measurement], verdicts: Sequence[Verdict], facts: Sequence[tuple[Fact, float]]) -> None:
    console = Console()
    rounds = len(measurements[0].per_second)
    speeds = Table("contestant", "thousand a second", "unit", title=f"Median of {rounds} rounds, taken in turns")
    for measurement in measurements:
        thousands = f"{measurement.median_per_second / 1000:,.0f}"
        speeds.add_row(measurement.contestant.name, thousands, measurement.contestant.unit)
    console.print(speeds)
    if verdicts:
        ratios = Table("contestant", "against", "measured", "promised", "", title="Targets: median ratio of the rounds")
        for verdict in verdicts:
            ratios.add_row(
                verdict.target.contestant,
                verdict.target.against or "units a second",
                f"{verdict.measured:,.2f}",
                verdict.limit,
                "met" if verdict.met else "MISSED",
            )
        console.print(ratios)
    if facts:
        table = Table("", "measured", "unit", title="Measured once")
        for fact, value in facts:
            table.add_row(fact.name, f"{value:,.0f}", fact.unit)
        console.print(table)


if __name__ == "__main__":
    sys.exit(main())
