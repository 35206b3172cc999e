"""The board of the Live page: hands our browser code a ticket, and does what somebody clicked on it."""

from __future__ import annotations

import functools
from typing import Any

import streamlit as st

from domain.filters import MAX_VALUE_CHARS, Dimension
from domain.windows import DAY_MS, Window, ceil_ms
from ui import navigation, store, wording
from ui.components import links
from ui.components.browser_part import declare
from ui.components.page_frame import Frame
from ui.server import status
from ui.server.assets import browser_path, plotly_path
from ui.server.hosts import LIVE_PATH
from ui.server.live_route import issue_live_ticket
from ui.server.subscription import Subscription
from ui.server.tickets import PROCESS_KEY, Tickets
from ui.state import RANGES, PageState, current_state, dimension_named, set_state

KEY = "gw-board"
GROUPS = tuple(Dimension)
TRIGGERS = ("filter", "unfilter", "group", "span", "play", "ticket")
PAGES_OF = {"event": "events", "alert": "alerts"}
"""What the board points at by its number, and the page that shows one of it."""


@functools.cache
def _component() -> Any:
    return declare("board", '<div class="gw-board" hidden></div>')


def subscription_of(frame: Frame, default_range: str) -> Subscription:
    """What the board watches. Equal pages give equal ones whenever they are opened, so views are shared.

    Everything since the beginning is watched as whole days that end now.
    """
    state, fixed = frame.state, frame.state.fixed
    range_ms = RANGES.get(state.range or default_range) or ceil_ms(frame.window.length_ms, DAY_MS)
    return Subscription(
        range_ms=range_ms if fixed is None else None,
        from_ms=0 if fixed is None else fixed.from_ms,
        to_ms=0 if fixed is None else fixed.to_ms,
        filters=state.filters,
        group=state.group or Dimension.CONSUMER,
        sample=state.sample,
    )


def live_board(frame: Frame) -> None:
    """Draw the board."""
    watched = subscription_of(frame, navigation.entry("live").default_range).canonical()
    _component()(
        key=KEY,
        data={
            "module": browser_path("board.js"),
            "plotly": plotly_path(),
            "path": LIVE_PATH,
            "ticket": issue_live_ticket(Tickets(PROCESS_KEY, store.now_ms), watched),
            "view": watched.view_id,
            "zone": frame.zone.name,
            "zoneLabel": frame.zone.label(frame.now_ms),
            "groups": [[str(found), wording.SINGULARS[found]] for found in GROUPS],
            "drill": drill_prefixes(frame.state),
        },
        **{f"on_{name}_change": functools.partial(_clicked, name) for name in TRIGGERS},
    )


def drill_prefixes(state: PageState) -> dict[str, str]:
    """By dimension, the address of a name's page up to where the name goes; likewise of `PAGES_OF`."""
    found = {}
    for dimension in Dimension:
        target = links.target(state, dimension, "")
        if target is not None:
            of = "of" if target.state.selected is not None else str(dimension)
            bare = target.state.about(None).without(dimension)
            found[str(dimension)] = _open_ended(navigation.href(target.page, bare), of)
    for kind, page in PAGES_OF.items():
        if navigation.exists(page):
            found[kind] = _open_ended(navigation.href(page, state.elsewhere()), "of")
    return found


def _open_ended(address: str, parameter: str) -> str:
    return f"{address}{'&' if '?' in address else '?'}{parameter}="


def _clicked(name: str) -> None:
    """A callback, so that the run that follows already has the new state. Browsers are not to be trusted."""
    told: Any = getattr(st.session_state[KEY], name, None)
    value = told.get("value") if isinstance(told, dict) else None
    action = _ACTIONS.get(name)
    if action is not None and value is not None:
        action(value)


def _restrict(value: Any) -> None:
    named = _named(value)
    if named is not None:
        excluded = value.get("excluded") is True
        set_state(current_state().adding(*named, excluded=excluded))


def _release(value: Any) -> None:
    dimension = dimension_named(value.get("dimension")) if isinstance(value, dict) else None
    text = value.get("value") if isinstance(value, dict) else None
    if dimension is not None and isinstance(text, str):
        set_state(current_state().without(dimension, text))


def _split(value: Any) -> None:
    group = dimension_named(value)
    if group is not None:
        set_state(current_state().grouped(None if group == Dimension.CONSUMER else group))


def _narrow(value: Any) -> None:
    if not isinstance(value, dict):
        return
    start, end = value.get("from_ms"), value.get("to_ms")
    if isinstance(start, int) and isinstance(end, int) and 0 <= start < end:
        set_state(current_state().at(Window(start, end)))


def _play(_value: Any) -> None:
    running = status.server()
    if running is not None:
        running.play_sample()
    set_state(PageState(sample=True, is_local=current_state().is_local))


_ACTIONS = {"filter": _restrict, "unfilter": _release, "group": _split, "span": _narrow, "play": _play}


def _named(value: Any) -> tuple[Dimension, str] | None:
    if not isinstance(value, dict):
        return None
    dimension, token = dimension_named(value.get("dimension")), value.get("token")
    if dimension is None or not isinstance(token, str) or not token:
        return None
    return dimension, token[:MAX_VALUE_CHARS]
