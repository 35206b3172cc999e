"""The one filter bar of all pages: span, zone, group, filters as chips, add, share. It writes only the URL.

Pages do not call it; `page_frame.opened` does. A chip opens a small menu: remove it, or turn it around.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable

import streamlit as st

from domain.filters import Dimension
from domain.windows import Window
from storage.protocol import Reader
from storage.rows import Entity
from ui import navigation, wording
from ui import wording_frame as words
from ui.safe_text import in_markdown, plain
from ui.state import ALL, RANGES, PageState, current_state, set_state
from ui.zones import Zone

CUSTOM = "custom"
ZONES = {"utc": "UTC", "local": "Local"}
MAX_FOUND = 8


def filter_bar(
    state: PageState,
    window: Window,
    zone: Zone,
    reader: Reader,
    *,
    name: str,
    default_range: str,
    filters: bool,
    ranges: bool,
    groups: tuple[Dimension, ...],
) -> None:
    """Draw the bar for a page; see `page_frame.opened` for what the switches mean."""
    with st.container(horizontal=True, key="gw-bar", gap="small", vertical_alignment="center"):
        if ranges:
            _range(state, window, zone, default_range)
        _zone(state)
        if groups:
            _group(state, groups)
        if filters:
            _chips(state)
            _add(reader)
        _share(state, window, name)


def _changed(change: Callable[[PageState], PageState]) -> None:
    set_state(change(current_state()))


def _range(state: PageState, window: Window, zone: Zone, default_range: str) -> None:
    options = [*RANGES, ALL]
    shown = CUSTOM if state.fixed is not None else state.range or default_range
    if shown == CUSTOM:
        options.append(CUSTOM)
    key = "gw-range"
    st.session_state[key] = shown

    def pick() -> None:
        picked = st.session_state[key]
        if picked in RANGES or picked == ALL:
            _changed(lambda s: s.ranged(None if picked == default_range else picked))

    st.selectbox(
        "Span of time",
        options,
        key=key,
        on_change=pick,
        format_func=lambda name: _range_words(name, window, zone),
        label_visibility="collapsed",
        width=300 if shown == CUSTOM else 130,
        filter_mode=None,
    )
    with st.popover("", icon=":material/date_range:", help="Choose a start and an end", key="gw-span"):
        _custom(window, zone)


def _range_words(name: str, window: Window, zone: Zone) -> str:
    if name == CUSTOM:
        return wording.window(window, zone)
    return "All time" if name == ALL else f"Last {wording.range_words(name)}"


def _custom(window: Window, zone: Zone) -> None:
    with st.form("gw-span-form", border=False):
        start = _time_input("From", window.from_ms, zone)
        end = _time_input("To", window.to_ms, zone)
        st.caption(in_markdown(f"Times are {zone.label(window.to_ms)}."))
        if st.form_submit_button("Show this span"):
            if start is None or end is None or zone.at_ms(start) >= zone.at_ms(end):
                st.error("The start must be before the end.")
            else:
                set_state(current_state().at(Window(zone.at_ms(start), zone.at_ms(end))))
                st.rerun()


def _time_input(label: str, at_ms: int, zone: Zone) -> dt.datetime | None:
    given = zone.moment(at_ms).replace(tzinfo=None, microsecond=0)
    found: dt.datetime | None = st.datetime_input(label, given, step=60, format="YYYY-MM-DD")
    return found


def _zone(state: PageState) -> None:
    key = "gw-zone"
    st.session_state[key] = "local" if state.is_local else "utc"

    def pick() -> None:
        is_local = st.session_state[key] == "local"
        _changed(lambda s: dataclasses.replace(s, is_local=is_local))

    st.segmented_control(
        "Zone of times",
        list(ZONES),
        key=key,
        on_change=pick,
        format_func=ZONES.__getitem__,
        required=True,
        label_visibility="collapsed",
    )


def _group(state: PageState, groups: tuple[Dimension, ...]) -> None:
    key = "gw-group"
    st.session_state[key] = state.group if state.group in groups else groups[0]

    def pick() -> None:
        picked = st.session_state[key]
        _changed(lambda s: s.grouped(None if picked == groups[0] else picked))

    st.selectbox(
        "Split by",
        groups,
        key=key,
        on_change=pick,
        format_func=lambda dimension: f"by {wording.SINGULARS[dimension]}",
        label_visibility="collapsed",
        width=140,
        filter_mode=None,
    )


def _chips(state: PageState) -> None:
    for index, (sentence, dimension, value, excluded) in enumerate(wording.filter_words(state.filters)):
        turned = "Keep only this" if excluded else "Exclude instead"
        key = f"gw-chip-{index}"

        def pick(
            key: str = key, dimension: Dimension = dimension, value: str = value, *, excluded: bool = excluded
        ) -> None:
            if st.session_state[key] == "Remove":
                _changed(lambda s: s.without(dimension, value))
            elif st.session_state[key]:
                _changed(lambda s: s.adding(dimension, value, excluded=not excluded))

        st.menu_button(
            in_markdown(sentence, 48),
            ["Remove", turned],
            key=key,
            on_click=pick,
            wrap=False,
            type="secondary",
        )
    if state.filters:
        st.button(
            words.CLEAR_FILTERS,
            key="gw-clear",
            type="tertiary",
            on_click=lambda: _changed(PageState.unfiltered),
        )


def _add(reader: Reader) -> None:
    with st.popover(words.ADD_FILTER, icon=":material/add:", key="gw-add"):
        text = plain(st.text_input("What to look for", key="gw-search", placeholder=words.SEARCH_HINT))
        if not text:
            return
        found = reader.search(text, MAX_FOUND)
        for index, entity in enumerate(found):
            _found_row(index, entity)
        if not found:
            st.caption(words.NOTHING_FOUND)
        _by_hand(text)


def _found_row(index: int, entity: Entity) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        noun = wording.SINGULARS[entity.dimension]
        st.markdown(f"{noun} **{in_markdown(entity.label, 60)}**", width="stretch")
        for excluded, label in ((False, "Filter"), (True, "Exclude")):
            st.button(
                label,
                key=f"gw-found-{index}-{excluded}",
                on_click=lambda e=entity, x=excluded: _changed(
                    lambda s: s.adding(e.dimension, e.token, excluded=x)
                ),
            )


def _by_hand(text: str) -> None:
    """A value that nothing is known of, such as a range of addresses."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        dimension = Dimension(
            st.selectbox(
                "as",
                [str(found) for found in Dimension],
                format_func=lambda found: wording.SINGULARS[Dimension(found)],
                key="gw-as",
                width=140,
            )
            or Dimension.IP
        )
        for excluded, label in ((False, "Filter"), (True, "Exclude")):
            st.button(
                label,
                key=f"gw-as-{excluded}",
                on_click=lambda x=excluded: _changed(lambda s: s.adding(dimension, text, excluded=x)),
            )


def _share(state: PageState, window: Window, name: str) -> None:
    with st.popover(words.SHARE, icon=":material/share:", key="gw-share"):
        st.caption(words.SHARE_HELP)
        origin = (
            (st.context.url or "").split("?")[0].rstrip("/").removesuffix(navigation.path(name).rstrip("/"))
        )
        whole_seconds = Window(
            window.from_ms // 1000 * 1000, max(window.to_ms // 1000, window.from_ms // 1000 + 1) * 1000
        )
        st.caption(words.SHARE_PINNED)
        st.code(origin + navigation.href(name, state.at(whole_seconds)), language=None, wrap_lines=True)
        if state.moves:
            st.caption(words.SHARE_MOVING)
            st.code(origin + navigation.href(name, state), language=None, wrap_lines=True)
