"""`storage.protocol.Reader` on a SQLite file."""

from __future__ import annotations

from pathlib import Path

from storage.reading.connections import Connections
from storage.reading.health import place_of_file
from storage.store_reader import StoreReader


class SqliteReader(StoreReader):
    """Read-only; safe to share between threads. Nothing is opened before the first question.

    Args:
        path: The file. While it does not exist it answers like an empty one; when another takes its place,
            that one is read.
        deadline_ms: Longest that one question may take.
    """

    def __init__(self, path: str | Path, deadline_ms: int) -> None:
        found = Path(path)
        super().__init__(Connections(found, deadline_ms), lambda _: place_of_file(found))
