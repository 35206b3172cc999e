from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.filters import OTHER_TOKEN, UNKNOWN_TOKEN, Dimension
from domain.windows import DAY_MS, HOUR_MS, MINUTE_MS, Window
from storage.rows import Marker
from ui.charts.axes import (
    MARKS,
    NOBODY_COLOUR,
    OTHER_COLOUR,
    PALETTE,
    SIGNS,
    STATE_COLOURS,
    assign_colours,
    count_axis,
    layout,
    mark_key,
    marker_traces,
    time_axis,
    trace_uid,
)

WINDOW = Window(1_768_296_600_000, 1_768_296_600_000 + HOUR_MS)


def marker(kind: str, at_ms: int, to_ms: int | None = None, text: str = "x") -> Marker:
    return Marker(at_ms=at_ms, to_ms=to_ms, kind=kind, text=text)


def test_an_axis_of_time_names_its_zone() -> None:
    axis = time_axis(WINDOW, 10_000, note="the last bar unfinished")

    assert axis["title"]["text"] == "time ({zone}), the last bar unfinished"
    assert axis["range"] == [WINDOW.from_ms, WINDOW.to_ms]


@pytest.mark.parametrize(
    ("bucket_ms", "expected"),
    [(10_000, "%d %b %H:%M:%S"), (MINUTE_MS, "%d %b %H:%M"), (DAY_MS, "%d %b %Y"), (None, "%d %b %H:%M:%S")],
)
def test_hover_times_are_as_fine_as_the_buckets(bucket_ms: int | None, expected: str) -> None:
    assert time_axis(WINDOW, bucket_ms)["hoverformat"] == expected


def test_counts_start_at_zero_and_small_ones_are_whole() -> None:
    assert count_axis("violations per min", 300)["rangemode"] == "tozero"
    assert count_axis("violations per min", 2)["dtick"] == 1
    assert count_axis("violations per min", 0)["range"] == [0, 1.15]


def test_colours_of_entities_are_never_those_of_states() -> None:
    assert not {colour for colour in STATE_COLOURS.values() if not colour.startswith("--st-")}
    assert "#D55E00" not in PALETTE


def test_a_token_keeps_the_colour_that_it_had() -> None:
    first = assign_colours(Dimension.CONSUMER, ["a", "b", "c"])

    second = assign_colours(Dimension.CONSUMER, ["z", "c", "a"], first)

    assert (second["a"], second["c"]) == (first["a"], first["c"])


def test_a_token_alone_has_the_same_colour_in_any_company_that_leaves_it_free() -> None:
    alone = assign_colours(Dimension.CONSUMER, ["acme"])["acme"]

    assert assign_colours(Dimension.CONSUMER, ["acme", OTHER_TOKEN])["acme"] == alone


@given(st.lists(st.text(min_size=1), unique=True, max_size=len(PALETTE)))
def test_no_two_shown_together_share_a_colour(tokens: list[str]) -> None:
    colours = assign_colours(Dimension.IP, tokens)

    assert len(set(colours.values())) == len(tokens)


def test_what_is_no_name_is_grey() -> None:
    colours = assign_colours(Dimension.IP, [UNKNOWN_TOKEN, "10.0.0.1", OTHER_TOKEN])

    assert (colours[OTHER_TOKEN], colours[UNKNOWN_TOKEN]) == (OTHER_COLOUR, NOBODY_COLOUR)


def test_no_markers_no_traces() -> None:
    assert marker_traces([], WINDOW) == []
    assert mark_key([]) == ""


def test_a_gap_is_cut_to_the_window_and_stays_wide_enough_to_be_seen() -> None:
    traces = marker_traces(
        [marker("gap", 0, WINDOW.from_ms + MINUTE_MS), marker("gap", WINDOW.to_ms - 1)], WINDOW
    )

    assert [t["name"] for t in traces] == ["gap in the feed"]
    assert traces[0]["x"] == [WINDOW.from_ms, WINDOW.to_ms - 1]
    assert traces[0]["width"] == [MINUTE_MS, HOUR_MS // 500]


def test_a_gap_outside_the_window_is_not_drawn() -> None:
    assert marker_traces([marker("gap", WINDOW.to_ms, WINDOW.to_ms + 5)], WINDOW) == []
    assert marker_traces([marker("gap", 0, WINDOW.from_ms - 1)], WINDOW) == []


def test_each_kind_has_a_shape_a_sign_and_a_name_of_its_own() -> None:
    markers = [marker(kind, WINDOW.from_ms + i) for i, kind in enumerate([*MARKS, "gap"])]

    traces = marker_traces(markers, WINDOW)

    assert len({t["name"] for t in traces}) == len({t["uid"] for t in traces}) == len(markers)
    assert len({t["marker"]["symbol"] for t in traces if "symbol" in t["marker"]}) == len(MARKS)
    assert set(SIGNS) == {*MARKS, "gap"}
    assert mark_key(markers).count("·") == len(markers) - 1


def test_texts_of_markers_cannot_be_markup() -> None:
    trace = marker_traces([marker("change", WINDOW.from_ms, text="<a href='x'>$y$</a>")], WINDOW)[0]

    assert trace["text"] == ["&lt;a href='x'&gt;&#36;y&#36;&lt;/a&gt;"]


@given(st.text(), st.text())
def test_a_uid_can_stand_in_a_selector_whatever_the_name(a: str, b: str) -> None:
    assert re.fullmatch(r"t[0-9a-f]{16}", trace_uid(a, b))
    assert (trace_uid(a, b) == trace_uid(b, a)) == (a == b)


def test_a_layout_keeps_zoom_as_long_as_its_revision_stays() -> None:
    made = layout("r", time_axis(WINDOW), count_axis("n", 9), barmode="stack")

    assert made["uirevision"] == "r"
    assert made["barmode"] == "stack"
    assert made["yaxis2"]["range"] == [0, 1]
