"""The stream protocol as transcripts: frames in, commands out."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from collector.sources.session import (
    Close,
    FindCursor,
    Limits,
    Phase,
    Send,
    Session,
    Store,
    StoreGap,
)
from collector.wire.stream import DeadSeq

LIMITS = Limits(window=10, max_batch=5, max_bytes=1000)


def hello(**fields: Any) -> str:
    return json.dumps({"t": "hello", "source": "gw-1", "epoch": "e", "oldest": 1, "next": 1, **fields})


def batch(first: int, count: int) -> str:
    return json.dumps({"t": "batch", "first": first, "events": [{"n": first + i} for i in range(count)]})


def streaming(acked: int = 0) -> Session:
    session = Session(None, LIMITS)
    session.receive(hello(oldest=acked + 1))
    session.know_cursor(acked)
    return session


def store(first: int, *numbers: int) -> Store:
    """The command to store items as `batch` makes them."""
    return Store(first, [msgspec.Raw(b'{"n": %d}' % number) for number in numbers])


def frames(commands: list[Any]) -> list[Any]:
    return [json.loads(command.frame) for command in commands if isinstance(command, Send)]


def test_hello_asks_for_the_cursor_and_welcome_tells_it() -> None:
    session = Session(None, LIMITS)

    first = session.receive(hello())
    second = session.know_cursor(7)

    assert first == [FindCursor("gw-1", "e", 1)]
    assert frames(second) == [{"t": "welcome", "acked": 7, "window": 10, "max_batch": 5, "max_bytes": 1000}]
    assert session.phase is Phase.STREAMING


def test_batches_are_stored_in_order_and_acknowledged_together() -> None:
    session = streaming()

    commands = session.receive(batch(1, 3)) + session.receive(batch(4, 2))
    session.stored(3)
    session.stored(5, [DeadSeq(seq=4, why="no kind")])

    assert commands == [store(1, 1, 2, 3), store(4, 4, 5)]
    assert [command.upto for command in commands if isinstance(command, Store)] == [3, 5]
    assert frames(session.acknowledge()) == [
        {"t": "ack", "upto": 5, "window": 10, "dead": [{"seq": 4, "why": "no kind"}]}
    ]
    assert frames(session.acknowledge()) == [{"t": "ack", "upto": 5, "window": 10}]


def test_what_is_known_already_is_not_stored_again() -> None:
    session = streaming(acked=3)

    assert session.receive(batch(1, 3)) == []
    assert session.receive(batch(2, 4)) == [store(4, 4, 5)]
    assert session.receive(batch(4, 2)) == []
    assert session.acked == 3


def test_an_empty_batch_is_no_event() -> None:
    assert streaming().receive(batch(1, 0)) == []


def test_a_hole_in_the_numbers_closes_with_the_number_expected() -> None:
    session = streaming(acked=3)

    assert session.receive(batch(5, 1)) == [Close(4409, "sequence gap: got 5, expected 4")]
    assert session.receive(batch(4, 1)) == []
    assert session.phase is Phase.CLOSED


def test_a_sender_that_lost_events_gets_a_gap_before_its_welcome() -> None:
    session = Session(None, LIMITS)
    session.receive(hello(oldest=10, next=12))

    assert session.know_cursor(4) == [StoreGap(5, 9)]
    assert session.receive(batch(10, 1)) == [Close(4400, "a batch before welcome")]

    session = Session(None, LIMITS)
    session.receive(hello(oldest=10, next=12))
    session.know_cursor(4)
    assert frames(session.gap_stored(9))[0]["acked"] == 9
    assert session.receive(batch(10, 2)) == [store(10, 10, 11)]


def test_a_sender_may_fill_its_window_and_no_more() -> None:
    session = streaming()
    session.receive(batch(1, 5))

    assert session.receive(batch(6, 5)) == [store(6, *range(6, 11))]
    assert session.receive(batch(11, 1)) == [Close(4429, "more than 10 events unacknowledged; retry_ms=1000")]


def test_acknowledged_events_open_the_window_again() -> None:
    session = streaming()
    session.receive(batch(1, 5))
    session.receive(batch(6, 5))
    session.stored(5)

    assert session.receive(batch(11, 5)) == [store(11, *range(11, 16))]


@pytest.mark.parametrize(
    ("message", "code", "reason"),
    [
        (b"{}", 4400, "expected a text frame"),
        (batch(1, 6), 4413, "6 events, expected at most 5"),
        ("x" * 1001, 4413, "message longer than 1000 bytes"),
        (hello(), 4400, "a second hello"),
        ('{"t":"batch","first":0,"events":[]}', 4400, None),
        ('{"t":"batch","first":1}', 4400, None),
        ('{"t":"ack","upto":1}', 4400, None),
        ("[]", 4400, None),
        ("{", 4400, None),
        ('{"t":"batch","first":1,"events":[NaN]}', 4400, None),
    ],
)
def test_what_breaks_the_protocol_closes_with_a_code(
    message: str | bytes, code: int, reason: str | None
) -> None:
    (command,) = streaming().receive(message)

    assert isinstance(command, Close)
    assert command.code == code
    assert command.reason == reason if reason else command.reason
    assert len(command.reason.encode()) <= 120


@pytest.mark.parametrize(
    "message",
    [
        '{"t":"hello","source":"","epoch":"e"}',
        '{"t":"hello","source":"s"}',
        '{"t":"hello","source":"s","epoch":"e","oldest":-1}',
        '{"t":"hello","source":"s","epoch":"e","oldest":99999999999999999999}',
        '{"t":"hello","source":["s"],"epoch":"e"}',
    ],
)
def test_a_hello_that_cannot_be_read_is_refused(message: str) -> None:
    (command,) = Session(None, LIMITS).receive(message)

    assert isinstance(command, Close)
    assert command.code == 4400


def test_a_token_of_another_source_is_refused() -> None:
    assert Session("gw-2", LIMITS).receive(hello()) == [Close(4403, "the token belongs to another source")]
    assert Session("gw-1", LIMITS).receive(hello()) == [FindCursor("gw-1", "e", 1)]
    assert Session("gw-1", LIMITS).receive(hello(source="gw-1/3")) == [FindCursor("gw-1/3", "e", 1)]


def test_silence_instead_of_hello_closes_but_a_hello_stops_the_clock() -> None:
    waiting, opening = Session(None, LIMITS), Session(None, LIMITS)
    opening.receive(hello())

    assert waiting.hello_overdue() == [Close(4408, "no hello in time")]
    assert opening.hello_overdue() == []


def test_a_newer_connection_ends_this_one_once() -> None:
    session = streaming()

    assert session.supersede() == [Close(4409, "superseded by a newer connection of this source")]
    assert session.supersede() == []
    assert session.receive(batch(1, 1)) == []
    assert session.acknowledge() == []


def test_before_welcome_there_is_nothing_to_acknowledge() -> None:
    session = Session(None, LIMITS)

    assert session.acknowledge() == []
    session.receive(hello())
    assert session.acknowledge() == []


def test_a_long_reason_is_cut_where_characters_end() -> None:
    (command,) = streaming().close(4400, "ü" * 100)

    assert isinstance(command, Close)
    assert command.reason == "ü" * 60
