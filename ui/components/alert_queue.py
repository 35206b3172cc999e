"""The queue: what needs somebody, the worst first; one is always chosen, and keys move through it."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import streamlit as st

from domain.detectors.findings import Severity
from domain.incidents import State
from storage.alert_rows import StoredIncident
from ui import navigation, wording
from ui import wording_alerts as words
from ui.components import screens
from ui.components.page_frame import Frame
from ui.components.table import Cell, Column, Row, show_table
from ui.state import PageState, current_state, set_state

VIEW = "show"
"""The page's own parameter: which incidents."""
OPEN, MINE, CALM, PAST = "open", "mine", "information", "past"
TITLES = {OPEN: "Needs somebody", MINE: "Mine", CALM: "Information", PAST: "In a span"}
MOST_ROWS = 200


def chosen_view(state: PageState) -> str:
    """Which incidents the URL asks for."""
    found = next(iter(state.own(VIEW)), OPEN)
    return found if found in TITLES else OPEN


def rows_of(
    view: str, live: Sequence[StoredIncident], past: Sequence[StoredIncident], name: str
) -> list[StoredIncident]:
    """The incidents of a view, in order."""
    if view == PAST:
        return list(past)[:MOST_ROWS]
    if view == CALM:
        return [s for s in live if s.incident.severity is Severity.INFORMATION][:MOST_ROWS]
    loud = [s for s in live if s.incident.severity is not Severity.INFORMATION]
    if view == MINE:
        return [s for s in loud if s.incident.assignee == name and name][:MOST_ROWS]
    waiting = [s for s in loud if s.incident.state is not State.SILENCED]
    return (waiting + [s for s in loud if s.incident.state is State.SILENCED])[:MOST_ROWS]


def show_queue(frame: Frame, rows: Sequence[StoredIncident], chosen: int | None, view: str) -> None:
    """Draw the queue; a click on a row chooses it."""
    if not rows:
        if view in {OPEN, PAST}:
            screens.show_quiet(frame, words.EMPTY_QUEUE if view == OPEN else words.EMPTY_PAST)
        else:
            st.caption("Nothing here.")
        return
    columns = (
        Column("Severity"),
        Column("What", wide=True, wrap=True),
        Column("State"),
        Column("Count", "count", hint="At least", low=True),
        Column("For", hint="How long it is open, or was"),
    )
    show_table(
        columns,
        [_row(frame, stored, is_chosen=stored.incident_id == chosen) for stored in rows],
        key="gw-queue",
        label="Alerts, the worst first",
        height=620,
    )


def _row(frame: Frame, stored: StoredIncident, *, is_chosen: bool) -> Row:
    incident = stored.incident
    leads = navigation.here(frame.state.about(str(stored.incident_id)))
    state = words.STATES[incident.state]
    return Row(
        (
            Cell(words.severity(incident.severity), tone=words.TONES.get(incident.severity, "")),
            Cell(incident.entity, note=words.shape(incident.shape), href=leads, title=incident.why),
            Cell(state, note=incident.assignee or ""),
            Cell(wording.count(incident.count)),
            Cell(words.age(incident, frame.now_ms)),
        ),
        href=leads,
        chosen=is_chosen,
    )


def show_steps(frame: Frame, rows: Sequence[StoredIncident], chosen: int | None) -> None:
    """Previous and next, by button or by key."""
    numbers = [stored.incident_id for stored in rows]
    place = numbers.index(chosen) if chosen in numbers else -1
    last = len(numbers) - 1
    with st.container(horizontal=True, gap="small"):
        st.button(
            "Previous", key="gw-previous", shortcut="k", disabled=place <= 0,
            on_click=functools.partial(_choose, numbers[max(0, place - 1)] if numbers else None),
        )  # fmt: skip
        st.button(
            "Next", key="gw-next", shortcut="j", disabled=place < 0 or place >= last,
            on_click=functools.partial(_choose, numbers[min(last, place + 1)] if numbers else None),
        )  # fmt: skip
        if frame.state.selected is not None:
            st.button("Close", key="gw-close", shortcut="esc", on_click=functools.partial(_choose, None))


def _choose(incident_id: int | None) -> None:
    set_state(current_state().about(None if incident_id is None else str(incident_id)))
