"""What a sender holds until it is on disk."""

from __future__ import annotations

import json
from typing import Any

import pytest

from collector.send_buffer import FRAME_BYTES, SendBuffer
from domain.errors import ProtocolError

BIG = 1_000_000


def filled(count: int, **limits: int) -> SendBuffer:
    buffer = SendBuffer(**limits)
    for number in range(1, count + 1):
        buffer.push(b'{"n":%d}' % number)
    return buffer


def sent(frame: bytes | None) -> Any:
    if frame is None:
        return None
    found = json.loads(frame)
    return found["first"], [event["n"] for event in found["events"]]


def test_batches_follow_each_other_until_the_window_is_full() -> None:
    buffer = filled(7)

    frames = [sent(buffer.next_frame(window=5, max_batch=3, max_bytes=BIG)) for _ in range(3)]

    assert frames == [(1, [1, 2, 3]), (4, [4, 5]), None]


def test_an_acknowledgement_opens_the_window_and_frees_memory() -> None:
    buffer = filled(7)
    buffer.next_frame(5, 5, BIG)

    assert buffer.ack(4) == 4
    assert (buffer.oldest, buffer.unacked, buffer.held_bytes) == (5, 3, 3 * len(b'{"n":5}'))
    assert sent(buffer.next_frame(5, 5, BIG)) == (6, [6, 7])


def test_after_a_reconnect_everything_not_acknowledged_goes_out_again() -> None:
    buffer = filled(5)
    buffer.next_frame(10, 10, BIG)
    buffer.ack(2)

    buffer.welcome(3)

    assert sent(buffer.next_frame(10, 10, BIG)) == (4, [4, 5])


def test_an_empty_buffer_goes_on_behind_the_collectors_cursor() -> None:
    buffer = SendBuffer()

    buffer.welcome(41)

    assert buffer.push(b"{}") == 42


def test_a_collector_that_has_numbers_never_sent_is_an_error() -> None:
    with pytest.raises(ProtocolError, match="the collector has 9, the next number here is 3"):
        filled(2).welcome(9)


def test_a_collector_that_lacks_what_is_held_no_more_is_an_error() -> None:
    buffer = filled(5)
    buffer.next_frame(10, 10, BIG)
    buffer.ack(4)

    with pytest.raises(ProtocolError, match="the collector has 1, the oldest number here is 5"):
        buffer.welcome(1)


def test_old_and_wild_acknowledgements_do_no_harm() -> None:
    buffer = filled(3)

    assert [buffer.ack(0), buffer.ack(2), buffer.ack(1), buffer.ack(99)] == [0, 2, 0, 1]
    assert (buffer.oldest, buffer.next, buffer.unacked) == (4, 4, 0)


def test_a_frame_stays_within_its_bytes() -> None:
    buffer = filled(9)

    frame = buffer.next_frame(100, 100, FRAME_BYTES + 3 * (len(b'{"n":1}') + 1))

    assert sent(frame) == (1, [1, 2, 3])


def test_an_item_that_no_message_can_hold_is_replaced_by_a_note() -> None:
    buffer = SendBuffer()
    buffer.push(b'"' + b"x" * 500 + b'"')

    frame = buffer.next_frame(10, 10, 200)

    assert frame is not None
    assert json.loads(frame)["events"] == [{"kind": "unsendable", "event": "too_long", "bytes": 502}]


@pytest.mark.parametrize(("limits"), [{"most_items": 2}, {"most_bytes": 14}])
def test_a_buffer_is_full_by_number_or_by_bytes(limits: dict[str, int]) -> None:
    assert filled(1, **limits).is_full is False
    assert filled(2, **limits).is_full is True


def test_what_had_to_be_dropped_is_told_once_with_its_span() -> None:
    buffer = SendBuffer()
    buffer.shed("cache", 5)
    buffer.shed("cache", 7)
    buffer.shed("crud", 9)

    assert buffer.take_shed() == (5, 9, {"cache": 2, "crud": 1})
    assert buffer.take_shed() is None
