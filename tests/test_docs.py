"""Do the pages say what is so? Their C is compiled and run, as a reader would."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from quicsim import locate
from quicsim.plugin.build import compile_plugin
from quicsim.scenario.load import load

HOUSE = Path(__file__).parents[1]


def blocks(page, language):
    return re.findall(rf"```{language}\n(.*?)```", (HOUSE / page).read_text(), re.DOTALL)


def run_with(tmp_path, name, code):
    pytest.importorskip("ziglang", reason="the compiler comes with the extra `build`")
    source = tmp_path / f"{name}.c"
    source.write_text(code)
    built = tmp_path / f"{name}.o"
    built.write_bytes(compile_plugin(source, locate.plugin_include()))
    overrides = ["transfer.size=1MB", f'plugins=[{{name="{built}", from="client"}}]']
    [run] = load("bulk_download", overrides).run().runs
    return run


@pytest.fixture(scope="module")
def without():
    [run] = load("bulk_download", ["transfer.size=1MB"]).run().runs
    return run


@pytest.mark.long
def test_the_first_plugin_acknowledges_every_packet(tmp_path, without):
    run = run_with(tmp_path, "every_packet", blocks("docs/first_plugin.md", "c")[0])
    assert run.counts["plugin_faults"] == 0 < run.counts["plugin_calls"]
    assert run.counts["packets_sent"] > 1.25 * without.counts["packets_sent"]
    assert run.metrics["completion_s"] == pytest.approx(without.metrics["completion_s"], rel=0.01)


@pytest.mark.long
def test_the_second_plugin_leaves_the_rest_to_the_host(tmp_path, without):
    run = run_with(tmp_path, "eager_start", blocks("docs/first_plugin.md", "c")[1])
    assert run.counts["plugin_faults"] == 0
    more = run.counts["packets_sent"] - without.counts["packets_sent"]
    assert 30 <= more <= 70, "it doubles the acknowledgements of the first hundred packets"


@pytest.mark.long
def test_the_broken_plugin_is_reported_in_the_words_of_the_page(tmp_path, without):
    code, fault = blocks("docs/first_plugin.md", "c")[1:3]
    run = run_with(tmp_path, "eager_start", code.replace("{\n    if", f"{{\n{fault}    if"))
    [promised] = [block for block in blocks("docs/first_plugin.md", "text") if "faulted" in block]
    assert [f"note: {note}" for note in run.notes] == promised.strip().splitlines()
    assert run.metrics == without.metrics


@pytest.mark.long
def test_the_readme_shows_a_plugin_that_builds(tmp_path):
    assert run_with(tmp_path, "every_packet", blocks("README.md", "c")[0]).counts["plugin_calls"] > 0


def test_the_readme_shows_the_table_that_figure_3_gives():
    promised = blocks("README.md", "text")[0].splitlines()
    figure3 = load("fig3_tlp").run()
    lines = str(figure3.summary()).splitlines()
    squeezed = {" ".join(line.split()) for line in lines}
    assert all(" ".join(line.split()) in squeezed for line in promised), lines


def test_every_command_of_the_pages_exists():
    from quicsim.cli import app

    commands = {command.name for command in app.registered_commands}
    for page in ("README.md", "docs/first_plugin.md"):
        for used in re.findall(r"^\$ quicsim (\w+)", (HOUSE / page).read_text(), re.MULTILINE):
            assert used in commands, f"{page}: quicsim {used}"


def test_every_link_of_the_pages_leads_somewhere():
    for page in (*HOUSE.glob("*.md"), *HOUSE.glob("docs/**/*.md")):
        for target in re.findall(r"\]\((?!http)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
