"""Making a silence or a maintenance window: whom, for how long, why, and what it would mute now."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from domain.detectors.findings import Severity
from domain.incidents import Incident, State
from domain.rules import Who
from domain.silences import Kind, Silence
from storage.alert_rows import StoredIncident, StoredSilence
from storage.decisions import Decisions
from ui import alert_reads, store, wording
from ui import wording_alerts as words
from ui.components.page_frame import Frame
from ui.components.proposals import who
from ui.components.table import TIME, Cell, Column, Row, show_table
from ui.safe_text import in_markdown

HOURS = {"1 hour": 1, "4 hours": 4, "8 hours": 8, "1 day": 24, "3 days": 72, "7 days": 168}
HOUR_MS = 3_600_000
MAX_REASON_CHARS = 500
SCOPES = ("This rule for this one", "Every rule for this one", "This rule for everybody")


def show_silence_form(frame: Frame, live: Sequence[StoredIncident], incident: Incident, *, key: str) -> None:
    """A silence that begins at an incident."""
    scope = st.radio("What", SCOPES, key=f"{key}-scope", horizontal=True)
    hours = HOURS[st.selectbox("For how long", list(HOURS), key=f"{key}-hours") or "1 hour"]
    reason = st.text_input("Why", key=f"{key}-reason", max_chars=MAX_REASON_CHARS)
    silence = _silence(frame, incident, str(scope), hours, reason)
    muted = would_mute(silence, live)
    st.caption(f":material/volume_off: {words.would_mute(len(muted))}")
    for stored in muted[:5]:
        st.caption("· " + in_markdown(f"{stored.incident.entity}: {words.shape(stored.incident.shape)}"))
    st.button(
        f"Silence for {hours} h",
        key=f"{key}-go",
        shortcut="s",
        disabled=not reason.strip() or frame.state.sample or alert_reads.why_not() is not None,
        help=alert_reads.why_not(),
        on_click=_make,
        args=(silence, hours),
    )


def show_maintenance_form(frame: Frame, live: Sequence[StoredIncident]) -> None:
    """A window in which everything is quiet, such as for a load test."""
    hours = HOURS[st.selectbox("For how long", list(HOURS), key="gw-maintenance-hours") or "1 hour"]
    reason = st.text_input("Why", key="gw-maintenance-reason", max_chars=MAX_REASON_CHARS)
    silence = Silence(
        silence_id=0,
        kind=Kind.MAINTENANCE,
        from_ms=frame.now_ms,
        until_ms=frame.now_ms + hours * HOUR_MS,
        author=who() or "?",
        reason=reason,
    )
    st.caption(
        f":material/volume_off: {words.would_mute(len(would_mute(silence, live)))} Critical ones still ring."
    )
    st.button(
        f"Open a maintenance window for {hours} h",
        key="gw-maintenance-go",
        disabled=not reason.strip() or frame.state.sample or alert_reads.why_not() is not None,
        help=alert_reads.why_not(),
        on_click=_make,
        args=(silence, hours),
    )


def would_mute(silence: Silence, live: Sequence[StoredIncident]) -> list[StoredIncident]:
    """What a silence would mute if it held now."""
    loud = (State.OPEN, State.ACKNOWLEDGED, State.UNKNOWN)
    return [
        s
        for s in live
        if s.incident.state in loud
        and s.incident.severity is not Severity.INFORMATION
        and silence.matches(s.incident)
    ]


def _silence(frame: Frame, incident: Incident, scope: str, hours: int, reason: str) -> Silence:
    whom = (Who(incident.entity_type, incident.entity_id),)
    return Silence(
        silence_id=0,
        from_ms=frame.now_ms,
        until_ms=frame.now_ms + hours * HOUR_MS,
        author=who() or "?",
        reason=reason,
        rules=() if scope == SCOPES[1] else (incident.rule,),
        whom=() if scope == SCOPES[2] else whom,
        up_to=Severity.CRITICAL if incident.severity is Severity.CRITICAL else Severity.HIGH,
    )


def _make(silence: Silence, hours: int) -> None:
    if not who():
        return
    now_ms = store.now_ms()
    alert_reads.decide(lambda decisions: decisions.silence(silence, now_ms), f"Silenced for {hours} h.")


def show_silences(frame: Frame, rows: Sequence[StoredSilence]) -> None:
    """Those that hold or will, and those that ended within a day."""
    if not rows:
        st.caption("Nothing is silenced.")
        return
    columns = (
        Column("State"),
        Column("Kind"),
        Column("What", wide=True, wrap=True),
        Column("Left"),
        Column(f"Until ({frame.zone.label(frame.now_ms)})", TIME),
        Column("By"),
        Column("Why", wrap=True),
    )
    show_table(columns, [_row(frame, row) for row in rows], key="gw-silences", label="Silences")
    on = {
        f"{row.silence.reason[:60]} ({row.silence.author}, until"
        f" {wording.day_and_clock(row.silence.until_ms, frame.zone)})": row.silence.silence_id
        for row in rows
        if row.silence.is_active(frame.now_ms) and row.ended_by is None
    }
    if not on or frame.state.sample:
        return
    chosen = st.selectbox("End one before its time", list(on), key="gw-end-which", index=None)
    if chosen:
        st.button(
            "End it now",
            key="gw-end",
            on_click=_end,
            args=(on[chosen],),
            disabled=alert_reads.why_not() is not None,
        )


def _end(silence_id: int) -> None:
    def end(decisions: Decisions) -> None:
        decisions.end_silence(silence_id, who(), store.now_ms())

    alert_reads.decide(end, "The silence is over.")


def _row(frame: Frame, row: StoredSilence) -> Row:
    silence = row.silence
    if row.ended_by is not None:
        state = f"✓ ended by {row.ended_by}"
    elif silence.until_ms <= frame.now_ms:
        state = "✓ over"
    elif silence.ends_soon(frame.now_ms):
        state = "△ ends soon"
    else:
        state = "○ holds" if silence.is_active(frame.now_ms) else "later"
    what = [f"rule {rule}" for rule in silence.rules] + [f"{w.entity_type} {w.value}" for w in silence.whom]
    left = silence.until_ms - frame.now_ms
    return Row(
        (
            Cell(state),
            Cell(silence.kind.value),
            Cell(", ".join(what) or "everything"),
            Cell(wording.duration(left) if left > 0 and row.ended_by is None else ""),
            Cell(wording.day_and_clock(silence.until_ms, frame.zone)),
            Cell(silence.author),
            Cell(silence.reason),
        )
    )
