"""Are plugins and scenarios found by name, and is a wrong name answered with the right one?"""

import subprocess
import sys
from pathlib import Path

import pytest

from quicsim import locate

ROOT = Path(__file__).parents[1]


@pytest.fixture
def house(tmp_path, monkeypatch):
    """A house of our own: two plugins, three scenarios, and what must be taken for neither."""
    for file in [
        "plugins/tlp/plugin.toml",
        "plugins/ecn/plugin.toml",
        "plugins/include/quicsim.h",
        "plugins/.hidden/plugin.toml",
        "plugins/plugin.toml",
        "scenarios/fig3_tlp.toml",
        "scenarios/fig3.toml",
        "scenarios/fig-3.toml",
        "scenarios/.draft.toml",
        "scenarios/notes.md",
    ]:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    monkeypatch.setattr(locate, "_house", lambda: tmp_path)
    return tmp_path


def test_scenarios_are_the_toml_files_in_the_order_of_their_names(house):
    assert list(locate.scenarios().items()) == [
        (name, house / "scenarios" / f"{name}.toml") for name in ["fig-3", "fig3", "fig3_tlp"]
    ]


def test_plugins_are_the_directories_with_a_plugin_toml(house):
    assert list(locate.plugins().items()) == [(name, house / "plugins" / name) for name in ["ecn", "tlp"]]


def test_one_by_its_name(house):
    assert locate.scenario("fig3_tlp") == house / "scenarios/fig3_tlp.toml"
    assert locate.plugin("ecn") == house / "plugins/ecn"


@pytest.mark.parametrize(
    ("find", "name", "message"),
    [
        (
            locate.scenario,
            "fig3_tpl",
            "There is no scenario 'fig3_tpl'; did you mean 'fig3_tlp'? Known: fig-3, fig3, fig3_tlp.",
        ),
        (locate.plugin, "tpl", "There is no plugin 'tpl'; did you mean 'tlp'? Known: ecn, tlp."),
        (locate.plugin, "", "There is no plugin ''. Known: ecn, tlp."),
        (locate.plugin, "../plugins/ecn", "There is no plugin '../plugins/ecn'"),
        (locate.plugin, "include", "There is no plugin 'include'. Known: ecn, tlp."),
        (
            locate.plugin,
            "src/my.c",
            "src/my.c is C source: build it, python -m quicsim.plugin.build",
        ),
        (locate.scenario, "zzz", "There is no scenario 'zzz'. Known: fig-3, fig3, fig3_tlp."),
    ],
)
def test_a_wrong_name_is_answered_with_the_known_ones(house, find, name, message):
    with pytest.raises(locate.LocateError) as caught:
        find(name)
    assert str(caught.value).startswith(message)


def test_an_installation_without_its_data_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(locate, "files", lambda package: tmp_path / package)
    with pytest.raises(locate.LocateError, match=r"has lost its plugins and scenarios.*Install it again"):
        locate.scenarios()


def test_this_checkout_is_found():
    assert list(locate.scenarios()) == sorted(path.stem for path in ROOT.glob("scenarios/*.toml"))
    assert list(locate.plugins()) == sorted(path.parent.name for path in ROOT.glob("plugins/*/plugin.toml"))


def test_looking_up_imports_nothing_but_the_standard_library():
    program = "import sys, quicsim.locate as l; l.scenarios(); print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    foreign = {"numpy", "scipy", "matplotlib", "simpy", "pydantic", "typer", "rich", "elftools", "vm"}
    assert not foreign & set(done.stdout.split())
