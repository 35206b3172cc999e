"""Words and their numbers."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from storage.codes import NONE_KEY, OTHER_KEY, Dim
from storage.connection import open_writer
from storage.schema import prepare
from storage.writing.keys import KeyBook, check_instant, check_integer, check_text


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    found = open_writer(tmp_path / "g.db")
    prepare(found, tmp_path / "g.db")
    yield found
    found.close()


def test_a_word_has_one_number_in_its_dimension(connection: sqlite3.Connection) -> None:
    keys = KeyBook(connection)

    numbers = [keys.key(Dim.IP, "a"), keys.key(Dim.IP, "a"), keys.key(Dim.NODE, "a"), keys.key(Dim.IP, "A")]

    assert numbers[0] == numbers[1]
    assert len(set(numbers)) == 3
    assert KeyBook(connection).key(Dim.IP, "a") == numbers[0]


def test_nothing_has_the_number_of_nothing(connection: sqlite3.Connection) -> None:
    keys = KeyBook(connection)

    assert keys.key(Dim.IP, None) == NONE_KEY
    assert keys.prefix_of_key(NONE_KEY) == NONE_KEY
    assert keys.prefix_of_key(OTHER_KEY) == OTHER_KEY


def test_words_past_the_memory_keep_their_numbers(
    connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.writing.keys.MAX_CACHED", 4)
    keys = KeyBook(connection)

    first = [keys.key(Dim.IP, f"10.0.0.{n}") for n in range(20)]
    again = [keys.key(Dim.IP, f"10.0.0.{n}") for n in range(20)]

    assert first == again
    assert len(keys._keys) <= 4


def test_an_address_has_its_prefix(connection: sqlite3.Connection) -> None:
    keys = KeyBook(connection)

    numbers = [
        keys.prefix_of_key(keys.key(Dim.IP, ip)) for ip in ("10.0.0.1", "10.0.0.2", "2001:db8::1", "odd")
    ]

    words = dict(connection.execute("SELECT key_id, value FROM keys WHERE dim = ?", (Dim.PREFIX,)))
    assert [words.get(number) for number in numbers] == ["10.0.0.0/24", "10.0.0.0/24", "2001:db8::/64", None]


@pytest.mark.parametrize(
    ("parts", "token"),
    [
        (("minute", 20, 60), "20/minute"),
        (("sms/minute", 5, 60), "5/sms/minute"),
        ((None, 20, 90), "20/90s"),
        (("minute", None, 60), "minute"),
        ((None, 20, None), "20"),
    ],
)
def test_a_limit_is_one_word(connection: sqlite3.Connection, parts: Any, token: str) -> None:
    key = KeyBook(connection).limit(*parts)

    assert connection.execute("SELECT value FROM keys WHERE key_id = ?", (key,)).fetchone() == (token,)
    stored = connection.execute(
        "SELECT limit_name, limit_value, window_s FROM limits WHERE key_id = ?", (key,)
    ).fetchone()
    assert stored == parts


def test_limits_that_read_alike_stay_apart(connection: sqlite3.Connection) -> None:
    """A limit `90s` with a window of its own and a window of 90 seconds without a name."""
    keys = KeyBook(connection)

    numbers = {keys.limit("90s", 20, 90), keys.limit(None, 20, 90), keys.limit("90s", 20, 91)}

    assert len(numbers) == 3
    assert {
        KeyBook(connection).limit(*parts) for parts in (("90s", 20, 90), (None, 20, 90), ("90s", 20, 91))
    } == (numbers)


def test_no_limit_has_the_number_of_nothing(connection: sqlite3.Connection) -> None:
    assert KeyBook(connection).limit(None, None, None) == NONE_KEY


@pytest.mark.parametrize("value", ["x" * 4_097, "\ud800", 7, None, b"x"])
def test_a_text_that_cannot_be_kept_is_refused(value: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - UnicodeEncodeError is one
        check_text(value)


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, "7", 7.0])
def test_a_number_that_cannot_be_kept_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"n (is|does)"):
        check_integer(value, "n")


@pytest.mark.parametrize("value", [-1, 253_402_300_800_000, None])
def test_a_moment_outside_our_calendar_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"at_ms is .*, expected milliseconds from 1970 to the year 9999"):
        check_instant(value, "at_ms")


@pytest.mark.parametrize("value", [0, 253_402_300_799_999])
def test_the_first_and_the_last_moment_are_ours(value: int) -> None:
    check_instant(value, "at_ms")
