"""The main chart of Live: rows in, Plotly figure out. No Streamlit, no clock.

Colours of the theme stand as `--st-...` names, and `{zone}` for the zone of the axis: the browser knows both.
Times are UTC milliseconds; the browser moves them into the viewer's zone.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from domain.filters import OTHER_TOKEN, Dimension
from storage.rows import Marker, Series
from ui import wording_live as words

PALETTE = ("#0072B2", "#56B4E9", "#009E73", "#CC79A7", "#E69F00", "#7A6FC0", "#B5A300", "#5F8F9F")
"""Okabe and Ito without vermilion, which is kept for states, and three more between them."""
OTHER_COLOUR = "#9AA5B0"
MARKERS = {
    "change": ("configuration change", "diamond"),
    "node": ("node or target", "triangle-down"),
}
MARKER_HEIGHT = 0.96
"""Of the chart's height, so that they never hide a bar's foot."""
MAX_TEXT_CHARS = 160


def plotly_text(text: str) -> str:
    """Data as Plotly shows it letter by letter: it reads a little HTML in names and hover texts.

    Characters that turn or hide text are shown by their code.
    """
    shown = "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text[:MAX_TEXT_CHARS]
    )
    return shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("$", "&#36;")


def assign_colours(
    dimension: Dimension, tokens: Sequence[str], earlier: Mapping[str, str] | None = None
) -> dict[str, str]:
    """A colour for each token: what it had, else its own by hash, else the next that is free.

    The same token has the same colour everywhere unless two shown together share one.
    """
    known = earlier or {}
    found = {token: known[token] for token in tokens if token in known}
    for token in sorted(tokens):
        if token not in found:
            found[token] = _free_colour(f"{dimension}:{token}", token, set(found.values()))
    return found


def _free_colour(seed: str, token: str, taken: set[str]) -> str:
    if token == OTHER_TOKEN:
        return OTHER_COLOUR
    start = zlib.crc32(seed.encode()) % len(PALETTE)
    order = PALETTE[start:] + PALETTE[:start]
    return next((colour for colour in order if colour not in taken), order[0])


def live_figure(
    series: Series, markers: Sequence[Marker], group: Dimension, colours: Mapping[str, str], now_ms: int
) -> dict[str, Any]:
    """Stacked bars of violations per bucket, gaps hatched, changes and node events as marks at the top."""
    traces = [_bars(series, row, group, colours, now_ms) for row in series.groups]
    traces += [_gaps([m for m in markers if m.kind == "gap"], series)]
    traces += [_marks([m for m in markers if m.kind == kind], kind) for kind in MARKERS]
    return {"data": [t for t in traces if t], "layout": _layout(series, group, now_ms)}


def _bars(
    series: Series, row: Any, group: Dimension, colours: Mapping[str, str], now_ms: int
) -> dict[str, Any]:
    name = plotly_text(words.label(group, row.token, row.label))
    finished = [series.from_ms + (i + 1) * series.bucket_ms <= now_ms for i in range(series.buckets)]
    return {
        "type": "bar",
        "name": name,
        "meta": row.token,
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


def _gaps(gaps: Sequence[Marker], series: Series) -> dict[str, Any]:
    """Hatched bands: for these spans something is known to be missing."""
    end_ms = series.from_ms + series.buckets * series.bucket_ms
    spans = [
        (max(m.at_ms, series.from_ms), min(m.to_ms or m.at_ms, end_ms), plotly_text(m.text)) for m in gaps
    ]
    spans = [(a, max(b, a + series.bucket_ms // 10), text) for a, b, text in spans if a < end_ms]
    if not spans:
        return {}
    return {
        "type": "bar",
        "name": "gap in the feed",
        "x": [a for a, _, _ in spans],
        "offset": 0,
        "width": [b - a for a, b, _ in spans],
        "y": [1] * len(spans),
        "yaxis": "y2",
        "text": [text for _, _, text in spans],
        "textposition": "none",
        "hovertemplate": "gap: %{text}<extra></extra>",
        "marker": {
            "color": "--st-secondary-background-color",
            "opacity": 0.8,
            "line": {"width": 0},
            "pattern": {
                "shape": "x",
                "fillmode": "overlay",
                "fgcolor": "--st-gray-color",
                "size": 7,
                "solidity": 0.2,
            },
        },
    }


def _marks(markers: Sequence[Marker], kind: str) -> dict[str, Any]:
    if not markers:
        return {}
    name, symbol = MARKERS[kind]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [m.at_ms for m in markers],
        "y": [MARKER_HEIGHT] * len(markers),
        "yaxis": "y2",
        "text": [plotly_text(m.text) for m in markers],
        "hovertemplate": "%{text}<extra></extra>",
        "cliponaxis": False,
        "marker": {
            "symbol": symbol,
            "size": 10,
            "color": "--st-text-color",
            "line": {"width": 1, "color": "--st-background-color"},
        },
    }


def _layout(series: Series, group: Dimension, now_ms: int) -> dict[str, Any]:
    end_ms = series.from_ms + series.buckets * series.bucket_ms
    tallest = max(map(sum, zip(*(g.values for g in series.groups), strict=True)), default=0)
    unfinished = ", the last bar unfinished" if now_ms < end_ms else ""
    value_axis: dict[str, Any] = {
        "title": {"text": f"violations per {words.per(series.bucket_ms)}", "standoff": 6},
        "rangemode": "tozero",
        "fixedrange": True,
        "tickformat": ",d",
    }
    if tallest <= 4:  # noqa: PLR2004 - so few that Plotly would number halves
        value_axis |= {"dtick": 1, "range": [0, max(1, tallest) * 1.15]}
    return {
        "barmode": "stack",
        "bargap": 0,
        "hovermode": "x unified",
        "dragmode": "zoom",
        "uirevision": f"{group}:{series.bucket_ms}",
        "margin": {"l": 52, "r": 10, "t": 30, "b": 42},
        "legend": {"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom", "traceorder": "normal"},
        "xaxis": {
            "type": "date",
            "range": [series.from_ms, end_ms],
            "title": {"text": f"time ({{zone}}){unfinished}", "standoff": 8},
            "hoverformat": "%H:%M:%S" if series.bucket_ms < 86_400_000 else "%d %b",  # noqa: PLR2004 - a day
        },
        "yaxis": value_axis,
        "yaxis2": {"overlaying": "y", "range": [0, 1], "fixedrange": True, "visible": False},
    }
