"""Connections to a database that holds our tables, or is to hold them."""

from __future__ import annotations

from domain.errors import StoreBusy
from storage.location import PostgresUrl
from storage.postgres.connection import PostgresConnection
from storage.postgres.schema import check_version, prepare, version_of


def open_prepared(url: PostgresUrl) -> PostgresConnection:
    """Open a database, making or upgrading its tables where needed.

    Raises:
        StoreBusy: No server that takes writes answers.
        StoreForeign: A newer version of this program made the tables.
        StoreError: The role may not make them.
    """
    connection = PostgresConnection(url)
    try:
        prepare(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def open_made(url: PostgresUrl) -> PostgresConnection:
    """Open a database whose tables a collector has made.

    Raises:
        StoreBusy: There are none yet, or no server that takes writes answers.
        StoreForeign: A newer version of this program made them.
    """
    return _made(PostgresConnection(url))


def _made(connection: PostgresConnection) -> PostgresConnection:
    try:
        check_version(connection, connection.url)
        is_empty = not version_of(connection)
    except BaseException:
        connection.close()
        raise
    if is_empty:
        connection.close()
        raise StoreBusy(f"{connection.url} has no tables yet: start the collector")
    return connection


def open_to_read(url: PostgresUrl) -> PostgresConnection:
    """Open a database whose tables a collector has made, for reading alone and for as long as it takes.

    Raises:
        StoreBusy: There are none yet, or no server answers.
        StoreForeign: A newer version of this program made them.
    """
    return _made(PostgresConnection(url, is_reader=True))
