"""The page Nodes over a span that is over: the fleet as it was then, never as it is now."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from domain.node_states import NodeState
from ui import navigation, wording
from ui import wording_nodes as words
from ui.charts.axes import mark_key
from ui.charts.node_strip import MOST_ROWS, strip_figure, strip_height
from ui.components.chart import show_chart
from ui.components.node_detail import show_states
from ui.components.numbers import Number, show_numbers
from ui.components.page_frame import Frame
from ui.components.portrait_lists import shared_reader
from ui.components.table import COUNT, TIME, Cell, Column, Row, show_table
from ui.nodes_past import PastNode
from ui.nodes_view import BLOCKS, blocks_of, called, short
from ui.safe_text import in_markdown

MOST_NODES = 500


def show_fleet(page: Frame, fleet: Sequence[PastNode]) -> None:
    """Draw the verdict, the numbers, the list and the history."""
    states = [node.state for node in fleet]
    when = wording.moment(page.window.to_ms, page.zone)
    st.markdown(f"#### {in_markdown(words.verdict_then(states, when), 300)}")
    if not fleet:
        st.caption(in_markdown(words.NOBODY_THEN, 300))
        return
    show_numbers(_numbers(fleet), key="gw-numbers", label=f"The nodes in numbers, as of {when}")
    _show_list(page, fleet)
    _show_strips(page, fleet, key="gw-strip")


def show_one(page: Frame, node: PastNode) -> None:
    """Draw one node over the span."""
    row, when = node.row, wording.moment(page.window.to_ms, page.zone)
    st.markdown(
        f"#### {in_markdown(f'{row.name}: {words.STATES[node.state]}, as of {when}', 300)}  \n"
        f"{in_markdown(_why(node), 600)}"
    )
    navigation.page_link("All nodes", "nodes", page.state.about(None))
    _show_strips(page, [node], key=f"gw-strip-{row.node}")
    show_states(page, row, node.spans)


def _numbers(fleet: Sequence[PastNode]) -> list[Number]:
    states = [node.state for node in fleet]
    missing = states.count(NodeState.LOST) + states.count(NodeState.NEVER_SEEN)
    unknown = states.count(NodeState.UNKNOWN)
    fell = sum(any(s.state == NodeState.LOST.value for s in node.spans) for node in fleet)
    versions = sorted({node.row.version for node in fleet if node.row.version})
    return [
        Number("Live", f"{states.count(NodeState.LIVE)} of {len(states)}", "● at the end of this span"),
        Number("Late", f"{states.count(NodeState.LATE)}", "◐ at the end"),
        Number(
            "Lost",
            f"{missing}",
            "✕ lost, or never seen, at the end" if missing else "none at the end",
            tone="critical" if missing else "",
        ),
        Number(
            "Unknown",
            f"{unknown}",
            "? no feed tells of the end" if unknown else "none at the end",
            tone="unknown" if unknown else "",
        ),
        Number("Were lost", f"{fell}", "✕ at some time in this span" if fell else "none in this span"),
        Number("Restarts", f"{sum(node.restarts for node in fleet)}", "in this span"),
        Number("Versions", ", ".join(versions[:2]) or wording.UNKNOWN, f"{len(versions)} in use"),
    ]


def _show_list(page: Frame, fleet: Sequence[PastNode]) -> None:
    columns = (
        Column("State at the end"),
        Column("Node"),
        Column("Worst", hint="The worst state in this span"),
        Column("There", COUNT, hint="How much of this span it was heard"),
        Column(
            f"Last sign ({page.zone.label(page.window.to_ms)})", TIME, hint="Where none came after the span"
        ),
        Column("Restarts", COUNT, hint="In this span"),
        Column("Version", low=True),
        Column("Remarks", wide=True, wrap=True),
    )
    rows = [_list_row(page, node) for node in fleet[:MOST_NODES]]
    show_table(columns, rows, key="gw-nodes", label="Nodes, as they were", height=420)


def _list_row(page: Frame, node: PastNode) -> Row:
    row = node.row
    href = navigation.href("nodes", page.state.about(row.node))
    seen_ms = row.last_seen_ms
    return Row(
        (
            _state(node.state),
            Cell(row.name, note=short(row.node) if row.name != row.node else "", href=href, title=row.node),
            _state(node.worst),
            Cell(wording.ratio(node.live_share, 1)),
            Cell("" if seen_ms is None else wording.day_and_clock(seen_ms, page.zone)),
            Cell(f"{node.restarts:,}", tone="" if node.restarts else "faint"),
            Cell(row.version or "", note=words.ROLES.get(row.role or "", row.role or "")),
            Cell("" if node.state is NodeState.LIVE else _why(node)),
        ),
        href=href,
    )


def _state(state: NodeState) -> Cell:
    return Cell(words.STATES[state], tone=words.STATE_TONES.get(state, ""))


def _why(node: PastNode) -> str:
    """Why it was in its state, and what it was before."""
    if node.before is node.state:
        return node.row.reason
    return f"{node.row.reason}; {words.STATES[node.before].partition(' ')[2].lower()} before"


def _show_strips(page: Frame, fleet: Sequence[PastNode], *, key: str) -> None:
    length = wording.duration(page.window.length_ms // BLOCKS)
    st.markdown(f"#### History: {BLOCKS} blocks of {length}, the worst state in each")
    names = called([node.row for node in fleet])
    strips = [(names[node.row.node], blocks_of(node.spans, page.window)) for node in fleet]
    markers = shared_reader(page).markers(page.window)
    show_chart(
        strip_figure(strips, markers, page.window),
        key=key,
        zone=page.zone,
        height=strip_height(len(strips)),
        label=f"States of {wording.counted(len(strips), 'node')} over time",
    )
    notes = [mark_key(markers)] if markers else []
    notes += [f"{len(strips) - MOST_ROWS} more nodes are not drawn"] if len(strips) > MOST_ROWS else []
    if notes:
        st.caption(in_markdown(" · ".join(notes), 300))
