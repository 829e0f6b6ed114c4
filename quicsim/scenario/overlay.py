"""What does a part of a scenario give, laid over another? Variants over the file, flows over its conversation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from quicsim.scenario.applications import APPLICATIONS
from quicsim.scenario.errors import Key, suggestion
from quicsim.scenario.network import PER_SENDER, senders
from quicsim.scenario.schema import CONVERSATION, QUIC_TO_HOST, Quic

__all__ = ["as_table", "has", "inherited_from", "merged", "unknown_flows", "with_flows", "with_quic",
           "without_host_key"]  # fmt: skip

NEW_FLOW = ("between", *APPLICATIONS)
"""What a flow that a variant adds says itself, so that a name mistyped is not taken for one."""


def as_table(key: str, node: Mapping[str, Any]) -> Any:
    """What stands at a key of a table, as something that another table can be laid over."""
    value = node.get(key)
    if isinstance(value, (dict, list)):
        return value
    if key in PER_SENDER and value is not None:
        return dict.fromkeys(senders(node), value)
    return {}


def merged(base: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    """Tables are merged, anything else is replaced."""
    laid = dict(base)
    for key, value in overlay.items():
        table = as_table(key, base)
        laid[key] = merged(table, value) if isinstance(value, dict) and isinstance(table, dict) else value
    return laid


def with_flows(document: Mapping[str, Any]) -> dict[str, Any]:
    """A scenario as it is written, with each of its flows laid over the conversation at its top.

    A flow with an application of its own does without another one at the top.
    """
    flows = document.get("flows")
    if not isinstance(flows, Mapping):
        return dict(document)
    laid = {name: _flow_over(document, flow) if isinstance(flow, Mapping) else flow for name, flow in flows.items()}
    return {**document, "flows": laid}


def _flow_over(document: Mapping[str, Any], flow: Mapping[str, Any]) -> dict[str, Any]:
    unwanted = set(APPLICATIONS) - set(flow) if set(APPLICATIONS) & set(flow) else set()
    return merged({key: document[key] for key in CONVERSATION if key in document and key not in unwanted}, flow)


def inherited_from(key: Key, document: Mapping[str, Any]) -> Key:
    """Where a key of a flow or a host was written: there, at the top of the file, or in [quic]."""
    is_of_flow = key[:1] == ("flows",) and key[2:3] and key[2] in CONVERSATION
    if is_of_flow and not has(document, key) and has(document, key[2:]):
        return key[2:]
    host = 2 if is_of_flow else 0
    if key[host : host + 1] != ("hosts",) or has(document, key[: host + 3]):
        return key
    shared = [
        (name, *key[host + 3 :]) for name, of_host in QUIC_TO_HOST.items() if key[host + 2 : host + 3] == (of_host,)
    ]
    return next((("quic", *rest) for rest in shared if has(document, ("quic", rest[0]))), key)


def unknown_flows(base: Mapping[str, Any], document: Mapping[str, Any]) -> list[tuple[Key, str]]:
    """The flows that a variant writes to though its file has none of these names, and does not make either."""
    known, flows = base.get("flows"), document.get("flows")
    if not isinstance(known, Mapping) or not isinstance(flows, Mapping):
        return []
    unknown = [name for name in flows if name not in known and not set(NEW_FLOW) & set(as_table(name, flows))]
    advice = "a new one has its own between or application"
    return [(("flows", name), f"unknown flow; {suggestion(name, known)} {advice}") for name in unknown]


def has(document: Any, key: Key) -> bool:
    """Whether something is written at `key`."""
    for part in key:
        if isinstance(document, list) and part.isdecimal() and int(part) < len(document):
            document = document[int(part)]
        elif isinstance(document, Mapping) and part in document:
            document = document[part]
        else:
            return False
    return bool(key)


def with_quic(document: Mapping[str, Any]) -> dict[str, Any]:
    """A scenario whose hosts say what [quic] says and they do not. A wrong [quic] is left for the schema to refuse."""
    quic, hosts = document.get("quic"), document.get("hosts")
    if not isinstance(quic, Mapping) or not isinstance(hosts, Mapping):
        return dict(document)
    try:
        Quic.model_validate(quic)
    except ValidationError:
        return dict(document)
    shared = {QUIC_TO_HOST[key]: value for key, value in quic.items()}
    if type(size := shared.get("datagram_size")) is int:
        shared["datagram_size"] = f"{size}B"
    return {**document, "hosts": {name: shared | own if isinstance(own, dict) else own for name, own in hosts.items()}}


def without_host_key(document: dict[str, Any], key: str | None) -> dict[str, Any]:
    """A scenario none of whose hosts, of flows neither, says anything of its own at this key."""

    def bare(table: Any) -> Any:
        hosts = table.get("hosts") if isinstance(table, Mapping) else None
        if not isinstance(hosts, Mapping):
            return table
        left = {
            name: {each: value for each, value in host.items() if each != key} if isinstance(host, Mapping) else host
            for name, host in hosts.items()
        }
        return {**table, "hosts": left}

    bared: dict[str, Any] = bare(document)
    if isinstance(flows := bared.get("flows"), Mapping):
        bared = {**bared, "flows": {name: bare(flow) for name, flow in flows.items()}}
    return bared
