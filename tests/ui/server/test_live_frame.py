from __future__ import annotations

from domain.filters import OTHER_TOKEN, Dimension
from storage.rows import Top, TopRow
from tests.ui.scripted_reader import NOW_MS, collector_status, live_freshness, source_state
from ui.server.live_frame import feed_now, top_json


def test_the_strip_counts_streams_that_the_collector_vouches_for() -> None:
    fresh = live_freshness(
        sources=(
            source_state(),
            source_state(source="gw-2", connected=False),
            source_state(source="http-log", way="http-log", connected=None),
        )
    )

    _, shown = feed_now(fresh, NOW_MS)

    assert (shown["streams_open"], shown["streams"]) == (1, 2)
    assert [s["open"] for s in shown["senders"]] == [True, False, None]


def test_a_silent_collector_vouches_for_nothing() -> None:
    """Its row still says "connected" and "ok": neither may be shown."""
    fresh = live_freshness(collector=collector_status(beat_ms=NOW_MS - 60_000))

    _, shown = feed_now(fresh, NOW_MS)

    assert shown["streams_open"] is None
    assert shown["senders"][0]["open"] is None
    assert (shown["collector"], shown["collector_since_ms"]) == ("silent", NOW_MS - 60_000)
    assert shown["trusted"] is False


def test_no_collector_is_not_a_silent_one() -> None:
    _, shown = feed_now(live_freshness(collector=None), NOW_MS)

    assert shown["collector"] is None


def test_a_top_list_counts_what_it_leaves_out() -> None:
    rows = tuple(
        TopRow(token=token, label=token, limited=n, probable=1, requests=None, last_ms=None)
        for token, n in (("a", 9), (OTHER_TOKEN, 4))
    )

    shown = top_json(Dimension.IP, Top(rows=rows, distinct=61, rest=203, at_least=True), {"a": "#0072B2"})

    assert (shown["title"], shown["distinct"], shown["rest"]) == ("Top addresses", "at least 61", "203")
    assert [(r["label"], r["count"], r["probable"], r["share"]) for r in shown["rows"]] == [
        ("a", "10", "1", 1.0),
        ("Other", "5", "1", 0.5),
    ]
    assert [r["can_filter"] for r in shown["rows"]] == [True, False]
    assert [r["colour"] for r in shown["rows"]] == ["#0072B2", ""]


def test_an_empty_list_divides_nothing() -> None:
    shown = top_json(Dimension.LIMIT, Top(rows=(), distinct=0, rest=0, at_least=False), {})

    assert shown["rows"] == []
