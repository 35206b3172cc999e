"""A SQLite file copied into an empty PostgreSQL database, row by row, and compared row by row.

Nobody may write either meanwhile. Tables go one after the other in the order of their keys, in pieces; each
piece is committed together with how far the copy has come, so one that was interrupted goes on where it
stopped. What was copied is then read again from both sides and compared: what differs is not called a copy.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from domain.errors import StoreForeign
from storage.connection import mapped_errors, open_reader, transaction
from storage.location import PostgresUrl
from storage.postgres.ddl import GIVEN
from storage.postgres.opening import open_prepared
from storage.postgres.schema import settle_numbers
from storage.schema import VERSION, version_of

PIECE = 5_000
"""Rows in one transaction: some 100 ms, so little is done again."""
_NOT_OURS = ("sqlite_", "_sqlite_migrations")
_PROGRESS = "copy_progress"
_NUL, _SHOWN_NUL = "\0", "\u2400"
Tell = Callable[[str, int, int], None]
"""Told a table, how many of its rows are done, and how many there are."""


class _Table(NamedTuple):
    name: str
    columns: tuple[str, ...]
    keys: tuple[str, ...]
    rows: int

    @property
    def named(self) -> str:
        """Its columns as SQL."""
        return ", ".join(self.columns)

    @property
    def order(self) -> str:
        """Its key as SQL."""
        return ", ".join(self.keys)


class Copy:
    """From a file to a database.

    Args:
        source: The file; it is only read.
        target: The database; its tables are made where they are not there.

    Raises:
        StoreError: One of them cannot be opened.
        StoreForeign: The database holds something already that is no part of this copy, or the file is of
            another version.
    """

    def __init__(self, source: Path, target: PostgresUrl) -> None:
        self._path, self._url = source, target
        self._source = open_reader(source)
        try:
            self._target = open_prepared(target)
        except BaseException:
            self._source.close()
            raise
        try:
            self._tables = self._begin_reading()
            self._prepare()
        except BaseException:
            self.close()
            raise

    def _begin_reading(self) -> list[_Table]:
        with mapped_errors(self._path):
            found = version_of(self._source)
            if found != VERSION:
                raise StoreForeign(
                    f"{self._path} has schema {found}, expected {VERSION}: run a collector on it once"
                )
            self._source.execute("BEGIN")
            return list(_tables(self._source))

    def close(self) -> None:
        """Release both."""
        self._source.close()
        self._target.close()

    @property
    def rows(self) -> int:
        """How many there are."""
        return sum(table.rows for table in self._tables)

    def run(self, tell: Tell) -> int:
        """Copy what is not there yet; returns how many rows that was.

        Raises:
            StoreError: The database does not answer; run it again.
        """
        copied = 0
        for table in self._tables:
            done = self._done(table)
            for piece in self._pieces(table, done):
                marks = ", ".join("?" * len(table.columns))
                with transaction(self._target):
                    self._target.executemany(
                        f"INSERT INTO {table.name} ({table.named}) VALUES ({marks})", piece
                    )
                    done += len(piece)
                    self._target.execute(
                        f"UPDATE {_PROGRESS} SET rows = ? WHERE name = ?", (done, table.name)
                    )
                copied += len(piece)
                tell(table.name, done, table.rows)
        self._settle()
        return copied

    def differences(self, tell: Tell) -> list[str]:
        """What is not alike on both sides, one sentence per table; nothing when the copy is whole."""
        found = []
        for table in self._tables:
            problem = self._compare(table, tell)
            if problem:
                found.append(f"{table.name}: {problem}")
        return found

    def finish(self) -> None:
        """The copy is whole: forget how it came about, so that writers may begin."""
        self._target.script(f"DROP TABLE {_PROGRESS}")

    # ---- before

    def _prepare(self) -> None:
        with mapped_errors(self._url):
            if self._target.script(f"SELECT to_regclass('{_PROGRESS}')::text").fetchone() != (None,):
                return
            if self._target.script("SELECT count(*)::bigint FROM events").fetchone() != (0,):
                raise StoreForeign(f"{self._url} holds events already; copy into an empty database")
            if self._target.script("SELECT count(*)::bigint FROM sources").fetchone() != (0,):
                raise StoreForeign(f"{self._url} is in use already; copy into an empty database")
            names = ", ".join(table.name for table in self._tables)
            values = ", ".join(f"('{table.name}', 0)" for table in self._tables)
            self._target.script(
                f"BEGIN; TRUNCATE {names};"
                f" CREATE TABLE {_PROGRESS} (name text PRIMARY KEY, rows bigint NOT NULL);"
                f" INSERT INTO {_PROGRESS} VALUES {values}; COMMIT"
            )

    def _done(self, table: _Table) -> int:
        row = self._target.execute(f"SELECT rows FROM {_PROGRESS} WHERE name = ?", (table.name,)).fetchone()
        if row is None:
            raise StoreForeign(f"{self._url}: the copy that was begun there knows no table {table.name}")
        return int(row[0])

    # ---- rows

    def _pieces(self, table: _Table, done: int) -> Iterator[list[tuple[Any, ...]]]:
        """The rows after the first `done`, in order."""
        with mapped_errors(self._path):
            cursor = self._source.execute(
                f"SELECT {table.named} FROM {table.name} ORDER BY {table.order} LIMIT -1 OFFSET ?", (done,)
            )
            while piece := cursor.fetchmany(PIECE):
                yield piece

    def _compare(self, table: _Table, tell: Tell) -> str:
        """Read both sides in the order of the key, side by side."""
        query = f"SELECT {table.named} FROM {table.name} ORDER BY {table.order}"
        self._target.script(f"BEGIN; DECLARE copied NO SCROLL CURSOR FOR {query}")
        try:
            done = 0
            for theirs in self._pieces(table, 0):
                ours = self._target.script(f"FETCH {len(theirs)} FROM copied").fetchall()
                for place, (one, other) in enumerate(zip(theirs, ours, strict=False)):
                    if _shown(one) != tuple(other):
                        return f"row {done + place + 1} differs"
                if len(ours) != len(theirs):
                    return f"row {done + len(ours) + 1} is missing"
                done += len(theirs)
                tell(table.name, done, table.rows)
            more = self._target.script("FETCH 1 FROM copied").fetchall()
            return f"more than {done} rows" if more else ""
        finally:
            self._target.execute("ROLLBACK")

    def _settle(self) -> None:
        """Have the numbers that are given next follow those that were copied."""
        settle_numbers(self._target)
        given = [table for table in self._tables if table.name in GIVEN]
        with transaction(self._target):
            for table in given:
                highest = self._source.execute(f"SELECT max({table.keys[0]}) FROM {table.name}").fetchone()[0]
                self._target.execute(
                    "INSERT INTO given_numbers VALUES (?, ?)"
                    " ON CONFLICT (name) DO UPDATE SET seq = excluded.seq",
                    (table.name, max(highest or 0, _sequence(self._source, table.name))),
                )


def _tables(source: sqlite3.Connection) -> Iterator[_Table]:
    known = source.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    names = [row[0] for row in known]
    for name in names:
        if name.startswith(_NOT_OURS):
            continue
        columns = source.execute(f"PRAGMA table_info({name})").fetchall()
        keys = sorted((column[5], column[1]) for column in columns if column[5])
        (rows,) = source.execute(f"SELECT count(*) FROM {name}").fetchone()
        yield _Table(name, tuple(column[1] for column in columns), tuple(key for _, key in keys), rows)


def _sequence(source: sqlite3.Connection, table: str) -> int:
    """The highest number that SQLite ever gave in a table that gives none twice."""
    row = source.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)).fetchone()
    return 0 if row is None else int(row[0])


def _shown(row: Sequence[Any]) -> tuple[Any, ...]:
    """As PostgreSQL has it: no text of its holds NUL."""
    return tuple(v.replace(_NUL, _SHOWN_NUL) if isinstance(v, str) else v for v in row)
