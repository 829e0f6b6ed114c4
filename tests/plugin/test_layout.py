"""Do Python and the C compiler agree on where each field is? And is the committed header the generated one?"""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from struct import calcsize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicsim import locate
from quicsim.operations import OPERATIONS, PARAMETRISED, Field, Operation, Output, operation_named, u8, u16, u32, u64
from quicsim.plugin.context import MAXIMUM_PATHS
from quicsim.plugin.header import c_header, structure
from quicsim.plugin.helpers import C_PROTOTYPES, HELPERS, PACKET_FORMAT
from quicsim.plugin.layout import CONNECTION, CONNECTION_SIZE, PATH, PATHS_OFFSET, lay_out, operation_layout
from quicsim.plugin.package import MANIFEST

LAYOUTS = {"quic_connection": CONNECTION, "quic_path": PATH} | {
    operation.attribute: operation_layout(operation) for operation in (*OPERATIONS, *PARAMETRISED)
}

COMPILER = [sys.executable, "-m", "ziglang", "cc", "-target", "bpfel-freestanding", "-c", "-o"]
needs_compiler = pytest.mark.skipif(
    find_spec("ziglang") is None, reason="needs the compiler: pip install 'quicsim[build]'"
)

types = st.sampled_from([u8, u16, u32, u64])


def test_the_committed_header_is_the_generated_one():
    assert (locate.plugin_include() / "quicsim.h").read_text() == c_header()


@given(st.lists(types, max_size=20))
def test_fields_are_naturally_aligned_and_padding_fills_every_gap(kinds):
    layout = lay_out([Field(f"f{number}", kind, "connection.x", "") for number, kind in enumerate(kinds)])
    covered = [0] * layout.size_bytes
    for place in layout.places:
        assert place.offset % place.field.type.size_bytes == 0
        for at in range(place.offset, place.end):
            covered[at] += 1
    for at, size in layout.padding:
        assert 0 < size < 8
        for byte in range(at, at + size):
            covered[byte] += 1
    assert set(covered) <= {1}
    assert layout.size_bytes % 8 == 0
    assert calcsize(layout.format) == layout.size_bytes
    assert [place.field.name for place in layout.places] == [f"f{number}" for number in range(len(kinds))]


def test_a_layout_worked_out_by_hand():
    fields = [Field(name, kind, "connection.x", "") for name, kind in [("a", u8), ("b", u32), ("c", u16), ("d", u64)]]
    layout = lay_out(fields)
    assert [place.offset for place in layout.places] == [0, 4, 8, 16]
    assert layout.padding == ((1, 3), (10, 6))
    assert (layout.size_bytes, layout.format) == (24, "<B3xIH6xQ")


def test_what_a_minor_version_appends_moves_nothing():
    first = (Field("a", u64, "connection.x", ""), Field("b", u8, "connection.x", ""))
    appended = (Field("c", u8, "connection.x", "", since=2), Field("d", u16, "connection.x", "", since=1))

    def places(*inputs):
        layout = operation_layout(Operation(1, "X", "", "", inputs, Output(u8, "")))
        return {place.field.name: place.offset for place in layout.places}

    assert places(*first) == {"a": 0, "b": 8, "result": 16}
    assert places(*first, *appended) == {"a": 0, "b": 8, "result": 16, "d": 24, "c": 26}
    assert places(appended[0], *first, appended[1]) == places(*first, *appended)


def test_the_structures_of_the_first_version_stand_where_they_stood():
    """Objects built for ABI 1.0 run on: its fields, and `result`, have kept their places."""
    assert (PATHS_OFFSET, PATH.size_bytes) == (64, 256)
    assert [place.offset for place in PATH.places[:13]] == [*range(0, 73, 8), 76, 80, 82]
    results = {
        operation.name: place.offset
        for operation in OPERATIONS
        for place in operation_layout(operation).places
        if place.field.name == "result"
    }
    assert results == results | {
        "SelectRetransmission": 32, "GenerateHeader": 24, "GenerateFrames": 32, "SendPacket": 24, "ReadPacket": 24,
        "ParseFrames": 24, "InitOpaqueData": 16,
    }  # fmt: skip


def test_padding_is_explicit_in_the_header():
    fields = [Field("a", u8, "connection.x", "why"), Field("b", u32, "connection.x", "", writable=True)]
    assert structure("s", lay_out(fields)) == (
        "struct s {\n    uint8_t a; /* why */\n    uint8_t padding_1[3];\n    uint32_t b; /*  (writable) */\n};\n"
    )


def test_names_in_a_structure_are_unique():
    for name, layout in LAYOUTS.items():
        names = [place.field.name for place in layout.places]
        assert len(names) == len(set(names)), name


def test_the_header_says_every_anchor_rule_and_helper():
    text = " ".join(c_header().replace("*", " ").split())
    for operation in OPERATIONS:
        assert f"struct {operation.attribute} {{" in text
        assert f"replace {operation.number:#06x}" in text
        for rule in operation.rules:
            assert f"Rule: {' '.join(rule.text.split())}" in text
    assert {helper.name for helper in HELPERS} == set(C_PROTOTYPES)


def compile_c(tmp_path: Path, text: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "check.c").write_text(text)
    command = [*COMPILER, "check.o", "-Werror", "-Wpadded", "-ffreestanding", "-I", str(locate.plugin_include())]
    return subprocess.run([*command, "check.c"], cwd=tmp_path, capture_output=True, text=True, check=False)


def assertions(layouts):
    lines = ['#include "quicsim.h"', "#include <stddef.h>"]
    for name, layout in layouts.items():
        for place in layout.places:
            field = f"struct {name}, {place.field.name}"
            lines.append(f'_Static_assert(offsetof({field}) == {place.offset}, "{field}");')
            size = f"sizeof(((struct {name} *)0)->{place.field.name})"
            lines.append(f'_Static_assert({size} == {place.field.type.size_bytes}, "{field}");')
        size = CONNECTION_SIZE if name == "quic_connection" else layout.size_bytes
        lines.append(f'_Static_assert(sizeof(struct {name}) == {size}, "{name}");')
    lines += [
        f'_Static_assert(offsetof(struct quic_connection, paths) == {PATHS_OFFSET}, "paths");',
        f'_Static_assert(sizeof(((struct quic_connection *)0)->paths) == {MAXIMUM_PATHS * PATH.size_bytes}, "stride");',
        f'_Static_assert(sizeof(struct quic_packet) == {PACKET_FORMAT.size}, "quic_packet");',
        f'_Static_assert(sizeof(struct quicsim_manifest) == {MANIFEST.size}, "manifest");',
    ]
    return "\n".join(lines)


@needs_compiler
def test_the_compiler_agrees_on_every_offset_and_adds_no_padding(tmp_path):
    done = compile_c(tmp_path, assertions(LAYOUTS))
    assert done.returncode == 0, done.stderr


@needs_compiler
def test_a_wrong_offset_would_be_found(tmp_path):
    done = compile_c(tmp_path, assertions({"set_timer": operation_layout(operation_named("SendPacket"))}))
    assert done.returncode != 0
