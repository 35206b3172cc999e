"""How PostgreSQL answers: every question of the reader can go by an index.

The statements are those that the reader really sends. Small tables are always read whole, whatever indexes
there are, so the planner is told to avoid that where it can: what it still reads whole has no index.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from domain.events import EntitySeen
from domain.filters import Dimension
from domain.windows import DAY_MS, MINUTE_MS
from storage.alert_reads import AlertReads
from storage.changes_reader import ChangesReader
from storage.limit_counts import LimitCounts
from storage.location import PostgresUrl
from storage.postgres.reader import PostgresReader
from storage.postgres.store import PostgresStore
from storage.reading.snapshot import Snapshot
from tests.postgres import fresh_database, give_back
from tests.storage.filling import NOW_MS, SETTINGS, other, put, refusal, request
from tests.storage.reading.test_plans import FILTERS, LARGE, OTHERS, QUESTIONS, WINDOW

pytestmark = pytest.mark.cluster

WHOLE = re.compile(r"Seq Scan on (\w+)")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A little of everything, some of it packed."""
    url = fresh_database()
    store = PostgresStore(PostgresUrl(url), SETTINGS)
    put(store, refusal(1, at_ms=NOW_MS - 2 * DAY_MS), refusal(2, exact=False, is_request=False))
    put(store, request(1), refusal(3, consumer_id=None, consumer="walk-in"))
    put(store, EntitySeen(entity_type="consumers", entity_id="c-9", name="acme", at_ms=NOW_MS))
    change = {"kind": "crud", "event": "services.updated", "entity_type": "services"}
    put(store, other(4, **change), other(5, kind="cluster", event="node_lost"))
    store.pack(NOW_MS + MINUTE_MS, 1_000)
    store.close()
    yield url
    give_back(url)


@pytest.fixture(scope="module")
def reader(url: str) -> Iterator[PostgresReader]:
    """Of that."""
    found = PostgresReader(PostgresUrl(url), 10_000)
    yield found
    found.close()


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What was asked, and how PostgreSQL would go about it where it has to avoid reading tables whole."""
    found: list[tuple[str, str]] = []
    rows, row = Snapshot.rows, Snapshot.row

    def explain(snapshot: Snapshot, query: str, values: Any) -> None:
        if not query.startswith(("PRAGMA", "SELECT pg_")):
            rows(snapshot, "SELECT set_config('enable_seqscan', 'off', true)")
            steps = rows(snapshot, f"EXPLAIN {query}", values)
            found.append((query, "\n".join(step for (step,) in steps)))

    def explained_rows(snapshot: Snapshot, query: str, values: Any = ()) -> Any:
        explain(snapshot, query, values)
        return rows(snapshot, query, values)

    def explained_row(snapshot: Snapshot, query: str, values: Any = ()) -> Any:
        explain(snapshot, query, values)
        return row(snapshot, query, values)

    monkeypatch.setattr(Snapshot, "rows", explained_rows)
    monkeypatch.setattr(Snapshot, "row", explained_row)
    return found


def assert_no_large_table_is_read_whole(plans: list[tuple[str, str]]) -> None:
    """Partitions are named after their table."""
    assert plans
    for query, plan in plans:
        for table in WHOLE.findall(plan):
            large = [name for name in LARGE if table == name or table.startswith(f"{name}_")]
            assert not large, f"{table}\n{query}\n{plan}"


@pytest.mark.parametrize("filters", list(FILTERS))
@pytest.mark.parametrize("question", list(QUESTIONS))
def test_no_question_has_to_read_a_large_table_whole(
    reader: PostgresReader, plans: list[tuple[str, str]], question: str, filters: str
) -> None:
    answer = QUESTIONS[question](reader, FILTERS[filters])
    if isinstance(answer, Iterator):
        list(answer)

    assert_no_large_table_is_read_whole(plans)


@pytest.mark.parametrize("question", list(OTHERS))
def test_no_other_question_has_to_read_a_large_table_whole(
    reader: PostgresReader, plans: list[tuple[str, str]], question: str
) -> None:
    OTHERS[question](reader)

    assert_no_large_table_is_read_whole(plans)


EVALUATION: dict[str, Callable[[AlertReads], Any]] = {
    "marks": lambda r: r.bucket_marks(MINUTE_MS, WINDOW.from_ms, WINDOW.to_ms),
    "cells": lambda r: r.cells(MINUTE_MS, NOW_MS, -1, 100),
    "extent": lambda r: r.extent(MINUTE_MS),
    "rare events by arrival": lambda r: r.rare_after(0, 10),
    "rare events by time": lambda r: r.rare_between(WINDOW.from_ms, WINDOW.to_ms),
    "gaps": lambda r: r.gaps(WINDOW.from_ms, WINDOW.to_ms),
    "hours of a consumer": lambda r: r.hourly("consumer", 5, WINDOW.from_ms, WINDOW.to_ms),
    "quarters of an address": lambda r: r.quarters("ip", 6, NOW_MS),
    "known addresses": lambda r: r.known_addresses(5, ["203.0.113.7"], NOW_MS),
    "refusals of an address": lambda r: r.sample("ip", "203.0.113.7", WINDOW.from_ms, WINDOW.to_ms),
}
CHANGES: dict[str, Callable[[ChangesReader], Any]] = {
    "changes": lambda r: r.changes(WINDOW),
    "one change": lambda r: r.change(4),
    "an entity's": lambda r: r.history("services", "s-1"),
    "unjudged": lambda r: r.unjudged(WINDOW.from_ms),
    "unattributed": lambda r: r.unattributed(WINDOW.from_ms),
    "logged calls": lambda r: r.logged_calls(WINDOW.from_ms),
    "nodes told": lambda r: r.nodes_told(WINDOW.from_ms, WINDOW.to_ms),
}


@pytest.mark.parametrize("question", list(EVALUATION))
def test_no_evaluation_has_to_read_a_large_table_whole(
    url: str, plans: list[tuple[str, str]], question: str
) -> None:
    with contextlib.closing(AlertReads(url, 10_000)) as reads:
        EVALUATION[question](reads)

    assert_no_large_table_is_read_whole(plans)


@pytest.mark.parametrize("question", list(CHANGES))
def test_no_list_of_changes_has_to_read_a_large_table_whole(
    url: str, plans: list[tuple[str, str]], question: str
) -> None:
    with contextlib.closing(ChangesReader(url, 10_000)) as reads:
        CHANGES[question](reads)

    assert_no_large_table_is_read_whole(plans)


@pytest.mark.parametrize("filters", list(FILTERS))
def test_no_limit_that_is_tried_out_has_to_read_a_large_table_whole(
    url: str, plans: list[tuple[str, str]], filters: str
) -> None:
    with contextlib.closing(LimitCounts(url, 10_000)) as counts:
        counts.read(WINDOW, FILTERS[filters], Dimension.CONSUMER, gap_ms=0)

    assert_no_large_table_is_read_whole(plans)
