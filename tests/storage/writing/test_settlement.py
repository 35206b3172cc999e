"""Judging again by the plugins that were configured for a request."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from domain.events import Event, PluginSeen
from storage import book_store
from storage.sqlite_store import SqliteStore
from tests.storage.filling import NOW_MS, one, opened, other, plugin, put, refusal, request, row, rows

MINUTE = 60_000
HIDING = {"hide_client_headers": True, "minute": 5}
ENDING = {"status_code": 429, "message": "closed for maintenance"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "g.db"


def unsure(number: int = 1, answer_bytes: int | None = None, **changes: Any) -> Event:
    """A 429 of Kong's without any header that would tell why."""
    payload = None
    if answer_bytes is not None:
        payload = b'{"response":{"headers":{"content-length":"%d"}}}' % answer_bytes
    values = {"certainty": "probable", "evidence": "429 by Kong without Retry-After", "payload": payload}
    limit = {"limit_name": None, "limit_value": None, "window_s": None}
    return refusal(number, **(values | limit | changes))


def hiding(plugin_id: str = "p-1", **changes: Any) -> PluginSeen:
    return plugin(plugin_id, "rate-limiting", **({"config": HIDING} | changes))


def ending(plugin_id: str = "p-2", **changes: Any) -> PluginSeen:
    return plugin(plugin_id, "request-termination", **({"config": ENDING} | changes))


def totals(path: Path) -> tuple[int, ...]:
    query = (
        "SELECT sum(requests), sum(limited), sum(probable), sum(s4xx) FROM activity WHERE dim = 0 AND res = ?"
    )
    found = {row(path, query, res) for res in range(4)}
    assert len(found) == 1
    return found.pop()


def settled(store: SqliteStore, *parts: Any) -> int:
    for part in parts:
        put(store, part)
    return store.settle()


def test_a_limiter_that_hides_its_headers_makes_it_certain_with_its_limit(path: Path) -> None:
    with opened(path) as store:
        changed = settled(store, unsure(), hiding())

    assert changed == 1
    assert row(path, "SELECT certainty, limit_name, limit_value, window_s FROM violations") == (
        "certain",
        "minute",
        5,
        60,
    )
    assert totals(path) == (1, 1, 0, 0)
    by_limit = (
        "SELECT k.value, limited FROM activity a JOIN keys k ON k.key_id = a.key WHERE res = 0 AND a.dim = 7"
    )
    assert rows(path, by_limit) == [("5/minute", 1)]


def test_a_plugin_that_ends_requests_rules_it_out(path: Path) -> None:
    with opened(path) as store:
        changed = settled(store, unsure(), ending())

    assert changed == 1
    assert one(path, "SELECT count(*) FROM violations") == 0
    assert row(path, "SELECT k.value, counted FROM events e JOIN keys k ON k.key_id = e.evidence") == (
        "request-termination answers 429 here, and no limiter that hides its headers",
        0,
    )
    assert totals(path) == (1, 0, 0, 1)


@pytest.mark.parametrize(
    ("answer_bytes", "certainty"),
    [(69 + 23, "certain"), (14 + 22, "ruled-out"), (500, "probable"), (None, "probable")],
    ids=["length of the limiter's answer", "length of the other's", "of neither", "not logged"],
)
def test_where_both_may_have_answered_the_length_tells(
    path: Path, answer_bytes: int | None, certainty: str
) -> None:
    with opened(path) as store:
        settled(store, unsure(1, answer_bytes), hiding(), ending())

    codes = {"certain": 1, "probable": 2, "ruled-out": 3}
    assert one(path, "SELECT certainty FROM events") == codes[certainty]


def test_nothing_is_known_so_nothing_changes(path: Path) -> None:
    with opened(path) as store:
        changed = settled(store, unsure(), plugin("p-3", "cors"), hiding(route_id="another"))

    assert changed == 0
    assert totals(path) == (1, 0, 1, 0)


def test_a_verdict_is_taken_back_when_more_becomes_known(path: Path) -> None:
    """It always starts from what the entry showed, not from the last verdict."""
    with opened(path) as store:
        verdicts = []
        for part in (unsure(1, 14 + 22), hiding(), ending(), hiding(at_ms=NOW_MS - 1, enabled=False)):
            settled(store, part)
            verdicts.append((one(path, "SELECT certainty FROM events"), totals(path)))

    assert verdicts == [
        (2, (1, 0, 1, 0)),
        (1, (1, 1, 0, 0)),
        (3, (1, 0, 0, 1)),
        (3, (1, 0, 0, 1)),
    ]


def test_a_request_is_judged_by_what_was_configured_at_its_time(path: Path) -> None:
    with opened(path) as store:
        put(store, hiding(at_ms=NOW_MS), ending(at_ms=NOW_MS, enabled=False))
        put(store, hiding(at_ms=NOW_MS + MINUTE, deleted=True), ending(at_ms=NOW_MS + MINUTE))
        put(store, unsure(1, at_ms=NOW_MS + 1), unsure(2, at_ms=NOW_MS + MINUTE + 1))
        store.settle()

    assert rows(path, "SELECT certainty FROM events ORDER BY seq") == [(1,), (3,)]


def test_a_change_of_now_leaves_what_was_judged_before_alone(path: Path) -> None:
    with opened(path) as store:
        put(store, *(other(n, at_ms=NOW_MS + n) for n in range(1_030)))
        settled(store, hiding(at_ms=NOW_MS), unsure(1, at_ms=NOW_MS + 2_000))
        put(store, hiding(at_ms=NOW_MS + MINUTE, config=HIDING | {"minute": 6}))

    # only what shares a block of arrival numbers with events of that time is looked at again
    assert one(path, "SELECT value FROM meta WHERE name = 'judged_seq'") > 1_000


def test_the_limit_of_another_route_says_nothing(path: Path) -> None:
    with opened(path) as store:
        settled(store, unsure(1), unsure(2, route_id="r-2", route="b"), hiding(route_id="r-2"))

    assert rows(path, "SELECT route, certainty FROM violations ORDER BY route") == [
        ("b", "certain"),
        ("orders.read", "probable"),
    ]


def test_what_is_left_is_judged_after_a_restart(path: Path) -> None:
    with opened(path) as store:
        put(store, unsure(), hiding())
    with opened(path) as store:
        changed = store.settle()
        again = store.settle()

    assert (changed, again) == (1, 0)


def test_many_are_judged_in_many_transactions(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book_store, "SETTLE_ROWS", 10)
    with opened(path) as store:
        put(store, *(unsure(n) for n in range(1, 36)), request(99))
        changed = settled(store, hiding())

    assert changed == 35
    assert totals(path) == (36, 35, 0, 0)


def test_an_event_that_retention_removed_is_no_case_any_more(path: Path) -> None:
    with opened(path) as store:
        put(store, unsure())
        store.prune(NOW_MS + 4_000 * 86_400_000, 100)
        put(store, unsure(2))

        assert settled(store, hiding()) == 1


def test_a_certain_one_stays_so(path: Path) -> None:
    with opened(path) as store:
        changed = settled(store, refusal(1), ending())

    assert changed == 0
    assert one(path, "SELECT certainty FROM violations") == "certain"
