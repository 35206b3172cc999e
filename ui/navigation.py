"""The pages, one line each, and the ways from one to another.

To add a page: write `ui/pages/<name>.py` with a function `render()`, and add its line to `PAGES`. A page
whose file does not exist is left out everywhere.

Ways to get to a page, all without a reload:

- `page_link("Consumers", "consumers", state)`: a link, with the state in its URL
- `go("consumers", state.elsewhere().about(token))`: at once, from a page's body (a click on a row or a bar)
- `ui.components.links.target(...)`: where a name leads

Give another page `state.elsewhere()`, so that what was this page's alone stays behind; `about` after that.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import importlib.util
from collections.abc import Callable

import streamlit as st

from ui.state import PageState


@dataclasses.dataclass(frozen=True, slots=True)
class PageEntry:
    """One page."""

    name: str
    """Of its file in `ui/pages/`, and its path in the URL; Live has none."""
    title: str
    default_range: str
    """Shown when the URL names no span."""
    help: str


PAGES = (
    PageEntry("live", "Live", "15m", "What Kong refuses right now."),
    PageEntry("consumers", "Consumers", "24h", "Who was refused, and whether that is normal for them."),
    PageEntry("addresses", "Addresses", "24h", "From where, and who is behind an address."),
    PageEntry("alerts", "Alerts", "24h", "What needs somebody, and who looks after it."),
    PageEntry("nodes", "Nodes", "1h", "Whether every gateway node is there and up to date."),
    PageEntry("cache", "Cache", "1h", "What nodes dropped from their caches, and why."),
    PageEntry("changes", "Changes", "7d", "Who changed what in Kong, and how to take it back."),
    PageEntry("blocks", "Blocks", "7d", "Who is blocked, by whom and until when."),
    PageEntry("events", "Events", "1h", "Every stored event, down to the JSON."),
    PageEntry("health", "Health", "24h", "Whether what you see is all there is."),
)
_BY_NAME = {entry.name: entry for entry in PAGES}
LANDING = "live"


def entry(name: str) -> PageEntry:
    """The line of that page."""
    return _BY_NAME[name]


@functools.cache
def exists(name: str) -> bool:
    """Whether that page is there."""
    return name in _BY_NAME and importlib.util.find_spec(f"ui.pages.{name}") is not None


def existing() -> tuple[PageEntry, ...]:
    """The pages that are there, in order."""
    return tuple(found for found in PAGES if exists(found.name))


def path(name: str) -> str:
    """Its path in the URL."""
    return "/" if name == LANDING else f"/{name}"


def href(name: str, state: PageState) -> str:
    """A page's own address with its state, for our browser code; percent-encoded, on this host."""
    query = state.query()
    return path(name) + (f"?{query}" if query else "")


def here(state: PageState) -> str:
    """The address of the page that runs with another state, for our browser code."""
    return "?" + state.query()


def _runner(name: str) -> Callable[[], None]:
    def render() -> None:
        importlib.import_module(f"ui.pages.{name}").render()

    render.__name__ = name
    return render


def streamlit_page(name: str) -> st.Page:
    """The page as Streamlit knows it."""
    found = entry(name)
    return st.Page(
        _runner(name),
        title=found.title,
        url_path="" if name == LANDING else name,
        default=name == existing()[0].name,
    )


def page_link(label: str, name: str, state: PageState, *, help_text: str | None = None) -> None:
    """A link that reads `label` (markdown: data goes through `in_markdown` first)."""
    st.page_link(streamlit_page(name), label=label, help=help_text, query_params=state.to_params())


def go(name: str, state: PageState) -> None:
    """Show another page at once; does not return. Not for callbacks."""
    st.switch_page(streamlit_page(name), query_params=state.to_params())


def navigation_row(current: str, state: PageState) -> None:
    """The row of links at the top of every page; each keeps span, filters, zone and sample."""
    with st.container(horizontal=True, key="gw-nav", gap="small", vertical_alignment="center"):
        st.markdown("**Gatewatch**")
        for found in existing():
            page_link(found.title, found.name, state.elsewhere(), help_text=found.help)
    st.session_state["gw-page"] = current
