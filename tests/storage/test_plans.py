"""No statement of the writer walks a table that grows: a hundred million events cost what a thousand cost."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import pytest

from domain.events import Decoded, EntitySeen
from domain.windows import DAY_MS
from storage.batches import CollectorStatus, Gap, SourceBeat
from storage.sqlite_store import SqliteStore
from tests.storage.filling import NOW_MS, batch, opened, other, plugin, put, refusal, request

GROWING = re.compile(
    r"\b(events|payloads|event_details|judgements|activity|cells|combos|kind_counts|keys|entities|entity_names"
    r"|quarantine_items|known_gaps|limits)\b"
)
SMALL = re.compile(r"\b(event_blocks|plugins|plugin_sources|cursors|resends|known_nodes|node_states)\b")
"""Read whole now and then: a row per 1,024 events, per plugin, per epoch, per node, ..."""


def everything(store: SqliteStore) -> None:
    """Every path of the writer that has statements of its own."""
    hidden = {"hide_client_headers": True, "minute": 5}
    unsure = {"certainty": "probable", "limit_name": None, "limit_value": None, "window_s": None}
    hook = {"exact": False, "is_request": False, "request_id": None}
    for round_ms in (0, 20 * 60_000):
        at_ms = NOW_MS + round_ms
        put(
            store,
            EntitySeen(entity_type="consumers", entity_id="c-1", name=f"n-{round_ms}", at_ms=at_ms,
                       attributes={"a": 1}),
            plugin(at_ms=at_ms, config=hidden | {"minute": round_ms}),
            refusal(1 + round_ms, at_ms=at_ms),
            refusal(2 + round_ms, at_ms=at_ms, consumer_id=None, consumer="by name"),
            refusal(3 + round_ms, at_ms=at_ms, **unsure),
            refusal(4 + round_ms, at_ms=at_ms, id=f"h-{round_ms}", **hook),
            other(5 + round_ms, at_ms=at_ms, kind="crud", entity_type="services", operation="delete"),
            request(6 + round_ms, at_ms=at_ms),
            source="gw", way="stream", epoch="e", first=1 + round_ms, upto=9 + round_ms, received_ms=at_ms,
            gaps=(Gap(source="gw", from_ms=at_ms, to_ms=at_ms, cause="x"),),
        )  # fmt: skip
        gone = EntitySeen(entity_type="consumers", entity_id="c-1", name=None, at_ms=at_ms + 5, deleted=True)
        put(store, gone, other(7, at_ms=-1), decoded=Decoded(plugins_complete=True), source="admin")
        store.settle()
        store.write(
            [batch()], [SourceBeat(source="gw", way="stream", connected=True, at_ms=at_ms, node_id="n-1")]
        )
        store.beat(
            at_ms,
            CollectorStatus(
                pid=1, version="1", started_ms=1, beat_ms=1, ws="", http="", state="ok", detail=""
            ),
        )
        store.pack(at_ms + 3 * DAY_MS, 100)
        store.cursor("gw", "e")
    store.prune(NOW_MS + 4_000 * DAY_MS, 1_000)


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str]]:
    """(statement, one step of its plan) of everything the writer did."""
    said: set[str] = set()
    with opened(tmp_path_factory.mktemp("plans") / "g.db") as store:
        store._connection.set_trace_callback(said.add)
        everything(store)
        store._connection.set_trace_callback(None)
        return [(sql, step) for sql in sorted(said) for step in _steps(store._connection, sql)]


def _steps(connection: sqlite3.Connection, sql: str) -> list[str]:
    if not re.match(r"\s*(SELECT|UPDATE|DELETE|INSERT|WITH)", sql):
        return []
    return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}")]


def test_no_table_that_grows_is_walked(plans: list[tuple[str, str]]) -> None:
    walked = [
        (step, sql)
        for sql, step in plans
        if step.startswith("SCAN") and GROWING.search(sql) and not SMALL.search(sql)
    ]

    # the index of what is rare, for one row
    assert [(step, sql) for step, sql in walked if "events_inexact" not in step or "LIMIT 1" not in sql] == []


def test_no_index_is_made_for_one_statement(plans: list[tuple[str, str]]) -> None:
    assert [(step, sql) for sql, step in plans if "AUTOMATIC" in step] == []


def test_the_paths_that_are_looked_at_are_many(plans: list[tuple[str, str]]) -> None:
    """Else the two tests above would see nothing."""
    tables = {name for _, step in plans for name in GROWING.findall(step)}

    assert len({sql for sql, _ in plans}) > 60
    assert tables >= {"events", "judgements", "activity", "cells", "keys", "entities", "entity_names"}


def test_events_near_a_hook_are_found_by_their_blocks(tmp_path: Path) -> None:
    """The planner once made an index over all events for each hook."""
    with opened(tmp_path / "g.db") as store:
        put(store, *(other(n, at_ms=NOW_MS + n) for n in range(2_100)))
        said: list[str] = []
        store._connection.set_trace_callback(said.append)
        put(store, refusal(1, at_ms=NOW_MS + 2_000, exact=False, is_request=False, request_id=None))
        store._connection.set_trace_callback(None)
        (exact,) = {sql for sql in said if "CROSS JOIN events" in sql}
        steps = _steps(store._connection, exact)

    assert steps == [
        "SEARCH b USING INDEX event_blocks_by_end (max_at_ms>?)",
        "SEARCH e USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
    ]
