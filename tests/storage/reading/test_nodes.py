from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from domain.events import Decoded, Event, NodeSeen
from domain.targets import TargetSeen
from domain.windows import Window
from storage.batches import Batch, CollectorStatus
from storage.node_rows import StateSpan
from storage.sqlite_reader import SqliteReader
from tests.storage.filling import NOW_MS, opened, put

S = 1_000
STATUS = CollectorStatus(pid=1, version="0", started_ms=0, beat_ms=0, ws="w", http="h", state="ok", detail="")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "g.db"


@contextlib.contextmanager
def reading(path: Path) -> Iterator[SqliteReader]:
    reader = SqliteReader(path, 2_000)
    try:
        yield reader
    finally:
        reader.close()


def heard(node: str = "n-1", at_s: int = 0, **more: Any) -> Batch:
    seen = NodeSeen(**{"at_ms": NOW_MS + at_s * S, "via": "heartbeat", "node": node, **more})
    return Batch(source="s", way="replay", received_ms=seen.at_ms, decoded=Decoded(nodes=[seen]))


def spans(path: Path, from_s: int, to_s: int, now_s: int) -> list[tuple[str, int, int, str]]:
    with reading(path) as reader:
        found = reader.node_history(Window(NOW_MS + from_s * S, NOW_MS + to_s * S), NOW_MS + now_s * S)
    return [_short(span) for span in found]


def _short(span: StateSpan) -> tuple[str, int, int, str]:
    return span.node, (span.from_ms - NOW_MS) // S, (span.to_ms - NOW_MS) // S, span.state


def test_a_store_without_nodes_answers_with_none(path: Path) -> None:
    with reading(path) as reader:
        assert reader.nodes(NOW_MS).rows == ()
        assert reader.node_history(Window(0, NOW_MS), NOW_MS) == ()
        assert reader.target_health(Window(0, NOW_MS)).now == ()
        assert not reader.nodes(NOW_MS).is_watched


def test_nodes_are_told_with_everything_known_the_worst_first(path: Path) -> None:
    with opened(path) as store:
        store.beat(NOW_MS, STATUS)
        lost = {
            "via": "data-planes",
            "address": "http://cp",
            "asked_ms": NOW_MS,
            "at_ms": NOW_MS - 99_000 * S,
        }
        store.write([heard("n-lost", **lost)])
        store.write([heard("n-1", hostname="gw-1", version="3.9.3", workers=4, every_s=20.0)])
    with reading(path) as reader:
        found = reader.nodes(NOW_MS + S)

    assert [(row.name, row.state) for row in found.rows] == [("n-lost", "lost"), ("gw-1", "live")]
    assert found.is_watched
    live = found.rows[1]
    assert (live.version, live.facts, live.last_seen_ms) == ("3.9.3", {"workers": 4}, NOW_MS)
    assert [(feed.feed, feed.last_ms, feed.every_s) for feed in live.feeds] == [("heartbeat", NOW_MS, 20.0)]


def test_where_nobody_watches_nobody_is_live_and_the_lost_stay_lost(path: Path) -> None:
    with opened(path) as store:
        store.beat(NOW_MS, STATUS)
        lost = {
            "via": "data-planes",
            "address": "http://cp",
            "asked_ms": NOW_MS,
            "at_ms": NOW_MS - 99_000 * S,
        }
        store.write([heard("n-lost", **lost), heard("n-1")])
    with reading(path) as reader:
        found = reader.nodes(NOW_MS + 31 * S)

    assert [(row.node, row.state) for row in found.rows] == [("n-lost", "lost"), ("n-1", "unknown")]
    assert found.rows[1].reason == "nobody watches: the collector does not run"
    assert found.rows[1].since_ms == found.watched_until_ms == NOW_MS


def test_the_expected_configuration_is_that_of_the_fleet_that_is_there(path: Path) -> None:
    with opened(path) as store:
        store.write([heard(f"n-{i}", config_hash=h * 32) for i, h in enumerate("aab")])
    with reading(path) as reader:
        rows = reader.nodes(NOW_MS).rows

    assert {(row.expected_hash, row.fleet_nodes) for row in rows} == {("a" * 32, 3)}


def test_history_begins_with_the_state_at_the_start_of_the_window(path: Path) -> None:
    with opened(path) as store:
        store.write([heard(at_s=0), heard(at_s=100), heard("n-2", at_s=100)])

    found = spans(path, 50, 110, 110)

    assert found == [("n-1", 50, 90, "late"), ("n-1", 90, 100, "lost"), ("n-1", 100, 110, "live"),
                     ("n-2", 100, 110, "live")]  # fmt: skip


def test_history_goes_no_further_than_somebody_watched(path: Path) -> None:
    with opened(path) as store:
        store.beat(NOW_MS, STATUS)
        store.write([heard(at_s=1)])
        store.beat(NOW_MS + 20 * S, STATUS)

    assert spans(path, 0, 200, 100) == [("n-1", 1, 20, "live"), ("n-1", 20, 100, "unknown")]


def test_history_never_reaches_into_the_future(path: Path) -> None:
    with opened(path) as store:
        store.beat(NOW_MS, STATUS)
        store.write([heard(at_s=1)])
        store.beat(NOW_MS + 20 * S, STATUS)

    assert spans(path, 0, 3_600, 22) == [("n-1", 1, 22, "live")]


def test_a_lost_node_is_lost_until_now_whoever_watches(path: Path) -> None:
    with opened(path) as store:
        store.write([heard(at_s=0), heard("n-2", at_s=95)])

    found = [span for span in spans(path, 0, 600, 600) if span[0] == "n-1"]

    assert found == [
        ("n-1", 0, 30, "live"),
        ("n-1", 30, 90, "late"),
        ("n-1", 90, 95, "lost"),
        ("n-1", 95, 600, "lost"),
    ]


def target_event(health: str, at_s: int, node: str | None = "n-1") -> Event:
    return Event(
        id=f"{health}{at_s}{node}",
        kind="cluster",
        event=f"target_{health}",
        at_ms=NOW_MS + at_s * S,
        node=node,
        upstream="orders",
        target="10.0.0.1:80",
        health=health,
    )


def test_target_health_is_what_is_known_now_and_how_it_changed(path: Path) -> None:
    with opened(path) as store:
        put(
            store,
            target_event("healthy", 0),
            target_event("unhealthy", 10),
            target_event("healthy", 20, None),
        )
        polled = TargetSeen(
            upstream="orders", target="10.0.0.2:80", health="healthy", at_ms=NOW_MS + 5 * S, node="n-1"
        )
        store.write(
            [Batch(source="x", way="admin-api", received_ms=NOW_MS, decoded=Decoded(targets=[polled]))]
        )
    with reading(path) as reader:
        found = reader.target_health(Window(NOW_MS + 5 * S, NOW_MS + 60 * S))

    assert [(row.target, row.node, row.health) for row in found.now] == [
        ("10.0.0.1:80", None, "healthy"),
        ("10.0.0.1:80", "n-1", "unhealthy"),
        ("10.0.0.2:80", "n-1", "healthy"),
    ]
    assert [(change.at_ms - NOW_MS, change.node, change.health) for change in found.changes] == [
        (0, "n-1", "healthy"),
        (10 * S, "n-1", "unhealthy"),
        (20 * S, None, "healthy"),
    ]
    assert not found.is_cut


def test_too_many_changes_are_cut_at_the_old_end(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.reading.nodes.MAX_CHANGES", 2)
    with opened(path) as store:
        put(store, *[target_event(("healthy", "unhealthy")[i % 2], i) for i in range(4)])
    with reading(path) as reader:
        found = reader.target_health(Window(NOW_MS, NOW_MS + 60 * S))

    assert [(change.at_ms - NOW_MS) // S for change in found.changes] == [2, 3]
    assert found.is_cut
