"""The only place that opens a database file, and what SQLite's errors mean to us."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest

from domain.errors import StoreBusy, StoreCorrupt, StoreError, StoreForeign
from storage.connection import APPLICATION_ID, mapped_errors, open_reader, open_writer, transaction
from tests.storage.filling import opened, put, refusal, stored_again


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "g.db"


def coded(code: int, text: str = "x") -> sqlite3.DatabaseError:
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (coded(sqlite3.SQLITE_BUSY), StoreBusy),
        (coded(sqlite3.SQLITE_BUSY_SNAPSHOT), StoreBusy),
        (coded(sqlite3.SQLITE_LOCKED), StoreBusy),
        (coded(sqlite3.SQLITE_FULL, "database or disk is full"), StoreBusy),
        (coded(sqlite3.SQLITE_IOERR_FSYNC), StoreBusy),
        (coded(sqlite3.SQLITE_IOERR_WRITE), StoreBusy),
        (coded(sqlite3.SQLITE_CANTOPEN), StoreBusy),
        (coded(sqlite3.SQLITE_READONLY), StoreBusy),
        (coded(sqlite3.SQLITE_CORRUPT), StoreCorrupt),
        (coded(sqlite3.SQLITE_CORRUPT_INDEX), StoreCorrupt),
        (coded(sqlite3.SQLITE_NOTADB), StoreCorrupt),
        (coded(sqlite3.SQLITE_ERROR, "malformed database schema (events)"), StoreCorrupt),
        (coded(sqlite3.SQLITE_ERROR, "no such table: events"), StoreForeign),
        (PermissionError(13, "Permission denied"), StoreBusy),
        (coded(sqlite3.SQLITE_CONSTRAINT_UNIQUE), sqlite3.OperationalError),
        (coded(sqlite3.SQLITE_ERROR, "near 'x': syntax error"), sqlite3.OperationalError),
        (OverflowError("x"), OverflowError),
    ],
    ids=lambda value: getattr(value, "__name__", None) or f"{getattr(value, 'sqlite_errorcode', value)}",
)
def test_each_error_of_sqlites_has_one_meaning(error: Exception, meaning: type[Exception]) -> None:
    with pytest.raises(Exception, match=r".*") as caught, mapped_errors(Path("g.db")):
        raise error

    assert type(caught.value) is meaning


def test_an_error_of_ours_names_the_file() -> None:
    with (
        pytest.raises(StoreBusy, match=r"some/g\.db: database or disk is full"),
        mapped_errors(Path("some/g.db")),
    ):
        raise coded(sqlite3.SQLITE_FULL, "database or disk is full")


def test_a_transaction_is_everything_or_nothing(path: Path) -> None:
    with contextlib.closing(open_writer(path)) as connection:
        connection.execute("CREATE TABLE t (a)")
        with transaction(connection):
            connection.execute("INSERT INTO t VALUES (1)")
        with contextlib.suppress(KeyboardInterrupt), transaction(connection):
            connection.execute("INSERT INTO t VALUES (2)")
            raise KeyboardInterrupt

        assert connection.execute("SELECT a FROM t").fetchall() == [(1,)]
        assert not connection.in_transaction


def test_a_reader_cannot_write(path: Path) -> None:
    with opened(path) as store:
        put(store, refusal(1))

    with (
        contextlib.closing(open_reader(path)) as reader,
        pytest.raises(sqlite3.OperationalError, match="readonly"),
    ):
        reader.execute("DELETE FROM events")


def test_a_reader_makes_no_file(path: Path) -> None:
    with pytest.raises(StoreError):
        open_reader(path)

    assert not path.exists()


def test_a_path_with_characters_of_urls_is_a_path(tmp_path: Path) -> None:
    path = tmp_path / "100% a?b#c.db"
    with opened(path) as store:
        put(store, refusal(1))

    with contextlib.closing(open_reader(path)) as reader:
        assert reader.execute("SELECT count(*) FROM events").fetchone() == (1,)


def test_a_file_says_whose_it_is(path: Path) -> None:
    with opened(path):
        pass

    assert int.from_bytes(path.read_bytes()[68:72], "big") == APPLICATION_ID


def test_a_reader_refuses_a_file_of_another_program(path: Path) -> None:
    with contextlib.closing(stored_again(path)) as theirs:
        theirs.execute("PRAGMA application_id=7")

    with pytest.raises(StoreForeign, match="application_id 0x7"):
        open_reader(path)
