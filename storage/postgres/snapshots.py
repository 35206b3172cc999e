"""Read-only transactions on PostgreSQL: a few connections, shared by all threads, each used by one at a time.

A server that cannot be reached is an error with its reason, never an empty answer. A database without our
tables, or a server that has just taken over, is noticed with the next question.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from domain.errors import DeadlineExceeded, StoreBusy
from storage.connection import open_empty
from storage.engine import Connection, Cursor
from storage.location import PostgresUrl
from storage.postgres.connection import PostgresConnection
from storage.postgres.schema import check_version, version_of
from storage.reading.remembered import Remembered
from storage.reading.snapshot import Snapshot
from storage.schema import prepare

MOST_CONNECTIONS = 8
"""Questions at once, as on SQLite; a server allows 100 connections by default, of all programs together."""
KEPT_S = 60.0
"""A connection that was not needed for so long is closed, with the next that is given back."""
LOOK_AGAIN_S = 1.0
"""After no server answered, all questions fail at once for so long: a page asks ten, and each would wait."""
SLACK = 8
"""A statement may take the time that its question has left, to within an eighth of the deadline."""
_VERSION_BITS = 48
_NOWHERE = Path(":memory:")
_IDENTITY = (
    "SELECT oid, extract(epoch FROM pg_postmaster_start_time())::text FROM pg_database"
    " WHERE datname = current_database()"
)
_LAST_COMMIT = "SELECT n FROM commits WHERE what = 'all'"

_Identity = tuple[Any, ...]


class _Timed:
    """A connection whose statements share one deadline."""

    def __init__(self, connection: PostgresConnection, deadline_ms: int, until: float) -> None:
        self._connection = connection
        self._deadline_ms = deadline_ms
        self._until = until
        self._allowed_ms = 0

    def begin(self) -> None:
        """Begin a transaction that sees one state; each statement may take what is left of the time."""
        self._allowed_ms = self._left_ms()
        self._connection.script(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;"
            f" SET LOCAL statement_timeout = {self._allowed_ms}"
        )

    def execute(self, statement: str, values: Any = (), /) -> Cursor:
        """Run one statement in the time that is left."""
        left_ms = self._left_ms()
        if self._allowed_ms - left_ms > self._deadline_ms // SLACK:
            self._allowed_ms = left_ms
            self._connection.script(f"SET LOCAL statement_timeout = {left_ms}")
        return self._connection.execute(statement, values)

    def _left_ms(self) -> int:
        left_ms = int((self._until - time.monotonic()) * 1000)
        if left_ms <= 0:
            raise DeadlineExceeded(self._deadline_ms)
        return left_ms

    # what a snapshot never asks for, and its type names all the same

    @property
    def in_transaction(self) -> bool:
        return self._connection.in_transaction

    @property
    def total_changes(self) -> int:
        return self._connection.total_changes

    def executemany(self, statement: str, values: Any, /) -> Cursor:
        return self._connection.executemany(statement, values)

    def close(self) -> None:
        self._connection.close()


class _Held:
    """One connection, and what it was last found to be connected to."""

    def __init__(self, url: PostgresUrl, deadline_ms: int) -> None:
        self.connection = PostgresConnection(url, is_reader=True, deadline_ms=deadline_ms)
        self.opened = 0
        self.identity: _Identity | None = None
        self.has_tables = False
        self.used_s = 0.0

    @property
    def is_known(self) -> bool:
        """Whether it is still the connection that was looked at."""
        return self.has_tables and self.opened == self.connection.opened


class PostgresSnapshots:
    """Opens lazily; nothing touches the network before the first question.

    Args:
        url: Where; with several hosts the one is taken that libpq finds to be as the URL wishes.
        deadline_ms: How long one question may take, waiting for a free connection included.
    """

    def __init__(self, url: PostgresUrl, deadline_ms: int) -> None:
        self._url = url
        self._deadline_ms = deadline_ms
        self._lock = threading.Lock()
        self._free = threading.BoundedSemaphore(MOST_CONNECTIONS)
        self._idle: list[_Held] = []
        self._watch_lock = threading.Lock()
        self._watch = _Held(url, deadline_ms)
        self._identity: _Identity | None = None
        self._generation = 0
        self._remembered = Remembered()
        self._failed_at = float("-inf")
        self._failure = ""
        self._is_closed = False

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """A read transaction with a deadline. Short: what is tidied up meanwhile must wait for it.

        Raises:
            DeadlineExceeded: It took too long.
            StoreBusy: No server answers.
            StoreError: The store cannot be read.
        """
        until = time.monotonic() + self._deadline_ms / 1000
        if not self._free.acquire(timeout=self._deadline_ms / 1000):
            raise DeadlineExceeded(self._deadline_ms)
        try:
            with self._borrowed() as held:
                timed = _Timed(held.connection, self._deadline_ms, until)
                self._begin(held, timed)
                if held.has_tables:
                    yield Snapshot(timed, self._remembered_of(held), joins_in_order=False)
                else:
                    with contextlib.closing(_nothing()) as nothing:
                        yield Snapshot(nothing, Remembered())
        finally:
            self._free.release()

    def data_version(self) -> int:
        """A number that changes when anybody has committed, or another server has taken over.

        Raises:
            StoreBusy: No server answers.
            StoreError: The store cannot be read.
        """
        with self._watch_lock:
            held = self._watch
            timed = _Timed(held.connection, self._deadline_ms, time.monotonic() + self._deadline_ms / 1000)
            try:
                self._begin(held, timed)
                row = timed.execute(_LAST_COMMIT).fetchone() if held.has_tables else (0,)
                held.connection.execute("COMMIT")
            except BaseException:
                held.connection.execute("ROLLBACK")
                raise
        with self._lock:
            return self._generation << _VERSION_BITS | int(row[0])

    def close(self) -> None:
        """Close all connections. Questions that are under way end first, by themselves."""
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
        for held in idle:
            held.connection.close()
        with self._watch_lock:
            self._watch.connection.close()

    # ---- inside

    @contextlib.contextmanager
    def _borrowed(self) -> Iterator[_Held]:
        with self._lock:
            if self._is_closed:
                raise sqlite3.ProgrammingError("this reader is closed")
            held = self._idle.pop() if self._idle else _Held(self._url, self._deadline_ms)
        try:
            yield held
            held.connection.execute("COMMIT")
        except BaseException:
            held.connection.execute("ROLLBACK")
            raise
        finally:
            for spare in self._give_back(held):
                spare.connection.close()

    def _give_back(self, held: _Held) -> list[_Held]:
        """Those to be closed; of the others the one used last is used next."""
        held.used_s = time.monotonic()
        with self._lock:
            if self._is_closed:
                return [held]
            spare = [one for one in self._idle if held.used_s - one.used_s > KEPT_S]
            self._idle = [one for one in self._idle if held.used_s - one.used_s <= KEPT_S]
            self._idle.append(held)
        return spare

    def _begin(self, held: _Held, timed: _Timed) -> None:
        """Begin a transaction; a connection that broke while nobody used it is opened again at once."""
        was_open = held.opened > 0
        with self._lock:
            if time.monotonic() - self._failed_at < LOOK_AGAIN_S:
                raise StoreBusy(self._failure)
        try:
            try:
                timed.begin()
            except StoreBusy:
                if not was_open:
                    raise
                timed.begin()
        except StoreBusy as error:
            with self._lock:
                self._failed_at, self._failure = time.monotonic(), str(error)
            raise
        if not held.is_known:
            self._look(held)

    def _look(self, held: _Held) -> None:
        """Find out what a connection is connected to.

        Raises:
            StoreForeign: To tables of a newer version of this program.
        """
        check_version(held.connection, self._url)
        held.has_tables = version_of(held.connection) > 0
        held.identity = tuple(held.connection.script(_IDENTITY).fetchone() or ())
        held.opened = held.connection.opened
        with self._lock:
            if held.has_tables and held.identity != self._identity:
                # a server that took over may lack the last commits, and give the numbers of packs again
                self._identity = held.identity
                self._generation += 1
                self._remembered = Remembered()

    def _remembered_of(self, held: _Held) -> Remembered:
        with self._lock:
            return self._remembered if held.identity == self._identity else Remembered()


def _nothing() -> Connection:
    """An empty store, to answer for one that nobody has made yet."""
    connection = open_empty()
    prepare(connection, _NOWHERE)
    connection.execute("BEGIN")
    return connection
