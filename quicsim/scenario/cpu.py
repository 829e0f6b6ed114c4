"""What may a scenario say of a host's time? The table `cpu`, and the calibration files that it may begin with.

A price is a duration, or a table of durations that add up: parts that the file names, so that a variant can do without
one of them.
"""

import tomllib
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError

from quicsim import locate
from quicsim.scenario.errors import Key, ScenarioError, dotted, problems, shown, suggestion
from quicsim.scenario.values import HOST_NAMES, PositiveSize, Table
from quicsim.units import UnitError, duration_ps

__all__ = ["LINUX_RECEIVE_BUFFER_BYTES", "CostFile", "Cpu", "read_costs", "with_costs"]

LINUX_RECEIVE_BUFFER_BYTES = 212_992
"""Assumed: net.core.rmem_default of Linux; here it holds datagrams, there what the kernel needs for each as well."""


def _price_ps(value: Any) -> int:
    """A duration, or the sum of a table of them."""
    if not isinstance(value, Mapping):
        return duration_ps(value)
    if not value:
        raise ValueError("has no parts; write a duration, or a table of durations")
    total_ps = 0
    for part, duration in value.items():
        try:
            total_ps += duration_ps(duration)
        except UnitError as error:
            raise ValueError(f"part {part}: {error}") from None
    return total_ps


Price = Annotated[int, BeforeValidator(_price_ps)]


class Prices(Table):
    """What a host's core takes for each of what it does."""

    packet_sent_ps: Price = Field(0, alias="packet_sent")
    packet_received_ps: Price = Field(0, alias="packet_received")
    byte_ps: Price = Field(0, alias="byte")
    """One byte of a datagram, UDP payload, sent or received."""
    anchor_call_ps: Price = Field(0, alias="anchor_call")
    """One program of a plugin run at its anchor."""
    byte_marshalled_ps: Price = Field(0, alias="byte_marshalled")
    """One byte copied between the connection and a program's memory, either way."""
    instruction_ps: Price = Field(0, alias="instruction")
    """One eBPF instruction."""


class Cpu(Prices):
    """A host's one core, and what waits for it."""

    costs: str | None = None
    """A calibration's name, or the path of its file: the prices where the table says nothing."""
    receive_buffer_bytes: PositiveSize = Field(LINUX_RECEIVE_BUFFER_BYTES, alias="receive_buffer")
    """What may wait while the core is busy, headers included."""


class CostFile(Prices):
    """A calibration: prices, and where they come from."""

    title: str
    source: str


PRICES = tuple(field.alias or name for name, field in Prices.model_fields.items())


def with_costs(
    document: Mapping[str, Any], directory_of: Callable[[Key], Path], place: Key = ()
) -> tuple[dict[str, Any], list[tuple[Key, str]]]:
    """A scenario as it is written, each host's `cpu` laid over the calibration that it names; and what is wrong.

    `directory_of` says from where a path at a key counts. `place` is where `document` stands, if it is a flow's.
    """
    wrong: list[tuple[Key, str]] = []
    hosts = document.get("hosts")
    changed: dict[str, Any] = {}
    for name, host in hosts.items() if isinstance(hosts, Mapping) else ():
        cpu = host.get("cpu") if isinstance(host, Mapping) and name in HOST_NAMES else None
        if not isinstance(cpu, Mapping) or not isinstance(cpu.get("costs"), str):
            continue
        key = (*place, "hosts", name, "cpu")
        try:
            costs = read_costs(cpu["costs"], directory_of((*key, "costs")))
        except ScenarioError as error:
            wrong.append(((*key, "costs"), str(error)))
            continue
        wrong += [((*key, *rest), sentence) for rest, sentence in _unknown_parts(cpu, costs)]
        changed[name] = {**host, "cpu": _laid_over(costs, cpu)}
    laid = {**document, "hosts": {**hosts, **changed}} if isinstance(hosts, Mapping) else dict(document)
    flows = document.get("flows")
    for name, flow in flows.items() if isinstance(flows, Mapping) else ():
        if isinstance(flow, Mapping):
            flow_laid, flow_wrong = with_costs(flow, directory_of, (*place, "flows", name))
            laid["flows"] = {**laid["flows"], name: flow_laid}
            wrong += flow_wrong
    return laid, wrong


def read_costs(name_or_path: str, directory: Path | None = None) -> dict[str, Any]:
    """The prices of a calibration as they are written, by name, or by the path of any other file.

    A relative path counts from `directory`, or from the current one. ScenarioError for a file that is none.
    """
    known = locate.costs()
    if Path(name_or_path).name == name_or_path and not name_or_path.endswith(".toml"):
        if name_or_path not in known:
            raise ScenarioError(f'there is no calibration "{name_or_path}"; {suggestion(name_or_path, known)}')
        path = known[name_or_path]
    else:
        path = (directory or Path()) / name_or_path
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except FileNotFoundError:
        raise ScenarioError(f"there is no calibration file {path}; known by name: {', '.join(known)}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{path} cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{path} is not TOML: {error}") from None
    try:
        CostFile.model_validate(document)
    except ValidationError as error:
        found = problems(error, CostFile, document)
        raise ScenarioError(*(f"{path}: {dotted(key)}: {sentence}" for key, sentence in found)) from None
    return {key: document[key] for key in PRICES if key in document}


def _unknown_parts(cpu: Mapping[str, Any], costs: Mapping[str, Any]) -> list[tuple[Key, str]]:
    """Parts that a scenario prices and the calibration does not have: a slip of the pen would add to the price."""
    found: list[tuple[Key, str]] = []
    for key in PRICES:
        parts, known = cpu.get(key), costs.get(key, {})
        if isinstance(parts, Mapping):
            if not isinstance(known, Mapping):
                found.append(((key,), f"{shown(known)} in the calibration has no parts; write a duration"))
                continue
            found += [((key, part), f"unknown part; {suggestion(part, known)}") for part in parts if part not in known]
    return found


def _laid_over(costs: Mapping[str, Any], cpu: Mapping[str, Any]) -> dict[str, Any]:
    laid = {**costs, **cpu}
    for key in PRICES:
        parts, base = cpu.get(key), costs.get(key)
        if isinstance(parts, Mapping) and isinstance(base, Mapping):
            laid[key] = {**base, **parts}
    return laid
