"""The pages of all consumers and of one."""
# ruff: noqa: S106, S107 - a token is what stands in a URL for a name

from __future__ import annotations

import functools
from typing import Any

import msgspec
import pytest
from streamlit.testing.v1 import AppTest

from domain.errors import DeadlineExceeded, StoreError
from domain.events import PluginSeen
from domain.filters import UNKNOWN_TOKEN, Dimension
from domain.windows import DAY_MS, HOUR_MS
from storage.batches import Gap
from storage.rows import CellRow, Entity, EventDetail, EventPage, Marker, PairRow, Series, SeriesGroup
from tests.ui.drawn import has_part, part, said, texts_of, titles_of
from tests.ui.event_rows import event_row
from tests.ui.scripted_reader import (
    NO_FRESHNESS,
    NOW_MS,
    ScriptedReader,
    collector_status,
    live_freshness,
    run_page,
    source_state,
    totals,
)
from ui import store


def cell(token: str = "acme", **changes: Any) -> CellRow:
    given: dict[str, Any] = {
        "label": token,
        "requests": 100,
        "limited": 10,
        "probable": 0,
        "unauthorized": 0,
        "first_ms": NOW_MS - HOUR_MS,
        "last_ms": NOW_MS - 10_000,
    }
    return CellRow(token=token, **(given | changes))


CELLS = (
    cell("acme", limited=40, probable=2, requests=400),
    cell(UNKNOWN_TOKEN, limited=20, unauthorized=7),
    cell("slow-batch", limited=9, requests=10, last_ms=NOW_MS - HOUR_MS),
    cell("good", limited=0, requests=9_000),
)
ACME = Entity(
    dimension=Dimension.CONSUMER,
    token="acme",
    id="c-1",
    label="acme",
    names=(("acme-old", NOW_MS - 40 * DAY_MS, NOW_MS - 9 * DAY_MS), ("acme", NOW_MS - 9 * DAY_MS, None)),
    deleted_ms=None,
    attributes={"custom_id": "4711", "tags": ["gold"]},
    first_seen_ms=NOW_MS - 40 * DAY_MS,
    last_seen_ms=NOW_MS - 60_000,
)
PLACE = PairRow(
    token="orders",
    label="orders",
    id="s-1",
    by_token="orders.read",
    by_label="orders.read",
    by_id="r-1",
    requests=400,
    limited=40,
    probable=2,
    last_ms=NOW_MS,
)
LIMITED = PairRow(
    token="20/minute",
    label="20/minute",
    id=None,
    by_token="orders.read",
    by_label="orders.read",
    by_id="r-1",
    requests=0,
    limited=40,
    probable=2,
    last_ms=NOW_MS,
)
PLUGIN = PluginSeen(
    plugin_id="p-1",
    name="rate-limiting",
    enabled=True,
    at_ms=NOW_MS - 30 * DAY_MS,
    service_id="s-1",
    config={"minute": 20, "limit_by": "consumer", "policy": "local"},
)


def by_question(of: Dimension, *_: Any) -> tuple[CellRow, ...]:
    return {
        Dimension.CONSUMER: CELLS,
        Dimension.IP: (cell("203.0.113.7", limited=42, requests=390), cell("203.0.113.8", limited=0)),
        Dimension.SERVICE: (cell("orders", limited=42),),
        Dimension.LIMIT: (cell("20/minute", limited=42, requests=None),),
    }.get(of, ())


def pairs(of: Dimension, *_: Any) -> tuple[PairRow, ...]:
    return (LIMITED,) if of == Dimension.LIMIT else (PLACE,)


def normal(**answers: Any) -> ScriptedReader:
    given: dict[str, Any] = {
        "freshness": live_freshness(sources=(source_state(first_received_ms=NOW_MS - 60 * DAY_MS),)),
        "totals": totals(requests=10_000, limited=69, probable=2, consumers=3, addresses=5),
        "breakdown": by_question,
        "pairs": pairs,
        "spread": {"acme": 15, "slow-batch": 1},
        "resolve": lambda _, text: ACME if text in ("acme", "acme-old", "c-1") else None,
        "plugins": (PLUGIN,),
        "activity": lambda window, *_: ((window.to_ms - HOUR_MS, 400, 40, 2),) if window.length_ms else (),
        "events": EventPage(rows=(event_row(seq=7),), next_seq=None, total=1),
        "series": lambda window, _filters, group, bucket_ms, *_: Series(
            from_ms=window.from_ms,
            bucket_ms=bucket_ms,
            buckets=2,
            groups=(SeriesGroup(token="acme", label="acme", values=(2, 40)),) if group else (),
            requests=(10, 20),
        ),
    }
    return ScriptedReader(**(given | answers))


def run(query: str = "", **answers: Any) -> AppTest:
    return once(query) if not answers else checked(normal(**answers), query)


@functools.cache
def once(query: str) -> AppTest:
    """The normal page; nothing is clicked on it."""
    return checked(normal(), query)


def checked(reader: ScriptedReader, query: str) -> AppTest:
    page = run_page("consumers", reader, query)
    assert not page.exception
    return page


def test_the_list_says_the_answer_first() -> None:
    text = said(run())

    assert "3 consumers were refused in the last 24 h: 71 violations, 0.7 % of 10,000 requests." in text
    assert "acme alone makes 59 % of the violations." in text


def test_a_row_tells_how_often_how_much_and_from_how_many() -> None:
    table = part(run(), "table", "gw-overview")
    rows = texts_of(table)

    assert rows[0][:3] + rows[0][4:8] == ["acme", "42", "2", "400", "10 %", "15", "0"]
    assert table["rows"][0]["cells"][1] == {"t": "42", "bar": 1.0}
    assert table["rows"][0]["cells"][3]["spark"] == [2, 40]
    assert rows[1][0] == "no consumer"
    assert rows[3][1] == "0"


def test_a_row_leads_to_its_consumer_and_offers_to_filter() -> None:
    row = part(run("range=6h&service=orders"), "table", "gw-overview")["rows"][0]

    assert row["h"] == "/consumers?range=6h&of=acme&service=orders"
    assert row["cells"][0]["f"] == {"d": "consumer", "v": "acme", "say": "consumer acme"}


def test_requests_without_a_consumer_have_no_page_but_events() -> None:
    row = part(run(), "table", "gw-overview")["rows"][1]

    assert row["h"] == "/events?consumer=~none"


@pytest.mark.parametrize(
    ("sort", "first"),
    [
        ("violations", "acme"),
        ("ratio", "slow-batch"),
        ("requests", "good"),
        ("spread", "acme"),
        ("x", "acme"),
    ],
)
def test_the_list_is_sorted_as_the_url_says(sort: str, first: str) -> None:
    table = part(run(f"sort={sort}"), "table", "gw-overview")

    assert texts_of(table)[0][0] == first
    assert [column["title"] for column in table["columns"] if column["sorted"]] != []


def test_a_title_leads_to_the_list_sorted_by_it_from_the_first_page() -> None:
    columns = part(run("page=2&q=&range=1h"), "table", "gw-overview")["columns"]

    assert next(c["sort"] for c in columns if c["title"] == "Refused") == "?range=1h&sort=ratio"


def test_a_long_list_is_turned_in_the_url() -> None:
    many = tuple(cell(f"c{i}", limited=200 - i) for i in range(120))

    def answer(_of: Dimension, _window: object, _filters: object, limit: int) -> tuple[CellRow, ...]:
        return many[:limit]

    second, last = (run(f"page={number}", breakdown=answer) for number in (2, 3))

    assert texts_of(part(second, "table", "gw-overview"))[0][0] == "c50"
    assert "51 to 100, more follow" in said(second)
    assert "101 to 120 of 120" in said(last)


def test_a_search_finds_by_former_name_and_says_so_when_it_does_not() -> None:
    found = run("q=acme-old", search=(ACME,))
    unknown = run("q=nobody")

    assert part(found, "table", "gw-overview")
    assert "No consumer is known as “nobody”, by name, former name or id." in said(unknown)
    assert not has_part(unknown, "table", "gw-overview")


def test_the_search_restricts_what_is_asked_of_the_store() -> None:
    reader = normal(search=(ACME,))
    run_page("consumers", reader, "q=acme&consumer=other")

    filters = next(asked[2] for name, asked in reader.asked if name == "breakdown")

    assert filters.values(Dimension.CONSUMER) == ("acme",)


def test_names_are_shown_letter_by_letter() -> None:
    evil = "[x](http://evil) **b** <img src=x> \u202egnp"
    page = run(breakdown=(cell(evil, limited=71),))

    assert texts_of(part(page, "table", "gw-overview"))[0][0] == evil.replace("\u202e", "\\u202e")
    assert "(http://evil)" not in page.markdown[-1].value


# ---- screens


def test_an_empty_store_shows_how_to_connect_and_no_list() -> None:
    page = run_page("consumers", ScriptedReader(freshness=NO_FRESHNESS))

    assert not page.exception
    assert "Nothing has been received yet" in said(page)
    assert "/intake/http-log" in "".join(code.value for code in page.code)
    assert not has_part(page, "table", "gw-overview")


def test_quiet_is_not_empty() -> None:
    page = run(totals=totals(), breakdown=())

    assert page.success[0].value.startswith("No requests in the last 24 h")
    assert not page.warning


def test_stale_data_is_shown_with_a_banner_above_it() -> None:
    stale = live_freshness(
        last_received_ms=NOW_MS - 600_000,
        sources=(source_state(connected=None, way="http-log", last_received_ms=NOW_MS - 600_000),),
    )
    page = run(freshness=stale)

    assert "This is not the present" in page.warning[0].value
    assert has_part(page, "table", "gw-overview")


def test_a_quiet_page_is_not_called_quiet_when_we_are_blind() -> None:
    gone = live_freshness(collector=None)
    page = run(freshness=gone, totals=totals(), breakdown=())

    assert "We cannot see" in page.warning[0].value
    assert not page.success
    assert "as far as we know" in page.info[0].value


def test_filters_that_leave_nothing_can_be_removed_here() -> None:
    def counted(_window: Any, filters: Any) -> Any:
        return totals(limited=0 if filters else 71, requests=100)

    page = run("service=orders", totals=counted, breakdown=())

    assert "0 of 71 violations match the filters" in page.info[0].value
    assert page.button(key="gw-unfilter-0").label == "Remove service \\= orders"


@pytest.mark.parametrize(
    ("error", "words"),
    [(DeadlineExceeded(2_000), "did not answer within 2 s"), (StoreError("no such file"), "cannot be read")],
)
def test_a_read_that_fails_is_said(error: Exception, words: str) -> None:
    assert words in said(run(totals=error))


# ---- one consumer


def test_one_consumer_is_an_answer_in_one_sentence() -> None:
    text = said(run("of=acme"))

    assert (
        "acme was refused 71 times in the last 7 d, 0.7 % of 10,000 requests, from 5 addresses, mostly on "
        "orders by 20 / minute." in text
    )
    assert "usually none" in text


def test_one_who_is_new_is_not_judged() -> None:
    young = msgspec.structs.replace(ACME, first_seen_ms=NOW_MS - HOUR_MS, names=())

    assert "Too little is known before this span to say what is usual: first seen" in said(
        run("of=acme", resolve=young)
    )


def test_the_numbers_lead_to_their_events() -> None:
    numbers = part(run("of=acme"), "numbers", "gw-numbers")["numbers"]

    assert [n["value"] for n in numbers] == ["71", "0.7 %", "10,000", "5", "0", "0"]
    assert numbers[0]["note"] == "2 of them probable"
    assert numbers[0]["href"].startswith("/events?from=2026-11-15T")
    assert numbers[0]["href"].endswith("&consumer=acme")


def test_unknown_requests_are_not_zero() -> None:
    page = run("of=acme", totals=totals(requests=None, limited=3))
    numbers = part(page, "numbers", "gw-numbers")["numbers"]

    assert [(n["value"], n["tone"]) for n in numbers[1:3]] == [("unknown", "unknown"), ("unknown", "unknown")]


def test_counts_with_a_gap_are_lower_bounds_and_say_why() -> None:
    page = run("of=acme", totals=totals(requests=9, limited=3, at_least=True, gap_ms=90_000))

    assert "was refused at least 3 times" in said(page)
    assert "1 min 30 s of this span are missing" in said(page)
    assert part(page, "numbers", "gw-numbers")["numbers"][0]["value"] == "at least 3"


def test_the_charts_count_what_the_url_says() -> None:
    violations = part(run("of=acme"), "chart", "gw-history")["figure"]
    requests = part(run("of=acme&measure=requests"), "chart", "gw-history")["figure"]

    assert violations["layout"]["yaxis"]["title"]["text"] == "violations per hour"
    assert requests["layout"]["yaxis"]["title"]["text"] == "requests per hour"


def test_gaps_teach_nothing_and_are_drawn() -> None:
    gap = Gap(source="gw-1", from_ms=NOW_MS - 3 * HOUR_MS, to_ms=NOW_MS - 2 * HOUR_MS, cause="restart")
    marker = Marker(at_ms=gap.from_ms, to_ms=gap.to_ms, kind="gap", text="gw-1: restart")
    figure = part(run("of=acme", gaps=(gap,), markers=(marker,)), "chart", "gw-history")["figure"]

    assert any(trace["name"] == "gap in the feed" for trace in figure["data"])


def test_where_from_and_against_what_are_told_with_their_share() -> None:
    page = run("of=acme")

    addresses, places = part(page, "table", "gw-addresses"), part(page, "table", "gw-places")

    assert texts_of(addresses)[0][:3] == ["203.0.113.7", "59 %", "42"]
    assert addresses["rows"][0]["cells"][0]["h"] == "/addresses?of=203.0.113.7"
    assert texts_of(places)[0][:4] == ["orders", "orders.read", "59 %", "42"]


def test_limits_in_force_tell_what_they_refused_and_what_is_left() -> None:
    table = part(run("of=acme"), "table", "gw-limits")

    assert titles_of(table) == ["Limit", "Set on", "Violations", "Used now", "Left", "How it counts"]
    assert texts_of(table) == [
        ["20 / minute", "service orders", "42", "358", "0", "each node counts alone"],
    ]


def test_without_plugins_limits_are_those_that_were_seen() -> None:
    page = run("of=acme", plugins=())

    assert texts_of(part(page, "table", "gw-limits"))[0][:2] == ["20 / minute", "route orders.read"]
    assert "Which limits are in force is not known" in said(page)


def test_a_lowered_limit_stands_among_what_changed() -> None:
    lowered = msgspec.structs.replace(
        PLUGIN, at_ms=NOW_MS - HOUR_MS, config={"minute": 5, "limit_by": "consumer"}
    )
    table = part(run("of=acme", plugins=(PLUGIN, lowered)), "table", "gw-changes")

    assert texts_of(table)[0][1] == "▲ rate-limiting on service orders: 20 / minute became 5 / minute"


def test_names_over_time_are_told_newest_first() -> None:
    page = run("of=acme-old")

    assert [row[0] for row in texts_of(part(page, "table", "gw-names"))] == ["acme", "acme-old", "c-1"]
    assert "formerly acme-old until 2026-11-13 22:00:00 (UTC)" in said(page)
    assert "custom id 4711" in said(page)


def test_a_deleted_consumer_keeps_its_page() -> None:
    gone = msgspec.structs.replace(ACME, deleted_ms=NOW_MS - DAY_MS)

    assert "✕ deleted 2026-11-21 22:00:00 (UTC)" in said(run("of=acme", resolve=gone))


def test_an_unknown_name_is_said_to_be_unknown() -> None:
    page = run(
        "of=nobody",
        totals=totals(requests=0),
        breakdown=(),
        pairs=(),
        events=EventPage(rows=(), next_seq=None, total=0),
    )

    assert "Nothing was seen of nobody in the last 7 d." in said(page)
    assert "nothing is known under this name" in said(page)


def test_none_seen_is_not_called_none_while_we_are_blind() -> None:
    gone = live_freshness(collector=None)
    page = run("of=acme", freshness=gone, totals=totals(requests=40), breakdown=())

    assert "As far as we know: acme made 40 requests in the last 7 d, and none was refused" in said(page)


def test_an_event_is_shown_down_to_its_json_in_place() -> None:
    detail = EventDetail(
        row=event_row(seq=7), payload={"key": "[redacted]", "evil": "a\u202eb"}, before=None, after=None
    )
    page = run("of=acme&seq=7", event=detail)

    assert "Event 7" in said(page)
    assert page.code[-1].value == '{\n  "key": "[redacted]",\n  "evil": "a\\u202eb"\n}'
    assert part(page, "table", "gw-its-events")["rows"][0]["chosen"] is True


def test_an_event_that_is_kept_no_more_is_said_to_be() -> None:
    assert "No event with this number is kept" in said(run("of=acme&seq=9", event=None))


def test_other_filters_hold_for_the_whole_page() -> None:
    reader = normal()
    run_page("consumers", reader, "of=acme&service=orders&not_ip=203.0.113.9")

    asked = [arguments for name, arguments in reader.asked if name == "totals"]

    assert asked[0][1].to_params() == {
        "consumer": ["acme"],
        "service": ["orders"],
        "not_ip": ["203.0.113.9"],
    }
    assert not [name for name, _ in reader.asked if name == "activity"]


def test_the_way_back_keeps_span_and_filters() -> None:
    reader = normal()
    page = run_page("consumers", reader, "of=acme&range=6h&service=orders&measure=requests")

    with store.using(lambda _: reader, lambda: NOW_MS):
        page.button(key="gw-to-list").click().run()

    assert not page.exception
    assert page.query_params == {"range": "6h", "service": "orders"}


def test_after_the_last_sign_of_life_the_history_is_hatched_and_trends_are_unknown() -> None:
    heard_ms = NOW_MS - HOUR_MS
    silent = live_freshness(
        last_received_ms=heard_ms,
        collector=collector_status(beat_ms=heard_ms),
        sources=(source_state(last_received_ms=heard_ms, last_beat_ms=heard_ms),),
    )
    query = f"from={NOW_MS - 3 * HOUR_MS}&to={NOW_MS}&of=acme"

    page = run_page("consumers", ScriptedReader(freshness=silent, resolve=ACME), query)

    assert not page.exception
    figure = part(page, "chart", "gw-history")["figure"]
    (gap,) = [trace for trace in figure["data"] if trace["name"] == "gap in the feed"]
    assert (gap["x"], gap["width"]) == ([heard_ms], [HOUR_MS])


def test_a_span_in_which_nothing_was_heard_is_no_quiet_span() -> None:
    heard_ms = NOW_MS - 3 * HOUR_MS
    silent = live_freshness(
        last_received_ms=heard_ms,
        collector=collector_status(beat_ms=heard_ms),
        sources=(source_state(last_received_ms=heard_ms, last_beat_ms=heard_ms),),
    )

    page = run_page(
        "consumers", ScriptedReader(freshness=silent), f"from={NOW_MS - 2 * HOUR_MS}&to={NOW_MS - HOUR_MS}"
    )

    assert not page.exception
    assert not page.success
    assert "as far as we know: nothing was heard then" in said(page)


def test_one_in_a_span_in_which_nothing_was_heard_has_no_numbers_and_no_verdict() -> None:
    heard_ms = NOW_MS - 3 * HOUR_MS
    silent = live_freshness(
        last_received_ms=heard_ms,
        collector=collector_status(beat_ms=heard_ms),
        sources=(source_state(last_received_ms=heard_ms, last_beat_ms=heard_ms),),
    )
    query = f"from={NOW_MS - 2 * HOUR_MS}&to={NOW_MS - HOUR_MS}&of=acme"

    page = run_page("consumers", ScriptedReader(freshness=silent, resolve=ACME), query)

    assert not page.exception
    assert not has_part(page, "numbers", "gw-numbers")
    assert "As far as we know: acme was not refused" in said(page)
    assert "its numbers are unknown, not zero" in said(page)
    assert "As usual" not in said(page)
