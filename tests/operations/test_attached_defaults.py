"""Does anything change when a closure stands in a default's place and calls it? No: who looks on leaves no trace."""

import pytest

from quicsim.operations import OPERATIONS
from tests.quic.pipe import Pipe, request_answers, settled

PROFILES = {"rfc9002": 1, "picoquic": 1, "mp-quic": 2}
"""And how many addresses the client has."""


def digest(profile, operation=None):
    pipe = Pipe(profile, client={"address_count": PROFILES[profile]}, drops=lambda key: key[1] % 29 == 11)
    if operation is not None:
        default = operation.default_for(profile)
        for side in pipe.sides.values():
            side.connection.operations.install(operation, lambda *arguments: default(*arguments))
    request_answers(pipe, response_bytes=400_000)
    pipe.connect()
    pipe.run(settled(1))
    assert sum(side.connection.counts.packets_lost for side in pipe.sides.values()) > 5
    return pipe.trace.digest()


@pytest.mark.parametrize("profile", PROFILES)
def test_a_closure_around_a_default_changes_nothing(profile):
    without = digest(profile)
    assert [each.name for each in OPERATIONS if digest(profile, each) != without] == []
