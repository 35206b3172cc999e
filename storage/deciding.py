"""Connections that write beside the collector's own writer: the dashboard's for decisions, and alerting's.

Only the writer folds a file's log in: on any other connection somebody would wait for it.
"""

from __future__ import annotations

from pathlib import Path

from domain.errors import StoreBusy
from storage.connection import check_owner, mapped_errors, open_writer
from storage.engine import Connection
from storage.location import Location
from storage.schema import check_version, prepare, version_of

_NEVER_FOLD = "PRAGMA wal_autocheckpoint=0"


def open_beside_writer(location: Location) -> Connection:
    """Open a store, bringing it up to date, for another part of the collector; for one thread at a time.

    Raises:
        StoreBusy: It cannot be opened now.
        StoreCorrupt: It is damaged.
        StoreForeign: It is not ours, or a newer version of this program made it.
    """
    if not isinstance(location, Path):
        from storage.postgres.opening import open_prepared  # noqa: PLC0415 - only who uses it needs psycopg

        return open_prepared(location)
    connection = open_writer(location)
    try:
        with mapped_errors(location):
            prepare(connection, location)
            connection.execute(_NEVER_FOLD).fetchall()
    except BaseException:
        connection.close()
        raise
    return connection


def open_for_decisions(location: Location) -> Connection:
    """Open a store that the collector has made; close it soon, and use it from one thread at a time.

    Raises:
        StoreBusy: It is not there yet, or cannot be opened now.
        StoreCorrupt: It is damaged.
        StoreForeign: It is not ours, or a newer version of this program made it.
    """
    if not isinstance(location, Path):
        from storage.postgres.opening import open_made  # noqa: PLC0415 - only who uses it needs psycopg

        return open_made(location)
    if not location.exists():
        raise StoreBusy(f"{location} does not exist yet: start the collector")
    connection = open_writer(location)
    try:
        with mapped_errors(location):
            check_owner(connection, location)
            check_version(connection, location)
            connection.execute(_NEVER_FOLD).fetchall()
            is_empty = not version_of(connection)
    except BaseException:
        connection.close()
        raise
    if is_empty:
        connection.close()
        raise StoreBusy(f"{location} has no tables yet: start the collector")
    return connection
