"""Reports that are not exact: which of them count."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from domain.events import Event
from storage.writing.hooks import NEAR_MS
from tests.storage.filling import NOW_MS, one, opened, put, refusal, row


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "g.db"


def hook(number: int = 100, **changes: Any) -> Event:
    """What Kong Enterprise tells at most once in five seconds."""
    return refusal(
        number, **({"exact": False, "is_request": False, "request_id": None, "id": f"h-{number}"} | changes)
    )


def counted(path: Path) -> int:
    return int(one(path, "SELECT coalesce(sum(limited), 0) FROM activity WHERE res = 3 AND dim = 0"))


def test_a_hook_alone_counts(path: Path) -> None:
    with opened(path) as store:
        put(store, hook())

    assert counted(path) == 1
    assert row(path, "SELECT count(*), sum(inexact) FROM events WHERE counted = 1") == (1, 1)


@pytest.mark.parametrize("order", ["hook first", "log first", "one transaction"])
def test_a_hook_beside_the_entry_it_stands_for_does_not_count(path: Path, order: str) -> None:
    with opened(path) as store:
        parts = [hook(), refusal(1, at_ms=NOW_MS + NEAR_MS)]
        if order == "one transaction":
            put(store, *parts)
        else:
            for part in parts if order == "hook first" else reversed(parts):
                put(store, part)

    assert counted(path) == 1
    assert one(path, "SELECT count(*) FROM violations") == 1
    assert one(path, "SELECT count(*) FROM events") == 2


@pytest.mark.parametrize(
    ("changes", "total"),
    [
        pytest.param({"at_ms": NOW_MS + NEAR_MS + 1}, 2, id="too far away"),
        pytest.param({"consumer_id": "c-2", "consumer": "b"}, 2, id="another consumer"),
        pytest.param({"ip": "203.0.113.8"}, 2, id="another address"),
        pytest.param({"service_id": "s-2", "service": "b"}, 2, id="another service"),
        pytest.param({"route_id": "r-2", "route": "b"}, 1, id="another route of the service"),
        pytest.param({"certainty": "ruled-out"}, 1, id="an entry that is no violation"),
        pytest.param({"certainty": "probable"}, 1, id="a probable one"),
    ],
)
def test_only_an_entry_of_the_same_stands_for_a_hook(path: Path, changes: dict[str, Any], total: int) -> None:
    with opened(path) as store:
        put(store, hook())
        put(store, refusal(1, **changes))

    query = "SELECT sum(limited + probable) FROM activity WHERE res = 3 AND dim = 0"
    assert one(path, query) == total


def test_what_a_hook_does_not_say_matches_anything(path: Path) -> None:
    with opened(path) as store:
        put(store, hook(ip=None, service_id=None, service=None))
        put(store, refusal(1))

    assert counted(path) == 1


def test_a_hook_that_says_nothing_of_whom_always_counts(path: Path) -> None:
    with opened(path) as store:
        put(store, refusal(1))
        put(store, hook(ip=None, consumer_id=None, consumer=None))

    assert counted(path) == 2
