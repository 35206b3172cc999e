"""The tables on PostgreSQL are those on SQLite, made once whoever comes first."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import psycopg
import pytest

from domain.errors import StoreBusy, StoreForeign
from storage.location import PostgresUrl
from storage.postgres.connection import PostgresConnection
from storage.postgres.ddl import DIVIDED
from storage.postgres.opening import open_made, open_prepared
from storage.postgres.schema import version_of
from storage.schema import VERSION, migrations
from storage.slim_utils import Database
from storage.views import VIEWS
from tests.postgres import server

pytestmark = pytest.mark.cluster
OWN = {"schema_facts", "commits", "given_numbers"}
"""Tables that only PostgreSQL needs."""


@pytest.fixture
def empty() -> Iterator[PostgresUrl]:
    """A database without any table."""
    with psycopg.connect(server().url(), autocommit=True) as owner:
        owner.execute("CREATE DATABASE empty")
        yield PostgresUrl(server().url("empty"))
        owner.execute("DROP DATABASE empty WITH (FORCE)")


def test_every_table_and_view_has_the_columns_that_it_has_on_sqlite(connection: PostgresConnection) -> None:
    rows = connection.execute(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'gatewatch'"
        " ORDER BY table_name, ordinal_position"
    ).fetchall()
    theirs: dict[str, list[str]] = {}
    for table, column in rows:
        theirs.setdefault(table, []).append(column)
    database = Database(memory=True)
    migrations.apply(database)
    ours = {
        name: [column.name for column in database[name].columns]
        for name in (*database.table_names(), *database.view_names())
        if not name.startswith(("sqlite_", "_sqlite"))
    }

    partitions = {name for name in theirs if name.startswith(tuple(f"{table}_" for table in DIVIDED))}
    assert {name: columns for name, columns in theirs.items() if name not in OWN | partitions} == ours
    assert set(VIEWS) <= set(theirs)


def test_several_that_start_at_once_make_the_tables_once(empty: PostgresUrl) -> None:
    versions: list[int] = []

    def start() -> None:
        connection = open_prepared(empty)
        versions.append(version_of(connection))
        connection.close()

    starters = [threading.Thread(target=start) for _ in range(4)]
    for one in starters:
        one.start()
    for one in starters:
        one.join()

    assert versions == [VERSION] * 4


def test_a_database_without_tables_waits_for_a_collector(empty: PostgresUrl) -> None:
    with pytest.raises(StoreBusy, match="has no tables yet: start the collector"):
        open_made(empty)


def test_a_database_of_the_future_is_left_alone(url: PostgresUrl, connection: PostgresConnection) -> None:
    connection.script(f"UPDATE schema_facts SET value = {VERSION + 1}")
    try:
        with pytest.raises(StoreForeign, match="made by a newer version"):
            open_prepared(url)
    finally:
        connection.script(f"UPDATE schema_facts SET value = {VERSION}")


def test_what_is_chained_can_only_be_added_to(connection: PostgresConnection) -> None:
    connection.execute(
        "INSERT INTO audit_trail (at_ms, who, what, subject, detail, chain)"
        " VALUES (1, 'a', 'b', 'c', 'd', 'e')"
    )

    for statement in ("UPDATE audit_trail SET who = 'x'", "DELETE FROM audit_trail"):
        with pytest.raises(Exception, match="audit_trail is append-only"):
            connection.execute(statement)


def test_a_rollback_takes_its_number_back(connection: PostgresConnection) -> None:
    add = "INSERT INTO change_log (at_ms, who, what, subject, detail, chain) VALUES (1, '', '', '', '', '')"
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(add)
    connection.execute("ROLLBACK")

    connection.execute(add)

    assert connection.execute("SELECT entry FROM change_log").fetchall() == [(1,)]
