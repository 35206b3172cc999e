"""A copy that PostgreSQL's own tools make and put back is a whole store: nothing of ours is lost."""

from __future__ import annotations

import contextlib
from pathlib import Path

import psycopg
import pytest

from collector.copies import back_up_command, check_command, restore_command
from domain.filters import Filters
from domain.windows import HOUR_MS, Window
from settings import SettingValueError
from storage.audit_trail import record, verify
from storage.keeping import total_problems
from storage.location import PostgresUrl
from storage.opening import open_reader
from storage.postgres.connection import PostgresConnection
from storage.postgres.store import PostgresStore
from tests.postgres import make_folder, run, server
from tests.storage.filling import NOW_MS, SETTINGS, put, refusal

pytestmark = pytest.mark.cluster

HOUR = Window(NOW_MS, NOW_MS + HOUR_MS)


def test_a_dump_that_was_put_back_goes_on_where_the_original_was(url: PostgresUrl) -> None:
    with contextlib.closing(PostgresStore(url, SETTINGS)) as store:
        put(store, *(refusal(number) for number in range(30)))
        store.pack(NOW_MS + 2 * HOUR_MS, 1_000)
    record(url.conninfo, NOW_MS, "ana", "login")
    folder = make_folder()
    dump, name = folder / "gatewatch.dump", "put_back"
    with psycopg.connect(server().url(), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name}".encode())
        connection.execute(f"CREATE DATABASE {name}".encode())

    run("pg_dump", "--format=custom", "--schema=gatewatch", "--file", str(dump), url.conninfo)
    run("pg_restore", "--exit-on-error", "--dbname", server().url(name), str(dump))

    back = server().url(name)
    assert verify(back) == verify(url.conninfo)
    with contextlib.closing(PostgresStore(PostgresUrl(back), SETTINGS)) as store:
        written = [put(store, refusal(number), source="again") for number in (3, 31, 32)]
    with contextlib.closing(open_reader(back, 10_000)) as reader:
        assert [one.events for one in written] == [0, 1, 1]
        assert reader.totals(HOUR, Filters()).limited == 32
    record(back, NOW_MS, "ben", "login")
    assert [chain.problem for chain in verify(back)] == ["", ""]
    assert total_problems(PostgresUrl(back)) == []


def test_totals_that_contradict_each_other_are_found(
    url: PostgresUrl, connection: PostgresConnection, capsys: pytest.CaptureFixture[str]
) -> None:
    with contextlib.closing(PostgresStore(url, SETTINGS)) as store:
        put(store, refusal())
    assert check_command(["--database", url.conninfo]) == 0

    connection.script("UPDATE activity SET limited = limited + 1 WHERE res = 1 AND dim = 0")

    assert check_command(["--database", url.conninfo]) == 1
    assert "limited is 2 in activity and 1 in cells" in capsys.readouterr().out


def test_what_is_for_a_file_alone_says_so_and_shows_no_password(tmp_path: Path) -> None:
    url = "postgresql://ana:hidden@db.example/gatewatch"
    for command in (
        lambda: back_up_command(["--database", url, str(tmp_path / "copy.db")]),
        lambda: restore_command(["--database", url, str(tmp_path / "copy.db")]),
    ):
        with pytest.raises(SettingValueError, match=r"postgresql://db\.example/gatewatch") as found:
            command()
        assert "hidden" not in str(found.value)
