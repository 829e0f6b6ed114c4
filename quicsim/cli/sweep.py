"""quicsim sweep: plan a sweep, run it, look how far it is, and tidy up."""

from __future__ import annotations

import json
import signal
import sys
from collections import Counter
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from quicsim.cli.options import reported

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quicsim.sweep.execute import Executor
    from quicsim.sweep.notes import Noted
    from quicsim.sweep.plan import Plan
    from quicsim.sweep.run import Progress, State
    from quicsim.sweep.store import Manifest, Store

app = typer.Typer(help="Many points of one scenario: plan, run, resume, look.", no_args_is_help=True)

Name = Annotated[
    str, typer.Argument(metavar="SWEEP", help="A sweep's name, or the path of its file; see docs/sweeps.md.")
]
Place = Annotated[
    str, typer.Argument(metavar="SWEEP|DIR", help="A sweep's name, the path of its file, or a directory of results.")
]
Output = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Where its results are; results/sweeps/SWEEP unless given.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Jobs = Annotated[int, typer.Option(help="Worker processes; the results do not depend on it.")]
Timeout = Annotated[float, typer.Option(metavar="SECONDS", help="A point that takes longer is given up.")]
Retries = Annotated[int, typer.Option(help="How often a point is tried again whose worker died or hung.")]
Memory = Annotated[str | None, typer.Option(metavar="SIZE", help="What one worker may have, for instance 2GiB.")]
_FIRST_SHOWN, _LAST_SHOWN = 6, 2
"""Configurations in a preview, from either end."""

Dask = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="Run on the workers of this Dask scheduler, for instance tcp://host:8786."),
]
MixVersions = Annotated[
    bool, typer.Option("--mix-versions", help="Keep results of another version of quicsim in the table.")
]


@app.command()
def plan(
    name: Name,
    pilots: Annotated[int, typer.Option(help="Points to try, for the estimate of time and disk; 0: none.")] = 3,
    jobs: Jobs = 2,
    as_json: AsJson = False,
) -> None:
    """Show what would be simulated, and what that would take."""
    with reported():
        from quicsim.sweep.execute import Limits, LocalPool
        from quicsim.sweep.file import SweepError, read
        from quicsim.sweep.pilot import estimate
        from quicsim.sweep.plan import expand

        if jobs < 1 or pilots < 0:
            raise SweepError(f"jobs is {jobs} and pilots {pilots}; give 1 job or more, and 0 pilots or more")
        found = expand(read(name))
        told = estimate(found, pilots, LocalPool(1, Limits())) if pilots > 0 else None
        rows = _preview(found)
        if as_json:
            counts = {"points": len(found), "configurations": len(found.configurations), "settings": found.settings}
            takes = None
            if told is not None:
                takes = {
                    **asdict(told),
                    "seconds": told.total_s(len(found), jobs),
                    "bytes": told.total_bytes(len(found)),
                }
            print(json.dumps({"title": found.title, **counts, "preview": rows, "estimate": takes}, indent=1))
            return
        print(f"{found.title}\nscenario {found.scenario}, simulated by quicsim {found.simulator}\n")
        print(
            f"{found.settings} settings, {len(found.configurations)} configurations, "
            f"{found.replications} replications: {len(found)} points\n"
        )
        lines = _aligned(rows).splitlines()
        if len(rows) < len(found.configurations):
            lines.insert(1 + _FIRST_SHOWN, "...")
        print("\n".join(lines))
        if told is not None:
            time, disk = _duration(told.total_s(len(found), jobs)), _size(told.total_bytes(len(found)))
            print(
                f"\n{told.pilots} pilots: {told.point_s:.3g} s a point; about {time} with {jobs} jobs, {disk} of disk"
            )
            for reason in told.failed:
                print(f"a pilot failed: {reason}")


@app.command()
def run(
    name: Name,
    output: Output = None,
    jobs: Jobs = 2,
    shard: Annotated[str, typer.Option(metavar="K/N", help="Only every N-th point, from the K-th on.")] = "1/1",
    timeout: Timeout = 600.0,
    retries: Retries = 1,
    memory: Memory = None,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Simulate anew what sweeps beside this one have already.")
    ] = False,
    mix_versions: MixVersions = False,
    dask: Dask = None,
    as_json: AsJson = False,
) -> None:
    """Run a sweep, or what is left of it: one tidy table in DIR/table.parquet."""
    with reported():
        executor = _executor(jobs, timeout, retries, memory, dask)
        _run(name, output, executor, shard, not no_cache, mix_versions, as_json)


@app.command()
def retry(
    name: Name,
    output: Output = None,
    jobs: Jobs = 2,
    timeout: Timeout = 600.0,
    retries: Retries = 1,
    memory: Memory = None,
    mix_versions: MixVersions = False,
    dask: Dask = None,
    as_json: AsJson = False,
) -> None:
    """Run the points again that were set aside as failed, and those that have not run yet."""
    with reported():
        from quicsim.sweep.file import read
        from quicsim.sweep.run import opened, stored, stored_whole

        executor = _executor(jobs, timeout, retries, memory, dask)
        sweep = read(name)
        home = _home(sweep.name, output)
        stored(home)  # there must be one
        store, _, _ = opened(sweep, home, mix_versions=mix_versions)
        with stored_whole(home):
            store.forgive(store.failures())
        _run(name, output, executor, "1/1", cache=True, mix=mix_versions, as_json=as_json)


@app.command()
def status(place: Place, output: Output = None, as_json: AsJson = False) -> None:
    """Say how far a sweep is, and what failed."""
    with reported():
        from quicsim.sweep.notes import noted
        from quicsim.sweep.run import state_of

        store, found, manifest = _stored(place, output)
        home = store.directory
        state = state_of(store, found, manifest)
        notes = noted(store, found, mixed=len(manifest.simulators) > 1)
        corrupt = [str(path) for path, _ in store.corrupt_parts()]
        if as_json:
            said = {**_state_json(state), "notes": [each.to_json() for each in notes]}
            said |= {"simulators": manifest.simulators, "corrupt": corrupt}
            print(json.dumps({"title": found.title, "directory": str(home), **said}, indent=1))
            return
        print(f"{found.title}\n{home}, simulated by quicsim {', '.join(manifest.simulators)}")
        _show(state, notes)
        for path in corrupt:
            print(f"damaged: {path}; its points run again with `quicsim sweep run`")


@app.command()
def compact(
    place: Place,
    output: Output = None,
    source: Annotated[
        list[Path] | None,
        typer.Option("--from", metavar="DIR", help="Take the points of this directory in: a shard's. Repeatable."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Merge many small parts into few large ones, with those of shards run apart, and make the table anew."""
    with reported():
        from quicsim.sweep.file import SweepError
        from quicsim.sweep.run import merge, put_in_order, state_of, stored_whole, write_tidy

        store, found, manifest = _stored(place, output)
        home = store.directory
        with stored_whole(home):
            with store.locked(alone=True) as alone:
                if not alone:
                    raise SweepError(f"{home}: a run is at work there; wait for its end, or end it")
                put_in_order(store, _damaged)
                taken = sum(merge(store, directory) for directory in source or ())
                parts = store.compact()
            table = write_tidy(store, found, mixed=len(manifest.simulators) > 1)
        state = state_of(store, found, manifest)
        if as_json:
            print(json.dumps({**_state_json(state), "taken": taken, "parts": parts, "table": str(table)}, indent=1))
        else:
            print(f"{taken} points taken in, {parts} parts")
            _show(state)
            print(table)


@app.command()
def report(place: Place, output: Output = None, as_json: AsJson = False) -> None:
    """Show the summary, and write DIR/report.html with every picture."""
    with reported():
        from quicsim.analysis.files import write_atomically
        from quicsim.sweep.report import page
        from quicsim.sweep.result import SweepResult
        from quicsim.sweep.run import state_of, stored_whole

        store, found, manifest = _stored(place, output)
        mixed = len(manifest.simulators) > 1
        result = SweepResult(store, found, state_of(store, found, manifest), mixed=mixed)
        path = store.directory / "report.html"
        with stored_whole(store.directory):
            write_atomically(path, page(result).encode())
        summary, levels = result.summary(), result.levels()
        if as_json:
            tables = {"summary": summary.to_json(), "levels": levels.to_json()}
            notes = {"notes": [each.to_json() for each in result.notes]}
            print(json.dumps({**_state_json(result.state), **notes, **tables, "report": str(path)}, indent=1))
        else:
            print(f"{found.title}\n\n{summary}\n")
            if levels.rows and len(result.study.arms) == 1:
                print(f"{levels}\n")
            elif levels.rows:
                print("By axis: in the page, and with --json.\n")
            _show(result.state, result.notes)
            print(path)


def _run(name: str, output: Path | None, executor: Executor, shard: str, cache: bool, mix: bool, as_json: bool) -> None:
    from quicsim.sweep.file import read
    from quicsim.sweep.run import Options, Shard
    from quicsim.sweep.run import run as run_sweep

    sweep = read(name)
    home = _home(sweep.name, output)
    signal.signal(signal.SIGTERM, lambda _number, _frame: signal.raise_signal(signal.SIGINT))  # batch systems ask so
    with _progress(visible=not as_json and sys.stderr.isatty()) as progress:
        options = Options(Shard.parse(shard), cache, mix, progress, _damaged)
        state = run_sweep(sweep, home, executor, options)
    if as_json:
        print(json.dumps({**_state_json(state), "table": str(home / "table.parquet")}, indent=1))
    else:
        _show(state)
        print(home / "table.parquet")
    if state.failed:
        raise typer.Exit(1)


def _damaged(path: Path, why: str) -> None:
    typer.echo(f"quicsim: damaged part set aside as {path} ({why}); its points run again", err=True)


def _executor(jobs: int, timeout_s: float, retries: int, memory: str | None, dask: str | None) -> Executor:
    from quicsim.sweep.cluster import DaskCluster
    from quicsim.sweep.execute import Limits, LocalPool
    from quicsim.sweep.file import SweepError
    from quicsim.units import UnitError, size_bytes

    if not timeout_s > 0 or retries < 0:
        raise SweepError(
            f"timeout is {timeout_s:g} and retries {retries}; give a timeout above 0, and 0 retries or more"
        )
    try:
        memory_bytes = None if memory is None else size_bytes(memory)
    except UnitError as error:
        raise SweepError(f"--memory: {error}") from None
    limits = Limits(timeout_s, retries, memory_bytes)
    return LocalPool(jobs, limits) if dask is None else DaskCluster(dask, limits)


def _home(name: str, output: Path | None) -> Path:
    return output or Path("results") / "sweeps" / name


def _stored(place: str, output: Path | None) -> tuple[Store, Plan, Manifest]:
    """What a directory of results holds, as it is; or a sweep's, if that is what the sweep asks for now."""
    from quicsim.sweep.run import stored, stored_for
    from quicsim.sweep.store import MANIFEST

    if output is None and (Path(place) / MANIFEST).is_file():
        return stored(Path(place))
    from quicsim.sweep.file import read

    sweep = read(place)
    return stored_for(sweep, _home(sweep.name, output))


def _state_json(state: State) -> dict[str, Any]:
    return {
        "points": state.total, "done": state.done, "failed": state.failed, "left": state.left, "cached": state.cached,
        "reasons": dict(Counter(state.failures)),
    }  # fmt: skip


def _show(state: State, notes: list[Noted] | None = None) -> None:
    from quicsim.sweep.notes import lines

    cached = f" ({state.cached} taken from sweeps beside it)" if state.cached else ""
    print(f"{state.done} of {state.total} points done{cached}, {state.failed} failed, {state.left} left")
    for reason, count in Counter(state.failures).items():
        print(f"failed, {count}: {reason}")
    for line in lines(notes or []):
        print(line)


@contextmanager
def _progress(*, visible: bool) -> Iterator[Progress | None]:
    """A bar on stderr with what failed so far; it goes away when all is done."""
    if not visible:
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = "{task.description}", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("planning", total=None)

        def tell(state: State) -> None:
            failed = f", {state.failed} failed" if state.failed else ""
            bar.update(task, description=f"simulating{failed}", completed=state.done + state.failed, total=state.total)

        yield tell


def _preview(found: Plan) -> list[dict[str, Any]]:
    """The first configurations and the last."""
    shown = (
        found.configurations
        if len(found.configurations) <= _FIRST_SHOWN + _LAST_SHOWN
        else (*found.configurations[:_FIRST_SHOWN], *found.configurations[-_LAST_SHOWN:])
    )
    rows = []
    for each in shown:
        row = {"setting": each.setting, **{name: each.values.get(name) for name in found.columns}}
        plugin = {"plugin": Path(each.recipe.plugin).stem} if each.recipe.plugin else {}
        rows.append({**row, "variant": each.recipe.variant, **plugin})
    return rows


def _aligned(rows: list[dict[str, Any]]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = [names, *([_cell(row.get(name)) for name in names] for row in rows)]
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    return "\n".join("  ".join(text.rjust(width) for text, width in zip(line, widths, strict=True)) for line in lines)


def _cell(value: object) -> str:
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _duration(taken_s: float) -> str:
    if taken_s < 120:
        return f"{taken_s:.0f} s"
    return f"{taken_s / 60:.0f} min" if taken_s < 7200 else f"{taken_s / 3600:.1f} h"


def _size(weight_bytes: float) -> str:
    from quicsim.analysis.metrics import natural_view

    shown = natural_view("disk_bytes", weight_bytes)
    return f"{shown.text(weight_bytes)} {shown.unit}"
