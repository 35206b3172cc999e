"""Markers, kinds, quarantine, freshness and health."""

from __future__ import annotations

from domain.events import PluginSeen, Quarantined
from domain.filters import Dimension
from domain.windows import DAY_MS, HOUR_MS, Window
from storage.batches import CollectorStatus, Gap, SourceBeat
from tests.contracts.asking import HOUR, NOTHING, only
from tests.contracts.conftest import Opened
from tests.storage.filling import NOW_MS, batch, other, put, refusal, request


def test_changes_node_events_and_gaps_are_marked_oldest_first(opened: Opened) -> None:
    change = {"kind": "crud", "event": "services.updated", "entity_type": "services", "operation": "update"}
    put(
        opened.store,
        other(1, **change, entity_name="orders", actor="ana", at_ms=NOW_MS + 3),
        other(2, kind="cluster", event="node_lost", node="n-1", at_ms=NOW_MS + 2),
        other(3, kind="cluster", event="node_heartbeat", node="n-1"),
        gaps=(Gap(source="gw-1", from_ms=NOW_MS - 5, to_ms=NOW_MS + 1, cause="buffer full"),),
    )

    found = opened.reader.markers(HOUR)

    assert [(m.kind, m.at_ms - NOW_MS, m.to_ms) for m in found] == [
        ("gap", -5, NOW_MS + 1),
        ("node", 2, None),
        ("change", 3, None),
    ]
    assert "orders" in found[2].text
    assert "ana" in found[2].text


def test_kinds_are_counted_and_cache_and_changes_stand_in_the_totals(opened: Opened) -> None:
    put(
        opened.store,
        refusal(1),
        other(2, kind="cache", event="invalidated", cache="core"),
        other(3, kind="cache", event="purged"),
        other(4, kind="crud", event="routes.created", at_ms=NOW_MS + 9),
        other(5, kind="crud", event="routes.created", at_ms=NOW_MS + HOUR_MS),
    )
    totals = opened.reader.totals(HOUR, only(Dimension.CONSUMER, "nobody"))

    assert (totals.cache_invalidations, totals.config_changes, totals.last_change_ms) == (2, 1, NOW_MS + 9)
    assert opened.reader.kind_counts(HOUR) == (
        ("cache", "invalidated", 1),
        ("cache", "purged", 1),
        ("crud", "routes.created", 1),
        ("rate-limiting", "exceeded", 1),
    )


def test_what_could_not_be_read_is_shown_as_printable_text(opened: Opened) -> None:
    bad = batch()
    bad.decoded.quarantined.append(Quarantined(why="not JSON", raw=b"\x00<b>\xff\n" + b"x" * 5_000))
    opened.store.write([bad])

    (row,) = opened.reader.quarantine(HOUR)

    assert (row.source, row.why) == ("http-log", "not JSON")
    assert row.raw.startswith("\\x00<b>\\xff\\nxx")
    assert len(row.raw) == 2_000
    assert opened.reader.health().quarantined == 1


def test_freshness_follows_what_arrived_and_who_is_connected(opened: Opened) -> None:
    beat = SourceBeat(source="gw-1", way="stream", connected=True, at_ms=NOW_MS + 9, hostname="gw")
    status = CollectorStatus(
        pid=1, version="1", started_ms=1, beat_ms=2, ws="w", http="h", state="ok", detail=""
    )
    opened.store.write([batch(refusal(), request())], [beat])
    opened.store.beat(NOW_MS + 10, status)

    fresh = opened.reader.freshness()

    assert (fresh.last_seq, fresh.last_received_ms, fresh.last_beat_ms) == (1, NOW_MS, NOW_MS + 9)
    assert fresh.collector is not None
    assert fresh.collector.beat_ms == NOW_MS + 10
    by_name = {source.source: source for source in fresh.sources}
    assert (by_name["http-log"].events, by_name["http-log"].requests) == (1, 1)
    assert by_name["http-log"].connected is None
    assert by_name["gw-1"].connected


def test_a_store_knows_what_it_holds(opened: Opened) -> None:
    put(opened.store, refusal(1), refusal(2, at_ms=NOW_MS + 5), other(3))

    health = opened.reader.health()

    assert (health.events, health.oldest_event_ms, health.newest_event_ms) == (3, NOW_MS, NOW_MS + 5)
    assert health.kinds == (("rate-limiting", "exceeded", 2), ("plugin", "validation-failed", 1))
    assert (health.distinct["consumer"], health.distinct["ip"]) == (1, 1)
    assert health.file_bytes > 0


def test_judging_again_moves_a_refusal_from_probable_to_certain(opened: Opened) -> None:
    hidden = PluginSeen(
        plugin_id="p-1",
        name="rate-limiting",
        enabled=True,
        at_ms=NOW_MS - 1,
        config={"minute": 20, "hide_client_headers": True},
    )
    put(opened.store, refusal(certainty="probable", limit_name=None, limit_value=None, window_s=None))
    opened.store.pack(NOW_MS + 3 * DAY_MS, 1_000)
    put(opened.store, hidden)
    opened.store.settle()

    totals = opened.reader.totals(Window(NOW_MS - DAY_MS, NOW_MS + DAY_MS), NOTHING)

    assert (totals.limited, totals.probable) == (1, 0)
    assert opened.reader.top(Dimension.LIMIT, HOUR, NOTHING).rows[0].label == "20/minute"
    assert [plugin.plugin_id for plugin in opened.reader.plugins()] == ["p-1"]
