"""Does the command for conformance suites keep their protocol: r0 on standard output, or why there is none?"""

import io
import json
import subprocess
import sys

import pytest

import vm
from tests.vm.assembled import code
from tests.vm.engines import ENGINES
from vm import conformance
from vm.assembly import assemble

RETURN_42 = "b7 00 00 00 2a 00 00 00 95 00 00 00 00 00 00 00"
# The sum of the bytes, each of which it clears.
SUM = """
        mov %r3, %r1
        add %r3, %r2
        jeq %r2, 0, exit
next:   ldxb %r4, [%r1+0]
        add %r0, %r4
        stb [%r1+0], 0
        add %r1, 1
        jne %r1, %r3, next
        exit
"""


def in_hex(text):
    return code(*assemble(text)).hex(" ")


def command(*arguments, stdin=""):
    done = subprocess.run(
        [sys.executable, "-m", "vm.conformance", *arguments], input=stdin, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("engine", ENGINES)
def test_one_program_as_a_runner_calls_it(engine):
    assert command("--engine", engine, stdin=RETURN_42 + "\n") == (0, "2a\n", "")
    # As bpf_conformance passes memory: bytes with spaces, two after each.
    assert command("01  02  ff  ", "--engine", engine, stdin=in_hex(SUM)) == (0, "102\n", "")


@pytest.mark.parametrize(
    ("memory", "program", "message"),
    [
        ("", "", "program: the program is empty"),
        ("", "b7 0", "program: not bytes in hex: non-hexadecimal number"),
        ("0g", RETURN_42, "memory: not bytes in hex"),
        ("", "b7 00 00 00", "instruction 0: 4 bytes of code"),
        ("", in_hex("call 1\nexit"), "instruction 0: call of helper 1, which the host does not offer; it offers none"),
        ("", in_hex("ldxb %r0, [%r2+0]\nexit"), "instruction 0 of 'main' in 'main': access to 1 byte"),
        ("", in_hex("ja -1"), "the budget of 1000000 instructions is exhausted"),
    ],
)
def test_errors(monkeypatch, capsys, memory, program, message):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(program.encode())))
    assert conformance.main([memory]) == 1
    written = capsys.readouterr()
    assert written.out == ""
    assert message in written.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--engine", "other"), "invalid choice: 'other'"),
        (("--batch", "00"), "with --batch, memory is a key of each line"),
    ],
)
def test_wrong_arguments(capsys, arguments, message):
    with pytest.raises(SystemExit, match="2"):
        conformance.main(arguments)
    assert message in capsys.readouterr().err


BATCH = [
    ({"program": RETURN_42}, {"r0": "2a"}),
    ({"program": in_hex(SUM), "memory": "0102ff"}, {"r0": "102"}),
    ({"program": in_hex(SUM), "memory": "0102ff", "engine": "interpreter"}, {"r0": "102"}),
    ({"program": in_hex(SUM)}, {"r0": "0"}),
    ({"program": in_hex("lddw %r0, -1\nexit"), "engine": ENGINES[-1]}, {"r0": "ffffffffffffffff"}),
    ({"program": ""}, "program: the program is empty"),
    ({"program": "b7"}, "instruction 0: 1 bytes of code"),
    ({"program": in_hex("stb [%r1+3], 0\nexit"), "memory": "000000"}, "region 64 (memory), which has 3 bytes"),
    ({"program": RETURN_42, "engine": "other"}, "no engine 'other'"),
    ({"program": RETURN_42, "memory": 1}, "'memory': the keys are program, memory, engine, their values strings"),
    ({"program": RETURN_42, "helpers": "1"}, "'helpers': the keys are program, memory, engine"),
    ({"memory": "00"}, 'not a JSON object with "program"'),
    ([], 'not a JSON object with "program"'),
]


def test_a_batch():
    lines = [json.dumps(request) for request, _ in BATCH] + ["", "{", "[" * 100_000]
    status, out, err = command("--batch", stdin="\n".join(lines))
    assert (status, err) == (0, "")
    answers = [json.loads(line) for line in out.splitlines()]
    assert len(answers) == len(lines)
    for (request, expected), given in zip(BATCH, answers, strict=False):
        if isinstance(expected, dict):
            assert given == expected, request
        else:
            assert list(given) == ["error"]
            assert expected in given["error"]
    assert all(given["error"].startswith("not a line of JSON: ") for given in answers[len(BATCH) :])


def test_a_program_changes_only_its_own_memory():
    request = json.dumps({"program": in_hex(SUM), "memory": "05"}).encode()
    assert [conformance.answer(request, "interpreter") for _ in range(2)] == [{"r0": "5"}] * 2


def test_the_jit_is_never_stood_in_for(monkeypatch):
    from vm.jit import compiler

    monkeypatch.setattr(compiler, "is_available", lambda: False)
    with pytest.raises(vm.VmError, match="engine jit: there is none here; it needs llvmlite"):
        conformance.run(RETURN_42, "", "jit")
    assert conformance.run(RETURN_42, "", "interpreter") == 42
