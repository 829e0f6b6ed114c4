"""Do the pages say what is so? Their C is compiled and run, as a reader would."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from quicsim import locate
from quicsim.plugin import build
from quicsim.scenario.errors import ScenarioError
from quicsim.scenario.load import load

pytest_plugins = ["pytester"]

HOUSE = Path(__file__).parents[1]


def blocks(page, language):
    return re.findall(rf"```{language}\n(.*?)```", (HOUSE / page).read_text(), re.DOTALL)


def run_with(tmp_path, name, code, chosen="", use='from="client"', more=()):
    pytest.importorskip("ziglang", reason="the compiler comes with the extra `build`")
    source = tmp_path / f"{name}.c"
    source.write_text(code)
    assert build.main([str(source)]) == 0
    overrides = [*more, "transfer.size=1MB", f'plugins=[{{name="{source.with_suffix(".o")}", {use}{chosen}}}]']
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
    broken = code.replace("{\n    if", f"{{\n{fault}    if")
    [refusal] = [block for block in blocks("docs/first_plugin.md", "text") if "out of bounds" in block]
    with pytest.raises(ScenarioError, match=re.escape(refusal.strip())):
        run_with(tmp_path, "eager_start", broken)
    run = run_with(tmp_path, "eager_start", broken, more=["hosts.client.verify=false"])
    [promised] = [block for block in blocks("docs/first_plugin.md", "text") if "faulted" in block]
    assert [f"note, in 1 of 1 runs: {note}" for note in run.notes] == promised.strip().splitlines()
    assert run.metrics == without.metrics


@pytest.mark.long
def test_the_plugin_with_a_parameter_does_what_is_chosen(tmp_path, without):
    pytest.importorskip("ziglang", reason="the compiler comes with the extra `build`")
    declared = next(block for block in blocks("docs/first_plugin.md", "toml") if "[parameters." in block)
    (tmp_path / "plugin.toml").write_text(declared)
    sent = []
    for chosen in ("", ", parameters={packets=1}", ", parameters={packets=1000}"):
        run = run_with(tmp_path, "chosen_start", blocks("docs/first_plugin.md", "c")[3], chosen)
        sent.append(run.counts["packets_sent"] - without.counts["packets_sent"])
    assert sent[1] < 5 < sent[0] < 70 < 200 < sent[2]


@pytest.mark.long
def test_the_plugin_with_a_frame_sends_it_and_hears_the_other_end(tmp_path, without):
    run = run_with(
        tmp_path, "rtt_report", blocks("docs/first_plugin.md", "c")[4], use='from="server", to="client", both=true'
    )
    assert run.counts["plugin_faults"] == 0
    assert run.counts["packets_sent"] == pytest.approx(without.counts["packets_sent"], rel=0.05)
    heard = run.counts["plugin_calls"] - run.counts["packets_sent"]  # the others are calls of GenerateFrames
    assert heard > 0.25 * run.counts["packets_sent"]


@pytest.mark.long
def test_the_readme_shows_a_plugin_that_builds(tmp_path):
    assert run_with(tmp_path, "every_packet", blocks("README.md", "c")[0]).counts["plugin_calls"] > 0


def test_the_readme_shows_the_table_that_figure_3_gives():
    promised = blocks("README.md", "text")[0].splitlines()
    figure3 = load("fig3_tlp").run()
    lines = str(figure3.summary()).splitlines()
    squeezed = {" ".join(line.split()) for line in lines}
    assert all(" ".join(line.split()) in squeezed for line in promised), lines


@pytest.mark.long
def test_the_script_of_the_readme_prints_and_saves(tmp_path):
    (tmp_path / "script.py").write_text(blocks("README.md", "python")[0])
    environment = {**os.environ, "PYTHONPATH": str(HOUSE)}
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].startswith("variant ")
    assert {path.name for path in (tmp_path / "results").iterdir()} == {"reaction.png", "reaction.svg"}


def guarded(pytester, page, number):
    """A directory with the plugin and the test that a page shows, and a call of pytest in it."""
    (pytester.path / "plugins").mkdir()
    (pytester.path / "plugins/tlp.c").write_text((locate.plugin("tlp") / "tlp.c").read_text())
    (pytester.path / "tests").mkdir()
    (pytester.path / "tests/test_tlp.py").write_text(blocks(page, "python")[number])
    (pytester.path / "pytest.ini").write_text("[pytest]\n")
    return lambda *options: pytester.runpytest_inprocess("-q", "-p", "no:cacheprovider", *options)


def test_the_readme_shows_a_test_that_guards_a_plugin(pytester):
    run = guarded(pytester, "README.md", 1)
    run().assert_outcomes(failed=1)
    run("--quicsim-update").assert_outcomes(passed=1)
    run("--quicsim-digest=strict").assert_outcomes(passed=1)
    test = pytester.path / "tests/test_tlp.py"
    test.write_text(test.read_text().replace('"tlp"', '"no_op"'))
    run().assert_outcomes(failed=1)


@pytest.mark.long
def test_the_guide_to_ci_shows_what_a_worse_plugin_says(pytester):
    pytest.importorskip("ziglang", reason="the compiler comes with the extra `build`")
    run = guarded(pytester, "docs/ci.md", 0)
    run("--quicsim-update").assert_outcomes(passed=1)
    plugin = pytester.path / "plugins/tlp.c"
    plugin.write_text(plugin.read_text().replace("smoothed_rtt_ns * 3 / 2", "smoothed_rtt_ns * 3"))
    said = run().outlines
    promised = blocks("docs/ci.md", "text")[0].splitlines()
    begin = next(number for number, line in enumerate(said) if line.startswith(promised[0].partition(":")[0]))

    def words(lines):  # the figures are those of one version; the rest, and the objects' hashes, are as on the page
        figure = re.compile(r"([0-9a-f]{16})|\d[\d,]*")
        return [figure.sub(lambda found: found[1] or "#", " ".join(line.split())) for line in lines]

    assert words(said[begin : begin + len(promised)]) == words(promised)


@pytest.fixture
def lossy(tmp_path):
    path = tmp_path / "lossy.toml"
    path.write_text(blocks("docs/scenarios.md", "toml")[0])
    return path


def test_the_example_of_a_scenario_file_runs(lossy):
    results = load(lossy).run(replications=2)
    assert results.variants == ("near", "far", "satellite")
    near, far, satellite = (
        [run.metrics["completion_s"] for run in results.runs if run.variant == name] for name in results.variants
    )
    assert max(near) < min(far) <= max(far) < min(satellite), "each is farther away than the one before"
    assert sum(run.counts["datagrams_dropped_wire"] for run in results.runs) > 0, "the link loses"


def test_the_overrides_beside_the_example_are_taken(lossy):
    shown = re.findall(r"--set (\S+)", "\n".join(blocks("docs/scenarios.md", "console")))
    assert shown
    changed = load(lossy, shown).variant("near").links["access"]
    assert changed.loss["server"] != load(lossy).variant("near").links["access"].loss["server"]


def test_the_reference_names_every_key_of_a_scenario_file():
    from quicsim.scenario import applications, cpu, network, schema

    page = (HOUSE / "docs/scenarios.md").read_text()
    keys = {
        field.alias or name
        for table in (vars(schema) | vars(network) | vars(cpu) | vars(applications)).values()
        if isinstance(table, type) and issubclass(table, schema.Table) and table is not schema.ResolvedScenario
        for name, field in table.model_fields.items()
    }
    sections = {"hosts", "client", "server", "links", "paper", "marks", "variants", *applications.APPLICATIONS}
    assert {key for key in keys - sections if f"`{key}`" not in page} == set()
    assert {section for section in sections if not re.search(rf"`\[.*\b{section}\b.*\]`", page)} == set()


def test_the_reference_names_every_metric_and_count():
    page = (HOUSE / "docs/scenarios.md").read_text()
    short = {"fig3_tlp": "requests.count=1", "bulk_download": "transfer.size=10kB", "nagle": "messages.count=2"}
    for name, override in short.items():
        scenario = load(name, [override])
        [run] = scenario.run([scenario.variants[0]], replications=1).runs
        assert {each for each in (*run.metrics, *run.counts) if f"`{each}`" not in page} == set()


def test_the_example_of_a_sweep_file_can_be_planned(tmp_path):
    from quicsim.sweep.file import read
    from quicsim.sweep.plan import expand

    path = tmp_path / "links.toml"
    path.write_text(blocks("docs/sweeps.md", "toml")[0])
    plan = expand(read(path))
    assert (plan.settings, len(plan)) == (4 * (2 * 1 + 3 * 2 + 3 * 2), 4 * (2 * 1 + 3 * 2 + 3 * 2) * 5)


def test_the_page_names_every_key_of_a_sweep_file():
    from quicsim.sweep.axes import Axis
    from quicsim.sweep.file import SweepFile
    from quicsim.sweep.sample import Design

    page = (HOUSE / "docs/sweeps.md").read_text()
    keys = {field.alias or name for table in (SweepFile, Axis, Design) for name, field in table.model_fields.items()}
    assert {key for key in keys if not re.search(rf"`{key}`|^{key} = |\[{key}\b", page, re.MULTILINE)} == set()


def test_every_option_of_a_sweep_is_on_its_page():
    from typer.main import get_command

    from quicsim.cli.sweep import app

    page = (HOUSE / "docs/sweeps.md").read_text()
    commands = get_command(app).commands
    options = {option for command in commands.values() for each in command.params for option in each.opts}
    known = {option for option in options if option.startswith("--")}
    assert {option for option in known if option not in page} == set()
    assert {name for name in commands if f"quicsim sweep {name} " not in page} == set()


def test_every_command_of_the_pages_exists():
    from quicsim.cli import app

    commands = {command.name for command in (*app.registered_commands, *app.registered_groups)}
    own = [page.relative_to(HOUSE).as_posix() for page in HOUSE.glob("docs/plugins/*.md")]
    assert len(own) > 1
    guides = ("first_plugin", "scenarios", "sweeps", "reproduce", "ci")
    for page in ("README.md", *(f"docs/{name}.md" for name in guides), *own):
        for used in re.findall(r"^\$ quicsim (\w+)", (HOUSE / page).read_text(), re.MULTILINE):
            assert used in commands, f"{page}: quicsim {used}"


def test_every_link_of_the_pages_leads_somewhere():
    for page in (*HOUSE.glob("*.md"), *HOUSE.glob("docs/**/*.md")):
        for target in re.findall(r"\]\((?!http)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
