"""Opening the store that a setting names: the one place where its form chooses the engine."""

from __future__ import annotations

from pathlib import Path

from settings import Settings
from storage.location import located
from storage.protocol import Reader, Store
from storage.sqlite_reader import SqliteReader
from storage.sqlite_store import SqliteStore


def open_store(database: str | Path, settings: Settings) -> Store:
    """Open a store for writing, making or upgrading it where needed.

    Raises:
        StoreBusy: It cannot be opened now.
        StoreCorrupt: It is damaged.
        StoreForeign: It belongs to another program, or a newer version of this one made it.
    """
    location = located(database)
    if isinstance(location, Path):
        return SqliteStore(location, settings)
    from storage.postgres.store import PostgresStore  # noqa: PLC0415 - only who uses it needs psycopg

    return PostgresStore(location, settings)


def open_reader(database: str | Path, deadline_ms: int) -> Reader:
    """The questions to a store; nothing is opened before the first of them.

    Args:
        database: As the setting names it.
        deadline_ms: Longest that one question may take.
    """
    location = located(database)
    if isinstance(location, Path):
        return SqliteReader(location, deadline_ms)
    from storage.postgres.reader import PostgresReader  # noqa: PLC0415 - as above

    return PostgresReader(location, deadline_ms)
