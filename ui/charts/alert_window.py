"""What was counted around an incident, with the span that raised it shaded and changes as marks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from domain.incidents import Incident
from domain.windows import Window
from storage.rows import Marker, Series
from ui import wording
from ui.charts.axes import (
    REQUESTS_COLOUR,
    VIOLATION_COLOUR,
    count_axis,
    layout,
    marker_traces,
    time_axis,
    trace_uid,
)


def alert_figure(
    series: Series, incident: Incident, markers: Sequence[Marker], now_ms: int
) -> dict[str, Any]:
    """Requests pale, violations before them, the incident's span shaded.

    Args:
        series: Not split.
        incident: Whose span is shaded.
        markers: Changes, node events and gaps.
        now_ms: The end of a span that goes on.
    """
    window = Window(series.from_ms, series.from_ms + series.buckets * series.bucket_ms)
    violations = [sum(v) for v in zip(*(g.values for g in series.groups), strict=True)]
    violations = violations or [0] * series.buckets
    bars = []
    if series.requests is not None and any(series.requests):
        bars.append(_bars(series, "requests", REQUESTS_COLOUR, series.requests))
    bars.append(_bars(series, "violations", VIOLATION_COLOUR, violations))
    tallest = max([*violations, *(series.requests or ())], default=0)
    marks = marker_traces([m for m in markers if m.kind != "alert"], window)
    return {
        "data": [*bars, *marks],
        "layout": layout(
            f"alert:{series.bucket_ms}",
            time_axis(window, series.bucket_ms),
            count_axis(f"per {wording.per(series.bucket_ms)}", tallest),
            barmode="overlay",
            shapes=[_span(incident, window, now_ms)],
        ),
    }


def _span(incident: Incident, window: Window, now_ms: int) -> dict[str, Any]:
    end_ms = incident.resolved_ms or min(now_ms, incident.last_ms)
    return {
        "type": "rect",
        "xref": "x",
        "yref": "paper",
        "x0": max(window.from_ms, incident.from_ms),
        "x1": min(window.to_ms, max(end_ms, incident.from_ms + 10_000)),
        "y0": 0,
        "y1": 1,
        "fillcolor": "--st-red-color",
        "opacity": 0.1,
        "line": {"width": 0},
        "layer": "below",
    }


def _bars(series: Series, name: str, colour: str, values: Sequence[int]) -> dict[str, Any]:
    return {
        "type": "bar",
        "name": name,
        "uid": trace_uid("alert", name),
        "x0": series.from_ms,
        "dx": series.bucket_ms,
        "offset": 0,
        "width": series.bucket_ms,
        "y": list(values),
        "hovertemplate": "%{y:,} %{fullData.name}<extra></extra>",
        "marker": {"color": colour, "line": {"width": 0}},
    }


def backtest_figure(by_day: Sequence[tuple[int, int]], from_ms: int, to_ms: int) -> dict[str, Any]:
    """How often a rule would have fired, by day."""
    day_ms = 86_400_000
    window = Window(from_ms - from_ms % day_ms, to_ms)
    counts = dict(by_day)
    days = list(range(window.from_ms, window.to_ms, day_ms))
    values = [counts.get(day, 0) for day in days]
    return {
        "data": [
            {
                "type": "bar",
                "name": "would have fired",
                "uid": trace_uid("backtest"),
                "x": days,
                "offset": 0,
                "width": day_ms,
                "y": values,
                "hovertemplate": "%{y:,}<extra></extra>",
                "marker": {"color": VIOLATION_COLOUR, "line": {"width": 0}},
                "showlegend": False,
            }
        ],
        "layout": layout(
            "backtest", time_axis(window, day_ms), count_axis("alerts per day", max(values, default=0))
        ),
    }
