from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.wire.fields import address, digest, integer, mapping, reference, shown, text


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("orders", "orders"),
        ("", None),
        (None, None),
        (5, None),
        ({"a": 1}, None),
        ("a\0b", "a\ufffdb"),
        ("x" * 400, "x" * 300),
    ],
)
def test_a_column_holds_short_text(value: Any, expected: str | None) -> None:
    assert text(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (5, 5),
        ("5", 5),
        (5.0, 5),
        (5.5, None),
        (True, None),
        ("five", None),
        ("\u0665", None),
        (2**63, None),
        (-(2**63), -(2**63)),
        (1e300, None),
        ("9" * 19, None),
        (None, None),
        ([5], None),
    ],
)
def test_a_column_holds_a_whole_number_of_64_bits(value: Any, expected: int | None) -> None:
    assert integer(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("10.0.0.1:8080", "10.0.0.1:8080"),
        ("unix:", "unix:"),
        ("<b>\n", "<b>\\n"),
        ("", None),
        (7, None),
    ],
)
def test_an_address_is_canonical_or_escaped(value: Any, expected: str | None) -> None:
    assert address(value) == expected


@given(st.ip_addresses().map(str))
def test_canonical_addresses_stay_as_they_are(value: str) -> None:
    canonical = address(value)

    assert address(canonical) == canonical


def test_equal_values_have_equal_digests_whatever_the_order_of_their_keys() -> None:
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})


def test_references_and_objects() -> None:
    assert (reference({"id": "a"}), reference("a"), reference({"name": "a"}), reference(None)) == (
        "a",
        "a",
        None,
        None,
    )
    assert (mapping({"a": 1}), mapping([1]), mapping(None)) == ({"a": 1}, {}, {})


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "missing"),
        ("a", "'a'"),
        ({"a": 1}, "an object"),
        ([1, 2], "a list of 2"),
        (5, "5"),
        ("Bearer s3cr3t", "'Bearer [redacted]'"),
    ],
)
def test_a_message_names_a_value_without_showing_too_much(value: Any, expected: str) -> None:
    assert shown(value) == expected


def test_a_message_stays_short() -> None:
    assert len(shown("x" * 1_000_000)) < 130
