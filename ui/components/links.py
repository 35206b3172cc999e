"""A name shown anywhere leads to its page, with span, filters, zone and sample kept.

A span that stands still stays the same on the next page; one that moves stays moving; where the URL names
none, the next page shows its own.
"""

from __future__ import annotations

import dataclasses

from domain.filters import OTHER_TOKEN, UNKNOWN_TOKEN, Dimension
from domain.windows import Window
from ui import navigation
from ui.state import PageState

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
