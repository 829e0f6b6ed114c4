"""The list of plugins, and the descriptions that it is made from."""

from __future__ import annotations

import shutil

import pytest
from typer.testing import CliRunner

from quicsim import locate
from quicsim.cli import app
from quicsim.plugin.build import source_of
from quicsim.plugin.catalogue import catalogue, entry
from quicsim.plugin.package import PluginError
from tests.plugin.pipe import OBJECTS


def test_plugins_lists_each_with_its_anchors_and_sizes():
    done = CliRunner().invoke(app, ["plugins"])
    assert done.exit_code == 0
    for listed in catalogue():
        assert f"{listed.plugin.name} {listed.plugin.version}" in done.stdout
        assert listed.about.description in done.stdout
        assert f"{len(listed.plugin.data)} bytes of ELF" in done.stdout
    assert "anchors: replace/SetTimer, replace/SelectRetransmission" in done.stdout


def test_plugins_lists_parameters_with_their_ranges(monkeypatch):
    monkeypatch.setattr("quicsim.locate.plugins", lambda: {"limiter": OBJECTS / "limiter"})
    done = CliRunner().invoke(app, ["plugins"])
    assert done.exit_code == 0
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip().startswith("parameter")]
    assert lines == [
        "parameter window = 20000: the window is never larger; 4096 to 1000000000 (bytes)",
        "parameter path = 0: the path whose window it is; 0 to 7 (path)",
    ]


def test_an_object_with_other_parameters_than_its_plugin_toml_is_refused(tmp_path):
    shutil.copytree(OBJECTS / "limiter", tmp_path / "limiter")
    about = tmp_path / "limiter" / "plugin.toml"
    about.write_text(about.read_text().replace("20000", "20001"))
    with pytest.raises(PluginError, match="its parameters are not those of its plugin"):
        entry(tmp_path / "limiter")


def test_every_plugin_has_its_source_beside_it():
    assert [source_of(directory).stem for directory in locate.plugins().values()] == list(locate.plugins())


@pytest.mark.parametrize(
    ("written", "complaint"),
    [
        ("description = 1\nsource = 'x'\n", "description: a plugin.toml holds description and source"),
        ("description = 'x'\n", "source: a plugin.toml holds description and source"),
        ("description = 'x'\nsource = 'y'\ncolour = 'z'\n", "colour: a plugin.toml holds description and source"),
        ("description =", "plugin.toml: Invalid value"),
        ("description = 'x'\nsource = 'y'\n", "mine.o: No such file or directory; `make plugins` builds it"),
    ],
)
def test_a_bad_description_is_refused_with_its_place(tmp_path, written, complaint):
    directory = tmp_path / "mine"
    directory.mkdir()
    (directory / "plugin.toml").write_text(written)
    with pytest.raises(PluginError) as refused:
        entry(directory)
    assert complaint in str(refused.value)


def test_a_plugin_under_another_name_is_refused(tmp_path):
    built = entry(locate.plugin("tlp")).plugin.data
    directory = tmp_path / "mine"
    directory.mkdir()
    (directory / "plugin.toml").write_text("description = 'x'\nsource = 'y'\n")
    (directory / "mine.o").write_bytes(built)
    with pytest.raises(PluginError, match="it calls itself 'tlp'; QUICSIM_PLUGIN must say 'mine'"):
        entry(directory)
