"""What may a scenario say, and what is said of one that is wrong?"""

import pickle
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest

import quicsim
from quicsim import locate
from quicsim.distributions import Always
from quicsim.scenario.errors import ScenarioError
from quicsim.scenario.load import headers, load, plugin_object
from quicsim.scenario.network import QueueLimit
from tests.scenario.fake import SCENARIO


@pytest.fixture
def path(tmp_path):
    (tmp_path / "some.o").write_bytes(b"\x7fELF")
    (tmp_path / "two.toml").write_text(SCENARIO)
    return tmp_path / "two.toml"


def problems(path, *overrides):
    with pytest.raises(ScenarioError) as caught:
        load(path, overrides)
    return str(caught.value).splitlines()


def test_values_become_integers_with_their_units(path):
    plain = load(path).variant("plain")
    link = plain.links["access"]
    assert link.rate_bps == {"client": 10_000_000, "server": 10_000_000}
    assert link.delay_ns == {"client": 5_000_000, "server": 7_000_000}
    assert link.queue.limit_of("server") == QueueLimit(65536, "bytes")
    assert link.queue.limit_of("client") == QueueLimit(100_000, "bytes")
    assert (plain.requests.count, plain.requests.response_size_bytes) == (3, Always(500))
    assert (plain.udp_ip_header_bytes, plain.time_limit_ns) == (28, 600 * 10**9)
    assert (plain.name, plain.seed) == ("two", 1)


def test_a_variant_is_laid_over_the_file(path):
    scenario = load(path)
    assert scenario.variants == ("plain", "plugged", "slow")
    assert scenario.variant("slow").links["access"].rate_bps == {"client": 10**6, "server": 10**6}
    assert scenario.variant("slow").links["access"].delay_ns == scenario.variant("plain").links["access"].delay_ns
    (use,) = scenario.variant("plugged").plugins
    assert (use.sender, use.receiver, use.pushed, use.when) == ("server", "client", True, "handshake done")
    assert scenario.variant("plugged").plugin_objects == {"./some.o": (path.parent / "some.o").resolve()}
    assert scenario.variant("plain").plugins == ()


def test_a_scenario_without_variants_has_one(path):
    path.write_text(SCENARIO.partition("[variants.plain]")[0])
    assert load(path).variants == ("default",)


@pytest.mark.parametrize("receiver", ['to = "server"', ""])
def test_a_plugin_for_its_own_host_is_not_pushed(path, receiver, monkeypatch):
    monkeypatch.chdir(path.parent)
    text = f'[{{name="./some.o", from="server"{", " if receiver else ""}{receiver}}}]'
    assert not load(path, [f"plugins={text}"]).variant("plain").plugins[0].pushed


@pytest.mark.parametrize(
    ("override", "variant", "look", "value"),
    [
        ("links.access.rate=20Mbps", "plain", lambda s: s.links["access"].rate_bps["server"], 20_000_000),
        ("links.access.rate=20Mbps", "slow", lambda s: s.links["access"].rate_bps["server"], 20_000_000),
        ("links.access.rate.client=2Mbps", "plain", lambda s: s.links["access"].rate_bps["client"], 2_000_000),
        ("links.access.rate.client=2Mbps", "plain", lambda s: s.links["access"].rate_bps["server"], 10_000_000),
        ("variants.slow.links.access.rate=3Mbps", "slow", lambda s: s.links["access"].rate_bps["client"], 3_000_000),
        ("variants.slow.links.access.rate=3Mbps", "plain", lambda s: s.links["access"].rate_bps["client"], 10_000_000),
        ("variants.plugged.plugins.0.from=client", "plugged", lambda s: s.plugins[0].sender, "client"),
        ("links.access.faults=[]", "plain", lambda s: s.links["access"].faults, ()),
        ("links.access.faults.0.drop=datagram 3", "plain", lambda s: s.links["access"].faults[0].drop, "datagram 3"),
        ("links.access.loss.server=0.1", "plain", lambda s: s.links["access"].loss, {"server": Fraction(1, 10)}),
        ("links.access.loss=1/3", "plain", lambda s: s.links["access"].loss["client"], Fraction(1, 3)),
        ("links.access.drop_every.server=100", "plain", lambda s: s.links["access"].drop_every, {"server": 100}),
        ("links.access.loss.server=100%", "plain", lambda s: s.links["access"].loss, {"server": 1}),
        ("links.access.loss=1%", "plain", lambda s: s.links["access"].loss["server"], Fraction(1, 100)),
        ("quic.profile=rfc9002", "plain", lambda s: s.hosts.client.profile, "rfc9002"),
        ("quic.profile=rfc9002", "plain", lambda s: s.hosts.server.profile, "rfc9002"),
        ("quic.congestion_control=cubic", "slow", lambda s: s.hosts.server.congestion_control, "cubic"),
        ("quic.max_datagram_bytes=1300", "plain", lambda s: s.hosts.client.datagram_size_bytes, 1300),
        ("quic.max_datagram_bytes=1300B", "plain", lambda s: s.hosts.server.datagram_size_bytes, 1300),
        ("quic.max_ack_delay=5ms", "plain", lambda s: s.hosts.server.max_ack_delay_ns, 5_000_000),
        ("hosts.client.plugins=false", "plain", lambda s: s.hosts.client.plugins, False),
        ("hosts.server.certificate_chain=5kB", "slow", lambda s: s.hosts.server.certificate_chain_bytes, 5000),
        ("requests.count=7", "plain", lambda s: s.requests.count, 7),
        ("seed=9", "slow", lambda s: s.seed, 9),
    ],
)
def test_an_override_reaches_any_key(path, override, variant, look, value):
    assert look(load(path, [override]).variant(variant)) == value


def test_what_both_hosts_share_stands_under_what_a_host_says():
    shared = ["quic.congestion_control=cubic", "hosts.client.congestion_control=newreno"]
    hosts = load("bulk_download", shared).variant("default").hosts
    assert (hosts.client.congestion_control, hosts.server.congestion_control) == ("newreno", "cubic")


@pytest.mark.parametrize(
    ("override", "loss"),
    [
        ("loss=1%", {"server": Fraction(1, 100)}),  # the file says that losses are the server's
        ("loss={client=0.5}", {"client": Fraction(1, 2)}),  # a table replaces the table
    ],
)
def test_one_value_is_for_the_senders_that_the_file_names(override, loss):
    scenario = load("bulk_download", [f"links.bottleneck.{override}"])
    assert scenario.variant("default").links["bottleneck"].loss == loss


@pytest.mark.parametrize("turn", [1, -1])
def test_an_override_of_one_variant_wins_over_one_of_all(path, turn):
    overrides = ["links.access.rate=20Mbps", "variants.slow.links.access.rate=3Mbps"][::turn]
    scenario = load(path, overrides)
    rates = {name: scenario.variant(name).links["access"].rate_bps["client"] for name in scenario.variants}
    assert rates == {"plain": 20_000_000, "plugged": 20_000_000, "slow": 3_000_000}


def test_a_queue_may_count_packets(path):
    overrides = ["links.access.queue.limit=50 packets", "links.access.queue.at_least.client=60 packets"]
    queue = load(path, overrides).variant("plain").links["access"].queue
    assert (queue.limit_of("server"), queue.limit_of("client")) == (
        QueueLimit(50, "packets"),
        QueueLimit(60, "packets"),
    )


WRONG = [
    ("links.acces.rate=1Mbps", 'unknown link; did you mean "access"?'),
    ("links.access.rat=1Mbps", 'links.access.rat: unknown key; did you mean "rate"?'),
    ("links.access.rate=10Mbit", "'Mbit' is no unit of rate"),
    ("links.access.rate=-1Mbps", "links.access.rate: rate '-1Mbps' is negative"),
    ("links.access.rate=0bps", "links.access.rate: must be greater than 0"),
    ("hosts.client.max_data=0B", "hosts.client.max_data: must be greater than 0"),
    ("hosts.server.max_stream_data=0B", "hosts.server.max_stream_data: must be greater than 0"),
    ("requests.request_size=9999999999GB", "requests.request_size: must be less than 2**62 bytes"),
    ("hosts.server.certificate_chain=17MB", "certificate_chain: must be less than 2**24 bytes"),
    ("plugins=[{name='./some.o', from='client', when='handshake done'}]", "when is for a plugin that is pushed"),
    ("links.access.rate={client='1Mbps'}", 'says nothing for what "server" sends'),
    ("links.access.rate.srver=1Mbps", 'links.access.rate.srver: \'srver\' is not known; write "client" or "server"'),
    ("links.access.delay=5", "links.access.delay: duration 5 has no unit"),
    ("links.access.between=['client', 'client']", 'joins "client" to itself'),
    ("links.access.loss.server=2", "it must lie between 0 and 1"),
    ("links.access.loss.server=often", "write a number from 0 to 1"),
    ("links.access.loss.server=inf", "write a number from 0 to 1"),
    ("links.access.queue.kind=rde", 'queue.kind: \'rde\' is not known; write "drop-tail", "red" or "linux-red"'),
    ("links.access.queue.limit=50 packets", "at_least.client counts bytes and limit counts packets"),
    ("links.access.faults.0.drop=something", "rule 'something' is not known"),
    ("links.access.faults.3.drop=datagram 1", 'no entry "3"; the list has 1'),
    ("links=3", "links: 3 is not a table"),
    ("variants.slwo.time_limit=5s", 'unknown variant; did you mean "slow"?'),
    ("variants.slow.seed=5", "seed: is the same for all variants"),
    ("variants={}", "variants: "),
    ("titel=x", 'titel: unknown key; did you mean "title"?'),
    ("seed=abc", "seed: 'abc' is not a whole number"),
    ("seed=-1", "seed: input should be greater than or equal to 0"),
    ("replications=0", "replications: input should be greater than or equal to 1"),
    ("links.access.loss=101%", "it must lie between 0 and 1"),
    ("links.access.loss=%", "write a number from 0 to 1, or a percentage"),
    ("quic.frofile=rfc9002", 'quic.frofile: unknown key; did you mean "profile"?'),
    ("quic.profile=rfc9001", 'write "picoquic", "rfc9002", "mp-quic", "multipath" or "aioquic"'),
    ("quic.max_datagram_bytes=100", "quic.max_datagram_bytes: must lie between 1200 and 65527 bytes"),
    ("quic.max_datagram_bytes=1200.5", "1200.5 is not a whole number of bytes; write one such as 1350"),
    ("quic=3", "quic: 3 is not a table"),
    ("hosts.client.profile=rfc9001", 'write "picoquic", "rfc9002", "mp-quic", "multipath" or "aioquic"'),
    ("hosts.client.certificate_chain=3kB", "chain: unknown key; it is hosts.server.certificate_chain"),
    ("hosts.client.retry=true", "hosts.client.retry: unknown key; it is hosts.server.retry"),
    ("quic.retry=true", "quic.retry: unknown key; it is hosts.server.retry"),
    ("quic.ecn=true", "quic.ecn: unknown key; it is hosts.client.ecn and hosts.server.ecn"),
    ("hosts.client.xyzzy=true", "hosts.client.xyzzy: unknown key; known here:"),
    (
        "quic.ack_frequency.threshold=3",
        'unknown key; did you mean "ack_eliciting_threshold" or "reordering_threshold"?',
    ),
    ("hosts.server.retry=yes", "hosts.server.retry: 'yes' is neither true nor false; write one of them"),
    ("plugins=some", """plugins: 'some' is not a list; write its entries in brackets, such as [{name = "tlp", from"""),
    ("hosts.client.paths=access", """'access' is not a list; write its entries in brackets, such as ["a", "b"]"""),
    ("links.access.loss=1", 'access.loss: 1 loses everything; write "1%" or 0.01 for one datagram in a hundred'),
    ("links.access.loss.server=1.0", 'loss.server: 1.0 loses everything; write "1%" or 0.01'),
    ("links.access.loss={client=1%}", "{client=1%} is no TOML ("),
    ("links.access.loss={client=1%}", '; a text in it stands in quotes, such as {client = "1%"}'),
    ("links.access.delay=5.5", "links.access.delay: duration 5.5 has no unit"),
    ("hosts.clnt.profile=picoquic", 'hosts.clnt: unknown key; did you mean "client"?'),
    ("hosts.client.datagram_size=100B", "between 1200 and 65527 bytes"),
    ("hosts.client.plugins=yes", "hosts.client.plugins: "),
    ("requests.count=1.5", "requests.count: 1.5 is not a whole number"),
    ("requests.request_size=0B", "requests.request_size: must be greater than 0"),
    ("plugins=[{name='./some.o', from='server', whn=3}]", 'plugins.0.whn: unknown key; did you mean "when"?'),
    ("plugins=[{name='./none.o', from='server'}]", "plugins.0.name: there is no plugin object"),
    ("plugins=[{name='./some.c', from='server'}]", "plugins.0.name: ./some.c is C source: build it"),
    ("plugins=[{name='no-such', from='server'}]", "plugins.0.name: There is no plugin 'no-such'"),
    ("paper.marks.0.value=50", "paper.marks.0.value: duration 50 has no unit"),
    ("paper.marks.0.variant=plian", 'paper.marks.0.variant: unknown variant "plian"; did you mean "plain"?'),
    ("name=foo", "name: unknown key"),
    ("noequals", "write KEY=VALUE"),
    ("two words=3", "write KEY=VALUE"),
    ("=3", "write KEY=VALUE"),
]


@pytest.mark.parametrize(("override", "message"), WRONG, ids=[override for override, _ in WRONG])
def test_a_wrong_override_is_one_line_that_names_it(path, override, message):
    (line,) = problems(path, override)
    assert line.startswith(f'override "{override}": ')
    assert message in line


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ("quic.congestion_control=bbr", '"bbr" has its own; write "cut", or take "newreno" or "cubic"'),
        ("quic.profile=aioquic", 'profile "aioquic" has no such choice; leave it out'),
    ],
)
@pytest.mark.parametrize("scenario", ["bulk_download", "sharing"])
def test_what_both_hosts_have_from_quic_is_complained_of_there(scenario, other, message):
    (line,) = problems(scenario, "quic.recovery=prr", other)
    assert line == f'override "quic.recovery=prr": quic.recovery: {message}'
    (line,) = problems(scenario, "hosts.server.recovery=prr", other)
    assert line == f'override "hosts.server.recovery=prr": hosts.server.recovery: {message}'


def test_two_applications_or_none_are_refused(path):
    (line,) = problems(path, "transfer.size=1MB", "transfer.request_size=1B")
    assert line == (
        f"{path}: needs exactly one application: [requests], [transfer], [messages], [datagrams], [video] or [web]; "
        "there are [requests] and [transfer]"
    )
    path.write_text(SCENARIO.replace("[requests]", "[request]"))
    assert f'{path}: request: unknown key; did you mean "requests"?' in problems(path)


def test_every_mistake_of_a_file_has_its_line_and_its_place(path):
    text = SCENARIO.replace('rate = "10Mbps"', 'rate = "ten"\ndela = 3').replace('rate = "1Mbps"', 'rate = "one"')
    path.write_text(text.replace('"64KiB"', '"64 KiBB"'))
    lines = problems(path)
    places = [line.removeprefix(f"{path}: ").partition(":")[0] for line in lines]
    assert sorted(places) == [
        "links.access.dela",
        "links.access.queue.limit",
        "links.access.rate",
        "variants.slow.links.access.rate",
    ]
    assert len(lines) == len(set(lines))


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"title = ", "is not TOML"), (b"\xff\xfe", "cannot be read"), (b"", "title: is missing")],
)
def test_what_is_no_scenario_is_said_to_be_none(tmp_path, content, message):
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    assert message in problems(path)[0]


def test_a_missing_file_name_or_variant_is_named(path):
    assert problems("./nowhere.toml") == ["there is no scenario file nowhere.toml"]
    assert "did you mean 'fig3_tlp'" in problems("fig3_tpl")[0]
    with pytest.raises(ScenarioError, match='two has no variant "slwo"; did you mean "slow"'):
        load(path).variant("slwo")


def test_a_plugin_can_stand_in_for_those_that_are_used(path, tmp_path):
    other = tmp_path / "other.o"
    other.write_bytes(b"")
    scenario = load(path).with_plugin(str(other))
    assert scenario.variant("plugged").plugins[0].name == str(other)
    assert scenario.variant("plugged").plugin_objects == {str(other): other.resolve()}
    assert scenario.variant("plain").plugins == ()
    path.write_text(SCENARIO.replace("plugins =", "time_limit = '5s' #"))
    with pytest.raises(ScenarioError, match="no variant of two uses a plugin") as caught:
        load(path).with_plugin(str(other))
    written = str(caught.value).partition("--set '")[2].removesuffix("'")
    assert load(path, [written]).variant("plain").plugin_objects == {str(other): other.resolve()}
    with pytest.raises(ScenarioError, match="There is no plugin 'nine'"):
        load(path).with_plugin("nine")
    with pytest.raises(ScenarioError, match="there is no plugin object"):
        plugin_object(str(tmp_path / "missing.o"))


@pytest.mark.parametrize("overrides", ["requests.count=5", {"requests.count": 5}, [5]])
def test_overrides_that_are_no_list_of_texts_are_refused(path, overrides):
    with pytest.raises(ScenarioError) as caught:
        load(path, overrides)
    assert str(caught.value) == f'overrides is {overrides!r}; give a list of texts, for instance ["requests.count=5"]'


def test_a_variant_of_the_file_that_misnames_a_link_is_told_the_known_ones(path):
    path.write_text(SCENARIO.replace('links.access.rate = "1Mbps"', 'links.acces.rate = "1Mbps"'))
    assert problems(path) == [f'{path}: variants.slow.links.acces: unknown link; did you mean "access"?']
    path.write_text(path.read_text().replace("links.acces.", "links.wifi."))
    assert problems(path) == [f"{path}: variants.slow.links.wifi: unknown link; known here: access"]


def test_a_scenario_is_shown_as_a_line(path):
    shown = repr(load(path, ["seed=4"]))
    assert shown == "<Scenario two: 8 replications of plain, plugged, slow, seed 4, with seed=4>"


def test_a_setup_crosses_to_another_process(path):
    setup = load(path).variant("plugged")
    assert pickle.loads(pickle.dumps(setup)) == setup


def test_the_scenarios_that_come_along_have_their_headers():
    assert set(headers()) == set(locate.scenarios()) >= {"fig3_tlp", "bulk_download"}
    assert headers()["fig3_tlp"].replications == 100


def test_the_bulk_download_is_the_row_it_is_compared_with():
    setup = load("bulk_download").variant("default")
    link = setup.links["bottleneck"]
    assert (link.rate_bps["server"], link.delay_ns["client"]) == (10_000_000, 20_000_000)
    assert link.queue.limit_of("server") == link.queue.limit_of("client") == QueueLimit(100_000, "bytes")
    assert (setup.transfer.size_bytes, setup.hosts.server.datagram_size_bytes) == (5_000_000, 1200)


def test_figure_3_compares_the_plugin_with_the_timers_of_both_profiles():
    scenario = load("fig3_tlp")
    assert scenario.variants == ("without", "with-tlp", "rfc9002")
    assert {mark.variant: mark.value for mark in scenario.marks} == {"without": 0.05, "with-tlp": 0.03}
    assert scenario.variant("rfc9002").hosts.client.profile == "rfc9002"
    assert {scenario.variant(name).requests.start_ns for name in scenario.variants} == {10**9}


@pytest.mark.parametrize(
    "first", ["", "import quicsim.scenario.load", "import quicsim.scenario", "import quicsim.results"]
)
def test_quicsim_scenario_is_callable_whatever_was_imported_first(first):
    program = f"{first}\nimport quicsim\nprint(quicsim.scenario('bulk_download').variants)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "('default',)\n"


def test_import_quicsim_is_light():
    program = "import sys, quicsim; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {"pydantic", "typer", "simpy", "matplotlib", "numpy", "scipy"} & set(done.stdout.split())
    assert "scenario" in dir(quicsim)
    with pytest.raises(AttributeError, match="no attribute 'scenery'"):
        quicsim.scenery  # noqa: B018


def test_a_scenario_can_be_given_as_a_path(path):
    assert quicsim.scenario(Path(path), ["seed=4"]).seed == 4


def test_a_relative_plugin_of_an_override_counts_from_here(path, tmp_path, monkeypatch):
    here = tmp_path / "elsewhere"
    here.mkdir()
    (here / "mine.o").write_bytes(b"\x7fELF")
    monkeypatch.chdir(here)
    whole = load(path, ['variants.plugged.plugins=[{name="mine.o", from="client"}]'])
    assert whole.variant("plugged").plugin_objects == {"mine.o": (here / "mine.o").resolve()}
    named = load(path, ["variants.plugged.plugins.0.name=mine.o"])
    assert named.variant("plugged").plugin_objects == {"mine.o": (here / "mine.o").resolve()}
    assert "some.o" in problems(path, "variants.plugged.plugins.0.name=./some.o")[0], "the file's own is not looked for"
