"""Are a plugin's parameters what plugin.toml declares, checked wherever they are chosen, and what programs read?"""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicsim.events import PluginAttached
from quicsim.plugin.description import read_description
from quicsim.plugin.package import PluginError, load_plugin
from quicsim.plugin.parameters import (
    DECLARATION_SECTION,
    TYPES,
    VALUE_SECTION,
    Parameter,
    checked,
    declared,
    layout,
    packed,
)
from tests.plugin.pipe import OBJECTS, Pipe, compiled, plugin

LIMITER = plugin("limiter")
WINDOW, PATH = LIMITER.parameters


def test_the_object_says_what_its_plugin_toml_says():
    about = read_description(OBJECTS / "limiter" / "plugin.toml")
    assert about.parameters == LIMITER.parameters
    assert (WINDOW.name, WINDOW.minimum, WINDOW.maximum, WINDOW.default) == ("window", 4096, 10**9, 20_000)
    assert (PATH.name, PATH.minimum, PATH.maximum, PATH.default, PATH.unit) == ("path", 0, 7, 0, "path")
    assert about.meanings == {"window": "the window is never larger", "path": "the path whose window it is"}


def test_a_plugin_without_parameters_has_none():
    assert plugin("neutral").parameters == ()
    with pytest.raises(PluginError, match=r"plugin neutral: there is no parameter 'rate'; there are none"):
        checked("neutral", (), {"rate": 1})


# ------------------------------------------------------------------------------------------------------- what is chosen


@pytest.mark.parametrize(
    ("chosen", "numbers"),
    [
        ({}, {}),
        ({"window": 4096}, {"window": 4096}),
        ({"window": 10**9, "path": 7}, {"window": 10**9, "path": 7}),
        ({"window": "64KiB"}, {"window": 65_536}),
        ({"window": "150kB", "path": 0}, {"window": 150_000, "path": 0}),
    ],
)
def test_what_may_be_chosen(chosen, numbers):
    assert checked("limiter", LIMITER.parameters, chosen) == numbers


REFUSED = {
    "unknown": (
        {"windw": 1},
        "there is no parameter 'windw'; there are window, 4096 to 1000000000 (bytes); path, 0 to 7 (path)",
    ),
    "too small": ({"window": 4095}, "parameter window = 4095: it is out of range; give 4096 to 1000000000 (bytes)"),
    "too large": ({"window": 10**9 + 1}, "parameter window = 1000000001: it is out of range"),
    "negative": ({"path": -1}, "parameter path = -1: it is out of range; give 0 to 7 (path)"),
    "too large as text": ({"window": "2GB"}, "parameter window = '2GB': it is out of range"),
    "no unit": ({"window": "64"}, "parameter window = '64': size '64': the unit is missing"),
    "another unit": ({"window": "64ms"}, "parameter window = '64ms': size '64ms': 'ms' is no unit of size"),
    "text for a bare number": ({"path": "1"}, "parameter path = '1': give a whole number, 0 to 7 (path)"),
    "a fraction": ({"window": 5000.0}, "parameter window = 5000.0: give a whole number, 4096 to 1000000000 (bytes)"),
    "a truth": ({"path": True}, "parameter path = True: give a whole number, 0 to 7 (path)"),
    "nothing": ({"path": None}, "parameter path = None: give a whole number, 0 to 7 (path)"),
}


@pytest.mark.parametrize(("chosen", "complaint"), REFUSED.values(), ids=REFUSED)
def test_what_may_not_be_chosen_is_named_with_what_may(chosen, complaint):
    with pytest.raises(PluginError) as refused:
        checked("limiter", LIMITER.parameters, chosen)
    assert str(refused.value).startswith(f"plugin limiter: {complaint}")


@pytest.mark.parametrize(("chosen", "complaint"), REFUSED.values(), ids=REFUSED)
def test_neither_attaching_nor_pushing_takes_it(chosen, complaint):
    pipe = Pipe()
    pipe.connect()
    before = pipe.offered.copy()
    for act in (pipe.client.plugins.attach, pipe.client.plugins.push):
        with pytest.raises(PluginError) as refused:
            act(LIMITER, chosen)
        assert complaint in str(refused.value)
    pipe.settle()
    assert pipe.client.plugins.attachments == []
    assert pipe.offered == before, "nothing was sent"


@pytest.mark.parametrize(
    ("unit", "text", "number"),
    [
        ("bytes a second", "3MB/s", 3_000_000),
        ("bytes a second", "1KiB/s", 1_024),
        ("bits a second", "10Mbps", 10_000_000),
        ("bytes", "64KiB", 65_536),
        ("nanoseconds", "5ms", 5_000_000),
    ],
)
def test_quantities_may_be_written_with_their_units(unit, text, number):
    parameter = Parameter("some", TYPES["u64"], 0, 10**12, 0, unit)
    assert parameter.read(text) == parameter.read(number) == number


# --------------------------------------------------------------------------------------------------- what programs read


@pytest.mark.parametrize(("chosen", "window"), [({}, 20_000), ({"window": 30_000}, 30_000), ({"window": "9kB"}, 9_000)])
@pytest.mark.parametrize("how", ["attach", "push"])
def test_programs_read_what_was_chosen(chosen, window, how):
    pipe = Pipe()
    pipe.connect()
    if how == "attach":
        pipe.server.plugins.attach(LIMITER, chosen)
    else:
        pipe.client.plugins.push(LIMITER, chosen)
        pipe.settle()
    pipe.send(200_000, "server")
    pipe.settle()
    assert pipe.server.connection.path.cwnd_bytes == window
    assert set(pipe.server.logged) == {window}
    [attached] = pipe.server.of(PluginAttached)
    assert attached.parameters == (f"window={window}", "path=0")


def test_two_connections_choose_for_themselves():
    windows = []
    for chosen in ({"window": 9_000}, {}, {"window": 12_000}):
        pipe = Pipe(watched=False)
        pipe.connect()
        pipe.server.plugins.attach(LIMITER, chosen)
        pipe.send(200_000, "server")
        pipe.settle()
        windows.append(pipe.server.connection.path.cwnd_bytes)
    assert windows == [9_000, 20_000, 12_000]


# ------------------------------------------------------------------------------------------------- what the object says

KINDS = st.sampled_from(sorted(TYPES))
UNITS = st.sampled_from(["", "bytes", "bytes a second", "apples", "steps (of 8)"])


@st.composite
def parameters(draw):
    names = draw(st.lists(st.from_regex(r"\A[a-z][a-z0-9_]{0,30}\Z"), min_size=1, max_size=6, unique=True))
    made = []
    for name in names:
        kind = TYPES[draw(KINDS)]
        low, middle, high = sorted(draw(st.lists(st.integers(0, kind.maximum), min_size=3, max_size=3)))
        made.append(Parameter(name, kind, low, high, middle, draw(UNITS)))
    return tuple(made)


def sections_of(chosen):
    text = "\n".join(each.declaration for each in chosen).encode() + b"\0"
    return {DECLARATION_SECTION: text, VALUE_SECTION: packed(chosen, {each.name: each.default for each in chosen})}


@given(parameters())
def test_declarations_come_out_as_they_went_in(chosen):
    assert declared(sections_of(chosen), "x") == chosen


@given(parameters(), st.data())
def test_what_is_chosen_lies_where_the_c_structure_has_it(chosen, data):
    values = {each.name: data.draw(st.integers(each.minimum, each.maximum)) for each in chosen}
    content = packed(chosen, values)
    for place in layout(chosen).places:
        assert place.offset % place.field.type.size_bytes == 0
        [value] = struct.unpack_from(f"<{place.field.type.format}", content, place.offset)
        assert value == values[place.field.name]


GOOD = sections_of(LIMITER.parameters)
TEXT, VALUES = GOOD[DECLARATION_SECTION], GOOD[VALUE_SECTION]


@pytest.mark.parametrize(
    ("text", "values", "complaint"),
    [
        (TEXT, None, "come together"),
        (None, VALUES, "come together"),
        (TEXT, VALUES + b"\0", "has 17 bytes; what is declared takes 16"),
        (TEXT, bytes(16), "minimum 4096, default 0 and maximum 1000000000 must be in this order"),
        (b"", VALUES, "'' declares no parameter"),
        (TEXT.replace(b"u64", b"i64"), VALUES, "'window i64 4096 1000000000 bytes' declares no parameter"),
        (TEXT.replace(b"window", b"Window"), VALUES, "declares no parameter"),
        (TEXT.replace(b"bytes", b"\x1b[1mb"), VALUES, "declares no parameter"),
        (TEXT.replace(b"0 7 path", b"0 7 "), VALUES, "'path u8 0 7 ' declares no parameter"),
        (TEXT.replace(b"path u8", b"window u8"), VALUES, "a parameter is declared twice"),
        (TEXT.replace(b"path u8 0 7 path", b"path u8 0 256"), VALUES, "from 0 to 255"),
        (TEXT.replace(b"1000000000", b"9" * 21), VALUES, "declares no parameter"),
    ],
)
def test_an_object_that_contradicts_itself_is_no_plugin(text, values, complaint):
    sections = {name: part for name, part in ((DECLARATION_SECTION, text), (VALUE_SECTION, values)) if part is not None}
    with pytest.raises(PluginError) as refused:
        declared(sections, "some.o")
    assert str(refused.value).startswith("some.o: section")
    assert complaint in str(refused.value)


@given(st.binary(max_size=60), st.binary(max_size=20))
def test_whatever_the_sections_hold_is_parameters_or_an_error_of_plugins(text, values):
    try:
        declared({DECLARATION_SECTION: text, VALUE_SECTION: values}, "x")
    except PluginError:
        return


def test_a_changed_default_in_the_object_is_checked_too():
    data = compiled("limiter")
    with pytest.raises(PluginError, match="minimum 4096, default 1 and"):
        load_plugin(data.replace((20_000).to_bytes(8, "little"), (1).to_bytes(8, "little")), source="x")


# ------------------------------------------------------------------------------------------------ what plugin.toml says


def written(tmp_path, table):
    file = tmp_path / "plugin.toml"
    file.write_text(f'description = "x"\nsource = "y"\n{table}\n')
    return file


def test_without_a_range_it_is_the_type_s(tmp_path):
    about = read_description(written(tmp_path, '[parameters.some]\ntype = "u16"\ndefault = 5\ndescription = "z"'))
    assert about.parameters == (Parameter("some", TYPES["u16"], 0, 65_535, 5),)


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ("parameters = 3", "parameters: write one table a parameter, [parameters.NAME]"),
        ("[parameters]\nsome = 3", "parameters.some: is no table; it holds type, minimum"),
        ("[parameters.some]\ncolour = 3", "parameters.some.colour: unknown key; a parameter holds type, minimum"),
        ("[parameters.some]\ndefault = 1", "parameters.some.type: None is no type of a parameter; write u8, u16"),
        ("[parameters.some]\ntype = 'int'", "parameters.some.type: 'int' is no type"),
        ("[parameters.some]\ntype = ['u8']", "parameters.some.type: ['u8'] is no type"),
        ("[parameters.some]\ntype = 'u8'", "parameters.some.default: None is no whole number"),
        ("[parameters.some]\ntype = 'u8'\ndefault = true", "parameters.some.default: True is no whole number"),
        ("[parameters.some]\ntype = 'u8'\ndefault = 1\nminimum = '0'", "parameters.some.minimum: '0' is no whole"),
        ("[parameters.some]\ntype = 'u8'\ndefault = 1", "parameters.some.description: None is no text"),
        (
            "[parameters.some]\ntype = 'u8'\ndefault = 1\ndescription = 'z'\nunit = 1",
            "parameters.some.unit: 1 is no text",
        ),
        ("[parameters.some]\ntype = 'u8'\ndefault = 256\ndescription = 'z'", "from 0 to 255"),
        ("[parameters.some]\ntype = 'u8'\ndefault = 1\nminimum = 2\ndescription = 'z'", "must be in this order"),
        ("[parameters.Some]\ntype = 'u8'\ndefault = 1\ndescription = 'z'", "a name has lower-case letters"),
        (
            "[parameters.some]\ntype = 'u8'\ndefault = 1\nunit = 'two  spaces'\ndescription = 'z'",
            "in ASCII without quotes",
        ),
        (
            "[parameters.some]\ntype = 'u8'\ndefault = 1\nunit = 'back\\\\n'\ndescription = 'z'",
            "in ASCII without quotes",
        ),
        ("[parameters.some]\ntype = 'u8'\ndefault = 1\nunit = 'µs'\ndescription = 'z'", "in ASCII without quotes"),
        ("[parameters.some]\ntype = 'u8'\ndefault = 1\nunit = 'a\"b'\ndescription = 'z'", "in ASCII without quotes"),
    ],
)
def test_a_bad_declaration_is_refused_with_its_place(table, complaint, tmp_path):
    file = written(tmp_path, table)
    with pytest.raises(PluginError) as refused:
        read_description(file)
    assert str(refused.value).startswith(str(file))
    assert complaint in str(refused.value)
