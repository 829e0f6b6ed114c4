"""How is a sweep run from Python? One call, with a bar; what it gives back shows itself in a notebook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quicsim.sweep.execute import Limits, LocalPool
from quicsim.sweep.file import from_document, read
from quicsim.sweep.result import SweepResult
from quicsim.sweep.run import Options, opened, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from os import PathLike

    from quicsim.sweep.execute import Executor
    from quicsim.sweep.run import Progress, State

__all__ = ["sweep"]


def sweep(
    name_or_path: str | PathLike[str] | None = None,
    *,
    output: str | PathLike[str] | None = None,
    jobs: int = 2,
    limits: Limits | None = None,
    executor: Executor | None = None,
    cache: bool = True,
    mix_versions: bool = False,
    bar: bool = True,
    **said: Any,
) -> SweepResult:
    """Run a sweep, or what is left of it.

    `name_or_path` is a sweep that comes with quicsim, by name, or a file. Without it, keyword arguments say what a file
    would, as in `scenario="fig3_tlp", replications=5, axes={"links.access.delay": ["5ms", "10ms"]}`: paths count from
    the current directory, and an axis that is only a list is called by the last part of its key.

    Its results are in `output`, or in results/sweeps/NAME. A script needs `if __name__ == "__main__":` around the call.
    Raises SweepError, with one line a mistake; a point that fails raises nothing and stands in the table.
    """
    if name_or_path is None:
        document = _document(said)
        asked = from_document(document, _stem(document), "quicsim.sweep", Path.cwd())
    elif said:
        raise TypeError(f"{', '.join(said)}: write it in {name_or_path}, or leave that out")
    else:
        asked = read(name_or_path)
    home = Path("results") / "sweeps" / asked.name if output is None else Path(output)
    with _bar(asked.content.title, visible=bar) as progress:
        state = run(
            asked,
            home,
            executor or LocalPool(jobs, limits or Limits()),
            Options(cache=cache, mix_versions=mix_versions, progress=progress),
        )
    store, plan, manifest = opened(asked, home, mix_versions=mix_versions)
    return SweepResult(store, plan, state, mixed=len(manifest.simulators) > 1)


def _document(said: Mapping[str, Any]) -> dict[str, Any]:
    """What was said in Python, as a sweep file would say it."""
    document: dict[str, Any] = {"title": f"A sweep of {said.get('scenario')}", **said}
    axes = document.get("axes")
    if isinstance(axes, Mapping):
        document["axes"] = dict(_axis(name, told) for name, told in axes.items())
    plain: dict[str, Any] = _exact(document)
    return plain


def _axis(name: str, told: Any) -> tuple[str, Any]:
    """An axis written short, by its key with its values, is called by the last part of the key."""
    if isinstance(told, Sequence) and not isinstance(told, str):
        return name.rpartition(".")[2], {"key": name, "values": list(told)}
    return name, told


def _exact(value: Any) -> Any:
    """Numbers as a file has them: 0.01 is one hundredth."""
    match value:
        case float():
            return Decimal(repr(value))
        case Mapping():
            return {str(key): _exact(each) for key, each in value.items()}
        case list() | tuple():
            return [_exact(each) for each in value]
    return value


def _stem(document: Mapping[str, Any]) -> str:
    return Path(str(document.get("scenario", "sweep"))).stem


@contextmanager
def _bar(title: str, *, visible: bool) -> Iterator[Progress | None]:
    """A bar with the time that is left, and how many points failed so far."""
    if not visible:
        yield None
        return
    from tqdm.auto import tqdm

    with tqdm(desc=title, unit="point") as shown:

        def tell(state: State) -> None:
            shown.total = state.total
            shown.update(state.done + state.failed - shown.n)
            if state.failed:
                shown.set_postfix(failed=state.failed, refresh=False)
            shown.refresh()

        yield tell
