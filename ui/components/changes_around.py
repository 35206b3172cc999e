"""What changed around one consumer or address: the limits that apply to it first, then its own entities."""

from __future__ import annotations

import streamlit as st

from domain.filters import Dimension
from domain.limits_in_force import limit_changes
from storage.rows import EventQuery
from ui import navigation, wording
from ui import wording_events as event_words
from ui import wording_portrait as words
from ui.components.page_frame import Frame
from ui.components.portrait_lists import MAX_LIST, Lists, asked_pairs, names_of, scope_words, shared_reader
from ui.components.table import TIME, Cell, Column, Row, show_table
from ui.portrait import Portrait

MAX_CHANGES = 200
"""Changes looked at; a span with more has another page to look at."""


def show_changes(frame: Frame, portrait: Portrait, lists: Lists) -> None:
    """What changed around it: limits that apply to it first, then its own entities."""
    reader = shared_reader(frame)
    consumer_id = portrait.entity.id if portrait.entity and portrait.dimension == Dimension.CONSUMER else None
    names = names_of(lists)
    history = reader.plugins()
    moved = [
        (
            change.at_ms,
            "▲ "
            + words.limit_change(
                change, "on " + scope_words(names, change.route_id, change.service_id, change.consumer_id)
            ),
            "",
        )
        for change in limit_changes(history, portrait.window, asked_pairs(lists), consumer_id)
    ]
    query = EventQuery(window=portrait.window, kinds=("crud",))
    page = reader.events(query, None, MAX_CHANGES)
    own = {consumer_id, *names}
    touching = [row for row in page.rows if row.entity_id in own]
    moved += [(row.at_ms, event_words.what(row), str(row.seq)) for row in touching]
    total = page.total if page.total is not None else len(page.rows)
    rest = total - len(touching)
    if moved:
        columns = (
            Column(f"Time ({frame.zone.label(frame.now_ms)})", TIME),
            Column("What", wide=True, wrap=True),
        )
        rows = [_change_row(frame, *item) for item in sorted(moved, reverse=True)[:MAX_LIST]]
        show_table(columns, rows, key="gw-changes", label=f"Changes around {portrait.name}")
    else:
        st.caption("Nothing that applies to it was changed in this span, as far as senders tell.")
    if rest > 0:
        page_name = "changes" if navigation.exists("changes") else "events"
        state = frame.state.elsewhere().unfiltered().at(portrait.window)
        state = state if page_name == "changes" else state.with_own(kind=["crud"])
        navigation.page_link(
            f"{wording.counted(rest, 'other change')} of Kong's configuration in this span", page_name, state
        )


def _change_row(frame: Frame, at_ms: int, what: str, seq: str) -> Row:
    href = navigation.href("events", frame.state.elsewhere().unfiltered().about(seq)) if seq else None
    return Row((Cell(wording.day_and_clock(at_ms, frame.zone)), Cell(what, href=href)), href=href)
