"""Is every number of a scenario file told to be given, derived or assumed, as a person reads it there?"""

from __future__ import annotations

import re
import tomllib

import pytest

from quicsim import locate
from quicsim.reproduce.catalogue import chosen
from quicsim.reproduce.parameters import Origin, Parameter, parameters

G, D, A = Origin.GIVEN, Origin.DERIVED, Origin.ASSUMED

CASES = [
    ('a = "5ms"  # given: RTT 10 ms', [("a", '"5ms"', G, "RTT 10 ms")]),
    ("a = 1 # assumed", [("a", "1", A, "")]),
    ("a = 1   # Derived from b", [("a", "1", D, "from b")]),
    ("a = 1", [("a", "1", None, "")]),
    ("a = 1 # a remark", [("a", "1", None, "a remark")]),
    ("# Why so. assumed: nobody says\n# more of it\na = 1", [("a", "1", A, "Why so. assumed: nobody says more of it")]),
    ("# Numbers marked `given` are the paper's.\n\na = 1", [("a", "1", None, "")]),
    ("# given the loss, this waits\na = 1", [("a", "1", None, "given the loss, this waits")]),
    ('[links.x]\nrate = "1Mbps" # given', [("links.x.rate", '"1Mbps"', G, "")]),
    ("[t] # assumed: all of it\na = 1\nb = 2 # given", [("t.a", "1", A, "all of it"), ("t.b", "2", G, "")]),
    ("# The control; assumed.\n[variants.c]\na.b = 1", [("variants.c.a.b", "1", A, "The control; assumed.")]),
    ("[[f]]\nd = 1 # given\n[[f]]\nd = 2", [("f.0.d", "1", G, ""), ("f.1.d", "2", None, "")]),
    ('a = "# given" # assumed', [("a", '"# given"', A, "")]),
    ("a = '\\' # assumed", [("a", "'\\'", A, "")]),
    ("a = { b = 1, c = [2] } # given: both", [("a", "{ b = 1, c = [2] }", G, "both")]),
    ("a = [\n  1, # derived\n  2,\n]\nb = 1 # given", [("a", "[ 1, 2, ]", D, ""), ("b", "1", G, "")]),
    ("a = 1 # assumed: it\n      # goes on\nb = 2", [("a", "1", A, "it goes on"), ("b", "2", None, "")]),
    ('title = "x"\nsource = "y"\nseed = 1\n[[paper.marks]]\nvalue = "1s"', []),
]


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_a_line_says_where_its_value_is_from(text, expected):
    assert parameters(text) == [Parameter(*each) for each in expected]
    tomllib.loads(text)  # every case is TOML


def flat(document, place=()):
    """Every key that a document sets, as `parameters` names them, except what stands in one inline value."""
    for key, value in document.items():
        if isinstance(value, dict):
            yield from flat(value, (*place, key))
        elif isinstance(value, list) and value and all(isinstance(each, dict) for each in value):
            for number, each in enumerate(value):
                yield from flat(each, (*place, key, str(number)))
        else:
            yield ".".join((*place, key))


@pytest.mark.parametrize("path", locate.scenarios().values(), ids=lambda path: path.stem)
def test_no_key_of_a_file_is_missed(path):
    text = path.read_text()
    found = [each.key for each in parameters(text)]
    wanted = [
        key for key in flat(tomllib.loads(text)) if key.partition(".")[0] not in ("title", "source", "seed", "paper")
    ]
    assert len(found) == len(set(found))
    assert [key for key in wanted if not any(f"{key}.".startswith(f"{each}.") for each in found)] == []
    assert [key for key in found if not any(f"{each}.".startswith(f"{key}.") for each in wanted)] == []


def test_each_reproduced_scenario_says_it_of_every_number():
    names = {study.scenario for reproduction in chosen() for study in reproduction.studies}
    silent = [
        f"{name}: {each.key} = {each.value}"
        for name in sorted(names)
        for each in parameters(locate.scenario(name).read_text())
        if each.origin is None and re.search(r"\b\d", each.value)
    ]
    assert silent == []
