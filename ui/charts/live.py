"""The main chart of Live: rows in, Plotly figure out. See `ui.charts.axes` for what the browser adds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from domain.filters import Dimension
from domain.windows import Window
from storage.rows import Marker, Series, SeriesGroup
from ui import wording
from ui.charts.axes import count_axis, layout, marker_traces, time_axis, trace_uid
from ui.safe_text import in_plotly


def live_figure(
    series: Series, markers: Sequence[Marker], group: Dimension, colours: Mapping[str, str], now_ms: int
) -> dict[str, Any]:
    """Stacked bars of violations per bucket, gaps hatched, changes and node events as marks at the top.

    The legend names the bars only; `axes.mark_key` says the rest in words.
    """
    window = Window(series.from_ms, series.from_ms + series.buckets * series.bucket_ms)
    bars = [_bars(series, row, group, colours, now_ms) for row in series.groups] or [_no_bars(series)]
    tallest = max(map(sum, zip(*(g.values for g in series.groups), strict=True)), default=0)
    note = "the last bar unfinished" if now_ms < window.to_ms else ""
    marks = [trace | {"showlegend": False} for trace in marker_traces(markers, window)]
    return {
        "data": bars + marks,
        "layout": layout(
            f"{group}:{series.bucket_ms}",
            time_axis(window, series.bucket_ms, note=note),
            count_axis(f"violations per {wording.per(series.bucket_ms)}", tallest),
            barmode="stack",
        ),
    }


def _no_bars(series: Series) -> dict[str, Any]:
    """Plotly draws no axis that has nothing on it, and a chart without violations still has one."""
    nothing = {"type": "bar", "x0": series.from_ms, "dx": series.bucket_ms, "y": [0] * series.buckets}
    return nothing | {"showlegend": False, "hoverinfo": "skip"}


def _bars(
    series: Series, row: SeriesGroup, group: Dimension, colours: Mapping[str, str], now_ms: int
) -> dict[str, Any]:
    finished = [series.from_ms + (i + 1) * series.bucket_ms <= now_ms for i in range(series.buckets)]
    return {
        "type": "bar",
        "name": in_plotly(wording.label(group, row.token, row.label)),
        "meta": row.token,
        "uid": trace_uid(group, row.token),
        "x0": series.from_ms,
        "dx": series.bucket_ms,
        "offset": 0,
        "width": series.bucket_ms,
        "y": list(row.values),
        "hovertemplate": "%{y:,} %{fullData.name}<extra></extra>",
        "marker": {
            "color": colours[row.token],
            "line": {"width": 0},
            "pattern": {"shape": ["" if done else "/" for done in finished], "fillmode": "replace"},
        },
    }
