"""How far a source has come in the store, for those who do not write it."""

from __future__ import annotations

import threading
from pathlib import Path

from domain.errors import StoreError
from storage.connection import mapped_errors
from storage.deciding import open_for_decisions
from storage.engine import Connection
from storage.location import located


class Acknowledged:
    """Asks over one connection, which is opened with the first question; safe to share between threads."""

    def __init__(self, database: str | Path) -> None:
        self._location = located(database)
        self._connection: Connection | None = None
        self._lock = threading.Lock()

    def cursor(self, source: str, epoch: str) -> int:
        """The highest number of (source, epoch) that is stored; 0 when nothing is.

        Raises:
            StoreError: The store does not answer now.
        """
        with self._lock:
            try:
                return self._ask(source, epoch)
            except StoreError:
                self._close()
                raise

    def close(self) -> None:
        """Release it."""
        with self._lock:
            self._close()

    def _ask(self, source: str, epoch: str) -> int:
        if self._connection is None:
            self._connection = open_for_decisions(self._location)
        with mapped_errors(self._location):
            row = self._connection.execute(
                "SELECT acked FROM cursors WHERE source = ? AND epoch = ?", (source, epoch)
            ).fetchone()
        return 0 if row is None else int(row[0])

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
