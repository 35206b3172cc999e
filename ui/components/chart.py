"""Puts a figure of `ui.charts` on a page, in both themes, in the shown zone, and keeps zoom across refreshes.

    click = show_chart(figure, key="history", zone=page.zone, label="Violations of acme over time",
                       clickable=True)
    if click and click.token:
        found = links.target(page.state, Dimension.SERVICE, click.token)

Dragging across a chart over time zooms, and offers to show that span on the whole page.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import streamlit as st

from domain.windows import Window
from ui.components.browser_part import declare
from ui.server.assets import browser_path, plotly_path
from ui.state import current_state, set_state
from ui.zones import UTC, Zone

CSS = """
:host, .gw-chart { display: block; position: relative; }
.gw-span {
  position: absolute; top: 2px; right: 10px; padding: 2px 8px;
  font: inherit; font-size: 12px; cursor: pointer;
  color: var(--st-background-color); background: var(--st-primary-color); border: 0;
  border-radius: var(--st-button-radius);
}
.gw-span:focus-visible { outline: 2px solid var(--st-text-color); outline-offset: 2px; }
.gw-trouble { color: var(--st-text-color); font-size: 13px; padding: 1rem 0; }
[hidden] { display: none !important; }
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Click:
    """A point that somebody clicked."""

    trace: str
    """Name of its trace as shown."""
    token: str | None
    """The trace's `meta`."""
    x: float | str | None
    """UTC milliseconds on an axis of time, else the category or number."""
    y: float | str | None
    custom: Any
    """The point's `customdata`."""


@functools.cache
def _component() -> Any:
    return declare("chart", '<div class="gw-chart"></div>', CSS)


def show_chart(
    figure: Mapping[str, Any],
    *,
    key: str,
    label: str,
    zone: Zone = UTC,
    height: int = 260,
    clickable: bool = False,
) -> Click | None:
    """Draw a figure; returns the point that was clicked just now.

    Args:
        figure: From a function in `ui.charts`: `{"data": [...], "layout": {...}}`.
        key: Unique on the page; as long as it stays, the chart stays in place and is only redrawn.
        label: What the chart shows, for people who hear the page.
        zone: In which times are shown.
        height: In pixels.
        clickable: Whether clicks on points are reported.
    """
    window_ms = (figure.get("layout", {}).get("xaxis", {}).get("range") or (0, 0))[1]
    data = {
        "module": browser_path("chart.js"),
        "plotly": plotly_path(),
        "figure": figure,
        "zone": zone.name,
        "zoneLabel": zone.label(window_ms) if isinstance(window_ms, int) else zone.name,
        "label": label,
        "height": height,
        "clickable": clickable,
        "spans": True,
    }
    result = _component()(
        key=key,
        data=data,
        on_point_change=_nothing,
        on_span_change=functools.partial(_show_span, key),
    )
    point = result.point
    return None if not isinstance(point, dict) else _click(point)


def _nothing() -> None:
    """A trigger is only reported to components that name a callback for it."""


def _show_span(key: str) -> None:
    """The whole page shows the span that was dragged over."""
    span: Any = st.session_state[key].span
    try:
        window = Window(int(span["from_ms"]), int(span["to_ms"]))
    except (TypeError, KeyError, ValueError):
        return  # what a browser sends is its own affair; a span that is none changes nothing
    if window.from_ms >= 0 and window.length_ms:
        set_state(current_state().at(window))


def _click(point: Mapping[str, Any]) -> Click:
    token = point.get("token")
    return Click(
        trace=str(point.get("trace", "")),
        token=token if isinstance(token, str) else None,
        x=point.get("x"),
        y=point.get("y"),
        custom=point.get("custom"),
    )
