"""Who is told, and whether it arrives: receivers, subscriptions, dead letters, the delivery log."""

from __future__ import annotations

import functools

import streamlit as st

from domain.roles import Act
from storage.alert_rows import OutboxRow
from storage.alerts_reader import AlertsReader
from storage.decisions import Decisions
from ui import alert_reads, store, wording
from ui.components.page_frame import Frame
from ui.components.proposals import who
from ui.components.table import TIME, Cell, Column, Row, show_table
from ui.safe_text import in_markdown

TEST = "gw-test-request"
NOBODY = (
    "Nobody is told yet. Receivers stand in the file that the setting `notify_file` names;"
    " docs/notifications.md"
    " has an example of every kind."
)
OUTCOMES = {"sent": "✓ sent", "retry": "◐ again later", "dead": "▲ given up", "dropped": "○ held back"}


def show_notifications(frame: Frame, alerts: AlertsReader) -> None:
    """All of it."""
    _show_receivers(frame, alerts)
    _show_subscriptions(frame, alerts)
    _show_dead(frame, alerts)
    _show_log(frame, alerts)


def _show_receivers(frame: Frame, alerts: AlertsReader) -> None:
    receivers = alerts.receivers()
    st.markdown("#### Receivers")
    if not receivers:
        st.info(NOBODY, icon=":material/notifications_off:")
        return
    rows = []
    for receiver in receivers:
        is_failing = (receiver.last_error_ms or 0) > (receiver.last_success_ms or 0)
        state = "● on" if receiver.is_on else "▲ switched off"
        if receiver.is_on and is_failing:
            state = "△ failing"
        error = receiver.off_reason or (receiver.last_error if is_failing else "") or ""
        rows.append(
            Row(
                (
                    Cell(receiver.receiver, note=receiver.kind),
                    Cell(receiver.shown),
                    Cell(state, tone="" if receiver.is_on and not is_failing else "critical"),
                    Cell(wording.ago(receiver.last_success_ms, frame.now_ms)),
                    Cell(error),
                )
            )
        )
    columns = (
        Column("Receiver"),
        Column("Where", wide=True),
        Column("State"),
        Column("Last taken"),
        Column("Error", wrap=True),
    )
    show_table(columns, rows, key="gw-receivers", label="Receivers")
    if frame.state.sample:
        return
    why = alert_reads.why_not(Act.CONFIGURE)
    with st.container(horizontal=True, gap="small"):
        for receiver in receivers:
            st.button(
                in_markdown(f"Test {receiver.receiver}", 60), key=f"gw-test-{receiver.receiver}",
                disabled=why is not None, help=why, on_click=functools.partial(_test, receiver.receiver),
            )  # fmt: skip
            if not receiver.is_on:
                st.button(
                    in_markdown(f"Switch {receiver.receiver} on", 60), key=f"gw-on-{receiver.receiver}",
                    disabled=why is not None, help=why,
                    on_click=functools.partial(_switch_on, receiver.receiver),
                )  # fmt: skip
    asked = st.session_state.get(TEST)
    if asked:
        done = alerts.request(asked)
        is_done = done is not None and done.done_ms is not None
        st.fragment(_test_answer, run_every=None if is_done else "1s")(alerts, asked)


def _test(receiver: str) -> None:
    request_id, now_ms = alert_reads.new_id(), store.now_ms()

    def ask(decisions: Decisions) -> None:
        decisions.ask(request_id, "test", who(), now_ms, {"receiver": receiver})

    alert_reads.decide(ask, f"A test goes to {receiver}.", Act.CONFIGURE)
    st.session_state[TEST] = request_id


def _test_answer(alerts: AlertsReader, request_id: str) -> None:
    found = alerts.request(request_id)
    if found is None or found.done_ms is None:
        st.caption(":material/hourglass_top: The test is on its way ...")
        return
    receiver = in_markdown(found.body.get("receiver"), 80)
    answer = found.answer or {}
    if answer.get("outcome") == "sent":
        st.success(f"{receiver} took the test.", icon=":material/check_circle:")
    else:
        why = in_markdown(answer.get("detail") or answer.get("error") or "no reason given", 300)
        st.error(f"{receiver} did not take the test: {why}", icon=":material/error:")


def _switch_on(receiver: str) -> None:
    alert_reads.decide(
        lambda decisions: decisions.switch_on(receiver), f"{receiver} is tried again.", Act.CONFIGURE
    )


def _show_subscriptions(frame: Frame, alerts: AlertsReader) -> None:
    found = alerts.subscriptions()
    if not found:
        return
    st.markdown("#### Subscriptions")
    rows = []
    for row in found:
        lag = (
            "none"
            if row.oldest_waiting_ms is None
            else wording.duration(frame.now_ms - row.oldest_waiting_ms)
        )
        waiting = wording.counted(row.waiting, "message")
        rows.append(
            Row(
                (
                    Cell(row.subscription, note=row.what),
                    Cell(row.receiver),
                    Cell(wording.ago(row.last_success_ms, frame.now_ms)),
                    Cell(lag, note=f"{waiting} waiting" if row.waiting else ""),
                    Cell(row.last_error or "", tone="critical" if row.last_error else ""),
                )
            )
        )
    columns = (
        Column("Subscription", wide=True),
        Column("To"),
        Column("Last success"),
        Column("Lag"),
        Column("Error", wrap=True),
    )
    show_table(columns, rows, key="gw-subscriptions", label="Subscriptions")


def _show_dead(frame: Frame, alerts: AlertsReader) -> None:
    dead = alerts.outbox(["dead"], limit=50)
    st.markdown("#### Dead letters")
    if not dead:
        st.caption("None: everything was taken, or is still tried.")
        return
    columns = (
        Column(f"Made ({frame.zone.label(frame.now_ms)})", TIME),
        Column("To"),
        Column("What", wide=True, wrap=True),
        Column("Attempts", "count"),
        Column("Why", wrap=True),
    )
    rows = [
        Row(
            (
                Cell(wording.day_and_clock(row.made_ms, frame.zone)),
                Cell(row.receiver),
                Cell(_title(row)),
                Cell(str(row.attempts)),
                Cell(row.error or ""),
            )
        )
        for row in dead
    ]
    show_table(columns, rows, key="gw-dead", label="Dead letters", height=240)
    if frame.state.sample:
        return
    by_name = {f"{row.receiver}: {_title(row)[:60]} ({row.message_id})": row.message_id for row in dead}
    chosen = st.selectbox("Send one again", list(by_name), index=None, key="gw-again-which")
    if chosen:
        st.button(
            "Send it again", key="gw-again", disabled=alert_reads.why_not() is not None,
            help=alert_reads.why_not(),
            on_click=functools.partial(_again, by_name[chosen]),
        )  # fmt: skip


def _again(message_id: str) -> None:
    now_ms = store.now_ms()
    alert_reads.decide(lambda decisions: decisions.redeliver(message_id, now_ms), "It is sent again.")


def _title(row: OutboxRow) -> str:
    return str(row.body.get("title") or row.kind)


def _show_log(frame: Frame, alerts: AlertsReader) -> None:
    st.markdown("#### Delivery log")
    found = alerts.deliveries(limit=100)
    if not found:
        st.caption("Nothing was sent yet.")
        return
    columns = (
        Column(f"Time ({frame.zone.label(frame.now_ms)})", TIME),
        Column("To"),
        Column("Outcome"),
        Column("Code", "count"),
        Column("Took", "count"),
        Column("Message", "code", low=True),
        Column("Detail", wide=True, wrap=True),
    )
    rows = [
        Row(
            (
                Cell(wording.day_and_clock(row.at_ms, frame.zone)),
                Cell(row.receiver),
                Cell(
                    OUTCOMES.get(row.outcome, row.outcome), tone="critical" if row.outcome == "dead" else ""
                ),
                Cell("" if row.code is None else str(row.code)),
                Cell(f"{row.took_ms} ms"),
                Cell(row.message_id),
                Cell(row.detail),
            )
        )
        for row in found
    ]
    show_table(columns, rows, key="gw-deliveries", label="Delivery log", height=300)
