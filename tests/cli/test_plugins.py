"""The list of plugins, and the descriptions that it is made from."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from quicsim import locate
from quicsim.cli import app
from quicsim.plugin.build import source_of
from quicsim.plugin.catalogue import catalogue, entry
from quicsim.plugin.package import PluginError


def test_plugins_lists_each_with_its_anchors_and_sizes():
    done = CliRunner().invoke(app, ["plugins"])
    assert done.exit_code == 0
    for listed in catalogue():
        assert f"{listed.plugin.name} {listed.plugin.version}" in done.stdout
        assert listed.about.description in done.stdout
        assert f"{len(listed.plugin.data)} bytes of ELF" in done.stdout
    assert "anchors: replace/SetTimer, replace/SelectRetransmission" in done.stdout


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
