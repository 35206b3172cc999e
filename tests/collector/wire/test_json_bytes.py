from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.wire.json_bytes import MAX_DEPTH, load_json, parse_json, tidied
from domain.errors import DecodeError

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)

MALFORMED = [
    ("nothing", b"", "where: not JSON (Input is a zero-length, empty document, at byte 0): nothing"),
    ("text", b"hello", "where: not JSON (unexpected character, expected a JSON value, at byte 0): hello"),
    ("cut short", b'{"a": 1', 'where: not JSON (unexpected end of data, at byte 7): {"a": 1'),
    ("NaN", b'{"a": NaN}', None),
    ("Infinity", b"[-Infinity]", None),
    ("a lone surrogate", rb'{"a": "\ud800"}', None),
    ("a byte order mark", b"\xef\xbb\xbf{}", None),
    ("no UTF-8", b'{"a": "\xff"}', None),
    ("a raw control character", b'{"a": "\x01"}', None),
    ("two values", b"{} {}", None),
    ("single quotes", b"{'a': 1}", None),
    ("a comma too many", b"[1,]", None),
    ("100,000 brackets", b"[" * 100_000, None),
]


@pytest.mark.parametrize(
    ("raw", "message"), [row[1:] for row in MALFORMED], ids=[row[0] for row in MALFORMED]
)
def test_what_is_not_json_is_refused_with_what_was_found(raw: bytes, message: str | None) -> None:
    with pytest.raises(DecodeError) as refused:
        load_json(raw, "where")

    assert str(refused.value).startswith("where: not JSON (")
    assert message is None or str(refused.value) == message
    assert len(str(refused.value)) < 250


def test_the_message_shows_no_secret() -> None:
    with pytest.raises(DecodeError) as refused:
        load_json(b'{"apikey": "s3cr3t-cAnAry", "broken', "where")

    assert "s3cr3t" not in str(refused.value)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"[" * 33 + b"]" * 33, "where: nested deeper than 32 levels"),
        (b'{"a":' * 33 + b"1" + b"}" * 33, "where: nested deeper than 32 levels"),
        (b"[18446744073709551615]", "where: whole number 18446744073709551615, expected at most 64 bits"),
    ],
)
def test_what_cannot_be_stored_is_refused(raw: bytes, message: str) -> None:
    with pytest.raises(DecodeError) as refused:
        parse_json(raw, "where")

    assert str(refused.value) == message


def test_the_deepest_message_that_is_taken_has_32_levels() -> None:
    assert parse_json(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, "where") is not None


def test_the_last_of_duplicate_keys_counts() -> None:
    assert parse_json(b'{"a": 1, "a": 2}', "where") == {"a": 2}


def test_nul_characters_are_replaced_in_values_and_in_keys() -> None:
    assert parse_json(rb'{"a\u0000": "b\u0000"}', "where") == {"a\ufffd": "b\ufffd"}


def test_numbers_past_any_bound_become_floats() -> None:
    """By orjson: it reads whole numbers past 64 bits as floats; SQLite can hold those."""
    assert parse_json(b"[1" + b"0" * 30 + b"]", "where") == [1e30]


@given(JSON)
def test_json_within_bounds_is_read_as_it_is(value: Any) -> None:
    assert parse_json(orjson.dumps(value), "where") == value


@given(JSON)
def test_tidying_twice_changes_nothing_more(value: Any) -> None:
    assert tidied(tidied(value, "where"), "where") == tidied(value, "where")


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_a_decode_error(raw: bytes) -> None:
    try:
        parse_json(raw, "where")
    except DecodeError as error:
        assert error.where == "where"  # noqa: PT017 - either outcome is right
