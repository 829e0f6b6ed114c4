"""What does a plugin's own memory hold at first?

Paper section 3.1.2: runs when the code is injected. The memory is zeroed before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicsim.operations.fields import NOW
from quicsim.operations.operation import Field, Operation, Output, u8, u64

if TYPE_CHECKING:
    from quicsim.quic.connection import Connection
    from quicsim.quic.path import Path

__all__ = ["init_opaque_data"]

init_opaque_data = Operation(
    number=0x30,
    name="InitOpaqueData",
    meaning="Initialises a plugin's opaque memory; runs once, when the plugin is attached.",
    source="paper section 3.1.2",
    inputs=(NOW, Field("is_client", u8, "connection.is_client", "1: this endpoint opened the connection")),
    output=Output(u64, "ignored"),
)


@init_opaque_data.default()
def leave_zeroed(connection: Connection, path: Path) -> int:
    """Nothing: zeroed memory is the default."""
    return 0
