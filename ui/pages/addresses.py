"""Addresses: from where refused requests came, and of one address or range: who is behind it."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

import streamlit as st

from domain.egress import Behind, judge_egress, network_of, range_of
from domain.filters import Dimension
from storage.rows import CellRow
from ui import navigation
from ui import wording_addresses as words
from ui import wording_portrait as portrait_words
from ui.components import page_frame, screens
from ui.components.changes_around import show_changes
from ui.components.limits_table import show_limits
from ui.components.overview import show_overview
from ui.components.page_frame import Frame
from ui.components.portrait_lists import MAX_PAIRS, Lists, last_heard_ms, read_lists, shared_reader
from ui.components.portrait_view import (
    show_answer,
    show_charts,
    show_its_events,
    show_number_row,
    show_places,
    show_shares,
    to_list,
)
from ui.components.responses import show_responses
from ui.portrait import Portrait, listening_since_ms, read_portrait, snapped
from ui.safe_text import in_markdown
from ui.state import current_state

ONE_RANGE = "7d"
WIDER_BITS = {4: (24, 16), 6: (64, 48, 32)}
"""IP version -> the ranges around an address that have a page, narrow to wide."""


def render() -> None:
    """Draw the page."""
    token = current_state().selected
    default_range = ONE_RANGE if token is not None else None
    with page_frame.opened("addresses", title=token or "", default_range=default_range) as page:
        if screens.is_empty(page):
            screens.show_empty(page)
        elif token is None:
            show_overview(page, Dimension.IP)
        else:
            _show_one(page, range_of(token) or token)


def _show_one(page: Frame, token: str) -> None:
    reader = shared_reader(page)
    window, bucket_ms = snapped(reader, page.window, moves=page.state.moves)
    portrait = read_portrait(
        reader,
        Dimension.IP,
        token,
        window,
        bucket_ms,
        filters=page.state.filters,
        known_from_ms=listening_since_ms(page.freshness, reader.health().oldest_event_ms, page.now_ms),
        known_to_ms=last_heard_ms(page),
    )
    lists = read_lists(page, portrait)
    _show_way_up(page, portrait, token)
    replaced = words.replaced(token)
    if replaced is not None:
        st.caption(f":material/visibility_off: {in_markdown(replaced, 300)}")
    show_answer(page, portrait, lists)
    _show_egress(portrait, lists.others)
    show_number_row(page, portrait)
    show_charts(page, portrait)
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown("#### Who is behind it")
        show_shares(page, portrait, Dimension.CONSUMER, lists.others, key="gw-consumers", title="Consumer")
        _show_neighbours(page, portrait, token)
    with right:
        _show_targets(page, portrait, lists)
    show_its_events(page, portrait)


def _show_targets(page: Frame, portrait: Portrait, lists: Lists) -> None:
    st.markdown("#### Against what")
    show_places(page, portrait, lists)
    st.markdown("#### Limits")
    show_limits(page, portrait, lists)
    st.markdown("#### What changed around it")
    show_changes(page, portrait, lists)


def _show_way_up(page: Frame, portrait: Portrait, token: str) -> None:
    """Links to the list and to the ranges around it, and what is known of it."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        to_list("All addresses")
        for wider in wider_ranges(token):
            navigation.page_link(in_markdown(wider), "addresses", page.state.elsewhere().about(wider))
        if portrait.entity is not None:
            facts = portrait_words.identity(portrait.entity, page.zone, page.now_ms)
            st.caption(in_markdown(" · ".join(facts), 600))
        show_responses(page, Dimension.IP, token)


def wider_ranges(token: str) -> list[str]:
    """The ranges around an address or a range, narrow to wide; empty for what is neither."""
    try:
        network = ipaddress.ip_network(token, strict=False)
    except ValueError:
        return []
    return [
        str(network.supernet(new_prefix=bits))
        for bits in WIDER_BITS[network.version]
        if bits < network.prefixlen
    ]


def _show_egress(portrait: Portrait, cells: Sequence[CellRow]) -> None:
    behind = [
        Behind(
            token=cell.token,
            requests=cell.requests,
            violations=cell.limited + cell.probable,
            unauthorized=cell.unauthorized,
        )
        for cell in cells
    ]
    hint = judge_egress(portrait.token, behind)
    names = {cell.token: cell.label for cell in cells}
    said = words.egress(hint, names.get(hint.dominant or "", ""))
    st.markdown(f"{words.EGRESS_ICONS[hint.egress]} {in_markdown(said, 500)}")


def _show_neighbours(page: Frame, portrait: Portrait, token: str) -> None:
    """Of an address the others of its /24 or /64; of a range the addresses in it."""
    network = network_of(token) or range_of(token)
    if network is None:
        return
    filters = page.state.filters.only(Dimension.IP, [network])
    cells = shared_reader(page).breakdown(Dimension.IP, portrait.window, filters, MAX_PAIRS)
    others = [cell for cell in cells if cell.token != token]
    refused = [cell for cell in others if cell.limited + cell.probable]
    st.markdown("#### Its neighbours" if network != token else "#### Its addresses")
    if network != token:
        violations = sum(cell.limited + cell.probable for cell in refused)
        said = words.neighbours(network, len(others), len(refused), violations)
        st.caption(in_markdown(said, 300))
    if others:
        show_shares(
            page,
            portrait,
            Dimension.IP,
            others,
            key="gw-neighbours",
            title="Address",
            has_share=network == token,
        )
