from __future__ import annotations

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from domain.errors import DeadlineExceeded, StoreError
from domain.windows import DAY_MS
from storage.batches import Gap
from tests.ui.scripted_reader import (
    NO_FRESHNESS,
    NOW_MS,
    ScriptedReader,
    collector_status,
    live_freshness,
    params_of,
    source_state,
    store_health,
)
from ui import store

SILENT = live_freshness(collector=collector_status(beat_ms=NOW_MS - 420_000))


def run(
    reader: Any, query: dict[str, list[str]] | None = None, sample: Any = None, **options: Any
) -> AppTest:
    """A page that shows its span and one answer of the reader."""

    def script(options: dict) -> None:
        import streamlit as st  # noqa: PLC0415 - the text of this function is run as a script

        from ui.components import page_frame  # noqa: PLC0415 - as above

        with page_frame.opened("consumers", **options) as page:
            st.code(f"{page.window.from_ms} {page.window.to_ms} {page.zone.name} {page_frame.at_least(page)}")
            page.reader.kind_counts(page.window)
            st.code("after")

    page = AppTest.from_function(script, kwargs={"options": options}, default_timeout=30)
    for key, values in (query or {}).items():
        page.query_params[key] = values
    with store.using(lambda is_sample: sample if is_sample else reader, lambda: NOW_MS):
        return page.run()


def body(page: AppTest) -> list[str]:
    return [code.value for code in page.code if not code.value.startswith("/")]


def test_a_page_is_given_its_own_span_and_a_reader() -> None:
    page = run(ScriptedReader(freshness=live_freshness()))

    assert not page.exception
    assert body(page) == [f"{NOW_MS - DAY_MS} {NOW_MS} UTC False", "after"]
    assert page.markdown[1].value == "## Consumers"


def test_a_title_from_data_cannot_be_markup() -> None:
    page = run(ScriptedReader(freshness=live_freshness()), title="[x](https://evil.example) :red[y]")

    assert page.markdown[1].value.startswith(r"## \[x\]\(https")


@pytest.mark.parametrize(
    ("freshness", "words"),
    [(SILENT, "the collector is not running"), (live_freshness(collector=None), "no collector has written")],
)
def test_numbers_that_are_not_the_present_stand_under_a_banner(freshness: Any, words: str) -> None:
    page = run(ScriptedReader(freshness=freshness))

    assert words in page.warning[0].value


def test_a_past_span_and_a_live_feed_have_no_banner() -> None:
    past = {"from": ["2026-01-13T09:30:00Z"], "to": ["2026-01-13T10:00:00Z"]}

    assert not run(ScriptedReader(freshness=SILENT), past).warning
    assert not run(ScriptedReader(freshness=live_freshness())).warning
    assert not run(ScriptedReader(freshness=NO_FRESHNESS)).warning


def test_a_read_that_takes_too_long_leaves_the_rest_of_the_page() -> None:
    page = run(ScriptedReader(freshness=live_freshness(), kind_counts=DeadlineExceeded(2_000)))

    assert body(page) == [f"{NOW_MS - DAY_MS} {NOW_MS} UTC False"]
    assert "did not answer within 2 s" in page.warning[0].value
    assert not page.exception


def test_a_database_that_cannot_be_read_is_said_in_words_that_cannot_be_markup() -> None:
    page = run(ScriptedReader(freshness=StoreError("<b>malformed</b>")))

    assert r"\<b\>malformed" in page.error[0].value
    assert body(page) == []


def test_everything_begins_with_the_day_of_the_oldest() -> None:
    reader = ScriptedReader(
        freshness=live_freshness(sources=(source_state(first_received_ms=NOW_MS - 3 * DAY_MS),)),
        health=store_health(oldest_event_ms=NOW_MS - 9 * DAY_MS),
    )

    start = int(body(run(reader, {"range": ["all"]}))[0].split()[0])

    assert start % DAY_MS == 0
    assert 0 <= NOW_MS - 9 * DAY_MS - start < DAY_MS


def test_a_gap_in_the_span_makes_counts_lower_bounds() -> None:
    gap = Gap(source="gw-1", from_ms=NOW_MS - 10, to_ms=NOW_MS - 5, cause="away")

    assert body(run(ScriptedReader(freshness=live_freshness(), gaps=(gap,))))[0].endswith("True")


def test_the_sample_is_read_from_its_own_database_and_labelled() -> None:
    ours, sample = ScriptedReader(freshness=live_freshness()), ScriptedReader(freshness=live_freshness())

    page = run(ours, {"sample": ["1"]}, sample)

    assert ours.asked == []
    assert any("Recorded sample, not your Kong" in found.value for found in page.markdown)
    assert page.button(key="gw-stop-sample").label == "Back to your own data"


def test_leaving_the_sample_shows_our_own_data_again() -> None:
    reader = ScriptedReader(freshness=live_freshness())
    page = run(reader, {"sample": ["1"], "range": ["1h"]}, ScriptedReader())

    with store.using(lambda is_sample: ScriptedReader() if is_sample else reader, lambda: NOW_MS):
        page.button(key="gw-stop-sample").click().run()

    assert params_of(page) == {"range": ["1h"]}
    assert reader.asked


def test_local_times_fall_back_to_utc_where_the_browser_names_no_zone() -> None:
    assert " UTC " in body(run(ScriptedReader(freshness=live_freshness()), {"zone": ["local"]}))[0]


def test_a_page_without_filters_and_spans_has_no_bar() -> None:
    page = run(ScriptedReader(freshness=live_freshness()), filters=False, ranges=False)

    assert not page.selectbox
