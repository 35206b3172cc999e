"""A window as whole buckets: nothing twice, nothing missing, whatever was cleared away."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.windows import DAY_MS, HOUR_MS, MINUTE_MS, Window
from storage.codes import WIDTHS_S
from storage.reading.spans import Buckets, Kept, Span, buckets, chart_width_ms, is_exact, spans

ALL = Kept((0, 0, 0))
DAYS = st.integers(0, 12).map(lambda days: days * DAY_MS)
KEPT = st.lists(DAYS, min_size=3, max_size=3).map(lambda found: Kept(tuple(sorted(found, reverse=True))))
WINDOWS = st.tuples(st.integers(0, 14 * DAY_MS), st.integers(0, 14 * DAY_MS)).map(
    lambda ends: Window(min(ends), max(ends))
)


@settings(max_examples=50)
@given(window=WINDOWS, kept=KEPT)
def test_spans_touch_and_hold_the_window(window: Window, kept: Kept) -> None:
    found = spans(window, kept)

    for before, after in itertools.pairwise(found):
        assert before.to_s == after.from_s
    if window.length_ms:
        assert found[0].from_s * 1000 <= window.from_ms
        assert found[-1].to_s * 1000 >= window.to_ms
    else:
        assert not found


@settings(max_examples=50)
@given(window=WINDOWS, kept=KEPT)
def test_no_span_reads_what_was_cleared_away(window: Window, kept: Kept) -> None:
    for span in spans(window, kept):
        assert span.from_s % WIDTHS_S[span.res] == span.to_s % WIDTHS_S[span.res] == 0
        assert span.res == 3 or span.from_s * 1000 >= kept.from_ms[span.res]


@settings(max_examples=50)
@given(window=WINDOWS, kept=KEPT)
def test_an_exact_window_is_not_widened(window: Window, kept: Kept) -> None:
    found = spans(window, kept)
    ends = (found[0].from_s * 1000, found[-1].to_s * 1000) if found else (window.from_ms, window.to_ms)

    if window.length_ms:
        assert is_exact(window, kept) == (ends == (window.from_ms, window.to_ms))


def test_the_coarsest_buckets_that_fit_are_taken() -> None:
    window = Window(DAY_MS - HOUR_MS - MINUTE_MS - 10_000, 3 * DAY_MS)

    assert spans(window, ALL) == [
        Span(0, 82_730, 82_740),
        Span(1, 82_740, 82_800),
        Span(2, 82_800, 86_400),
        Span(3, 86_400, 259_200),
    ]


def test_a_chart_is_as_narrow_as_what_is_kept_for_all_of_it() -> None:
    kept = Kept((10 * DAY_MS, 5 * DAY_MS, 0))

    assert chart_width_ms(Window(10 * DAY_MS, 11 * DAY_MS), 10_000, kept) == 10_000
    assert chart_width_ms(Window(9 * DAY_MS, 11 * DAY_MS), 10_000, kept) == MINUTE_MS
    assert chart_width_ms(Window(DAY_MS, 11 * DAY_MS), 5 * MINUTE_MS, kept) == HOUR_MS
    assert chart_width_ms(Window(0, DAY_MS), 15_000, ALL) == 20_000


def test_buckets_are_summed_from_the_widest_totals_that_divide_them() -> None:
    found = buckets(Window(1, DAY_MS), 2 * HOUR_MS, ALL)

    assert found == Buckets(res=2, from_ms=0, width_ms=2 * HOUR_MS, n=12)
    assert found.to_ms == DAY_MS
    assert found.spread([0, 3_600, 7_200], [1, 2, 4]).tolist() == [3, 4, *[0] * 10]  # type: ignore[arg-type]


def test_too_many_buckets_are_refused() -> None:
    with pytest.raises(ValueError, match="20001 buckets of 10000 ms, expected at most 20000"):
        buckets(Window(0, 20_001 * 10_000), 10_000, ALL)
