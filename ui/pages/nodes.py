"""Nodes: whether every gateway node is there and up to date, and how upstream targets look from each."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from domain.node_states import NodeState
from domain.windows import SECOND_MS, floor_ms
from storage.node_rows import NodeRow, Nodes, StateSpan
from ui import navigation, wording
from ui import wording_nodes as words
from ui.charts.axes import mark_key
from ui.charts.node_strip import MOST_ROWS, strip_figure, strip_height, target_figure
from ui.components import nodes_past, page_frame
from ui.components.chart import show_chart
from ui.components.node_detail import show_node
from ui.components.numbers import Number, show_numbers
from ui.components.page_frame import Frame
from ui.components.portrait_lists import shared_reader
from ui.components.table import COUNT, Cell, Column, Row, show_table
from ui.live_state import FeedState
from ui.nodes_past import fleet_of, witnesses
from ui.nodes_view import (
    blocks_of,
    called,
    config_words,
    dropped_words,
    is_ill,
    remarks,
    short,
    spans_by_node,
    split,
    target_lines,
    with_forebears,
)
from ui.safe_text import in_markdown
from ui.state import current_state

Spans = dict[str, list[StateSpan]]
MOST_NODES = 500


def render() -> None:
    """Draw the page."""
    token = current_state().selected
    with page_frame.opened("nodes", filters=False) as page:
        known = shared_reader(page).nodes(floor_ms(page.now_ms, SECOND_MS))
        if not known.rows:
            st.info(in_markdown(words.NO_NODES, 500), icon=":material/dns:")
            return
        history = shared_reader(page).node_history(page.window, floor_ms(page.now_ms, SECOND_MS))
        spans = spans_by_node(history)
        if page.is_past:
            _show_past(page, known, spans, token)
            return
        chosen = [row for row in known.rows if token is not None and token in {row.node, row.hostname}]
        if chosen:
            names = called(known.rows)
            for row in chosen:
                show_node(page, row, with_forebears(row, known.rows, spans), names[row.node])
            return
        _show_all(page, known, spans, token)


def _show_past(page: Frame, known: Nodes, spans: Spans, token: str | None) -> None:
    fleet = fleet_of(known.rows, spans, page.window)
    chosen = [node for node in fleet if token is not None and token in node.names]
    for node in chosen:
        nodes_past.show_one(page, node)
    if chosen:
        return
    if token is not None:
        st.warning(in_markdown(f"No node was called {token} in this span.", 300), icon=":material/help:")
    nodes_past.show_fleet(page, fleet)
    if fleet:
        _show_targets(page, witnesses(known.rows, spans, page.window), spans)


def _show_all(page: Frame, known: Nodes, spans: Spans, token: str | None) -> None:
    if token is not None:
        st.warning(in_markdown(f"No node is called {token}.", 300), icon=":material/help:")
    if not known.is_watched and known.watched_until_ms is not None:
        when = wording.moment(known.watched_until_ms, page.zone)
        st.warning(in_markdown(words.NOT_WATCHED.format(when=when), 300), icon=":material/visibility_off:")
    now, former = split(known.rows, page.now_ms)
    st.markdown(f"#### {in_markdown(words.verdict([NodeState(row.state) for row in now]), 300)}")
    _show_numbers(page, now)
    _show_grid(page, now, key="gw-nodes")
    _show_history(page, now, known, spans)
    _show_targets(page, known.rows, spans)
    if former:
        with st.expander(f"{words.FORMER} ({len(former)})"):
            _show_grid(page, former, key="gw-former")
    with st.expander("How states are judged"):
        st.markdown(words.HOW_JUDGED)
        columns = (
            Column("Feed", wide=True),
            Column("A sign every"),
            Column("Late after"),
            Column("Lost after"),
        )
        rows = [Row(row) for row in words.rhythm_rows()]
        show_table(columns, rows, key="gw-rhythms", label="How long a feed may be silent")


def _show_numbers(page: Frame, rows: Sequence[NodeRow]) -> None:
    states = [NodeState(row.state) for row in rows]
    lost, unknown = states.count(NodeState.LOST), states.count(NodeState.UNKNOWN)
    missing = lost + states.count(NodeState.NEVER_SEEN)
    seen = [row.last_seen_ms for row in rows if row.last_seen_ms is not None]
    restarts = sum(
        row.restarts > 0 and row.started_ms is not None and row.started_ms >= page.window.from_ms
        for row in rows
    )
    queued = [row.facts["queue_events"] for row in rows if "queue_events" in row.facts]
    dropped = [n for n, _ in (dropped_words(row.facts) for row in rows) if n is not None]
    versions = sorted({row.version for row in rows if row.version})
    numbers = [
        Number(
            "Live",
            f"{states.count(NodeState.LIVE)} of {len(states)}",
            "● there, and as they should be",
        ),
        Number("Late", f"{states.count(NodeState.LATE)}", "◐ silent for a moment"),
        Number(
            "Lost",
            f"{missing}",
            "✕ lost, or never seen" if missing else "none",
            tone="critical" if missing else "",
        ),
        Number(
            "Unknown",
            f"{unknown}",
            "? no feed tells" if unknown else "none",
            tone="unknown" if unknown else "",
        ),
        Number(
            "Last sign",
            wording.ago(min(max(seen), page.now_ms) if seen else None, page.now_ms),
            "of any node",
        ),
        Number("Restarts", f"{restarts}", "nodes, in this span"),
        Number(
            "Held by plugins",
            wording.count(sum(queued)) if queued else wording.UNKNOWN,
            "events not yet acknowledged" if queued else "no plugin tells",
            tone="" if queued else "unknown",
        ),
        Number(
            "Dropped by plugins",
            wording.count(sum(dropped)) if dropped else wording.UNKNOWN,
            "events, since their nodes started" if dropped else "no plugin tells",
            tone="" if dropped else "unknown",
        ),
        Number("Versions", ", ".join(versions[:2]) or wording.UNKNOWN, f"{len(versions)} in use"),
    ]
    show_numbers(numbers, key="gw-numbers", label="The nodes in numbers")


def _show_grid(page: Frame, rows: Sequence[NodeRow], *, key: str) -> None:
    """Columns that say nothing about any of these nodes are left out."""
    shown = rows[:MOST_NODES]
    table = [[cell(page, row) for row in shown] for _, cell in CELLS]
    kept = [place for place, cells in enumerate(table) if any(cell.text for cell in cells)]
    show_table(
        [CELLS[place][0] for place in kept],
        [
            Row(
                tuple(table[place][number] for place in kept),
                href=navigation.href("nodes", page.state.about(row.node)),
            )
            for number, row in enumerate(shown)
        ],
        key=key,
        label="Nodes",
        height=420,
    )


def _state(_page: Frame, row: NodeRow) -> Cell:
    state = NodeState(row.state)
    return Cell(words.STATES[state], tone=words.STATE_TONES.get(state, ""), title=row.reason)


def _name(page: Frame, row: NodeRow) -> Cell:
    note = short(row.node) if row.name != row.node else ""
    return Cell(
        row.name, note=note, href=navigation.href("nodes", page.state.about(row.node)), title=row.node
    )


def _last_sign(page: Frame, row: NodeRow) -> Cell:
    return Cell("never" if row.last_seen_ms is None else wording.duration(page.now_ms - row.last_seen_ms))


def _in_state(page: Frame, row: NodeRow) -> Cell:
    return Cell(wording.duration(max(0, page.now_ms - row.since_ms)))


def _version(_page: Frame, row: NodeRow) -> Cell:
    return Cell(row.version or "", note=words.ROLES.get(row.role or "", row.role or ""))


def _config(_page: Frame, row: NodeRow) -> Cell:
    config, note, tone = config_words(row)
    return Cell(config, note=note, tone=tone, title=row.config_hash or "")


def _certificate(page: Frame, row: NodeRow) -> Cell:
    said, tone = words.certificate(row.facts.get("certificate_expires_ms"), page.now_ms)
    return Cell(said, tone=tone)


def _restarts(_page: Frame, row: NodeRow) -> Cell:
    return Cell(f"{row.restarts:,}", tone="" if row.restarts else "faint")


def _held(_page: Frame, row: NodeRow) -> Cell:
    held = row.facts.get("queue_events")
    return Cell("" if held is None else f"{held:,}", tone="" if held else "faint")


def _dropped(_page: Frame, row: NodeRow) -> Cell:
    dropped, kinds = dropped_words(row.facts)
    return Cell("" if dropped is None else f"{dropped:,}", tone="high" if dropped else "faint", title=kinds)


def _remarks(page: Frame, row: NodeRow) -> Cell:
    return Cell("; ".join(remarks(row, page.now_ms)), tone="high" if is_ill(row) else "")


CELLS = (
    (Column("State"), _state),
    (Column("Node"), _name),
    (
        Column("Last sign", COUNT, hint="Age of the newest sign of any feed, at the time of this page"),
        _last_sign,
    ),
    (Column("In this state", COUNT, hint="For how long"), _in_state),
    (Column("Version", low=True), _version),
    (Column("Configuration", hint="Its hash against that of most of its fleet"), _config),
    (Column("Certificate", hint="That it connects to its control plane with"), _certificate),
    (Column("Restarts", COUNT, hint="Since it is known, across its ids"), _restarts),
    (Column("Held", COUNT, hint="Events that the plugin in it holds until they are acknowledged"), _held),
    (Column("Dropped", COUNT, hint="Events that the plugin in it had to drop"), _dropped),
    (Column("Remarks", wide=True, wrap=True), _remarks),
)


def _show_history(page: Frame, now: Sequence[NodeRow], known: Nodes, spans: Spans) -> None:
    st.markdown(
        f"#### History: 24 blocks of {wording.duration(page.window.length_ms // 24)}, the worst state in each"
    )
    names = called(known.rows)
    strips = [
        (names[row.node], blocks_of(with_forebears(row, known.rows, spans), page.window)) for row in now
    ]
    markers = shared_reader(page).markers(page.window)
    figure = strip_figure(strips, markers, page.window)
    show_chart(
        figure,
        key="gw-strip",
        zone=page.zone,
        height=strip_height(len(strips)),
        label=f"States of {len(strips)} nodes over time",
    )
    note = [mark_key(markers)] if markers else []
    note += [f"{len(strips) - MOST_ROWS} more nodes are not drawn"] if len(strips) > MOST_ROWS else []
    if note:
        st.caption(in_markdown(" · ".join(note), 300))


def _show_targets(page: Frame, nodes: Sequence[NodeRow], spans: Spans) -> None:
    st.markdown("#### Upstream targets, as each node sees them")
    targets = shared_reader(page).target_health(page.window)
    at_ms = page.window.to_ms if page.is_past else page.now_ms
    lines = target_lines(targets, nodes, spans, page.window, at_ms)
    if not lines:
        if page.feed.state is not FeedState.WAITING:
            st.caption(words.NO_TARGETS)
        return
    markers = shared_reader(page).markers(page.window)
    show_chart(
        target_figure(lines, markers, page.window),
        key="gw-targets",
        zone=page.zone,
        height=strip_height(len(lines)),
        label=f"Health of {len(lines)} targets over time",
    )
    columns = (
        Column("Upstream"),
        Column("Target"),
        Column("Node"),
        Column("Health at the end" if page.is_past else "Health"),
        Column("For", COUNT, hint="Since its last change that we know of"),
        Column("Changes", COUNT, hint="In this span"),
    )
    rows = [
        Row(
            (
                Cell(line.upstream),
                Cell(line.target),
                Cell(line.node_name),
                Cell(
                    words.HEALTH.get(line.health, line.health), tone=words.HEALTH_TONES.get(line.health, "")
                ),
                Cell(wording.duration(max(0, at_ms - line.since_ms))),
                Cell(f"{line.changes:,}", tone="" if line.changes else "faint"),
            )
        )
        for line in lines[:500]
    ]
    show_table(columns, rows, key="gw-target-rows", label="Targets", height=320)
    if targets.is_cut:
        st.caption(words.TARGETS_CUT)
