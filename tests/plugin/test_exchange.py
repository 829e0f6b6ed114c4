"""Do messages of the exchange stream survive any fragmentation, and is rubbish told from what is only unknown?"""

from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicsim.plugin.exchange import Accepted, ExchangeReader, Offer, Refused, Remove, Running, Stopped, encode
from quicsim.quic.errors import FrameEncodingError
from quicsim.quic.varint import decode_varint, encode_varint

NUMBERS = st.integers(0, 2**62 - 1)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=100)
VALUES = st.lists(st.tuples(TEXTS, st.integers(0, 2**64 - 1)), max_size=4).map(tuple)


def messages(object_bytes):
    return st.one_of(
        st.builds(Offer, NUMBERS, st.binary(max_size=object_bytes), VALUES, TEXTS),
        st.builds(Remove, NUMBERS, TEXTS),
        st.builds(Accepted, NUMBERS),
        st.builds(Refused, NUMBERS, TEXTS),
        st.builds(Running, TEXTS),
        st.builds(Stopped, TEXTS, TEXTS),
    )


def cut(data, places):
    bounds = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(bounds)]


@given(st.lists(messages(20_000), max_size=5), st.lists(st.integers(0, 1 << 20), max_size=12))
def test_messages_come_out_as_they_went_in(sent, places):
    reader = ExchangeReader()
    received = []
    for piece in cut(b"".join(encode(message) for message in sent), places):
        received += reader.feed(piece)
    assert received == sent


@given(st.lists(messages(100), max_size=3))
def test_byte_by_byte_each_message_comes_with_its_last_byte(sent):
    reader = ExchangeReader()
    for message in sent:
        data = encode(message)
        assert [reader.feed(data[index : index + 1]) for index in range(len(data) - 1)] == [[]] * (len(data) - 1)
        assert reader.feed(data[-1:]) == [message]


@given(messages(50), st.data())
def test_a_body_cut_short_is_another_message_or_an_error_of_the_peer(message, data):
    """The type and the length say that it is whole, but something is missing within: nothing else may be raised."""
    whole = encode(message)
    _length, start = decode_varint(whole, 1)
    body = whole[start : start + data.draw(st.integers(0, len(whole) - start))]
    with suppress(FrameEncodingError):
        [other] = ExchangeReader().feed(whole[:1] + encode_varint(len(body)) + body)
        assert type(other) is type(message)


def test_the_bytes_of_an_offer():
    assert encode(Offer(1, b"\x7fELF")) == bytes([1, 5, 1]) + b"\x7fELF"
    assert encode(Accepted(0)) == bytes([2, 1, 0])
    assert encode(Refused(70, "no")) == bytes([3, 4, 0x40, 70]) + b"no"


def test_an_offer_announces_what_stands_before_the_elf_file():
    assert encode(Offer(1, b"ELF", replaces="old")) == bytes([0x11, 8, 1, 3]) + b"old" + b"ELF"
    value = (258).to_bytes(8, "big")
    assert encode(Offer(1, b"ELF", (("a", 258),))) == bytes([0x21, 15, 1, 1, 1]) + b"a" + value + b"ELF"
    assert encode(Offer(1, b"ELF", (("a", 258),), "old"))[0] == 0x31


@pytest.mark.parametrize("body", [b"", b"\xff", b"whatever"])
def test_unknown_types_are_skipped(body):
    unknown = encode_varint(77) + encode_varint(len(body)) + body
    assert ExchangeReader().feed(unknown + encode(Accepted(3)) + unknown) == [Accepted(3)]


@pytest.mark.parametrize("kind", [0x01, 0x11, 0x21, 0x31, 2, 3, 4, 6])
def test_a_message_without_its_number_or_its_name_is_an_error_of_the_peer(kind):
    with pytest.raises(FrameEncodingError):
        ExchangeReader().feed(bytes([kind, 0]))


def test_a_length_beyond_reason_is_not_waited_for():
    with pytest.raises(FrameEncodingError, match="announces 4611686018427387903 bytes"):
        ExchangeReader().feed(encode_varint(1) + encode_varint(2**62 - 1))


def test_a_reason_in_another_encoding_is_readable_all_the_same():
    [message] = ExchangeReader().feed(bytes([3, 3, 9, 0xFF, 0xFE]))
    assert message == Refused(9, "��")
