"""Do the plugins' pages give the sizes and costs that are so?"""

import re
from collections import defaultdict
from pathlib import Path
from statistics import median

import pytest

import quicsim
from quicsim import locate
from quicsim.events import PluginCalled
from quicsim.plugin.catalogue import catalogue
from quicsim.reproduce.c_lines import code_lines
from quicsim.scenario.run import trace

PAGES = Path(__file__).parents[2] / "docs" / "plugins"
ENTRIES = {entry.plugin.name: entry.plugin for entry in catalogue()}
MEASURED = {
    "tlp": ("fig3_tlp", "with-tlp", []),
    "ecn": ("fig4_ecn", "with-ecn", ["transfer.size=1MB"]),
    "nagle": ("nagle", "with-nagle", []),
    "sending_rate": ("bulk_download", "default", ['plugins=[{name="sending_rate", from="server"}]']),
    "lowest_latency": (
        "fig5_ack_path",
        "without",
        ["transfer.size=2MB", 'plugins=[{name="lowest_latency", from="server"}]'],
    ),
}
"""The run that a page's table of instructions is of."""


def rows(page):
    """Each row of a page's tables, as its cells."""
    lines = (line for line in (PAGES / page).read_text().splitlines() if line.startswith("|"))
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def number(text):
    return float(text.replace(",", ""))


def test_the_list_has_every_plugin_with_its_page_and_its_size():
    listed = {}
    for cells in rows("README.md"):
        if match := re.fullmatch(r"(?:\[(\w+)\]\(\1\.md\)|(\w+))", cells[0]):
            listed[match[1] or match[2]] = cells
    del listed["plugin"]
    assert set(listed) == set(ENTRIES)
    for name, cells in listed.items():
        source = (locate.plugin(name) / f"{name}.c").read_text()
        sizes = [str(len(ENTRIES[name].anchors)), f"{len(ENTRIES[name].data):,} B", f"{code_lines(source)} lines"]
        assert cells[3:] == sizes, name
        assert (PAGES / f"{name}.md").is_file() == cells[0].startswith("["), name


@pytest.mark.parametrize("name", MEASURED)
def test_a_page_gives_the_plugin_s_sizes(name):
    cells = {row[0]: row[1] for row in rows(f"{name}.md") if len(row) == 2}
    plugin = ENTRIES[name]
    assert cells["ELF"].startswith(
        f"{len(plugin.data):,} bytes, of them {len(plugin.program.instructions):,} instructions"
    )
    assert cells["C"].startswith(f"{code_lines((locate.plugin(name) / f'{name}.c').read_text())} lines")
    anchors = {row[0].strip("`") for row in rows(f"{name}.md") if "/" in row[0]}
    assert anchors == {anchor.section for anchor in plugin.anchors}
    for parameter in plugin.parameters:
        assert f"parameter `{parameter.name}`" in cells


@pytest.mark.parametrize("name", MEASURED)
def test_a_page_gives_what_a_call_takes(name):
    scenario, variant, overrides = MEASURED[name]
    instructions = defaultdict(list)

    def note(event):
        if isinstance(event, PluginCalled):
            instructions[event.anchor].append(event.instructions)

    trace(quicsim.scenario(scenario, overrides), variant, 0, note)
    tables = (row for row in rows(f"{name}.md") if len(row) == 5 and "/" in row[0])
    promised = {row[0].strip("`"): [number(cell) for cell in row[1:]] for row in tables}
    taken = {anchor: [len(each), min(each), median(each), max(each)] for anchor, each in instructions.items()}
    assert promised == taken


def test_nagle_s_page_gives_what_its_scenario_gives():
    promised = {row[0].split("`")[1]: row[1:] for row in rows("nagle.md") if len(row) == 3 and "`" in row[0]}
    results = quicsim.scenario("nagle").run(replications=1)
    given = {
        run.variant: [str(run.counts["packets_sent"]), f"{run.metrics['delay_s'] * 1e3:.1f} ms"] for run in results.runs
    }
    assert promised == given
