"""A name shown anywhere leads to its page, with span, filters, zone and sample kept.

- In running text: `entity_link(page, Dimension.CONSUMER, token, label)`
- On a click (a row of a table, a bar): `go_to(page, Dimension.IP, token)`
- A row of a table: `row = clicked_row(st.dataframe(..., key=..., on_select="rerun",
  selection_mode="single-row"))`, then `go_to(page, dimension, tokens[row])` unless it is None
- To filter the page that runs: `filter_to(page, Dimension.SERVICE, token)`

A span that stands still stays the same on the next page; one that moves stays moving; where the URL names
none, the next page shows its own.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import streamlit as st

from domain.filters import OTHER_TOKEN, UNKNOWN_TOKEN, Dimension
from domain.windows import Window
from ui import navigation, wording
from ui.components.page_frame import Frame
from ui.safe_text import in_markdown
from ui.state import PageState, set_state

PAGE_OF = {Dimension.CONSUMER: "consumers", Dimension.IP: "addresses", Dimension.NODE: "nodes"}
"""Dimensions that have pages of their own; the others filter Events."""


@dataclasses.dataclass(frozen=True, slots=True)
class Target:
    """A page with its state."""

    page: str
    state: PageState


def target(state: PageState, dimension: Dimension, token: str, at: Window | None = None) -> Target | None:
    """Where a name leads; None for names that stand for many (Other) or for none.

    Args:
        state: Of the page that it is shown on.
        dimension: What it is.
        token: As rows of the store give it.
        at: A span to show there, such as the time around an event; None keeps the page's own.
    """
    if token in (OTHER_TOKEN, UNKNOWN_TOKEN):
        return None
    onward = state.elsewhere() if at is None else state.elsewhere().at(at)
    page = PAGE_OF.get(dimension, "events")
    if page != "events" and navigation.exists(page):
        return Target(page, onward.without(dimension).about(token))
    return Target("events", onward.adding(dimension, token)) if navigation.exists("events") else None


def entity_link(
    frame: Frame, dimension: Dimension, token: str, label: str, *, at: Window | None = None
) -> None:
    """A link that reads `label` (data: it is escaped here); plain text where it leads nowhere."""
    shown = in_markdown(wording.label(dimension, token, label))
    found = target(frame.state, dimension, token, at)
    if found is None:
        st.markdown(shown, width="content")
    else:
        navigation.page_link(shown, found.page, found.state)


def go_to(frame: Frame, dimension: Dimension, token: str, *, at: Window | None = None) -> None:
    """Show its page at once; does nothing for names that lead nowhere. Not for callbacks."""
    found = target(frame.state, dimension, token, at)
    if found is not None:
        navigation.go(found.page, found.state)


def filter_to(frame: Frame, dimension: Dimension, token: str, *, excluded: bool = False) -> None:
    """Restrict the page that runs, and run it again. Not for callbacks."""
    set_state(frame.state.adding(dimension, token, excluded=excluded))
    st.rerun()


def clicked_row(event: Any) -> int | None:
    """The row that is selected in a `st.dataframe(..., on_select="rerun")`; None when there is none."""
    rows = event.selection.rows
    return int(rows[0]) if rows else None
