"""Does the heap give out blocks that are apart, zeroed, bounded, and at addresses that depend on the calls alone?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import vm
from tests.vm.assembled import EXIT, program
from vm.isa import make
from vm.memory import HEAP_REGION, Memory

LIMIT_BYTES = 256


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 80))), st.integers(0, 10_000))
def test_blocks_are_apart_and_the_heap_is_whole_again_in_the_end(steps, pick):
    memory = Memory()
    heap = vm.Heap(memory, LIMIT_BYTES)
    blocks = {}
    for gives, size in steps:
        if gives and blocks:
            block = sorted(blocks)[pick % len(blocks)]
            heap.free(block)
            del blocks[block]
            continue
        block = heap.allocate(size)
        if block:
            assert not any(block < other + length and other < block + size for other, length in blocks.items())
            assert bytes(memory.view(block, size, writable=True)) == bytes(size)
            memory.view(block, size, writable=True)[:] = b"\xff" * size
            blocks[block] = size
        else:
            assert size == 0 or heap.used_bytes + size > LIMIT_BYTES or len(blocks) > 1
    for block in blocks:
        heap.free(block)
    assert heap.used_bytes == 0
    assert heap.allocate(LIMIT_BYTES) == vm.address(HEAP_REGION)


def test_a_full_heap_gives_null():
    heap = vm.Heap(Memory(), 40)
    assert [heap.allocate(size) for size in (1, 16, 1, 0)] == [
        vm.address(HEAP_REGION), vm.address(HEAP_REGION, 16), 0, 0,
    ]  # fmt: skip


@pytest.mark.parametrize("block", [vm.address(HEAP_REGION, 8), vm.address(HEAP_REGION, 16), 1, vm.address(1)])
def test_what_was_not_given_out_is_not_taken_back(block):
    heap = vm.Heap(Memory(), LIMIT_BYTES)
    first = heap.allocate(8)
    with pytest.raises(vm.HelperError, match="not the address of a block"):
        heap.free(block)
    heap.free(first)
    with pytest.raises(vm.HelperError, match="not the address of a block"):
        heap.free(first)
    heap.free(0)


def test_what_a_memory_cannot_have():
    memory = Memory()
    with pytest.raises(vm.VmError, match="give 1 or more"):
        vm.Heap(memory, 0)
    vm.Heap(memory, 1)
    with pytest.raises(vm.VmError, match="already mapped"):
        vm.Heap(memory, 1)


def test_a_program_uses_it_through_a_helper(engine):
    code = program(make("mov", 1, imm=24), make("call", imm=1), make("stdw", 0, offset=16, imm=7), EXIT)
    heaps = []
    helper = vm.Helper(1, "allocate", (vm.Scalar.U32,), vm.Scalar.U64, lambda context, size: heaps[0].allocate(size))
    machine = engine(code, vm.HelperTable([helper]))
    heaps.append(vm.Heap(machine.memory, LIMIT_BYTES))
    block = machine.run("main")
    assert block == vm.address(HEAP_REGION)
    assert machine.memory.load(block + 16, 8) == 7
