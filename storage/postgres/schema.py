"""Making and upgrading the tables: the migrations of `storage.schema`, once, whoever comes first."""

from __future__ import annotations

from typing import Any, cast

from domain.errors import StoreForeign
from storage.location import PostgresUrl
from storage.postgres import days
from storage.postgres.commits import NAMES
from storage.postgres.connection import SCHEMA, WRITE_LOCK, PostgresConnection, PostgresCursor
from storage.postgres.ddl import SEQUENCES, to_postgres
from storage.postgres.functions import FUNCTIONS, NUMBERS
from storage.schema import VERSION, migrations
from storage.slim_utils import Database

_MIGRATE_LOCK = WRITE_LOCK + 1
_FIRST = f"""
CREATE TABLE schema_facts (name text PRIMARY KEY, value bigint NOT NULL);
INSERT INTO schema_facts VALUES ('version', 0);
CREATE TABLE commits (what text PRIMARY KEY, n bigint NOT NULL);
INSERT INTO commits VALUES {", ".join(f"('{name}', 0)" for name in NAMES)};
{NUMBERS};
{days.FUNCTIONS}"""


class _Maker:
    """What a migration asks for: a database whose `conn` runs statements."""

    def __init__(self, connection: PostgresConnection) -> None:
        self.conn = self
        self._connection = connection

    def execute(self, statement: str) -> PostgresCursor:
        """Run a statement of a migration."""
        return self._connection.script(to_postgres(statement))


def prepare(connection: PostgresConnection) -> None:
    """Bring a database up to date: each migration that it has not seen, in the transaction that records it.

    Several programs may start at once: one does it, the others wait.

    Raises:
        StoreForeign: A newer version of this program made the tables.
        StoreError: They are not there, and this role may not make them.
    """
    if version_of(connection) == VERSION:
        return
    connection.script(f"SELECT pg_advisory_lock({_MIGRATE_LOCK})")
    try:
        _make(connection)
    finally:
        if not connection.in_transaction:
            connection.script(f"SELECT pg_advisory_unlock({_MIGRATE_LOCK})")


def _make(connection: PostgresConnection) -> None:
    check_version(connection, connection.url)
    if not version_of(connection):
        _in_transaction(connection, f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
    known = [(step.name, step.fn) for step in migrations.pending(Database(memory=True))]
    for number, (_, step) in enumerate(known, 1):
        if number <= version_of(connection):
            continue
        connection.script("BEGIN")
        try:
            if number == 1:
                for statement in (_FIRST, *FUNCTIONS):
                    connection.script(statement)
            step(cast("Any", _Maker(connection)))
            settle_numbers(connection)
            connection.script(f"UPDATE schema_facts SET value = {number} WHERE name = 'version'")
            connection.script("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise


def _in_transaction(connection: PostgresConnection, statement: str) -> None:
    connection.script(f"BEGIN; {statement}; COMMIT")


def settle_numbers(connection: PostgresConnection) -> None:
    """Have the next number of each sequence follow the highest that is there; after rows came with theirs."""
    for table in SEQUENCES:
        column = "key_id" if table == "keys" else "combo"
        connection.script(
            f"SELECT setval(pg_get_serial_sequence('{SCHEMA}.{table}', '{column}'),"
            f" (SELECT pg_catalog.max({column})::bigint FROM {table})) FROM {table} LIMIT 1"
        )


def version_of(connection: PostgresConnection) -> int:
    """How many migrations a database has seen; 0 without tables."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def check_version(connection: PostgresConnection, url: PostgresUrl) -> None:
    """Refuse a database of the future.

    Raises:
        StoreForeign: A newer version of this program made it.
    """
    found = version_of(connection)
    if found > VERSION:
        raise StoreForeign(
            f"{url} was made by a newer version (schema {found}, this program knows {VERSION});"
            " run the newer version, or name another database"
        )
