from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.windows import (
    DAY_MS,
    HOUR_MS,
    MAX_POINTS,
    MINUTE_MS,
    RESOLUTIONS_MS,
    Window,
    bucket_width_ms,
    ceil_ms,
    floor_ms,
    pieces,
    resolution_for,
)

INSTANTS = st.integers(0, 4_000_000_000_000)
SPANS = st.tuples(INSTANTS, st.integers(0, 3 * 365 * DAY_MS)).map(lambda pair: Window(pair[0], sum(pair)))


def test_a_window_may_not_end_before_it_starts() -> None:
    with pytest.raises(ValueError, match="a window ends before it starts: 2 to 1"):
        Window(2, 1)


def test_the_previous_window_is_as_long_and_touches() -> None:
    assert Window(10, 15).previous() == Window(5, 10)


@given(INSTANTS, st.sampled_from(RESOLUTIONS_MS))
def test_an_instant_lies_between_its_floor_and_its_ceiling(at_ms: int, width_ms: int) -> None:
    floor, ceiling = floor_ms(at_ms, width_ms), ceil_ms(at_ms, width_ms)

    assert floor <= at_ms <= ceiling
    assert ceiling - floor in (0, width_ms)
    assert floor % width_ms == ceiling % width_ms == 0


@pytest.mark.parametrize(
    ("length_ms", "width_ms"),
    [
        (15 * MINUTE_MS, 10_000),
        (HOUR_MS, 30_000),
        (DAY_MS, 5 * MINUTE_MS),
        (7 * DAY_MS, HOUR_MS),
        (0, 10_000),
    ],
)
def test_a_span_has_the_bucket_that_people_expect(length_ms: int, width_ms: int) -> None:
    assert bucket_width_ms(Window(0, length_ms)) == width_ms


@given(SPANS)
def test_a_chart_never_gets_more_points_than_it_can_show(window: Window) -> None:
    width_ms = bucket_width_ms(window)

    assert window.length_ms <= width_ms * MAX_POINTS
    assert width_ms % resolution_for(width_ms) == 0


@given(SPANS, st.sampled_from(RESOLUTIONS_MS))
def test_the_pieces_of_a_window_touch_and_cover_it_and_are_few(window: Window, finest_ms: int) -> None:
    found = pieces(window, finest_ms)

    covered = window.aligned(finest_ms)
    edges = [(piece.from_ms, piece.to_ms) for piece in found]
    assert len(found) <= 7
    assert all(before[1] == after[0] for before, after in itertools.pairwise(edges))
    assert all((piece.to_ms - piece.from_ms) % piece.resolution_ms == 0 for piece in found)
    assert all(piece.resolution_ms >= finest_ms for piece in found)
    if window.length_ms:
        assert (edges[0][0], edges[-1][1]) == (covered.from_ms, covered.to_ms)


def test_an_empty_aligned_window_has_no_pieces() -> None:
    assert pieces(Window(DAY_MS, DAY_MS)) == []
