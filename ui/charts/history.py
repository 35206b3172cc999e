"""One consumer's or address's history: bars, the band of what is usual, gaps, and what changed meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from domain.baseline import Standing
from storage.rows import Marker
from ui import wording as words
from ui.charts.axes import (
    BAND_COLOUR,
    REQUESTS_COLOUR,
    STATE_COLOURS,
    VIOLATION_COLOUR,
    count_axis,
    layout,
    marker_traces,
    time_axis,
)
from ui.history import History, Measure

COLOURS = {Measure.VIOLATIONS: VIOLATION_COLOUR, Measure.REQUESTS: REQUESTS_COLOUR}
ABOVE_COLOUR = STATE_COLOURS["critical"]
"""The only bars that have the colour of a state are those that are out of the ordinary."""
PROBABLE_COLOUR = "#7FB8D8"
"""The colour of violations, paler: on light and on dark alike."""
MIDDLE_COLOUR = "--st-gray-color"
BAND_NAME = "usual (8 of 10)"
ABOVE_NAME = "▲ more than usual"
PROBABLE_NAME = "◐ probable"


def history_figure(history: History, markers: Sequence[Marker], now_ms: int) -> dict[str, Any]:
    """Bars per bucket; a bar far above what is usual has the colour of a state, and a legend that says so.

    Args:
        history: What to draw.
        markers: Gaps as spans, changes and node events as points.
        now_ms: The bucket that holds it is hatched: it is not over.
    """
    window, tallest = history.window, _tallest(history)
    traces = [_band(history), *_bars(history, now_ms), _middle(history)]
    traces += marker_traces([*markers, *_before_anyone_listened(history)], window)
    unfinished = "the last bar unfinished" if window.from_ms < now_ms < window.to_ms else ""
    title = f"{history.measure} per {words.per(history.bucket_ms)}"
    return {
        "data": [trace for trace in traces if trace],
        "layout": layout(
            f"{history.measure}:{history.bucket_ms}",
            time_axis(window, history.bucket_ms, note=unfinished),
            count_axis(title, tallest),
            barmode="overlay",
        ),
    }


def history_sentence(history: History, now_ms: int) -> str:
    """What the chart shows, in words: the highest bar, and how many are out of the ordinary."""
    noun, per = history.measure.value, words.per(history.bucket_ms)
    total = sum(history.totals)
    highest = f"{total:,} {noun}, at most {max(history.totals, default=0):,} per {per}."
    if not total:
        highest = f"No {noun}."
    if not any(history.usual):
        return f"{highest} Too little past to say what is usual."
    above = history.standings(now_ms).count(Standing.ABOVE)
    if not above:
        return f"{highest} No bar is out of the ordinary."
    return f"{highest} {words.counted(above, 'bar is', 'bars are')} far above what is usual."


def _tallest(history: History) -> float:
    return max([*history.totals, *(band.high for band in history.usual if band), 0])


def _before_anyone_listened(history: History) -> list[Marker]:
    """Silence before the first arrival is not zero, so it is drawn as a gap."""
    if history.known_from_ms <= history.window.from_ms:
        return []
    text = "nothing had been received yet"
    return [Marker(at_ms=history.window.from_ms, to_ms=history.known_from_ms, kind="gap", text=text)]


def _band(history: History) -> dict[str, Any]:
    """Where eight tenths of the comparable buckets of the past lie."""
    if not any(band and band.high for band in history.usual):
        return {}
    return _over_time(history) | {
        "type": "bar",
        "name": BAND_NAME,
        "base": [band.low if band else None for band in history.usual],
        "y": [band.high - band.low if band else None for band in history.usual],
        "customdata": [f"{band.low:,.0f} to {band.high:,.0f}" if band else "" for band in history.usual],
        "hovertemplate": "usually %{customdata}<extra></extra>",
        "marker": {"color": BAND_COLOUR, "line": {"width": 0}},
    }


def _middle(history: History) -> dict[str, Any]:
    if not any(band and band.high for band in history.usual):
        return {}
    steps = (*history.usual, history.usual[-1])
    return {
        "type": "scatter",
        "mode": "lines",
        "name": "usual, the middle",
        "showlegend": False,
        "x0": history.window.from_ms,
        "dx": history.bucket_ms,
        "y": [band.middle if band else None for band in steps],
        "hoverinfo": "skip",
        "line": {"shape": "hv", "width": 1.5, "color": MIDDLE_COLOUR, "dash": "dot"},
        "connectgaps": False,
    }


def _over_time(history: History) -> dict[str, Any]:
    return {
        "x0": history.window.from_ms,
        "dx": history.bucket_ms,
        "offset": 0,
        "width": history.bucket_ms,
    }


def _bars(history: History, now_ms: int) -> list[dict[str, Any]]:
    above = [standing == Standing.ABOVE for standing in history.standings(now_ms)]
    noun, colour = history.measure.value, COLOURS[history.measure]
    return [
        _bar(history, now_ms, noun, colour, [not yes for yes in above]),
        _bar(history, now_ms, ABOVE_NAME, ABOVE_COLOUR, above) if any(above) else {},
        _probable(history, now_ms),
    ]


def _bar(history: History, now_ms: int, name: str, colour: str, chosen: Sequence[bool]) -> dict[str, Any]:
    return _over_time(history) | {
        "type": "bar",
        "name": name,
        "y": [count if yes else None for count, yes in zip(history.sure, chosen, strict=True)],
        "hovertemplate": f"%{{y:,}} {history.measure}<extra></extra>",
        "marker": _filled(history, colour, now_ms),
    }


def _probable(history: History, now_ms: int) -> dict[str, Any]:
    """On top of the sure ones, paler: the log entry alone cannot prove them."""
    if not any(history.probable):
        return {}
    return _over_time(history) | {
        "type": "bar",
        "name": PROBABLE_NAME,
        "base": list(history.sure),
        "y": [count or None for count in history.probable],
        "hovertemplate": "%{y:,} more are probable<extra></extra>",
        "marker": _filled(history, PROBABLE_COLOUR, now_ms),
    }


def _filled(history: History, colour: str, now_ms: int) -> dict[str, Any]:
    shapes = ["/" if start_ms + history.bucket_ms > now_ms else "" for start_ms in history.starts]
    return {"color": colour, "line": {"width": 0}, "pattern": {"shape": shapes, "fillmode": "replace"}}
