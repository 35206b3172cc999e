"""What stands around every page: navigation, freshness, the filter bar, banners, and an error box.

A page is:

    def render() -> None:
        with page_frame.opened("consumers") as page:
            rows = page.reader.breakdown(Dimension.CONSUMER, page.window, page.state.filters)
            ...

Everything a page needs is in `page`: `state` (the URL), `window` (the span), `zone`, `reader`, `now_ms`,
`freshness`, `feed`. A read that fails inside the block becomes a box that says what to do; what was drawn
before it stays. `at_least(page)` says whether counts of this page may be too low.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator

import streamlit as st

from domain.errors import DeadlineExceeded, StoreError
from domain.filters import Dimension
from domain.windows import DAY_MS, Window, floor_ms
from storage.protocol import Reader
from storage.rows import Freshness
from ui import navigation, store, wording_frame
from ui.components.filter_bar import filter_bar
from ui.components.freshness import freshness_line
from ui.live_state import Feed, FeedState, judge_feed
from ui.safe_text import in_markdown
from ui.server import status
from ui.state import ALL, PageState, current_state, set_state
from ui.zones import UTC, Zone, zone_named


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One run of a page."""

    name: str
    state: PageState
    window: Window
    """What the page shows."""
    zone: Zone
    reader: Reader
    now_ms: int
    freshness: Freshness
    feed: Feed
    is_of_now: bool = False
    """No span applies to the page: it is of now, whatever span the URL holds for other pages."""

    @property
    def moves(self) -> bool:
        """Whether what is shown ends now."""
        return self.is_of_now or self.state.moves

    @property
    def is_past(self) -> bool:
        """The span stands still and is over, so that a silent feed does not matter to it."""
        return not self.moves and self.window.to_ms < self.now_ms


@contextlib.contextmanager
def opened(
    name: str,
    *,
    title: str = "",
    heading: bool = True,
    filters: bool = True,
    ranges: bool = True,
    groups: tuple[Dimension, ...] = (),
    default_range: str | None = None,
    on_unreadable: Callable[[PageState], None] | None = None,
) -> Iterator[Frame]:
    """Draw the frame, run the block inside it, and turn failing reads into an error box.

    Args:
        name: Of the page, as in `navigation.PAGES`.
        title: Instead of the page's own, such as a consumer's name (data: it is escaped here).
        heading: Whether the frame draws the title, the freshness line and the banners; Live has its own.
        filters: Whether filters apply to the page.
        ranges: Whether a span applies to it; without, it is of now.
        groups: What its charts can be split by.
        default_range: Instead of the page's own, such as `7d` for one consumer.
        on_unreadable: Draws what can still be said when the database cannot be read.
    """
    state = current_state()
    shown = title or navigation.entry(name).title
    st.set_page_config(page_title=wording_frame.tab_title(shown))
    navigation.navigation_row(name, state)
    _sample_label(state)
    frame = _read(name, state, default_range or navigation.entry(name).default_range, ranges=ranges)
    if frame is None:
        if on_unreadable is not None:
            on_unreadable(state)
        st.stop()
    filter_bar(
        frame.state,
        frame.window,
        frame.zone,
        frame.reader,
        name=name,
        default_range=default_range or navigation.entry(name).default_range,
        filters=filters,
        ranges=ranges,
        groups=groups,
    )
    if heading:
        _heading(frame, title)
        _banners(frame)
    with errors_shown():
        yield frame


def _read(name: str, state: PageState, default_range: str, *, ranges: bool) -> Frame | None:
    reader = store.reader(sample=state.sample)
    now_ms = store.now_ms()
    with errors_shown():
        freshness = reader.freshness()
        oldest_ms = _oldest_ms(reader, freshness) if state.range == ALL else None
        return Frame(
            name=name,
            state=state,
            window=(state if ranges else state.ranged(None)).window(now_ms, default_range, oldest_ms),
            zone=viewer_zone(state),
            reader=reader,
            now_ms=now_ms,
            freshness=freshness,
            feed=judge_feed(freshness, now_ms),
            is_of_now=not ranges,
        )
    return None


def _oldest_ms(reader: Reader, freshness: Freshness) -> int | None:
    """Where everything begins, at the start of that day in UTC; None when nothing was ever received."""
    first = [source.first_received_ms for source in freshness.sources]
    first += [at_ms for at_ms in (reader.health().oldest_event_ms,) if at_ms is not None]
    return floor_ms(min(first), DAY_MS) if first else None


def viewer_zone(state: PageState) -> Zone:
    """UTC, or the zone of the viewer's browser when the URL asks for it."""
    return zone_named(st.context.timezone) if state.is_local else UTC


@contextlib.contextmanager
def errors_shown() -> Iterator[None]:
    """Turn a read that fails inside the block into a box with what to do; for parts of a page."""
    try:
        yield
    except DeadlineExceeded as error:
        st.warning(wording_frame.too_slow(error.deadline_ms), icon=":material/hourglass_top:")
    except StoreError as error:
        st.error(in_markdown(wording_frame.unreadable(str(error)), 500), icon=":material/database_off:")


def at_least(frame: Frame) -> bool:
    """Whether something is known to be missing from the page's span, so that counts are lower bounds."""
    return bool(frame.reader.gaps(frame.window, 1))


def _heading(frame: Frame, title: str) -> None:
    shown = in_markdown(title) if title else navigation.entry(frame.name).title
    with st.container(horizontal=True, key="gw-heading", vertical_alignment="center", gap="medium"):
        st.markdown(f"## {shown}", width="content")
        freshness_line(frame.feed, frame.now_ms, frame.zone, moves=frame.moves)


def _sample_label(state: PageState) -> None:
    if not state.sample:
        return
    with st.container(horizontal=True, key="gw-sample", vertical_alignment="center"):
        st.markdown(f":material/science: **{wording_frame.SAMPLE_NOTE}**", width="content")
        if st.button(wording_frame.STOP_SAMPLE, key="gw-stop-sample", type="tertiary"):
            running = status.server()
            if running is not None:
                running.stop_sample()
            set_state(dataclasses.replace(state, sample=False))
            st.rerun()


def _banners(frame: Frame) -> None:
    """One line above a page whose numbers must not be read as the present."""
    if frame.is_past or frame.feed.is_trusted or frame.feed.state == FeedState.WAITING:
        return
    sentence = wording_frame.not_current(frame.feed, frame.now_ms, frame.zone)
    st.warning(in_markdown(sentence, 500), icon=":material/visibility_off:")
