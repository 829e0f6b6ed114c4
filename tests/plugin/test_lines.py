"""Do a plugin's faults name the line of C, at home and at the peer, while only the object without lines travels?"""

import shutil

import pytest

from quicsim.events import PluginFaulted
from quicsim.plugin.catalogue import catalogue
from quicsim.plugin.package import PluginError, load_plugin, read_plugin
from tests.plugin.pipe import OBJECTS, Pipe

AT = "; wild.c:17:16: sum += ((volatile uint64_t *)my->words)[i];"


@pytest.fixture
def wild():
    return read_plugin(OBJECTS / "wild.o")


@pytest.mark.parametrize("entry", catalogue(), ids=lambda entry: entry.plugin.name)
def test_every_plugin_of_the_house_has_its_lines(entry):
    name, program = entry.plugin.name, entry.plugin.program
    source = (OBJECTS.parents[2] / "plugins" / name / f"{name}.c").read_text().splitlines()
    lines = [line for pc in range(len(program.instructions)) if (line := program.line_at(pc)) is not None]
    assert len(lines) >= 0.9 * len(program.instructions)
    assert all(line.file == f"{name}.c" and line.text == source[line.line - 1].strip() for line in lines)


def faults_of(attach):
    pipe = Pipe()
    pipe.connect()
    attach(pipe)
    pipe.run_for(100_000_000)
    pipe.send(1_000)
    pipe.run_for(100_000_000)
    return pipe.client.of(PluginFaulted)


def test_a_fault_at_home_names_the_line(wild):
    [fault] = faults_of(lambda pipe: pipe.client.plugins.attach(wild))
    assert fault.reason.endswith(AT)


@pytest.mark.parametrize("known", [True, False])
def test_a_fault_at_the_peer_names_it_where_the_lines_are_known(known, wild):
    def push(pipe):
        if known:
            pipe.client.plugins.debug_objects = {wild.data: wild.debug}
        pipe.server.plugins.push(wild)

    [fault] = faults_of(push)
    assert fault.reason.endswith(AT if known else "of region 66 (state), which has 16 bytes")


def test_what_travels_has_no_lines(wild):
    assert wild.data == (OBJECTS / "wild.o").read_bytes()
    assert b".BTF" in wild.debug
    assert b".BTF" not in wild.data


def test_lines_of_another_object_are_refused(tmp_path):
    shutil.copy(OBJECTS / "endless.o", tmp_path / "x.o")
    assert read_plugin(tmp_path / "x.o").debug is None
    shutil.copy(OBJECTS / "wild.debug.o", tmp_path / "x.debug.o")
    with pytest.raises(PluginError, match=r"/x\.debug\.o: its instructions are not those of .*/x\.o; build both from"):
        read_plugin(tmp_path / "x.o")


def test_an_object_without_lines_is_no_debug_object(wild):
    with pytest.raises(PluginError, match=r"^wild\.debug\.o: it has no source lines; build it with -g"):
        load_plugin(wild.data, source="wild.o", debug=wild.data)
