from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from domain.events import Decoded, EntitySeen, Event
from domain.targets import TargetSeen
from storage.batches import Batch, Written
from storage.sqlite_store import SqliteStore
from tests.storage.filling import NOW_MS, opened, put, row, rows

S = 1_000
ids = itertools.count()
HISTORY = "SELECT (at_ms - ?) / 1000, node, upstream, target, health FROM target_health ORDER BY at_ms, node"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "g.db"


def told(health: str, at_s: int, node: str | None = "n-1", **more: Any) -> Event:
    values: dict[str, Any] = {"upstream": "orders", "target": "10.0.0.1:80"}
    return Event(
        id=f"t-{next(ids)}",
        kind="cluster",
        event=f"target_{health}",
        at_ms=NOW_MS + at_s * S,
        node=node,
        health=health,
        **(values | more),
    )


def polled(
    store: SqliteStore, health: str, at_s: int, node: str = "n-1", target: str = "10.0.0.1:80"
) -> Written:
    seen = TargetSeen(upstream="orders", target=target, health=health, at_ms=NOW_MS + at_s * S, node=node)
    batch = Batch(
        source="admin-api x", way="admin-api", received_ms=NOW_MS + at_s * S, decoded=Decoded(targets=[seen])
    )
    return store.write([batch])[0]


def fail_after_hearing(store: SqliteStore, event: Event) -> None:
    with store._one_transaction():
        store._books.targets.is_news(event)
        raise ZeroDivisionError


def history(path: Path) -> list[tuple[Any, ...]]:
    return [(found[0], found[1], found[4]) for found in rows(path, HISTORY, NOW_MS)]


def test_each_change_is_stored_once_per_node(path: Path) -> None:
    with opened(path) as store:
        for at_s, health in (
            (0, "healthy"),
            (1, "healthy"),
            (5, "unhealthy"),
            (6, "unhealthy"),
            (9, "healthy"),
        ):
            put(store, told(health, at_s), told(health, at_s, "n-2"))

    assert history(path) == [
        (at_s, node, health)
        for at_s, health in ((0, "healthy"), (5, "unhealthy"), (9, "healthy"))
        for node in ("n-1", "n-2")
    ]


def test_what_says_nothing_new_counts_as_a_duplicate(path: Path) -> None:
    with opened(path) as store:
        put(store, told("unhealthy", 0))

        written = put(store, told("unhealthy", 1))

    assert (written.events, written.duplicates) == (0, 1)


def test_polls_make_events_of_changes_and_of_nothing_else(path: Path) -> None:
    with opened(path) as store:
        for at_s, health in (
            (0, "HEALTHY"),
            (5, "HEALTHY"),
            (10, "UNHEALTHY"),
            (15, "UNHEALTHY"),
            (20, "HEALTHY"),
        ):
            polled(store, health.lower(), at_s)

    assert history(path) == [(10, "n-1", "unhealthy"), (20, "n-1", "healthy")]


@pytest.mark.parametrize(
    ("health", "expected"),
    [
        ("healthy", []),
        ("healthchecks_off", []),
        ("unhealthy", [(0, "n-1", "unhealthy")]),
        ("dns_error", [(0, "n-1", "dns_error")]),
    ],
)
def test_a_target_seen_first_is_an_event_only_if_something_is_wrong(
    path: Path, health: str, expected: list[Any]
) -> None:
    with opened(path) as store:
        polled(store, health, 0)

    assert history(path) == expected


def test_a_poll_that_was_asked_before_the_event_came_undoes_nothing(path: Path) -> None:
    with opened(path) as store:
        polled(store, "healthy", 0)
        put(store, told("unhealthy", 7))
        polled(store, "healthy", 6)
        polled(store, "unhealthy", 11)

    assert history(path) == [(7, "n-1", "unhealthy")]


def test_an_event_that_comes_after_the_poll_that_saw_its_change_is_the_same_change(path: Path) -> None:
    with opened(path) as store:
        polled(store, "healthy", 0)
        polled(store, "unhealthy", 10)

        put(store, told("unhealthy", 7))

    assert history(path) == [(10, "n-1", "unhealthy")]


def test_an_event_from_long_before_is_history_and_changes_nothing_now(path: Path) -> None:
    with opened(path) as store:
        polled(store, "healthy", 0)
        polled(store, "unhealthy", 100)
        put(store, told("unhealthy", 7))

    assert history(path) == [(7, "n-1", "unhealthy"), (100, "n-1", "unhealthy")]
    assert row(path, "SELECT health, since_ms FROM known_targets") == ("unhealthy", NOW_MS + 100 * S)


def test_an_upstream_told_by_its_id_is_the_one_of_that_name(path: Path) -> None:
    name = EntitySeen(entity_type="upstreams", entity_id="u-1", name="orders", at_ms=NOW_MS)
    with opened(path) as store:
        put(store, name, told("unhealthy", 0, upstream="u-1"))
        put(store, told("unhealthy", 1), told("healthy", 2, upstream="u-1"))

    assert [found[2] for found in rows(path, HISTORY, NOW_MS)] == ["orders", "orders"]
    assert history(path) == [(0, "n-1", "unhealthy"), (2, "n-1", "healthy")]


def test_hooks_of_several_nodes_that_do_not_say_which_are_one_story(path: Path) -> None:
    with opened(path) as store:
        put(store, told("unhealthy", 0, None), told("unhealthy", 1, None), told("healthy", 2, None))

    assert history(path) == [(0, None, "unhealthy"), (2, None, "healthy")]


@pytest.mark.parametrize(
    ("entity_type", "name", "before", "left"),
    [
        ("targets", None, {"target": "10.0.0.1:80", "upstream": {"id": "orders"}}, [("10.0.0.2:80",)]),
        ("targets", None, {"target": "10.0.0.1:80", "upstream": {"id": "another"}}, None),
        ("targets", None, {"target": 7, "upstream": "orders"}, None),
        ("upstreams", "orders", {"id": "u-1"}, []),
        ("services", "orders", {"id": "s-1"}, None),
    ],
)
def test_what_was_deleted_has_no_health_any_more(
    path: Path, entity_type: str, name: str | None, before: dict[str, Any], left: list[Any] | None
) -> None:
    deletion = Event(
        id="d",
        kind="crud",
        event=f"{entity_type}.deleted",
        at_ms=NOW_MS + 9 * S,
        entity_type=entity_type,
        entity_name=name,
        operation="delete",
        before=before,
    )
    with opened(path) as store:
        put(store, told("unhealthy", 0), told("healthy", 0, target="10.0.0.2:80"))
        put(store, deletion)

    both = [("10.0.0.1:80",), ("10.0.0.2:80",)]
    assert rows(path, "SELECT target FROM known_targets ORDER BY target") == (both if left is None else left)


def test_a_target_that_polls_do_not_find_any_more_has_no_health(path: Path) -> None:
    with opened(path) as store:
        polled(store, "healthy", 0)
        for at_s in range(0, 120, 5):
            polled(store, "healthy", at_s, target="10.0.0.2:80")

    assert rows(path, "SELECT target FROM known_targets") == [("10.0.0.2:80",)]


def test_a_target_that_cannot_be_stored_is_kept_aside(path: Path) -> None:
    with opened(path) as store:
        polled(store, "unhealthy", 0, target="\ud800")
        polled(store, "unhealthy", 1)

    assert row(path, "SELECT count(*) FROM quarantine WHERE why LIKE '%a target''s health%'") == (1,)
    assert history(path) == [(1, "n-1", "unhealthy")]


def test_a_transaction_that_failed_is_forgotten(path: Path) -> None:
    with opened(path) as store:
        put(store, told("healthy", 0))
        with pytest.raises(ZeroDivisionError):
            fail_after_hearing(store, told("unhealthy", 5))

        put(store, told("unhealthy", 6))

    assert history(path) == [(0, "n-1", "healthy"), (6, "n-1", "unhealthy")]


def test_health_is_remembered_when_the_file_is_opened_again(path: Path) -> None:
    with opened(path) as store:
        put(store, told("unhealthy", 0))
    with opened(path) as store:
        assert put(store, told("unhealthy", 5)).duplicates == 1
