"""Alerts: what needs somebody, the evidence, and what was done about it; silences, rules, notifications."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from storage.alerts_reader import AlertsReader
from ui import alert_reads
from ui import wording_alerts as words
from ui.components import page_frame, screens
from ui.components.alert_detail import show_incident
from ui.components.alert_notifications import show_notifications
from ui.components.alert_queue import (
    PAST,
    TITLES,
    VIEW,
    chosen_view,
    rows_of,
    show_queue,
    show_steps,
)
from ui.components.alert_rules import show_rules
from ui.components.page_frame import Frame
from ui.components.proposals import show_said, who
from ui.components.silence_form import show_maintenance_form, show_silences
from ui.safe_text import in_markdown
from ui.state import PageState, current_state, set_state

PART = "part"
QUEUE, SILENCES, RULES, NOTIFICATIONS = "queue", "silences", "rules", "notifications"
PARTS = {QUEUE: "Queue", SILENCES: "Silences", RULES: "Rules", NOTIFICATIONS: "Notifications"}


def render() -> None:
    """Draw the page."""
    with page_frame.opened("alerts", filters=False, ranges=_is_of_a_span(current_state())) as page:
        show_said()
        if screens.is_empty(page):
            screens.show_empty(page)
            return
        alerts = alert_reads.reader(sample=page.state.sample)
        _show_standing(page, alerts)
        part = _choose("Part", PART, PARTS, _part(page.state))
        parts: dict[str, Callable[[Frame, AlertsReader], None]] = {
            QUEUE: _queue,
            SILENCES: _silences,
            RULES: show_rules,
            NOTIFICATIONS: show_notifications,
        }
        parts[part](page, alerts)


def _part(state: PageState) -> str:
    found = next(iter(state.own(PART)), QUEUE)
    return found if found in PARTS else QUEUE


def _is_of_a_span(state: PageState) -> bool:
    """Only the alerts of a span are of a span: the queue, silences and rules are as they stand now."""
    return _part(state) == QUEUE and chosen_view(state) == PAST


def _choose(label: str, name: str, titles: dict[str, str], current: str) -> str:
    """A choice that stands in the URL."""
    key = f"gw-{name}"
    st.session_state[key] = current

    def chosen() -> None:
        value = st.session_state[key] or current
        default = next(iter(titles))
        set_state(current_state().with_own(**{name: [] if value == default else [value]}))

    st.segmented_control(
        label, list(titles), format_func=titles.__getitem__, key=key, on_change=chosen,
        label_visibility="collapsed",
    )  # fmt: skip
    return current


def _show_standing(page: Frame, alerts: AlertsReader) -> None:
    """Whether rules are looked at at all: a quiet queue must not come from a deaf evaluation."""
    status = alerts.status()
    late = "" if page.state.sample and not status else words.evaluated(status, page.now_ms, page.zone)
    if late and not page.state.sample:
        st.warning(in_markdown(late, 400), icon=":material/hearing_disabled:")
    left_out = status.get("left_out")
    for rule, count in (left_out if isinstance(left_out, dict) else {}).items():
        text = f"Rule {rule} sees at least {count:,} more than it opens alerts for: look for one cause."
        st.warning(in_markdown(text, 300), icon=":material/unfold_less:")
    failures = status.get("failures")
    for rule, why in (failures if isinstance(failures, dict) else {}).items():
        st.error(in_markdown(f"Rule {rule} fails and sees nothing: {why}", 400), icon=":material/error:")


def _queue(page: Frame, alerts: AlertsReader) -> None:
    view = _choose("Which", VIEW, TITLES, chosen_view(page.state))
    live = alerts.live()
    past = alerts.between(page.window.from_ms, page.window.to_ms) if view == PAST else ()
    rows = rows_of(view, live, past, who())
    asked = page.state.selected
    number = int(asked) if asked and asked.isascii() and asked.isdecimal() and len(asked) < 16 else None  # noqa: PLR2004
    stored = None if number is None else alerts.incident(number)
    if stored is None and number is None and rows and view != PAST:
        stored = rows[0]
    chosen = None if stored is None else stored.incident_id
    if number is not None and stored is None:
        st.warning(f"There is no alert {number}.", icon=":material/search_off:")
    left, right = st.columns([5, 6], gap="medium") if stored is not None else (st.container(), None)
    with left:
        show_queue(page, rows, chosen, view)
        show_steps(page, rows, chosen)
    if right is not None and stored is not None:
        with right:
            show_incident(page, alerts, stored, live)


def _silences(page: Frame, alerts: AlertsReader) -> None:
    show_silences(page, alerts.silences(page.now_ms))
    with st.expander("Open a maintenance window", icon=":material/engineering:"):
        show_maintenance_form(page, alerts.live())
    st.caption("A silence for one alert is made beside that alert.")
