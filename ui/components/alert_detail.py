"""One incident: what was seen, what to do, the evidence, who did what."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import streamlit as st

from domain.detectors import DETECTORS
from domain.filters import Dimension, Filters
from domain.incidents import Act, Incident, State, Verdict, may
from domain.windows import Window, bucket_width_ms
from storage.alert_rows import StoredIncident
from storage.alerts_reader import AlertsReader
from storage.decisions import Decisions
from storage.rows import EventQuery, Marker
from ui import alert_reads, store, wording
from ui import wording_alerts as words
from ui.charts.alert_window import alert_figure
from ui.charts.axes import mark_key
from ui.components import links
from ui.components.chart import show_chart
from ui.components.event_list import show_events
from ui.components.page_frame import Frame
from ui.components.proposals import who
from ui.components.responses import show_responses
from ui.components.silence_form import show_silence_form
from ui.components.table import COUNT, TIME, Cell, Column, Row, show_table
from ui.navigation import href, page_link
from ui.safe_text import in_markdown

AROUND_MS = 5 * 60_000
CAUSE_MS = 10 * 60_000
MAX_EVENTS = 50
CHANGES_CAN_CAUSE = frozenset(
    {"surge", "burst_or_sustained", "threshold", "quota_exhausted", "limiter_blind", "heavy_hitter"}
)
"""Detectors of what a changed limit can bring about; a leaked key or a guesser needs no change."""
RESPONSES = {"consumer": Dimension.CONSUMER, "ip": Dimension.IP, "prefix": Dimension.IP}
"""Whom something can be done about at once."""
DIMENSIONS = {
    "consumer": Dimension.CONSUMER,
    "ip": Dimension.IP,
    "prefix": Dimension.IP,
    "service": Dimension.SERVICE,
    "route": Dimension.ROUTE,
    "node": Dimension.NODE,
}


def show_incident(
    frame: Frame, alerts: AlertsReader, stored: StoredIncident, live: Sequence[StoredIncident]
) -> None:
    """Everything about one incident."""
    incident = stored.incident
    tone = words.severity(incident.severity)
    title = f"{in_markdown(incident.entity, 120)}, {in_markdown(words.shape(incident.shape))}"
    st.markdown(f"#### {tone}: {title}")
    st.markdown(in_markdown(incident.why, 1_000))
    _show_standing(frame, stored)
    _show_actions(frame, stored, live)
    around = window_of(incident, frame.now_ms)
    markers = frame.reader.markers(around)
    _show_cause(incident, markers, frame)
    _show_chart(frame, incident, around, markers)
    _show_links(frame, incident, around)
    _show_guide(incident)
    _show_addresses(frame, incident, around)
    _show_evidence(frame, incident, around)
    _show_history(frame, alerts, stored)


def window_of(incident: Incident, now_ms: int) -> Window:
    """The incident with some time around it."""
    end_ms = incident.resolved_ms or max(incident.last_ms, incident.opened_ms)
    length = max(AROUND_MS, (end_ms - incident.from_ms) // 2)
    return Window(incident.from_ms - length, max(incident.from_ms + 1, min(now_ms, end_ms + length)))


def filters_of(incident: Incident) -> Filters | None:
    """The filter that shows what it is about; None where filters cannot."""
    found = Filters()
    for kind, value in incident.actors:
        dimension = DIMENSIONS.get(kind)
        if dimension is not None:
            found = found.adding(dimension, value)
    return found or None


def _show_standing(frame: Frame, stored: StoredIncident) -> None:
    incident = stored.incident
    parts = [
        words.STATES[incident.state],
        f"opened {wording.moment(incident.opened_ms, frame.zone)}",
        f"for {words.age(incident, frame.now_ms)}",
        f"at least {incident.count:,}",
    ]
    if incident.assignee:
        parts.append(f"with {incident.assignee}")
    if incident.reopened:
        parts.append(f"came back {incident.reopened} times")
    if incident.muted:
        parts.append(f"explains {wording.counted(incident.muted, 'more finding')}")
    st.caption(in_markdown(" · ".join(parts), 400))
    if incident.reason:
        st.caption(in_markdown(incident.reason, 400))


# ---- what can be done


def _show_actions(frame: Frame, stored: StoredIncident, live: Sequence[StoredIncident]) -> None:
    if frame.state.sample:
        st.info(words.SAMPLE, icon=":material/science:")
        return
    why = alert_reads.why_not()
    name = "" if why else who()
    if not name:
        st.info(in_markdown(why or words.NOBODY, 300), icon=":material/person:")
    incident, number = stored.incident, stored.incident_id
    note = st.text_input("Note", key=f"gw-note-{number}", placeholder="What did you find?", max_chars=2_000)
    with st.container(horizontal=True, gap="small"):
        st.button(
            "Acknowledge", key="gw-ack", shortcut="a", type="primary",
            disabled=not (name and may(incident.state, Act.ACKNOWLEDGE)),
            on_click=functools.partial(_acknowledge, number, incident.state, note),
        )  # fmt: skip
        st.button(
            "Give back", key="gw-give-back",
            disabled=not (name and may(incident.state, Act.GIVE_BACK)),
            on_click=functools.partial(_give_back, number, incident.state, note),
        )  # fmt: skip
        st.button(
            "Add note", key="gw-add-note", shortcut="n", disabled=not (name and note.strip()),
            on_click=functools.partial(_note, number, note),
        )  # fmt: skip
        with st.popover("Assign", disabled=not name):
            assignee = st.text_input("To whom", key=f"gw-assignee-{number}", max_chars=100)
            st.button("Assign", key="gw-assign", on_click=functools.partial(_assign, number, assignee))
        with st.popover("Close with a verdict", disabled=not (name and may(incident.state, Act.RESOLVE))):
            verdict = st.radio(
                "What was it",
                list(Verdict),
                format_func=words.VERDICTS.__getitem__,
                key=f"gw-verdict-{number}",
            )
            reason = st.text_input("How do you know", key=f"gw-reason-{number}", max_chars=500)
            st.button(
                "Close it", key="gw-verdict-go", disabled=not reason.strip(),
                on_click=functools.partial(_close, number, incident.state, verdict or Verdict.REAL, reason),
            )  # fmt: skip
        with st.popover("Silence", disabled=not name):
            show_silence_form(frame, live, incident, key=f"gw-silence-{number}")


def _acknowledge(number: int, seen: State, note: str) -> None:
    now_ms = store.now_ms()
    alert_reads.decide(lambda d: d.acknowledge(number, seen, who(), now_ms, note), "It is yours now.")


def _give_back(number: int, seen: State, note: str) -> None:
    now_ms = store.now_ms()
    alert_reads.decide(lambda d: d.give_back(number, seen, who(), now_ms, note), "It is open again.")


def _note(number: int, note: str) -> None:
    now_ms = store.now_ms()
    alert_reads.decide(lambda d: d.note(number, note, who(), now_ms), "Noted.")
    st.session_state[f"gw-note-{number}"] = ""


def _assign(number: int, assignee: str) -> None:
    now_ms = store.now_ms()

    def assign(decisions: Decisions) -> None:
        decisions.assign(number, assignee.strip() or None, who(), now_ms)

    alert_reads.decide(assign, f"Assigned to {assignee.strip() or 'nobody'}.")


def _close(number: int, seen: State, verdict: Verdict, reason: str) -> None:
    now_ms = store.now_ms()
    alert_reads.decide(lambda d: d.close_incident(number, seen, verdict, who(), now_ms, reason), "Closed.")


# ---- evidence


def _show_cause(incident: Incident, markers: Sequence[Marker], frame: Frame) -> None:
    """The newest change of a plugin shortly before refusals began: coincidence is said to be one."""
    if incident.detector not in CHANGES_CAN_CAUSE or "most likely cause" in incident.why:
        return
    before = [
        m
        for m in markers
        if m.kind == "change" and "plugin" in m.text and 0 <= incident.opened_ms - m.at_ms <= CAUSE_MS
    ]
    if not before:
        return
    change = before[-1]
    ago = wording.duration(incident.opened_ms - change.at_ms)
    st.markdown(
        f":material/help: **Perhaps because of** {in_markdown(change.text, 300)}, {ago} before it was raised"
        f" ({wording.clock(change.at_ms, frame.zone)})."
    )


def _show_chart(frame: Frame, incident: Incident, around: Window, markers: Sequence[Marker]) -> None:
    filters = filters_of(incident)
    if filters is None and incident.entity_type != "everything":
        return
    series = frame.reader.series(around, filters or Filters(), None, bucket_width_ms(around, max_points=120))
    show_chart(
        alert_figure(series, incident, markers, frame.now_ms),
        key=f"gw-alert-chart-{incident.fingerprint}-{incident.opened_ms}",
        zone=frame.zone,
        label=f"Violations and requests of {incident.entity} around the alert, which is shaded",
        height=230,
    )
    key = mark_key(markers)
    shown = words.SHADED_WITH_REQUESTS if series.requests and any(series.requests) else words.SHADED
    st.caption(f"{shown} {key}" if key else shown)


def _show_links(frame: Frame, incident: Incident, around: Window) -> None:
    """To the pages of those it is about, at that very time."""
    with st.container(horizontal=True, gap="small"):
        for kind, value in incident.actors:
            dimension = DIMENSIONS.get(kind)
            found = None if dimension is None else links.target(frame.state, dimension, value, at=around)
            if found is not None:
                name = incident.entity if value == incident.entity_id else value
                label = in_markdown(f"{kind} {name}", 80)
                page_link(f":material/open_in_new: {label}", found.page, found.state)
        filters = filters_of(incident)
        events = frame.state.elsewhere().at(around)
        for dimension, value in filters.include if filters is not None else ():
            events = events.adding(dimension, value)
        page_link(":material/list: all events of that time", "events", events)
        page_link(":material/edit_note: changes of that time", "changes", frame.state.elsewhere().at(around))
        if incident.entity_type in RESPONSES:
            show_responses(frame, RESPONSES[incident.entity_type], incident.entity_id)


def _show_guide(incident: Incident) -> None:
    detector = DETECTORS.get(incident.detector)
    if detector is None:
        return
    with st.expander("What to do", expanded=incident.is_live, icon=":material/checklist:"):
        st.markdown("\n".join(f"{n}. {in_markdown(step, 400)}" for n, step in enumerate(detector.guide, 1)))
        st.markdown("**Usual false alarms**")
        st.markdown("\n".join(f"- {in_markdown(text, 400)}" for text in detector.false_positives))
        st.caption(in_markdown(words.mapping(incident.detector)))


def _show_addresses(frame: Frame, incident: Incident, around: Window) -> None:
    """Who took part: addresses of a consumer or network, consumers of an address."""
    filters = filters_of(incident)
    if filters is None:
        return
    of = Dimension.CONSUMER if incident.entity_type in {"ip", "service"} else Dimension.IP
    rows = frame.reader.breakdown(of, around, filters, limit=12)
    if not rows:
        return
    noun = wording.PLURALS[of]
    columns = (
        Column(wording.SINGULARS[of].capitalize(), wide=True),
        Column("Violations", COUNT),
        Column("Refused log-ins", COUNT),
        Column("Requests", COUNT),
        Column(f"First ({frame.zone.label(frame.now_ms)})", TIME),
    )
    table = []
    for row in rows:
        found = links.target(frame.state, of, row.token, at=around)
        table.append(
            Row(
                (
                    Cell(
                        wording.label(of, row.token, row.label),
                        href=None if found is None else href(found.page, found.state),
                        filter_by=(of, row.token),
                    ),
                    Cell(wording.count(row.limited + row.probable)),
                    Cell(wording.count(row.unauthorized)),
                    Cell(wording.count(row.requests)),
                    Cell(wording.day_and_clock(row.first_ms, frame.zone)),
                )
            )
        )
    st.markdown(f"**{noun.capitalize()}** around that time")
    show_table(columns, table, key="gw-alert-who", label=f"{noun} of this alert")


def _show_evidence(frame: Frame, incident: Incident, around: Window) -> None:
    filters = filters_of(incident)
    if filters is None:
        return
    end_ms = max(incident.last_ms, incident.from_ms) + 1_000
    query = EventQuery(
        window=Window(incident.from_ms, max(incident.from_ms + 1, min(end_ms, around.to_ms))),
        filters=filters,
        kinds=("rate-limiting",),
        violations_only=True,
    )
    page = frame.reader.events(query, limit=MAX_EVENTS)
    st.markdown("**The events behind it**")
    if not page.rows:
        st.caption("No request was refused: it rests on totals of requests, which the chart shows.")
        return
    about = DIMENSIONS.get(incident.entity_type)
    show_events(
        frame, page.rows, key="gw-alert-events", label="Events behind this alert", without=about, height=260
    )


def _show_history(frame: Frame, alerts: AlertsReader, stored: StoredIncident) -> None:
    st.markdown("**What happened to it**")
    rows = [
        Row(
            (
                Cell(wording.day_and_clock(entry.at_ms, frame.zone)),
                Cell(entry.who or "by itself", tone="" if entry.who else "faint"),
                Cell(entry.what),
                Cell(entry.note),
            )
        )
        for entry in alerts.history(stored.incident_id)
    ]
    columns = (
        Column(f"Time ({frame.zone.label(frame.now_ms)})", TIME),
        Column("Who"),
        Column("What"),
        Column("Note", wide=True, wrap=True),
    )
    show_table(columns, rows, key="gw-alert-history", label="History of this alert")
