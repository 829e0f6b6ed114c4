"""Do messages of the exchange stream survive any fragmentation, and is rubbish told from what is only unknown?"""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicsim.plugin.exchange import Accepted, ExchangeReader, Offer, Refused, encode
from quicsim.quic.errors import FrameEncodingError
from quicsim.quic.varint import encode_varint

NUMBERS = st.integers(0, 2**62 - 1)
REASONS = st.text(st.characters(codec="utf-8"), max_size=100)
MESSAGES = st.one_of(
    st.builds(Offer, NUMBERS, st.binary(max_size=20_000)),
    st.builds(Accepted, NUMBERS),
    st.builds(Refused, NUMBERS, REASONS),
)


def cut(data, places):
    bounds = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(bounds)]


@given(st.lists(MESSAGES, max_size=5), st.lists(st.integers(0, 1 << 20), max_size=12))
def test_messages_come_out_as_they_went_in(messages, places):
    reader = ExchangeReader()
    received = []
    for piece in cut(b"".join(encode(message) for message in messages), places):
        received += reader.feed(piece)
    assert received == messages


@given(st.lists(MESSAGES, max_size=3))
def test_byte_by_byte_each_message_comes_with_its_last_byte(messages):
    reader = ExchangeReader()
    for message in messages:
        data = encode(message)[:300] if not isinstance(message, Offer) else encode(Offer(message.offer_id, b"elf"))
        expected = message if not isinstance(message, Offer) else Offer(message.offer_id, b"elf")
        if len(encode(expected)) > 300:
            return
        assert [reader.feed(data[index : index + 1]) for index in range(len(data) - 1)] == [[]] * (len(data) - 1)
        assert reader.feed(data[-1:]) == [expected]


def test_the_bytes_of_an_offer():
    assert encode(Offer(1, b"\x7fELF")) == bytes([1, 5, 1]) + b"\x7fELF"
    assert encode(Accepted(0)) == bytes([2, 1, 0])
    assert encode(Refused(70, "no")) == bytes([3, 4, 0x40, 70]) + b"no"


@pytest.mark.parametrize("body", [b"", b"\xff", b"whatever"])
def test_unknown_types_are_skipped(body):
    unknown = encode_varint(77) + encode_varint(len(body)) + body
    assert ExchangeReader().feed(unknown + encode(Accepted(3)) + unknown) == [Accepted(3)]


@pytest.mark.parametrize("kind", [1, 2, 3])
def test_a_message_without_an_offer_s_number_is_an_error_of_the_peer(kind):
    with pytest.raises(FrameEncodingError):
        ExchangeReader().feed(bytes([kind, 0]))


def test_a_length_beyond_reason_is_not_waited_for():
    with pytest.raises(FrameEncodingError, match="announces 4611686018427387903 bytes"):
        ExchangeReader().feed(encode_varint(1) + encode_varint(2**62 - 1))


def test_a_reason_in_another_encoding_is_readable_all_the_same():
    [message] = ExchangeReader().feed(bytes([3, 3, 9, 0xFF, 0xFE]))
    assert message == Refused(9, "��")
