"""`storage.protocol.Reader` on PostgreSQL."""

from __future__ import annotations

from storage.location import PostgresUrl
from storage.postgres.snapshots import PostgresSnapshots
from storage.reading.health import Place
from storage.reading.snapshot import Snapshot
from storage.store_reader import StoreReader


class PostgresReader(StoreReader):
    """Read-only; safe to share between threads. Nothing is opened before the first question.

    Args:
        url: Where. While it holds none of our tables it answers like an empty store; while no server answers,
            every question raises `StoreBusy` with the reason.
        deadline_ms: Longest that one question may take.
    """

    def __init__(self, url: PostgresUrl, deadline_ms: int) -> None:
        super().__init__(PostgresSnapshots(url, deadline_ms), lambda snapshot: _place(snapshot, url))


def _place(snapshot: Snapshot, url: PostgresUrl) -> Place:
    """The server does not tell of its disk or of its log to those who only read."""
    is_there = not snapshot.joins_in_order
    taken = snapshot.value("SELECT pg_database_size(current_database())") if is_there else 0
    return Place(path=str(url), file_bytes=int(taken), wal_bytes=None, free_disk_bytes=None)
