"""Does a trace keep what it is asked to, and is its digest the same whether it does or not?"""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicsim.events import CHECKPOINT_RECORDS, Code, Trace


def filled(trace, count):
    recorder = trace.component("here")
    for number in range(count):
        recorder.record(Code.PACKET_SENT, 1000 * number, number, 2 * number)
    return trace


@given(st.sampled_from([0, 1, 7, CHECKPOINT_RECORDS - 1, CHECKPOINT_RECORDS, CHECKPOINT_RECORDS + 1, 3000]))
def test_the_records_are_what_the_digest_reads(count):
    keeping, bare = filled(Trace(keeps_records=True), count), filled(Trace(), count)
    assert keeping.count == bare.count == count
    assert keeping.digest() == bare.digest() == hashlib.blake2b(keeping.records(), digest_size=16).hexdigest()
    assert keeping.checkpoints == bare.checkpoints
    assert keeping.components == ("here",)


def test_a_trace_that_keeps_none_gives_none():
    with pytest.raises(ValueError, match="keeps_records=True"):
        filled(Trace(), 3).records()
