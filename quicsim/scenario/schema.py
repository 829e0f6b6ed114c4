"""What may a scenario say? The tables and keys of scenarios/*.toml, and what each becomes inside.

applications.py has what hosts say to each other, network.py links and queues, cpu.py a host's time, plugin_use.py
plugins, values.py what may stand at a key.
"""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StrictBool,
    ValidationInfo,
    field_validator,
    model_validator,
)

from quicsim.quic.frames import MAXIMUM_STREAMS
from quicsim.quic.packet import VERSION_1
from quicsim.quic.path import MAXIMUM_PATHS
from quicsim.quic.profiles import PROFILES
from quicsim.scenario.applications import APPLICATIONS, Applications
from quicsim.scenario.cpu import Cpu
from quicsim.scenario.errors import shown
from quicsim.scenario.network import Link, NodeName
from quicsim.scenario.plugin_use import PluginUse
from quicsim.scenario.values import Count, Duration, OnWireCount, PositiveCount, PositiveSize, Size, Table
from quicsim.units import duration_ns, rate_bps, size_bytes

LARGEST_DATAGRAM_FRAME_BYTES = 65_535
"""RFC 9221 section 3: what says that any frame is taken that fits in a packet."""

ProfileName = Literal["picoquic", "rfc9002", "mp-quic", "multipath", "aioquic"]
ControllerName = Literal["newreno", "cubic", "bbr", "olia"]
ZeroRttName = Literal["accepted", "rejected"]
RecoveryName = Literal["cut", "prr"]


def _datagram_size(value: Any) -> int:
    """Bytes: the key that a plain number stands at, `max_datagram_bytes`, names its unit."""
    if isinstance(value, (float, Decimal)):
        raise ValueError(
            f"{shown(value)} is not a whole number of bytes; write one such as 1350, or a size such as 1350B"
        )
    return value if type(value) is int else size_bytes(value)


def _carries_an_initial(value: int) -> int:
    if not 1200 <= value <= 65527:
        raise ValueError("must lie between 1200 and 65527 bytes (RFC 9000 sections 14 and 18.2)")
    return value


def _fits_the_parameter(value: int) -> int:
    if value >= (1 << 14) * 1_000_000:
        raise ValueError("must be below 2^14 ms (RFC 9000 section 18.2)")
    return value


def _fits_udp(value: int) -> int:
    if value > LARGEST_DATAGRAM_FRAME_BYTES:
        raise ValueError(f"must be at most {LARGEST_DATAGRAM_FRAME_BYTES} bytes, which allows any (RFC 9221 section 3)")
    return value


Version = Annotated[int, Field(ge=1, lt=1 << 32, strict=True)]
DatagramSize = Annotated[int, AfterValidator(_carries_an_initial)]
AckDelay = Annotated[Duration, AfterValidator(_fits_the_parameter)]


class AckFrequency(Table):
    """How seldom a host asks its peer to acknowledge, at most (draft-ietf-quic-ack-frequency)."""

    ack_eliciting_threshold: OnWireCount = 10  # as Chromium's server asks
    """So many packets may arrive without an ACK."""
    max_ack_delay_ns: AckDelay = Field(25_000_000, alias="max_ack_delay")  # RFC 9000 section 18.2
    reordering_threshold: OnWireCount = 3  # RFC 9002 section 6.1.1; section 9 of the draft has them equal
    """So far out of order a packet is acknowledged at once; 0: never."""


class Quic(Table):
    """What both ends have in common; what a host's own table says stands over it."""

    profile: ProfileName | None = None
    congestion_control: ControllerName | None = None
    recovery: RecoveryName | None = None
    undo_spurious_losses: StrictBool | None = None
    max_datagram_bytes: Annotated[DatagramSize, BeforeValidator(_datagram_size)] | None = None
    max_ack_delay_ns: AckDelay | None = Field(None, alias="max_ack_delay")
    min_ack_delay_ns: AckDelay | None = Field(None, alias="min_ack_delay")
    ack_frequency: AckFrequency | None = None
    zero_rtt: ZeroRttName | None = None


QUIC_TO_HOST = {
    "profile": "profile",
    "congestion_control": "congestion_control",
    "recovery": "recovery",
    "undo_spurious_losses": "undo_spurious_losses",
    "max_datagram_bytes": "datagram_size",
    "max_ack_delay": "max_ack_delay",
    "min_ack_delay": "min_ack_delay",
    "ack_frequency": "ack_frequency",
    "zero_rtt": "zero_rtt",
}
"""Key of [quic] -> key of a host."""


class Host(Table):
    """One end of the connection."""

    profile: ProfileName = "rfc9002"
    congestion_control: ControllerName | None = None
    """None: the profile's."""
    recovery: RecoveryName | None = None
    """Whether a loss cuts the window at once, or by what is delivered (RFC 9937); None: the profile's."""
    undo_spurious_losses: StrictBool | None = None
    """Whether losses that prove to be none are taken back; None: as the controller's document has it."""
    datagram_size_bytes: Annotated[Size, AfterValidator(_carries_an_initial)] | None = Field(
        None, alias="datagram_size"
    )
    """UDP payload of a full packet; None: the profile's."""
    max_ack_delay_ns: AckDelay | None = Field(None, alias="max_ack_delay")
    """The transport parameter that this host advertises to its peer (RFC 9000 section 18.2); None: the profile's."""
    min_ack_delay_ns: AckDelay | None = Field(None, alias="min_ack_delay")
    """This host lets its peer ask for other delays, down to this; None: it does not."""
    ack_frequency: AckFrequency | None = None
    """What it asks of its peer; None: nothing."""
    receive_jitter_ns: Duration = Field(0, alias="receive_jitter")
    """A datagram is handled this much later at most, uniformly drawn: interrupts and scheduling of a real host."""
    plugins: StrictBool = True
    """Whether this host takes part in the exchange of plugins."""
    verify: StrictBool = True
    """Whether a plugin must be proved safe before it runs here; if not, the checks at run time alone contain it."""
    max_data_bytes: PositiveSize | None = Field(None, alias="max_data")
    """Receive window of the connection; None: the profile's."""
    max_stream_data_bytes: PositiveSize | None = Field(None, alias="max_stream_data")
    """Receive window of each stream; None: the profile's."""
    max_datagram_frame_bytes: Annotated[Size, AfterValidator(_fits_udp)] | None = Field(
        None, alias="max_datagram_frame"
    )
    """The largest DATAGRAM frame that this host takes; None: any where the application is datagrams, else none."""
    zero_rtt: ZeroRttName | None = None
    """Of a client that is set: it was connected before, and sends at once. Of a server: what it does with that."""
    max_streams: Annotated[PositiveCount, Field(le=MAXIMUM_STREAMS)] | None = None
    """How many bidirectional streams the peer may have open at once (RFC 9000 section 4.6); None: any number."""
    idle_timeout_ns: Duration = Field(0, alias="idle_timeout")
    """The connection is closed when nothing has happened for so long (RFC 9000 section 10.1); 0: never."""
    ecn: StrictBool = False
    """Whether packets are marked as ECN-capable, where the path carries marks (RFC 9000 section 13.4)."""
    active_connection_id_limit: Annotated[OnWireCount, Field(ge=2)] | None = None
    """How many connection IDs of its peer's it takes at a time (RFC 9000 section 5.1.1); None: the profile's."""
    initial_max_path_id: Annotated[int, Field(ge=0, lt=MAXIMUM_PATHS, strict=True)] | None = None
    """Up to which number it takes paths at first (draft-ietf-quic-multipath); None: as far as there is a place."""
    versions: tuple[Version, ...] = (VERSION_1,)
    """Of QUIC, in the order of preference (RFC 9000 section 6)."""
    scheduler: Literal["lowest-rtt", "round-robin", "redundant", "ecf"] | None = None
    """Which of several paths a packet takes; None: the one of the lowest round-trip time."""
    bridge: Literal["shared", "copied"] | None = None
    """How plugins here reach the connection: by field as touched, or the structure whole; None: the profile's."""
    cpu: Cpu | None = None
    """What this host's work takes; None: no time."""

    @field_validator("versions")
    @classmethod
    def _are_some(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if not value:
            raise ValueError("is empty; give the version numbers that this host has, [1] for RFC 9000's")
        return value

    @field_validator("initial_max_path_id")
    @classmethod
    def _numbers_paths(cls, value: int | None, info: ValidationInfo) -> int | None:
        name = info.data.get("profile")
        if value is not None and name in PROFILES and not PROFILES[name].uses_first_path:
            raise ValueError(f'profile "{name}" agrees on no path identifiers; take profile "multipath"')
        return value

    @field_validator("active_connection_id_limit")
    @classmethod
    def _has_connection_ids(cls, value: int | None, info: ValidationInfo) -> int | None:
        name = info.data.get("profile")
        if value and name in PROFILES and not PROFILES[name].active_connection_id_limit:
            natives = " or ".join(f'"{known}"' for known, of in PROFILES.items() if of.active_connection_id_limit)
            raise ValueError(f'profile "{name}" issues no connection IDs beyond its first; take profile {natives}')
        return value

    @model_validator(mode="after")
    def _knows_ack_frequency(self) -> Self:
        profile = PROFILES.get(self.profile)
        keys = {"min_ack_delay": self.min_ack_delay_ns, "ack_frequency": self.ack_frequency}
        written = [key for key, value in keys.items() if value is not None]
        if profile is None or not written:
            return self
        if not profile.takes_ack_frequency:
            known = " or ".join(f'"{name}"' for name, profile in PROFILES.items() if profile.takes_ack_frequency)
            raise ValueError(f'profile "{self.profile}" has no {written[0]}; take profile {known}, or leave it out')
        longest_ns = profile.max_ack_delay_ns if self.max_ack_delay_ns is None else self.max_ack_delay_ns
        if (self.min_ack_delay_ns or 0) > longest_ns:
            raise ValueError(f"min_ack_delay is above max_ack_delay, {longest_ns / 1e6:g} ms; give no more than that")
        return self

    @field_validator("ecn")
    @classmethod
    def _is_of_the_profile(cls, value: bool, info: ValidationInfo) -> bool:
        name = info.data.get("profile")
        if value and name in PROFILES and not PROFILES[name].counts_ecn_marks:
            natives = " or ".join(f'"{known}"' for known, profile in PROFILES.items() if profile.counts_ecn_marks)
            raise ValueError(f'profile "{name}" has no ECN of its own; take profile {natives}, or push the plugin ecn')
        return value


class Move(Table):
    """A change of the client's address while it is connected (RFC 9000 section 9)."""

    at_ns: Duration = Field(alias="at")
    """On the simulation clock; at the handshake's confirmation, if that is later."""
    to: str | None = None
    """Hand over to this link of the client's."""
    rebind: StrictBool = False
    """In the place of `to`: an address translator on the way gives the client another port, and tells nobody."""

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        if (self.to is None) != self.rebind:
            raise ValueError("to and rebind = true each say what happens; give exactly one of them")
        return self


class ClientHost(Host):
    """The end that connects."""

    moves: tuple[Move, ...] = ()
    """When its address changes."""

    token: StrictBool = False
    """Whether an earlier connection to this server has left it a token (RFC 9000 section 8.1.3)."""
    start_phase_ns: Duration = Field(0, alias="start_phase")
    """The instant of connecting is drawn uniformly below this: hosts are not started on the same nanosecond."""
    paths: tuple[str, ...] = ()
    """Links of this host that carry a path each, in order; none: one path, as routed."""
    backup: tuple[str, ...] = ()
    """Which of them are to be used only where no other is."""


class ServerHost(Host):
    """The end that is connected to."""

    certificate_chain_bytes: Size = Field(3000, alias="certificate_chain")  # assumed: two ECDSA certificates
    """What the server's Certificate message weighs in its first flight."""
    retry: StrictBool = False
    """Whether a client without a token must prove its address by a Retry (RFC 9000 section 8.1.2)."""
    new_token: StrictBool = False
    """Whether each client gets a token for its host's next connection (RFC 9000 section 8.1.3)."""

    @field_validator("certificate_chain_bytes")
    @classmethod
    def _fits_a_message(cls, value: int) -> int:
        if value >= 1 << 24:
            raise ValueError("must be less than 2**24 bytes, the most of a handshake message (RFC 8446 section 4)")
        return value


NAMES_OF_APPLICATIONS = f"[{'], ['.join(APPLICATIONS[:-1])}] or [{APPLICATIONS[-1]}]"


def _there(chosen: tuple[str, ...]) -> str:
    return f"; there are [{'] and ['.join(chosen)}]" if chosen else ""


def _flow_name(value: str) -> str:
    if not re.fullmatch(r"[\w-]+", value):
        raise ValueError(f'"{value}" is no name of a flow; write letters, digits, "_" and "-"')
    return value


class Hosts(Table):
    """Both ends."""

    client: ClientHost
    server: ServerHost


class Conversation(Applications):
    """What one connection is: both ends, what they say to each other, and the plugins on it."""

    hosts: Hosts
    plugins: tuple[PluginUse, ...] = ()

    def datagram_frame_limit(self, host: Host) -> int:
        """The largest DATAGRAM frame that a host takes, 0 for none: what it says, or else any, where some are sent."""
        if host.max_datagram_frame_bytes is not None:
            return host.max_datagram_frame_bytes
        return LARGEST_DATAGRAM_FRAME_BYTES if self.datagrams is not None else 0


CONVERSATION = tuple(Conversation.model_fields)
"""The keys that a flow may have of its own."""


class Flow(Conversation):
    """Connections of one kind."""

    between: tuple[NodeName, NodeName] = ("client", "server")
    """The hosts of its clients and of its servers."""
    count: Count = 1
    """How many; with 0 its hosts are there all the same."""
    start_ns: Duration = Field(0, alias="start")
    """When the first client connects, on the simulation clock; the client's `start_phase` comes on top."""
    spacing_ns: Duration = Field(0, alias="spacing")
    """From the start of one to that of the next."""

    @field_validator("between")
    @classmethod
    def _two_hosts(cls, value: tuple[str, str]) -> tuple[str, str]:
        if value[0] == value[1]:
            raise ValueError(f'has "{value[0]}" talk to itself')
        return value

    @model_validator(mode="after")
    def _one_application(self) -> Self:
        if len(self.chosen) != 1:
            raise ValueError(f"needs exactly one application: {NAMES_OF_APPLICATIONS}{_there(self.chosen)}")
        return self


class Setup(Conversation):
    """All that a simulation needs; each variant of a scenario resolves to one of these."""

    quic: Quic | None = None
    links: Mapping[str, Link]
    flows: Mapping[Annotated[str, AfterValidator(_flow_name)], Flow] = {}
    """Each as it is written, laid over the conversation at the top of the file; none: that is the only one."""
    throughput_interval_ns: Duration | None = Field(None, alias="throughput_interval")
    """How often each path's throughput at the client is noted; None: not."""
    time_limit_ns: Duration = Field(600_000_000_000, alias="time_limit")
    """A run that has not finished by then stops with an error."""
    udp_ip_header_bytes: Size = Field(28, alias="udp_ip_header")  # given: IPv4 20 + UDP 8
    """What each datagram weighs on the wire beside its payload."""

    @field_validator("throughput_interval_ns")
    @classmethod
    def _takes_time(cls, value: int | None) -> int | None:
        if value is not None and value <= 0:
            raise ValueError("must be greater than 0")
        return value

    @model_validator(mode="after")
    def _one_application(self) -> Self:
        if len(self.chosen) > 1 or not (self.chosen or self.flows):
            raise ValueError(f"needs exactly one application: {NAMES_OF_APPLICATIONS}{_there(self.chosen)}")
        return self

    @model_validator(mode="after")
    def _has_a_connection(self) -> Self:
        if not any(flow.count for flow in self.every_flow.values()):
            raise ValueError("every flow has count = 0; give one of them 1 or more")
        return self

    @property
    def every_flow(self) -> Mapping[str, Flow]:
        """The flows by name; in a scenario without any, the conversation that it is, under the empty name."""
        return self.flows or {"": Flow.model_construct(**{key: getattr(self, key) for key in CONVERSATION})}

    def with_plugins(self, uses: Mapping[str, tuple[PluginUse, ...]]) -> Self:
        """The same with these plugins on each flow, by its name in `every_flow`."""
        if not self.flows:
            return self.model_copy(update={"plugins": uses[""]})
        flows = {name: flow.model_copy(update={"plugins": uses[name]}) for name, flow in self.flows.items()}
        return self.model_copy(update={"flows": flows})


class ResolvedScenario(Setup):
    """One variant of a scenario, complete: what a simulation is built from."""

    name: str
    seed: Count
    plugin_objects: Mapping[str, Path]
    """The ELF file of each plugin, by the name that `plugins` uses."""


_READERS: dict[str, tuple[Callable[[str], int], int]] = {
    "_s": (duration_ns, 1_000_000_000),
    "_bps": (rate_bps, 1),
    "_bytes": (size_bytes, 1),
}
"""Metric suffix -> reader of its text, and what that counts in one of the metric's own unit."""


class PaperMark(Table):
    """A number that the paper gives, to stand beside ours."""

    variant: str
    metric: str
    value: float
    """In the metric's own unit (`_s`: seconds); written with its unit in the file."""
    tolerance: float = Field(0.1, gt=0)
    """Relative."""
    source: str

    @field_validator("value", mode="before")
    @classmethod
    def _in_the_unit_of_its_metric(cls, value: Any, info: ValidationInfo) -> Any:
        metric = info.data.get("metric", "")
        for suffix, (read, per_unit) in _READERS.items():
            if metric.endswith(suffix):
                return read(value) / per_unit
        return value


class Paper(Table):
    """What the paper says about this scenario."""

    marks: tuple[PaperMark, ...] = ()


class Header(Table):
    """What holds for all variants of a scenario, and the variants themselves, each a partial scenario."""

    title: str
    source: str
    replications: PositiveCount = 1
    seed: Count = 1
    paper: Paper = Paper()
    variants: Annotated[Mapping[str, Mapping[str, Any]], Field(min_length=1)] = {"default": {}}


class File(Header, Setup):
    """All that may stand at the top of a scenario file."""
