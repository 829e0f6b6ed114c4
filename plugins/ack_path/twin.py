"""All acknowledgements on one path, in Python."""

from tests.plugin.twins import Twin, at


class Native(Twin):
    """Names one path, whichever the packets came by."""

    @at("replace/SelectACKPath")
    def select_ack_path(self, default, connection, path):
        """The parameter's path; where the connection has fewer paths, what the default says."""
        if self.path < len(connection.paths):
            return self.path + 1
        return default(connection, path)
