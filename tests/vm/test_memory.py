"""Can a program touch its memory, all of it, and nothing else? Every size at every edge, hooks, read-only data."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import vm
from tests.vm.assembled import EXIT, constant, program
from vm.isa import make
from vm.memory import FRAME_BYTES, MAX_REGION_BYTES, STACK_REGION

SIZES = {"b": 1, "h": 2, "w": 4, "dw": 8}
CONTENT = bytes(range(1, 17))


def machine_with(engine, region, *instructions):
    machine = engine(program(*instructions, EXIT))
    machine.memory.map(region)
    return machine


def host_region(writable=True, **hooks):
    return vm.Region(vm.HOST_REGION, "host", bytearray(CONTENT), writable, **hooks)


@pytest.mark.parametrize(("letter", "size"), SIZES.items())
@pytest.mark.parametrize("place", ["first", "last", "one before", "straddling", "one past", "far"])
def test_bounds(engine, letter, size, place):
    offset = {
        "first": 0,
        "last": len(CONTENT) - size,
        "one before": -1,
        "straddling": len(CONTENT) - size + 1,
        "one past": len(CONTENT),
        "far": 2**32 - 1,
    }[place]
    address = vm.address(vm.HOST_REGION) + offset
    load = machine_with(engine, host_region(), make(f"ldx{letter}", 0, src=1))
    for store in (make(f"stx{letter}", 1, src=2), make(f"st{letter}", 1, imm=-2)):
        region = host_region()
        machine = machine_with(engine, region, store, make(f"ldx{letter}", 0, src=1))
        if place in ("first", "last"):
            assert load.run("main", address) == int.from_bytes(CONTENT[offset : offset + size], "little")
            assert machine.run("main", address, 2**64 - 2) == 2 ** (8 * size) - 2
            changed = (2 ** (8 * size) - 2).to_bytes(size, "little")
            assert region.data == CONTENT[:offset] + changed + CONTENT[offset + size :]
            continue
        for each in (load, machine):
            with pytest.raises(vm.AccessViolation) as violation:
                each.run("main", address)
            assert (violation.value.region, violation.value.offset) == divmod(address, 2**32)
            assert (violation.value.pc, each.instructions) == (0, 1)
        assert region.data == CONTENT


@pytest.mark.parametrize(
    ("address", "displacement", "message"),
    [
        (0, 0, "NULL"),
        (0, -1, "region 4294967295, which is not mapped"),
        (4096, 0, "region 0 does not exist"),
        (2**32 - 1, 0, "region 0 does not exist"),
        (2**64 - 1, 0, "region 4294967295"),
        (2**64 - 1, 1, "address 0x0"),
        (2**64 - 8, 16, "address 0x8"),
        (vm.address(vm.HOST_REGION + 1), -1, "offset 4294967295 of region 64"),
        (vm.address(vm.HOST_REGION + 1), 0, "not mapped; mapped are 64"),
        (vm.address(STACK_REGION, FRAME_BYTES), 0, "stack frame 0"),
        (vm.address(STACK_REGION, 0), -1, "region 0"),
        (vm.address(STACK_REGION + 1), 0, "region 2, which is not mapped"),
    ],
)
def test_wild_addresses(engine, address, displacement, message):
    machine = machine_with(engine, host_region(), constant(1, address), make("ldxb", 0, src=1, offset=displacement))
    with pytest.raises(vm.AccessViolation, match=message):
        machine.run("main")


@pytest.mark.parametrize("store", [make("stb", 1, offset=16, imm=7), make("stxb", 1, src=2, offset=16)])
def test_the_address_of_a_store_wraps_around(engine, store):
    with pytest.raises(vm.AccessViolation, match="address 0x8: region 0"):
        engine(program(store, EXIT)).run("main", 2**64 - 8)


@pytest.mark.parametrize(("letter", "size"), [each for each in SIZES.items() if each[0] != "dw"])
@pytest.mark.parametrize("kind", ["zero", "largest", "minus one", "smallest"])
def test_loads_that_extend_the_sign(engine, letter, size, kind):
    values = {"zero": 0, "largest": 2 ** (8 * size - 1) - 1, "minus one": -1, "smallest": -(2 ** (8 * size - 1))}
    value = values[kind]
    region = vm.Region(vm.HOST_REGION, "host", value.to_bytes(size, "little", signed=True))
    machine = machine_with(engine, region, make(f"ldxs{letter}", 0, src=1))
    assert machine.run("main", vm.address(vm.HOST_REGION)) == value % 2**64
    with pytest.raises(vm.AccessViolation):
        machine.run("main", vm.address(vm.HOST_REGION, 1))


def test_a_displacement_may_bring_a_pointer_back_inside(engine):
    machine = machine_with(engine, host_region(), make("ldxb", 0, src=1, offset=-3))
    assert machine.run("main", vm.address(vm.HOST_REGION) + 3) == CONTENT[0]


@pytest.mark.parametrize("store", [make("stb", 1, imm=0), make("stxdw", 1, src=2)])
@pytest.mark.parametrize("kind", [bytes, bytearray])
def test_read_only_memory(engine, store, kind):
    region = vm.Region(vm.HOST_REGION, "constants", kind(CONTENT))
    machine = machine_with(engine, region, make("ldxb", 0, src=1, offset=1), store)
    with pytest.raises(vm.AccessViolation, match="read-only") as violation:
        machine.run("main", vm.address(vm.HOST_REGION, 4))
    assert violation.value.pc == 1
    assert region.data == CONTENT


def test_the_host_and_the_program_share_the_bytes(engine):
    region = host_region()
    machine = machine_with(engine, region, make("ldxb", 0, src=1))
    region.data[0] = 0xFF
    assert machine.run("main", vm.address(vm.HOST_REGION)) == 0xFF
    with pytest.raises(AttributeError):
        region.data = bytearray(16)


def test_a_read_hook_fills_what_is_read(engine):
    asked = []

    def fill(offset, size):
        asked.append((offset, size))
        region.data[offset : offset + size] = bytes([0xAB]) * size

    region = host_region(on_read=fill)
    machine = machine_with(engine, region, make("ldxw", 0, src=1, offset=4), make("stb", 1, imm=0))
    assert machine.run("main", vm.address(vm.HOST_REGION)) == 0xABABABAB
    assert asked == [(4, 4)]


def test_a_write_hook_sees_stores_and_may_refuse_them(engine):
    asked = []

    def guard(offset, size):
        asked.append((offset, size, bytes(region.data)))
        if offset >= 8:
            raise vm.AccessViolation("rtt_ns may not be written")

    region = host_region(on_write=guard)
    machine = machine_with(engine, region, make("sth", 1, imm=0), make("stdw", 1, offset=8, imm=0))
    with pytest.raises(vm.AccessViolation, match="instruction 1 of 'main' in 'main': rtt_ns may not") as violation:
        machine.run("main", vm.address(vm.HOST_REGION))
    assert (violation.value.region, violation.value.offset) == (vm.HOST_REGION, 8)
    assert asked == [(0, 2, CONTENT), (8, 8, b"\0\0" + CONTENT[2:])]
    assert region.data == b"\0\0" + CONTENT[2:]


def test_hooks_are_not_asked_about_what_is_out_of_bounds(engine):
    asked = []
    region = host_region(on_read=lambda *access: asked.append(access), on_write=lambda *access: asked.append(access))
    for access in (make("ldxdw", 0, src=1, offset=9), make("stdw", 1, offset=9, imm=0)):
        with pytest.raises(vm.AccessViolation):
            machine_with(engine, region, access).run("main", vm.address(vm.HOST_REGION))
    assert asked == []


@pytest.mark.parametrize(
    ("region", "message"),
    [
        (vm.Region(0, "null", b""), "not in 1 to"),
        (vm.Region(2**32 - 1, "last", b""), "not in 1 to"),
        (vm.Region(65, "constants", b"x", writable=True), "must be a bytearray"),
        (vm.Region(64, "again", b""), "already mapped as 'host'"),
    ],
)
def test_unfit_regions(region, message):
    memory = vm.Memory()
    memory.map(host_region())
    with pytest.raises(vm.VmError, match=message):
        memory.map(region)


def test_a_region_too_large_for_its_neighbours():
    class Huge(bytes):
        def __len__(self):
            return MAX_REGION_BYTES + 1

    with pytest.raises(vm.VmError, match="the most is"):
        vm.Memory().map(vm.Region(64, "huge", Huge()))


def test_unmapped_memory_is_gone(engine):
    machine = machine_with(engine, host_region(), make("ldxb", 0, src=1))
    assert machine.run("main", vm.address(vm.HOST_REGION)) == 1
    assert machine.memory.unmap(vm.HOST_REGION).name == "host"
    with pytest.raises(vm.AccessViolation, match="not mapped"):
        machine.run("main", vm.address(vm.HOST_REGION))
    with pytest.raises(vm.VmError, match="region 64 is not mapped"):
        machine.memory.unmap(vm.HOST_REGION)


@given(st.integers(0, 2**64 - 1) | st.integers(-20, 40).map(lambda offset: vm.address(64) + offset), st.integers(0, 40))
def test_view_and_load_agree_on_what_is_inside(address, size):
    memory = vm.Memory()
    memory.map(host_region())
    inside = address >> 32 == 64 and (address & 0xFFFF_FFFF) + size <= len(CONTENT)
    if inside or size == 0:
        offset = address & 0xFFFF_FFFF
        view = memory.view(address, size, writable=True)
        assert view == (CONTENT[offset : offset + size] if size else b"")
        if size in SIZES.values():
            assert memory.load(address, size) == int.from_bytes(view, "little")
    else:
        with pytest.raises(vm.AccessViolation):
            memory.view(address, size, writable=False)
