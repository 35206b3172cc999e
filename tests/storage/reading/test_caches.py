from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from domain.events import Event
from domain.windows import MINUTE_MS, Window
from storage.node_rows import ChurnRow, Push
from tests.storage.filling import NOW_MS, opened, put
from tests.storage.reading.test_nodes import reading

S = 1_000
ids = itertools.count()
HOUR = Window(NOW_MS, NOW_MS + 60 * MINUTE_MS)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "g.db"


def invalidated(
    key: str = "services:s-1:::::ws", at_s: int = 0, node: str | None = "n-1", **more: Any
) -> Event:
    values: dict[str, Any] = {
        "cache": "kong_core_db_cache",
        "entity_type": key.partition(":")[0],
        "key_masked": key,
    }
    return Event(
        id=f"c-{next(ids)}",
        kind="cache",
        event="invalidated",
        at_ms=NOW_MS + at_s * S,
        node=node,
        **(values | more),
    )


def changed(at_s: int = 0, **more: Any) -> Event:
    values: dict[str, Any] = {
        "entity_type": "services",
        "entity_id": "s-1",
        "entity_name": "orders",
        "operation": "update",
        "node": "n-1",
        "after": {"id": "s-1"},
    }
    return Event(
        id=f"x-{next(ids)}",
        kind="crud",
        event="services.updated",
        at_ms=NOW_MS + at_s * S,
        **(values | more),
    )


def test_invalidations_are_counted_by_entity_type_and_by_node(path: Path) -> None:
    with opened(path) as store:
        put(store, invalidated(at_s=1), invalidated(at_s=61), invalidated("routes:r:::::", 62, "n-2"))
        put(store, invalidated("x:y", 63, None, entity_type=None))
    with reading(path) as reader:
        by_type = reader.kind_series(
            Window(NOW_MS, NOW_MS + 2 * MINUTE_MS), MINUTE_MS, "cache", "entity_type"
        )
        by_node = reader.kind_series(Window(NOW_MS, NOW_MS + 2 * MINUTE_MS), MINUTE_MS, "cache", "node")

    assert by_type.groups == (("services", (1, 1)), ("", (0, 1)), ("routes", (0, 1)))
    assert by_node.groups == (("n-1", (1, 1)), ("", (0, 1)), ("n-2", (0, 1)))
    assert (by_type.from_ms, by_type.bucket_ms, by_type.buckets) == (NOW_MS, MINUTE_MS, 2)


def test_only_events_of_one_name_can_be_counted(path: Path) -> None:
    with opened(path) as store:
        put(store, invalidated(), changed())
    with reading(path) as reader:
        assert reader.kind_series(HOUR, MINUTE_MS, "cache", "node", "purged").groups == ()
        assert len(reader.kind_series(HOUR, MINUTE_MS, "cache", "node", "invalidated").groups) == 1


def test_events_are_counted_by_nothing_else(path: Path) -> None:
    with reading(path) as reader, pytest.raises(ValueError, match="expected entity_type or node"):
        reader.kind_series(HOUR, MINUTE_MS, "cache", "n)--")


def test_the_past_of_caches_comes_with_the_changes_around_it(path: Path) -> None:
    plugin = {
        "entity_type": "plugins",
        "entity_name": "key-auth",
        "operation": "delete",
        "after": None,
        "before": {"route": {"id": "r-1"}, "service": None, "consumer": {"id": "c-1"}},
    }
    target = {"entity_type": "targets", "after": {"upstream": {"id": "u-1"}}, "actor": "ana"}
    with opened(path) as store:
        put(
            store, changed(-19), changed(-21), changed(2, **plugin), changed(3, **target), invalidated(at_s=1)
        )
    with reading(path) as reader:
        past = reader.cache_past(HOUR)

    assert [(e.at_ms - NOW_MS, e.node, e.event, e.key_masked) for e in past.events] == [
        (1_000, "n-1", "invalidated", "services:s-1:::::ws")
    ]
    assert [((c.at_ms - NOW_MS) // S, c.entity_type, c.scope, c.actor) for c in past.changes] == [
        (-19, "services", (None, None, None), None),
        (2, "plugins", ("r-1", None, "c-1"), None),
        (3, "targets", ("u-1", None, None), "ana"),
    ]
    assert past.from_ms == HOUR.from_ms


def test_too_many_events_are_cut_at_the_old_end_and_say_so(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.reading.caches.MAX_EVENTS", 2)
    with opened(path) as store:
        put(store, *[invalidated(at_s=at_s) for at_s in range(5)])
    with reading(path) as reader:
        past = reader.cache_past(HOUR)

    assert [(e.at_ms - NOW_MS) // S for e in past.events] == [3, 4]
    assert past.from_ms == NOW_MS + 3 * S


def test_a_key_is_churned_when_one_node_drops_it_again_and_again(path: Path) -> None:
    with opened(path) as store:
        put(
            store,
            *[invalidated("router:version", at_s, node) for at_s in range(3) for node in ("n-1", "n-2")],
        )
        put(store, invalidated("services:once:::::", 1, "n-1"), invalidated("services:once:::::", 1, "n-2"))
        put(store, *[invalidated("keyauth_credentials:[redacted]:::::", at_s) for at_s in range(9)])
    with reading(path) as reader:
        found = reader.churned_keys(HOUR)

    assert found == (
        ChurnRow(
            key_masked="router:version",
            cache="kong_core_db_cache",
            entity_type="router",
            count=3,
            nodes=2,
            first_ms=NOW_MS,
            last_ms=NOW_MS + 2 * S,
        ),
    )


def test_pushes_are_told_newest_first(path: Path) -> None:
    pushes = [
        Event(id=f"p-{i}", kind="cluster", event="config_pushed", at_ms=NOW_MS + i, node="dp-1")
        for i in range(2)
    ]
    with opened(path) as store:
        put(store, *pushes, invalidated())
    with reading(path) as reader:
        assert reader.config_pushes(HOUR) == (
            Push(at_ms=NOW_MS + 1, node="dp-1"),
            Push(at_ms=NOW_MS, node="dp-1"),
        )
