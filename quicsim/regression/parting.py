"""At which event do two traces part, and from which event on are they far apart?

The first difference of all may be a trifle: a plugin that is eight bytes larger is pushed in a larger packet, and from
then on every instant is some nanoseconds another. So three places are sought: where the traces part at all, and where
they are first a microsecond and a millisecond apart. A step that only one of the two has counts as any distance.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import zip_longest
from typing import TYPE_CHECKING

from quicsim.events import Code, Trace
from quicsim.regression.records import anchor_section, moved_ns, record_text, records_of, step
from quicsim.scenario.run import run_again

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from quicsim.events import Event
    from quicsim.regression.records import Record
    from quicsim.results import Results

__all__ = ["DISTANCES_NS", "Parting", "Place", "Recording", "part", "record"]

DISTANCES_NS = {0: "at all", 1_000: "by 1 us or more", 1_000_000: "by 1 ms or more"}
"""What is sought, and how it is called."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One run's trace, or its beginning; with its events as well where the run was watched."""

    components: tuple[str, ...]
    records: Sequence[Record]
    events: Mapping[int, Event] = field(default_factory=dict)
    """By the number of their record, counted from 1."""
    is_whole: bool = True

    def text(self, number: int) -> str:
        """The event of a record, counted from 1, in a line; with all its fields where the run was watched."""
        return record_text(self.records[number - 1], self.components, self.events.get(number))


def record(results: Results, variant: str, replication: int) -> tuple[bytes, Recording]:
    """Run one of the runs of results again and watch it: its records packed as the digest reads them, and all of it.

    Raises SimulationFailed where it comes out otherwise.
    """
    trace = Trace(keeps_records=True)
    events: dict[int, Event] = {}

    def note(event: Event) -> None:
        if trace.count:
            events.setdefault(trace.count, event)  # an event follows its record at once

    trace.subscribers.append(note)
    run_again(results, variant, replication, trace)
    data = trace.records()
    return data, Recording(trace.components, records_of(data), events)


@dataclass(frozen=True, slots=True)
class Place:
    """Where two traces are first this far apart: the event's number in each, counted from 1; None where it has none."""

    distance_ns: int
    old: int | None
    new: int | None
    section: str
    """The anchor whose program the new trace called last in this component, this event included; empty: none."""


@dataclass(frozen=True, slots=True)
class Parting:
    """Where the traces of one run, before and after, part."""

    variant: str
    replication: int
    before: Recording
    after: Recording
    places: tuple[Place, ...]
    """By distance; a distance that is first reached at the same event as a smaller one is left out.

    Empty: they part behind the last event that was kept of the trace before.
    """


def part(variant: str, replication: int, before: Recording, after: Recording) -> Parting | None:
    """Where two traces part; None if they do not. The trace after is a whole one."""
    at = _first_difference(before, after)
    if at is None:
        return None if before.is_whole else Parting(variant, replication, before, after, ())
    found = [(at if at <= len(before.records) else None, at if at <= len(after.records) else None)]
    places = [_place(0, *found[0], after)]
    for distance_ns in DISTANCES_NS:
        pair = _first_apart(before, after, distance_ns) if distance_ns else None
        if pair is not None and pair not in found:
            found.append(pair)
            places.append(_place(distance_ns, *pair, after))
    return Parting(variant, replication, before, after, tuple(places))


def _place(distance_ns: int, old: int | None, new: int | None, after: Recording) -> Place:
    return Place(distance_ns, old, new, "" if new is None else _last_called(after, new))


def _first_difference(before: Recording, after: Recording) -> int | None:
    """The number of the first record, in the order of the whole run, that is another one or that only one run has."""
    for number, (old, new) in enumerate(zip(before.records, after.records, strict=False), start=1):
        if old != new:
            return number
    olds, news = len(before.records), len(after.records)
    return min(olds, news) + 1 if olds > news or (olds < news and before.is_whole) else None


def _first_apart(before: Recording, after: Recording, distance_ns: int) -> tuple[int | None, int | None] | None:
    """The first pair this far apart. Pairs are those of a component, in its order: at one instant two may swap."""
    olds, news = _by_component(before.records), _by_component(after.records)
    found: list[tuple[int, int, tuple[int | None, int | None]]] = []
    for component in sorted({*olds, *news}):
        for old, new in zip_longest(olds.get(component, ()), news.get(component, ())):
            if old is None and not before.is_whole:
                break
            was = None if old is None else before.records[old - 1]
            is_ = None if new is None else after.records[new - 1]
            if _is_apart(was, is_, distance_ns):
                instant_ns = min(each.time_ns for each in (was, is_) if each is not None)
                found.append((instant_ns, component, (old, new)))
                break
    return min(found)[2] if found else None


def _is_apart(old: Record | None, new: Record | None, distance_ns: int) -> bool:
    return old is None or new is None or step(old) != step(new) or moved_ns(old, new) >= distance_ns


def _by_component(records: Sequence[Record]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for number, each in enumerate(records, start=1):
        found.setdefault(each.component, []).append(number)
    return found


def _last_called(recording: Recording, number: int) -> str:
    """The section of the program that was called last in the component of this event."""
    component = recording.records[number - 1].component
    for each in reversed(recording.records[:number]):
        if each.component == component and each.code == Code.PLUGIN_CALLED:
            return anchor_section(each.first)
    return ""
