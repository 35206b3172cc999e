"""The page of events, with its quarantine and its gaps."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from domain.errors import DeadlineExceeded
from domain.windows import HOUR_MS
from storage.batches import Gap
from storage.rows import EventDetail, EventPage, QuarantineRow
from tests.ui.drawn import has_part, part, said, texts_of, titles_of
from tests.ui.event_rows import event_row
from tests.ui.scripted_reader import (
    NO_FRESHNESS,
    NOW_MS,
    ScriptedReader,
    live_freshness,
    run_page,
    source_state,
)
from ui import store

CHANGE = event_row(
    seq=6,
    kind="crud",
    event="services.updated",
    consumer_id=None,
    consumer=None,
    ip=None,
    certainty=None,
    counted=False,
    entity_type="services",
    entity_name="orders",
    operation="update",
    actor="ana",
)
ROWS = (event_row(seq=7), CHANGE)
COUNTS = (("rate-limiting", "exceeded", 40), ("crud", "services.updated", 2), ("novel", "shiny", 1))


def reader_of(**answers: Any) -> ScriptedReader:
    given: dict[str, Any] = {
        "freshness": live_freshness(),
        "events": EventPage(rows=ROWS, next_seq=5, total=43),
        "kind_counts": COUNTS,
    }
    return ScriptedReader(**(given | answers))


def drawn(query: str, **answers: Any) -> AppTest:
    page = run_page("events", reader_of(**answers), query)
    assert not page.exception
    return page


once = functools.cache(drawn)
"""The page as it normally is; nothing is clicked on it."""


def run(query: str = "", **answers: Any) -> AppTest:
    return drawn(query, **answers) if answers else once(query)


def asked(reader: ScriptedReader) -> tuple[Any, ...]:
    return next(arguments for name, arguments in reader.asked if name == "events")


def test_every_kind_is_one_line_with_its_links() -> None:
    table = part(run(), "table", "gw-events")

    assert titles_of(table)[:3] == ["Time (UTC)", "Kind", "What"]
    assert texts_of(table)[0][1:7] == [
        "rate limiting",
        "429 by 20 / minute",
        "acme",
        "203.0.113.7",
        "orders",
        "orders.read",
    ]
    assert texts_of(table)[1][1:3] == ["configuration", "service orders updated by ana"]
    assert table["rows"][0]["cells"][3]["h"] == "/consumers?of=c-1"


def test_a_table_of_refusals_alone_needs_no_kind() -> None:
    table = part(run(events=EventPage(rows=ROWS[:1], next_seq=None, total=1)), "table", "gw-events")

    assert "Kind" not in titles_of(table)


def test_columns_that_would_be_empty_are_left_out() -> None:
    table = part(run(events=EventPage(rows=(CHANGE,), next_seq=None, total=1)), "table", "gw-events")

    assert titles_of(table) == ["Time (UTC)", "Kind", "What", "Service", "Route"]


def test_how_many_match_is_said() -> None:
    assert "2 of 43 events" in said(run())


def test_counts_with_a_gap_are_lower_bounds() -> None:
    gap = Gap(source="gw-1", from_ms=NOW_MS - HOUR_MS, to_ms=NOW_MS, cause="restart")

    assert "2 of at least 43 events" in said(run(gaps=(gap,)))


def test_the_url_says_which_events() -> None:
    reader = reader_of()
    run_page(
        "events",
        reader,
        "kind=crud&kind=novel&name=services.updated&certainty=certain&certainty=x&text=ana"
        "&consumer=acme&before=900&range=6h",
    )
    query, before, _ = asked(reader)

    assert (query.kinds, query.events) == (("crud", "novel"), ("services.updated",))
    assert (query.certainties, query.text, before) == (("certain",), "ana", 900)
    assert query.filters.to_params() == {"consumer": ["acme"]}
    assert query.window.to_ms - query.window.from_ms == 6 * HOUR_MS


def test_kinds_are_offered_with_their_counts_unknown_ones_as_they_came() -> None:
    page = run("kind=crud")
    kinds = page.get("button_group")

    options = [option.content for group in kinds for option in group.proto.options]

    assert "rate limiting 40" in options
    assert "novel 1" in options


def test_an_event_is_shown_whole_beside_the_list() -> None:
    detail = EventDetail(row=ROWS[0], payload={"a": 1}, before={"limit": 60}, after={"limit": 5})
    page = run("of=7&kind=rate-limiting", event=detail)
    fields = {row[0]: row[1] for row in texts_of(part(page, "table", "gw-event-fields"))}

    assert fields["What"] == "429 by 20 / minute"
    assert fields["Certainty"] == "● certain"
    assert fields["Request id"] == "r-1"
    assert [code.value for code in page.code][-3:] == [
        '{\n  "limit": 60\n}',
        '{\n  "limit": 5\n}',
        '{\n  "a": 1\n}',
    ]
    assert part(page, "table", "gw-events")["rows"][0]["chosen"] is True
    assert part(page, "table", "gw-events")["rows"][0]["h"] == "?kind=rate-limiting"


def test_an_event_that_was_counted_by_another_sender_says_so() -> None:
    row = event_row(seq=7, counted=False)
    page = run("of=7", event=EventDetail(row=row, payload=None, before=None, after=None))

    certainty = part(page, "table", "gw-event-fields")["rows"][3]["cells"][1]

    assert "not counted, because the same refusal was told more exactly" in certainty["n"]
    assert "No body was kept of this event." in said(page)


def test_older_events_have_an_address_of_their_own() -> None:
    reader = reader_of()
    page = run_page("events", reader, "kind=crud")
    with store.using(lambda _: reader, lambda: NOW_MS):
        page.button(key="gw-older").click().run()

    assert page.query_params == {"kind": "crud", "before": "5"}


@pytest.mark.parametrize(
    ("query", "counts", "words"),
    [
        pytest.param("", (), "No event was stored in the last 1 h", id="quiet"),
        pytest.param("service=orders", COUNTS, "0 of 43 events match the filters", id="filtered"),
        pytest.param(
            "kind=cache", COUNTS, "0 of 43 events of this span match what is chosen above", id="narrowed"
        ),
    ],
)
def test_nothing_to_show_has_its_reason(query: str, counts: tuple[Any, ...], words: str) -> None:
    nothing = EventPage(rows=(), next_seq=None, total=0)
    page = run(query, events=nothing, kind_counts=counts)

    assert words in said(page)
    assert not has_part(page, "table", "gw-events")


def test_quiet_since_a_minute_is_not_quiet_for_an_hour() -> None:
    nothing = EventPage(rows=(), next_seq=None, total=0)
    fresh = live_freshness(sources=(source_state(first_received_ms=NOW_MS - 60_000),))

    page = run(events=nothing, kind_counts=(), freshness=fresh)

    assert "as far as we know: nothing was heard in 59 min of it" in said(page)
    assert not page.success


def test_what_could_not_be_read_is_listed_with_its_reason_and_shown_whole() -> None:
    raw = '{"x": "<script>"}' + " " * 300 + "end"
    row = QuarantineRow(
        seq=3, at_ms=NOW_MS - 5_000, source="http-log", why="entry 3: status is text", raw=raw
    )
    page = run("tab=quarantine&raw=3", quarantine=(row,))
    table = part(page, "table", "gw-quarantine")

    assert texts_of(table)[0][1:3] == ["http-log", "entry 3: status is text"]
    assert page.code[-1].value == raw
    assert not has_part(page, "table", "gw-events")


def test_gaps_are_listed_with_length_sender_and_cause_and_lead_to_the_time_around_them() -> None:
    gap = Gap(source="gw-1", from_ms=NOW_MS - HOUR_MS, to_ms=NOW_MS - HOUR_MS + 90_000, cause="dropped 12")
    table = part(run("tab=gaps", gaps=(gap,)), "table", "gw-gaps")

    assert texts_of(table)[0][2:] == ["1 min 30 s", "gw-1", "dropped 12"]
    assert table["rows"][0]["h"].startswith("/?from=2026-11-22T20:00:00Z&to=2026-11-22T22:01:30Z")


@pytest.mark.parametrize(("tab", "words"), [("quarantine", "could be read"), ("gaps", "No gap is known")])
def test_no_trouble_is_said_with_a_tick(tab: str, words: str) -> None:
    text = said(run(f"tab={tab}"))

    assert words in text
    assert "✓" in text


def test_downloads_ask_for_exactly_what_is_filtered() -> None:
    page = run("kind=crud&consumer=acme&range=6h")
    links = [link.proto.url for link in page.get("link_button")]

    assert links[0].startswith("/gatewatch/export/events.csv?from=1795363200000&to=1795384800000")
    assert "&consumer=acme&kind=crud&ticket=" in links[0]
    assert links[1].startswith("/gatewatch/export/events.jsonl?")


def test_an_empty_store_shows_how_to_connect() -> None:
    page = run_page("events", ScriptedReader(freshness=NO_FRESHNESS))

    assert not page.exception
    assert "Nothing has been received yet" in said(page)


def test_a_question_that_takes_too_long_is_said_to() -> None:
    assert "did not answer within 2 s" in said(run(events=DeadlineExceeded(2_000)))
