"""Events: everything that was stored one by one, what could not be read, and what is known to be missing."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import streamlit as st

from domain.events import Certainty
from domain.windows import HOUR_MS, RESOLUTIONS_MS, Window
from storage.batches import Gap
from storage.rows import EventPage, EventQuery, QuarantineRow
from ui import navigation, wording
from ui import wording_events as words
from ui.components import page_frame, screens
from ui.components.event_list import chosen_event, show_chosen_event, show_downloads, show_events
from ui.components.page_frame import Frame
from ui.components.portrait_lists import shared_reader
from ui.components.table import TIME, Cell, Column, Row, show_table
from ui.safe_text import in_markdown, plain
from ui.state import PageState, current_state, set_state

PAGE_EVENTS = 100
MAX_TROUBLE = 500
EVENTS, QUARANTINE, GAPS = "events", "quarantine", "gaps"
TABS = {EVENTS: "Events", QUARANTINE: "Quarantine", GAPS: "Gaps"}
AROUND_GAP_MS = HOUR_MS


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the URL asks of the page, checked."""

    tab: str
    kinds: tuple[str, ...]
    events: tuple[str, ...]
    certainties: tuple[str, ...]
    text: str
    before: int | None
    """Turned to the events that arrived before this one."""

    @classmethod
    def of(cls, state: PageState) -> Asked:
        """What cannot be understood counts as not given."""
        tab = next(iter(state.own("tab")), EVENTS)
        before = next(iter(state.own("before")), "")
        return cls(
            tab=tab if tab in TABS else EVENTS,
            kinds=state.own("kind"),
            events=state.own("name"),
            certainties=tuple(c for c in state.own("certainty") if c in set(Certainty)),
            text=next(iter(state.own("text")), ""),
            before=int(before[:15]) if before.isascii() and before.isdecimal() else None,
        )

    def query(self, page: Frame) -> EventQuery:
        """The question that it is. Whole buckets of the totals, so that matching events can be counted."""
        return EventQuery(
            window=page.window.aligned(RESOLUTIONS_MS[0]),
            filters=page.state.filters,
            kinds=self.kinds,
            events=self.events,
            certainties=self.certainties,
            text=self.text,
        )

    @property
    def is_narrowed(self) -> bool:
        """Whether anything but the span and the filter bar restricts it."""
        return bool(self.kinds or self.events or self.certainties or self.text)


def render() -> None:
    """Draw the page."""
    with page_frame.opened("events") as page:
        if screens.is_empty(page):
            screens.show_empty(page)
            return
        asked = Asked.of(page.state)
        _tabs(page, asked)
        if asked.tab == QUARANTINE:
            _show_quarantine(page)
        elif asked.tab == GAPS:
            _show_gaps(page)
        else:
            _show_events(page, asked)


def _tabs(page: Frame, asked: Asked) -> None:
    reader = shared_reader(page)
    troubles = {
        QUARANTINE: len(reader.quarantine(page.window, MAX_TROUBLE)),
        GAPS: len(reader.gaps(page.window, MAX_TROUBLE)),
    }

    def title(tab: str) -> str:
        count = troubles.get(tab)
        return f"{TABS[tab]} ({count:,}{'+' if count == MAX_TROUBLE else ''})" if count else TABS[tab]

    _choice("gw-tab", "What to show", list(TABS), asked.tab, title, lambda tab: _own(tab=tab, default=EVENTS))


def _own(tab: str, default: str) -> None:
    set_state(current_state().about(None).with_own(tab=[] if tab == default else [tab], before=[]))


def _choice(
    key: str,
    label: str,
    options: Sequence[str],
    chosen: str,
    title: Callable[[str], str],
    pick: Callable[[str], None],
) -> None:
    st.session_state[key] = chosen
    st.segmented_control(
        label,
        list(options),
        key=key,
        on_change=lambda: pick(st.session_state[key]),
        format_func=title,
        required=True,
        label_visibility="collapsed",
    )


def _show_events(page: Frame, asked: Asked) -> None:
    query = asked.query(page)
    counts = shared_reader(page).kind_counts(query.window)
    seq = chosen_event(page)
    _narrowing(asked, counts)
    found = shared_reader(page).events(query, asked.before, PAGE_EVENTS)
    with st.container(horizontal=True, vertical_alignment="center", key="gw-matching"):
        said = words.matching(
            len(found.rows),
            found.total,
            has_more=found.next_seq is not None or asked.before is not None,
            at_least=page_frame.at_least(page),
        )
        st.markdown(f"#### {in_markdown(said)}", width="content")
        show_downloads(page, query, key="gw-downloads")
    if not found.rows and asked.before is None and seq is None:
        _show_nothing(page, asked, sum(count for _, _, count in counts))
        return
    if seq is None:
        show_events(page, found.rows, key="gw-events", label="Stored events, newest arrival first")
        _turning(page, asked, found)
        return
    left, right = st.columns([3, 2], gap="medium")
    with left:
        show_events(page, found.rows, key="gw-events", label="Stored events, newest arrival first")
        _turning(page, asked, found)
    with right:
        show_chosen_event(page, seq)


def _show_nothing(page: Frame, asked: Asked, unfiltered: int) -> None:
    if not unfiltered:
        screens.show_quiet(page, "No event was stored")
        st.caption(words.FOLDED)
    elif page.state.filters:
        screens.show_filtered(page, unfiltered, "events")
    if asked.is_narrowed and unfiltered:
        st.info(f"0 of {wording.count(unfiltered)} events of this span match what is chosen above.")
        st.button(
            "Show all kinds",
            key="gw-all-kinds",
            on_click=lambda: set_state(
                current_state().with_own(kind=[], name=[], certainty=[], text=[], before=[])
            ),
        )


def _narrowing(asked: Asked, counts: Sequence[tuple[str, str, int]]) -> None:
    """Kind, name and certainty with their counts in this span, and words to look for."""
    by_kind: dict[str, int] = {}
    for kind, _, count in counts:
        by_kind[kind] = by_kind.get(kind, 0) + count
    kinds = list(dict.fromkeys([*by_kind, *asked.kinds]))
    names = {event: count for kind, event, count in counts if not asked.kinds or kind in asked.kinds}
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="gw-narrowing"):
        _pills(
            "kind",
            "Kinds",
            kinds,
            asked.kinds,
            lambda k: f"{in_markdown(words.kind(k))} {by_kind.get(k, 0):,}",
        )
        _names(asked, names)
        _pills(
            "certainty",
            "Certainty",
            list(Certainty),
            asked.certainties,
            lambda c: wording.CERTAINTIES[c],
        )
        _words(asked)


def _pills(
    name: str, label: str, options: Sequence[str], chosen: Sequence[str], title: Callable[[str], str]
) -> None:
    if not options:
        return
    key = f"gw-{name}"
    st.session_state[key] = [option for option in options if option in chosen]

    def pick() -> None:
        set_state(current_state().with_own(**{name: list(map(str, st.session_state[key])), "before": []}))

    st.pills(
        label,
        list(options),
        key=key,
        selection_mode="multi",
        on_change=pick,
        format_func=title,
        label_visibility="collapsed",
    )


def _names(asked: Asked, names: dict[str, int]) -> None:
    key = "gw-names-of-events"
    options = list(dict.fromkeys([*names, *asked.events]))
    st.session_state[key] = list(asked.events)
    st.multiselect(
        "Events",
        options,
        key=key,
        on_change=lambda: set_state(current_state().with_own(name=st.session_state[key], before=[])),
        format_func=lambda name: f"{name} · {names.get(name, 0):,}",
        placeholder="Any event",
        label_visibility="collapsed",
        width=260,
    )


def _words(asked: Asked) -> None:
    key = "gw-text"
    st.session_state[key] = asked.text

    def look() -> None:
        text = plain(st.session_state[key])
        set_state(current_state().with_own(text=[text] if text else [], before=[]))

    st.text_input(
        "Words to look for",
        key=key,
        on_change=look,
        placeholder="Name, address, request id",
        label_visibility="collapsed",
        icon=":material/search:",
        width=240,
    )


def _turning(page: Frame, asked: Asked, found: EventPage) -> None:
    """Older and newest; the place is in the URL, so that a reload stays there."""
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        if asked.before is not None:
            newest = page.state.with_own(before=[])
            st.button(
                "Newest",
                key="gw-newest",
                icon=":material/first_page:",
                type="tertiary",
                on_click=lambda: set_state(newest),
            )
        if found.next_seq is not None:
            older = page.state.with_own(before=[str(found.next_seq)])
            st.button(
                "Older",
                key="gw-older",
                icon=":material/chevron_right:",
                type="tertiary",
                on_click=lambda: set_state(older),
            )
        if not found.rows:
            st.caption("No older event matches.")


def _show_quarantine(page: Frame) -> None:
    rows = shared_reader(page).quarantine(page.window, MAX_TROUBLE)
    st.caption(words.QUARANTINE_HELP)
    if not rows:
        st.markdown(words.NO_QUARANTINE)
        return
    chosen = next(iter(page.state.own("raw")), "")
    columns = (
        Column(f"Time ({page.zone.label(page.now_ms)})", TIME),
        Column("From"),
        Column("Why", wrap=True, wide=True),
        Column("What arrived", "code"),
    )
    show_table(
        columns,
        [_quarantine_row(page, row, is_chosen=str(row.seq) == chosen) for row in rows],
        key="gw-quarantine",
        label="Messages that could not be read",
        height=460,
    )
    whole = next((row for row in rows if str(row.seq) == chosen), None)
    if whole is not None:
        st.caption(
            in_markdown(f"What arrived from {whole.source}, cut at 2,000 characters: {whole.why}", 600)
        )
        st.code(whole.raw, language=None, wrap_lines=True)
    if len(rows) == MAX_TROUBLE:
        st.caption(f"The newest {MAX_TROUBLE:,} of this span.")


def _quarantine_row(page: Frame, row: QuarantineRow, *, is_chosen: bool) -> Row:
    href = navigation.here(page.state.with_own(raw=[] if is_chosen else [str(row.seq)]))
    at = wording.day_and_clock(row.at_ms, page.zone)
    cells = (Cell(at, href=href), Cell(row.source), Cell(row.why), Cell(row.raw[:120]))
    return Row(cells, href=href, chosen=is_chosen)


def _show_gaps(page: Frame) -> None:
    gaps = shared_reader(page).gaps(page.window, MAX_TROUBLE)
    st.caption(words.GAPS_HELP)
    if not gaps:
        st.markdown(words.NO_GAPS)
        return
    zone = page.zone.label(page.now_ms)
    columns = (
        Column(f"From ({zone})", TIME),
        Column(f"To ({zone})", TIME),
        Column("Length", "count"),
        Column("Sender"),
        Column("Cause", wide=True, wrap=True),
    )
    rows = [_gap_row(page, gap) for gap in gaps]
    show_table(columns, rows, key="gw-gaps", label="Spans in which something is missing")
    if len(gaps) == MAX_TROUBLE:
        st.caption(f"The newest {MAX_TROUBLE:,} of this span.")


def _gap_row(page: Frame, gap: Gap) -> Row:
    around = Window(max(0, gap.from_ms - AROUND_GAP_MS), gap.to_ms + AROUND_GAP_MS)
    href = navigation.href("live", page.state.elsewhere().at(around))
    return Row(
        (
            Cell(wording.day_and_clock(gap.from_ms, page.zone), href=href, title="Live, an hour around it"),
            Cell(wording.day_and_clock(gap.to_ms, page.zone)),
            Cell(wording.duration(gap.to_ms - gap.from_ms)),
            Cell(gap.source),
            Cell(gap.cause),
        ),
        href=href,
    )
