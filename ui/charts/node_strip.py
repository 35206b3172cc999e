"""Nodes and targets over time: one row each, state by colour, shape and word. Rows in, Plotly figure out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from domain.node_states import NodeState
from domain.windows import Window
from storage.rows import Marker
from ui import wording
from ui import wording_nodes as words
from ui.charts.axes import STATE_COLOURS, layout, marker_traces, time_axis, trace_uid
from ui.nodes_view import Block, TargetLine
from ui.safe_text import in_plotly

STATE_LOOKS = {
    NodeState.LIVE: (STATE_COLOURS["good"], "square"),
    NodeState.LATE: (STATE_COLOURS["high"], "triangle-up"),
    NodeState.LOST: (STATE_COLOURS["critical"], "x"),
    NodeState.NEVER_SEEN: (STATE_COLOURS["high"], "circle-open"),
    NodeState.DRIFTED: (STATE_COLOURS["notice"], "diamond"),
    NodeState.INCOMPATIBLE: (STATE_COLOURS["high"], "hourglass"),
    NodeState.UNKNOWN: (STATE_COLOURS["unknown"], "square-open"),
}
"""State -> colour and shape: the shape says the same to those who do not tell the colours apart."""
HEALTH_LOOKS = {
    "healthy": (STATE_COLOURS["good"], 5, "solid"),
    "unhealthy": (STATE_COLOURS["critical"], 11, "solid"),
    "dns_error": (STATE_COLOURS["critical"], 11, "dash"),
    "healthchecks_off": (STATE_COLOURS["unknown"], 3, "solid"),
    "unknown": (STATE_COLOURS["unknown"], 3, "dot"),
}
"""Health -> colour, width of the line, dash."""
ROW_PX = 26
AROUND_PX = 92
MOST_ROWS = 60
MARKER_PX = 13
LEFT_PX = 250
NAME_CHARS = 36


def strip_height(rows: int) -> int:
    """Pixels for so many rows."""
    return AROUND_PX + ROW_PX * max(1, min(rows, MOST_ROWS))


def strip_figure(
    strips: Sequence[tuple[str, Sequence[Block]]], markers: Sequence[Marker], window: Window
) -> dict[str, Any]:
    """Blocks of every node, the first node on top; each block shows the worst state in it.

    Args:
        strips: (name of the node, its blocks).
        markers: Changes, node events and gaps.
        window: What the blocks span.
    """
    shown = strips[:MOST_ROWS]
    traces = [_blocks(state, shown) for state in NodeState]
    return {
        "data": [trace for trace in (*traces, *_quiet_marks(markers, window)) if trace],
        "layout": _rows_layout("nodes", [name for name, _ in shown], window, markers),
    }


def _quiet_marks(markers: Sequence[Marker], window: Window) -> list[dict[str, Any]]:
    return [trace | {"showlegend": False} for trace in marker_traces(markers, window)]


def _blocks(state: NodeState, strips: Sequence[tuple[str, Sequence[Block]]]) -> dict[str, Any]:
    found = [
        (row, block) for row, (_, blocks) in enumerate(strips) for block in blocks if block.state is state
    ]
    if not found:
        return {}
    colour, symbol = STATE_LOOKS[state]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": words.STATES[state],
        "uid": trace_uid("state", state),
        "x": [(block.from_ms + block.to_ms) // 2 for _, block in found],
        "y": [row for row, _ in found],
        "text": [in_plotly(_block_words(strips[row][0], block)) for row, block in found],
        "hovertemplate": "%{text}<extra></extra>",
        "marker": {
            "symbol": symbol,
            "size": MARKER_PX,
            "color": colour,
            "line": {"width": 1.5, "color": colour},
        },
    }


def _block_words(name: str, block: Block) -> str:
    state = words.STATES[block.state] if block.state else ""
    length_ms = round((block.to_ms - block.from_ms) * block.share)
    return f"{name}: {state}, {wording.duration(length_ms)} of {wording.span(block.to_ms - block.from_ms)}"


def target_figure(lines: Sequence[TargetLine], markers: Sequence[Marker], window: Window) -> dict[str, Any]:
    """The health of every target as every node sees it, the first line on top."""
    shown = lines[:MOST_ROWS]
    names = [f"{line.target} @ {line.node_name}" for line in shown]
    traces = [_health(health, shown) for health in HEALTH_LOOKS]
    return {
        "data": [trace for trace in (*traces, *_quiet_marks(markers, window)) if trace],
        "layout": _rows_layout("targets", names, window, markers),
    }


def _health(health: str, lines: Sequence[TargetLine]) -> dict[str, Any]:
    xs: list[int | None] = []
    ys: list[int | None] = []
    texts: list[str] = []
    for row, line in enumerate(lines):
        for span in line.spans:
            if span.health == health:
                text = f"{line.upstream} {line.target} as {line.node_name} sees it: {words.HEALTH[health]}"
                xs += [span.from_ms, span.to_ms, None]
                ys += [row, row, None]
                texts += [in_plotly(text)] * 3
    if not xs:
        return {}
    colour, width, dash = HEALTH_LOOKS[health]
    return {
        "type": "scatter",
        "mode": "lines",
        "name": words.HEALTH[health],
        "uid": trace_uid("health", health),
        "x": xs,
        "y": ys,
        "text": texts,
        "hovertemplate": "%{text}<extra></extra>",
        "connectgaps": False,
        "line": {"color": colour, "width": width, "dash": dash},
    }


def _rows_layout(
    revision: str, names: Sequence[str], window: Window, markers: Sequence[Marker]
) -> Mapping[str, Any]:
    axis = {
        "tickmode": "array",
        "tickvals": list(range(len(names))),
        "ticktext": [in_plotly(_cut(name)) for name in names],
        "range": [max(0.5, len(names) - 0.5), -0.5 - (0.6 if markers else 0)],
        "fixedrange": True,
        "showgrid": False,
        "zeroline": False,
    }
    shape = layout(revision, time_axis(window), axis)
    shape["hovermode"] = "closest"
    shape["showlegend"] = True
    shape["margin"] = {"l": LEFT_PX, "r": 10, "t": 30, "b": 42}
    return shape


def _cut(name: str) -> str:
    return name if len(name) <= NAME_CHARS else name[: NAME_CHARS - 1] + "…"
