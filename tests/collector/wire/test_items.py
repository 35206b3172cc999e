from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from collector.wire.items import MOST_REQUESTS, decode_item
from collector.wire.stream import decode_stream_items
from domain.events import Decoded

NOW_MS = 1_795_384_700_000
FOLDER = Path(__file__).parents[2] / "fixtures/payloads"
LIMITED = orjson.loads((FOLDER / "http-log.rate-limiting.429.consumer.json").read_bytes())
TOTALS = {
    "kind": "totals",
    "id": "abc-7",
    "node": "n1",
    "at_ms": NOW_MS - 10_000,
    "consumer_id": "c1",
    "consumer": "acme",
    "route_id": "r1",
    "route": "read",
    "service": "orders",
    "counts": {"200": 41, "404": 1},
}
PLUGIN = {"kind": "plugin", "plugin_id": "p1", "name": "rate-limiting", "enabled": True, "at_ms": NOW_MS}
ENTITY = {"kind": "entity", "entity_type": "consumers", "entity_id": "c1", "name": "acme", "at_ms": NOW_MS}


def decoded(item: Any) -> Decoded:
    return decode_item(item, received_ms=NOW_MS)


def test_a_log_entry_of_the_plugin_knows_its_node() -> None:
    [event] = decoded({"kind": "http-log", "id": "request:x", "node": "n1", "entry": LIMITED}).events

    assert (event.event, event.node) == ("exceeded", "n1")


def test_totals_stand_for_many_requests_each_status_apart() -> None:
    found = decoded(TOTALS).traffic

    assert [(t.status, t.count, t.consumer, t.route, t.node) for t in found] == [
        (200, 41, "acme", "read", "n1"),
        (404, 1, "acme", "read", "n1"),
    ]
    assert len({t.fingerprint for t in found}) == 2


def test_totals_that_are_sent_again_have_the_same_identity() -> None:
    """Two workers may count the very same: their items have ids of their own."""
    first, again, other = (
        decoded(item).traffic[0].fingerprint for item in (TOTALS, TOTALS, {**TOTALS, "id": "abd-7"})
    )

    assert first == again != other


def test_a_429_in_totals_is_the_upstreams_where_refusals_come_apart() -> None:
    counts = {"counts": {"429": 2, "200": 1}}

    apart = decoded({**TOTALS, **counts, "refusals": "apart"}).traffic
    together = decoded({**TOTALS, **counts}).traffic

    assert [t.upstream_limited for t in apart] == [True, False]
    assert [t.upstream_limited for t in together] == [False, False]


def test_an_entity_and_a_plugin_may_be_passed_on() -> None:
    [entity] = decoded({**ENTITY, "attributes": {"tags": ["gold"]}}).entities
    [plugin] = decoded({**PLUGIN, "config": {"minute": 5, "redis_password": "x"}}).plugins

    assert (entity.entity_id, entity.name, entity.attributes) == ("c1", "acme", {"tags": ["gold"]})
    assert (plugin.plugin_id, plugin.config) == ("p1", {"minute": 5, "redis_password": "[redacted]"})


def test_an_event_of_kind_plugin_is_no_plugin() -> None:
    found = decoded({"kind": "plugin", "event": "quota", "plugin_id": "p1"})

    assert ([e.event for e in found.events], found.plugins) == (["quota"], [])


def test_items_without_an_id_are_told_apart_within_their_message() -> None:
    item = {"kind": "plugin", "event": "x"}

    ids = {part.events[0].id for part in decode_stream_items([item, item], received_ms=NOW_MS)}

    assert len(ids) == 2


@pytest.mark.parametrize(
    ("item", "why"),
    [
        (None, "stream item: expected an object"),
        ({}, "stream item: kind is missing, expected text"),
        ({"kind": "http-log"}, "stream item http-log: found null, expected an object"),
        (
            {"kind": "http-log", "entry": {"response": {"status": "x"}}},
            "stream item http-log: response.status is 'x', expected 0 to 999",
        ),
        ({"kind": "totals", "counts": {}}, "stream item totals: no id, expected one that no other item has"),
        (
            {"kind": "totals", "id": "x"},
            "stream item totals: counts is missing, expected an object of status to number",
        ),
        ({**TOTALS, "counts": {"ok": 1}}, "stream item totals: status is 'ok', expected 0 to 999"),
        ({**TOTALS, "counts": {"-1": 1}}, "stream item totals: status is '-1', expected 0 to 999"),
        ({**TOTALS, "counts": {"200": 0}}, f"stream item totals: count is 0, expected 1 to {MOST_REQUESTS}"),
        (
            {**TOTALS, "counts": {"200": 10**12}},
            f"stream item totals: count is 1000000000000, expected 1 to {MOST_REQUESTS}",
        ),
        (
            {**TOTALS, "counts": {"200": True}},
            f"stream item totals: count is True, expected 1 to {MOST_REQUESTS}",
        ),
        (
            {"kind": "entity", "entity_type": "consumers"},
            "stream item entity: object missing required field `entity_id`",
        ),
        ({**ENTITY, "name": 5}, "stream item entity: expected `str | null`, got `int` - at `$.name`"),
        ({**PLUGIN, "enabled": "yes"}, "stream item plugin: expected `bool`, got `str` - at `$.enabled`"),
        ({"kind": "node"}, "stream item node: object missing required field `via`"),
        ({"kind": "unreadable", "why": "line 3: not JSON"}, "stream item: line 3: not JSON"),
        ({"kind": "unreadable"}, "stream item: its sender could not read it"),
        (
            {"kind": "plugin", "event": "x", "deep": 2**64 - 1},
            "stream item: whole number 18446744073709551615, expected at most 64 bits",
        ),
    ],
)
def test_a_bad_item_goes_to_quarantine_with_its_reason(item: Any, why: str) -> None:
    found = decoded(item)

    assert ([bad.why for bad in found.quarantined], found.entries) == ([why], 1)
    assert (found.events, found.traffic, found.entities, found.plugins, found.nodes) == ([], [], [], [], [])


def test_every_item_of_a_batch_gives_one_part_in_the_same_order() -> None:
    parts = decode_stream_items([TOTALS, None, ENTITY], received_ms=NOW_MS)

    assert [(len(p.traffic), len(p.quarantined), len(p.entities)) for p in parts] == [
        (2, 0, 0),
        (0, 1, 0),
        (0, 0, 1),
    ]
