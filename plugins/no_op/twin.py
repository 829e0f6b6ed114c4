"""Nothing in Python."""

from tests.plugin.twins import Twin, at


class Native(Twin):
    """At the same anchor."""

    @at("before/SelectPath")
    def before_select_path(self, connection, path, retransmits):
        """Nothing."""
        return 0
