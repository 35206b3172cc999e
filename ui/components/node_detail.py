"""One node: its feeds, its facts, and the states it was in."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from domain.filters import Dimension
from domain.node_states import Feed, NodeState
from storage.node_rows import NodeRow, StateSpan
from ui import navigation, wording
from ui import wording_nodes as words
from ui.charts.node_strip import strip_figure, strip_height
from ui.components.chart import show_chart
from ui.components.page_frame import Frame
from ui.components.portrait_lists import shared_reader
from ui.components.table import COUNT, Cell, Column, Row, show_table
from ui.nodes_view import blocks_of, config_words, dropped_words, remarks, short
from ui.safe_text import in_markdown

MOST_STATES = 200


def show_node(page: Frame, row: NodeRow, spans: Sequence[StateSpan], name: str) -> None:
    """Draw it.

    Args:
        page: The page.
        row: The node.
        spans: Its states in the page's window, oldest first, those of earlier ids first.
        name: What tells it from others, which may be of the same host.
    """
    state = NodeState(row.state)
    since = wording.duration(max(0, page.now_ms - row.since_ms))
    st.markdown(
        f"#### {in_markdown(f'{name}: {words.STATES[state]} for {since}', 300)}  \n"
        f"{in_markdown('; '.join(remarks(row, page.now_ms)) or row.reason, 600)}"
    )
    with st.container(horizontal=True, gap="medium"):
        navigation.page_link("All nodes", "nodes", page.state.about(None))
        if navigation.exists("events"):
            events = page.state.elsewhere().adding(Dimension.NODE, row.node)
            navigation.page_link("Its events", "events", events)
    show_chart(
        strip_figure(
            [(name, blocks_of(spans, page.window))], shared_reader(page).markers(page.window), page.window
        ),
        key=f"gw-strip-{row.node}",
        zone=page.zone,
        height=strip_height(1),
        label=f"States of {name} over time",
    )
    left, right = st.columns(2, gap="medium")
    with left:
        _show_feeds(page, row)
        show_states(page, row, spans)
    with right:
        _show_facts(page, row)


def _show_feeds(page: Frame, row: NodeRow) -> None:
    st.markdown("#### Where its signs come from")
    columns = (
        Column("Feed"),
        Column("Last sign", COUNT, hint="Its age"),
        Column("Its silence", hint="When it means something"),
        Column("Trouble", wide=True, wrap=True),
    )
    rows = [
        Row(
            (
                Cell(words.FEEDS[Feed(feed.feed)]),
                Cell("never" if feed.last_ms is None else wording.duration(page.now_ms - feed.last_ms)),
                Cell(words.patience(feed.feed, feed.every_s)),
                Cell(feed.problem or "", tone="high" if feed.problem else ""),
            )
        )
        for feed in row.feeds
    ]
    show_table(columns, rows, key=f"gw-feeds-{row.node}", label="Feeds")


def _show_facts(page: Frame, row: NodeRow) -> None:
    st.markdown("#### What is known of it")
    config, config_note, _ = config_words(row)
    certificate, _ = words.certificate(row.facts.get("certificate_expires_ms"), page.now_ms)
    dropped, kinds = dropped_words(row.facts)
    facts = row.facts
    started = "" if row.started_ms is None else wording.moment(row.started_ms, page.zone)
    held = facts.get("queue_events")
    held_note = f"events, {wording.size(facts.get('queue_bytes'))}"
    pairs: list[tuple[str, Cell | str | None]] = [
        ("Id", Cell(row.node, copy=row.node)),
        ("Host", row.hostname),
        ("Version", row.version),
        ("Role", words.ROLES.get(row.role or "", row.role)),
        ("Workers", _text(facts.get("workers"))),
        ("Configuration", Cell(config, note=config_note, copy=row.config_hash)),
        ("Certificate", certificate),
        ("Database", _database(facts.get("database_reachable"))),
        ("Admin API", row.place),
        ("Control plane", row.control_plane),
        ("Known since", wording.moment(row.first_seen_ms, page.zone)),
        ("Started", started),
        ("Restarts", f"{row.restarts:,}"),
        ("Was", Cell(short(row.replaces), note="before it started again") if row.replaces else None),
        ("Is now", Cell(short(row.replaced_by), note="after it started again") if row.replaced_by else None),
        ("Plugin", facts.get("plugin_version") or "none that tells"),
        ("Held by the plugin", None if held is None else Cell(f"{held:,}", note=held_note)),
        ("Dropped by the plugin", None if dropped is None else Cell(f"{dropped:,}", note=kinds)),
        ("Labels", ", ".join(f"{k}={v}" for k, v in (facts.get("labels") or {}).items())),
        ("Address", facts.get("ip")),
    ]  # fmt: skip
    rows = [Row((Cell(title, tone="faint"), _cell(cell))) for title, cell in pairs if _says(cell)]
    columns = (Column("What"), Column("", wide=True, wrap=True))
    show_table(columns, rows, key=f"gw-facts-{row.node}", label=f"What is known of {row.name}")


def _state(state: NodeState) -> Cell:
    return Cell(words.STATES[state], tone=words.STATE_TONES.get(state, ""))


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _database(is_reachable: object) -> Cell | None:
    if is_reachable is None:
        return None
    return Cell("● reachable") if is_reachable else Cell("✕ cannot be reached", tone="critical")


def _says(cell: Cell | str | None) -> bool:
    return bool(cell.text if isinstance(cell, Cell) else cell)


def _cell(cell: Cell | str | None) -> Cell:
    return cell if isinstance(cell, Cell) else Cell(cell)


def show_states(page: Frame, row: NodeRow, spans: Sequence[StateSpan]) -> None:
    """List the states it was in, newest first; `spans` are oldest first."""
    st.markdown("#### States in this span, newest first")
    columns = (
        Column(f"From ({page.zone.label(page.now_ms)})", "time"),
        Column("State"),
        Column("For", COUNT),
        Column("Why", wide=True, wrap=True),
    )
    rows = [
        Row(
            (
                Cell(
                    wording.day_and_clock(span.from_ms, page.zone),
                    note="" if span.node == row.node else short(span.node),
                ),
                _state(NodeState(span.state)),
                Cell(wording.duration(span.to_ms - span.from_ms)),
                Cell(span.reason),
            )
        )
        for span in reversed(spans[-MOST_STATES:])
    ]
    show_table(columns, rows, key=f"gw-states-{row.node}", label="States", height=360)
