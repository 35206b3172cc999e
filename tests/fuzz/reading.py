"""All that is done with bytes that arrive: fed by a fuzzer, and by a test with what the fuzzer once found."""

from __future__ import annotations

from typing import Any

import orjson

from collector.batching import read_batch, shed_gaps
from collector.playing import Player
from collector.replay_stream import items_of
from collector.sources.session import Limits, Session, Store
from collector.wire.recorded import decode_recorded
from collector.wire.signature import is_signed
from collector.wire.stream import decode_server_frame
from domain.errors import DecodeError
from domain.redaction import redact_text
from tests.collector.wire.test_hostile_input import CANARY, NOW_MS, check, check_storable

MOST_BYTES = 65_536
LIMITS = Limits(window=100, max_batch=50, max_bytes=2 * MOST_BYTES)
FIRST = b'{"ts":1727003700,"kind":"configure"}'
"""A line before, so that a line's own times are moved by what they are not."""


SECRETS = ("apikey", "password", "client_secret", "authorization", "x-csrf-token", "redis_password")
"""Names under which a fuzzer puts the canary."""


def secrets_in(value: Any, *, is_secret: bool = False) -> int:
    """How many canaries stand under a secret's name."""
    if isinstance(value, dict):
        return sum(secrets_in(item, is_secret=is_secret or name in SECRETS) for name, item in value.items())
    if isinstance(value, list):
        return sum(secrets_in(item, is_secret=is_secret) for item in value)
    return value.count(CANARY) if is_secret and isinstance(value, str) else 0


def without_told_canaries(body: bytes) -> bytes:
    """The same input; with another word for the canary where one of them stands under no secret's name."""
    canaries = body.count(CANARY.encode())
    if not canaries:
        return body
    try:
        is_kept = secrets_in(orjson.loads(body)) == canaries
    except orjson.JSONDecodeError:
        is_kept = False
    return body if is_kept else body.replace(CANARY.encode(), b"no-canary")


def as_frame(body: bytes) -> None:
    """As a frame of either side."""
    session = Session(None, LIMITS)
    session.receive('{"t":"hello","source":"s","epoch":"e"}')
    session.know_cursor(0)
    text = body.decode("utf-8", "replace")
    for message in (text, f'{{"t":"batch","first":1,"events":[{text}]}}'):
        for command in session.receive(message):
            if isinstance(command, Store):
                gathered = read_batch(command.items, received_ms=NOW_MS)
                check_storable(gathered.decoded)
                for gap in shed_gaps("s", gathered, command.items, NOW_MS):
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
            orjson.dumps(item)  # what goes to another collector is redacted there
        try:
            check_storable(
                decode_recorded(line.raw, received_ms=line.received_ms, place=line.place, run=line.run)
            )
        except DecodeError as error:
            str(error).encode()


def read(body: bytes) -> None:
    """By every way in; whatever is read must be storable, and what is not must be refused.

    A canary under a secret's name must be in nothing that comes out.
    """
    body = without_told_canaries(body)
    check(body)
    as_frame(body)
    as_line(body)
    text = body.decode("utf-8", "replace")
    is_signed(body, text, b"secret")
    redact_text(text).encode()
