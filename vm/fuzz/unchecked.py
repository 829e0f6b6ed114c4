"""Is machine code right where a proof lets it leave checks out? Accepted programs, run without them and interpreted.

The programs and their host are those of `vm.fuzz.soundness`; here no hook watches, so that what is proved is relied on.
"""

from __future__ import annotations

from random import Random

from vm.fuzz.outcome import Outcome
from vm.fuzz.programs import MEMORY_BYTES, PACKET_BYTES, Generator, interesting
from vm.fuzz.soundness import CONTRACT, DATA, FIELDS, FOUND, LIMIT, MEMORY, PACKET, random_fields
from vm.isa import encode
from vm.jit.facts import facts_of
from vm.jit.native import Context, NativeMemory
from vm.machine import ENGINES, Machine
from vm.memory import Region, address
from vm.program import Program
from vm.verifier import Proof, Rejected, verify

__all__ = ["attempt"]

RUNS = 4


def attempt(seed: int, number: int) -> Outcome:
    """Make the program of this number; where it is accepted, run it on every engine with its proof."""
    outcome = Outcome()
    rng = Random(f"unchecked/{seed}/{number}")
    code = b"".join(encode(each) for each in Generator(rng).program())
    program = Program.from_bytes(code, source=f"program {number} of seed {seed}", data=DATA)
    try:
        proof = verify(program, "main", CONTRACT)
    except Rejected:
        outcome.counts.update(accepted=0, refused=1)
        return outcome
    outcome.counts.update(accepted=1, refused=0, accesses=len(proof.access_regions), left_out=left_out(program, proof))
    for _ in range(RUNS):
        state = rng.getrandbits(64)
        size = rng.choice((0, PACKET_BYTES, rng.randint(0, PACKET_BYTES)))
        results = {engine: run(program, proof, engine, state, size) for engine in ENGINES}
        outcome.counts["runs"] += 1
        if len(set(results.values())) != 1:
            outcome.violation = f"{program.source}, state {state:#x}, packet of {size} bytes: {results}\n  {code.hex()}"
            break
    return outcome


def left_out(program: Program, proof: Proof) -> int:
    """How many checks machine code leaves out."""
    memory = NativeMemory(Context(), frames=1)
    data = (Region(each.region, each.name, bytearray(each.data), each.writable) for each in DATA)
    for region in (*data, *regions_of(Random(0), 0)):
        memory.map(region)
    return len(facts_of((proof,), proof, memory, LIMIT).regions)


def run(program: Program, proof: Proof, engine: str, state: int, size: int) -> tuple[int, int, tuple[bytes, ...]]:
    """Result, instructions, and what memory holds afterwards; all that the host draws depends on `state`."""
    rng = Random(state)
    machine = Machine(program, CONTRACT.helpers, budget=LIMIT, engine=engine, proofs=(proof,))
    regions = regions_of(rng, size)
    for region in regions:
        machine.memory.map(region)
    addresses = (address(each.number) for each in (MEMORY, FIELDS, PACKET))
    result = machine.entry("main", (*addresses, size, interesting(rng)))(rng)
    return result, machine.instructions, tuple(bytes(region.data) for region in regions)


def regions_of(rng: Random, size: int) -> tuple[Region, ...]:
    """What the host maps."""
    return (
        Region(MEMORY.number, MEMORY.name, bytearray(rng.randbytes(MEMORY_BYTES)), writable=True),
        Region(FIELDS.number, FIELDS.name, random_fields(rng), writable=True),
        Region(PACKET.number, PACKET.name, rng.randbytes(size)),
        Region(FOUND.number, FOUND.name, bytearray(rng.randbytes(FOUND.size)), writable=True),
    )
