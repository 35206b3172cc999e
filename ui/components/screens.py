"""What a page shows when it has nothing to show: never been told anything, quiet, or filtered to nothing.

That nothing arrives any more (stale, blind) is said by the frame, above whatever was known until then.
"""

from __future__ import annotations

import dataclasses

import streamlit as st

from ui import store, wording
from ui import wording_live as words
from ui.components.page_frame import Frame
from ui.components.portrait_lists import silences_in
from ui.live_state import FeedState
from ui.safe_text import in_markdown
from ui.server import status
from ui.state import current_state, set_state
from ui.unheard import unheard_ms


def is_empty(frame: Frame) -> bool:
    """Whether nothing was ever received; the page then shows `show_empty` and nothing else."""
    return frame.feed.state == FeedState.WAITING


def show_empty(frame: Frame) -> None:
    """How to connect Kong, and a recorded trace to look at meanwhile."""
    st.markdown(f"### :material/hourglass_empty: {words.EMPTY_TITLE}")
    first, *others = words.EMPTY_STEPS
    st.markdown(f"1. {first}")
    st.code(words.HTTP_LOG_SNIPPET.replace("ADDRESS", store.settings().http_listen), language="bash")
    st.markdown("\n".join(f"{number}. {step}" for number, step in enumerate(others, 2)))
    if not frame.state.sample and status.server() is not None:
        st.button(words.PLAY_SAMPLE, key="gw-play", icon=":material/play_arrow:", on_click=_play)


def _play() -> None:
    server = status.server()
    if server is not None:
        server.play_sample()
        set_state(dataclasses.replace(current_state(), sample=True))


def show_quiet(frame: Frame, what: str) -> None:
    """Nothing happened, and we could see.

    Args:
        frame: The page.
        what: What there was none of, such as `No violations`.
    """
    span = _span(frame)
    silent_ms = unheard_ms(silences_in(frame, frame.window))
    if silent_ms >= min(frame.window.to_ms, frame.now_ms) - frame.window.from_ms > 0:
        st.info(
            in_markdown(f"{what} {span}, as far as we know: nothing was heard then.", 400),
            icon=":material/help:",
        )
    elif silent_ms and (frame.is_past or frame.feed.is_trusted):
        unheard = wording.duration(silent_ms)
        said = f"{what} {span}, as far as we know: nothing was heard in {unheard} of it."
        st.info(in_markdown(said, 400), icon=":material/help:")
    elif frame.is_past or frame.feed.is_trusted:
        heard = "" if frame.is_past else f" The feed is {words.FEED_WORDS[frame.feed.state][1].lower()}."
        st.success(in_markdown(f"{what} {span}.{heard}", 400), icon=":material/check_circle:")
    else:
        st.info(
            in_markdown(f"{what} {span}, as far as we know: the feed is not current.", 400),
            icon=":material/help:",
        )


def show_filtered(frame: Frame, unfiltered: int | None, noun: str = "violations") -> None:
    """The filters leave nothing; each can be removed here.

    Args:
        frame: The page.
        unfiltered: How many there are without filters.
        noun: Of what.
    """
    all_of_them = f"0 of {wording.count(unfiltered)} {noun} match the filters {_span(frame)}."
    with st.container(key="gw-filtered"):
        st.info(in_markdown(all_of_them, 400), icon=":material/filter_alt:")
        with st.container(horizontal=True, gap="small"):
            for index, (sentence, dimension, value, _) in enumerate(
                wording.filter_words(frame.state.filters)
            ):
                st.button(
                    "Remove " + in_markdown(sentence, 60),
                    key=f"gw-unfilter-{index}",
                    on_click=lambda d=dimension, v=value: set_state(current_state().without(d, v)),
                )


def _span(frame: Frame) -> str:
    if frame.is_of_now:
        return "now"
    if frame.moves:
        return f"in the last {wording.span(frame.window.length_ms)}"
    return "from " + wording.window(frame.window, frame.zone)
