"""Requests that broke no limit."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from storage.codes import Dim
from tests.storage.filling import NOW_MS, SETTINGS, one, opened, put, request, row, rows

TWO_ADDRESSES = dataclasses.replace(SETTINGS, max_addresses_per_minute=2)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "g.db"


@pytest.mark.parametrize(
    ("status", "measure"),
    [
        (200, "s2xx"),
        (304, "s3xx"),
        (401, "s401"),
        (403, "s4xx"),
        (429, "s4xx"),
        (503, "s5xx"),
        (999, "s5xx"),
    ],
)
def test_a_request_counts_by_its_status(path: Path, status: int, measure: str) -> None:
    with opened(path) as store:
        put(store, request(1, status=status))

    assert row(path, f"SELECT requests, {measure} FROM activity WHERE res = 0 AND dim = 0") == (1, 1)


def test_the_upstreams_own_refusal_is_told_apart(path: Path) -> None:
    with opened(path) as store:
        put(store, request(1, status=429, upstream_limited=True))

    query = "SELECT requests, upstream_429, s4xx, limited FROM activity WHERE res = 0 AND dim = 0"
    assert row(path, query) == (1, 1, 0, 0)


def test_totals_that_a_gateway_summed_count_as_many_as_they_say(path: Path) -> None:
    with opened(path) as store:
        written = put(store, request(1, count=12), request(1, count=12))

    assert (written.traffic, written.duplicates) == (12, 12)
    assert one(path, "SELECT requests FROM activity WHERE res = 3 AND dim = 0") == 12


def test_addresses_past_the_most_of_a_minute_are_folded_and_counted(path: Path) -> None:
    with opened(path, TWO_ADDRESSES) as store:
        put(store, *(request(n, ip=f"203.0.113.{n}") for n in range(1, 6)))
        put(store, request(9, ip="203.0.113.1"), request(10, ip="203.0.113.9", at_ms=NOW_MS + 60_000))

    by_address = dict(
        rows(
            path,
            "SELECT k.value, sum(a.requests) FROM activity a JOIN keys k ON k.key_id = a.key"
            " WHERE a.res = 3 AND a.dim = ? GROUP BY 1",
            Dim.IP,
        )
    )
    assert by_address == {"203.0.113.1": 2, "203.0.113.2": 1, "203.0.113.0/24": 3, "203.0.113.9": 1}
    assert one(path, "SELECT value FROM meta WHERE name = 'folded'") == 3
    assert one(path, "SELECT sum(requests) FROM activity WHERE res = 3 AND dim = 0") == 7


def test_the_addresses_of_a_minute_are_known_again_after_a_restart(path: Path) -> None:
    with opened(path, TWO_ADDRESSES) as store:
        put(store, request(1, ip="203.0.113.1"), request(2, ip="203.0.113.2"))
    with opened(path, TWO_ADDRESSES) as store:
        put(store, request(3, ip="203.0.113.3"), request(4, ip="203.0.113.2"))

    known = rows(path, "SELECT value FROM keys WHERE dim = ? ORDER BY 1", Dim.IP)
    assert known == [("203.0.113.0/24",), ("203.0.113.1",), ("203.0.113.2",)]
