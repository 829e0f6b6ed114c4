"""How long does a web page take to load? Objects that are asked for once those that name them are there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from simpy.events import Event

    from quicsim.apps.asking import Asker

__all__ = ["Page", "PageObject"]


@dataclass(frozen=True, slots=True)
class PageObject:
    """One of a page's objects: asked for `wait_ns` after all that it comes `after` are there."""

    name: str
    size_bytes: int
    request_bytes: int
    after: tuple[str, ...]
    wait_ns: int


class Page:
    """The client: loads a page whose objects depend on each other without a circle.

    Attributes:
        finished: all objects are there.
        completions_ns: how long each took from being asked for, in the page's order.
        loaded_ns: when the last one was there.
    """

    def __init__(self, asker: Asker, objects: Sequence[PageObject]) -> None:
        self._asker = asker
        self._clock = clock = asker.endpoint.clock
        self.completions_ns: list[int] = [0] * len(objects)
        self.loaded_ns = 0
        self._there: dict[str, Event] = {each.name: clock.event() for each in objects}
        self.finished: Event = clock.process(self._run(objects))

    def _run(self, objects: Sequence[PageObject]) -> Generator[Event, object, None]:
        clock = self._clock
        yield clock.all_of([clock.process(self._load(index, each)) for index, each in enumerate(objects)])

    def _load(self, index: int, each: PageObject) -> Generator[Event, object, None]:
        clock = self._clock
        if each.after:
            yield clock.all_of([self._there[name] for name in each.after])
        else:
            yield from self._asker.ready(0)
        if each.wait_ns:
            yield clock.timeout(each.wait_ns)
        asked_ns = clock.now
        yield self._asker.ask(each.request_bytes, each.size_bytes)[1]
        self.completions_ns[index] = clock.now - asked_ns
        self.loaded_ns = clock.now
        self._there[each.name].succeed()
