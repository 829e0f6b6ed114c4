"""The table `cpu` of a host, and the calibration files it may begin with: what they give, and one error a mistake."""

import pytest

from quicsim.scenario.errors import ScenarioError
from quicsim.scenario.load import load

HEADER = 'title = "A machine"\nsource = "an example"\n'


def server(*overrides):
    return load("bulk_download", overrides).variant("default").hosts.server.cpu


def a_file(tmp_path, text, name="machine.toml"):
    path = tmp_path / name
    path.write_text(text)
    return path


@pytest.fixture
def machine(tmp_path):
    text = 'packet_sent = "10us"\nanchor_call = { bridge = "1us", vm = "200ns" }\ninstruction = "2.5ns"\n'
    return a_file(tmp_path, HEADER + text)


def test_without_the_table_there_is_no_core():
    assert server() is None


@pytest.mark.parametrize(
    ("written", "picoseconds"),
    [
        ('"2.5ns"', 2_500),
        ('"300ps"', 300),
        ("0", 0),
        ('"1us"', 1_000_000),
        ('{ bridge = "1us", vm = "200ns" }', 1_200_000),
        ('{ bridge = "1us", vm = 0 }', 1_000_000),
    ],
)
def test_a_price_is_a_duration_or_parts_that_add_up(written, picoseconds):
    assert server(f"hosts.server.cpu.anchor_call={written}").anchor_call_ps == picoseconds


def test_a_calibration_counts_where_the_table_says_nothing(machine):
    cpu = server(f"hosts.server.cpu.costs={machine}", "hosts.server.cpu.packet_sent=7us")
    assert (cpu.packet_sent_ps, cpu.anchor_call_ps, cpu.instruction_ps) == (7_000_000, 1_200_000, 2_500)
    assert (cpu.byte_ps, cpu.receive_buffer_bytes) == (0, 212_992)


def test_a_variant_does_without_a_part(machine):
    assert server(f"hosts.server.cpu.costs={machine}", "hosts.server.cpu.anchor_call.vm=0").anchor_call_ps == 1_000_000
    assert server(f"hosts.server.cpu.costs={machine}", "hosts.server.cpu.anchor_call=3ns").anchor_call_ps == 3_000


def test_a_path_in_a_scenario_counts_from_its_file(tmp_path, machine):
    from quicsim import locate

    text = locate.scenario("bulk_download").read_text()
    path = a_file(tmp_path, f'{text}\n[hosts.server.cpu]\ncosts = "{machine.name}"\n', "download.toml")
    assert load(path).variant("default").hosts.server.cpu.packet_sent_ps == 10_000_000


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ('packet_sent="-1us"', ["packet_sent", "negative", "give 0"]),
        ('instruction="3"', ["instruction", "the unit is missing"]),
        ("instruction=3", ["instruction", "no unit"]),
        ('byte="0.5ps"', ["byte", "whole number of ps"]),
        ('anchor_call={ cgo="-1us" }', ["anchor_call", "part cgo", "negative"]),
        ("anchor_call={}", ["anchor_call", "no parts"]),
        ('packet_send="1us"', ["packet_send", "unknown key", "packet_sent"]),
        ('receive_buffer="0B"', ["receive_buffer", "greater than 0"]),
        ("costs=nothing", ["costs", 'no calibration "nothing"']),
        ("costs=nowhere/else.toml", ["costs", "there is no calibration file nowhere/else.toml"]),
    ],
)
def test_a_mistake_in_the_table_is_one_clear_error(override, words):
    with pytest.raises(ScenarioError) as error:
        server(f"hosts.server.cpu.{override}")
    [problem] = error.value.problems
    for word in ("hosts.server.cpu", *words):
        assert word in problem


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('source = "x"', ["title", "is missing"]),
        (HEADER + 'packet_sent = "-1us"', ["packet_sent", "negative"]),
        (HEADER + 'packets = "1us"', ["packets", "unknown key"]),
        (HEADER + 'receive_buffer = "1kB"', ["receive_buffer", "unknown key"]),
        (HEADER + 'anchor_call = { vm = "fast" }', ["anchor_call", "part vm"]),
        ("title =", ["not TOML"]),
    ],
)
def test_a_mistake_in_a_calibration_names_its_file(tmp_path, text, words):
    path = a_file(tmp_path, text)
    with pytest.raises(ScenarioError) as error:
        server(f"hosts.server.cpu.costs={path}")
    [problem] = error.value.problems
    for word in (str(path), *words):
        assert word in problem


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("anchor_call.vn=0", ["anchor_call.vn", "unknown part", "vm"]),
        ("packet_sent.crypto=0", ["packet_sent", "has no parts"]),
    ],
)
def test_a_part_that_the_calibration_does_not_have_is_an_error(machine, override, words):
    with pytest.raises(ScenarioError) as error:
        server(f"hosts.server.cpu.costs={machine}", f"hosts.server.cpu.{override}")
    [problem] = error.value.problems
    assert all(word in problem for word in words)


def test_a_host_that_is_no_table_is_still_told():
    with pytest.raises(ScenarioError, match="is not a table"):
        load("bulk_download", ["hosts.server=3"])
    with pytest.raises(ScenarioError, match="is not a table"):
        server("hosts.server.cpu=3")
