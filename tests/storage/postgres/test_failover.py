"""A primary that dies with -9, and its synchronous standby that takes its place, under a writer."""

from __future__ import annotations

import shutil
import time

import psycopg
import pytest

from domain.errors import StoreBusy
from storage.batches import Written
from storage.location import PostgresUrl
from storage.postgres.connection import PostgresConnection
from storage.postgres.store import PostgresStore
from tests.ports import free_port
from tests.postgres import Server, make_folder, run, running
from tests.storage.filling import SETTINGS, one, put, refusal, request
from tests.storage.recount import counted_anew, stored_activity, stored_cells

pytestmark = pytest.mark.cluster
WAIT_S = 30.0


def _standby_of(primary: Server) -> Server:
    found = Server(make_folder(), free_port())
    run(
        "pg_basebackup", "-D", str(found.data), "-d", primary.url(), "-R", "-X", "stream", "-c", "fast",
        "--no-sync",
    )  # fmt: skip
    with (found.data / "postgresql.auto.conf").open("a") as file:
        file.write(f"primary_conninfo = '{primary.url()}?application_name=standby'\n")
    found.start()
    return found


def _make_synchronous(primary: Server) -> None:
    with psycopg.connect(primary.url(), autocommit=True) as owner:
        owner.execute("ALTER SYSTEM SET synchronous_standby_names = 'standby'")
        owner.execute("SELECT pg_reload_conf()")
        until = time.monotonic() + WAIT_S
        while owner.execute(
            "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"
        ).fetchone() != (1,):
            assert time.monotonic() < until, "the standby did not become synchronous"
            time.sleep(0.05)


def _patiently(store: PostgresStore, number: int) -> tuple[Written, int]:
    """Write until it works, as the collector does; returns also how often it had to be tried."""
    until, tries = time.monotonic() + WAIT_S, 0
    while True:
        tries += 1
        try:
            return put(store, refusal(number), request(number), source="a", epoch="e", upto=number), tries
        except StoreBusy:
            assert time.monotonic() < until, "no server took the write"
            time.sleep(0.05)


def test_what_was_acknowledged_is_on_the_standby_and_the_writer_goes_on_there() -> None:
    with running() as primary:
        standby = _standby_of(primary)
        try:
            _make_synchronous(primary)
            hosts = f"127.0.0.1:{primary.port},127.0.0.1:{standby.port}"
            url = PostgresUrl(f"postgresql://postgres@{hosts}/postgres?target_session_attrs=read-write")
            store = PostgresStore(url, SETTINGS)
            for number in range(1, 31):
                assert _patiently(store, number)[1] == 1
            acknowledged = store.cursor("a", "e")

            primary.kill()
            with pytest.raises(StoreBusy):
                put(store, refusal(31))
            with psycopg.connect(standby.url(), autocommit=True) as owner:
                owner.execute("SELECT pg_promote()")
                owner.execute("ALTER SYSTEM SET synchronous_standby_names = ''")
                owner.execute("SELECT pg_reload_conf()")
            for number in range(25, 61):  # the last ones again: a sender does not know what arrived
                _patiently(store, number)

            connection = PostgresConnection(url)
            assert acknowledged == 30
            assert one(connection, "SELECT count(*) FROM events") == 60
            anew = counted_anew(connection, [request(number) for number in range(1, 61)])
            assert stored_activity(connection) == stored_cells(connection) == anew
            connection.close()
            store.close()
        finally:
            standby.kill()
            shutil.rmtree(standby.folder, ignore_errors=True)
