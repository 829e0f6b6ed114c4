"""Table 2: how large are the plugins, and how long does it take to push one? Paper section 3.3."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from quicsim import locate
from quicsim.analysis.inline import bars
from quicsim.analysis.metrics import View
from quicsim.events import Event, PluginAttached, PluginOffered
from quicsim.plugin.catalogue import Entry, entry
from quicsim.reproduce.c_lines import code_lines
from quicsim.reproduce.reproduction import Claim, Drawing, Findings, Outcome, Remark, Reproduction, Study, Table
from quicsim.reproduce.studies import values

BED = "fig3_tlp"
BED_VARIANT = "with-tlp"
RATES = ("64kbps", "256kbps", "1Mbps", "10Mbps", "100Mbps")
KILOBYTES = View("size_bytes", 1e-3, "kB")
SLOT_BYTES = 8  # RFC 9669 section 3.1: an instruction slot
TOLERANCE = 0.5  # assumed: another stack, header and compiler; what the paper claims is "a few KB"


@dataclass(frozen=True, slots=True)
class Row:
    """A column of the paper's table: our plugin of that use case, and how it is pushed."""

    use_case: str
    plugin: str
    paper_bytes: int
    paper_lines: str
    profile: str
    sender: str
    receiver: str
    source: str = "table 2"


ROWS = (
    Row("TLP", "tlp", 2600, "81, 36 of them TLP proper", "picoquic", "server", "client"),
    Row("ECN", "ecn", 5600, "152", "picoquic", "server", "client"),
    Row("ACK path", "ack_path", 1000, "not given", "mp-quic", "server", "client"),
    Row("Pacing rate", "rate_limit", 500, "10", "mp-quic", "client", "server"),
    Row("Packet scheduler", "lowest_latency", 3000, "107", "mp-quic", "client", "server", "section 3.3, around 3 KB"),
)
"""given: table 2, sections 3.1.1, 3.1.2, 3.2.2 and 3.3; assumed: who pushes the scheduler."""


def carried() -> list[Row]:
    """The rows whose plugin comes with quicsim."""
    return [row for row in ROWS if row.plugin in locate.plugins()]


class PushTime:
    """Observes how long a push takes: from the offer at its sender to the attachment at its receiver."""

    def __init__(self) -> None:
        self.offered_ns: int | None = None
        self.attached_ns: int | None = None

    def __call__(self, event: Event) -> None:
        """Note the first offer and the first attachment."""
        if isinstance(event, PluginOffered) and self.offered_ns is None:
            self.offered_ns = event.time_ns
        elif isinstance(event, PluginAttached) and self.attached_ns is None:
            self.attached_ns = event.time_ns

    def metrics(self) -> dict[str, float]:
        """`push_s`; nothing where no push came to its end."""
        if self.offered_ns is None or self.attached_ns is None:
            return {}
        return {"push_s": (self.attached_ns - self.offered_ns) / 1e9}


def study_of(row: Row, rate: str) -> Study:
    """The push of one plugin over one rate: the bed of figure 3, its requests after the push."""
    use = f'{{name="{row.plugin}", from="{row.sender}", to="{row.receiver}"}}'
    return Study(
        name=f"push {row.plugin} {rate}",
        scenario=BED,
        full=5,
        quick=1,
        overrides=(
            f"links.access.rate={rate}",
            "requests.count=1",
            "requests.start=30s",
            *(f"hosts.{host}.profile={row.profile}" for host in ("client", "server")),
            f"variants.{BED_VARIANT}.plugins=[{use}]",
        ),
        variants=(BED_VARIANT,),
        observer=PushTime,
    )


def claim_of(row: Row, found: Entry) -> Claim:
    """The size of what travels, beside the paper's."""
    return Claim(
        name=f"bytecode, {row.use_case}",
        variant=row.plugin,
        statistic="bytes of the ELF file",
        view=KILOBYTES,
        ours=len(found.plugin.data),
        paper=row.paper_bytes,
        tolerance=TOLERANCE,
        source=row.source,
    )


def push_times(findings: Findings, row: Row) -> list[float]:
    """The median push at each rate, in seconds."""
    return [median(values(findings[study_of(row, rate).name], BED_VARIANT, "push_s")) for rate in RATES]


def evaluate(findings: Findings) -> Outcome:
    """All of table 2."""
    rows = carried()
    entries = {row.plugin: entry(locate.plugin(row.plugin)) for row in rows}
    sizes: dict[str, dict[str, int]] = {}
    for row in rows:
        found = entries[row.plugin]
        source = (locate.plugin(row.plugin) / f"{row.plugin}.c").read_text(encoding="utf-8")
        sizes[row.plugin] = {
            "elf_bytes": len(found.plugin.data),
            "text_bytes": SLOT_BYTES * len(found.plugin.program.instructions),
            "anchors": len(found.plugin.anchors),
            "c_lines": code_lines(source),
            "paper_bytes": row.paper_bytes,
        }
    times = {row.plugin: push_times(findings, row) for row in rows}
    title = "Size of the plugins"
    beside = [size["elf_bytes"] - size["text_bytes"] for size in sizes.values()]
    containers = f"{min(beside):,} to {max(beside):,}"
    return Outcome(
        claims=tuple(claim_of(row, entries[row.plugin]) for row in rows),
        drawings=(
            Drawing(
                title,
                "The ELF file, which travels, and the instructions in it, beside the paper's number.",
                bars(
                    title,
                    [row.use_case for row in rows],
                    {
                        "ELF": [sizes[row.plugin]["elf_bytes"] / 1e3 for row in rows],
                        "instructions": [sizes[row.plugin]["text_bytes"] / 1e3 for row in rows],
                        "paper": [row.paper_bytes / 1e3 for row in rows],
                    },
                    "kB",
                ),
            ),
        ),
        tables=(
            Table(
                "Sizes",
                "Bytes of the ELF file, of its instructions, and lines of C that are neither blank nor comment.",
                (
                    "use case",
                    "plugin",
                    "anchors",
                    "ELF (B)",
                    "instructions (B)",
                    "paper (B)",
                    "C lines",
                    "paper's lines",
                ),
                tuple(
                    (
                        row.use_case,
                        row.plugin,
                        str(sizes[row.plugin]["anchors"]),
                        f"{sizes[row.plugin]['elf_bytes']:,}",
                        f"{sizes[row.plugin]['text_bytes']:,}",
                        f"{row.paper_bytes:,}",
                        str(sizes[row.plugin]["c_lines"]),
                        row.paper_lines,
                    )
                    for row in rows
                ),
                frozenset({"anchors", "ELF (B)", "instructions (B)", "paper (B)", "C lines"}),
            ),
            Table(
                "Time to push",
                "From the offer to the attachment at the peer, over a link of this rate and 10 ms round trip: "
                "simulated, median.",
                ("plugin", *RATES),
                tuple((row.plugin, *(f"{time * 1e3:,.1f} ms" for time in times[row.plugin])) for row in rows),
                frozenset(RATES),
            ),
        ),
        remarks=(
            Remark(
                "Why ours are not the paper's sizes",
                "Another stack, another header, another compiler. The larger plugins are smaller than the paper's: "
                "they call the host's own step through run_default() where the paper's repeat it in C. The smallest "
                f"are larger: {containers} bytes of each are not instructions but what makes an ELF file a plugin "
                "(sections, symbols, name and version, parameters with their ranges), and ten lines of C cannot be "
                "less. What the paper concludes holds: a plugin weighs a few kilobytes, as certificates do.",
            ),
        ),
        data={
            "sizes": sizes,
            "push_s": {
                row.plugin: {rate: values(findings[study_of(row, rate).name], BED_VARIANT, "push_s") for rate in RATES}
                for row in rows
            },
        },
    )


def table2() -> Reproduction:
    """The reproduction, with a push of each plugin that quicsim carries."""
    return Reproduction(
        name="table2",
        title="Table 2: the plugins are small",
        section="3.3",
        paper="The bytecode of the four plugins weighs 2.6, 5.6, 1.0 and 0.5 KB, as little as a few certificates.",
        studies=tuple(study_of(row, rate) for row in carried() for rate in RATES),
        evaluate=evaluate,
        main=None,
    )
