"""Stored events as a table, one of them down to its JSON, and the download of all of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import streamlit as st

from domain.filters import Dimension
from domain.roles import Act
from domain.windows import MINUTE_MS, Window
from storage.rows import EventDetail, EventQuery, EventRow
from ui import navigation, permits, store, wording
from ui import wording_events as words
from ui.components import links
from ui.components.page_frame import Frame
from ui.components.table import TIME, Cell, Column, Row, show_table
from ui.server.exports import export_url
from ui.server.tickets import PROCESS_KEY, Tickets
from ui.shared_reads import shared
from ui.state import PageState, set_state
from ui.viewer import viewer_name

CHOSEN = "seq"
"""The parameter of a page's own that names the event it shows whole."""
EVENTS_PAGE = "events"
MAX_JSON_CHARS = 100_000
AROUND_MS = 5 * MINUTE_MS
"""Before and after an event, where a link to what happened around it leads."""
PLACES = (
    (Dimension.CONSUMER, "Consumer", "consumer"),
    (Dimension.IP, "Address", "ip"),
    (Dimension.SERVICE, "Service", "service"),
    (Dimension.ROUTE, "Route", "route"),
)

LEFT_OUT = (Dimension.SERVICE, Dimension.ROUTE)
"""Beside an event that is shown whole there is little room."""
EXTRA_FIELDS = (
    ("Request id", "request_id"),
    ("Status", "status"),
    ("Entity", "entity_type"),
    ("Entity id", "entity_id"),
    ("Entity name", "entity_name"),
    ("Actor", "actor"),
    ("Cache", "cache"),
    ("Cache key", "key_masked"),
    ("Upstream", "upstream"),
    ("Target", "target"),
    ("Health", "health"),
    ("Event id", "id"),
)
"""Title -> field, shown where there is a value."""


def chosen_event(frame: Frame) -> int | None:
    """The arrival number of the event that the URL asks for; None when it asks for none."""
    given = (frame.state.selected,) if frame.name == EVENTS_PAGE else frame.state.own(CHOSEN)
    value = next(iter(given), None) or ""
    return int(value[:15]) if value.isascii() and value.isdecimal() else None


def choosing(frame: Frame, seq: int | None) -> PageState:
    """The page with that event shown whole; on the page of all events it is what the page is about."""
    value = None if seq is None else str(seq)
    if frame.name == EVENTS_PAGE:
        return frame.state.about(value)
    return frame.state.with_own(**{CHOSEN: [value] if value else []})


def show_events(
    frame: Frame,
    rows: Sequence[EventRow],
    *,
    key: str,
    label: str,
    without: Dimension | None = None,
    height: int | None = None,
) -> None:
    """Draw events, newest arrival first; a click on one shows it whole.

    Args:
        frame: The page.
        rows: What to draw.
        key: Unique on the page.
        label: What the table shows, for people who hear the page.
        without: A dimension that is the same in all rows.
        height: In pixels, above which it scrolls.
    """
    is_narrow = chosen_event(frame) is not None
    places = [
        (dimension, title, field)
        for dimension, title, field in PLACES
        if dimension != without
        and not (is_narrow and dimension in LEFT_OUT)
        and any(getattr(row, field) is not None for row in rows)
    ]
    is_mixed = any(row.kind != "rate-limiting" for row in rows) and not is_narrow
    columns = [
        Column(f"Time ({frame.zone.label(frame.now_ms)})", TIME, hint=words.ARRIVAL_HINT),
        *([Column("Kind")] if is_mixed else []),
        Column("What", wide=True),
        *(Column(title, low=dimension == Dimension.ROUTE) for dimension, title, _ in places),
        Column(
            "Certainty", hint="Whether a limit of Kong's refused the request, as far as the log can tell."
        ),
    ]
    has_certainty = not is_narrow and any(row.certainty for row in rows)
    if not has_certainty:
        columns.pop()
    chosen = chosen_event(frame)
    table = [
        _row(frame, row, places, is_mixed=is_mixed, has_certainty=has_certainty, is_chosen=row.seq == chosen)
        for row in rows
    ]
    show_table(columns, table, key=key, label=label, height=height)


def _row(
    frame: Frame,
    row: EventRow,
    places: Sequence[tuple[Dimension, str, str]],
    *,
    is_mixed: bool,
    has_certainty: bool,
    is_chosen: bool,
) -> Row:
    at = wording.day_and_clock(row.at_ms, frame.zone) + f".{row.at_ms % 1000:03}"
    href = navigation.here(choosing(frame, None if is_chosen else row.seq))
    cells = [
        Cell(at, href=href, title=f"received {wording.duration(row.received_ms - row.at_ms)} later"),
        *([Cell(words.kind(row.kind))] if is_mixed else []),
        Cell(words.what(row), title=words.why(row)),
        *(_place(frame, row, dimension, field) for dimension, _, field in places),
        Cell(words.certainty(row), title=words.why(row), tone="faint" if not row.counted else ""),
    ]
    if not has_certainty:
        cells.pop()
    return Row(tuple(cells), href=href, chosen=is_chosen)


def _place(frame: Frame, row: EventRow, dimension: Dimension, field: str) -> Cell | None:
    value = getattr(row, field)
    if value is None:
        return None
    token = _token(frame, row, dimension, value)
    shown = row.consumer_now or value if dimension == Dimension.CONSUMER else value
    note = f"then {value}" if dimension == Dimension.CONSUMER and row.consumer_now else ""
    target = links.target(frame.state, dimension, token)
    href = None if target is None else navigation.href(target.page, target.state)
    return Cell(shown, note=note, href=href, filter_by=(dimension, token))


def _token(frame: Frame, row: EventRow, dimension: Dimension, value: str) -> str:
    """What a link to it says: a consumer's present name where that means nobody else, else its id."""
    if dimension != Dimension.CONSUMER or row.consumer_id is None:
        return value
    entity = shared(frame.reader, store.now_ms).resolve(dimension, row.consumer_id)
    return row.consumer_id if entity is None else entity.token


def show_chosen_event(frame: Frame, seq: int) -> None:
    """One event whole: what it was, why it was judged so, where it came from, and its JSON."""
    detail = frame.reader.event(seq)
    with st.container(key="gw-event"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"#### Event {seq:,}", width="content")
            st.button(
                "Close",
                key="gw-event-close",
                type="tertiary",
                icon=":material/close:",
                on_click=lambda: _close(frame),
            )
        if detail is None:
            st.info(words.NOT_KEPT)
            return
        _show_fields(frame, detail)
        for title, value in (("Before", detail.before), ("After", detail.after), ("As sent", detail.payload)):
            if value is not None:
                st.caption(f"{title} (secrets are masked)")
                st.code(readable_json(value), language="json", wrap_lines=True, height=320)
        if detail.payload is None and detail.after is None and detail.before is None:
            st.caption("No body was kept of this event.")


def _close(frame: Frame) -> None:
    set_state(choosing(frame, None))


def _show_fields(frame: Frame, detail: EventDetail) -> None:
    row = detail.row
    around = Window(max(0, row.at_ms - AROUND_MS), row.at_ms + AROUND_MS)
    facts: list[tuple[str, Cell]] = [
        ("What", Cell(words.what(row))),
        ("When", Cell(wording.moment(row.at_ms, frame.zone))),
        ("Received", Cell(f"{wording.duration(row.received_ms - row.at_ms)} later from {row.source}")),
        ("Certainty", Cell(words.certainty(row), note=words.why(row))),
    ]
    for dimension, title, field in (*PLACES, (Dimension.NODE, "Node", "node")):
        if getattr(row, field) is not None:
            facts.append((title, _field(frame, row, dimension, field, around)))
    for title, field in EXTRA_FIELDS:
        value = getattr(row, field)
        if value is not None:
            facts.append((title, Cell(value, copy=str(value))))
    columns = (Column("Field"), Column("Value", wide=True, wrap=True))
    shown = [Row((Cell(title, tone="faint"), cell)) for title, cell in facts if cell.text not in (None, "")]
    show_table(columns, shown, key="gw-event-fields", label=f"Event {row.seq}")


def _field(frame: Frame, row: EventRow, dimension: Dimension, field: str, around: Window) -> Cell:
    value = getattr(row, field)
    token = _token(frame, row, dimension, value)
    target = links.target(frame.state, dimension, token, around)
    href = None if target is None else navigation.href(target.page, target.state)
    now = f"now called {row.consumer_now}" if dimension == Dimension.CONSUMER and row.consumer_now else ""
    return Cell(value, note=now, href=href, filter_by=(dimension, token), copy=str(value))


def readable_json(value: Any) -> str:
    """JSON for reading: indented, keys in their order, and no character that hides or turns text."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    shown = "".join(c if c.isprintable() or c == "\n" else _escaped(c) for c in text)
    return shown if len(shown) <= MAX_JSON_CHARS else shown[:MAX_JSON_CHARS] + "\n… (cut)"


def _escaped(character: str) -> str:
    """As JSON writes it: in halves beyond the first 65,536."""
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[place : place + 4]}" for place in range(0, len(units), 4))


def show_downloads(frame: Frame, query: EventQuery, *, key: str) -> None:
    """Links to everything that matches, without a limit, as CSV and as JSON lines."""
    tickets = Tickets(PROCESS_KEY, store.now_ms)
    why = permits.why_not(Act.EXPORT, store.settings())
    with st.container(horizontal=True, gap="small", key=key):
        for form, title in (("csv", "CSV"), ("jsonl", "JSON lines")):
            st.link_button(
                title,
                # no ticket is made for somebody who may not
                "#"
                if why
                else export_url(tickets, form, query, sample=frame.state.sample, who=viewer_name()),
                icon=":material/download:",
                type="tertiary",
                help=why or "Every event that matches, not only those shown. The link holds for 15 minutes.",
                disabled=why is not None,
            )
