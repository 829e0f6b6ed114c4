"""On which path are a path's packets acknowledged?

Paper section 3.2.1 (SelectACKPath). Replaced by plugins/ack_path.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicsim.operations.fields import NOW
from quicsim.operations.operation import Field, Operation, Output, Rule, u8
from quicsim.quic.path import MAXIMUM_PATHS

if TYPE_CHECKING:
    from quicsim.quic.connection import Connection
    from quicsim.quic.path import Path

__all__ = ["select_ack_path"]

select_ack_path = Operation(
    number=0x09,
    name="SelectACKPath",
    meaning="Chooses the path that a path's acknowledgements travel on.",
    source="paper section 3.2.1",
    inputs=(
        NOW,
        Field("path_count", u8, "connection.path_count", "how many paths there are", maximum=MAXIMUM_PATHS),
        Field(
            "received_on",
            u8,
            "path.path_id",
            "the path whose packets are to be acknowledged",
            maximum=MAXIMUM_PATHS - 1,
        ),
    ),
    output=Output(u8, "index of the path in connection->paths, plus 1; one that is not open counts as received_on"),
    rules=(Rule("result >= 1"), Rule("result <= path_count")),
)


@select_ack_path.default()
def where_the_data_came(connection: Connection, path: Path) -> int:
    """The path that the packets arrived on, as mp-quic of 2017 has it."""
    return path.path_id + 1
