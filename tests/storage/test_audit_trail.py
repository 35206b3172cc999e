"""The audit trail: only additions, and every altered bit is found."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest

from domain.errors import StoreBusy
from storage.audit_trail import CHAINED, FIRST_CHAIN, chain_of, record, record_settings, verify
from tests.storage.filling import NOW_MS, opened, rows, stored_again

NEEDLE, DETAIL = "needle in the trail", "über \U0001f600"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "g.db"
    with opened(found) as store:
        for number in range(5):
            record(found, NOW_MS + number, "ana", "login", f"{NEEDLE} {number}", DETAIL)
        store.checkpoint()
    return found


def trail(path: Path) -> str:
    """What `verify` says of the audit trail."""
    return next(chain.problem for chain in verify(path) if chain.table == "audit_trail")


def without_triggers(path: Path) -> sqlite3.Connection:
    """Somebody who may write the file and knows how."""
    connection = stored_again(path)
    for table in CHAINED:
        for word in ("update", "delete"):
            connection.execute(f"DROP TRIGGER {table}_keeps_{word}")
    return connection


def test_each_entry_is_chained_to_the_one_before(path: Path) -> None:
    head = FIRST_CHAIN
    for *values, chain in rows(
        path, "SELECT at_ms, who, what, subject, detail, chain FROM audit_trail ORDER BY entry"
    ):
        head = chain_of(head, *values)
        assert chain == head

    (found, other) = verify(path)
    assert found == ("audit_trail", 5, head, "")
    assert other == ("change_log", 0, FIRST_CHAIN, "")


@pytest.mark.parametrize("table", CHAINED)
@pytest.mark.parametrize(
    "statement", ["UPDATE {} SET who = 'bob'", "DELETE FROM {}"], ids=["update", "delete"]
)
def test_nothing_but_additions_is_taken(path: Path, table: str, statement: str) -> None:
    with contextlib.closing(stored_again(path)) as connection:
        connection.execute(
            f"INSERT INTO {table} (at_ms, who, what, subject, detail, chain)"
            " VALUES (1, 'a', 'b', 'c', 'd', 'e')"
        )
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute(statement.format(table))


@pytest.mark.parametrize("column", ["who", "what", "subject", "detail", "chain"])
def test_every_bit_of_every_text_counts(path: Path, column: str) -> None:
    (before,) = rows(path, f"SELECT CAST({column} AS BLOB) FROM audit_trail WHERE entry = 3")[0]
    with contextlib.closing(without_triggers(path)) as connection:
        change = f"UPDATE audit_trail SET {column} = CAST(? AS TEXT) WHERE entry = 3"
        for place in range(len(before)):
            altered = bytearray(before)
            altered[place] ^= 1 << (place % 8)
            connection.execute(change, (bytes(altered),))

            assert trail(path) == "entry 3 is not as it was written, or the one before it was taken out", (
                place
            )
        connection.execute(change, (before,))
    assert trail(path) == ""


def test_one_flipped_bit_in_each_byte_of_the_stored_row_is_found(path: Path) -> None:
    """In the file itself, as a failing disk would flip it; also in the lengths that stand before the texts.

    One byte is left out: the type of `entry` in the record's header, which SQLite never looks at, because the
    number stands before the record (https://sqlite.org/fileformat2.html#record_format).
    """
    data = path.read_bytes()
    text = data.index(f"{NEEDLE} 2".encode())
    assert data[text - 8 : text] == b"analogin"
    # length (2 bytes), entry, size of the header, types (1 + 7 bytes), the time (6 bytes), then the texts
    start, unread = text - 26, text - 22
    end = text + len(f"{NEEDLE} 2") + len(DETAIL.encode()) + 64

    missed = []
    for place in range(start, end):
        altered = bytearray(data)
        altered[place] ^= 1 << (place % 8)
        path.write_bytes(altered)
        if not trail(path):
            missed.append(place)
    path.write_bytes(data)

    assert set(missed) <= {unread}
    assert data[end - 64 : end].decode() == rows(path, "SELECT chain FROM audit_trail WHERE entry = 3")[0][0]
    assert trail(path) == ""


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("UPDATE audit_trail SET at_ms = at_ms + 1 WHERE entry = 1", "entry 1 is not as it was written"),
        ("DELETE FROM audit_trail WHERE entry = 2", "entry 2 is missing: entry 3 follows"),
        ("DELETE FROM audit_trail WHERE entry > 3", "entries 4 to 5 are missing at the end"),
        ("DELETE FROM audit_trail", "entries 1 to 5 are missing at the end"),
    ],
    ids=["time", "middle", "end", "all"],
)
def test_where_it_is_broken_is_said(path: Path, statement: str, problem: str) -> None:
    with contextlib.closing(without_triggers(path)) as connection:
        connection.execute(statement)

    assert trail(path).startswith(problem)


def test_settings_that_differ_are_recorded_by_name(path: Path) -> None:
    first = record_settings(path, 1, {"a": "1", "b": "2"})
    same = record_settings(path, 2, {"a": "1", "b": "2"})
    changed = record_settings(path, 3, {"a": "1", "b": "3"})

    assert (first, same, changed) == ([], [], ["b"])
    told = rows(path, "SELECT what, subject, detail FROM audit_trail WHERE entry > 5 ORDER BY entry")
    assert told == [
        ("setting changed", "all", '{"before": null, "after": "as first started"}'),
        ("setting changed", "b", '{"before": "2", "after": "3"}'),
    ]
    assert trail(path) == ""


def test_without_a_database_nothing_can_be_recorded(tmp_path: Path) -> None:
    with pytest.raises(StoreBusy, match="does not exist yet"):
        record(tmp_path / "none.db", 1, "ana", "login")
