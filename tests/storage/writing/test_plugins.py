"""Kong's plugins as they were configured over time."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from domain.events import Decoded
from storage.connection import open_writer
from storage.schema import prepare
from storage.writing.plugins import PluginBook
from tests.storage.filling import NOW_MS, batch, opened, plugin, rows

MINUTE = 60_000


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    found = open_writer(tmp_path / "g.db")
    prepare(found, tmp_path / "g.db")
    yield found
    found.close()


def test_a_sighting_that_says_nothing_new_writes_nothing(connection: sqlite3.Connection) -> None:
    book = PluginBook(connection)

    news = [
        book.saw(plugin(at_ms=NOW_MS), "a"),
        book.saw(plugin(at_ms=NOW_MS + MINUTE), "a"),
        book.saw(plugin(at_ms=NOW_MS + 2 * MINUTE, enabled=False), "b"),
    ]

    assert news == [True, False, True]
    assert connection.execute("SELECT at_ms, source FROM plugins ORDER BY at_ms").fetchall() == [
        (NOW_MS, "a"),
        (NOW_MS + 2 * MINUTE, "b"),
    ]


def test_what_was_configured_at_a_time_is_known_after_a_restart(connection: sqlite3.Connection) -> None:
    first = PluginBook(connection)
    first.saw(plugin(at_ms=NOW_MS, config={"minute": 5}), "a")
    first.saw(plugin(at_ms=NOW_MS + MINUTE, config={"minute": 9}), "a")
    first.saw(plugin(at_ms=NOW_MS + 2 * MINUTE, deleted=True), "a")

    for book in (first, PluginBook(connection)):
        configs = [
            [p.config for p in book.configured_in(book.interval_at(NOW_MS + after))]
            for after in (-MINUTE, 0, MINUTE - 1, MINUTE, 2 * MINUTE)
        ]
        assert configs == [[{"minute": 5}], [{"minute": 5}], [{"minute": 5}], [{"minute": 9}], []]


def test_what_a_source_no_longer_lists_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "g.db"
    whole = Decoded(plugins=[plugin("p-1"), plugin("p-2")], plugins_complete=True)
    rest = Decoded(plugins=[plugin("p-2")], plugins_complete=True)
    with opened(path) as store:
        store.write([batch(decoded=whole), batch(decoded=whole, source="another kong")])
    with opened(path) as store:
        store.write([batch(decoded=rest), batch(decoded=rest)])

    found = [
        (plugin_id, msgspec.json.decode(body).get("deleted", False))
        for plugin_id, body in rows(path, "SELECT plugin_id, body FROM plugins ORDER BY plugin_id, at_ms")
    ]
    assert found == [("p-1", False), ("p-1", True), ("p-2", False)]


def test_a_list_says_nothing_of_plugins_that_others_told_of(tmp_path: Path) -> None:
    path = tmp_path / "g.db"
    with opened(path) as store:
        store.write([batch(plugin("p-1"), source="kong a")])
        store.write([batch(decoded=Decoded(plugins_complete=True), source="kong b")])

    assert len(rows(path, "SELECT * FROM plugins")) == 1


@pytest.mark.parametrize(
    ("sightings", "from_ms"),
    [
        pytest.param([NOW_MS], 0, id="a first sighting is taken to have been so before"),
        pytest.param([NOW_MS, NOW_MS + MINUTE], None, id="nothing new"),
    ],
)
def test_a_change_says_from_when_on_events_are_judged_again(
    connection: sqlite3.Connection, sightings: list[int], from_ms: int | None
) -> None:
    book = PluginBook(connection)
    for at_ms in sightings:
        book.committed()
        book.saw(plugin(at_ms=at_ms), "a")

    assert book.changed_ms == from_ms


def test_a_later_change_reaches_back_to_its_own_moment_only(connection: sqlite3.Connection) -> None:
    book = PluginBook(connection)
    book.saw(plugin(at_ms=NOW_MS), "a")
    book.committed()

    book.saw(plugin(at_ms=NOW_MS + MINUTE, enabled=False), "a")

    assert book.changed_ms == NOW_MS + MINUTE
