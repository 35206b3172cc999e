from __future__ import annotations

from typing import Any

from domain.filters import OTHER_TOKEN, Dimension, Filters
from domain.windows import DAY_MS, HOUR_MS, MINUTE_MS
from storage.rows import Series, SeriesGroup, Top, TopRow
from tests.ui.event_rows import event_row
from tests.ui.scripted_reader import (
    NO_FRESHNESS,
    NOW_MS,
    ScriptedReader,
    collector_status,
    live_freshness,
    source_state,
    store_health,
    totals,
)
from ui.server.live_view import LiveView
from ui.server.subscription import Subscription

SUB = Subscription(range_ms=15 * MINUTE_MS)
HTTP = "127.0.0.1:8766"


def view(subscription: Subscription = SUB, **answers: Any) -> tuple[LiveView, ScriptedReader]:
    reader = ScriptedReader(**answers)
    return LiveView(subscription, reader, HTTP), reader


def two_groups(window: Any, _filters: Any, _group: Any, bucket_ms: int, *_: Any) -> Series:
    buckets = window.length_ms // bucket_ms
    groups = [SeriesGroup(token=token, label=token, values=(1,) * buckets) for token in ("acme", OTHER_TOKEN)]
    return Series(
        from_ms=window.from_ms, bucket_ms=bucket_ms, buckets=buckets, groups=tuple(groups), requests=None
    )


def test_an_empty_store_shows_how_to_connect_kong_at_our_own_address() -> None:
    made, _ = view()

    full = made.full(NO_FRESHNESS, NOW_MS)

    assert full["screen"]["kind"] == "empty"
    assert f"http://{HTTP}/intake/http-log" in full["screen"]["snippet"]
    assert full["screen"]["play"]


def test_a_full_picture_speaks_of_one_window_everywhere() -> None:
    made, reader = view(totals=totals(limited=7, requests=70), series=two_groups)

    full = made.full(live_freshness(), NOW_MS)

    assert (full["from_ms"], full["to_ms"]) == (SUB.window(NOW_MS).from_ms, SUB.window(NOW_MS).to_ms)
    assert full["figure"]["layout"]["xaxis"]["range"] == [full["from_ms"], full["to_ms"]]
    windows = {arguments[0] for name, arguments in reader.asked if name == "series"}
    assert windows == {SUB.window(NOW_MS)}
    assert full["screen"]["kind"] == "normal"


def test_filters_reach_every_question_and_what_they_hide_is_counted() -> None:
    filters = Filters(((Dimension.SERVICE, "orders"),))
    made, reader = view(
        Subscription(range_ms=15 * MINUTE_MS, filters=filters),
        totals=lambda _window, used: totals(limited=412 if used else 9310, requests=None),
    )

    full = made.full(live_freshness(), NOW_MS)

    assert full["matching"] == "412 of 9,310 violations"
    for name, arguments in reader.asked:
        if name in ("series", "top"):
            assert filters in arguments, name


def test_filters_that_leave_nothing_can_be_removed_one_by_one() -> None:
    filters = Filters(((Dimension.SERVICE, "orders"),), ((Dimension.IP, "10.0.0.0/8"),))
    made, _ = view(
        Subscription(range_ms=15 * MINUTE_MS, filters=filters),
        totals=lambda _window, used: totals(limited=0 if used else 5, requests=None),
    )

    screen = made.full(live_freshness(), NOW_MS)["screen"]

    assert screen["kind"] == "filtered"
    assert screen["remove"] == [
        {"text": "service = orders", "dimension": "service", "value": "orders", "excluded": False},
        {"text": "address ≠ 10.0.0.0/8", "dimension": "ip", "value": "10.0.0.0/8", "excluded": True},
    ]


def test_what_nobody_listened_to_is_a_gap_and_not_zero() -> None:
    since_ms = NOW_MS - 5 * MINUTE_MS
    fresh = live_freshness(sources=(source_state(first_received_ms=since_ms),))
    made, _ = view(totals=totals(limited=1), series=two_groups)

    full = made.full(fresh, NOW_MS)

    gap = next(t for t in full["figure"]["data"] if t["name"] == "gap in the feed")
    assert gap["x"][0] == full["from_ms"]
    assert gap["x"][0] + gap["width"][0] == since_ms
    spark = full["tiles"][0]["spark"]
    assert spark[0] is None
    assert spark[-1] == 1
    assert full["tiles"][0]["change"] == ""


def test_a_recorded_past_counts_as_heard() -> None:
    fresh = live_freshness(sources=(source_state(first_received_ms=NOW_MS - MINUTE_MS),))
    health = store_health(oldest_event_ms=NOW_MS - DAY_MS)
    made, _ = view(totals=totals(limited=1), series=two_groups, health=health)

    full = made.full(fresh, NOW_MS)

    assert None not in full["tiles"][0]["spark"]
    assert full["key"] == ""


def test_what_came_after_the_last_sign_of_life_is_a_gap_and_not_calm() -> None:
    """A dead collector for five minutes: no number of that time may look like zero."""
    silent_ms = NOW_MS - 5 * MINUTE_MS
    dead = live_freshness(
        last_received_ms=silent_ms,
        collector=collector_status(beat_ms=silent_ms),
        sources=(source_state(last_received_ms=silent_ms, last_beat_ms=silent_ms),),
    )
    made, _ = view(totals=totals(), series=two_groups)

    full = made.full(dead, NOW_MS)

    gap = next(t for t in full["figure"]["data"] if t["name"] == "gap in the feed")
    assert (gap["x"], gap["x"][0] + gap["width"][0]) == ([silent_ms], NOW_MS)
    assert full["tiles"][0]["spark"][-1] is None
    assert (full["tiles"][0]["note"], full["tiles"][0]["change"]) == ("at least", "")


def test_a_window_after_the_last_sign_of_life_has_no_numbers() -> None:
    silent_ms = NOW_MS - HOUR_MS
    dead = live_freshness(
        last_received_ms=silent_ms, collector=None, sources=(source_state(connected=False),)
    )
    made, _ = view(totals=totals(), series=two_groups)

    full = made.full(dead, NOW_MS)

    assert {tile["value"] for tile in full["tiles"]} == {"unknown"}
    assert full["screen"]["kind"] == "blind"


def test_the_line_of_nodes_is_left_out_while_none_is_known() -> None:
    assert view()[0].full(live_freshness(), NOW_MS)["nodes"] is None


def test_slices_that_are_over_are_read_once() -> None:
    made, reader = view(totals=totals(limited=1), series=two_groups)
    made.full(live_freshness(), NOW_MS)
    first = len(reader.asked)

    made.full(live_freshness(), NOW_MS + 1_000)

    spent = [name for name, _ in reader.asked[first:]]
    assert spent.count("totals") <= 4  # the window, the one before, two slices


def test_colours_stay_when_the_order_changes() -> None:
    def groups(*tokens: str) -> Any:
        return lambda window, _f, _g, bucket_ms, *_: Series(
            from_ms=window.from_ms,
            bucket_ms=bucket_ms,
            buckets=1,
            groups=tuple(SeriesGroup(token=t, label=t, values=(1,)) for t in tokens),
            requests=None,
        )

    made, reader = view(totals=totals(limited=1), series=groups("a", "b"))
    first = made.full(live_freshness(), NOW_MS)["figure"]["data"]
    reader.answers["series"] = groups("c", "b", "a")

    second = made.full(live_freshness(), NOW_MS)["figure"]["data"]

    colour = {t["meta"]: t["marker"]["color"] for t in second}
    assert {t["meta"]: t["marker"]["color"] for t in first}.items() <= colour.items()


def test_the_tail_gives_each_row_once_and_the_whole_to_newcomers() -> None:
    rows = {0: (event_row(seq=2), event_row(seq=1)), 2: (event_row(seq=3),), 3: ()}
    made, _ = view(tail=lambda _query, after, _limit: rows[after])

    first, second, third = made.news(NOW_MS), made.news(NOW_MS), made.news(NOW_MS)

    assert [r["seq"] for r in (first or {})["rows"]] == [2, 1]
    assert [r["seq"] for r in (second or {})["rows"]] == [3]
    assert third is None
    assert [r["seq"] for r in made.whole_tail()["rows"]] == [3, 2, 1]


def test_the_tail_is_of_violations_and_forgives_clocks_that_run_ahead() -> None:
    made, reader = view()

    made.news(NOW_MS)

    query = next(arguments[0] for name, arguments in reader.asked if name == "tail")
    assert query.violations_only
    assert query.window.to_ms >= NOW_MS + 5 * MINUTE_MS


def test_names_are_shown_harmlessly_and_kept_whole_for_filters() -> None:
    hostile = "a\u202eb<b>"
    top = Top(
        rows=(TopRow(token=hostile, label=hostile, limited=1, probable=0, requests=None, last_ms=None),),
        distinct=1,
        rest=0,
        at_least=False,
    )
    made, _ = view(totals=totals(limited=1), series=two_groups, top=top, tail=(event_row(consumer=hostile),))

    row = made.full(live_freshness(), NOW_MS)["tops"][0]["rows"][0]
    line = (made.news(NOW_MS) or {})["rows"][0]

    assert (row["label"], row["token"]) == ("a\\u202eb<b>", hostile)
    assert (line["consumer"], line["tokens"]["consumer"]) == ("a\\u202eb<b>", hostile)


def test_a_fixed_span_that_is_over_is_not_blamed_for_a_silent_feed() -> None:
    silent = live_freshness(last_received_ms=NOW_MS - HOUR_MS, collector=None)
    past = Subscription(range_ms=None, from_ms=NOW_MS - DAY_MS, to_ms=NOW_MS - HOUR_MS)

    assert view(past, totals=totals(limited=1))[0].full(silent, NOW_MS)["screen"]["kind"] == "normal"
    assert view(totals=totals(limited=1))[0].full(silent, NOW_MS)["screen"]["kind"] == "blind"


def test_every_message_names_its_view() -> None:
    made, _ = view(tail=(event_row(),))

    messages = [made.fresh(live_freshness(), NOW_MS), made.news(NOW_MS), made.whole_tail()]
    messages.append(made.full(live_freshness(), NOW_MS))

    assert {(m or {})["view"] for m in messages} == {SUB.view_id}
