"""Clearing away, a bounded piece at a time."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from domain.windows import DAY_MS
from storage.connection import open_reader
from storage.sqlite_store import SqliteStore
from tests.storage.filling import NOW_MS, opened, other, plugin, put, refusal, request, rows

OLD_MS = NOW_MS - 100 * DAY_MS


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "g.db"


def count(path: Path, table: str) -> int:
    return int(rows(path, f"SELECT count(*) FROM {table}")[0][0])


def prune_all(store: SqliteStore, now_ms: int = NOW_MS, most: int = 500) -> list[int]:
    """How many rows went in each piece, until nothing was left to do."""
    gone = []
    while True:
        gone.append(store.prune(now_ms, most))
        if gone[-1] < most:
            return gone


def test_old_events_go_with_everything_of_theirs(path: Path) -> None:
    with opened(path) as store:
        old = [
            refusal(n, at_ms=OLD_MS, payload=b"{}", certainty="probable", entity_type="x", limit_name=None)
            for n in range(1, 1_024)
        ]
        put(store, *old, received_ms=OLD_MS)
        put(store, refusal(5_000))
        prune_all(store)

    assert rows(path, "SELECT seq FROM events") == [(1_024,)]
    assert [count(path, table) for table in ("event_details", "payloads", "judgements")] == [0, 0, 0]
    assert rows(path, "SELECT block FROM event_blocks") == [(1,)]


def test_each_piece_is_bounded(path: Path) -> None:
    with opened(path) as store:
        put(store, *(other(n, at_ms=OLD_MS) for n in range(3_000)))
        gone = prune_all(store)

    assert max(gone) == 500
    assert sum(gone) >= 3_000
    assert count(path, "events") == 0


def test_totals_outlive_the_events(path: Path) -> None:
    with opened(path) as store:
        put(store, *(refusal(n, at_ms=OLD_MS) for n in range(5)), request(1, at_ms=OLD_MS))
        prune_all(store)

    assert count(path, "events") == 0
    kept = rows(path, "SELECT res, requests, limited FROM activity WHERE dim = 0 ORDER BY res")
    assert kept == [(2, 6, 5), (3, 6, 5)]
    assert rows(path, "SELECT res, sum(n) FROM cells GROUP BY res") == [(2, 6), (3, 6)]
    assert rows(path, "SELECT res, sum(n) FROM kind_counts GROUP BY res") == [(2, 5), (3, 5)]


@pytest.mark.parametrize(
    ("age_days", "left"),
    [(1, [0, 1, 2, 3]), (4, [1, 2, 3]), (92, [2, 3]), (732, [3]), (20_000, [3])],
    ids=["a day", "four days", "three months", "two years", "54 years"],
)
def test_each_resolution_has_an_age(path: Path, age_days: int, left: list[int]) -> None:
    with opened(path) as store:
        put(store, request(1, at_ms=NOW_MS - age_days * DAY_MS))
        prune_all(store)

    for table in ("activity", "cells"):
        assert [res for (res,) in rows(path, f"SELECT DISTINCT res FROM {table} ORDER BY 1")] == left


def test_readers_are_told_what_is_gone_before_it_goes(path: Path) -> None:
    with opened(path) as store:
        put(store, refusal(1, at_ms=OLD_MS))
        prune_all(store)

    meta = dict(rows(path, "SELECT name, value FROM meta"))
    today_s = NOW_MS // DAY_MS * DAY_MS // 1000
    assert meta["kept_from.0"] == today_s - 2 * 86_400
    assert meta["kept_from.1"] == today_s - 90 * 86_400
    assert meta["events_from_ms"] == OLD_MS + 1


def test_names_gaps_and_plugins_stay(path: Path) -> None:
    with opened(path) as store:
        put(store, refusal(1, at_ms=OLD_MS), plugin(at_ms=OLD_MS), received_ms=OLD_MS)
        prune_all(store)

    assert [count(path, table) for table in ("entities", "plugins")] == [3, 1]


def test_old_quarantine_goes(path: Path) -> None:
    with opened(path) as store:
        put(store, other(1, at_ms=-1), received_ms=OLD_MS)
        put(store, other(1, at_ms=-1), received_ms=NOW_MS)
        prune_all(store)

    assert rows(path, "SELECT at_ms FROM quarantine") == [(NOW_MS,)]


def test_cursors_of_epochs_long_left_go_but_never_a_sources_newest(path: Path) -> None:
    with opened(path) as store:
        for epoch, at_ms in (("e1", OLD_MS), ("e2", OLD_MS + 1)):
            put(store, source="gw", epoch=epoch, first=1, upto=1, received_ms=at_ms)
        put(store, source="gone", epoch="e1", first=1, upto=1, received_ms=OLD_MS)
        prune_all(store)

        found = [store.cursor(*who) for who in (("gw", "e1"), ("gw", "e2"), ("gone", "e1"))]

    assert found == [0, 1, 1]


def test_an_event_that_came_late_stays_until_its_block_is_old(path: Path) -> None:
    with opened(path) as store:
        put(store, refusal(1, at_ms=OLD_MS), refusal(2, at_ms=NOW_MS))
        prune_all(store)

    assert count(path, "events") == 2


def test_a_young_file_loses_nothing(path: Path) -> None:
    with opened(path) as store:
        put(store, refusal(1), request(1))

        assert store.prune(NOW_MS, 500) == 0


@pytest.mark.parametrize("table", ["cells", "activity", "kind_counts"])
def test_finding_what_is_old_walks_an_index(path: Path, table: str) -> None:
    """A scan of all totals once a minute would hold up the writer."""
    keys = {"cells": "res, bucket_s, combo", "activity": "res, dim, bucket_s, key"}
    key = keys.get(table, "res, bucket_s, type_id, entity_type, node")
    where = "res = 0 AND dim = 1" if table == "activity" else "res = 0"
    with opened(path):
        pass
    with contextlib.closing(open_reader(path)) as connection:
        plan = connection.execute(
            f"EXPLAIN QUERY PLAN SELECT 1 FROM {table} WHERE ({key}) IN"
            f" (SELECT {key} FROM {table} WHERE {where} AND bucket_s < 5 ORDER BY bucket_s LIMIT 9)"
        ).fetchall()

    steps = [step[3] for step in plan]
    assert not [step for step in steps if step.startswith("SCAN " + table)], steps
