"""Do damaged objects do no harm; and is a loader that believes what it reads found out?"""

from random import Random

import pytest

import vm
from vm import source
from vm.fuzz import objects
from vm.fuzz.__main__ import main
from vm.fuzz.objects import DAMAGES, attempt, corpus
from vm.linker import R_BPF_64_32, R_BPF_64_64, _Linker

SEED = 3
TRIES = 1_200
MOST_TRIES = 4_000
"""How many tries a planted bug may survive."""


def test_damaged_objects_do_no_harm():
    outcomes = [attempt(SEED, number) for number in range(TRIES)]
    assert [outcome.violation for outcome in outcomes if outcome.violation] == []
    loaded, refused, runs = (
        sum(outcome.counts[name] for outcome in outcomes) for name in ("loaded", "refused", "runs")
    )
    assert loaded + refused == TRIES
    assert min(loaded, refused) > TRIES // 10, "both happen often enough to mean something"
    assert runs > loaded


@pytest.mark.long
def test_many_damaged_objects_do_no_harm():
    assert [
        found.violation for found in (attempt(SEED + 1, number) for number in range(30_000)) if found.violation
    ] == []


def test_the_same_try_is_the_same_damage():
    assert [attempt(5, number).counts for number in range(50)] == [attempt(5, number).counts for number in range(50)]
    assert len({tuple(attempt(5, number).counts.items()) for number in range(50)}) > 1


def test_the_command_counts_and_names_its_seed(capsys):
    assert main(["elf", "--programs", "30", "--seed", "9"]) == 0
    printed = capsys.readouterr().out.strip()
    assert printed.startswith("elf: programs 30, ")
    assert printed.endswith("violations 0, seed 9")


def test_undamaged_objects_load_and_run():
    for name, data in corpus():
        assert objects.tried(data)["loaded"] == 1, name


@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 200])
def test_what_is_left_of_a_file_can_be_damaged_again(size):
    for damage in set(DAMAGES):
        for seed in range(40):
            data = bytearray(corpus()[0][1][:size])
            damage(Random(seed), data)


def relocations_anywhere(patch):
    """What a relocation points at is patched without a look at where it is."""

    def wrong(self, relocation):
        section = self.file.sections[relocation.section]
        kinds = {R_BPF_64_64: self._relocate_address, R_BPF_64_32: self._relocate_call}
        kinds.get(relocation.kind, self._relocate_pointer)(relocation, section)

    patch.setattr(_Linker, "_relocate", wrong)


def lines_as_they_say(patch):
    """The number of records is believed."""

    def wrong(self, data, place, end, record_bytes):
        while place < end:
            name, count = source._BLOCK.unpack_from(data, place)
            yield place + 8, self._name(name, place), count
            place += 8 + count * record_bytes

    patch.setattr(source._Reader, "_blocks", wrong)


def functions_anywhere(patch):
    """A function may begin and end where the symbols say."""
    patch.setattr(vm.Program, "_check_function", lambda self, function: None)


def another_error(patch):
    """A mistake in the decoder raises something else."""

    def wrong(*_, **__):
        raise KeyError("no such row")

    patch.setattr(vm.linker, "decode", wrong)


PLANTED = (relocations_anywhere, lines_as_they_say, functions_anywhere, another_error)


@pytest.mark.parametrize("plant", PLANTED)
def test_a_planted_bug_is_found(plant, monkeypatch):
    plant(monkeypatch)
    found = next((number for number in range(MOST_TRIES) if attempt(SEED, number).violation), None)
    assert found is not None, f"{MOST_TRIES} tries of seed {SEED} did not show it"


def test_a_violation_names_its_try_and_the_command_ends_with_1(monkeypatch, capsys):
    another_error(monkeypatch)
    number = next(number for number in range(100) if attempt(SEED, number).violation)
    assert f" of try {number} of seed {SEED}, after " in attempt(SEED, number).violation
    assert main(["elf", "--programs", "100", "--seed", str(SEED)]) == 1
    assert "KeyError: 'no such row'" in capsys.readouterr().out


def test_a_corpus_that_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(objects, "CORPUS", tmp_path)
    corpus.cache_clear()
    with pytest.raises(vm.VmError, match="has no objects to begin with; fuzz in a checkout"):
        corpus()
    assert main(["elf"]) == 2
    corpus.cache_clear()
