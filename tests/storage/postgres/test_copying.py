"""A file and its copy in PostgreSQL answer alike, whatever interrupts the copying."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.moving import copy_command
from domain.errors import StoreForeign
from domain.filters import Dimension, Filters
from domain.windows import HOUR_MS, Window
from settings import SettingValueError, load_settings
from storage.location import PostgresUrl
from storage.opening import open_reader, open_store
from storage.postgres import copying
from storage.postgres.connection import PostgresConnection
from storage.postgres.copying import Copy
from tests.postgres import fresh_database, give_back
from tests.storage.filling import NOW_MS, batch, opened, plugin, put, refusal, request

pytestmark = pytest.mark.cluster
WINDOW = Window(NOW_MS - HOUR_MS, NOW_MS + HOUR_MS)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "g.db"
    with opened(found) as store:
        for k in range(4):
            put(
                store,
                *(
                    refusal(k * 100 + n, consumer_id=f"c-{n % 7}", consumer=f"zé\0{n % 7}")
                    for n in range(100)
                ),
                *(request(k * 1_000 + n) for n in range(50)),
                plugin(f"p-{k}"),
                source="gw",
                epoch="e",
                first=k * 10 + 1,
                upto=k * 10 + 10,
            )
        store.pack(NOW_MS + 10**9, 10**6)
    return found


@pytest.fixture
def url() -> Iterator[str]:
    found = fresh_database()
    yield found
    connection = PostgresConnection(PostgresUrl(found))
    connection.script("DROP TABLE IF EXISTS copy_progress")
    connection.close()
    give_back(found)


def nothing(_table: str, _done: int, _whole: int) -> None:
    """Nobody looks on."""


def test_the_copy_answers_as_the_file_does_and_goes_on_from_there(path: Path, url: str) -> None:
    assert copy_command(["--database", str(path), "--to", url]) == 0

    file, copy = open_reader(path, 10_000), open_reader(url, 10_000)
    for reader in (file, copy):
        assert reader.totals(WINDOW, Filters()).limited == 400
    assert file.top(Dimension.IP, WINDOW, Filters()) == copy.top(Dimension.IP, WINDOW, Filters())
    store = open_store(url, load_settings({}, {}))
    assert store.cursor("gw", "e") == 40
    again, new = store.write([batch(refusal(1)), batch(refusal(9_999, consumer_id="new", consumer="new"))])
    assert (again.events, again.duplicates, new.events) == (0, 1, 1)
    assert copy.totals(WINDOW, Filters()).limited == 401
    store.close()
    file.close()
    copy.close()


def test_one_that_was_interrupted_goes_on_where_it_stopped(
    path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "PIECE", 60)
    told: list[str] = []

    def stop(table: str, done: int, _whole: int) -> None:
        told.append(table)
        if table == "events" and done == 180:
            raise KeyboardInterrupt

    copy = Copy(path, PostgresUrl(url))
    with pytest.raises(KeyboardInterrupt):
        copy.run(stop)
    whole = copy.rows
    copy.close()

    again = Copy(path, PostgresUrl(url))
    copied = again.run(nothing)

    assert copied < whole - 180
    assert again.differences(nothing) == []
    again.finish()
    again.close()


def test_what_differs_is_named_and_is_no_copy(
    path: Path, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Copy(path, PostgresUrl(url))
    copy.run(nothing)
    copy.close()
    connection = PostgresConnection(PostgresUrl(url))
    connection.execute("UPDATE activity SET limited = limited + 1 WHERE res = 3 AND dim = 0")
    connection.execute("DELETE FROM limits")
    connection.execute("INSERT INTO meta VALUES ('zzz', 1)")
    connection.close()

    status = copy_command(["--database", str(path), "--to", url])

    assert status == 1
    told = capsys.readouterr().out
    assert "different: activity: row " in told
    assert "different: limits: row 1 is missing" in told
    assert "different: meta: more than " in told


def test_a_database_that_is_in_use_is_left_alone(path: Path, url: str) -> None:
    store = open_store(url, load_settings({}, {}))
    store.write([batch(refusal(1))])
    store.close()

    with pytest.raises(StoreForeign, match="holds events already"):
        Copy(path, PostgresUrl(url))
    with pytest.raises(SettingValueError, match="not copied"):
        copy_command(["--database", str(path), "--to", url])
