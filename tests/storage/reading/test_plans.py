"""How SQLite answers: every question of the reader goes by an index, and none reads a large table whole.

The statements are those that the reader really sends, caught on the way and explained by SQLite itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from domain.events import EntitySeen
from domain.filters import Dimension, Filters
from domain.windows import DAY_MS, HOUR_MS, MINUTE_MS, Window
from storage.protocol import Reader
from storage.reading.snapshot import Snapshot
from storage.rows import EventQuery
from storage.sqlite_reader import SqliteReader
from tests.storage.filling import NOW_MS, opened, other, put, refusal, request

LARGE = {
    "events": "e",
    "event_details": "d",
    "payloads": "payloads",
    "judgements": "judgements",
    "activity": "a",
    "cells": "x",
    "combos": "c",
    "kind_counts": "kind_counts",
    "pack_columns": "p",
    "quarantine_items": "quarantine_items",
    "known_gaps": "known_gaps",
    "entity_names": "n",
}
"""Tables that grow with traffic, and what statements call them."""
WINDOW = Window(NOW_MS - 3 * DAY_MS, NOW_MS + HOUR_MS)
NOTHING = Filters()


def only(dimension: Dimension, value: str) -> Filters:
    """With this value kept."""
    return Filters(((dimension, value),))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A little of everything, some of it packed."""
    found = tmp_path_factory.mktemp("plans") / "g.db"
    with opened(found) as store:
        put(store, refusal(1, at_ms=NOW_MS - 2 * DAY_MS), refusal(2, exact=False, is_request=False))
        put(store, request(1), refusal(3, consumer_id=None, consumer="walk-in"))
        put(store, EntitySeen(entity_type="consumers", entity_id="c-9", name="acme", at_ms=NOW_MS))
        change = {"kind": "crud", "event": "services.updated", "entity_type": "services"}
        put(store, other(4, **change), other(5, kind="cluster", event="node_lost"))
        store.pack(NOW_MS + MINUTE_MS, 1_000)
    return found


class Asked:
    """What a reader sends, and how SQLite would go about it."""

    def __init__(self, reader: SqliteReader, plans: list[tuple[str, list[str]]]) -> None:
        self.reader = reader
        self.plans = plans

    def of(self, question: Callable[[Reader], Any]) -> list[str]:
        """Every step of every plan of one question."""
        self.plans.clear()
        answer = question(self.reader)
        if isinstance(answer, Iterator):
            list(answer)
        return [step for _, steps in self.plans for step in steps]


@pytest.fixture
def asked(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Asked]:
    plans: list[tuple[str, list[str]]] = []
    rows, row = Snapshot.rows, Snapshot.row

    def explain(snapshot: Snapshot, query: str, values: Any) -> None:
        if not query.startswith("PRAGMA"):
            steps = rows(snapshot, f"EXPLAIN QUERY PLAN {query}", values)
            plans.append((query, [step[3] for step in steps]))

    def explained_rows(snapshot: Snapshot, query: str, values: Any = ()) -> Any:
        explain(snapshot, query, values)
        return rows(snapshot, query, values)

    def explained_row(snapshot: Snapshot, query: str, values: Any = ()) -> Any:
        explain(snapshot, query, values)
        return row(snapshot, query, values)

    monkeypatch.setattr(Snapshot, "rows", explained_rows)
    monkeypatch.setattr(Snapshot, "row", explained_row)
    reader = SqliteReader(path, 5_000)
    yield Asked(reader, plans)
    reader.close()


FILTERS = {
    "nothing": NOTHING,
    "consumer": only(Dimension.CONSUMER, "acme"),
    "address": only(Dimension.IP, "203.0.113.7"),
    "range": only(Dimension.IP, "203.0.113.0/24"),
    "service": only(Dimension.SERVICE, "orders"),
    "route": only(Dimension.ROUTE, "orders.read"),
    "node": only(Dimension.NODE, "n-1"),
    "limit": only(Dimension.LIMIT, "20/minute"),
    "several": Filters(
        ((Dimension.SERVICE, "orders"), (Dimension.IP, "203.0.113.7")), ((Dimension.CONSUMER, "walk-in"),)
    ),
    "left out": Filters((), ((Dimension.SERVICE, "nobody"), (Dimension.CONSUMER, "walk-in"))),
}
QUESTIONS: dict[str, Callable[[Reader, Filters], Any]] = {
    "totals": lambda r, f: r.totals(WINDOW, f),
    "top": lambda r, f: [r.top(dimension, WINDOW, f) for dimension in Dimension],
    "breakdown": lambda r, f: [r.breakdown(dimension, WINDOW, f) for dimension in Dimension],
    "series": lambda r, f: [
        r.series(WINDOW, f, dimension, width_ms)
        for dimension in (Dimension.IP, Dimension.ROUTE, None)
        for width_ms in (MINUTE_MS, DAY_MS)
    ],
    "pairs": lambda r, f: r.pairs(Dimension.SERVICE, Dimension.ROUTE, WINDOW, f),
    "spread": lambda r, f: r.spread(Dimension.CONSUMER, Dimension.IP, ("acme",), WINDOW, f),
    "events": lambda r, f: r.events(EventQuery(window=WINDOW, filters=f)),
    "violations": lambda r, f: r.events(EventQuery(window=WINDOW, filters=f, violations_only=True)),
    "changes": lambda r, f: r.events(EventQuery(window=WINDOW, filters=f, kinds=("crud",))),
    "words": lambda r, f: r.events(EventQuery(window=WINDOW, filters=f, text="acme 203.0")),
    "tail": lambda r, f: r.tail(EventQuery(window=WINDOW, filters=f, violations_only=True), 0),
    "export": lambda r, f: r.stream_events(EventQuery(window=WINDOW, filters=f)),
}
OTHERS: dict[str, Callable[[Reader], Any]] = {
    "freshness": lambda r: r.freshness(),
    "health": lambda r: r.health(),
    "markers": lambda r: r.markers(WINDOW),
    "kinds": lambda r: r.kind_counts(WINDOW),
    "gaps": lambda r: r.gaps(WINDOW),
    "quarantine": lambda r: r.quarantine(WINDOW),
    "event": lambda r: r.event(1),
    "resolve": lambda r: [r.resolve(dimension, "acme") for dimension in Dimension],
    "search": lambda r: r.search("a"),
    "activity": lambda r: [r.activity(WINDOW, dimension, "acme", HOUR_MS) for dimension in Dimension],
}


def assert_no_large_table_is_read_whole(plans: list[tuple[str, list[str]]]) -> None:
    """A SCAN of a large table, unless it goes through an index whose condition leaves a few rows."""
    assert plans
    for query, steps in plans:
        for step in steps:
            found = re.match(r"SCAN (\S+)", step)
            if not found:
                continue
            called = found[1]
            large = [
                table for table, short in LARGE.items() if called in {table, short} and f"{table}" in query
            ]
            assert not large or "json_each" in step, f"{step}\n{query}"


@pytest.mark.parametrize("filters", list(FILTERS))
@pytest.mark.parametrize("question", list(QUESTIONS))
def test_no_question_reads_a_large_table_whole(asked: Asked, question: str, filters: str) -> None:
    asked.of(lambda reader: QUESTIONS[question](reader, FILTERS[filters]))

    assert_no_large_table_is_read_whole(asked.plans)


@pytest.mark.parametrize("question", list(OTHERS))
def test_no_other_question_reads_a_large_table_whole(asked: Asked, question: str) -> None:
    asked.of(OTHERS[question])

    assert_no_large_table_is_read_whole(asked.plans)


ACME = only(Dimension.CONSUMER, "acme")


@pytest.mark.parametrize(
    ("question", "step"),
    [
        pytest.param(
            lambda r: r.events(EventQuery(window=WINDOW, filters=ACME)),
            "SEARCH events USING COVERING INDEX events_by_consumer (consumer=? AND rowid>? AND rowid<?)",
            id="a consumer's events",
        ),
        pytest.param(
            lambda r: r.events(EventQuery(window=WINDOW, filters=only(Dimension.IP, "203.0.113.7"))),
            "SEARCH events USING COVERING INDEX events_by_ip (ip=? AND rowid>? AND rowid<?)",
            id="an address's events",
        ),
        pytest.param(
            lambda r: r.events(EventQuery(window=WINDOW)),
            "SEARCH e USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
            id="everybody's events, block by block",
        ),
        pytest.param(
            lambda r: r.markers(WINDOW),
            "SEARCH events USING INDEX events_by_kind (kind=? AND at_ms>? AND at_ms<?)",
            id="markers",
        ),
        pytest.param(
            lambda r: r.totals(WINDOW, NOTHING),
            "SEARCH events USING COVERING INDEX events_by_kind (kind=? AND at_ms>? AND at_ms<?)",
            id="the last change",
        ),
        pytest.param(
            lambda r: r.totals(WINDOW, NOTHING),
            "SEARCH events USING INDEX events_inexact (at_ms>? AND at_ms<?)",
            id="whether a count is a lower bound",
        ),
        pytest.param(
            lambda r: r.activity(WINDOW, Dimension.CONSUMER, "acme", HOUR_MS),
            "SEARCH a USING INDEX activity_by_key (dim=? AND key=? AND res=? AND bucket_s>? AND bucket_s<?)",
            id="a consumer's past",
        ),
        pytest.param(
            lambda r: r.totals(WINDOW, NOTHING),
            "SEARCH activity USING PRIMARY KEY (res=? AND dim=? AND bucket_s>? AND bucket_s<?)",
            id="all requests",
        ),
        pytest.param(
            lambda r: r.totals(WINDOW, ACME),
            "SEARCH c USING COVERING INDEX combos_by_all (consumer=?)",
            id="a consumer's combinations",
        ),
        pytest.param(
            lambda r: r.totals(WINDOW, ACME),
            "SEARCH x USING INDEX cells_by_combo (combo=? AND res=? AND bucket_s>? AND bucket_s<?)",
            id="the past of a few combinations",
        ),
        pytest.param(
            lambda r: r.totals(WINDOW, FILTERS["left out"]),
            "SEARCH x USING PRIMARY KEY (res=? AND bucket_s>? AND bucket_s<?)",
            id="what is not packed, bucket by bucket",
        ),
        pytest.param(
            lambda r: r.gaps(WINDOW),
            "SEARCH known_gaps USING INDEX known_gaps_by_end (to_ms>?)",
            id="gaps",
        ),
        pytest.param(
            lambda r: r.quarantine(WINDOW),
            "SEARCH quarantine_items USING INDEX quarantine_items_by_time (at_ms>? AND at_ms<?)",
            id="quarantine",
        ),
        pytest.param(
            lambda r: r.resolve(Dimension.IP, "203.0.113.7"),
            "SEARCH activity USING COVERING INDEX activity_by_key"
            " (dim=? AND key=? AND res=? AND bucket_s>? AND bucket_s<?)",
            id="since when an address is known",
        ),
        pytest.param(
            lambda r: r.events(EventQuery(window=WINDOW, text="ab" * 16)),
            "SEARCH events USING COVERING INDEX events_by_id (id=?)",
            id="a request by its id",
        ),
        pytest.param(
            lambda r: r.events(EventQuery(window=WINDOW, text="ab" * 16)),
            "SEARCH events USING COVERING INDEX events_by_request (request_id=?)",
            id="an event by its request's id",
        ),
        pytest.param(
            lambda r: r.resolve(Dimension.CONSUMER, "acme"),
            "SEARCH keys USING INDEX keys_by_value (dim=? AND value=?)",
            id="a token",
        ),
        pytest.param(
            lambda r: r.totals(WINDOW, only(Dimension.IP, "10.0.0.0/8")),
            "SEARCH keys USING COVERING INDEX keys_by_address (ip_sort>? AND ip_sort<?)",
            id="a range of addresses",
        ),
    ],
)
def test_a_question_goes_by_the_index_that_was_made_for_it(
    asked: Asked, question: Callable[[Reader], Any], step: str
) -> None:
    steps = asked.of(question)

    assert step in steps, "\n".join(sorted(set(steps)))


def test_rows_are_not_sorted_to_find_the_newest(asked: Asked) -> None:
    """A sorter would read all of a consumer's events for one page."""
    for filters in (NOTHING, ACME):
        steps = asked.of(lambda reader, f=filters: reader.tail(EventQuery(window=WINDOW, filters=f), 0))

        assert not [step for step in steps if step.startswith("USE TEMP B-TREE")]
