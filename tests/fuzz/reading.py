"""All that is done with bytes that arrive: fed by a fuzzer, and by a test with what the fuzzer once found."""

from __future__ import annotations

import orjson

from collector.batching import shed_gaps
from collector.playing import Player
from collector.replay_stream import items_of
from collector.sources.session import Limits, Session, Store
from collector.wire.recorded import decode_recorded
from collector.wire.signature import is_signed
from collector.wire.stream import decode_server_frame, decode_stream_items
from domain.errors import DecodeError
from domain.redaction import redact_text
from tests.collector.wire.test_hostile_input import NOW_MS, check, check_storable

MOST_BYTES = 65_536
LIMITS = Limits(window=100, max_batch=50, max_bytes=2 * MOST_BYTES)
FIRST = b'{"ts":1727003700,"kind":"configure"}'
"""A line before, so that a line's own times are moved by what they are not."""


def as_frame(body: bytes) -> None:
    """As a frame of either side."""
    session = Session(None, LIMITS)
    session.receive('{"t":"hello","source":"s","epoch":"e"}')
    session.know_cursor(0)
    text = body.decode("utf-8", "replace")
    for message in (text, f'{{"t":"batch","first":1,"events":[{text}]}}'):
        for command in session.receive(message):
            if isinstance(command, Store):
                for item in decode_stream_items(command.items, received_ms=NOW_MS):
                    check_storable(item)
                for gap in shed_gaps("s", command.items, NOW_MS):
                    assert gap.from_ms <= gap.to_ms
                    gap.cause.encode()
    try:
        decode_server_frame(body)
    except DecodeError as error:
        str(error).encode()


def as_line(body: bytes) -> None:
    """As a line of a recorded file, played as it was and at another time."""
    for start_ms in (None, NOW_MS):
        player = Player(None, start_ms, lambda: NOW_MS)
        player._line(1, FIRST, "f:1")
        line = player._line(2, body, "f:2")
        for item in items_of(line):
            orjson.dumps(item)
        try:
            check_storable(
                decode_recorded(line.raw, received_ms=line.received_ms, place=line.place, run=line.run)
            )
        except DecodeError as error:
            str(error).encode()


def read(body: bytes) -> None:
    """By every way in; whatever is read must be storable, and what is not must be refused."""
    check(body)
    as_frame(body)
    as_line(body)
    text = body.decode("utf-8", "replace")
    is_signed(body, text, b"secret")
    redact_text(text).encode()
