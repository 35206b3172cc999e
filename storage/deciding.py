"""The connection by which the dashboard writes what people decided, beside the collector's own writer."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from domain.errors import StoreBusy
from storage.connection import check_owner, mapped_errors, open_writer
from storage.schema import check_version, version_of


def open_for_decisions(path: Path) -> sqlite3.Connection:
    """Open a file that the collector has made; close it soon, and use it from one thread at a time.

    Raises:
        StoreBusy: It is not there yet, or cannot be opened now.
        StoreCorrupt: It is damaged.
        StoreForeign: It is not ours, or a newer version of this program made it.
    """
    if not path.exists():
        raise StoreBusy(f"{path} does not exist yet: start the collector")
    connection = open_writer(path)
    try:
        with mapped_errors(path):
            check_owner(connection, path)
            check_version(connection, path)
            # only the collector's writer folds the log in: here people would wait for it
            connection.execute("PRAGMA wal_autocheckpoint=0").fetchall()
            is_empty = not version_of(connection)
    except BaseException:
        connection.close()
        raise
    if is_empty:
        connection.close()
        raise StoreBusy(f"{path} has no tables yet: start the collector")
    return connection
