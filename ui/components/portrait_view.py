"""How the page of one consumer, or of one address, is drawn: the same parts from either side."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import streamlit as st

from domain.filters import OTHER_TOKEN, UNKNOWN_TOKEN, Dimension
from domain.windows import Window
from storage.rows import CellRow, EventQuery, EventRow
from ui import navigation, wording
from ui import wording_events as event_words
from ui import wording_portrait as words
from ui.charts.history import history_figure, history_sentence
from ui.charts.week_heat import week_figure, week_grid, week_sentence
from ui.components import links
from ui.components.chart import show_chart
from ui.components.event_list import chosen_event, show_chosen_event, show_downloads, show_events
from ui.components.numbers import Number, show_numbers
from ui.components.page_frame import Frame, errors_shown
from ui.components.portrait_lists import (
    MAX_LIST,
    MAX_PAIRS,
    Lists,
    is_none_known,
    seen_at,
    shared_reader,
    silences_in,
)
from ui.components.table import COUNT, TIME, Cell, Column, Row, show_table, without_column
from ui.history import Measure
from ui.portrait import WEEKS_SHOWN, Portrait
from ui.safe_text import in_markdown
from ui.state import current_state, set_state

EVENTS_SHOWN = 50


def to_list(label: str) -> None:
    """The way back to the list, with span and filters kept."""
    st.button(
        label,
        key="gw-to-list",
        type="tertiary",
        icon=":material/chevron_left:",
        on_click=lambda: set_state(dataclasses.replace(current_state(), selected=None, page_own=())),
    )


def show_answer(frame: Frame, portrait: Portrait, lists: Lists) -> None:
    """The sentence first: what happened, and whether that is normal."""
    span = words.when(portrait, frame.zone, moves=frame.state.moves)
    where = next((cell for cell in lists.services if cell.limited + cell.probable), None)
    limit = next((cell for cell in lists.limits if cell.token != UNKNOWN_TOKEN), None)
    is_known = is_none_known(frame, portrait.window)
    said = words.what_happened(portrait, where, limit, span, is_known=is_known)
    normal = (
        ""
        if portrait.is_unheard
        else words.is_it_normal(portrait, Measure.VIOLATIONS, frame.zone, frame.now_ms)
    )
    st.markdown(f"#### {in_markdown(said, 700)}  \n{in_markdown(normal, 400)}")
    missing = words.missing(portrait.totals)
    if missing:
        st.caption(f":material/warning: {in_markdown(missing, 400)}")


def show_number_row(frame: Frame, portrait: Portrait, more: Sequence[Number] = ()) -> None:
    """The numbers of the span, each leading to its rows."""
    totals, at_least = portrait.totals, portrait.totals.at_least
    if portrait.is_unheard:
        return
    token = portrait.token
    events = navigation.href(
        "events",
        frame.state.elsewhere().at(portrait.window).adding(portrait.dimension, token),
    )
    probable = f"{totals.probable:,} of them probable" if totals.probable else "all certain"
    is_consumer = portrait.dimension == Dimension.CONSUMER
    spread = totals.addresses if is_consumer else totals.consumers
    show_numbers(
        [
            Number(
                "Violations",
                wording.count(totals.violations, at_least=at_least),
                probable if totals.violations else "refused by a limit",
                title="Requests that a limit of Kong's refused. Leads to the events.",
                href=events,
            ),
            Number(
                "Refusal ratio",
                wording.ratio(totals.violations, totals.requests),
                "of all requests",
                tone="unknown" if totals.requests is None else "",
            ),
            Number(
                "Requests",
                wording.count(totals.requests),
                "told by a log" if totals.requests is not None else "no log tells of them",
                tone="unknown" if totals.requests is None else "",
            ),
            Number(
                "Addresses hit" if is_consumer else "Consumers hit",
                wording.count(spread, at_least=at_least),
                "had a violation",
            ),
            Number("Wrong keys", wording.count(totals.unauthorized), "answered 401"),
            Number("Upstream's own 429", wording.count(totals.upstream_limited), "not Kong's limits"),
            *more,
        ],
        key="gw-numbers",
        label=f"Numbers of {portrait.name}",
    )


def shown_measure(frame: Frame) -> Measure:
    """What the charts count, from the URL."""
    named = next(iter(frame.state.own("measure")), "")
    return Measure(named) if named in set(Measure) else Measure.VIOLATIONS


def show_charts(frame: Frame, portrait: Portrait) -> None:
    """Its history beside what is usual, and when in the week it happens."""
    measure = shown_measure(frame)
    left, right = st.columns([5, 3], gap="medium")
    with left:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown("#### When", width="content")
            _measure_switch(measure)
        history = portrait.history(measure)
        said = words.UNHEARD if portrait.is_unheard else history_sentence(history, frame.now_ms)
        st.caption(in_markdown(said, 400))
        after = [s for s in silences_in(frame, portrait.window) if s.at_ms > portrait.known_from_ms]
        show_chart(
            history_figure(history, (*portrait.markers, *after), frame.now_ms),
            key="gw-history",
            zone=frame.zone,
            label=f"{measure} of {portrait.name} over time",
            height=250,
        )
    with right:
        st.markdown("#### When in the week")
        week = portrait.week(measure)
        grid = week_grid(week, frame.zone)
        st.caption(in_markdown(f"{week_sentence(grid, measure.value)} The last {WEEKS_SHOWN} weeks.", 400))
        show_chart(
            week_figure(grid, measure.value, frame.zone.label(portrait.window.to_ms)),
            key="gw-week",
            zone=frame.zone,
            label=f"{measure} of {portrait.name} by hour of the week",
            height=250,
        )


def _measure_switch(measure: Measure) -> None:
    key = "gw-measure"
    st.session_state[key] = measure

    def pick() -> None:
        picked = st.session_state[key]
        own = [] if picked == Measure.VIOLATIONS else [str(picked)]
        set_state(current_state().with_own(measure=own))

    st.segmented_control(
        "What the charts count",
        list(Measure),
        key=key,
        on_change=pick,
        format_func=lambda found: found.value.capitalize(),
        required=True,
        label_visibility="collapsed",
    )


def show_shares(
    frame: Frame,
    portrait: Portrait,
    dimension: Dimension,
    cells: Sequence[CellRow],
    *,
    key: str,
    title: str,
    has_share: bool = True,
) -> None:
    """A list of names with their share of the violations, or of the requests where there is none.

    `has_share` is False where the names are not parts of the one whose page it is.
    """
    if not cells:
        st.caption(words.NONE_SEEN)
        return
    is_refused = portrait.totals.violations > 0
    total = portrait.totals.violations if is_refused else portrait.totals.requests or 0
    columns = [
        Column(title, wide=True),
        Column("Share", COUNT, hint="Of the violations" if is_refused else "Of the requests"),
        Column("Violations", COUNT),
        Column("Probable", COUNT, hint="Of the violations; the log entry alone cannot tell", low=True),
        Column("Requests", COUNT, low=True),
        Column("Refused", COUNT, hint="Violations as a share of the requests", low=True),
        Column(f"Last ({frame.zone.label(frame.now_ms)})", TIME, hint="To within the chart's bucket"),
    ]
    rows = [
        _share_row(frame, dimension, portrait.window, cell, total, is_refused=is_refused)
        for cell in cells[:MAX_LIST]
    ]
    if not any(cell.probable for cell in cells[:MAX_LIST]):
        columns, rows = without_column(columns, rows, "Probable")
    if not has_share:
        columns, rows = without_column(columns, rows, "Share")
    show_table(columns, rows, key=key, label=f"{title} of {portrait.name}")
    if len(cells) > MAX_LIST:
        more = len(cells) - MAX_LIST
        counted = f"{more}" if len(cells) < MAX_PAIRS else f"at least {more}"
        st.caption(f"and {counted} more")


def _share_row(
    frame: Frame, dimension: Dimension, window: Window, cell: CellRow, total: int, *, is_refused: bool
) -> Row:
    violations = cell.limited + cell.probable
    part = violations if is_refused else cell.requests or 0
    target = links.target(frame.state, dimension, cell.token)
    href = None if target is None else navigation.href(target.page, target.state)
    can_filter = cell.token != OTHER_TOKEN
    return Row(
        (
            Cell(
                wording.label(dimension, cell.token, cell.label),
                href=href,
                filter_by=(dimension, cell.token) if can_filter else None,
            ),
            Cell(wording.ratio(part, total) if total else "", bar=part / total if total else None),
            Cell(f"{violations:,}", tone="" if violations else "faint"),
            Cell(f"{cell.probable:,}", tone="faint"),
            Cell(wording.count(cell.requests), tone="unknown" if cell.requests is None else ""),
            Cell(wording.ratio(violations, cell.requests)),
            Cell(seen_at(cell.last_ms, window, frame.zone)),
        )
    )


def show_places(frame: Frame, portrait: Portrait, lists: Lists) -> None:
    """Against what: services with their routes."""
    if not lists.places:
        st.caption(words.NONE_SEEN)
        return
    is_refused = portrait.totals.violations > 0
    total = portrait.totals.violations if is_refused else portrait.totals.requests or 0
    columns = [
        Column("Service"),
        Column("Route", wide=True),
        Column("Share", COUNT, hint="Of the violations" if is_refused else "Of the requests"),
        Column("Violations", COUNT),
        Column("Requests", COUNT, low=True),
        Column("Refused", COUNT, hint="Violations as a share of the requests", low=True),
    ]
    rows = []
    for place in lists.places[:MAX_LIST]:
        violations = place.limited + place.probable
        part = violations if is_refused else place.requests
        rows.append(
            Row(
                (
                    _name(frame, Dimension.SERVICE, place.token, place.label),
                    _name(frame, Dimension.ROUTE, place.by_token, place.by_label),
                    Cell(wording.ratio(part, total) if total else "", bar=part / total if total else None),
                    Cell(f"{violations:,}"),
                    Cell(f"{place.requests:,}"),
                    Cell(wording.ratio(violations, place.requests)),
                )
            )
        )
    show_table(columns, rows, key="gw-places", label=f"Services and routes that {portrait.name} called")


def _name(frame: Frame, dimension: Dimension, token: str, label: str) -> Cell:
    target = links.target(frame.state, dimension, token)
    href = None if target is None else navigation.href(target.page, target.state)
    shown = wording.label(dimension, token, label)
    return Cell(shown, href=href, filter_by=None if token == OTHER_TOKEN else (dimension, token))


def show_its_events(frame: Frame, portrait: Portrait) -> None:
    """Its stored events, down to the JSON of the one that is chosen."""
    query = EventQuery(window=portrait.window, filters=portrait.filters)
    with errors_shown():
        page = shared_reader(frame).events(query, None, EVENTS_SHOWN)
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown("#### Events", width="content")
            said = event_words.matching(
                len(page.rows), page.total, has_more=page.next_seq is not None, at_least=False
            )
            st.caption(in_markdown(said), width="content")
            show_downloads(frame, query, key="gw-downloads")
        _show_rows(frame, portrait, page.rows)


def _show_rows(frame: Frame, portrait: Portrait, rows: Sequence[EventRow]) -> None:
    seq = chosen_event(frame)
    if not rows and seq is None:
        st.caption("No event of it is stored in this span. Ordinary requests are only counted.")
        return
    if seq is None:
        show_events(
            frame,
            rows,
            key="gw-its-events",
            label=f"Events of {portrait.name}",
            without=portrait.dimension,
            height=420,
        )
        return
    left, right = st.columns([3, 2], gap="medium")
    with left:
        show_events(
            frame,
            rows,
            key="gw-its-events",
            label=f"Events of {portrait.name}",
            without=portrait.dimension,
            height=640,
        )
    with right:
        show_chosen_event(frame, seq)


def show_names(frame: Frame, portrait: Portrait) -> None:
    """Its names over time and its id; nothing when it always had one."""
    entity = portrait.entity
    if entity is None:
        return
    st.markdown("#### Names over time")
    zone = frame.zone.label(frame.now_ms)
    columns = (Column("Name", wide=True), Column(f"From ({zone})", TIME), Column(f"Until ({zone})", TIME))
    rows = [
        Row(
            (
                Cell(name, copy=name),
                Cell(wording.day_and_clock(since, frame.zone)),
                Cell("now" if until is None else wording.day_and_clock(until, frame.zone)),
            )
        )
        for name, since, until in reversed(entity.names)
    ]
    if entity.deleted_ms is not None:
        gone = Cell("deleted in Kong", tone="faint")
        rows.insert(0, Row((gone, Cell(wording.day_and_clock(entity.deleted_ms, frame.zone)), None)))
    if entity.id != entity.label:
        rows.append(Row((Cell(entity.id, note="id in Kong", copy=entity.id), None, None)))
    show_table(columns, rows, key="gw-names", label=f"Names of {portrait.name} over time")
