"""The only place that opens a database file, and what SQLite's errors mean to us."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from domain.errors import StoreBusy, StoreCorrupt, StoreError, StoreForeign
from storage.engine import Connection
from storage.location import Location
from storage.turns import turns_of

APPLICATION_ID = 0x47574348
"""`GWCH` in the file's header: the file is ours."""
BUSY_TIMEOUT_MS = 1_000
"""How long a write waits for another writer before it says so; the collector tries again by itself."""
CACHE_KIB = 16_384
"""Page cache of the writer. Four times as much gained nothing at 120,000 events: the system caches too."""
READ_CACHE_KIB = 16_384
AUTOCHECKPOINT_PAGES = 4_000
"""16 MiB of log between checkpoints: fewer, larger writes into the file."""
JOURNAL_LIMIT_BYTES = 64 * 1024 * 1024

_PASSING = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_PERM,
}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_MALFORMED = "malformed database schema"
_OTHER_TABLES = ("no such table", "no such column")
"""The file is sound, but not what this version makes: a fresh one in its place would hide good data."""


class FileConnection(sqlite3.Connection):
    """A connection that writes, and knows its file."""

    file: str | None = None


def open_writer(path: Path) -> sqlite3.Connection:
    """Open a file for writing, making it and its folder where they do not exist.

    Raises:
        StoreBusy: It cannot be opened now.
        StoreCorrupt: It is damaged; `StoreForeign` when it belongs to another program.
    """
    with mapped_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(  # noqa: TID251 - this is that place
            path,
            timeout=BUSY_TIMEOUT_MS / 1000,
            isolation_level=None,
            check_same_thread=False,
            factory=FileConnection,
        )
        connection.file = str(path.absolute())
        try:
            _prepare_writer(connection, path)
        except BaseException:
            connection.close()
            raise
        return connection


def _prepare_writer(connection: sqlite3.Connection, path: Path) -> None:
    check_owner(connection, path)
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "trusted_schema=OFF",
        "temp_store=MEMORY",
        "automatic_index=OFF",  # SQLite would read a whole table to make one: no query of ours needs that
        f"cache_size=-{CACHE_KIB}",
        f"wal_autocheckpoint={AUTOCHECKPOINT_PAGES}",
        f"journal_size_limit={JOURNAL_LIMIT_BYTES}",
    ):
        connection.execute(f"PRAGMA {pragma}").fetchall()


def check_owner(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse a file that another program made.

    Raises:
        StoreForeign: Tables are in it, and they are not ours.
    """
    (owner,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if owner != APPLICATION_ID and (owner or tables):
        raise StoreForeign(f"{path} is a database of another program (application_id {owner:#x})")


def open_reader(path: Path) -> sqlite3.Connection:
    """Open an existing file for reading only.

    Raises:
        StoreError: It cannot be opened; `StoreCorrupt` when it is damaged or not ours.
    """
    with mapped_errors(path):
        connection = sqlite3.connect(  # noqa: TID251 - this is that place
            f"file:{quote(str(path.absolute()))}?mode=ro",
            uri=True,
            timeout=BUSY_TIMEOUT_MS / 1000,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            check_owner(connection, path)
            _prepare_reader(connection)
        except BaseException:
            connection.close()
            raise
        return connection


def open_copy(path: Path) -> sqlite3.Connection:
    """Open a file that a copy is written into; whoever does so brings it to the disk himself."""
    connection = sqlite3.connect(path, isolation_level=None)  # noqa: TID251
    connection.execute("PRAGMA synchronous=OFF").fetchall()
    return connection


def open_empty() -> sqlite3.Connection:
    """An empty database in memory, to answer for a file that does not exist yet."""
    return sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)  # noqa: TID251


def _prepare_reader(connection: sqlite3.Connection) -> None:
    for pragma in (
        "query_only=ON",
        "trusted_schema=OFF",
        "temp_store=MEMORY",
        f"cache_size=-{READ_CACHE_KIB}",
    ):
        connection.execute(f"PRAGMA {pragma}").fetchall()


@contextlib.contextmanager
def mapped_errors(path: Location) -> Iterator[None]:
    """Turn SQLite's errors into ours; what is neither passing nor damage (a mistake of ours) stays as it is.

    PostgreSQL's are ours already when they come out of its connection.

    Raises:
        StoreBusy: Locked, full, not writable, input or output failed: it may work later.
        StoreCorrupt: Damaged.
        StoreForeign: Sound, but without the tables that this version makes.
    """
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise _mapped(error, path) from error
    except OSError as error:
        raise StoreBusy(f"{path}: {error.strerror or error}") from error


def _mapped(error: sqlite3.DatabaseError, path: Location) -> StoreError | sqlite3.DatabaseError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _DAMAGED or str(error).startswith(_MALFORMED):
        return StoreCorrupt(f"{path}: {error}")
    if str(error).startswith(_OTHER_TABLES):
        return StoreForeign(f"{path} does not hold the tables that this version makes: {error}")
    if code in _PASSING:
        return StoreBusy(f"{path}: {error}")
    return error


@contextlib.contextmanager
def transaction(connection: Connection) -> Iterator[None]:
    """Everything inside, or nothing; no other writer in between, and those of this process in turn."""
    file = connection.file if isinstance(connection, FileConnection) else None
    turns = None if file is None else turns_of(file)
    has_turn = turns is not None and turns.take()
    try:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
            raise
    finally:
        if turns is not None and has_turn:
            turns.give_back()
