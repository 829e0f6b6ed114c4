"""Are objects what their sources say, is bad C refused with the compiler's words, and is nothing half-written?"""

import shutil
import stat
from importlib.util import find_spec

import pytest

from quicsim import locate
from quicsim.plugin.build import main
from tests.plugin.pipe import OBJECTS

needs_compiler = pytest.mark.skipif(
    find_spec("ziglang") is None, reason="needs the compiler: pip install 'quicsim[build]'"
)

GOOD = (OBJECTS / "wild.c").read_text()


def source(directory, text=GOOD, name="one.c"):
    directory.mkdir(parents=True, exist_ok=True)
    (directory / name).write_text(text)
    return directory / name


def files(directory):
    return sorted(path.name for path in directory.iterdir())


@pytest.mark.long
@needs_compiler
@pytest.mark.parametrize("source", sorted(OBJECTS.rglob("*.c")), ids=lambda path: path.stem)
def test_the_objects_of_these_tests_are_what_their_sources_say(source, tmp_path):
    copy = tmp_path / source.parent.name / source.name
    shutil.copytree(source.parent, copy.parent, ignore=shutil.ignore_patterns("*.o"))
    assert main([str(copy)]) == 0
    assert copy.with_suffix(".o").read_bytes() == source.with_suffix(".o").read_bytes()
    if (debug := source.with_suffix(".debug.o")).exists():
        assert copy.with_suffix(".debug.o").read_bytes() == debug.read_bytes()


def test_every_source_of_these_tests_has_its_object():
    sources, objects = ({path.with_suffix("") for path in OBJECTS.rglob(f"*{kind}")} for kind in (".c", ".o"))
    assert {path for path in objects if path.suffix != ".debug"} == sources


@pytest.mark.long
@needs_compiler
def test_the_committed_plugins_are_fresh(capsys):
    assert main(["--check"]) == 0
    assert "generated files are fresh" in capsys.readouterr().out


@needs_compiler
def test_two_builds_in_different_places_are_the_same(tmp_path):
    first, second = source(tmp_path / "here"), source(tmp_path / "a much" / "longer" / "place")
    assert main([str(first), str(second)]) == 0
    for suffix in (".o", ".debug.o"):
        assert first.with_suffix(suffix).read_bytes() == second.with_suffix(suffix).read_bytes()
        assert str(tmp_path).encode() not in first.with_suffix(suffix).read_bytes()


@needs_compiler
@pytest.mark.parametrize(
    ("text", "words"),
    [
        (GOOD.replace("op->space", "op->spice"), "no member named 'spice'"),
        (GOOD.replace("(void)connection;", "int spare;"), "unused variable 'spare'"),
        ("#include <no.h>\n", "'no.h' file not found"),
        ('#include "parameters.h"\n', "parameters.h is made of the tables [parameters.NAME] of"),
    ],
)
def test_bad_c_gives_the_compiler_s_words_and_writes_nothing(text, words, tmp_path, capsys):
    good, bad = source(tmp_path), source(tmp_path, text, "two.c")
    assert main([str(good), str(bad)]) == 2
    said = capsys.readouterr()
    assert f"error: {bad}: the compiler failed" in said.err
    assert words in said.err
    assert "two.c:" in said.err
    assert said.out == ""
    assert files(tmp_path) == ["one.c", "two.c"]


@needs_compiler
@pytest.mark.parametrize(
    ("text", "words"),
    [
        (GOOD.replace("replace/SelectRetransmission", "replace/SetTimex"), "no operation 'SetTimex'"),
        (GOOD.replace('QUICSIM_PLUGIN("wild", "1.0", struct small);', ""), "a plugin says QUICSIM_PLUGIN"),
        (GOOD.replace("words[2]", "words[8193]"), "asks for 65544 bytes of memory"),
    ],
)
def test_good_c_that_is_no_plugin_is_refused_as_well(text, words, tmp_path, capsys):
    assert main([str(source(tmp_path, text))]) == 2
    assert words in capsys.readouterr().err
    assert files(tmp_path) == ["one.c"]


def test_a_missing_source_is_an_error_of_one_line(tmp_path, capsys):
    assert main([str(tmp_path / "no" / "such.c")]) == 2
    said = capsys.readouterr()
    assert said.err.startswith("error: ")
    assert len(said.err.splitlines()) == 1


def test_another_clang_needs_a_place_of_its_own(tmp_path, capsys):
    assert main(["--clang", "clang", str(source(tmp_path))]) == 2
    assert "--clang needs --output" in capsys.readouterr().err
    assert main(["--clang", "clang", "--output", str(tmp_path / "." / "x" / ".."), str(source(tmp_path))]) == 2
    assert "would overwrite" in capsys.readouterr().err
    assert main(["--clang", "clang", "--output", str(locate.plugin("tlp"))]) == 2
    assert "would overwrite" in capsys.readouterr().err
    assert files(tmp_path) == ["one.c"]


def test_another_clang_builds_into_its_place(tmp_path, capsys):
    """A stand-in for clang, which leaves an object and notes how it was called."""
    tlp = locate.plugin("tlp")
    clang = tmp_path / "clang"
    clang.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/called\n'
        f'case "$*" in *" -g "*) from={tlp}/tlp.debug.o;; *) from={tlp}/tlp.o;; esac\n'
        'while [ "$1" != -o ]; do shift; done\ncp $from "$2"\n'
    )
    clang.chmod(clang.stat().st_mode | stat.S_IXUSR)
    place = source(tmp_path / "sources")
    assert main(["--clang", str(clang), "--output", str(tmp_path / "out"), str(place)]) == 0
    assert (tmp_path / "out" / "one.o").read_bytes() == (tlp / "tlp.o").read_bytes()
    assert (tmp_path / "out" / "one.debug.o").read_bytes() == (tlp / "tlp.debug.o").read_bytes()
    assert files(place.parent) == ["one.c"]
    assert (tmp_path / "called").read_text().startswith("-target bpfel -O2 -mcpu=v3")


@needs_compiler
def test_check_writes_nothing_and_tells_what_is_stale(tmp_path, capsys):
    place = source(tmp_path)
    assert main(["--check", str(place)]) == 1
    assert f"stale: {place.with_suffix('.o')}" in capsys.readouterr().err
    assert files(tmp_path) == ["one.c"]
    assert main([str(place)]) == 0
    assert main(["--check", str(place)]) == 0


def test_a_missing_source_is_said_to_be_missing(tmp_path, capsys):
    assert main([str(tmp_path / "nosuch.c")]) == 2
    assert "nosuch.c: there is no such file" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
