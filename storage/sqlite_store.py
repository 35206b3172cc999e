"""The one writer of a file: `storage.protocol.Store` on SQLite."""

from __future__ import annotations

from pathlib import Path

from settings import Settings
from storage.book_store import BookStore
from storage.connection import mapped_errors, open_writer
from storage.keeping import keep_before_upgrade
from storage.schema import prepare
from storage.writing.pseudonyms import key_file, read_or_make_key


class SqliteStore(BookStore):
    """Opens, and where needed makes or upgrades, a file.

    Raises:
        StoreBusy: It cannot be opened now.
        StoreCorrupt: It is damaged.
        StoreForeign: It belongs to another program, or a newer version of this one made it.
    """

    def __init__(self, path: str | Path, settings: Settings) -> None:
        self._path = Path(path)
        connection = open_writer(self._path)
        try:
            with mapped_errors(self._path):
                keep_before_upgrade(connection, self._path)
                prepare(connection, self._path)
                key = b""
                if settings.pseudonymise_addresses_days:
                    key = read_or_make_key(key_file(self._path))
                super().__init__(self._path, connection, settings, key)
        except BaseException:
            connection.close()
            raise

    def checkpoint(self) -> None:
        """Fold the write-ahead log into the file if no reader holds it."""
        with mapped_errors(self._path):
            (patience_ms,) = self._connection.execute("PRAGMA busy_timeout").fetchone()
            self._connection.execute("PRAGMA busy_timeout=0").fetchall()
            try:
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            finally:
                self._connection.execute(f"PRAGMA busy_timeout={int(patience_ms)}").fetchall()
