from __future__ import annotations

from storage.node_rows import KindSeries
from storage.rows import Marker
from tests.ui.scripted_reader import NOW_MS
from ui.charts.axes import OTHER_COLOUR
from ui.charts.kind_bars import MOST_GROUPS, folded, kind_figure

MINUTE = 60_000


def series(*groups: tuple[str, tuple[int, ...]]) -> KindSeries:
    return KindSeries(from_ms=NOW_MS - 2 * MINUTE, bucket_ms=MINUTE, buckets=2, groups=groups)


def test_the_largest_groups_have_names_and_the_rest_is_other() -> None:
    many = series(*[(f"type-{i}", (10 - i, 0)) for i in range(MOST_GROUPS + 2)])

    found = folded(many)

    assert [name for name, _ in found] == [f"type-{i}" for i in range(MOST_GROUPS - 1)] + ["Other"]
    assert found[-1][1] == (sum(10 - i for i in range(MOST_GROUPS - 1, MOST_GROUPS + 2)), 0)


def test_bars_are_stacked_with_axes_that_say_what_and_per_what() -> None:
    figure = kind_figure(series(("services", (1, 2)), ("", (3, 0))), (), "dropped keys", NOW_MS)

    assert [(trace["name"], trace["y"]) for trace in figure["data"]] == [
        ("services", [1, 2]),
        ("not said", [3, 0]),
    ]
    assert figure["layout"]["barmode"] == "stack"
    assert figure["layout"]["yaxis"]["title"]["text"] == "dropped keys per minute"
    assert "{zone}" in figure["layout"]["xaxis"]["title"]["text"]
    assert figure["data"][1]["marker"]["color"] == OTHER_COLOUR


def test_the_bar_that_is_not_over_is_hatched_and_said() -> None:
    figure = kind_figure(series(("services", (1, 2))), (), "dropped keys", NOW_MS - 1)

    assert figure["data"][0]["marker"]["pattern"]["shape"] == ["", "/"]
    assert "the last bar unfinished" in figure["layout"]["xaxis"]["title"]["text"]


def test_a_group_has_its_own_colour_and_keeps_it_when_others_come() -> None:
    alone = kind_figure(series(("services", (1, 0))), (), "x", NOW_MS)["data"][0]["marker"]["color"]
    both = kind_figure(series(("services", (1, 0)), ("zzz", (1, 0))), (), "x", NOW_MS)["data"]

    assert both[0]["marker"]["color"] == alone
    assert both[0]["marker"]["color"] != both[1]["marker"]["color"]


def test_nodes_are_called_by_their_names_and_clicks_report_their_ids() -> None:
    trace = kind_figure(series(("n-1", (1, 0))), (), "pushes", NOW_MS, {"n-1": "gw<1>"})["data"][0]

    assert (trace["name"], trace["meta"]) == ("gw&lt;1&gt;", "n-1")


def test_without_events_the_axes_are_drawn_all_the_same_and_marks_stay() -> None:
    mark = Marker(at_ms=NOW_MS - 1_000, to_ms=None, kind="change", text="x")

    figure = kind_figure(series(), (mark,), "dropped keys", NOW_MS)

    assert figure["data"][0]["y"] == [0, 0]
    assert figure["data"][1]["name"] == "configuration change"
