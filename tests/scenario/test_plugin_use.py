"""Do a scenario's plugins come, change and go at the instants that the file names, and is nonsense told at loading?"""

import shutil
from itertools import pairwise

import pytest

from quicsim.events import (
    PacketReceived,
    PluginAccepted,
    PluginAttached,
    PluginDetached,
    PluginLogged,
    PluginOffered,
    PluginRecalled,
    PluginRemoved,
    PluginReplaced,
)
from quicsim.plugin.catalogue import catalogue
from quicsim.scenario.build import simulate
from quicsim.scenario.errors import ScenarioError
from quicsim.scenario.load import load
from tests.plugin.pipe import OBJECTS
from tests.scenario.fake import SCENARIO

SECOND = 1_000_000_000
OBJECT = str(OBJECTS / "limiter" / "limiter.o")


def use(name=OBJECT, sender="client", to="server", **more):
    """An entry of `plugins`, in TOML."""
    keys = {"name": name, "from": sender} | ({"to": to} if to else {}) | more
    return "{" + ", ".join(f"{key} = {written(value)}" for key, value in keys.items()) + "}"


def written(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {written(each)}" for key, each in value.items()) + "}"
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else repr(value)


def download(*uses, overrides=(), plugin=None):
    """Run a download of 5 MB with these plugins; the record and the events of plugins."""
    scenario = load("bulk_download", [f"plugins=[{', '.join(uses)}]", *overrides])
    scenario = scenario.with_plugin(plugin) if plugin else scenario
    events = []
    record = simulate(scenario.variant("default"), "default", 0, [events.append])
    return record, events


def of(events, kind):
    return [event for event in events if isinstance(event, kind)]


# ----------------------------------------------------------------------------------------------------------- instants


def test_three_versions_come_at_their_instants_one_in_the_place_of_the_other():
    """Figure 6's sequence: the pushes leave at the instants of the file, and act when they have crossed."""
    record, events = download(
        use(parameters={"window": "20kB"}),
        use(at="1s", replaces=OBJECT, parameters={"window": "60kB"}),
        use(at="2s", replaces=OBJECT, parameters={"window": 10_000}),
    )
    offered = [event.time_ns for event in of(events, PluginOffered)]
    assert offered[1:] == [SECOND, 2 * SECOND]
    attached = [event.time_ns for event in of(events, PluginAttached)]
    accepted = [event.time_ns for event in of(events, PluginAccepted)]
    for left, there, told in zip(offered, attached, accepted, strict=True):
        assert left + 20_000_000 <= there < there + 20_000_000 <= told < left + 200_000_000
    assert [event.time_ns for event in of(events, PluginReplaced)] == attached[1:]
    assert of(events, PluginDetached) == []
    assert record.notes == ()
    limits = [(event.time_ns, event.value) for event in of(events, PluginLogged)]
    for value, (start, end) in zip((20_000, 60_000, 10_000), pairwise([*attached, 10 * SECOND]), strict=True):
        seen = {limit for time_ns, limit in limits if start <= time_ns < end}
        assert seen == {value}


def test_an_instant_is_that_of_the_simulation_s_clock_whenever_the_client_connects():
    for phase in ("0", "400ms"):
        _, events = download(use(at="1s"), overrides=[f"hosts.client.start_phase={phase}"])
        assert [event.time_ns for event in of(events, PluginOffered)] == [SECOND]


@pytest.mark.parametrize("at", ["0", "1ms", "50ms"])
def test_a_push_before_the_handshake_is_done_waits_for_it(at):
    _, events = download(use(at=at))
    _, default = download(use())
    assert [event.time_ns for event in of(events, PluginOffered)] == [e.time_ns for e in of(default, PluginOffered)]
    assert len(of(events, PluginAttached)) == 1


def test_a_push_on_an_idle_connection_leaves_at_its_instant():
    """Nothing else is under way at half a second: figure 3's requests begin after one."""
    plugins = f"variants.without.plugins=[{use(at='500ms', remove_at='700ms')}]"
    events = []
    simulate(load("fig3_tlp", ["requests.count=1", plugins]).variant("without"), "without", 0, [events.append])
    [attached], [detached] = of(events, PluginAttached), of(events, PluginDetached)
    assert 505_000_000 < attached.time_ns < 506_000_000
    assert 705_000_000 < detached.time_ns < 706_000_000


@pytest.mark.parametrize("at", ["0", "30ms", "1500ms"])
def test_a_host_attaches_for_itself_at_the_instant(at):
    record, events = download(use(sender="server", to=None, at=at, remove_at="2s"))
    instant = {"0": 0, "30ms": 30_000_000, "1500ms": 1_500_000_000}[at]
    assert [event.time_ns for event in of(events, PluginAttached)] == [instant]
    [detached] = of(events, PluginDetached)
    assert (detached.time_ns, detached.reason) == (2 * SECOND, "its time is over")
    assert record.notes == ()


def test_a_pushed_plugin_is_removed_at_its_instant():
    _, events = download(use(remove_at="1s"))
    assert [event.time_ns for event in of(events, PluginRecalled)] == [SECOND]
    [detached] = of(events, PluginDetached)
    assert detached.component == "server"
    assert SECOND + 20_000_000 <= detached.time_ns < SECOND + 200_000_000
    assert len(of(events, PluginRemoved)) == 1
    assert max(event.time_ns for event in of(events, PluginLogged)) <= detached.time_ns


def test_removed_and_pushed_at_one_instant_in_the_order_of_the_file():
    record, events = download(use(remove_at="1s"), use(at="1s", parameters={"window": 30_000}))
    assert record.notes == ()
    assert len(of(events, PluginAttached)) == 2
    assert {event.value for event in of(events, PluginLogged)} == {20_000, 30_000}


def test_a_push_for_both_attaches_at_both_ends():
    _, events = download(use(both=True, remove_at="2s"))
    assert {event.component for event in of(events, PluginAttached)} == {"client", "server"}
    assert {event.component for event in of(events, PluginDetached)} == {"client", "server"}


def test_what_comes_and_goes_again_changes_nothing_before_it_comes():
    _, without = download()
    _, late = download(use(at="1s", remove_at="2s"))
    until = [[e for e in events if isinstance(e, PacketReceived) and e.time_ns < SECOND] for events in (without, late)]
    assert until[0] == until[1] != []


def test_a_second_one_at_the_anchor_is_noted_with_the_holder_and_the_run_goes_on():
    record, events = download(use(), use(at="1s"))
    assert len(of(events, PluginAttached)) == 1
    assert len(record.notes) == 2
    for note in record.notes:
        assert "replace/CongestionControl is held by plugin limiter; detach that first" in note


def test_a_peer_without_support_is_noted_and_the_run_goes_on():
    record, events = download(use(), use(at="1s", replaces=OBJECT), overrides=["hosts.server.plugins=false"])
    assert of(events, PluginOffered) == []
    assert record.notes == 2 * (
        "client: plugin limiter was refused: the peer does not take part in the exchange of plugins",
    )
    assert record.metrics == download()[0].metrics


def test_the_same_run_twice_has_the_same_digest():
    uses = (
        use(parameters={"window": 9_000}),
        use(at="1s", replaces=OBJECT, both=True),
        use(at="2s", to="client", sender="server"),
    )
    first, second = (download(*uses)[0] for _ in range(2))
    assert first.digest == second.digest
    assert first.digest != download(*uses[:2])[0].digest


def test_a_stand_in_has_instants_and_parameters_of_what_it_stands_for(tmp_path):
    mine = shutil.copy(OBJECT, tmp_path / "mine.o")
    uses = use(parameters={"window": "20kB"}), use(at="1s", replaces=OBJECT, parameters={"window": "60kB"})
    record, events = download(*uses, plugin=str(mine))
    assert record.notes == ()
    assert len(of(events, PluginReplaced)) == 1
    assert {event.value for event in of(events, PluginLogged)} == {20_000, 60_000}
    with pytest.raises(ScenarioError) as refused:
        download(*uses, plugin="tlp")
    assert str(refused.value) == "variant default: plugin tlp: there is no parameter 'window'; there are none"


# ----------------------------------------------------------------------------------------------------------- mistakes


@pytest.fixture
def path(tmp_path):
    shutil.copy(OBJECT, tmp_path / "some.o")
    (tmp_path / "other.o").write_bytes(b"\x7fELF")
    (tmp_path / "two.toml").write_text(SCENARIO)
    return tmp_path / "two.toml"


def entry(**more):
    return use("./some.o", "server", "client", **more)


LIMITER = "plugin limiter: parameter"
NONE_EARLIER = "is no earlier plugin with the same from and to"

WRONG = {
    "no such parameter": ([entry(parameters={"rate": 1})], "0.parameters.rate: plugin limiter: there is no parameter"),
    "out of range": (
        [entry(parameters={"window": "1B"})],
        f"0.parameters.window: {LIMITER} window = '1B': it is out of range; give 4096 to 1000000000 (bytes)",
    ),
    "wrong unit": ([entry(parameters={"window": "3MB/s"})], f"{LIMITER} window = '3MB/s': size '3MB/s': 'MB/s' is no"),
    "a fraction": ([entry(parameters={"window": 5000.5})], f"{LIMITER} window = 5000.5: give a whole number"),
    "no table": ([entry(parameters=3)], "0.parameters: 3 is not a table"),
    "no such path": (
        [entry(parameters={"path": 1})], f"0.parameters.path: {LIMITER} path = 1: this connection has only path 0",
    ),
    "no plugin to choose of": ([use("./other.o", parameters={"x": 1})], "0.name: "),
    "replaces nothing": ([entry(replaces="./some.o")], f'0.replaces: "./some.o" {NONE_EARLIER}; known here: none'),
    "replaces a misnamed one": (
        [entry(), entry(replaces="./sme.o")], f'1.replaces: "./sme.o" {NONE_EARLIER}; did you mean "./some.o"?',
    ),
    "replaces a later one": ([entry(replaces="./some.o"), entry()], f'0.replaces: "./some.o" {NONE_EARLIER}'),
    "replaces the other host's": (
        [use("./some.o"), entry(replaces="./some.o")], f'1.replaces: "./some.o" {NONE_EARLIER}',
    ),
    "replaces what comes later": (
        [entry(at="2s"), entry(at="1s", replaces="./some.o")], '1.replaces: "./some.o" comes later than',
    ),
    "replaces what is removed": (
        [entry(remove_at="2s"), entry(at="1s", replaces="./some.o")], '1.replaces: "./some.o" has a remove_at already',
    ),
    "at and when": ([entry(at="1s", when="handshake done")], "0: at and when each say when the plugin comes"),
    "removed before it comes": ([entry(at="1s", remove_at="1s")], "0: remove_at must be later than at"),
    "no duration": ([entry(at=3)], "0.at: duration 3 has no unit"),
    "negative": ([entry(at="-1s")], "0.at: duration '-1s' is negative"),
    "both of one host": ([use("./some.o", to=None, both=True)], "0: both is for a plugin that is pushed"),
    "both is a truth": ([entry(both="yes")], "0.both: "),
    "unknown key": ([entry(remove="1s")], 'plugins.0.remove: unknown key; did you mean "remove_at"?'),
}  # fmt: skip


@pytest.mark.parametrize(("uses", "complaint"), WRONG.values(), ids=WRONG)
def test_a_wrong_entry_is_one_line_with_its_place(uses, complaint, path, monkeypatch):
    monkeypatch.chdir(path.parent)
    override = f"plugins=[{', '.join(uses)}]"
    with pytest.raises(ScenarioError) as caught:
        load(path, [f"variants.plain.{override}"])
    [line] = str(caught.value).splitlines()
    assert line.startswith(f'override "variants.plain.{override}": plugins.')
    assert complaint in line


def test_a_wrong_entry_of_the_file_is_told_with_file_and_variant(path):
    wrong = entry(parameters={"window": 1})
    path.write_text(SCENARIO.replace('[{ name = "./some.o", from = "server", to = "client" }]', f"[{wrong}]"))
    with pytest.raises(ScenarioError) as caught:
        load(path)
    assert str(caught.value).startswith(
        f"{path}: variants.plugged.plugins.0.parameters.window: {LIMITER} window = 1: it is out of range"
    )


MULTIPATH = ["hosts.client.profile=mp-quic", "hosts.server.profile=mp-quic"]


def test_with_several_paths_each_may_be_named():
    scenario = load("bulk_download", [*MULTIPATH, f"plugins=[{use(parameters={'path': 1})}]"])
    assert scenario.variant("default").plugins[0].parameters == {"path": 1}
    with pytest.raises(ScenarioError, match="parameter path = 2: this connection has paths 0 to 1"):
        load("bulk_download", [*MULTIPATH, f"plugins=[{use(parameters={'path': 2})}]"])


def test_the_house_s_plugins_say_which_parameters_are_paths():
    """Only then is one that the connection does not have refused."""
    units = {(each.plugin.name, chosen.unit) for each in catalogue() for chosen in each.plugin.parameters
             if chosen.name == "path"}  # fmt: skip
    assert units == {("ack_path", "path"), ("rate_limit", "path")}
