"""Read-only connections to a file: a few, shared by all threads, each used by one at a time.

A file that does not exist yet answers like an empty one; one that appears, or takes the place of another, is
opened with the next question.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from domain.errors import DeadlineExceeded
from storage.connection import mapped_errors, open_empty, open_reader
from storage.reading.remembered import Remembered
from storage.reading.snapshot import Snapshot
from storage.schema import check_version, prepare, version_of

MOST_CONNECTIONS = 8
"""Questions at once; more threads than this wait. Reads scale with processors, of which there are few."""
STEPS_BETWEEN_LOOKS = 4_000
"""Steps of SQLite's machine between two looks at the clock: about 50 us, and under 1 % of the time."""
_GENERATION_BITS = 32

_Identity = tuple[int, int]
"""Device and inode."""


class _Generation:
    """The connections to one file, as long as that file is the one at our path."""

    def __init__(self, number: int, identity: _Identity | None) -> None:
        self.number = number
        self.identity = identity
        self.is_empty = False
        self.is_over = False
        self.idle: list[sqlite3.Connection] = []
        self.remembered = Remembered()
        self.watch: sqlite3.Connection | None = None
        """Only asked for its `data_version`, which can be compared on one connection alone."""


class Connections:
    """Opens lazily; nothing touches the disk before the first question.

    Args:
        path: The file; it need not exist.
        deadline_ms: How long one question may take, waiting for a free connection included.
    """

    def __init__(self, path: Path, deadline_ms: int) -> None:
        self._path = path
        self._deadline_ms = deadline_ms
        self._lock = threading.RLock()
        self._free = threading.BoundedSemaphore(MOST_CONNECTIONS)
        self._generation = _Generation(0, None)
        self._generation.is_over = True
        self._is_closed = False

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """A read transaction with a deadline. Short: it keeps the write-ahead log from being folded in.

        Raises:
            DeadlineExceeded: It took too long.
            StoreError: The file cannot be read.
        """
        until = time.monotonic() + self._deadline_ms / 1000
        if not self._free.acquire(timeout=self._deadline_ms / 1000):
            raise DeadlineExceeded(self._deadline_ms)
        try:
            with mapped_errors(self._path), self._deadline(), self._borrowed() as (connection, remembered):
                connection.set_progress_handler(lambda: time.monotonic() > until, STEPS_BETWEEN_LOOKS)
                connection.execute("BEGIN")
                yield Snapshot(connection, remembered)
        finally:
            self._free.release()

    def data_version(self) -> int:
        """A number that changes when another connection has committed, or another file has taken the place.

        Raises:
            StoreError: The file cannot be read.
        """
        with mapped_errors(self._path), self._lock:
            generation = self._current()
            if generation.watch is None:
                generation.watch = self._open(generation)
            (version,) = generation.watch.execute("PRAGMA data_version").fetchone()
        return generation.number << _GENERATION_BITS | int(version)

    def close(self) -> None:
        """Release the file. Questions that are under way end first, by themselves."""
        with self._lock:
            self._is_closed = True
            self._end(self._generation)

    # ---- inside

    @contextlib.contextmanager
    def _deadline(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
                raise DeadlineExceeded(self._deadline_ms) from error
            raise

    @contextlib.contextmanager
    def _borrowed(self) -> Iterator[tuple[sqlite3.Connection, Remembered]]:
        with self._lock:
            generation = self._current()
            connection = generation.idle.pop() if generation.idle else self._open(generation)
        try:
            yield connection, generation.remembered
        except BaseException:
            # after a failure of the file itself a connection may hold on to it; a new one costs under 1 ms
            connection.close()
            raise
        connection.set_progress_handler(None, 0)
        connection.execute("COMMIT")
        with self._lock:
            if generation.is_over:
                connection.close()
            else:
                generation.idle.append(connection)

    def _current(self) -> _Generation:
        """The generation of the file that is there now."""
        if self._is_closed:
            raise sqlite3.ProgrammingError("this reader is closed")
        identity = self._identity()
        now = self._generation
        if now.is_over or now.identity != identity or (now.is_empty and self._has_tables(identity)):
            self._end(now)
            self._generation = _Generation(now.number + 1, identity)
            self._generation.is_empty = not self._has_tables(identity)
        return self._generation

    def _identity(self) -> _Identity | None:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino

    def _has_tables(self, identity: _Identity | None) -> bool:
        """Whether the collector has made its tables; a file only just begun answers like an empty one."""
        if identity is None:
            return False
        with contextlib.closing(open_reader(self._path)) as connection:
            return version_of(connection) > 0

    def _open(self, generation: _Generation) -> sqlite3.Connection:
        if generation.is_empty:
            connection = open_empty()
            prepare(connection, self._path)
            return connection
        connection = open_reader(self._path)
        try:
            check_version(connection, self._path)
        except BaseException:
            connection.close()
            raise
        return connection

    @staticmethod
    def _end(generation: _Generation) -> None:
        generation.is_over = True
        for connection in generation.idle:
            connection.close()
        generation.idle.clear()
        if generation.watch is not None:
            generation.watch.close()
            generation.watch = None
