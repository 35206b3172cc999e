"""storage/postgres/roles.sql: each role can do its work, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from domain.errors import StoreError
from domain.filters import Filters
from domain.silences import Silence
from domain.windows import HOUR_MS, Window
from storage.decisions import Decisions
from storage.location import PostgresUrl
from storage.opening import open_reader
from storage.postgres.connection import PostgresConnection
from storage.postgres.store import PostgresStore
from tests.storage.filling import NOW_MS, SETTINGS, one, put, refusal

pytestmark = pytest.mark.cluster
ROLES = Path(__file__).resolve().parents[3] / "storage" / "postgres" / "roles.sql"
WRITES = (
    "INSERT INTO events SELECT * FROM events WHERE seq < 0",
    "UPDATE activity SET requests = 0",
    "DELETE FROM keys",
    "UPDATE commits SET n = 0 WHERE what = 'all'",
    "CREATE TABLE mine (n INTEGER)",
)


@pytest.fixture
def roles(url: PostgresUrl) -> Iterator[dict[str, PostgresUrl]]:
    """A login in each role, of a database in which an event is stored."""
    store = PostgresStore(url, SETTINGS)
    put(store, refusal(1))
    store.close()
    with psycopg.connect(url.conninfo, autocommit=True) as owner:
        for _ in range(2):  # again after an upgrade
            owner.execute(ROLES.read_bytes())
        found = {}
        for name in ("writer", "reader", "decider"):
            owner.execute(f"DROP ROLE IF EXISTS test_{name}".encode())
            owner.execute(f"CREATE ROLE test_{name} LOGIN IN ROLE gatewatch_{name}".encode())
            found[name] = PostgresUrl(url.conninfo.replace("//postgres@", f"//test_{name}@"))
    yield found
    with psycopg.connect(url.conninfo, autocommit=True) as owner:
        for name in found:
            owner.execute(f"DROP ROLE test_{name}".encode())


@pytest.mark.parametrize("statement", WRITES)
def test_a_reader_cannot_write(roles: dict[str, PostgresUrl], statement: str) -> None:
    connection = PostgresConnection(roles["reader"])

    with pytest.raises(StoreError, match="permission denied"):
        connection.execute(statement)
    connection.close()


def test_a_reader_answers_questions(roles: dict[str, PostgresUrl]) -> None:
    reader = open_reader(roles["reader"].conninfo, 5_000)

    assert reader.totals(Window(NOW_MS, NOW_MS + HOUR_MS), Filters()).limited == 1
    reader.close()


def test_a_writer_stores_and_clears_away(roles: dict[str, PostgresUrl]) -> None:
    store = PostgresStore(roles["writer"], SETTINGS)

    another_day = NOW_MS + 10 * 86_400_000
    assert put(store, refusal(2, consumer_id="c-9"), received_ms=another_day).events == 1
    assert store.prune(NOW_MS + 400 * 86_400_000, 100_000) > 0
    store.close()


@pytest.mark.parametrize(
    "statement",
    ["DELETE FROM audit_trail", "UPDATE change_log SET who = 'nobody'", "DROP TABLE events", WRITES[-1]],
)
def test_a_writer_changes_neither_tables_nor_what_is_chained(
    roles: dict[str, PostgresUrl], statement: str
) -> None:
    connection = PostgresConnection(roles["writer"])

    with pytest.raises(StoreError, match=r"permission denied|must be owner"):
        connection.execute(statement)
    connection.close()


def test_a_decider_decides(roles: dict[str, PostgresUrl], connection: PostgresConnection) -> None:
    with Decisions(roles["decider"].conninfo) as decisions:
        number = decisions.silence(
            Silence(silence_id=0, from_ms=NOW_MS, until_ms=NOW_MS + 60_000, author="ana", reason="load test"),
            NOW_MS,
        )
        decisions.end_silence(number, "ben", NOW_MS + 1)

    assert one(connection, "SELECT ended_by FROM alert_silences") == "ben"


@pytest.mark.parametrize("statement", [*WRITES[:3], WRITES[-1], "DELETE FROM audit_trail"])
def test_a_decider_touches_nothing_that_happened(roles: dict[str, PostgresUrl], statement: str) -> None:
    connection = PostgresConnection(roles["decider"])

    with pytest.raises(StoreError, match="permission denied"):
        connection.execute(statement)
    connection.close()
