"""What a number may claim: counted once, unknown where nobody tells, at least where something is missing."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from domain.filters import Dimension
from domain.windows import DAY_MS, HOUR_MS, MINUTE_MS, Window
from storage.batches import Gap
from storage.rows import Totals
from tests.contracts.asking import HOUR, NOTHING, only, violations
from tests.contracts.conftest import Opened
from tests.contracts.engines import SETTINGS, Engine
from tests.storage.filling import NOW_MS, put, refusal, request


def test_an_empty_store_answers_every_question(opened: Opened) -> None:
    reader = opened.reader

    assert reader.totals(HOUR, NOTHING) == Totals(
        requests=None,
        limited=0,
        probable=0,
        unauthorized=0,
        upstream_limited=0,
        server_errors=0,
        consumers=0,
        addresses=0,
        cache_invalidations=0,
        config_changes=0,
        last_change_ms=None,
        at_least=False,
        gap_ms=0,
    )
    assert reader.series(HOUR, NOTHING, Dimension.CONSUMER, MINUTE_MS).groups == ()
    assert reader.top(Dimension.IP, HOUR, NOTHING).rows == ()
    assert reader.breakdown(Dimension.IP, HOUR, NOTHING) == ()
    assert reader.pairs(Dimension.IP, Dimension.ROUTE, HOUR, NOTHING) == ()
    assert reader.spread(Dimension.IP, Dimension.CONSUMER, ("10.0.0.1",), HOUR, NOTHING) == {"10.0.0.1": 0}
    assert reader.activity(HOUR, Dimension.CONSUMER, "acme", MINUTE_MS) == ()
    assert reader.resolve(Dimension.CONSUMER, "acme") is None
    assert reader.search("a") == ()
    assert reader.tail(violations(), 0) == ()
    assert reader.events(violations()).total == 0
    assert reader.event(1) is None
    assert list(reader.stream_events(violations())) == []
    assert reader.markers(HOUR) == ()
    assert reader.kind_counts(HOUR) == ()
    assert reader.quarantine(HOUR) == ()
    assert reader.gaps(HOUR) == ()
    assert reader.plugins() == ()
    assert reader.freshness().last_received_ms is None
    assert reader.health().events == 0


def test_an_empty_window_holds_nothing(opened: Opened) -> None:
    put(opened.store, refusal())

    assert opened.reader.totals(Window(NOW_MS, NOW_MS), NOTHING).violations == 0
    assert opened.reader.series(Window(NOW_MS, NOW_MS), NOTHING, None, MINUTE_MS).buckets == 0


def test_the_same_event_by_two_ways_is_stored_once(opened: Opened) -> None:
    first = put(opened.store, refusal())
    second = put(opened.store, refusal(), source="gw-1", way="stream")

    assert (first.events, second.events, second.duplicates) == (1, 0, 1)
    assert opened.reader.totals(HOUR, NOTHING).limited == 1


def test_a_resent_batch_is_told_by_its_place(opened: Opened) -> None:
    place = {"source": "gw-1", "way": "stream", "epoch": "e", "first": 1, "upto": 2}
    put(opened.store, request(1), request(2), **place)
    again = put(opened.store, request(1), request(2), **place)

    assert opened.store.cursor("gw-1", "e") == 2
    assert again.duplicates == 2
    assert opened.reader.totals(HOUR, NOTHING).requests == 2


def test_every_commit_changes_the_version(opened: Opened) -> None:
    put(opened.store, refusal(1))
    first = opened.reader.data_version()
    put(opened.store, refusal(2))

    assert opened.reader.data_version() != first
    assert opened.reader.data_version() == opened.reader.data_version()


def test_requests_are_unknown_where_no_log_tells_of_them(opened: Opened) -> None:
    put(opened.store, refusal(is_request=False), source="hooks", way="event-hooks")

    assert opened.reader.totals(HOUR, NOTHING).requests is None
    assert opened.reader.series(HOUR, NOTHING, None, MINUTE_MS).requests is None
    assert opened.reader.top(Dimension.CONSUMER, HOUR, NOTHING).rows[0].requests is None


def test_fewer_requests_than_refusals_are_no_count_of_requests(opened: Opened) -> None:
    """A log that began later than the hooks would make a ratio above 100 %."""
    put(opened.store, refusal(1, is_request=False), refusal(2, is_request=False), request(1))

    assert opened.reader.totals(HOUR, NOTHING).requests is None


def test_nobody_knows_what_a_limit_let_pass(opened: Opened) -> None:
    put(opened.store, refusal(), request())

    assert opened.reader.totals(HOUR, only(Dimension.LIMIT, "20/minute")).requests is None
    assert opened.reader.top(Dimension.LIMIT, HOUR, NOTHING).rows[0].requests is None


@pytest.mark.parametrize(
    ("from_ms", "to_ms", "expected"),
    [
        pytest.param(NOW_MS - 5_000, NOW_MS + 1_000, (True, 1_000), id="into the window"),
        pytest.param(NOW_MS + 1_000, NOW_MS + 1_000, (True, 0), id="no longer than an instant"),
        pytest.param(NOW_MS - 2_000, NOW_MS - 1_000, (False, 0), id="before"),
        pytest.param(NOW_MS + HOUR_MS, NOW_MS + DAY_MS, (False, 0), id="after"),
    ],
)
def test_a_gap_makes_numbers_a_lower_bound(
    opened: Opened, from_ms: int, to_ms: int, expected: tuple[bool, int]
) -> None:
    gap = Gap(source="gw-1", from_ms=from_ms, to_ms=to_ms, cause="buffer full")
    put(opened.store, refusal(), gaps=(gap,))

    totals = opened.reader.totals(HOUR, NOTHING)

    assert (totals.at_least, totals.gap_ms) == expected
    assert bool(opened.reader.gaps(HOUR)) is expected[0]


def test_gaps_that_overlap_are_missing_once(opened: Opened) -> None:
    gaps = (
        Gap(source="gw-1", from_ms=NOW_MS, to_ms=NOW_MS + 10_000, cause="a"),
        Gap(source="gw-2", from_ms=NOW_MS + 5_000, to_ms=NOW_MS + 15_000, cause="b"),
        Gap(source="gw-2", from_ms=NOW_MS + 6_000, to_ms=NOW_MS + 7_000, cause="c"),
    )
    put(opened.store, gaps=gaps)

    assert opened.reader.totals(HOUR, NOTHING).gap_ms == 15_000


def test_reports_that_drop_repeats_make_a_lower_bound_where_they_count(opened: Opened) -> None:
    put(
        opened.store, refusal(1), refusal(2, exact=False, is_request=False, consumer_id="c-2", consumer="bob")
    )

    assert opened.reader.totals(HOUR, NOTHING).at_least
    assert opened.reader.totals(HOUR, only(Dimension.CONSUMER, "bob")).at_least
    assert not opened.reader.totals(HOUR, only(Dimension.CONSUMER, "acme")).at_least


def test_addresses_that_were_not_told_apart_stand_under_the_rest_of_their_prefix(
    engine: Engine, tmp_path: Any
) -> None:
    few = dataclasses.replace(SETTINGS, max_addresses_per_minute=1)
    with engine(tmp_path, few) as (store, reader):
        put(store, request(1, ip="10.0.0.1"), request(2, ip="10.0.0.2"), refusal(ip="10.0.0.3"))

        rows = {row.label: row for row in reader.breakdown(Dimension.IP, HOUR, NOTHING)}

        assert {label: row.requests for label, row in rows.items()} == {
            "10.0.0.1": 1,
            "rest of 10.0.0.0/24": 1,
            "10.0.0.3": 1,
        }
        rest = only(Dimension.IP, rows["rest of 10.0.0.0/24"].token)
        assert reader.totals(HOUR, rest).requests == 1
        assert reader.totals(HOUR, only(Dimension.IP, "10.0.0.0/24")).requests == 3
        assert reader.health().folded == 1
        assert not reader.top(Dimension.IP, HOUR, NOTHING).at_least


def test_more_names_than_are_told_apart_are_counted_and_said(engine: Engine, tmp_path: Any) -> None:
    """Two new consumers and two new addresses a minute keep their names here; ten of each come."""
    few = dataclasses.replace(SETTINGS, max_names_per_minute=8)
    with engine(tmp_path, few) as (store, reader):
        put(
            store,
            *(
                refusal(n, ip=f"10.0.{n // 5}.{n}", consumer_id=f"c-{n}", consumer=f"name-{n}")
                for n in range(10)
            ),
        )

        totals, top = reader.totals(HOUR, NOTHING), reader.top(Dimension.IP, HOUR, NOTHING)
        rows = {row.label: row.violations for row in top.rows}
        consumers = reader.top(Dimension.CONSUMER, HOUR, NOTHING)

        assert totals.violations == 10
        assert (totals.addresses, totals.addresses_folded) == (2, True)
        assert (totals.consumers, totals.consumers_folded) == (2, True)
        assert rows == {"10.0.0.0": 1, "10.0.0.1": 1, "rest of 10.0.0.0/24": 3, "rest of 10.0.1.0/24": 5}
        assert (top.distinct, top.at_least, top.rest) == (2, True, 0)
        assert (consumers.distinct, consumers.at_least, consumers.rest) == (2, True, 8)
        assert reader.totals(HOUR, only(Dimension.IP, "10.0.0.0/24")).violations == 5
        part = reader.totals(HOUR, only(Dimension.IP, "10.0.0.0/25"))
        assert (part.violations, part.at_least) == (2, True)
        assert reader.totals(HOUR, only(Dimension.CONSUMER, "~other")).violations == 8
        assert reader.totals(HOUR, only(Dimension.IP, "10.0.0.0")).at_least
        assert not reader.totals(HOUR, NOTHING).at_least
        health = reader.health()
        assert (health.folded, health.folded_consumers) == (8, 8)
        assert [(crowd.dimension, crowd.about) for crowd in health.crowds] == [
            (Dimension.CONSUMER, 8),
            (Dimension.IP, 8),
        ]
