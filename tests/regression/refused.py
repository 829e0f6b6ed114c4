"""The plugin tlp with a store far behind its memory, which the verifier refuses; no compiler is needed."""

from __future__ import annotations

from quicsim import locate

STORE = bytes.fromhex("7b46000000000000")  # tlp->probe_at_ns = 0;
FAR = bytes.fromhex("7b46c05d00000000")  # tlp[1000].probe_at_ns = 0;
REASON = "replace/SetTimer: out of bounds: write of 8 bytes of state, which has 24"
LINE = 1 + next(
    number
    for number, text in enumerate((locate.plugin("tlp") / "tlp.c").read_text().splitlines())
    if text.strip() == "tlp->probe_at_ns = 0;"
)
REFUSED = f"plugin tlp was refused in every run and never ran: {REASON}; at tlp.c:{LINE}:"


def put_tlp(directory, *, is_refused):
    """Lay tlp there with source and lines, as it is or refused; its object's path."""
    directory.mkdir(parents=True, exist_ok=True)
    for name in ("tlp.c", "tlp.o", "tlp.debug.o"):
        data = (locate.plugin("tlp") / name).read_bytes()
        if is_refused and name.endswith(".o"):
            assert data.count(STORE) == 1
            data = data.replace(STORE, FAR)
        (directory / name).write_bytes(data)
    return directory / "tlp.o"
