"""The history chart: bars, the band of what is usual, and what it says in words."""

from __future__ import annotations

from typing import Any

import pytest

from domain.baseline import Band, Basis
from domain.windows import DAY_MS, HOUR_MS, Window
from storage.rows import Marker
from ui.charts import history as charts
from ui.charts.history import history_figure, history_sentence
from ui.history import History, Measure

START_MS = 1_795_000_000_000 // DAY_MS * DAY_MS
WINDOW = Window(START_MS, START_MS + 4 * HOUR_MS)
LATER_MS = WINDOW.to_ms + 1
USUAL = Band(low=1, middle=2, high=5, samples=12, basis=Basis.HOUR_OF_WEEK)


def history(
    usual: Band | None = USUAL, usuals: tuple[Band | None, ...] | None = None, **changes: Any
) -> History:
    given: dict[str, Any] = {
        "window": WINDOW,
        "bucket_ms": HOUR_MS,
        "measure": Measure.VIOLATIONS,
        "sure": (2, 0, 40, 0),
        "probable": (1, 0, 0, 0),
        "usual": usuals or (usual,) * 4,
        "known_from_ms": 0,
    }
    return History(**(given | changes))


def traces(figure: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {trace["name"]: trace for trace in figure["data"]}


def test_a_bar_far_above_what_is_usual_is_drawn_apart_from_the_others() -> None:
    found = traces(history_figure(history(), [], LATER_MS))

    assert found["violations"]["y"] == [2, 0, None, 0]
    assert found[charts.ABOVE_NAME]["y"] == [None, None, 40, None]
    assert found[charts.ABOVE_NAME]["marker"]["color"] == charts.ABOVE_COLOUR
    assert found["violations"]["marker"]["color"] != charts.ABOVE_COLOUR


def test_probable_ones_stand_on_top_of_the_sure_ones() -> None:
    found = traces(history_figure(history(), [], LATER_MS))[charts.PROBABLE_NAME]

    assert (found["base"], found["y"]) == ([2, 0, 40, 0], [1, None, None, None])


def test_the_band_spans_what_is_usual_and_leaves_open_what_is_not_known() -> None:
    found = traces(history_figure(history(usuals=(None, USUAL, USUAL, USUAL)), [], LATER_MS))
    band = found[charts.BAND_NAME]

    assert (band["base"], band["y"]) == ([None, 1, 1, 1], [None, 4, 4, 4])
    assert band["customdata"][1] == "1 to 5"
    assert found["usual, the middle"]["y"] == [None, 2, 2, 2, 2]


def test_no_band_is_drawn_where_nothing_is_usual_or_known() -> None:
    never = Band(low=0, middle=0, high=0, samples=12, basis=Basis.LEVEL)

    assert charts.BAND_NAME not in traces(history_figure(history(usual=None), [], LATER_MS))
    assert charts.BAND_NAME not in traces(history_figure(history(usual=never), [], LATER_MS))


def test_the_bucket_that_is_not_over_is_hatched_and_the_axis_says_so() -> None:
    figure = history_figure(history(), [], START_MS + 2 * HOUR_MS + 1)

    assert traces(figure)["violations"]["marker"]["pattern"]["shape"] == ["", "", "/", "/"]
    assert figure["layout"]["xaxis"]["title"]["text"] == "time ({zone}), the last bar unfinished"


def test_axes_carry_what_is_counted_per_what_and_the_zone() -> None:
    layout = history_figure(history(measure=Measure.REQUESTS), [], LATER_MS)["layout"]

    assert layout["yaxis"]["title"]["text"] == "requests per hour"
    assert layout["xaxis"]["title"]["text"] == "time ({zone})"
    assert layout["xaxis"]["range"] == [WINDOW.from_ms, WINDOW.to_ms]
    assert layout["barmode"] == "overlay"


def test_silence_before_the_first_arrival_is_hatched_like_a_gap() -> None:
    gap = Marker(at_ms=START_MS + HOUR_MS, to_ms=START_MS + 2 * HOUR_MS, kind="gap", text="<b>restart</b>")
    found = traces(history_figure(history(known_from_ms=START_MS + 60_000), [gap], LATER_MS))

    assert found["gap in the feed"]["x"] == [START_MS + HOUR_MS, START_MS]
    assert found["gap in the feed"]["width"] == [HOUR_MS, 60_000]
    assert found["gap in the feed"]["text"] == [
        "&lt;b&gt;restart&lt;/b&gt;",
        "nothing had been received yet",
    ]


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        pytest.param(
            history(),
            "43 violations, at most 40 per hour. 1 bar is far above what is usual.",
            id="one bar stands out",
        ),
        pytest.param(
            history(sure=(2, 0, 4, 0)),
            "7 violations, at most 4 per hour. No bar is out of the ordinary.",
            id="nothing stands out",
        ),
        pytest.param(
            history(usual=None),
            "43 violations, at most 40 per hour. Too little past to say what is usual.",
            id="no past",
        ),
        pytest.param(
            history(sure=(0,) * 4, probable=(0,) * 4, usual=None),
            "No violations. Too little past to say what is usual.",
            id="nothing at all",
        ),
    ],
)
def test_the_sentence_says_what_the_chart_shows(found: History, sentence: str) -> None:
    assert history_sentence(found, LATER_MS) == sentence
