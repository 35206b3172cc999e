from __future__ import annotations

from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.wire.stream import (
    Ack,
    BatchFrame,
    DeadSeq,
    Hello,
    SenderNode,
    Welcome,
    decode_client_frame,
    decode_server_frame,
    encode_ack,
    encode_batch,
    encode_hello,
    encode_welcome,
)
from domain.errors import DecodeError

NUMBERS = st.integers(0, 2**63 - 1)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300)


@given(
    st.builds(
        Hello,
        source=NAMES,
        epoch=NAMES,
        oldest=NUMBERS,
        next=NUMBERS,
        node=st.none() | st.builds(SenderNode, id=st.none() | NAMES),
    )
)
def test_a_hello_goes_over_the_wire_and_back(frame: Hello) -> None:
    assert decode_client_frame(encode_hello(frame)) == frame


@given(
    st.builds(
        BatchFrame,
        first=st.integers(1, 2**63 - 1),
        events=st.lists(st.just(msgspec.Raw(b'{"kind":"x"}')), max_size=3),
    )
)
def test_a_batch_goes_over_the_wire_and_back(frame: BatchFrame) -> None:
    assert decode_client_frame(encode_batch(frame).decode()) == frame


@given(st.builds(Welcome, acked=NUMBERS, window=NUMBERS, max_batch=NUMBERS, max_bytes=NUMBERS))
def test_a_welcome_goes_over_the_wire_and_back(frame: Welcome) -> None:
    assert decode_server_frame(encode_welcome(frame)) == frame


@given(
    st.builds(
        Ack,
        upto=NUMBERS,
        window=NUMBERS,
        dead=st.lists(st.builds(DeadSeq, seq=NUMBERS, why=NAMES), max_size=3).map(tuple),
    )
)
def test_an_acknowledgement_goes_over_the_wire_and_back(frame: Ack) -> None:
    assert decode_server_frame(encode_ack(frame)) == frame


def test_a_newer_peer_may_say_more() -> None:
    frame = decode_client_frame(b'{"t":"hello","source":"a","epoch":"1","mood":"good"}')

    assert frame == Hello(source="a", epoch="1")


@pytest.mark.parametrize(
    ("frame", "problem"),
    [
        ({}, "object missing required field `t`"),
        ({"t": "goodbye"}, "invalid value 'goodbye' - at `$.t`"),
        ([], "expected `object`, got `array`"),
        ({"t": "hello"}, "object missing required field `source`"),
        ({"t": "hello", "source": "", "epoch": "1"}, "expected `str` of length >= 1 - at `$.source`"),
        (
            {"t": "hello", "source": "x" * 301, "epoch": "1"},
            "expected `str` of length <= 300 - at `$.source`",
        ),
        ({"t": "batch", "first": 0, "events": []}, "expected `int` >= 1 - at `$.first`"),
        ({"t": "batch", "first": 1.5, "events": []}, "expected `int`, got `float` - at `$.first`"),
        ({"t": "batch", "first": 1, "events": {}}, "expected `array`, got `object` - at `$.events`"),
        ({"t": "ack", "upto": 1, "window": 1}, "invalid value 'ack' - at `$.t`"),
    ],
)
def test_what_no_sender_sends_is_refused(frame: Any, problem: str) -> None:
    with pytest.raises(DecodeError) as refused:
        decode_client_frame(orjson.dumps(frame))

    assert str(refused.value) == f"stream frame: {problem}"


@given(st.binary(max_size=100) | st.text(max_size=100))
def test_no_message_raises_anything_but_a_decode_error(message: bytes | str) -> None:
    for decode in (decode_client_frame, decode_server_frame):
        with pytest.raises(DecodeError):
            decode(message)
