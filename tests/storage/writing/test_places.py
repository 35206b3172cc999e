"""Whose request it was and where it went: remembered by the minute, and never wrong for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.codes import Dim
from tests.storage.filling import NOW_MS, one, opened, put, refusal, request, rows


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "g.db"


def test_a_combination_is_worked_out_once_a_minute(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(path) as store:
        put(store, refusal(0))
        asked: list[int] = []
        who = store._books.entities.who
        monkeypatch.setattr(store._books.entities, "who", lambda *what: asked.append(1) or who(*what))
        put(store, *(refusal(n, at_ms=NOW_MS + n) for n in range(1, 50)), request(5))
        in_the_minute = len(asked)
        put(store, refusal(60, at_ms=NOW_MS + 60_000))

    assert in_the_minute == 0
    assert len(asked) == 3


def test_a_rename_within_the_minute_shows_at_once(path: Path) -> None:
    with opened(path) as store:
        for number, name in enumerate(["old", "old", "new", "new"]):
            put(store, refusal(number, consumer=name, at_ms=NOW_MS + number * 5_000))

    assert rows(path, "SELECT consumer FROM violations ORDER BY at_ms") == [
        ("old",),
        ("old",),
        ("new",),
        ("new",),
    ]
    assert rows(
        path, "SELECT name, valid_from_ms FROM entity_names WHERE entity_type = 'consumers' ORDER BY 2"
    ) == [
        ("old", NOW_MS),
        ("new", NOW_MS + 10_000),
    ]


def test_an_earlier_moment_of_the_minute_begins_the_name_earlier(path: Path) -> None:
    with opened(path) as store:
        put(store, refusal(1, at_ms=NOW_MS + 30_000))
        put(store, refusal(2, at_ms=NOW_MS + 10_000))

    query = "SELECT valid_from_ms FROM entity_names WHERE entity_type = 'consumers'"
    assert one(path, query) == NOW_MS + 10_000


def test_a_name_without_an_id_is_read_anew_when_names_change(path: Path) -> None:
    with opened(path) as store:
        put(store, refusal(1, consumer_id=None, consumer="acme"))
        put(store, refusal(2, consumer_id="c-9", consumer="acme"))
        put(store, refusal(3, consumer_id=None, consumer="acme"))

    assert rows(path, "SELECT DISTINCT consumer_id FROM violations") == [("c-9",)]
    by_id = (
        "SELECT count(*) FROM events e JOIN keys k ON k.key_id = e.consumer"
        " WHERE k.value = 'c-9' AND k.dim = ?"
    )
    assert one(path, by_id, Dim.CONSUMER) == 2


def test_places_past_the_memory_are_worked_out_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.writing.places.MAX_CACHED", 3)
    with opened(path) as store:
        put(store, *(refusal(n, consumer_id=f"c-{n % 10}", consumer=f"name-{n % 10}") for n in range(40)))

    assert one(path, "SELECT count(DISTINCT consumer_id) FROM violations") == 10
