"""Are runs still what the baseline says? Every metric beside its tolerance, every digest, what else has changed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Literal

from quicsim.regression.baseline import BaselineError, baseline_of
from quicsim.regression.parting import part, record
from quicsim.regression.refusal import refusals
from quicsim.regression.tolerance import Change, Verdict, change

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from quicsim.regression.baseline import Baseline, VariantBaseline
    from quicsim.regression.parting import Parting, Recording
    from quicsim.regression.refusal import Refusal
    from quicsim.regression.tolerance import Tolerance
    from quicsim.results import Results

__all__ = ["DigestMode", "Finding", "check", "compare", "refuse_unknown"]

DigestMode = Literal["strict", "warn", "off"]
"""What another digest is: a failure, something to be told, or nothing."""


@dataclass(frozen=True, slots=True)
class Lost:
    """A metric of a tolerance that came of some replications before, and does not come of the same ones now."""

    variant: str
    metric: str
    replications: tuple[int, ...]

    def __str__(self) -> str:
        shown = ", ".join(map(str, self.replications[:3]))
        more = f" and {len(self.replications) - 3} more" if len(self.replications) > 3 else ""
        return f"{self.metric} of {self.variant} was measured in replications {shown}{more}, and is not any more"


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of holding runs against others."""

    scenario: str
    digest_mode: DigestMode
    changes: tuple[Change, ...]
    """Of every metric that a tolerance names, and of every other one that changed."""
    parted: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Variant -> the replications whose digests differ; variants without any are left out."""
    plugins: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Plugins of other bytecode -> its hashes before and after."""
    versions: tuple[str, str] = ("", "")
    """Of quicsim, before and after."""
    partings: tuple[Parting, ...] = ()
    """Where the traces part, in one replication of each variant of which a trace was kept."""
    lost: tuple[Lost, ...] = ()
    """What is not measured any more, as of a download that does not come to its end."""
    refused: tuple[Refusal, ...] = ()
    """The plugins that never ran now, each refused in all its runs."""
    is_about_plugin: bool = False
    """Whether a plugin was put in the place of the scenario's own, to be judged; those may be meant to be refused."""
    notes: tuple[str, ...] = ()
    """What the runs' notes say, of now and, where both are at hand, of before."""

    @property
    def worse(self) -> list[Change]:
        """The changes that are not tolerated."""
        return [each for each in self.changes if each.verdict is Verdict.WORSE]

    @property
    def failed(self) -> bool:
        """Whether this must not pass."""
        is_unjudged = self.is_about_plugin and self.refused
        return bool(is_unjudged or self.worse or self.lost or (self.digest_mode == "strict" and self.parted))


def check(
    results: Results, baseline: Baseline, tolerances: Mapping[str, Tolerance], digest_mode: DigestMode = "warn"
) -> Finding:
    """Hold results against a baseline. Raises BaselineError if that is of something else, ValueError for bad input."""
    now = baseline_of(results)
    refuse_unknown(tolerances, now)
    _must_be_of_the_same(baseline, now)
    if lost := _lost(baseline, now, tolerances):
        raise BaselineError(str(lost[0]))

    def kept(variant: str, replication: int) -> Recording | None:
        old = baseline.variants[variant]
        return old.recording(replication) if replication < len(old.traces) else None

    return _finding(baseline, now, results, kept, tolerances, digest_mode)


def compare(before: Results, now: Results, tolerances: Mapping[str, Tolerance]) -> Finding:
    """Hold results against others of the same variants; both are at hand, so every event of both is known.

    Raises ValueError for a tolerance of what was not measured.
    """
    old, new = baseline_of(before), baseline_of(now)
    refuse_unknown(tolerances, old, new)
    finding = _finding(
        old,
        new,
        now,
        lambda variant, replication: record(before, variant, replication)[1],
        tolerances,
        "warn",
    )
    notes = [f"{when}: {note}" for when, results in (("before", before), ("now", now)) for note in results.notes()]
    return replace(finding, notes=tuple(notes))


def _finding(
    before: Baseline,
    now: Baseline,
    results: Results,
    recording_of: Callable[[str, int], Recording | None],
    tolerances: Mapping[str, Tolerance],
    digest_mode: DigestMode,
) -> Finding:
    """What differs. `recording_of` gives the trace before of a replication, where there is one."""
    pairs = [(name, before.variants[name], variant) for name, variant in now.variants.items()]
    changes = tuple(each for name, old, new in pairs for each in _changes(name, old, new, tolerances))
    lost = _lost(before, now, tolerances)
    parted: dict[str, tuple[int, ...]] = {}
    if digest_mode != "off" or lost or any(each.verdict is Verdict.WORSE for each in changes):
        parted = {name: numbers for name, old, new in pairs if (numbers := _parted(old, new))}
    partings = []
    for name, numbers in parted.items():
        if (recorded := recording_of(name, numbers[0])) is not None:
            found = part(name, numbers[0], recorded, record(results, name, numbers[0])[1])
            partings += [found] if found is not None else []
    return Finding(
        results.scenario,
        digest_mode,
        changes,
        parted,
        {
            plugin: (old.plugins[plugin], new.plugins[plugin])
            for _name, old, new in pairs
            for plugin in new.plugins
            if plugin in old.plugins and old.plugins[plugin] != new.plugins[plugin]
        },
        (before.quicsim, now.quicsim),
        tuple(partings),
        lost,
        refusals(results),
        results.plugin is not None,
        tuple(results.notes()),
    )


def _must_be_of_the_same(baseline: Baseline, now: Baseline) -> None:
    """Raise BaselineError, with all that differs, where the two are not runs of the same configuration."""
    found = [
        f"{what} was {was!r} and is {is_!r}"
        for what, was, is_ in (
            ("the scenario", baseline.scenario, now.scenario),
            ("the seed", baseline.seed, now.seed),
            ("the list of variants", list(baseline.variants), list(now.variants)),
        )
        if was != is_
    ]
    for name, new in now.variants.items():
        if (old := baseline.variants.get(name)) is None:
            continue
        if baseline.scenario == now.scenario and old.configuration != new.configuration:
            why = "the scenario's file was changed"
            if baseline.overrides != now.overrides:
                why = f"the overrides were {list(baseline.overrides)} and are {list(now.overrides)}"
            found.append(f"the configuration of variant {name!r} is another one: {why}")
        if sorted(old.plugins) != sorted(new.plugins):
            found.append(f"the plugins of variant {name!r} were {sorted(old.plugins)} and are {sorted(new.plugins)}")
        if len(new.digests) > len(old.digests):
            found.append(f"it has {len(old.digests)} replications of variant {name!r}, and {len(new.digests)} were run")
    if found:
        raise BaselineError(f"it is of something else: {'; '.join(found)}")


def _lost(before: Baseline, now: Baseline, tolerances: Mapping[str, Tolerance]) -> tuple[Lost, ...]:
    """What came of the runs that both have, and does not any more."""
    found = []
    for name, new in now.variants.items():
        for metric in tolerances:
            was, is_ = before.variants[name].values(metric), new.values(metric)
            if missing := tuple(number for number in was if number < len(new.digests) and number not in is_):
                found.append(Lost(name, metric, missing))
    return tuple(found)


def refuse_unknown(tolerances: Mapping[str, Tolerance], *measured: Baseline) -> None:
    """Raise ValueError, with what would be right, where a tolerance is for a metric that was not measured."""
    variants = [each for one in measured for each in one.variants.values()]
    known = dict.fromkeys(name for each in variants for name in (*each.metrics, *each.counts))
    for metric in tolerances:
        if metric not in known:
            nearest = get_close_matches(metric, known, n=1)
            guess = f"did you mean {nearest[0]!r}? " if nearest else ""
            raise ValueError(f"no metric {metric!r}; {guess}known: {', '.join(known)}")


def _changes(
    variant: str, old: VariantBaseline, new: VariantBaseline, tolerances: Mapping[str, Tolerance]
) -> list[Change]:
    found = []
    for metric in dict.fromkeys((*new.metrics, *new.counts)):
        tolerance = tolerances.get(metric)
        before, after = old.values(metric), new.values(metric)
        if not before.keys() & after.keys():
            if tolerance is not None and after:
                raise BaselineError(f"it has no {metric} of variant {variant!r} to hold this one against")
            continue
        each = change(variant, metric, before, after, tolerance)
        if tolerance is not None or each.verdict is not Verdict.SAME:
            found.append(each)
    return found


def _parted(old: VariantBaseline, new: VariantBaseline) -> tuple[int, ...]:
    pairs = zip(old.digests, new.digests, strict=False)  # fewer replications may have been run than were kept
    return tuple(number for number, (was, is_) in enumerate(pairs) if was != is_)
