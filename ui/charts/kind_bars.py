"""Events of one kind over time, stacked: rows in, Plotly figure out."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

from domain.windows import Window
from storage.node_rows import KindSeries
from storage.rows import Marker
from ui import wording
from ui.charts.axes import OTHER_COLOUR, PALETTE, count_axis, layout, marker_traces, time_axis, trace_uid
from ui.safe_text import in_plotly

MOST_GROUPS = 7
OTHER = "Other"
UNSAID = "not said"


def folded(series: KindSeries, most: int = MOST_GROUPS) -> list[tuple[str, tuple[int, ...]]]:
    """The largest groups by name, the rest summed as Other."""
    groups = [(name or UNSAID, values) for name, values in series.groups]
    if len(groups) <= most:
        return groups
    kept, rest = groups[: most - 1], groups[most - 1 :]
    return [*kept, (OTHER, tuple(map(sum, zip(*(values for _, values in rest), strict=True))))]


def kind_figure(
    series: KindSeries, markers: Sequence[Marker], noun: str, now_ms: int, names: dict[str, str] | None = None
) -> dict[str, Any]:
    """Stacked bars per bucket.

    Args:
        series: What to draw.
        markers: Changes, node events and gaps.
        noun: What is counted, in the plural.
        now_ms: The bucket that holds it is hatched: it is not over.
        names: What groups are called, such as host names for ids of nodes.
    """
    window = Window(series.from_ms, series.from_ms + series.buckets * series.bucket_ms)
    groups = folded(series)
    colours = _colours([name for name, _ in groups])
    bars = [_bars(series, name, values, colours[name], now_ms, names or {}) for name, values in groups]
    tallest = max(map(sum, zip(*(values for _, values in groups), strict=True)), default=0)
    unfinished = "the last bar unfinished" if window.from_ms < now_ms < window.to_ms else ""
    marks = [trace | {"showlegend": False} for trace in marker_traces(markers, window)]
    return {
        "data": [*(bars or [_nothing(series)]), *marks],
        "layout": layout(
            f"{noun}:{series.bucket_ms}",
            time_axis(window, series.bucket_ms, note=unfinished),
            count_axis(f"{noun} per {wording.per(series.bucket_ms)}", tallest),
            barmode="stack",
        ),
    }


def _colours(names: Sequence[str]) -> dict[str, str]:
    """A colour of its own for each name, as far as there are enough; the same name mostly the same one."""
    found: dict[str, str] = {}
    for name in sorted(names):
        start = zlib.crc32(name.encode("utf-8", "replace")) % len(PALETTE)
        order = PALETTE[start:] + PALETTE[:start]
        free = [colour for colour in order if colour not in found.values()]
        found[name] = OTHER_COLOUR if name in {OTHER, UNSAID} else (free or list(order))[0]
    return found


def _nothing(series: KindSeries) -> dict[str, Any]:
    """Plotly draws no axis that has nothing on it."""
    return {
        "type": "bar",
        "x0": series.from_ms,
        "dx": series.bucket_ms,
        "y": [0] * series.buckets,
        "showlegend": False,
        "hoverinfo": "skip",
    }


def _bars(
    series: KindSeries, name: str, values: Sequence[int], colour: str, now_ms: int, names: dict[str, str]
) -> dict[str, Any]:
    ends = [series.from_ms + (i + 1) * series.bucket_ms for i in range(series.buckets)]
    return {
        "type": "bar",
        "name": in_plotly(names.get(name, name)),
        "meta": name,
        "uid": trace_uid("kind", name),
        "x0": series.from_ms,
        "dx": series.bucket_ms,
        "offset": 0,
        "width": series.bucket_ms,
        "y": list(values),
        "hovertemplate": "%{y:,} %{fullData.name}<extra></extra>",
        "marker": {
            "color": colour,
            "line": {"width": 0},
            "pattern": {"shape": ["/" if end > now_ms else "" for end in ends], "fillmode": "replace"},
        },
    }
