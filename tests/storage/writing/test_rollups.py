"""Totals equal a count over what happened: in every cell, at every resolution, in whatever order it came."""

from __future__ import annotations

import itertools
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.events import Event, PluginSeen, Traffic
from domain.request_marks import mark_of_request
from tests.storage.filling import NOW_MS, batch, one, opened, plugin, put, refusal, request, rows
from tests.storage.recount import counted_anew, kinds_anew, stored_activity, stored_cells, stored_kinds

CONSUMERS = st.sampled_from([None, "c-1", "c-2"])
ADDRESSES = st.sampled_from([None, "203.0.113.7", "203.0.113.9", "2001:db8::1", "not an address"])
MOMENTS = st.integers(-90_000_000, 4_000_000).map(lambda ms: NOW_MS + ms) | st.integers(
    NOW_MS, NOW_MS + 25_000
)
NUMBERS = st.integers(1, 12)


@st.composite
def _refusals(draw: st.DrawFn) -> Event:
    certainty = draw(st.sampled_from(["certain", "probable", "ruled-out", None]))
    is_request = draw(st.booleans())
    who: dict[str, Any] = {
        "consumer_id": draw(CONSUMERS),
        "consumer": None,
        "ip": draw(ADDRESSES),
        "service_id": draw(st.sampled_from([None, "s-1"])),
        "service": None,
        "route_id": draw(st.sampled_from([None, "r-1", "r-2"])),
        "route": None,
        "node": draw(st.sampled_from([None, "n-1"])),
    }
    number = draw(NUMBERS)
    return refusal(
        number,
        at_ms=draw(MOMENTS),
        certainty=certainty,
        is_request=is_request,
        exact=draw(st.booleans()) or is_request,
        status=draw(st.sampled_from([429, 420, 200, 401, 503, None])),
        limit_name=draw(st.sampled_from([None, "minute"])),
        limit_value=None,
        window_s=None,
        entity_type=draw(st.sampled_from([None, "services"])),
        kind=draw(st.sampled_from(["rate-limiting", "odd"])),
        **who,
    )


@st.composite
def _requests(draw: st.DrawFn) -> Traffic:
    return request(
        draw(NUMBERS.map(lambda number: mark_of_request(f"{number:032x}")) | st.integers(1, 5)),
        at_ms=draw(MOMENTS),
        status=draw(st.sampled_from([0, 101, 200, 304, 401, 404, 429, 500, 999])),
        upstream_limited=draw(st.booleans()),
        count=draw(st.sampled_from([1, 1, 1, 7])),
        consumer_id=draw(CONSUMERS),
        consumer=None,
        ip=draw(ADDRESSES),
        service_id=None,
        service=None,
        node=draw(st.sampled_from([None, "n-1"])),
    )


BATCHES = st.lists(st.lists(_refusals() | _requests(), max_size=6), min_size=1, max_size=5)


FEW = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
MANY = settings(FEW, max_examples=1_000)
_SHM = "/dev/shm"  # noqa: S108 - folders with names of their own are made in it
IN_MEMORY = _SHM if os.access(_SHM, os.W_OK) else None
"""Nothing here asks what is on the disk; a dozen examples took 5.5 s on a busy one, and 0.5 s in memory."""
TRANSACTIONS = st.lists(BATCHES, min_size=1, max_size=3)


@FEW
@given(transactions=TRANSACTIONS)
def test_every_total_equals_a_recount(transactions: list[list[list[Event | Traffic]]]) -> None:
    check_totals(transactions)


@pytest.mark.slow
@pytest.mark.timeout(900)
@MANY
@given(transactions=TRANSACTIONS)
def test_every_total_equals_a_recount_for_minutes(transactions: list[list[list[Event | Traffic]]]) -> None:
    check_totals(transactions)


def check_totals(transactions: list[list[list[Event | Traffic]]]) -> None:
    """Write them, each batch against the model, and count everything anew."""
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        path = Path(folder) / "g.db"
        seen: set[int] = set()
        counted: list[Traffic] = []
        stored: set[str] = set()
        for transaction in transactions:
            with opened(path) as store:
                written = store.write([batch(*parts) for parts in transaction])
            for parts, result in zip(transaction, written, strict=True):
                new = _model(parts, seen, stored, counted)
                assert (result.events, result.traffic, result.duplicates) == new

        assert stored_activity(path) == counted_anew(path, counted)
        assert stored_cells(path) == stored_activity(path)
        assert stored_kinds(path) == kinds_anew(path)
        assert _counted(path) == _should_count(path)


def _model(
    parts: list[Event | Traffic], seen: set[int], stored: set[str], counted: list[Traffic]
) -> tuple[int, int, int]:
    """What one batch must come to, and what is remembered after it: events first, then traffic."""
    events = traffic = duplicates = 0
    for event in (part for part in parts if isinstance(part, Event)):
        if event.id in stored:
            duplicates += 1
            continue
        stored.add(event.id)
        events += 1
        if event.is_request:
            seen.add(mark_of_request(str(event.request_id)))
    for one_request in (part for part in parts if isinstance(part, Traffic)):
        if one_request.fingerprint in seen:
            duplicates += one_request.count
            continue
        seen.add(one_request.fingerprint)
        counted.append(one_request)
        traffic += one_request.count
    return events, traffic, duplicates


_JUDGED = "SELECT seq, at_ms, certainty, inexact, consumer, ip, service FROM events"


def _counted(path: Path) -> set[int]:
    return {seq for (seq,) in rows(path, "SELECT seq FROM events WHERE counted = 1")}


def _should_count(path: Path) -> set[int]:
    """Violations, but of the inexact ones only those that no exact one of the same within 10 s explains."""
    violations = [row for row in rows(path, _JUDGED) if row[2] in {1, 2}]
    exact = [row for row in violations if not row[3]]

    def is_explained(row: tuple[Any, ...]) -> bool:
        who = row[4:7]
        return (who[0] != 0 or who[1] != 0) and any(
            abs(row[1] - by[1]) <= 10_000
            and all(mine in {0, theirs} for mine, theirs in zip(who, by[4:7], strict=True))
            for by in exact
        )

    return {row[0] for row in violations if not row[3] or not is_explained(row)}


PLUGINS = st.lists(
    st.builds(
        plugin,
        plugin_id=st.sampled_from(["p-1", "p-2"]),
        name=st.sampled_from(["rate-limiting", "request-termination"]),
        at_ms=MOMENTS,
        enabled=st.booleans(),
        deleted=st.booleans(),
        route_id=st.sampled_from([None, "r-1"]),
        config=st.sampled_from(
            [{}, {"hide_client_headers": True, "minute": 5}, {"status_code": 429, "message": "x"}]
        ),
    ),
    min_size=1,
    max_size=4,
)


REFUSALS = st.lists(_refusals(), max_size=8)


@settings(FEW, max_examples=4)
@given(first=REFUSALS, plugins=PLUGINS, last=REFUSALS)
def test_totals_are_right_after_judging_again_in_whatever_order_things_became_known(
    first: list[Event], plugins: list[PluginSeen], last: list[Event]
) -> None:
    check_orders(first, plugins, last)


@pytest.mark.slow
@pytest.mark.timeout(900)
@settings(MANY, max_examples=300)
@given(first=REFUSALS, plugins=PLUGINS, last=REFUSALS)
def test_totals_are_right_after_judging_again_for_minutes(
    first: list[Event], plugins: list[PluginSeen], last: list[Event]
) -> None:
    check_orders(first, plugins, last)


def check_orders(first: list[Event], plugins: list[PluginSeen], last: list[Event]) -> None:
    """Write the three in every order: totals are right each time, and the verdicts are the same."""
    verdicts = []
    for order in itertools.permutations([first, plugins, last], 3):
        with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
            path = Path(folder) / "g.db"
            with opened(path) as store:
                for parts in order:
                    put(store, *_first_of_each(parts, [first, plugins, last]))
                    store.settle()
            assert stored_activity(path) == counted_anew(path, [])
            assert stored_cells(path) == stored_activity(path)
            assert _counted(path) == _should_count(path)
            verdicts.append(sorted(rows(path, "SELECT id, certainty FROM events")))

    assert all(verdict == verdicts[0] for verdict in verdicts)


def _first_of_each(parts: list[Any], everything: list[list[Any]]) -> list[Any]:
    """The parts whose id comes first in `everything`: then no order decides which of two is the duplicate."""
    owners: dict[str, Any] = {}
    for part in itertools.chain(*everything):
        if isinstance(part, Event):
            owners.setdefault(part.id, part)
    return [part for part in parts if not isinstance(part, Event) or owners[part.id] is part]


def test_a_correction_to_nothing_leaves_no_row(tmp_path: Path) -> None:
    """Who is in a bucket did something there: lists of consumers are read from these rows."""
    path = tmp_path / "g.db"
    with opened(path) as store:
        put(store, refusal(1, exact=False, is_request=False))
        put(store, refusal(2, ip=None, is_request=False, consumer_id="c-1"))
        one_alone = one(path, "SELECT count(*) FROM cells WHERE res = 0")
        put(store, refusal(3, is_request=False))

    assert one_alone == 2
    assert one(path, "SELECT count(*) FROM cells WHERE n = 0") == 0
    assert stored_activity(path) == counted_anew(path, [])


def test_combinations_past_the_memory_are_found_again(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("storage.writing.rollups.MAX_CACHED_COMBOS", 4)
    path = tmp_path / "g.db"
    with opened(path) as store:
        for number in range(30):
            put(store, request(number, ip=f"203.0.113.{number % 10}", consumer_id=f"c-{number % 3}"))

    assert one(path, "SELECT count(*) FROM combos") == 30
    assert one(path, "SELECT sum(n) FROM cells WHERE res = 3") == 30
