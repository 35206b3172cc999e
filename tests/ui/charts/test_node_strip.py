from __future__ import annotations

from domain.node_states import NodeState
from domain.windows import Window
from storage.rows import Marker
from tests.ui.node_rows import S, span
from tests.ui.scripted_reader import NOW_MS
from ui.charts.node_strip import (
    HEALTH_LOOKS,
    MOST_ROWS,
    STATE_LOOKS,
    strip_figure,
    strip_height,
    target_figure,
)
from ui.nodes_view import TargetLine, TargetSpan, blocks_of

WINDOW = Window(NOW_MS - 240 * S, NOW_MS)


def target_line(*spans: tuple[int, int, str], target: str = "10.0.0.1:80") -> TargetLine:
    return TargetLine(
        upstream="orders",
        target=target,
        node="n-1",
        node_name="gw-1",
        health="healthy",
        since_ms=NOW_MS,
        changes=0,
        spans=tuple(TargetSpan(NOW_MS - a * S, NOW_MS - b * S, health) for a, b, health in spans),
    )


def test_every_state_has_a_shape_of_its_own_so_that_colour_is_never_alone() -> None:
    assert set(STATE_LOOKS) == set(NodeState)
    assert len({symbol for _, symbol in STATE_LOOKS.values()}) == len(NodeState)


def test_blocks_stand_in_their_middle_in_the_row_of_their_node() -> None:
    late = blocks_of([span("n", 120, 0, "late")], WINDOW, 2)
    live = blocks_of([span("n", 240, 0)], WINDOW, 2)

    figure = strip_figure([("gw-2", late), ("gw-1", live)], (), WINDOW)

    traces = {trace["name"]: trace for trace in figure["data"]}
    assert (traces["◐ Late"]["x"], traces["◐ Late"]["y"]) == ([NOW_MS - 60 * S], [0])
    assert traces["● Live"]["y"] == [1, 1]
    assert traces["◐ Late"]["text"] == ["gw-2: ◐ Late, 2 min of 2 min"]
    assert figure["layout"]["xaxis"]["range"] == [WINDOW.from_ms, WINDOW.to_ms]


def test_names_are_plain_text_for_plotly() -> None:
    figure = strip_figure([("<b>$x$", blocks_of([span("n", 240, 0)], WINDOW, 1))], (), WINDOW)

    assert figure["layout"]["yaxis"]["ticktext"] == ["&lt;b&gt;&#36;x&#36;"]
    assert figure["data"][0]["text"][0].startswith("&lt;b&gt;")


def test_marks_and_gaps_are_drawn_over_the_rows() -> None:
    markers = (
        Marker(at_ms=NOW_MS - 60 * S, to_ms=None, kind="change", text="a change"),
        Marker(at_ms=NOW_MS - 90 * S, to_ms=NOW_MS - 80 * S, kind="gap", text="a gap"),
    )

    figure = strip_figure([("gw", blocks_of([], WINDOW))], markers, WINDOW)

    assert {trace["name"] for trace in figure["data"]} == {"configuration change", "gap in the feed"}


def test_a_target_is_a_line_per_health_broken_between_its_pieces() -> None:
    figure = target_figure([target_line((240, 90, "healthy"), (90, 0, "unhealthy"))], (), WINDOW)

    traces = {trace["name"]: trace for trace in figure["data"]}
    assert traces["● healthy"]["x"] == [NOW_MS - 240 * S, NOW_MS - 90 * S, None]
    assert traces["✕ unhealthy"]["y"] == [0, 0, None]
    assert not traces["● healthy"]["connectgaps"]
    assert figure["layout"]["yaxis"]["ticktext"] == ["10.0.0.1:80 @ gw-1"]


def test_bad_health_is_told_by_width_or_dash_as_well_as_colour() -> None:
    looks = {health: look[1:] for health, look in HEALTH_LOOKS.items()}

    assert len(set(looks.values())) == len(looks)


def test_a_chart_has_room_for_its_rows_and_an_end() -> None:
    assert strip_height(2) - strip_height(1) == 26
    assert strip_height(10_000) == strip_height(MOST_ROWS)
    many = target_figure([target_line((9, 0, "healthy"))] * (MOST_ROWS + 5), (), WINDOW)
    assert len(many["layout"]["yaxis"]["tickvals"]) == MOST_ROWS
