from __future__ import annotations

import pytest

from domain.errors import (
    DEFECT,
    DeadlineExceeded,
    DecodeError,
    GatewatchError,
    ProtocolError,
    StoreBusy,
    excerpt,
    refusal_of,
)


def test_an_excerpt_is_one_printable_line() -> None:
    assert excerpt(b"a\nb\x1b[31m\xff") == r"a\nb\x1b[31m\\xff"


def test_a_long_excerpt_ends_after_120_characters() -> None:
    shown = excerpt("x" * 500)

    assert shown == "x" * 120 + "..."


def test_a_decode_error_says_where_and_what() -> None:
    error = DecodeError("http_log entry 3 of 12", "found text, expected an object")

    assert (error.where, error.problem) == ("http_log entry 3 of 12", "found text, expected an object")
    assert str(error) == "http_log entry 3 of 12: found text, expected an object"


def test_a_protocol_error_carries_its_close_code() -> None:
    error = ProtocolError(4409, "sequence gap")

    assert (error.code, error.reason, str(error)) == (4409, "sequence gap", "4409 sequence gap")


def test_a_missed_deadline_says_how_long_it_was() -> None:
    assert str(DeadlineExceeded(500)) == "the database did not answer within 500 ms"


def test_every_error_of_ours_has_one_root() -> None:
    errors = (DecodeError("", ""), ProtocolError(4400, ""), StoreBusy(), DeadlineExceeded(1))

    assert all(isinstance(error, GatewatchError) for error in errors)


def test_an_excerpt_is_as_short_when_its_characters_have_long_names() -> None:
    assert excerpt("\0" * 500) == r"\x00" * 30 + "..."
    assert excerpt("\U0001f600" * 13) == r"\U0001f600" * 12 + "..."
    assert excerpt("\U0001f600" * 12) == r"\U0001f600" * 12


def failing() -> None:
    """As a decoder of ours would."""
    _ = {}["s3cret"]


def test_a_failure_of_ours_is_told_as_one_without_what_was_read() -> None:
    with pytest.raises(KeyError) as caught:
        failing()

    told = refusal_of(caught.value, "stream item")

    assert str(told) == f"stream item: reading it failed (KeyError in failing): {DEFECT}"


def test_an_error_of_the_senders_stays_what_it_is() -> None:
    error = DecodeError("event", "no kind")

    assert refusal_of(error, "stream item") is error
