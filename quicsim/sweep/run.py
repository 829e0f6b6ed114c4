"""How does a sweep run from start to end, or from where it was broken off? Plan, what is done, the rest, the table.

Finished points are never run again: not in this store, and not where another store beside it has them.
"""

from __future__ import annotations

import json
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from quicsim.analysis.files import write_atomically
from quicsim.sweep.file import SweepError
from quicsim.sweep.identity import digest, file_hash, point_key, simulator
from quicsim.sweep.parts import as_parquet
from quicsim.sweep.plan import Plan, Point, expand
from quicsim.sweep.store import MANIFEST, Manifest, Store, plan_digest, writable
from quicsim.sweep.table import PlanFile, read_plan, tidy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from quicsim.sweep.execute import Executor
    from quicsim.sweep.file import Sweep

__all__ = [
    "Options", "Progress", "Shard", "State", "merge", "opened", "put_in_order", "run", "state_of", "stored",
    "stored_for", "stored_whole", "write_tidy",
]  # fmt: skip

_PARTS_BEFORE_COMPACTION = 32
"""At the end of a run, more parts than this are merged: reading one takes a millisecond. assumed."""


@dataclass(frozen=True, slots=True)
class Shard:
    """Every `count`-th point, from the `number`-th on (counted from 1): what one of several machines makes."""

    number: int = 1
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read "2/3". Raises SweepError."""
        number, slash, count = text.partition("/")
        if slash and number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count):
            return cls(int(number), int(count))
        raise SweepError(f"shard {text!r}: write K/N with K from 1 to N, for instance 2/3")

    def has(self, point: Point) -> bool:
        """Whether a point is one of its own."""
        return point.number % self.count == self.number - 1


@dataclass(frozen=True, slots=True)
class State:
    """How far a sweep, or a shard of it, is."""

    total: int
    done: int
    failed: int
    cached: int = 0
    """Of those done: taken from other stores."""
    failures: tuple[str, ...] = ()
    """Reasons, the latest last."""

    @property
    def left(self) -> int:
        """How many points have neither a result nor a reason."""
        return self.total - self.done - self.failed


Progress: TypeAlias = "Callable[[State], None]"


@dataclass(frozen=True, slots=True)
class Options:
    """What may be asked for when a sweep runs."""

    shard: Shard = field(default_factory=Shard)
    cache: bool = True
    """Whether results of the stores beside this one are taken."""
    mix_versions: bool = False
    """Whether results of another version of the simulator stay in the table."""
    progress: Progress | None = None
    on_corrupt: Callable[[Path, str], None] | None = None
    """Told each damaged part that was set aside, and why."""


def opened(sweep: Sweep, directory: Path, *, mix_versions: bool = False) -> tuple[Store, Plan, Manifest]:
    """The store of a sweep, made if there is none, and its plan; expanded only if what it was made from has changed.

    Raises SweepError for a store of another plan, and for results of another simulator unless they are to stay.
    """
    writable(directory)
    store = Store(directory)
    manifest = store.manifest()
    request = _request(sweep)
    if manifest is not None and _unchanged(manifest, request) and manifest.simulators[-1:] == [simulator()]:
        return store, read_plan(directory / "plan.parquet", manifest), manifest
    file = PlanFile()
    plan = expand(sweep, file.note)
    identity = plan_digest(plan)
    simulators: tuple[str, ...] = (plan.simulator,)
    if manifest is not None:
        before = tuple(each for each in manifest.simulators if each != plan.simulator)
        if before and not mix_versions:
            raise SweepError(
                f"{directory} was made by quicsim {', '.join(before)}, and this is {plan.simulator}: give another "
                f"--output to make it anew, or --mix-versions to keep what is there and mark each row"
            )
        if manifest.plan != identity or set(plan.keep) != set(manifest.keep):
            raise SweepError(f"{_of_another_plan(directory, manifest)}; give another --output, or remove it")
        simulators = (*before, plan.simulator)
    content = file.content()
    manifest = Manifest(
        name=sweep.name,
        title=plan.title,
        scenario=plan.scenario,
        plan=identity,
        configurations=digest(content),
        request=request,
        inputs=plan.inputs,
        columns=plan.columns,
        replications=plan.replications,
        keep=plan.keep,
        simulators=simulators,
    )
    _laid_out(store, manifest, content)
    return store, plan, manifest


def _request(sweep: Sweep) -> str:
    """The digest of what a sweep asks for."""
    return digest(json.dumps(sweep.document, default=str), str(sweep.directory))


def _unchanged(manifest: Manifest, request: str) -> bool:
    """Whether the plan in the store was made from the same, and so is what this simulator would plan now."""
    return manifest.request == request and all(
        Path(path).is_file() and file_hash(Path(path)) == was for path, was in manifest.inputs.items()
    )


def _of_another_plan(directory: Path, manifest: Manifest) -> str:
    return f"{directory} holds the results of another plan ({manifest.title}, from {manifest.name})"


def _laid_out(store: Store, manifest: Manifest, content: bytes) -> None:
    """Make the store's directories and files, the manifest last. SweepError where there is no writing."""
    try:
        for name in ("parts", "failed", *manifest.keep):
            (store.directory / name).mkdir(parents=True, exist_ok=True)
        with store.locked(alone=False):  # so that nobody sweeps up what is half-written yet
            write_atomically(store.directory / "plan.parquet", content)
            store.write_manifest(manifest)
    except OSError as error:
        raise SweepError(
            f"{store.directory}: {error.strerror}; give --output a directory that can be written"
        ) from None


def run(sweep: Sweep, directory: Path, executor: Executor, options: Options | None = None) -> State:
    """Make every point of a sweep, or of its shard, that is not made yet, and the table of all there are then.

    Raises SweepError for what cannot be asked for, SimulationFailed where no worker comes to work. Interrupted, it
    keeps what is done.
    """
    with stored_whole(directory):
        return _run(sweep, directory, executor, options or Options())


@contextmanager
def stored_whole(directory: Path) -> Iterator[None]:
    """Say of a store that cannot be read or written that it is none the worse for it, as a SweepError."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise SweepError(f"{directory}: {reason}; what is stored stays, and a later run goes on from there") from error


def _run(sweep: Sweep, directory: Path, executor: Executor, options: Options) -> State:
    store, plan, manifest = opened(sweep, directory, mix_versions=options.mix_versions)
    mixed = len(manifest.simulators) > 1
    with store.locked(alone=True) as alone:
        if alone:
            put_in_order(store, options.on_corrupt)
    with store.locked(alone=False):
        state = _made(store, plan, executor, options, mixed=mixed)
    with store.locked(alone=True) as alone:
        if alone:
            store.compact(least=_PARTS_BEFORE_COMPACTION)
    write_tidy(store, plan, mixed=mixed)
    return state


def put_in_order(store: Store, on_corrupt: Callable[[Path, str], None] | None) -> None:
    """Remove what was left half-written, and move damaged parts out of the way; only for who is alone there."""
    store.sweep_up()
    for path, why in store.corrupt_parts():
        aside = store.set_aside(path)
        if on_corrupt is not None:
            on_corrupt(aside, why)


def _made(store: Store, plan: Plan, executor: Executor, options: Options, *, mixed: bool) -> State:
    """Make what is left to make."""
    own = [point for point in plan.points() if options.shard.has(point)]
    keys = {point.key for point in own}
    finished = keys & store.finished(plan.simulator, mixed=mixed)
    cached = _borrowed(store, keys - finished) if options.cache else 0
    if cached:
        finished = keys & store.finished(plan.simulator, mixed=mixed)
    failures = {key: reason for key, reason in store.failures().items() if key in keys and key not in finished}
    reasons = list(failures.values())
    todo = {point.key: point for point in own if point.key not in finished and point.key not in failures}
    state = State(len(keys), len(finished), len(failures), cached, tuple(reasons))
    if options.progress is not None:
        options.progress(state)
    with closing(executor.run(plan, list(todo.values()), store)) as outcomes:
        for outcome in outcomes:
            for key, reason in outcome.failed:
                store.fail(key, reason)
                reasons.append(reason)
            state = State(
                state.total,
                state.done + len(outcome.stored),
                state.failed + len(outcome.failed),
                cached,
                tuple(reasons),
            )
            if options.progress is not None:
                options.progress(state)
    return state


def _borrowed(store: Store, missing: set[str]) -> int:
    """Copy what the stores beside this one have of these points; how many."""
    taken = 0
    for path in sorted(store.directory.absolute().parent.glob(f"*/{MANIFEST}")) if missing else ():
        other = Store(path.parent)
        if path.parent != store.directory.absolute():
            try:
                taken += store.take_from(other, missing)
            except SweepError:
                continue  # what is beside is no store of ours to judge
    return taken


def write_tidy(store: Store, plan: Plan, *, mixed: bool) -> Path:
    """Make the table anew; its path."""
    path = store.directory / "table.parquet"
    with store.locked(alone=False), store.table_locked():
        write_atomically(path, as_parquet(tidy(store, plan, mixed=mixed)))
    return path


def state_of(store: Store, plan: Plan, manifest: Manifest, shard: Shard | None = None) -> State:
    """How far a store is."""
    keys = {point.key for point in plan.points() if shard is None or shard.has(point)}
    finished = keys & store.finished(plan.simulator, mixed=len(manifest.simulators) > 1)
    failures = {key: reason for key, reason in store.failures().items() if key in keys - finished}
    return State(len(keys), len(finished), len(failures), failures=tuple(failures.values()))


def stored(directory: Path) -> tuple[Store, Plan, Manifest]:
    """A store that is there, whatever it was made by. SweepError where there is none."""
    store = Store(directory)
    manifest = store.manifest()
    if manifest is None:
        raise SweepError(f"{directory} holds no sweep yet; `quicsim sweep run` makes one")
    return store, read_plan(directory / "plan.parquet", manifest), manifest


def stored_for(sweep: Sweep, directory: Path) -> tuple[Store, Plan, Manifest]:
    """As `stored`, if it holds what this sweep asks for now. SweepError for the results of another plan."""
    found = stored(directory)
    manifest = found[2]
    if not _unchanged(manifest, _request(sweep)):
        plan = expand(sweep)
        if manifest.plan != plan_digest(plan) or set(plan.keep) != set(manifest.keep):
            raise SweepError(
                f"{_of_another_plan(directory, manifest)} than {sweep.place} asks for now; "
                f"name that directory in place of the sweep to see them, or give another --output"
            )
    return found


def merge(store: Store, source: Path) -> int:
    """Take in what a shard of the same plan has, its failed points as well; how many points it had to give.

    Raises SweepError for a store of another plan, or of another simulator.
    """
    other, plan, manifest = stored(source)
    ours = store.manifest()
    if ours is None or manifest.plan != ours.plan or set(manifest.keep) != set(ours.keep):
        raise SweepError(_of_another_plan(source, manifest))
    if list(manifest.simulators) != list(ours.simulators):
        raise SweepError(
            f"{source} was made by quicsim {', '.join(manifest.simulators)}, {store.directory} by "
            f"{', '.join(ours.simulators)}; run the shards with one version"
        )
    finished = store.finished(plan.simulator, mixed=len(ours.simulators) > 1)
    wanted = {
        point_key(point.configuration.key, point.replication, made_by)
        for point in plan.points()
        if point.key not in finished
        for made_by in ours.simulators
    }
    taken = store.take_from(other, wanted)
    for key, reason in other.failures().items():
        store.fail(key, reason)
    return taken
