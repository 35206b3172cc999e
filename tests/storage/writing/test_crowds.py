"""More names than are told apart in a minute."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path
from typing import Any

import pytest

from domain.windows import MINUTE_MS
from storage.codes import Dim
from storage.sqlite_reader import SqliteReader
from storage.sqlite_store import SqliteStore
from storage.writing.crowds import Sketch
from tests.storage.filling import NOW_MS, SETTINGS, one, opened, put, refusal, request, rows
from tests.storage.recount import counted_anew, stored_activity, stored_cells

FEW = dataclasses.replace(SETTINGS, max_names_per_minute=8)
"""Of each minute two new names are told apart, and eight in all."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "g.db"


def by_word(path: Path, dim: Dim) -> dict[str, int]:
    """Refusals of a dimension's words in all."""
    found = rows(
        path,
        "SELECT k.value, a.limited FROM activity a JOIN keys k ON k.key_id = a.key"
        " WHERE a.res = 3 AND a.dim = ? AND a.limited > 0",
        dim,
    )
    return dict(found)


def from_address(number: int, **changes: Any) -> Any:
    """A refusal of one of many addresses of two prefixes."""
    return refusal(number, ip=f"198.51.{100 + number % 2}.{number}", **changes)


def test_new_addresses_past_the_most_of_a_minute_count_by_prefix_and_no_sum_is_off(path: Path) -> None:
    with opened(path, FEW) as store:
        put(store, *(from_address(n) for n in range(20)))

    assert by_word(path, Dim.IP) == {
        "198.51.100.0": 1,
        "198.51.101.1": 1,
        "198.51.100.0/24": 9,
        "198.51.101.0/24": 9,
    }
    assert by_word(path, Dim.PREFIX) == {"198.51.100.0/24": 10, "198.51.101.0/24": 10}
    assert one(path, "SELECT limited FROM activity WHERE res = 3 AND dim = 0") == 20
    assert stored_activity(path) == counted_anew(path, [])
    assert stored_cells(path) == stored_activity(path)


def test_who_is_known_keeps_the_name_in_a_flood(path: Path) -> None:
    with opened(path, FEW) as store:
        put(store, refusal(100, ip="203.0.113.7", consumer_id="c-known", consumer="known"))
        flood = [
            refusal(n, at_ms=NOW_MS + MINUTE_MS, ip=f"198.51.100.{n}", consumer_id=f"c-{n}", consumer=f"n{n}")
            for n in range(50)
        ]
        put(store, *flood)
        put(
            store,
            refusal(101, at_ms=NOW_MS + MINUTE_MS, ip="203.0.113.7", consumer_id="c-known", consumer="known"),
        )

    assert by_word(path, Dim.IP)["203.0.113.7"] == 2
    assert by_word(path, Dim.CONSUMER)["c-known"] == 2


def test_no_more_than_the_most_of_a_minute_are_told_apart_though_all_are_known(path: Path) -> None:
    with opened(path, FEW) as store:
        for minute in range(10):
            put(store, *(from_address(minute * 10 + n, at_ms=NOW_MS + minute * MINUTE_MS) for n in range(2)))
        known = [row[0] for row in rows(path, "SELECT value FROM keys WHERE dim = ?", Dim.IP)]
        later_ms = NOW_MS + 60 * MINUTE_MS
        put(store, *(refusal(1_000 + n, ip=ip, at_ms=later_ms) for n, ip in enumerate(known)))

    (told,) = rows(
        path,
        "SELECT count(*) FROM activity a JOIN keys k ON k.key_id = a.key"
        " WHERE a.res = 1 AND a.dim = ? AND a.bucket_s = ? AND k.name IS NULL",
        Dim.IP,
        later_ms // 1000,
    )
    assert len(known) == 20
    assert told == (8,)


def test_a_new_minute_has_room_for_new_names(path: Path) -> None:
    with opened(path, FEW) as store:
        put(store, *(from_address(n) for n in range(5)))
        put(store, from_address(90, at_ms=NOW_MS + MINUTE_MS))

    assert "198.51.100.90" in by_word(path, Dim.IP)


def test_a_restart_in_the_middle_of_a_minute_does_not_begin_it_anew(path: Path) -> None:
    with opened(path, FEW) as store:
        put(store, *(from_address(n) for n in range(8)))
    full = dataclasses.replace(FEW, max_names_per_minute=4)
    with opened(path, full) as store:
        put(store, from_address(50))

    assert "198.51.100.50" not in by_word(path, Dim.IP)


def test_what_is_no_address_or_of_one_prefix_too_many_counts_under_other(path: Path) -> None:
    with opened(path, FEW) as store:
        put(store, *(from_address(n) for n in range(4)))
        put(store, refusal(60, ip="192.0.2.1"), refusal(61, ip="not an address"))

    assert by_word(path, Dim.IP)["~other"] == 2
    assert stored_activity(path) == counted_anew(path, [])


def test_consumers_past_the_most_count_under_other_and_their_events_say_who_they_were(path: Path) -> None:
    with opened(path, FEW) as store:
        put(store, *(refusal(n, consumer_id=f"c-{n}", consumer=f"n{n}") for n in range(7)))
        put(store, refusal(7, consumer_id="c-7", consumer="n7", payload=b'{"tries":3}'))

    with contextlib.closing(SqliteReader(path, 5_000)) as reader:
        told, whole = (reader.event(seq) for seq in (7, 8))
    assert by_word(path, Dim.CONSUMER) == {"c-0": 1, "c-1": 1, "~other": 6}
    assert told is not None
    assert told.payload == {
        "not_told_apart": {"consumer": "n6", "consumer_id": "c-6", "ip": "203.0.113.7"},
        "payload": None,
    }
    assert whole is not None
    assert whole.payload["payload"] == {"tries": 3}
    assert rows(path, "SELECT value FROM keys WHERE dim = ? AND value = 'c-7'", Dim.CONSUMER) == []


def test_a_payload_that_says_everything_stays_as_it_is(path: Path) -> None:
    payload = b'{"consumer":{"id":"c-9","username":"n9"},"client_ip":"203.0.113.7"}'
    with opened(path, FEW) as store:
        put(store, *(refusal(n, consumer_id=f"c-{n}", consumer=f"n{n}") for n in range(3)))
        put(store, refusal(9, consumer_id="c-9", consumer="n9", payload=payload))

    with contextlib.closing(SqliteReader(path, 5_000)) as reader:
        told = reader.event(4)
    assert told is not None
    assert told.payload == {"consumer": {"id": "c-9", "username": "n9"}, "client_ip": "203.0.113.7"}


def test_requests_that_broke_no_limit_have_their_consumers_folded_too(path: Path) -> None:
    with opened(path, FEW) as store:
        put(store, *(request(n, consumer_id=f"c-{n}", consumer=f"n{n}") for n in range(6)))

    assert one(path, "SELECT value FROM meta WHERE name = 'folded_consumers'") == 4
    assert one(path, "SELECT sum(requests) FROM activity WHERE res = 3 AND dim = 1") == 6


def test_what_was_rolled_back_took_no_room(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(path, FEW) as store:
        fail_once(store, monkeypatch)
        with pytest.raises(RuntimeError):
            put(store, *(from_address(n) for n in range(5)))
        put(store, from_address(70), from_address(71))

    assert set(by_word(path, Dim.IP)) == {"198.51.100.70", "198.51.101.71"}


def fail_once(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the next transaction fail when all of it has been taken in."""
    books = store._books
    flush = books.resends.flush

    def failing() -> None:
        monkeypatch.setattr(books.resends, "flush", flush)
        raise RuntimeError("a transaction that fails")

    monkeypatch.setattr(books.resends, "flush", failing)


@pytest.mark.parametrize("number", [1, 100, 3_000, 30_000])
def test_an_estimate_is_near_what_it_estimates(number: int) -> None:
    """Six standard errors: the hash differs from run to run."""
    sketch = Sketch()
    for n in range(number):
        sketch.add(f"198.51.{n}")
        sketch.add(f"198.51.{n}")

    assert abs(sketch.estimate() - number) <= max(1, number * 0.1)
