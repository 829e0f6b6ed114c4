"""Does each application of a file run, measure what its page says, and refuse what makes no sense?"""

import pytest

from quicsim.distributions import Always, Exponential, OneOf, Pareto, Uniform
from quicsim.scenario.errors import ScenarioError
from quicsim.scenario.load import load

HEAD = """
title = "Applications"
source = "this test"
[hosts.client]
profile = "rfc9002"
[hosts.server]
profile = "rfc9002"
[links.access]
between = ["client", "server"]
rate = "5Mbps"
delay = "10ms"
queue = { kind = "drop-tail", limit = "2 BDP" }
"""

VIDEO = """
[video]
segments = 4
segment = "1s"
bitrates = ["300kbps", "1Mbps"]
adaptation = "buffer"
buffer = "6s"
startup = "2s"
request_size = "300B"
"""

WEB = """
[web]
request_size = "400B"
objects = [{ name = "html", size = "5kB" }, { name = "image", size = "20kB", after = ["html"], wait = "3ms" }]
"""

REQUESTS = """
[requests]
count = 6
request_size = { kind = "uniform", least = "100B", most = "200B" }
response_size = { kind = "pareto", least = "1kB", shape = 1.5, most = "100kB" }
gap = { kind = "exponential", mean = "50ms" }
streams = 2
"""

DATAGRAMS = """
[datagrams]
count = 100
size = "160B"
gap = "20ms"
deadline = "150ms"
"""

TRANSFER = """
[transfer]
size = "50kB"
request_size = "100B"
rate = "500kbps"
"""


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "applications.toml"
        path.write_text(HEAD + text)
        return path

    return write


@pytest.mark.parametrize(
    ("text", "metrics", "samples"),
    [
        (VIDEO, ["stalls", "stalled_s", "startup_s", "bitrate_bps", "switches", "completion_s"], 4),
        (WEB, ["load_s", "completion_s"], 2),
        (REQUESTS, ["completion_s"], 6),
        (TRANSFER, ["completion_s", "goodput_bps"], 0),
    ],
    ids=["video", "web", "requests", "transfer"],
)
def test_an_application_runs_and_is_measured(written, text, metrics, samples):
    first, second = load(written(text)).run(replications=2).runs
    assert list(first.metrics) == metrics
    assert len(first.samples.get("completion_s", ())) == samples
    assert (first.digest == second.digest) == (text != REQUESTS), "chance decides of requests only"


def test_a_source_is_not_faster_than_its_rate(written):
    [run] = load(written(TRANSFER)).run().runs
    assert 0.8 < run.metrics["completion_s"] < 0.95
    assert 400_000 < run.metrics["goodput_bps"] < 500_000


def test_distributions_are_read_with_their_units(written):
    requests = load(written(REQUESTS), ["requests.request_size='70B'"]).variant("default").requests
    assert requests.request_size_bytes == Always(70)
    assert isinstance(requests.response_size_bytes, Pareto)
    assert requests.gap_ns == Exponential(50_000_000)
    every = (
        load(written(REQUESTS.replace("gap", "every").replace("streams = 2", ""))).variant("default").requests.every_ns
    )
    assert every == Exponential(50_000_000)
    one = load(written(REQUESTS), ["requests.response_size={kind='one of', values=['1kB', '2kB']}"])
    assert one.variant("default").requests.response_size_bytes == OneOf((1_000, 2_000))
    assert isinstance(requests.model_copy().response_size_bytes, Pareto)
    assert load(written(REQUESTS)).variant("default").requests.request_size_bytes == Uniform(100, 200)


def test_distributions_are_written_as_a_file_has_them(written):
    requests = load(written(REQUESTS), ["requests.request_size='70B'"]).variant("default").requests
    assert requests.model_dump(mode="json", by_alias=True, exclude_defaults=True) == {
        "count": 6,
        "request_size": 70,
        "response_size": {"kind": "pareto", "least": 1_000, "shape": "3/2", "most": 100_000},
        "gap": {"kind": "exponential", "mean": 50_000_000},
        "streams": 2,
    }


ABANDONING = REQUESTS.replace('"1kB", shape = 1.5, most = "100kB"', '"50kB", shape = 1.1, most = "1MB"')


def test_what_is_abandoned_is_counted(written):
    [run] = load(written(ABANDONING), ["requests.abandon_after=300ms"]).run().runs
    assert run.metrics["abandoned"] == 6 - len(run.samples["completion_s"]) > 0
    assert run.metrics["abandoned_bytes"] > 0
    assert max(run.samples["completion_s"]) <= 0.3
    [run] = load(written(ABANDONING), ["requests.abandon_after=1ms"]).run().runs
    assert run.metrics == {"abandoned": 6.0, "abandoned_bytes": 0.0}
    slow = ["video.bitrates=['1Mbps', '3Mbps']", "video.adaptation=throughput", "video.abandon_after=500ms"]
    [run] = load(written(VIDEO), slow).run().runs
    assert run.metrics["abandoned"] >= 1, "a segment of 375 kB takes 0.6 s"
    assert run.metrics["abandoned_bytes"] > 100_000


def test_streams_beyond_the_servers_limit_wait(written):
    text = REQUESTS.replace("streams = 2", "streams = 6").replace('gap = { kind = "exponential", mean = "50ms" }', "")
    [free] = load(written(text)).run().runs
    [six] = load(written(text), ["hosts.server.max_streams=6"]).run().runs
    [two] = load(written(text), ["hosts.server.max_streams=2"]).run().runs
    assert six.samples["completion_s"] == pytest.approx(free.samples["completion_s"], rel=0.01), "MAX_STREAMS has bytes"
    assert max(two.samples["completion_s"]) > 1.2 * max(free.samples["completion_s"])
    assert len(two.samples["completion_s"]) == 6


@pytest.mark.parametrize("sender", ["client", "server"])
def test_datagrams_arrive_in_time_where_there_is_room(written, sender):
    [run] = load(written(DATAGRAMS), [f"datagrams.from={sender}"]).run().runs
    assert (run.metrics["arrived_ratio"], run.metrics["in_time_ratio"]) == (1.0, 1.0)
    assert (run.metrics["expired"], run.metrics["reported_lost"]) == (0.0, 0.0)
    assert 0.01 < run.metrics["delay_s"] < 0.012
    assert 0 <= run.metrics["jitter_s"] < 0.001
    assert len(run.samples["delay_s"]) == 100


def test_lost_datagrams_are_lost_and_told_of(written):
    [run] = load(written(DATAGRAMS), ["links.access.drop_every.client=10"]).run().runs
    assert 0.85 < run.metrics["arrived_ratio"] < 0.95
    assert run.metrics["in_time_ratio"] == run.metrics["arrived_ratio"]
    lost = round(100 * (1 - run.metrics["arrived_ratio"]))
    assert lost - 3 <= run.metrics["reported_lost"] <= lost, "the last ones' loss may not have been noticed by the end"


def test_datagrams_beyond_the_rate_are_late_or_with_a_lifetime_not_sent(written):
    """1000 B each 2 ms are 4 Mbps, twice what the link has."""
    beyond = ["datagrams.gap=2ms", "datagrams.count=400", "datagrams.size=1000B", "links.access.rate=2Mbps"]
    [late] = load(written(DATAGRAMS), beyond).run().runs
    assert late.metrics["in_time_ratio"] < 0.5 < late.metrics["arrived_ratio"] + late.metrics["in_time_ratio"]
    assert late.metrics["expired"] == 0
    [lively] = load(written(DATAGRAMS), [*beyond, "datagrams.lifetime=20ms"]).run().runs
    assert lively.metrics["expired"] > 50
    assert lively.metrics["in_time_ratio"] > late.metrics["in_time_ratio"]


def test_where_no_datagram_arrives_there_is_no_delay(written):
    [run] = load(written(DATAGRAMS), ["datagrams.deadline=1ms", "datagrams.count=1"]).run().runs
    assert run.metrics == {"arrived_ratio": 0.0, "in_time_ratio": 0.0, "expired": 0.0, "reported_lost": 0.0}
    assert not run.samples


WRONG = [
    (
        REQUESTS,
        "requests.gap={kind='exponentiel', mean='1s'}",
        "requests.gap: kind = 'exponentiel' is not known; write ",
    ),
    (REQUESTS, "requests.gap={kind='exponential', men='1s'}", 'unknown key "men"; did you mean "mean"?'),
    (REQUESTS, "requests.gap={kind='exponential'}", 'requests.gap: of kind "exponential" needs mean'),
    (REQUESTS, "requests.request_size={kind='uniform', least='0B', most='1B'}", "must be greater than 0"),
    (REQUESTS, "requests.request_size={kind='uniform', least='2B', most='1B'}", "least is above most"),
    (REQUESTS, "requests.request_size={kind='one of', values=[]}", "is no list of quantities"),
    (REQUESTS, "requests.response_size.shape=0", "shape = 0 is no number from above 0 to 100"),
    (REQUESTS, "requests.every=1s", "every makes requests whether or not others are answered; leave gap out"),
    (VIDEO, "video.bitrates=['1Mbps', '1Mbps']", "bitrates must rise"),
    (VIDEO, "video.startup=5500ms", "startup must be above 0, and a segment below buffer"),
    (VIDEO, "video.adaptation=guess", 'write "throughput" or "buffer"'),
    (WEB, "web.objects.0.after=['image']", "objects wait for each other in a circle: "),
    (WEB, "web.objects.1.after=['htm']", 'objects: "image" comes after "htm"; did you mean "html"?'),
    (WEB, "web.objects.1.name=html", 'there are two of the name "html"'),
    (TRANSFER, "transfer.write_every=0", "must be greater than 0"),
    (DATAGRAMS, "datagrams.size=7B", "datagrams.size: must be 8 bytes or more: each begins with its number"),
    (
        DATAGRAMS,
        "datagrams.size=1168B",
        "fit in one frame of this sender's to this receiver; 1167 do",
    ),
    (DATAGRAMS, "hosts.server.max_datagram_frame=100B", "160 bytes do not fit in one frame"),
    (DATAGRAMS, "hosts.server.max_datagram_frame=0", "takes no datagrams; leave it out to take any"),
    (DATAGRAMS, "hosts.server.max_datagram_frame=64KiB", "must be at most 65535 bytes"),
    (DATAGRAMS, "datagrams.gap=0", "datagrams.gap: must be greater than 0"),
    (REQUESTS, "hosts.server.max_streams=0", "hosts.server.max_streams"),
    (REQUESTS, f"hosts.server.max_streams={2**60 + 1}", "hosts.server.max_streams: input should be less than or equal"),
    (REQUESTS, f"hosts.server.active_connection_id_limit={2**62}", "hosts.server.active_connection_id_limit: input"),
    (REQUESTS, "requests.abandon_after=0", "requests.abandon_after: must be greater than 0"),
    (VIDEO, "video.abandon_after=0", "video.abandon_after: must be greater than 0"),
]


@pytest.mark.parametrize(("text", "override", "message"), WRONG, ids=[override for _, override, _ in WRONG])
def test_what_makes_no_sense_is_one_line(written, text, override, message):
    with pytest.raises(ScenarioError) as caught:
        load(written(text), [override])
    (line,) = str(caught.value).splitlines()
    assert message in line
