"""Links inside our own browser parts: a plain click runs the page, or leads to another, without a reload.

A part draws real links, so that they open in another tab, can be copied and are read aloud; what it reports
as `go` is the link's address, and is checked here as anything that a browser sends.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import streamlit as st

from ui import navigation
from ui.state import PageState, set_state


def read_href(href: object) -> tuple[str | None, PageState] | None:
    """(page, state) of a link of ours; the page is None for one that only changes the URL of its page.

    None for anything else.
    """
    if not isinstance(href, str):
        return None
    try:
        parts = urlsplit(href)
    except ValueError:
        return None
    if parts.scheme or parts.netloc:
        return None
    state = PageState.from_params(parse_qs(parts.query))
    if not parts.path:
        return None, state
    name = parts.path.strip("/") or navigation.LANDING
    known = {found.name for found in navigation.existing()}
    return (name, state) if name in known else None


def same_page(state: PageState) -> str:
    """The address of the page that runs with another state."""
    return "?" + state.query()


def following(key: str) -> Callable[[], None]:
    """The callback for `on_go_change` of the part with that key."""
    return functools.partial(_follow_here, key)


def follow(sent: object) -> None:
    """Show the other page that the link of `result.go` leads to, if it does; then does not return."""
    found = read_href(sent.get("href")) if isinstance(sent, dict) else None
    if found is not None and not _is_here(found[0]):
        navigation.go(str(found[0]), found[1])


def _follow_here(key: str) -> None:
    """A link that stays on its page changes the URL before the page runs."""
    sent: Any = st.session_state[key].go
    found = read_href(sent.get("href")) if isinstance(sent, dict) else None
    if found is not None and _is_here(found[0]):
        set_state(found[1])


def _is_here(name: str | None) -> bool:
    return name is None or name == st.session_state.get("gw-page")
