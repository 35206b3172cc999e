"""A PostgreSQL connection with the methods that our books use of SQLite's.

Writers are alone, as on SQLite: `BEGIN IMMEDIATE` takes a lock that the transaction holds until its commit
is seen by everybody. So what a transaction reads is true until it ends, arrival numbers are given in the
order of commits, and no two writers can wait for each other. Decoding, compressing and everything else that
comes before runs in parallel.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from domain.errors import StoreBusy
from storage.connection import APPLICATION_ID
from storage.engine import Values
from storage.location import PostgresUrl
from storage.postgres.bulk import Bulk
from storage.postgres.commits import parts_of
from storage.postgres.errors import mapped
from storage.postgres.statements import bound, of_texts, translate
from storage.postgres.values import adapt

SCHEMA = "gatewatch"
WRITE_LOCK = APPLICATION_ID << 8
"""The advisory lock of who writes. Locks of roles have the numbers after it."""
LOCK_WAIT_MS = 10_000
"""How long a write waits for other writers before it says so; theirs take some 50 ms each."""
IDLE_MS = 30_000
"""A writer that stops in the middle of a transaction for this long is thrown out: others wait for it."""
_CONNECTING = {
    "connect_timeout": "5",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
    "target_session_attrs": "read-write",
    "application_name": "gatewatch",
}
"""What a URL may say otherwise. A server that vanished without a word is noticed after 10 s."""
PREPARED = 500
"""Statements that a connection keeps prepared. Pages ask some 200 different ones: of psycopg's 100 those of
one page push out those of the next, to be parsed anew."""
_VERSION = "PRAGMA user_version"


class PostgresCursor:
    """What a statement came to."""

    def __init__(self, cursor: psycopg.Cursor[Any] | None, rowcount: int) -> None:
        self._cursor = cursor
        self.rowcount = rowcount

    def fetchone(self) -> Any:
        """The next row; None when there is none."""
        return None if self._cursor is None else self._cursor.fetchone()

    def fetchall(self) -> list[Any]:
        """The rows that are left."""
        return [] if self._cursor is None else self._cursor.fetchall()

    def __iter__(self) -> Iterator[Any]:
        return iter(()) if self._cursor is None else iter(self._cursor)


_NOTHING = PostgresCursor(None, -1)


class PostgresConnection:
    """Opened with the first statement, and again with the first after it broke; for one thread at a time.

    Args:
        url: Where.
        is_reader: Only reads; `BEGIN` then holds one state of the store until it ends.
        deadline_ms: How long a statement may take; None for as long as it needs.
    """

    def __init__(self, url: PostgresUrl, *, is_reader: bool = False, deadline_ms: int | None = None) -> None:
        self.url = url
        self._is_reader = is_reader
        self._deadline_ms = deadline_ms
        self._raw: psycopg.Connection[Any] | None = None
        self._is_closed = False
        self._bulk = Bulk()
        self._written: set[str] = set()
        self.committed: frozenset[str] = frozenset()
        """The tables that the last transaction wrote."""
        self.total_changes = 0
        self.opened = 0
        """How often it was opened: who remembers what was read before asks whether this has changed."""

    # ---- as SQLite's

    @property
    def in_transaction(self) -> bool:
        """Whether one is open; none is after the connection broke."""
        raw = self._raw
        return raw is not None and raw.info.transaction_status not in {
            TransactionStatus.IDLE,
            TransactionStatus.UNKNOWN,
        }

    def execute(self, statement: str, values: Values = (), /) -> PostgresCursor:
        """Run one statement.

        Raises:
            StoreBusy: The server is not there, is a standby, is full, or others held the lock for too long.
            DeadlineExceeded: It took too long.
            StoreError: The role lacks a right; `StoreCorrupt` when data are damaged.
            sqlite3.IntegrityError: It would break a rule of the tables.
        """
        steer = _STEERING.get(statement)
        if steer is not None:
            return steer(self)
        translated = translate(statement)
        given = bound(translated, values)
        if translated.arrays and (texts := of_texts(translated, given)):
            translated = translate(statement, texts)
        with self._mapped():
            cursor = self._open().execute(translated.text, given, binary=True)
        return self._came_to(cursor, translated.target)

    def executemany(self, statement: str, values: Iterable[Sequence[Any]], /) -> PostgresCursor:
        """Run one statement with each of many values; those of the busiest tables go in one piece.

        Raises:
            StoreBusy: As `execute`; so all others.
        """
        rows = values if isinstance(values, list) else list(values)
        if not rows:
            return PostgresCursor(None, 0)
        translated = translate(statement)
        with self._mapped():
            raw = self._open()
            cursor = self._bulk.run(raw, statement, translated, rows)
            if cursor is None:
                cursor = raw.cursor(binary=True)
                cursor.executemany(translated.text, [bound(translated, row) for row in rows])
        return self._came_to(cursor, translated.target)

    def close(self) -> None:
        """Release it; what was not committed is undone."""
        self._is_closed = True
        self._drop()

    # ---- inside

    def _came_to(self, cursor: psycopg.Cursor[Any], target: str | None) -> PostgresCursor:
        if target is not None and cursor.rowcount > 0:
            self._written.add(target)
            self.total_changes += cursor.rowcount
        return PostgresCursor(cursor if cursor.description is not None else None, cursor.rowcount)

    def script(self, statements: str) -> PostgresCursor:
        """Run statements in PostgreSQL's own SQL, without values, in one round trip; the last one's rows."""
        with self._mapped():
            cursor = self._open().cursor(binary=False)
            cursor.execute(statements.encode("utf-8"), prepare=False)
            while cursor.nextset():
                pass
        return PostgresCursor(cursor if cursor.description is not None else None, cursor.rowcount)

    def _begin(self) -> PostgresCursor:
        if self._is_reader:
            return self.script("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        return self.script("BEGIN")

    def _begin_writing(self) -> PostgresCursor:
        self._written.clear()
        try:
            return self.script(f"BEGIN; SELECT pg_advisory_xact_lock({WRITE_LOCK})")
        except BaseException:
            self._roll_back()
            raise

    def _commit(self) -> PostgresCursor:
        """End the transaction; what was written is noted for those who remember what they read.

        Where the connection breaks now, nobody knows whether it was committed: the same again is safe,
        because ids, cursors and marks of resends are in the transaction.
        """
        parts = ", ".join(f"'{name}'" for name in sorted(parts_of(self._written)))
        note = f"UPDATE commits SET n = n + 1 WHERE what IN ({parts}); " if parts else ""
        self.committed = frozenset(self._written)
        self._written.clear()
        return self.script(f"{note}COMMIT")

    def _roll_back(self) -> PostgresCursor:
        self._written.clear()
        raw = self._raw
        if raw is not None and not raw.closed:
            with contextlib.suppress(psycopg.Error):
                raw.execute("ROLLBACK", prepare=False)
                return _NOTHING
        self._drop()  # without a connection there is no transaction
        return _NOTHING

    def _version(self) -> PostgresCursor:
        if self.script(f"SELECT to_regclass('{SCHEMA}.schema_facts')::text").fetchone() == (None,):
            cursor = self.script("SELECT 0::bigint")
        else:
            cursor = self.script("SELECT value FROM schema_facts WHERE name = 'version'")
        return cursor

    def _open(self) -> psycopg.Connection[Any]:
        raw = self._raw
        if raw is not None and not raw.closed:
            return raw
        if self._is_closed:
            raise sqlite3.ProgrammingError("this connection is closed")
        self._drop()
        options = {**_CONNECTING, **_given(self.url.conninfo)}
        found = psycopg.connect(
            psycopg.conninfo.make_conninfo(**options), autocommit=True, cursor_factory=psycopg.RawCursor
        )
        found.prepared_max = PREPARED
        adapt(found)
        found.execute(self._session(), prepare=False)
        self.opened += 1
        self._raw = found
        return found

    def _session(self) -> bytes:
        limits = {
            "search_path": f"{SCHEMA}, pg_catalog",
            "TimeZone": "'UTC'",
            "lock_timeout": LOCK_WAIT_MS,
            "idle_in_transaction_session_timeout": IDLE_MS,
            "statement_timeout": self._deadline_ms or 0,
            "default_transaction_read_only": "on" if self._is_reader else "off",
            "jit": "off",  # no question is so long that compiling it pays
            "max_parallel_workers_per_gather": 0,  # nor that starting a helper does: 86 ms with, 44 without
        }
        return "; ".join(f"SET {name} TO {value}" for name, value in limits.items()).encode("utf-8")

    def _drop(self) -> None:
        raw, self._raw = self._raw, None
        if raw is not None:
            with contextlib.suppress(psycopg.Error):
                raw.close()

    @contextlib.contextmanager
    def _mapped(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            found = mapped(error, self.url, self._deadline_ms)
            if isinstance(found, StoreBusy) and error.sqlstate != psycopg.errors.LockNotAvailable.sqlstate:
                self._drop()  # libpq looks for a server that takes writes when it is opened again
            if found is error:
                raise
            raise found from error


_STEERING = {
    "BEGIN": PostgresConnection._begin,  # noqa: SLF001 - a table of this class's own methods
    "BEGIN IMMEDIATE": PostgresConnection._begin_writing,  # noqa: SLF001
    "COMMIT": PostgresConnection._commit,  # noqa: SLF001
    "ROLLBACK": PostgresConnection._roll_back,  # noqa: SLF001
    _VERSION: PostgresConnection._version,  # noqa: SLF001
}
"""Statements that steer the connection."""


def _given(conninfo: str) -> Mapping[str, Any]:
    """What a URL says.

    Raises:
        StoreBusy: It is no URL that libpq understands.
    """
    try:
        return psycopg.conninfo.conninfo_to_dict(conninfo)
    except psycopg.ProgrammingError as error:
        raise StoreBusy(f"{PostgresUrl(conninfo)} cannot be read as a connection URL: {error}") from None
