"""The lowest-latency scheduler in Python: what mp-quic has built in."""

from quicsim.operations.select_path import lowest_latency
from tests.plugin.twins import Twin, at


class Native(Twin):
    """The scheduler itself."""

    @at("replace/SelectPath")
    def select_path(self, default, connection, path, retransmits):
        """Whatever the profile's default is."""
        return lowest_latency(connection, path, retransmits)
