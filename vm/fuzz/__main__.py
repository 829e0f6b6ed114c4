"""Run a fuzzer: `python -m vm.fuzz verifier --minutes 1` prints what it counted, and ends with 1 after a violation."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from importlib import import_module

from vm.errors import VmError
from vm.jit.compiler import CACHE_VARIABLE

SUBJECTS = {
    "verifier": ("vm.fuzz.soundness", "accepted programs stay within memory, time, and what was known of them"),
    "unchecked": ("vm.fuzz.unchecked", "machine code without the checks that were proved needless is right"),
    "engines": ("vm.fuzz.differential", "every engine gives the same result, memory, count, fault and place"),
    "elf": ("vm.fuzz.objects", "damaged objects are refused with a LoadError, or load and run"),
}
"""Module, with a function `attempt(seed, number) -> Outcome`, and what must hold. A module is imported when chosen."""


def main(arguments: list[str] | None = None) -> int:
    """The command; its exit code."""
    parser = argparse.ArgumentParser(prog="python -m vm.fuzz", description=__doc__)
    subjects = "; ".join(f"{name}: {meaning}" for name, (_, meaning) in SUBJECTS.items())
    parser.add_argument("subject", choices=SUBJECTS, nargs="?", default=next(iter(SUBJECTS)), help=subjects)
    parser.add_argument("--minutes", type=float, default=1.0, help="how long (default: 1)")
    parser.add_argument("--seed", type=int, default=1, help="where to begin (default: 1)")
    parser.add_argument("--programs", type=int, help="stop after so many programs, however long they take")
    chosen = parser.parse_args(arguments)
    attempt = import_module(SUBJECTS[chosen.subject][0]).attempt
    os.environ.setdefault(CACHE_VARIABLE, "")  # machine code of random programs is not worth keeping
    counts: Counter[str] = Counter()
    until = time.monotonic() + 60 * chosen.minutes
    number = 0
    while time.monotonic() < until if chosen.programs is None else number < chosen.programs:
        try:
            outcome = attempt(chosen.seed, number)
        except VmError as error:  # it cannot begin
            print(f"error: {error}", file=sys.stderr)
            return 2
        number += 1
        counts.update(outcome.counts)
        if outcome.violation:
            counts["violations"] += 1
            print(outcome.violation)
    shown = ", ".join(f"{name} {count}" for name, count in counts.items() if name != "violations")
    print(f"{chosen.subject}: programs {number}, {shown}, violations {counts['violations']}, seed {chosen.seed}")
    return 1 if counts["violations"] else 0


if __name__ == "__main__":
    sys.exit(main())
