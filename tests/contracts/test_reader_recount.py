"""Every sum and list of a reader equals a recount of all records, whatever was packed or came late."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from domain.events import Decoded, Event, Traffic
from domain.filters import Dimension, Filters
from domain.windows import DAY_MS, HOUR_MS, MINUTE_MS, Window
from storage.batches import Batch
from storage.protocol import Reader, Store
from storage.rows import EventQuery
from tests.contracts.engines import ENGINES, NAMED, SETTINGS
from tests.contracts.recount import TEN_S, Record, Recount, matches, token

START_MS = 1_800_000_000_000 - 1_800_000_000_000 % DAY_MS
SPAN_MS = 4 * DAY_MS
LONG_AFTER_MS = START_MS + 30 * DAY_MS
"""When everything is over, so that everything is packed."""
CONSUMERS = [(None, None), ("c-1", "acme"), ("c-2", "mobile"), ("c-3", None), (None, "walk-in")]
ADDRESSES = [None, "10.0.0.1", "10.0.0.2", "10.0.7.1", "2001:db8::1", "2001:db8::2"]
SERVICES = [(None, None), ("s-1", "orders"), ("s-2", "search")]
ROUTES = [(None, None), ("r-1", "read"), ("r-2", "write"), ("r-3", "find")]
NODES = [None, "n-1", "n-2"]
LIMITS = [(None, None, None), ("minute", 20, 60), ("hour", 100, 3_600)]
NOISE = st.integers(0, 59_999)


@st.composite
def moments(draw: st.DrawFn) -> int:
    """Crowded: so that buckets hold several, and hours and days are touched at their edges."""
    place = draw(
        st.sampled_from([0, HOUR_MS, DAY_MS, DAY_MS + 7 * HOUR_MS, 2 * DAY_MS, 3 * DAY_MS + HOUR_MS])
    )
    return START_MS + place + draw(st.integers(-3, 3)) * 20 * MINUTE_MS + DAY_MS // 2 + draw(NOISE)


@st.composite
def records(draw: st.DrawFn, number: int) -> Record:
    """A refusal, an answer that only looks like one, or some requests."""
    consumer_id, consumer = draw(st.sampled_from(CONSUMERS))
    service_id, service = draw(st.sampled_from(SERVICES))
    route_id, route = draw(st.sampled_from(ROUTES))
    who: dict[str, Any] = {
        "at_ms": draw(moments()),
        "consumer_id": consumer_id,
        "consumer": consumer,
        "ip": draw(st.sampled_from(ADDRESSES)),
        "service_id": service_id,
        "service": service,
        "route_id": route_id,
        "route": route,
        "node": draw(st.sampled_from(NODES)),
    }
    if draw(st.booleans()):
        limit_name, limit_value, window_s = draw(st.sampled_from(LIMITS))
        certainty = draw(st.sampled_from(["certain", "certain", "probable", "ruled-out"]))
        return Event(
            id=f"e-{number}",
            kind="rate-limiting",
            event="exceeded",
            status=draw(st.sampled_from([429, 420, 503])),
            certainty=certainty,
            is_request=draw(st.booleans()),
            limit_name=limit_name,
            limit_value=limit_value,
            window_s=window_s,
            **who,
        )
    return Traffic(
        fingerprint=number,
        status=draw(st.sampled_from([200, 204, 301, 401, 404, 500, 429])),
        upstream_limited=draw(st.booleans()),
        count=draw(st.integers(1, 4)),
        **who,
    )


@st.composite
def stories(draw: st.DrawFn) -> tuple[list[list[Record]], list[bool]]:
    """Batches in order of arrival, and after which of them everything is packed."""
    count = draw(st.integers(1, 40))
    made = [draw(records(number)) for number in range(count)]
    size = draw(st.integers(8, 20))
    batches = [made[start : start + size] for start in range(0, count, size)]
    return batches, [draw(st.booleans()) for _ in batches]


@st.composite
def windows(draw: st.DrawFn) -> Window:
    """Ends on odd milliseconds, on tens of seconds, or on whole hours and days."""
    step = draw(st.sampled_from([1, TEN_S, MINUTE_MS, HOUR_MS, DAY_MS]))
    first, last = sorted(draw(st.tuples(*[st.integers(0, SPAN_MS // step)] * 2)))
    return Window(START_MS + first * step, START_MS + last * step)


@st.composite
def restrictions(draw: st.DrawFn) -> Filters:
    """Some values of some dimensions, kept or left out, unknown ones among them."""
    tokens = {
        Dimension.CONSUMER: ["acme", "mobile", "c-3", "walk-in", "~none", "nobody"],
        Dimension.IP: ["10.0.0.1", "2001:db8::1", "10.0.0.0/24", "10.0.0.0/16", "2001:db8::/64", "~none"],
        Dimension.SERVICE: ["orders", "search", "~none"],
        Dimension.ROUTE: ["read", "write", "find", "~none"],
        Dimension.NODE: ["n-1", "n-2", "~none"],
        Dimension.LIMIT: ["20/minute", "100/hour", "~none"],
    }
    items = [(dim, value) for dim, values in tokens.items() for value in values]
    chosen = draw(st.lists(st.sampled_from(items), max_size=3, unique=True))
    split = draw(st.integers(0, len(chosen)))
    return Filters(tuple(chosen[:split]), tuple(chosen[split:]))


QUESTIONS = st.lists(
    st.tuples(windows(), restrictions(), st.sampled_from(list(Dimension)), st.integers(1, 4)),
    min_size=4,
    max_size=8,
)


@pytest.mark.parametrize("engine", NAMED)
@settings(max_examples=10, deadline=None)
@given(story=stories(), questions=QUESTIONS)
def test_every_answer_equals_a_recount(engine: str, story: Any, questions: Any) -> None:
    batches, packed_after = story
    with tempfile.TemporaryDirectory() as folder, ENGINES[engine](Path(folder), SETTINGS) as (store, reader):
        everything = _store(store, batches, packed_after)
        for window, filters, dimension, limit in questions:
            note(f"{window} {filters} {dimension} {limit}")
            _compare_sums(reader, everything, window, filters, dimension, limit)
            _compare_series(reader, everything, window, filters, dimension, limit)
            _compare_events(reader, everything, window, filters, limit)


SHORT = type(SETTINGS)(
    **{name: getattr(SETTINGS, name) for name in SETTINGS.__slots__}
    | {"seconds_rollup_days": 1, "minutes_rollup_days": 2, "hours_rollup_days": 3}
)
DAYS = st.tuples(st.integers(0, 4), st.integers(0, 4)).map(
    lambda ends: Window(START_MS + min(ends) * DAY_MS, START_MS + max(ends) * DAY_MS)
)


@pytest.mark.parametrize("engine", NAMED)
@settings(max_examples=8, deadline=None)
@given(story=stories(), cleared_after=st.integers(0, 3), window=DAYS, filters=restrictions())
def test_sums_of_whole_days_outlive_what_they_are_made_of(
    engine: str, story: Any, cleared_after: int, window: Window, filters: Filters
) -> None:
    """Also where something comes late for a day whose finer totals are gone."""
    batches, packed_after = story
    with tempfile.TemporaryDirectory() as folder, ENGINES[engine](Path(folder), SHORT) as (store, reader):
        before, after = batches[:cleared_after], batches[cleared_after:]
        first = _store(store, before, packed_after)
        while store.prune(START_MS + 5 * DAY_MS, 1_000):
            pass
        everything = Recount([*first.records, *_store(store, after, packed_after).records])
        _compare_sums(reader, everything, window, filters, Dimension.CONSUMER, 3)
        series = reader.series(window, filters, Dimension.IP, DAY_MS, 2)
        lines, _ = everything.series(window, filters, Dimension.IP, DAY_MS, 2)
        assert [(group.token, list(group.values)) for group in series.groups] == list(lines.items())


def _store(store: Store, batches: list[list[Record]], packed_after: list[bool]) -> Recount:
    """Events of a batch are stored in their order; arrival numbers follow from that."""
    arrived: list[Record] = []
    for batch, is_packed in zip(batches, packed_after, strict=False):
        decoded = Decoded(
            events=[record for record in batch if isinstance(record, Event)],
            traffic=[record for record in batch if isinstance(record, Traffic)],
        )
        store.write([Batch(source="gw", way="http-log", received_ms=LONG_AFTER_MS, decoded=decoded)])
        arrived += [*decoded.events, *decoded.traffic]
        if is_packed:
            store.pack(LONG_AFTER_MS, 1_000_000)
    return Recount(arrived)


def _compare_sums(
    reader: Reader, everything: Recount, window: Window, filters: Filters, dimension: Dimension, limit: int
) -> None:
    totals = reader.totals(window, filters)
    expected = everything.totals(window, filters)
    assert {name: getattr(totals, name) for name in expected} == expected

    sums = everything.by(dimension, window, filters)
    refused = {name: n for name, n in sums.items() if n.violations}
    top = reader.top(dimension, window, filters, limit)
    largest = everything.ranked(refused, lambda n: (n.violations,))[:limit]
    assert [(row.token, row.limited, row.probable) for row in top.rows] == [
        (name, n.limited, n.probable) for name, n in largest
    ]
    assert top.distinct == len(refused.keys() - {"~none"})
    assert top.rest == sum(n.violations for n in refused.values()) - sum(n.violations for _, n in largest)
    shown = (
        refused
        if dimension == Dimension.LIMIT
        else {name: n for name, n in sums.items() if n.requests or n.violations}
    )
    rows = reader.breakdown(dimension, window, filters)
    ranked = everything.ranked(shown, lambda n: (n.violations, n.requests))
    if dimension == Dimension.LIMIT:
        ranked = everything.ranked(shown, lambda n: (n.violations,))
        assert {row.token for row in rows} == set(shown)
    else:
        assert [(row.token, row.unauthorized) for row in rows] == [
            (name, n.unauthorized) for name, n in ranked
        ]
        requests = {name: n.requests if n.requests >= n.violations else None for name, n in ranked}
        assert {row.token: row.requests for row in rows} == requests
        assert {row.token: row.requests for row in top.rows} == {name: requests[name] for name, _ in largest}


def _compare_series(
    reader: Reader, everything: Recount, window: Window, filters: Filters, dimension: Dimension, limit: int
) -> None:
    for bucket_ms in (30 * MINUTE_MS, 6 * HOUR_MS, 2 * DAY_MS):
        series = reader.series(window, filters, dimension, bucket_ms, limit)
        lines, requests = everything.series(window, filters, dimension, bucket_ms, limit)
        assert (series.from_ms, series.buckets) == (window.from_ms // bucket_ms * bucket_ms, len(requests))
        assert [(group.token, list(group.values)) for group in series.groups] == list(lines.items())
        if series.requests is not None:
            assert list(series.requests) == requests
    name = next(iter(everything.by(dimension, window, Filters())), "~none")
    if dimension != Dimension.LIMIT:
        past = reader.activity(window, dimension, name, HOUR_MS)
        only = Filters(((dimension, name),))
        for start_ms, requests_, limited, probable in past:
            bucket = everything.totals(Window(start_ms, start_ms + HOUR_MS), only)
            assert (limited, probable) == (bucket["limited"], bucket["probable"])
            assert requests_ == sum(
                n.requests for _, n in everything.within(Window(start_ms, start_ms + HOUR_MS), only)
            )
        whole = everything.totals(window.aligned(HOUR_MS), only)
        assert sum(row[2] + row[3] for row in past) == (whole["limited"] or 0) + (whole["probable"] or 0)


def _compare_events(
    reader: Reader, everything: Recount, window: Window, filters: Filters, limit: int
) -> None:
    for violations_only in (True, False):
        query = EventQuery(window=window, filters=filters, violations_only=violations_only)
        expected = [
            record.id
            for record in reversed(everything.records)
            if isinstance(record, Event)
            and window.from_ms <= record.at_ms < window.to_ms
            and matches(record, filters)
            and (record.certainty in {"certain", "probable"} or not violations_only)
        ]
        assert [row.id for row in reader.stream_events(query)] == expected
        assert [row.id for row in reader.tail(query, 0, limit)] == expected[:limit]
        found: list[str] = []
        page = reader.events(query, None, limit)
        assert page.total in {None, len(expected)}
        found += [row.id for row in page.rows]
        while page.next_seq is not None:
            page = reader.events(query, page.next_seq, limit)
            found += [row.id for row in page.rows]
        assert found == expected


def test_the_recount_itself_counts_what_its_records_say() -> None:
    """It is the judge of everything else, so it is held to an example worked out by hand."""
    refusal = Event(
        id="a",
        kind="rate-limiting",
        event="exceeded",
        at_ms=START_MS + 5,
        consumer="acme",
        certainty="certain",
    )
    asked = Traffic(
        fingerprint=1, at_ms=START_MS + TEN_S, status=401, count=3, consumer="acme", ip="10.0.0.1"
    )
    recount = Recount([refusal, asked])

    totals = recount.totals(Window(START_MS, START_MS + TEN_S + 1), Filters())

    assert totals == {
        "limited": 1,
        "probable": 0,
        "unauthorized": 3,
        "upstream_limited": 0,
        "server_errors": 0,
        "requests": 3,
        "consumers": 1,
        "addresses": 0,
    }
    assert token(asked, Dimension.LIMIT) == "~none"
    assert matches(asked, Filters(((Dimension.IP, "10.0.0.0/8"),), ((Dimension.NODE, "n-1"),)))
    assert not matches(refusal, Filters((), ((Dimension.CONSUMER, "acme"),)))
