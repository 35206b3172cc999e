from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from collector.playing import Line
from collector.replay_stream import Sent, is_violation, items_in, items_of, log_entries
from collector.wire.items import decode_item
from domain.events import Decoded, Event

NOW_MS = 1_795_384_700_000
AT_S = 1_795_384_634.5
FOLDER = Path(__file__).parents[1] / "fixtures/payloads"
LIMITED = orjson.loads((FOLDER / "http-log.rate-limiting.429.consumer.json").read_bytes())
LEAN = {"request": {"id": "r1"}, "response": {"status": 200}}
TOTALS = {"kind": "totals", "id": "t-1", "at_ms": NOW_MS, "counts": {"200": 5}}
PURGE = {
    "ts": AT_S,
    "node": "n",
    "kind": "worker_event",
    "source": "mlcache",
    "event": "mlcache:purge:c",
    "data": "",
}
ABOUT = {"ts": AT_S, "node": "a", "path": "/", "http_status": 200, "body": {"node_id": "n1", "hostname": "h"}}


def line(value: Any, raw: bytes | None = None) -> Line:
    return Line(1, orjson.dumps(value) if raw is None else raw, value, NOW_MS, 0.0, "f:1", "")


@pytest.mark.parametrize(
    ("value", "n"),
    [
        (LIMITED, 1),
        ([LIMITED, LEAN], 2),
        ({"received_at": AT_S, "body": [LEAN, LEAN]}, 2),
        ({"received_at": AT_S, "body": LEAN}, 1),
        ({"received_at": AT_S, "body": orjson.dumps([LEAN]).decode()}, 1),
        ({"received_at": AT_S, "body": "text"}, 0),
        ({"received_at": AT_S, "body": []}, 0),
        ([LEAN, {"kind": "plugin"}], 0),
        (PURGE, 0),
        ("text", 0),
        (None, 0),
    ],
)
def test_log_entries_are_found_in_every_form(value: Any, n: int) -> None:
    assert len(list(log_entries(value))) == n


@pytest.mark.parametrize(
    ("value", "items"),
    [
        (LEAN, [{"kind": "http-log", "entry": LEAN}]),
        ({"node": "n", "entry": LEAN}, [{"kind": "http-log", "node": "n", "entry": LEAN}]),
        (
            {"kind": "http-log", "node": "n", "entry": LEAN},
            [{"kind": "http-log", "node": "n", "entry": LEAN}],
        ),
        (TOTALS, [TOTALS]),
        ({"t": "batch", "first": 1, "events": [TOTALS, PURGE]}, [TOTALS, PURGE]),
        (PURGE, None),
        (ABOUT, None),
        ([], None),
        (5, None),
    ],
)
def test_what_a_collector_can_read_itself_goes_as_it_is(value: Any, items: Any) -> None:
    assert items_in(value) == items


def test_everything_else_goes_as_what_it_was_read_to() -> None:
    [purged] = items_of(line(PURGE))
    entity, node = items_of(line(ABOUT))

    assert (purged["kind"], purged["event"], purged["cache"]) == ("cache", "purged", "c")
    assert (entity["kind"], entity["entity_type"], entity["name"]) == ("entity", "nodes", "h")
    assert (node["kind"], node["node"], node["address"]) == ("node", "n1", "a")


def test_a_line_that_cannot_be_read_goes_to_the_collectors_quarantine() -> None:
    [item] = items_of(line(None, b"{broken"))

    [bad] = decode_item(item, received_ms=NOW_MS).quarantined
    assert bad.why.startswith("stream item: recorded line: not JSON")


def test_the_same_line_always_gives_the_same_items() -> None:
    """A run that was interrupted goes on by counting them."""
    for value in (LIMITED, PURGE, ABOUT, TOTALS):
        assert items_of(line(value)) == items_of(line(value))


def test_what_is_sent_is_counted_as_a_store_would() -> None:
    sent = Sent()
    for item in (LIMITED, LIMITED, LEAN, LEAN):
        sent.count(decode_item({"kind": "http-log", "entry": item}, received_ms=NOW_MS))

    assert (sent.totals.events, sent.totals.violations, sent.totals.duplicates) == (1, 1, 2)


@pytest.mark.parametrize(
    ("certainty", "expected"), [("certain", True), ("probable", True), ("ruled-out", False), (None, False)]
)
def test_a_violation_is_sure_or_probable(certainty: str | None, expected: bool) -> None:  # noqa: FBT001 - drawn
    event = Event(id="e", kind="rate-limiting", event="exceeded", at_ms=0, certainty=certainty)

    assert is_violation(event) is expected
    assert Decoded(events=[event]).events == [event]
