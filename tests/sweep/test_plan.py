"""Which points does a sweep file ask for, under which keys, and what does it say of a file that asks for none?"""

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quicsim import locate
from quicsim.scenario.identity import configuration_hash
from quicsim.scenario.load import load
from quicsim.sweep import identity
from quicsim.sweep.axes import Axis
from quicsim.sweep.conditions import Condition, ConditionError
from quicsim.sweep.file import SweepError, from_document, read
from quicsim.sweep.identity import configuration_key, effective, flattened, point_key, simulator
from quicsim.sweep.plan import expand
from quicsim.sweep.sample import Design, shares

BASE = {"title": "t", "scenario": "bulk_download"}
SIZE = {"key": "transfer.size", "values": ["1MB", "2MB"]}
DELAY = {"key": "links.bottleneck.delay", "from": "5ms", "to": "20ms", "steps": 2}
RATE = {"key": "links.bottleneck.rate", "from": "1Mbps", "to": "100Mbps", "steps": 3, "scale": "log"}


def planned(directory=Path(), **said):
    return expand(from_document({**BASE, **said}, "name", "a.toml", Path(directory)))


def values(plan):
    return [tuple(each.values.values()) for each in plan.configurations]


# --------------------------------------------------------------------------------------------------------- designs


def test_a_grid_has_every_combination():
    plan = planned(axes={"size": SIZE, "rate": RATE}, replications=4)
    assert plan.columns == ("size_bytes", "rate_bps")
    assert values(plan) == [(size, rate) for size in (1_000_000, 2_000_000) for rate in (10**6, 10**7, 10**8)]
    assert len(plan) == 24
    assert [point.replication for point in plan.points()][:5] == [0, 1, 2, 3, 0]


def test_several_keys_change_at_once():
    both = {"keys": ["hosts.client.datagram_size", "hosts.server.datagram_size"]}
    same = planned(axes={"size": {**both, "values": ["1200B", "1400B"]}})
    assert [each.recipe.overrides for each in same.configurations] == [
        ('hosts.client.datagram_size="1200B"', 'hosts.server.datagram_size="1200B"'),
        ('hosts.client.datagram_size="1400B"', 'hosts.server.datagram_size="1400B"'),
    ]
    pairs = planned(axes={"size": {**both, "values": [["1200B", "1300B"], ["1400B", "1500B"]]}})
    assert values(pairs) == [("1200B/1300B",), ("1400B/1500B",)]
    assert pairs.configurations[0].recipe.overrides[1] == 'hosts.server.datagram_size="1300B"'


def test_an_axis_may_apply_under_a_condition_only():
    plan = planned(axes={"size": SIZE, "delay": {**DELAY, "when": 'size > "1MB"'}})
    assert values(plan) == [(1_000_000,), (2_000_000, 0.005), (2_000_000, 0.02)]


def test_constraints_leave_out_what_does_not_fulfil_them():
    plan = planned(axes={"size": SIZE, "rate": RATE}, constraints=['size * 8 / rate <= "1.6s" / 1e9'])
    assert values(plan) == [(10**6, 10**7), (10**6, 10**8), (2 * 10**6, 10**7), (2 * 10**6, 10**8)]


def test_variants_and_plugins_are_axes(tmp_path):
    other = tmp_path / "tlp2.o"
    other.write_bytes((locate.plugin("tlp") / "tlp.o").read_bytes())
    said = {
        "scenario": "fig3_tlp",
        "variants": ["with-tlp", "without"],
        "plugins": ["tlp", "./tlp2.o", "lowest_latency"],
    }
    plan = planned(tmp_path, **said)
    made = [(each.recipe.variant, each.recipe.plugin) for each in plan.configurations]
    assert made == [
        ("with-tlp", "tlp"),
        ("with-tlp", str(other)),
        ("with-tlp", "lowest_latency"),
        ("without", None),
    ], "a variant without a plugin runs once"
    keys = [each.key for each in plan.configurations]
    assert keys[0] == keys[1], "the same bytes under another name"
    assert len(set(keys)) == 3
    constrained = planned(tmp_path, **said, constraints=["plugin != 'tlp2'", "variant != 'without'"])
    assert [each.recipe.plugin for each in constrained.configurations] == ["tlp", "lowest_latency"]


def test_common_random_numbers_the_seed_is_the_same_in_every_configuration():
    plan = planned(axes={"size": SIZE}, seed=7, replications=2)
    assert {each.recipe.seed for each in plan.configurations} == {7}
    other = planned(axes={"size": SIZE}, seed=8, replications=2)
    assert not {point.key for point in plan.points()} & {point.key for point in other.points()}


@pytest.mark.parametrize("kind", ["sobol", "latin-hypercube", "wsp"])
@settings(deadline=None, max_examples=20)  # the first one imports scipy
@given(points=st.sampled_from([1, 4, 16]), dimensions=st.integers(1, 5), seed=st.integers(0, 100))
def test_a_sample_lies_in_the_cube_and_is_the_same_again(kind, points, dimensions, seed):
    design = Design(kind=kind, points=points, seed=seed)
    rows = list(shares(design, dimensions))
    assert len(rows) == points
    assert all(len(row) == dimensions and all(0 <= share <= 1 for share in row) for row in rows)
    assert rows == list(shares(design, dimensions))


def test_a_latin_hypercube_has_one_point_in_each_slice():
    rows = list(shares(Design(kind="latin-hypercube", points=20), 3))
    for axis in zip(*rows, strict=True):
        assert sorted(int(share * 20) for share in axis) == list(range(20))


def spacing(rows):
    return min(
        sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) for n, one in enumerate(rows) for other in rows[:n]
    )


def test_wsp_keeps_points_further_apart_than_chance_does():
    wsp, sobol, cube = (
        spacing(list(shares(Design(kind=kind, points=64), 3))) for kind in ("wsp", "sobol", "latin-hypercube")
    )
    assert wsp > 4 * max(sobol, cube), "squares: twice the distance"


def test_a_sampled_list_gives_each_value_its_part():
    plan = planned(
        axes={"size": SIZE, "delay": {**DELAY, "steps": None}}, design={"kind": "latin-hypercube", "points": 10}
    )
    assert sorted(size for size, _ in values(plan)) == [1_000_000] * 5 + [2_000_000] * 5
    assert all(0.005 <= delay <= 0.02 for _, delay in values(plan))


# ------------------------------------------------------------------------------------------------------------ axes


@given(st.integers(1, 10**9), st.integers(1, 10**9), st.decimals(0, 1, places=6))
def test_a_range_stays_within_its_ends(low, more, share):
    for scale in ("linear", "log"):
        axis = Axis.model_validate({"key": "a", "from": f"{low}ns", "to": f"{low + more}ns", "scale": scale})
        assert low <= axis.at(Decimal(0)).magnitude <= axis.at(share).magnitude + _rounding(axis.at(share).magnitude)
        assert axis.at(share).magnitude <= low + more + _rounding(low + more)
        assert axis.at(Decimal(0)).magnitude == low
        assert axis.at(Decimal(1)).magnitude == low + more


def _rounding(value):
    return value * 5e-6 + 1


def test_a_log_range_has_equal_ratios():
    axis = Axis.model_validate({"key": "a", "from": 1, "to": 10_000, "steps": 5, "scale": "log"})
    assert [level.magnitude for level in axis.levels()] == [1, 10, 100, 1000, 10_000]


LOSS = "links.bottleneck.loss.server"


@pytest.mark.parametrize(
    ("said", "shown", "written"),
    [
        ({"values": ["0%", "0.5%"]}, [0, 0.5], ['"0%"', '"0.5%"']),
        ({"values": [0, "0.5%", Decimal("0.01")]}, [0, 0.5, 1], ["0", '"0.5%"', "0.01"]),
        ({"from": "0%", "to": "2%", "steps": 3}, [0, 1, 2], ['"0%"', '"1%"', '"2%"']),
        ({"from": "0.1%", "to": "10%", "steps": 3, "scale": "log"}, [0.1, 1, 10], ['"0.1%"', '"1%"', '"10%"']),
        ({"values": [0, Decimal("0.01")]}, [0, 0.01], ["0", "0.01"]),
    ],
)
def test_percentages_are_shares_and_shown_as_they_were_given(said, shown, written):
    plan = planned(axes={"loss": {"key": LOSS, **said}})
    assert [value for (value,) in values(plan)] == pytest.approx(shown)
    assert [each.recipe.overrides for each in plan.configurations] == [(f"{LOSS}={text}",) for text in written]
    assert plan.columns == ("loss_percent" if "%" in str(said) else "loss",)


@pytest.mark.parametrize("values_", [["0%", "0.5%", "2%"], [0, Decimal("0.005"), Decimal("0.02")]])
@pytest.mark.parametrize("condition", ["loss < '1%'", "loss < 0.01", "loss in ['0%', '0.5%']"])
def test_conditions_take_percentages_as_values_do(values_, condition):
    assert len(planned(axes={"loss": {"key": LOSS, "values": values_}}, constraints=[condition])) == 2


def test_numbers_keep_their_fractions():
    axis = Axis.model_validate({"key": "a", "from": Decimal("0.0"), "to": Decimal("0.1"), "steps": 3})
    assert [level.written for level in axis.levels()] == [(("a", "0.0"),), (("a", "0.05"),), (("a", "0.1"),)]


# ------------------------------------------------------------------------------------------------------ conditions


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("a < '5ms'", True),
        ("a < '4ms'", False),
        ("a * 2 == '8ms'", True),
        ("b in ['x', 'y'] and not a > '1s'", True),
        ("b == 'z' or b != 'z'", True),
        ("'1ms' <= a <= '4ms'", True),
        ("c % 2 == 1", True),
        ("-c < 0", True),
        ("c / 2 == 1.5", True),
        ("missing > 5", True),
    ],
)
def test_a_condition_says_what_it_says(text, holds):
    assert Condition(text, ["a", "b", "c", "missing"]).holds({"a": 4_000_000, "b": "x", "c": 3}) is holds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a <", "is no condition"),
        ("a.real > 1", "Attribute is not allowed"),
        ("f(a)", "Call is not allowed"),
        ("a ** 2 > 1", "Pow is not allowed"),
        ("[a for a in b]", "is not allowed"),
        ("sise > 1", 'unknown axis sise; did you mean "size"'),
        ("1 < 2", "names no axis"),
    ],
)
def test_what_is_no_condition_is_refused(text, message):
    with pytest.raises(ConditionError, match=message.replace("[", r"\[")):
        Condition(text, ["a", "b", "size"])


# --------------------------------------------------------------------------------------------------------- the key


def key_of(*overrides, scenario="fig3_tlp", variant="with-tlp"):
    return configuration_key(effective(load(scenario, overrides).variant(variant)))


@pytest.mark.parametrize(
    "override",
    ["links.access.delay=6ms", "seed=2", "requests.count=19", "hosts.client.receive_jitter=21us", "time_limit=601s",
     "links.access.loss.client=0.01", "variants.with-tlp.plugins.0.at=2s"],
)  # fmt: skip
def test_the_key_says_everything_that_a_result_depends_on(override):
    removed = ["variants.with-tlp.plugins=[{name='tlp',from='server',to='client'}]"] if ".at=" in override else []
    assert key_of(*removed, override) != key_of(*removed)


@pytest.mark.parametrize("override", ["links.access.delay=5000us", "title=other", "replications=3"])
def test_the_key_says_nothing_else(override):
    assert key_of(override) == key_of()


def test_the_key_knows_the_bytes_of_a_plugin_and_not_its_name(tmp_path):
    content = (locate.plugin("tlp") / "tlp.o").read_bytes()
    same, other = tmp_path / "same.o", tmp_path / "other.o"
    same.write_bytes(content)
    other.write_bytes((locate.plugin("no_op") / "no_op.o").read_bytes())
    use = "variants.with-tlp.plugins=[{{name='{}',from='server',to='client',when='handshake done'}}]"
    assert key_of(use.format(same)) == key_of()
    assert key_of(use.format(other)) != key_of()
    other.write_bytes(content)
    assert key_of(use.format(other)) == key_of(), "a file that changed is read again"


def test_the_key_knows_the_plugins_of_every_flow(tmp_path):
    use = "flows={{a={{plugins=[{{name='{}',from='server',to='client'}}]}}}}"
    plugin = tmp_path / "mine.o"
    keys = []
    for name in ("tlp", "no_op", "tlp"):
        plugin.write_bytes((locate.plugin(name) / f"{name}.o").read_bytes())
        keys.append(key_of(use.format(plugin), scenario="bulk_download", variant="default"))
    assert keys[0] == keys[2] == key_of(use.format("tlp"), scenario="bulk_download", variant="default")
    assert keys[0] != keys[1]


def test_the_key_knows_the_order_of_links_which_decides_ties():
    scenario = load("multipath")
    one = scenario.variant(scenario.variants[0])
    other = one.model_copy(update={"links": dict(reversed(one.links.items()))})
    assert other == one
    assert configuration_key(effective(other)) != configuration_key(effective(one))
    assert configuration_hash(other) != configuration_hash(one)


def test_the_key_knows_the_version_of_a_stack_that_is_none_of_ours(monkeypatch):
    def key(profile, version):
        monkeypatch.setattr(identity, "_installed", lambda package: version)
        overrides = [f"hosts.{host}.profile={profile}" for host in ("client", "server")]
        return configuration_key(effective(load("bulk_download", overrides).variant("default")))

    assert key("aioquic", "1.0.0") != key("aioquic", "1.1.0")
    assert key("rfc9002", "1.0.0") == key("rfc9002", "1.1.0")


def test_a_constraint_keeps_apart_what_would_be_no_scenario():
    sizes = {"key": "transfer.size", "values": ["0kB", "10kB", "20kB"]}
    rates = {"key": "links.bottleneck.rate", "values": ["1Mbps", "0bps"]}
    found = planned(axes={"size": sizes, "rate": rates}, constraints=["size > 0 and rate > 0"])
    assert [dict(each.values) for each in found.configurations] == [
        {"size_bytes": 10_000, "rate_bps": 1_000_000},
        {"size_bytes": 20_000, "rate_bps": 1_000_000},
    ]


def test_the_key_of_a_point_knows_replication_and_simulator():
    keys = [point_key("c", 0, "1"), point_key("c", 1, "1"), point_key("c", 0, "2"), point_key("d", 0, "1")]
    assert len(set(keys)) == 4
    assert simulator().startswith("0.") or "+" in simulator()


def test_the_whole_configuration_stands_in_columns():
    columns = flattened(effective(load("fig3_tlp", ["links.access.loss.client=0.25"]).variant("with-tlp")))
    assert columns["links.access.delay_ns.client"] == 5_000_000
    assert columns["links.access.loss.client"] == 0.25
    assert columns["plugins.0.name"] == "tlp"
    assert columns["seed"] == 1
    assert len(columns["plugins.0.elf"]) == 32


# ------------------------------------------------------------------------------------------------------- bad input

AXES = {"size": SIZE}


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"axes": {"x": {"key": "links.botleneck.delay", "values": ["5ms"]}}},
         'a.toml: axes.x: override "links.botleneck.delay="5ms"": unknown link; did you mean "bottleneck"?'),
        ({"axes": {"x": {"key": "transfer.sise", "values": [1]}}}, "transfer.sise: unknown key; did you mean"),
        ({"axes": {"x": {"key": "transfer.size", "values": ["5 parsecs"]}}}, 'axes.x: override "transfer.size='),
        ({"axes": {"x": {"key": "transfer.size", "values": ["1MB", "1000kB"]}}},
         'a.toml: axes.x: reaches no parameter: every variant is the same with "1MB" and "1000kB"'),
        ({"axes": {"x": {"key": "replications", "values": [1, 2]}}}, "write it at the top of the sweep"),
        ({"axes": {"x": {"key": "title", "values": ["a", "b"]}}}, "axes.x: title cannot be an axis"),
        ({"axes": {"x": SIZE, "y": SIZE}}, "axes.y: transfer.size is changed by axes.x as well"),
        ({"axes": {"delay": DELAY, "delay_s": {"key": "links.bottleneck.loss.server", "values": [0, 1]}}},
         "axes.delay_s: tables call it delay_s, as axes.delay; name one otherwise"),
        ({"axes": {"x": {"values": [1]}}}, "give the key of the scenario that it changes"),
        ({"axes": {"x": {"key": "a"}}}, "give its values in values, or a range in from and to"),
        ({"axes": {"x": {"key": "a", "from": "1ms"}}}, "a range needs both from and to"),
        ({"axes": {"x": {"key": "a", "from": "1ms", "to": "5Mbps"}}}, "are no range; write two numbers, or two quant"),
        ({"axes": {"x": {"key": "a", "from": "5ms", "to": "1ms"}}}, "must be less than to"),
        ({"axes": {"x": {"key": "a", "from": "0ms", "to": "1ms", "scale": "log"}}}, "greater than 0 on a log scale"),
        ({"axes": {"x": {**DELAY, "steps": None}}}, "axes.x: a range in a grid needs steps"),
        ({"axes": {"x": {**SIZE, "steps": 3}}}, "steps and scale are for a range"),
        ({"axes": {"x": {"keys": ["a", "b"], "values": [[1, 2, 3]]}}}, "has 3 parts; keys names 2"),
        ({"axes": {"x": {**SIZE, "walues": [1]}}}, 'axes.x.walues: unknown key; did you mean "values"?'),
        ({"axes": {"variant": SIZE}}, '"variant" cannot name an axis'),
        ({"axes": {"x": {**SIZE, "when": "y > 1"}}}, "axes.x.when: "),
        ({"axes": {"size": SIZE, "x": {**DELAY, "when": "size > '9MB'"}}}, "holds in no setting"),
        ({"axes": AXES, "constraints": ["size > '9MB'"]}, "nothing is left to simulate"),
        ({"axes": AXES, "constraints": ["size > 'x'"]}, "constraints.0: \"size > 'x'\" cannot be told for size = "),
        ({"axes": AXES, "constraints": ["size > 'x'"]}, "a word stands where a number belongs"),
        ({"axes": AXES, "constraints": ["sise > 1"]}, "constraints.0: "),
        ({"axes": {"size": {**SIZE, "constraints": ["size > 1"]}}},
         "axes.size.constraints: constraints belongs at the top of the file, above the first line in brackets; below "
         "[axes.size] it is a key of it"),
        ({"axes": AXES, "design": {"replications": 3}}, "design.replications: replications belongs at the top"),
        ({"axes": {}, "design": {"kind": "wsp", "points": 3}}, "a design of kind wsp needs axes"),
        ({"axes": AXES, "design": {"kind": "wsp"}}, "needs points, the number of settings"),
        ({"axes": AXES, "design": {"points": 3}}, "a grid has every combination"),
        ({"axes": AXES, "design": {"kind": "sobol", "points": 100}}, "at powers of 2 (Owen 2020); write 64 or 128"),
        ({"scenario": "bulk_downlod"}, "There is no scenario 'bulk_downlod'; did you mean 'bulk_download'?"),
        ({"scenario": "./nowhere.toml"}, "there is no scenario file"),
        ({"variants": ["defualt"]}, 'bulk_download has no variant defualt; did you mean "default"?'),
        ({"plugins": ["tlp"]}, "no variant of bulk_download uses a plugin that tlp could replace"),
        ({"plugins": ["tpl"], "scenario": "fig3_tlp"}, "There is no plugin 'tpl'"),
        ({"plugins": ["nowhere.o"], "scenario": "fig3_tlp"}, "plugins: there is no plugin object"),
        ({"replications": 0}, "replications"),
        ({"set": {"transfer.sise": 1}}, "transfer.sise: unknown key"),
        ({"keep": ["everything"]}, "keep.0: 'everything' is not known"),
    ],
)  # fmt: skip
def test_bad_input_is_named_with_its_place(said, message):
    with pytest.raises(SweepError) as caught:
        planned(**said)
    assert message in str(caught.value)
    assert str(caught.value).startswith("a.toml: ")


def test_two_plugins_that_no_table_could_tell_apart_are_refused(tmp_path):
    for build in ("old", "new"):
        (tmp_path / build).mkdir()
        (tmp_path / build / "tlp.o").write_bytes((locate.plugin("tlp") / "tlp.o").read_bytes())
    with pytest.raises(SweepError, match=r"plugins: tables call both .*old/tlp\.o and .*new/tlp\.o tlp; rename"):
        planned(tmp_path, scenario="fig3_tlp", plugins=["old/tlp.o", "new/tlp.o"])


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("tpl_wsp", None, 'there is no sweep "tpl_wsp"; did you mean "tlp_wsp"?'),
        ("no.toml", None, "there is no sweep file no.toml"),
        ("bad.toml", "title = ", "bad.toml is not TOML"),
        ("binary.toml", b"\xff\xfe", "binary.toml cannot be read"),
    ],
)
def test_a_file_that_is_none_is_named(tmp_path, monkeypatch, name, text, message):
    monkeypatch.chdir(tmp_path)
    if text is not None:
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SweepError) as caught:
        read(name)
    assert message in str(caught.value)


def test_every_sweep_that_comes_along_can_be_planned():
    assert {name: len(expand(read(name))) for name in locate.sweeps()} == {"tlp_wsp": 139 * 2 * 9}
