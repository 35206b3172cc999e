from __future__ import annotations

from domain.filters import OTHER_TOKEN, UNKNOWN_TOKEN, Dimension
from storage.rows import Marker, Series, SeriesGroup
from ui.charts.axes import assign_colours
from ui.charts.live import live_figure

FROM_MS = 1_768_296_600_000
BUCKET_MS = 10_000


def series(*groups: tuple[str, tuple[int, ...]]) -> Series:
    buckets = len(groups[0][1]) if groups else 3
    made = tuple(SeriesGroup(token=token, label=token, values=values) for token, values in groups)
    return Series(from_ms=FROM_MS, bucket_ms=BUCKET_MS, buckets=buckets, groups=made, requests=None)


def figure(shown: Series, now_ms: int = FROM_MS + 25_000, markers: tuple[Marker, ...] = ()) -> dict:  # type: ignore[type-arg] - what Plotly takes
    colours = assign_colours(Dimension.CONSUMER, [g.token for g in shown.groups])
    return live_figure(shown, markers, Dimension.CONSUMER, colours, now_ms)


def test_bars_are_stacked_in_the_order_of_the_rows() -> None:
    made = figure(series(("a", (1, 2, 3)), (OTHER_TOKEN, (0, 0, 1))))

    assert made["layout"]["barmode"] == "stack"
    assert [(t["name"], t["y"]) for t in made["data"]] == [("a", [1, 2, 3]), ("Other", [0, 0, 1])]
    assert made["data"][0]["meta"] == "a"


def test_only_the_bar_that_is_not_over_is_hatched() -> None:
    made = figure(series(("a", (1, 2, 3))))

    assert made["data"][0]["marker"]["pattern"]["shape"] == ["", "", "/"]
    assert "the last bar unfinished" in made["layout"]["xaxis"]["title"]["text"]


def test_a_span_that_is_over_has_no_unfinished_bar() -> None:
    made = figure(series(("a", (1, 2, 3))), now_ms=FROM_MS + 30_000)

    assert set(made["data"][0]["marker"]["pattern"]["shape"]) == {""}
    assert "unfinished" not in made["layout"]["xaxis"]["title"]["text"]


def test_the_axis_says_what_is_counted_and_per_what() -> None:
    assert figure(series(("a", (1, 2, 3))))["layout"]["yaxis"]["title"]["text"] == "violations per 10 s"


def test_without_violations_there_is_still_an_axis_from_zero() -> None:
    made = figure(series())

    assert made["data"][0]["y"] == [0, 0, 0]
    assert made["layout"]["yaxis"]["range"][0] == 0


def test_requests_without_a_consumer_say_so() -> None:
    assert figure(series((UNKNOWN_TOKEN, (1,))))["data"][0]["name"] == "no consumer"


def test_a_name_cannot_be_markup() -> None:
    assert figure(series(("<b>x</b>", (1,))))["data"][0]["name"] == "&lt;b&gt;x&lt;/b&gt;"


def test_marks_are_drawn_but_the_legend_is_for_bars() -> None:
    change = Marker(at_ms=FROM_MS, to_ms=None, kind="change", text="orders")

    made = figure(series(("a", (1,))), markers=(change,))

    assert [t.get("showlegend", True) for t in made["data"]] == [True, False]


def test_hidden_series_are_known_again_by_token_whatever_their_place() -> None:
    first = figure(series(("a", (1,)), ("b", (2,))))["data"]
    second = figure(series(("b", (2,)), ("a", (1,))))["data"]

    assert {t["meta"]: t["uid"] for t in first} == {t["meta"]: t["uid"] for t in second}
