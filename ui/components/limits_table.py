"""The limits that apply to one consumer or address: where they are set, what they refused, what is left."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from domain.filters import UNKNOWN_TOKEN, Dimension, Filters
from domain.limits_in_force import LimitInForce, limits_in_force
from domain.windows import MINUTE_MS, Window, floor_ms
from storage.rows import PairRow
from ui import wording
from ui import wording_portrait as words
from ui.components.page_frame import Frame
from ui.components.portrait_lists import (
    MAX_LIST,
    MAX_PAIRS,
    Lists,
    asked_pairs,
    names_of,
    scope_words,
    shared_reader,
)
from ui.components.table import COUNT, Cell, Column, Row, show_table
from ui.portrait import Portrait

COUNTED_WINDOWS_S = (60, 3_600, 86_400)
"""Limits of these windows can be followed: totals are kept by the minute, and Kong counts by the clock."""

Running = dict[int, tuple[PairRow, ...]]
"""Window in seconds -> what it asked of services and routes since that window began."""


def show_limits(frame: Frame, portrait: Portrait, lists: Lists) -> None:
    """The limits in force for it, how often each refused it, and what is left of them now."""
    reader = shared_reader(frame)
    history = reader.plugins()
    at_ms = min(frame.now_ms, portrait.window.to_ms)
    consumer_id = portrait.entity.id if portrait.entity and portrait.dimension == Dimension.CONSUMER else None
    running = _running(frame, portrait)
    shown = set(asked_pairs(lists))
    asked = shown.union((pair.id, pair.by_id) for pairs in running.values() for pair in pairs)
    found = [
        limit
        for limit in limits_in_force(history, at_ms, sorted(asked, key=str), consumer_id)
        if not shown.isdisjoint(limit.pairs)
    ]
    refused = reader.pairs(Dimension.LIMIT, Dimension.ROUTE, portrait.window, portrait.filters, MAX_PAIRS)
    rows = [_limit_row(portrait, limit, refused, names_of(lists), running) for limit in found]
    rows += _seen_only(refused, found, has_plugins=bool(history))
    if not rows:
        st.caption(words.NO_LIMIT)
        return
    columns = [
        Column("Limit"),
        Column("Set on", wide=True),
        Column("Violations", COUNT, hint="In the page's span"),
        Column("How it counts", low=True),
    ]
    if running:
        columns[3:3] = [
            Column("Used now", COUNT, hint="Let through in Kong's running window, over all nodes together"),
            Column("Left", COUNT, hint="Of one counter; where each node counts alone, each has that many"),
        ]
    else:
        rows = [Row((*row.cells[:3], row.cells[5])) for row in rows]
    show_table(columns, rows, key="gw-limits", label=f"Limits that apply to {portrait.name}")
    if not history:
        st.caption(words.LIMITS_IN_FORCE_UNKNOWN)


def _running(frame: Frame, portrait: Portrait) -> Running:
    """Empty for a past span, and when the feed is not current."""
    if not frame.state.moves or not frame.feed.is_trusted:
        return {}
    reader = shared_reader(frame)
    only_this = Filters().adding(portrait.dimension, portrait.token)
    found = {}
    for window_s in COUNTED_WINDOWS_S:
        window = Window(floor_ms(frame.now_ms, window_s * 1000), frame.now_ms + 1).aligned(MINUTE_MS)
        found[window_s] = reader.pairs(Dimension.SERVICE, Dimension.ROUTE, window, only_this, MAX_PAIRS)
    return found


def _limit_row(
    portrait: Portrait,
    found: LimitInForce,
    refused: Sequence[PairRow],
    names: dict[str, str],
    running: Running,
) -> Row:
    label = f"{found.limit.value}/{found.limit.name}"
    routes = {route_id for _, route_id in found.pairs}
    count = sum(p.limited + p.probable for p in refused if p.label == label and p.by_id in routes)
    used = used_now(portrait.dimension, found, running)
    value = found.limit.value or 0
    left = None if used is None else max(0, value - used)
    tone = "high" if left == 0 else ""
    return Row(
        (
            Cell(words.limit_words(found.limit)),
            Cell(scope_words(names, found.route_id, found.service_id, found.consumer_id), note=found.plugin),
            Cell(f"{count:,}", tone="" if count else "faint"),
            Cell(
                wording.UNKNOWN if used is None else f"{used:,}",
                bar=None if used is None or not value else min(1, used / value),
                tone="unknown" if used is None else tone,
            ),
            Cell("" if left is None else f"{left:,}", tone=tone),
            Cell(words.counted_how(found, portrait.dimension), tone="faint"),
        )
    )


def used_now(dimension: Dimension, found: LimitInForce, running: Running) -> int | None:
    """Requests let through in the running window; None where our totals cannot tell.

    Kong counts a window by the clock, in UTC, for each plugin and each of what it counts by, and does not
    count what it refused (kong/plugins/rate-limiting/handler.lua and policies/init.lua, 3.9).
    """
    own = "consumer" if dimension == Dimension.CONSUMER else "ip"
    is_named = "/" in (found.limit.name or "")
    window_s = found.limit.window_s
    if window_s is None or window_s not in running or found.counted_by != own or is_named:
        return None
    pairs = set(found.pairs)
    there = [pair for pair in running[window_s] if (pair.id, pair.by_id) in pairs]
    if any(pair.requests < pair.limited + pair.probable for pair in there):
        return None
    return sum(pair.requests - pair.limited - pair.probable for pair in there)


def _seen_only(refused: Sequence[PairRow], found: Sequence[LimitInForce], *, has_plugins: bool) -> list[Row]:
    """Limits that refused something and are not, or not known to be, in force."""
    known = {
        (f"{limit.limit.value}/{limit.limit.name}", route_id)
        for limit in found
        for _, route_id in limit.pairs
    }
    rest = [p for p in refused if (p.label, p.by_id) not in known and p.limited + p.probable]
    said = "no longer in force" if has_plugins else ""
    return [
        Row(
            (
                Cell(
                    "limit not named" if p.token == UNKNOWN_TOKEN else p.label.replace("/", " / ", 1),
                    tone="faint" if p.token == UNKNOWN_TOKEN else "",
                    title="Kong's answer carried no header that names it" if p.token == UNKNOWN_TOKEN else "",
                ),
                Cell(f"route {wording.label(Dimension.ROUTE, p.by_token, p.by_label)}"),
                Cell(f"{p.limited + p.probable:,}"),
                None,
                None,
                Cell("" if p.token == UNKNOWN_TOKEN else said, tone="faint"),
            )
        )
        for p in rest[:MAX_LIST]
    ]
