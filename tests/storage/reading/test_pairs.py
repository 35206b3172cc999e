"""Two dimensions at once, counted from a real file."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.events import Decoded, EntitySeen, PluginSeen
from domain.filters import Dimension, Filters
from domain.windows import DAY_MS, HOUR_MS, MINUTE_MS, Window
from settings import load_settings
from storage.batches import Batch
from storage.sqlite_reader import SqliteReader
from tests.storage.filling import NOW_MS, opened, refusal, request

WINDOW = Window(NOW_MS - HOUR_MS, NOW_MS + MINUTE_MS)
ACME = Filters(((Dimension.CONSUMER, "acme"),))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "g.db"


def filled(path: Path, decoded: Decoded) -> SqliteReader:
    with opened(path) as store:
        store.write([Batch(source="gw-1", way="stream", received_ms=NOW_MS, decoded=decoded)])
    return SqliteReader(path, 2_000)


def test_pairs_are_counted_together_and_carry_kongs_ids(path: Path) -> None:
    reader = filled(
        path,
        Decoded(
            events=[
                refusal(1),
                refusal(2, route_id="r-2", route="orders.write"),
                refusal(3, route_id="r-2", route="orders.write", certainty="probable"),
                refusal(4, consumer_id="c-2", consumer="other"),
            ],
            traffic=[
                request(1, count=5),
                request(2, service_id="s-2", service="pay", route_id=None, route=None),
            ],
        ),
    )

    rows = reader.pairs(Dimension.SERVICE, Dimension.ROUTE, WINDOW, ACME)

    assert [(r.label, r.by_label, r.requests, r.limited, r.probable) for r in rows] == [
        ("orders", "orders.write", 2, 1, 1),
        ("orders", "orders.read", 6, 1, 0),
        ("pay", "~none", 1, 0, 0),
    ]
    assert [(r.id, r.by_id) for r in rows] == [("s-1", "r-2"), ("s-1", "r-1"), ("s-2", None)]
    assert rows[0].last_ms == NOW_MS
    reader.close()


def test_only_the_largest_pairs_are_given_where_few_are_wanted(path: Path) -> None:
    events = [refusal(i, route_id=f"r-{i % 3}", route=f"route {i % 3}") for i in range(1, 8)]
    reader = filled(path, Decoded(events=events))

    rows = reader.pairs(Dimension.SERVICE, Dimension.ROUTE, WINDOW, ACME, 1)

    assert [(r.by_label, r.limited) for r in rows] == [("route 1", 3)]
    reader.close()


def test_a_consumers_addresses_are_those_it_was_refused_from(path: Path) -> None:
    reader = filled(
        path,
        Decoded(
            events=[
                refusal(1, ip="203.0.113.1"),
                refusal(2, ip="203.0.113.2"),
                refusal(3, ip="203.0.113.2", route_id="r-2", route="orders.write"),
                refusal(4, ip=None),
                refusal(5, consumer_id="c-2", consumer="other", ip="203.0.113.1"),
            ],
            traffic=[request(1, ip="203.0.113.9")],
        ),
    )

    spread = reader.spread(Dimension.CONSUMER, Dimension.IP, ("acme", "other", "nobody"), WINDOW, Filters())
    under = reader.spread(
        Dimension.CONSUMER, Dimension.IP, ("acme",), WINDOW, Filters(((Dimension.ROUTE, "orders.write"),))
    )

    assert spread == {"acme": 2, "other": 1, "nobody": 0}
    assert under == {"acme": 1}
    reader.close()


def test_a_bare_name_whose_id_became_known_counts_as_that_id(path: Path) -> None:
    with opened(path) as store:
        bare = refusal(1, consumer_id=None, ip="203.0.113.1")
        store.write([Batch(source="a", way="events", received_ms=NOW_MS, decoded=Decoded(events=[bare]))])
        seen = EntitySeen(entity_type="consumers", entity_id="c-1", name="acme", at_ms=NOW_MS)
        named = refusal(2, ip="203.0.113.2")
        decoded = Decoded(events=[named], entities=[seen])
        store.write([Batch(source="b", way="stream", received_ms=NOW_MS, decoded=decoded)])
    reader = SqliteReader(path, 2_000)

    assert reader.spread(Dimension.CONSUMER, Dimension.IP, ("acme",), WINDOW, Filters()) == {"acme": 2}
    reader.close()


def test_an_empty_file_has_no_pairs_no_spread_and_no_plugins(path: Path) -> None:
    reader = SqliteReader(path, 2_000)

    assert reader.pairs(Dimension.SERVICE, Dimension.ROUTE, WINDOW, ACME) == ()
    assert reader.spread(Dimension.CONSUMER, Dimension.IP, ("acme",), WINDOW, Filters()) == {"acme": 0}
    assert reader.plugins() == ()
    reader.close()


def test_plugins_come_with_everything_they_said_oldest_first(path: Path) -> None:
    first = PluginSeen(
        plugin_id="p", name="rate-limiting", enabled=True, at_ms=NOW_MS - DAY_MS, config={"minute": 60}
    )
    later = PluginSeen(
        plugin_id="p", name="rate-limiting", enabled=False, at_ms=NOW_MS, route_id="r-1", config={"minute": 5}
    )
    reader = filled(path, Decoded(plugins=[later, first]))

    assert reader.plugins() == (first, later)
    reader.close()


def test_buckets_are_as_fine_as_what_is_kept_of_the_whole_window(path: Path) -> None:
    """Totals of ten seconds go first; a chart that reaches back further must not pretend to have them."""
    settings = load_settings({"seconds_rollup_days": 1}, {})
    with opened(path, settings) as store:
        decoded = Decoded(events=[refusal(1, at_ms=NOW_MS - 5 * DAY_MS), refusal(2)])
        store.write([Batch(source="gw-1", way="stream", received_ms=NOW_MS, decoded=decoded)])
        while store.prune(NOW_MS, 10_000):
            pass
    reader = SqliteReader(path, 2_000)
    recent, long_ago = Window(NOW_MS - HOUR_MS, NOW_MS), Window(NOW_MS - 4 * DAY_MS, NOW_MS)

    assert reader.width_ms(recent, 10_000) == 10_000
    assert reader.width_ms(long_ago, 10_000 * 100) == 17 * MINUTE_MS
    assert reader.width_ms(long_ago, HOUR_MS) == HOUR_MS
    reader.close()
