"""What every chart shares: colours, axes with unit and zone, the marks at the top, the layout.

A chart module is "rows in, figure out": a function that returns a plotly figure as a dict, built from these
parts, without Streamlit and without a clock. `ui.components.chart.show_chart` puts it on a page.

Conventions that the browser's side relies on (`ui/browser/figures.js`):

- Times (`x`, `x0`, ranges) are UTC milliseconds; the browser moves them into the shown zone.
- A colour of the theme stands by its name, such as `--st-text-color`; the browser puts in the colour.
- `{zone}` in an axis title becomes the zone's label.
- A trace that somebody may hide has a `uid` (`trace_uid`), so that it stays hidden when the order changes.
- Names from data go through `in_plotly`; what a click should report stands in the trace's `meta` (a token).
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from domain.filters import OTHER_TOKEN, UNKNOWN_TOKEN, Dimension
from domain.windows import DAY_MS, Window
from storage.rows import Marker
from ui.safe_text import in_plotly

PALETTE = ("#0072B2", "#56B4E9", "#009E73", "#CC79A7", "#E69F00", "#7A6FC0", "#B5A300", "#5F8F9F")
"""Okabe and Ito without vermilion, which is kept for states, and three more between them. For *entities*."""
OTHER_COLOUR = "#9AA5B0"
NOBODY_COLOUR = "#66717D"
"""Of requests that have no consumer, route, ...: no name, and not the rest either."""
VIOLATION_COLOUR = "#0072B2"
"""Violations where they are not split by entity."""
REQUESTS_COLOUR = "#9AA5B0"
BAND_COLOUR = "rgba(122, 134, 146, 0.22)"
"""What is usual."""

STATE_COLOURS = {
    "good": "--st-green-color",
    "notice": "--st-yellow-color",
    "high": "--st-orange-color",
    "critical": "--st-red-color",
    "unknown": "--st-gray-color",
}
"""For states only, and never without an icon and a word."""

MARKS = {
    "change": ("configuration change", "diamond", "--st-text-color"),
    "alert": ("alert", "triangle-up", "--st-red-color"),
    "node": ("node or target", "triangle-down", "--st-text-color"),
    "block": ("block", "square", "--st-text-color"),
}
"""Kind of a marker -> its name, its shape, its colour; a `gap` is a hatched band."""
GAP_NAME = "gap in the feed"
SIGNS = {"change": "◆ change", "alert": "▲ alert", "node": "▼ node", "block": "■ block", "gap": "▒ gap"}
"""The shapes as characters with a word each, for a key above a chart."""
MARK_HEIGHT = 0.96
"""Of the chart's height, so that marks never hide a bar's foot."""
FEW = 4
"""At most so high, Plotly would number halves."""


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
    if token in (OTHER_TOKEN, UNKNOWN_TOKEN):
        return OTHER_COLOUR if token == OTHER_TOKEN else NOBODY_COLOUR
    start = zlib.crc32(seed.encode()) % len(PALETTE)
    order = PALETTE[start:] + PALETTE[:start]
    return next((colour for colour in order if colour not in taken), order[0])


def time_axis(window: Window, bucket_ms: int | None = None, *, note: str = "") -> dict[str, Any]:
    """The x axis of a chart over time.

    Args:
        window: What it spans.
        bucket_ms: Width of a bucket, for the hover text.
        note: Added to the title, such as `the last bar unfinished`.
    """
    of_day = bucket_ms is not None and bucket_ms >= DAY_MS
    return {
        "type": "date",
        "range": [window.from_ms, window.to_ms],
        "title": {"text": "time ({zone})" + (f", {note}" if note else ""), "standoff": 8},
        "hoverformat": "%d %b %Y" if of_day else "%d %b %H:%M" + (":%S" if _is_fine(bucket_ms) else ""),
        "showgrid": False,
    }


def _is_fine(bucket_ms: int | None) -> bool:
    return bucket_ms is None or bool(bucket_ms % 60_000)


def count_axis(title: str, tallest: float) -> dict[str, Any]:
    """The y axis of counts, from zero; `title` names what is counted and per what."""
    axis: dict[str, Any] = {
        "title": {"text": title, "standoff": 6},
        "rangemode": "tozero",
        "fixedrange": True,
        "tickformat": ",d",
        "nticks": 6,
    }
    if tallest <= FEW:
        axis |= {"dtick": 1, "range": [0, max(1, tallest) * 1.15]}
    return axis


def layout(
    revision: str, x_axis: Mapping[str, Any], y_axis: Mapping[str, Any], **more: Any
) -> dict[str, Any]:
    """A whole layout, with the overlay axis `y2` (0 to 1) that marks and gaps are drawn on.

    Args:
        revision: As long as it and the length of the span stay the same, zoom and hidden legend entries are
            kept across refreshes.
        x_axis: See `time_axis`.
        y_axis: See `count_axis`.
        more: Anything else of Plotly's layout, such as `barmode`.
    """
    return {
        "hovermode": "x unified",
        "dragmode": "zoom",
        "bargap": 0,
        "uirevision": revision,
        "margin": {"l": 56, "r": 10, "t": 30, "b": 42},
        "legend": {
            "orientation": "h",
            "x": 0,
            "y": 1.0,
            "yanchor": "bottom",
            "traceorder": "normal",
            "entrywidth": 0,
        },
        "xaxis": dict(x_axis),
        "yaxis": dict(y_axis),
        "yaxis2": {"overlaying": "y", "range": [0, 1], "fixedrange": True, "visible": False},
        **more,
    }


def trace_uid(*parts: str) -> str:
    """A trace's `uid`, the same whenever the parts are. Plotly puts it into CSS selectors as it is."""
    return "t" + hashlib.blake2s("\0".join(parts).encode(), digest_size=8).hexdigest()


def marker_traces(markers: Sequence[Marker], window: Window) -> list[dict[str, Any]]:
    """Changes, alerts, node events and gaps as every chart over time draws them; none for no markers."""
    traces = [gap_trace([m for m in markers if m.kind == "gap"], window)]
    traces += [_mark_trace([m for m in markers if m.kind == kind], kind) for kind in MARKS]
    return [trace for trace in traces if trace]


def mark_key(markers: Sequence[Marker]) -> str:
    """Which marks a chart has, in words: `◆ change · ▒ gap`."""
    found = {marker.kind for marker in markers}
    return " · ".join(words for kind, words in SIGNS.items() if kind in found)


def gap_trace(gaps: Sequence[Marker], window: Window) -> dict[str, Any]:
    """Hatched bands over spans for which something is known to be missing; empty when there are none."""
    end_ms, thinnest_ms = window.to_ms, max(1, window.length_ms // 500)
    spans = [(max(m.at_ms, window.from_ms), min(m.to_ms or m.at_ms, end_ms), in_plotly(m.text)) for m in gaps]
    spans = [(a, max(b, a + thinnest_ms), text) for a, b, text in spans if a < end_ms and b >= window.from_ms]
    if not spans:
        return {}
    return {
        "type": "bar",
        "name": GAP_NAME,
        "uid": trace_uid("gap"),
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
                "solidity": 0.12,
            },
        },
    }


def _mark_trace(markers: Sequence[Marker], kind: str) -> dict[str, Any]:
    if not markers:
        return {}
    name, symbol, colour = MARKS[kind]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "uid": trace_uid(kind),
        "x": [m.at_ms for m in markers],
        "y": [MARK_HEIGHT] * len(markers),
        "yaxis": "y2",
        "text": [in_plotly(m.text) for m in markers],
        "hovertemplate": "%{text}<extra></extra>",
        "cliponaxis": False,
        "marker": {
            "symbol": symbol,
            "size": 10,
            "color": colour,
            "line": {"width": 1, "color": "--st-background-color"},
        },
    }
