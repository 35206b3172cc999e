"""The processes of a deployment, and the bus between them."""

from __future__ import annotations

import streamlit as st

from storage.batches import BusState, Member
from ui import wording
from ui.bus_checks import SILENT_MS, is_deployment, newest_bus
from ui.components.page_frame import Frame
from ui.components.table import COUNT, TIME, Cell, Column, Row, show_table

STATES = {"ok": "● ok", "degraded": "✕ degraded", "stopping": "◐ stopping"}


def show_processes(page: Frame) -> None:
    """Nothing where one process does everything."""
    members = page.freshness.members
    if not is_deployment(members, page.now_ms):
        return
    bus = newest_bus(members, page.now_ms)
    st.markdown("#### Processes")
    columns = (
        Column("Process"),
        Column("Role"),
        Column("State"),
        Column("Duties", hint="Alerts and approved changes are done by one process at a time"),
        Column("Listens", "code", low=True),
        Column(f"Last heard ({page.zone.label(page.now_ms)})", TIME),
        Column("On its disk", COUNT, hint="Messages that the bus has not taken yet"),
        Column("Version", low=True),
    )
    show_table(columns, [_row(page, m) for m in members], key="gw-processes", label="Processes")
    if bus is not None:
        facts = [Row((Cell(what, tone="faint"), cell)) for what, cell in _facts(bus)]
        show_table(
            (Column("The bus"), Column("", wide=True, wrap=True)), facts, key="gw-bus", label="The bus"
        )


def _row(page: Frame, member: Member) -> Row:
    is_silent = page.now_ms - member.beat_ms > SILENT_MS
    state = "✕ silent" if is_silent else STATES.get(member.state, member.state)
    spooled = member.bus.spooled if member.bus is not None else 0
    return Row(
        (
            Cell(member.member),
            Cell(member.role),
            Cell(state, tone="high" if is_silent or member.state == "degraded" else "", title=member.detail),
            Cell("● on duty" if member.is_on_duty and not is_silent else ""),
            Cell(member.listens),
            Cell(wording.day_and_clock(member.beat_ms, page.zone)),
            Cell(f"{spooled:,}" if spooled else "", tone="high" if spooled else ""),
            Cell(member.version),
        )
    )


def _facts(bus: BusState) -> list[tuple[str, Cell]]:
    """What is known of it; what is not is said to be unknown."""
    synced = {True: "before it acknowledges", False: "now and then: not safe", None: wording.UNKNOWN}
    is_safe = bus.replicas is not None and bus.replicas_current == bus.replicas
    replicas = (
        wording.UNKNOWN
        if bus.replicas is None
        else f"{bus.replicas_current} of {bus.replicas} have all of it"
    )
    return [
        ("Address", Cell(bus.url, tone="" if bus.is_connected else "critical")),
        ("Replicas", Cell(replicas, tone="" if is_safe else "high", note=bus.leader or "")),
        ("Writes to disk", Cell(synced[bus.is_synced], tone="" if bus.is_synced else "high")),
        ("Waiting for a writer", _count(bus.waiting)),
        ("With writers", _count(bus.in_hand)),
        ("Of these, given out before", _count(bus.redelivered)),
        ("Laid aside", _count(bus.dead, is_bad=True)),
        ("Held", Cell(wording.UNKNOWN if bus.stored_bytes is None else wording.size(bus.stored_bytes))),
    ]


def _count(number: int | None, *, is_bad: bool = False) -> Cell:
    if number is None:
        return Cell(wording.UNKNOWN, tone="unknown")
    return Cell(f"{number:,}", tone="high" if is_bad and number else "")
