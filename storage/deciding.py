"""Connections that write beside the collector's own writer: the dashboard's for decisions, and alerting's.

Only the writer folds the log in: on any other connection somebody would wait for it.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from domain.errors import StoreBusy
from storage.connection import check_owner, mapped_errors, open_writer
from storage.schema import check_version, prepare, version_of

_NEVER_FOLD = "PRAGMA wal_autocheckpoint=0"


def open_beside_writer(path: Path) -> sqlite3.Connection:
    """Open a file, bringing it up to date, for another part of the collector; for one thread at a time.

    Raises:
        StoreBusy: It cannot be opened now.
        StoreCorrupt: It is damaged.
        StoreForeign: It is not ours, or a newer version of this program made it.
    """
    connection = open_writer(path)
    try:
        with mapped_errors(path):
            prepare(connection, path)
            connection.execute(_NEVER_FOLD).fetchall()
    except BaseException:
        connection.close()
        raise
    return connection


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
            connection.execute(_NEVER_FOLD).fetchall()
            is_empty = not version_of(connection)
    except BaseException:
        connection.close()
        raise
    if is_empty:
        connection.close()
        raise StoreBusy(f"{path} has no tables yet: start the collector")
    return connection
