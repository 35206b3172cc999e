"""Reading PostgreSQL: deadlines, threads, one state per question, servers that go and come back, roles."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from domain.errors import DeadlineExceeded, StoreBusy, StoreError, StoreForeign
from domain.filters import Dimension, Filters
from domain.windows import HOUR_MS, Window
from storage.alerts_reader import AlertsReader
from storage.decisions import Decisions
from storage.location import PostgresUrl
from storage.postgres.connection import PostgresConnection
from storage.postgres.reader import PostgresReader
from storage.postgres.snapshots import LOOK_AGAIN_S, MOST_CONNECTIONS, PostgresSnapshots
from storage.postgres.store import PostgresStore
from storage.schema import VERSION
from tests.postgres import running, server
from tests.storage.filling import NOW_MS, SETTINGS, put, refusal
from tests.storage.postgres.conftest import Opener

pytestmark = pytest.mark.cluster

HOUR = Window(NOW_MS, NOW_MS + HOUR_MS)
ROLES = Path(__file__).resolve().parents[3] / "storage" / "postgres" / "roles.sql"


@pytest.fixture
def snapshots(url: PostgresUrl) -> Iterator[PostgresSnapshots]:
    """Of an empty store."""
    found = PostgresSnapshots(url, 2_000)
    yield found
    found.close()


def limited(reader: PostgresReader) -> int:
    """How many refusals it sees."""
    return reader.totals(HOUR, Filters()).limited


def test_the_version_changes_with_every_commit_of_others_and_with_nothing_else(
    snapshots: PostgresSnapshots, open_writer: Opener
) -> None:
    store = open_writer()
    versions = [snapshots.data_version(), snapshots.data_version()]
    put(store, refusal(1))
    versions.append(snapshots.data_version())
    put(store, refusal(2))
    versions += [snapshots.data_version(), snapshots.data_version()]

    assert versions[0] == versions[1] < versions[2] < versions[3] == versions[4]


def test_a_snapshot_is_one_state_however_much_is_written_meanwhile(
    snapshots: PostgresSnapshots, open_writer: Opener
) -> None:
    store = open_writer()
    put(store, refusal(1))
    with snapshots.snapshot() as snapshot:
        before = snapshot.value("SELECT count(*) FROM events")
        put(store, refusal(2))
        after = snapshot.value("SELECT count(*) FROM events")
    with snapshots.snapshot() as snapshot:
        at_last = snapshot.value("SELECT count(*) FROM events")

    assert (before, after, at_last) == (1, 1, 2)


def test_nothing_can_be_written_through_it(snapshots: PostgresSnapshots) -> None:
    with pytest.raises(StoreError), snapshots.snapshot() as snapshot:
        snapshot.rows("UPDATE meta SET value = 7")


def sleep(snapshots: PostgresSnapshots, how_many: int) -> None:
    """20 seconds, in one statement or in many."""
    with snapshots.snapshot() as snapshot:
        for _ in range(how_many):
            snapshot.value("SELECT pg_sleep(?::float8 / 1000)", (20_000 // how_many,))


@pytest.mark.parametrize("how_many", [1, 40])
def test_a_question_ends_at_its_deadline_in_one_statement_or_in_many(url: PostgresUrl, how_many: int) -> None:
    snapshots = PostgresSnapshots(url, 400)
    started_s = time.monotonic()
    with pytest.raises(DeadlineExceeded, match="400 ms"):
        sleep(snapshots, how_many)

    assert time.monotonic() - started_s < 5
    with snapshots.snapshot() as snapshot:
        assert snapshot.value("SELECT 1") == 1
    snapshots.close()


def test_waiting_for_a_free_connection_counts_as_answering(url: PostgresUrl) -> None:
    snapshots = PostgresSnapshots(url, 1_000)
    enough, release = threading.Barrier(MOST_CONNECTIONS + 1), threading.Event()

    def hold() -> None:
        with snapshots.snapshot():
            enough.wait(20)
            release.wait(20)

    with ThreadPoolExecutor(MOST_CONNECTIONS) as threads:
        held = [threads.submit(hold) for _ in range(MOST_CONNECTIONS)]
        enough.wait(20)
        with pytest.raises(DeadlineExceeded), snapshots.snapshot():
            pytest.fail("there are only eight connections")
        release.set()
        for one in held:
            one.result(20)
    snapshots.close()


def test_many_threads_ask_at_once_and_all_are_answered(url: PostgresUrl, open_writer: Opener) -> None:
    put(open_writer(), *(refusal(number) for number in range(50)))
    reader = PostgresReader(url, 20_000)

    with ThreadPoolExecutor(24) as threads:
        found = set(threads.map(lambda _: limited(reader), range(96)))

    assert found == {50}
    reader.close()


def test_connections_that_nobody_needs_are_closed(
    snapshots: PostgresSnapshots, connection: PostgresConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    barrier = threading.Barrier(5)

    def ask() -> None:
        with snapshots.snapshot():
            barrier.wait(20)

    def open_now() -> int:
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        return int(connection.execute(query).fetchone()[0]) - 1

    with ThreadPoolExecutor(5) as threads:
        for one in [threads.submit(ask) for _ in range(5)]:
            one.result(20)
    at_once = open_now()
    monkeypatch.setattr("storage.postgres.snapshots.KEPT_S", 0.0)
    with snapshots.snapshot():
        pass
    for _ in range(100):
        if open_now() == 1:
            break
        time.sleep(0.05)

    assert (at_once, open_now()) == (5, 1)


def test_a_database_without_tables_answers_like_an_empty_store_until_it_has_some() -> None:
    with psycopg.connect(server().url(), autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS bare")
        connection.execute("CREATE DATABASE bare")
    url = PostgresUrl(server().url("bare"))
    reader = PostgresReader(url, 5_000)
    before = (limited(reader), reader.data_version(), reader.health().events)

    store = PostgresStore(url, SETTINGS)
    put(store, refusal())

    assert (before[0], before[2]) == (0, 0)
    assert limited(reader) == 1
    assert reader.data_version() != before[1]
    store.close()
    reader.close()


def test_tables_of_a_newer_version_are_refused(url: PostgresUrl, connection: PostgresConnection) -> None:
    connection.script(f"UPDATE schema_facts SET value = {VERSION + 1} WHERE name = 'version'")
    reader = PostgresReader(url, 2_000)
    try:
        with pytest.raises(StoreForeign, match="newer version"):
            reader.freshness()
    finally:
        connection.script(f"UPDATE schema_facts SET value = {VERSION} WHERE name = 'version'")
        reader.close()


def test_a_closed_reader_says_so(url: PostgresUrl) -> None:
    reader = PostgresReader(url, 2_000)
    reader.freshness()
    reader.close()

    with pytest.raises(Exception, match="closed"):
        reader.freshness()


def test_a_connection_that_broke_while_nobody_used_it_is_no_failure(
    url: PostgresUrl, open_writer: Opener
) -> None:
    put(open_writer(), refusal())
    reader = PostgresReader(url, 5_000)
    before = (limited(reader), reader.data_version())
    with psycopg.connect(server().url(), autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = %s AND pid <> pg_backend_pid()",
            (url.conninfo.rpartition("/")[2],),
        )

    assert (limited(reader), reader.data_version()) == before
    reader.close()


def test_a_server_that_is_gone_is_an_error_with_its_reason_and_back_it_is_read_again() -> None:
    with running() as own:
        url = PostgresUrl(own.url())
        store = PostgresStore(url, SETTINGS)
        put(store, refusal(1))
        store.pack(NOW_MS + 2 * HOUR_MS, 1_000)
        store.close()
        reader = PostgresReader(url, 5_000)
        before = (limited(reader), reader.data_version())
        own.stop()

        with pytest.raises(StoreBusy, match=r"127\.0\.0\.1"):
            limited(reader)
        started_s = time.monotonic()
        for _ in range(20):
            with pytest.raises(StoreBusy):
                limited(reader)
        assert time.monotonic() - started_s < 5
        with pytest.raises(StoreBusy):
            reader.data_version()
        own.start()
        time.sleep(LOOK_AGAIN_S)

        assert limited(reader) == before[0] == 1
        assert reader.data_version() != before[1], (
            "another server may hold something else under the same count"
        )
        reader.close()


def test_a_role_that_may_only_read_reads_everything_and_one_that_decides_decides(
    url: PostgresUrl, open_writer: Opener
) -> None:
    put(open_writer(), refusal())
    with psycopg.connect(url.conninfo, autocommit=True) as connection:
        connection.execute(ROLES.read_bytes())
        for login, role in (("looks", "gatewatch_reader"), ("decides", "gatewatch_decider")):
            connection.execute(f"DROP ROLE IF EXISTS {login}".encode())
            connection.execute(f"CREATE ROLE {login} LOGIN IN ROLE {role}".encode())
    try:
        reader = PostgresReader(PostgresUrl(url.conninfo.replace("postgres@", "looks@")), 5_000)
        alerts = AlertsReader(url.conninfo.replace("postgres@", "looks@"), 5_000)
        assert limited(reader) == 1
        assert reader.top(Dimension.IP, HOUR, Filters()).rows
        assert reader.health().file_bytes > 0
        assert reader.data_version() > 0
        assert alerts.live() == ()
        with Decisions(url.conninfo.replace("postgres@", "decides@")) as decisions:
            decisions.ask("r1", "test", "ana", NOW_MS, {})
        answered = alerts.request("r1")
        assert answered is not None
        assert answered.asked_by == "ana"
        with (
            Decisions(url.conninfo.replace("postgres@", "looks@")) as decisions,
            pytest.raises(StoreError, match="lacks the right"),
        ):
            decisions.ask("r2", "test", "ana", NOW_MS, {})
        reader.close()
        alerts.close()
    finally:
        with psycopg.connect(url.conninfo, autocommit=True) as connection:
            connection.execute("DROP ROLE looks")
            connection.execute("DROP ROLE decides")
