"""The page Cache: invalidations, the changes behind them, and where there can be none."""

from __future__ import annotations

import functools
from typing import Any

from streamlit.testing.v1 import AppTest

from storage.node_rows import CachePast, ChurnRow, KindSeries, Push
from tests.ui.drawn import has_part, part, said, texts_of, titles_of
from tests.ui.node_rows import S, node_row, nodes, span
from tests.ui.scripted_reader import (
    NO_FRESHNESS,
    NOW_MS,
    ScriptedReader,
    collector_status,
    live_freshness,
    run_page,
    source_state,
)
from tests.ui.test_cache_view import change, dropped

GROUPS = (("services", (1, 0, 500)), ("router", (0, 2, 0)))
SERIES = KindSeries(from_ms=NOW_MS - 180 * S, bucket_ms=60 * S, buckets=3, groups=GROUPS)
PAST = CachePast(
    events=(dropped("id-gw-2", 90, "x:y"), dropped("id-gw-1", 59.9), dropped("id-gw-1", 5, "admin:gui")),
    changes=(change(60, seq=7),),
    from_ms=NOW_MS - 3_600 * S,
)


def run(query: str = "", **answers: Any) -> AppTest:
    given: dict[str, Any] = {
        "freshness": live_freshness(),
        "nodes": nodes(node_row(), node_row("gw-2")),
        "node_history": (span("id-gw-1", 3_600, 0), span("id-gw-2", 3_600, 0)),
        "kind_series": SERIES,
        "cache_past": PAST,
    }
    page = run_page("cache", ScriptedReader(**(given | answers)), query)
    assert not page.exception
    return page


@functools.cache
def usual() -> AppTest:
    """The page with a change that one of two nodes missed, run once for all tests that only look at it."""
    return run()


def number(page: AppTest, label: str) -> tuple[str, str]:
    found = {n["label"]: n for n in part(page, "numbers", "gw-numbers")["numbers"]}[label]
    return found["value"], found["tone"]


def test_a_change_that_a_node_missed_is_told_with_the_node() -> None:
    page = usual()

    table = part(page, "table", "gw-stories")
    assert titles_of(table)[-2:] == ["gw-1", "gw-2"]
    assert texts_of(table)[0][1:] == [
        "services orders updated", "ana", "gw-1", "1", "✕ 1 of 2 nodes", "0.1 s", "✓ 0.1 s", "✕ not seen"
    ]  # fmt: skip
    assert table["rows"][0]["cells"][5]["title"] == "not seen by gw-2"
    assert table["rows"][0]["cells"][1]["h"] == "/changes?of=7"
    assert number(page, "Missed") == ("1", "critical")
    assert "may enforce the old configuration" in said(page)


def test_a_storm_is_told_with_the_changes_that_explain_it() -> None:
    assert "500 keys dropped in 1 min. 1 change by ana explains 1 of them." in said(usual())


def test_the_chart_is_split_by_entity_type_or_by_node() -> None:
    asked: list[str] = []

    def series(*arguments: Any) -> KindSeries:
        asked.append(arguments[3])
        return SERIES

    for query in ("", "by=node", "by=nonsense"):
        figure = part(run(query, kind_series=series), "chart", "gw-cache")["figure"]
        assert [trace["name"] for trace in figure["data"]][:2] == ["services", "router"]

    assert asked == ["entity_type", "node", "entity_type"]


def test_what_no_change_explains_and_what_churns_is_listed() -> None:
    churn = ChurnRow(
        key_masked="router:version",
        cache="kong_core_db_cache",
        entity_type="router",
        count=120,
        nodes=2,
        first_ms=NOW_MS - 120 * S,
        last_ms=NOW_MS,
    )

    page = run(churned_keys=(churn,))

    assert texts_of(part(page, "table", "gw-churn")) == [["router:version", "120", "60.0", "2"]]
    assert texts_of(part(page, "table", "gw-untold"))[0][1:] == ["gw-1", "1", "admin"]
    assert (
        "router:version: dropped 120 times on one node, 60 a minute. Something writes it in a loop."
        in said(page)
    )


def test_in_hybrid_mode_invalidations_are_not_applicable_and_pushes_are_shown_instead_of_a_zero() -> None:
    planes = nodes(node_row("dp-1", role="data_plane"), node_row("dp-2", role="data_plane"))
    pushes = KindSeries(from_ms=NOW_MS - 60 * S, bucket_ms=60 * S, buckets=1, groups=(("id-dp-1", (2,)),))

    page = run(nodes=planes, kind_series=pushes, config_pushes=(Push(at_ms=NOW_MS - 5 * S, node="id-dp-1"),))

    assert "Not applicable: data planes and DB-less nodes take their configuration as a whole." in said(page)
    assert not has_part(page, "chart", "gw-cache")
    assert not has_part(page, "numbers", "gw-numbers")
    assert texts_of(part(page, "table", "gw-push-rows"))[0][1] == "dp-1"
    assert "Configuration pushes to 2 nodes without a database" in said(page)


def test_in_hybrid_mode_without_pushes_that_is_said() -> None:
    page = run(
        nodes=nodes(node_row(role="dbless")),
        kind_series=KindSeries(from_ms=NOW_MS, bucket_ms=60 * S, buckets=1, groups=()),
    )

    assert "No configuration was pushed in the last 1 h." in said(page)


def test_with_both_sorts_of_nodes_both_are_shown() -> None:
    page = run(nodes=nodes(node_row(), node_row("dp-1", role="data_plane")))

    assert "Data planes and DB-less nodes have no invalidations" in said(page)
    assert has_part(page, "chart", "gw-cache")
    assert has_part(page, "chart", "gw-pushes")


NOTHING = {
    "kind_series": KindSeries(from_ms=NOW_MS, bucket_ms=60 * S, buckets=1, groups=()),
    "cache_past": CachePast(events=(), changes=(), from_ms=NOW_MS),
}


def test_without_a_node_that_tells_silence_is_unknown_not_calm() -> None:
    page = run(**NOTHING)

    assert "No node tells about its caches." in said(page)
    assert "No cache invalidations" not in said(page)
    assert number(page, "Complete") == ("unknown", "unknown")


def test_with_nodes_that_tell_silence_is_calm() -> None:
    page = run(nodes=nodes(node_row(facts={"plugin_version": "0.1.0"})), **NOTHING)

    assert "No cache invalidations in the last 1 h." in said(page)


def test_an_empty_store_shows_how_to_connect() -> None:
    page = run_page("cache", ScriptedReader(freshness=NO_FRESHNESS))

    assert not page.exception
    assert "Nothing has been received yet" in said(page)


def test_what_comes_after_the_last_sign_of_life_is_hatched_and_not_averaged() -> None:
    """The span is three minutes; for the last one nothing arrived, and the collector is gone."""
    heard_ms = NOW_MS - 60 * S
    silent = live_freshness(
        last_received_ms=heard_ms,
        collector=collector_status(beat_ms=heard_ms),
        sources=(source_state(last_received_ms=heard_ms, last_beat_ms=heard_ms),),
    )
    quiet = KindSeries(from_ms=SERIES.from_ms, bucket_ms=60 * S, buckets=3, groups=(("router", (4, 2, 0)),))

    page = run(f"from={NOW_MS - 180 * S}&to={NOW_MS}", freshness=silent, kind_series=quiet)

    (gap,) = [
        t for t in part(page, "chart", "gw-cache")["figure"]["data"] if t.get("name") == "gap in the feed"
    ]
    assert (gap["x"], gap["width"]) == ([heard_ms], [60 * S])
    numbers = {n["label"]: n for n in part(page, "numbers", "gw-numbers")["numbers"]}
    assert numbers["Per minute"]["value"] == "3.0"
    assert numbers["Dropped keys"]["spark"] == [4, 2, None]
