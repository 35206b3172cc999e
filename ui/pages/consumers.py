"""Consumers: who was refused, and of one of them: who is this, and is it normal."""

from __future__ import annotations

import streamlit as st

from domain.filters import Dimension
from ui import wording_portrait as words
from ui.components import page_frame, screens
from ui.components.changes_around import show_changes
from ui.components.limits_table import show_limits
from ui.components.overview import show_overview
from ui.components.page_frame import Frame
from ui.components.portrait_lists import last_heard_ms, read_lists, shared_reader
from ui.components.portrait_view import (
    show_answer,
    show_charts,
    show_its_events,
    show_names,
    show_number_row,
    show_places,
    show_shares,
    to_list,
)
from ui.components.responses import show_responses
from ui.portrait import listening_since_ms, read_portrait, snapped
from ui.safe_text import in_markdown
from ui.state import current_state

ONE_RANGE = "7d"
"""One consumer's page goes further back than the list."""


def render() -> None:
    """Draw the page."""
    token = current_state().selected
    default_range = ONE_RANGE if token is not None else None
    with page_frame.opened("consumers", title=token or "", default_range=default_range) as page:
        if screens.is_empty(page):
            screens.show_empty(page)
        elif token is None:
            show_overview(page, Dimension.CONSUMER)
        else:
            _show_one(page, token)


def _show_one(page: Frame, token: str) -> None:
    reader = shared_reader(page)
    window, bucket_ms = snapped(reader, page.window, moves=page.state.moves)
    portrait = read_portrait(
        reader,
        Dimension.CONSUMER,
        token,
        window,
        bucket_ms,
        filters=page.state.filters,
        known_from_ms=listening_since_ms(page.freshness, reader.health().oldest_event_ms, page.now_ms),
        known_to_ms=last_heard_ms(page),
    )
    lists = read_lists(page, portrait)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        to_list("All consumers")
        st.caption(in_markdown(" · ".join(words.identity(portrait.entity, page.zone, page.now_ms)), 900))
        show_responses(page, Dimension.CONSUMER, token)
    show_answer(page, portrait, lists)
    show_number_row(page, portrait)
    show_charts(page, portrait)
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown("#### From where")
        show_shares(page, portrait, Dimension.IP, lists.others, key="gw-addresses", title="Address")
        st.markdown("#### What changed around it")
        show_changes(page, portrait, lists)
    with right:
        st.markdown("#### Against what")
        show_places(page, portrait, lists)
        st.markdown("#### Limits")
        show_limits(page, portrait, lists)
        show_names(page, portrait)
    show_its_events(page, portrait)
