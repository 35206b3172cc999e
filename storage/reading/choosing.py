"""Which engine answers: the form of the one setting says it."""

from __future__ import annotations

from pathlib import Path

from storage.location import PostgresUrl, located
from storage.reading.connections import Connections
from storage.reading.snapshot import Snapshots


def open_snapshots(database: str | Path | PostgresUrl, deadline_ms: int) -> Snapshots:
    """Of a file, or of a PostgreSQL database; nothing is opened before the first question.

    Args:
        database: As the setting `database` names it.
        deadline_ms: Longest that one question may take.
    """
    location = located(database)
    if isinstance(location, Path):
        return Connections(location, deadline_ms)
    from storage.postgres.snapshots import PostgresSnapshots  # noqa: PLC0415 - only who uses it needs psycopg

    return PostgresSnapshots(location, deadline_ms)
