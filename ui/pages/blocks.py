"""Blocks: who is turned away, by whom and until when, and whether it works."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import streamlit as st

from domain.blocks import Block, BlockState, Protected, SubjectType, Working, parse_subject
from domain.filters import Dimension
from domain.proposals import Proposal
from domain.roles import Act
from storage.block_book import add_protected, ask_lift, end_dry_run, remove_protected
from storage.change_rows import BlockRow
from ui import change_reads, permits, store, wording
from ui import wording_changes as words
from ui.blocks_view import Standing, standing_of, would_have_refused
from ui.change_reads import Reads
from ui.components import links, page_frame
from ui.components.block_form import show_block_form
from ui.components.numbers import Number, show_numbers
from ui.components.page_frame import Frame
from ui.components.proposals import MAX_REASON_CHARS, decide, show_proposal, show_said, who
from ui.components.table import TIME, Cell, Column, Row, show_table
from ui.navigation import href
from ui.pages.changes import IN_MOTION
from ui.safe_text import in_markdown

ON = (BlockState.ACTIVE, BlockState.DRY_RUN)
MAX_JUDGED = 40
"""Blocks whose requests are looked at; each costs a few milliseconds."""


def render() -> None:
    """Draw the page."""
    with page_frame.opened("blocks", filters=False) as page:
        show_said()
        reads = change_reads.reads(sample=page.state.sample)
        rows = reads.changes.blocks()
        standings = {
            row.block.block_id: standing_of(page.reader, reads.changes, row.block, page.now_ms)
            for row in [r for r in rows if r.block.state == BlockState.ACTIVE][:MAX_JUDGED]
        }
        _show_numbers(page, rows, standings)
        _show_waiting(page)
        with st.expander(
            "Block somebody", expanded="block" in dict(page.state.page_own), icon=":material/block:"
        ):
            show_block_form(page, reads)
        _show_on(page, [r for r in rows if r.block.state in ON], standings)
        _show_ended(page, [r for r in rows if r.block.state not in (*ON, BlockState.REQUESTED)])
        _show_never(page, reads)


def _show_numbers(page: Frame, rows: Sequence[BlockRow], standings: dict[str, Standing]) -> None:
    states = [row.block.state for row in rows]
    leaking = sum(s.working is Working.LEAKING for s in standings.values())
    overdue = [
        r
        for r in rows
        if r.block.state == BlockState.ACTIVE and r.block.expires_ms and r.block.expires_ms <= page.now_ms
    ]
    ends = [r.block.expires_ms for r in rows if r.block.state == BlockState.ACTIVE and r.block.expires_ms]
    show_numbers(
        [
            Number(
                "On", wording.count(states.count(BlockState.ACTIVE)),
                words.left(min(ends), page.now_ms) + " of the first" if ends else "nobody is blocked",
            ),
            Number("Requested", wording.count(states.count(BlockState.REQUESTED)), "not sent yet"),
            Number("Dry runs", wording.count(states.count(BlockState.DRY_RUN)), "only counted"),
            Number(
                "Not working", wording.count(leaking), "▲ requests get through" if leaking else "none seen",
                tone="critical" if leaking else "",
            ),
            Number(
                "Not undone", wording.count(len(overdue)), "▲ time is over" if overdue else "none",
                tone="critical" if overdue else "",
            ),
        ],
        key="gw-numbers",
        label="Blocks in numbers",
    )  # fmt: skip


def _show_waiting(page: Frame) -> None:
    found = _open_ones(page)
    if found:
        st.markdown("#### Waiting")
        moves = any(p.state in IN_MOTION for p in found)
        st.fragment(_waiting, run_every="2s" if moves else None)(page)


def _waiting(page: Frame) -> None:
    now = dataclasses.replace(page, now_ms=store.now_ms())
    for proposal in _open_ones(page):
        show_proposal(now, proposal)


def _open_ones(page: Frame) -> list[Proposal]:
    proposals = change_reads.reads(sample=page.state.sample).changes.proposals()
    return [p for p in proposals if p.is_open and p.kind in {"block", "lift"}]


def _show_on(page: Frame, rows: Sequence[BlockRow], standings: dict[str, Standing]) -> None:
    st.markdown("#### On")
    if not rows:
        st.caption(words.NO_BLOCKS)
        return
    columns = (
        Column("State"),
        Column("Whom"),
        Column("Where"),
        Column("Left", hint="Until it is undone by itself"),
        Column("Seen", hint="Requests since the nodes had time to learn of it"),
        Column("Nodes", low=True),
        Column("By"),
        Column("Why", wide=True, wrap=True),
    )
    show_table(
        columns,
        [_on_row(page, row.block, standings.get(row.block.block_id)) for row in rows],
        key="gw-on",
        label="Blocks that are on",
    )
    if not page.state.sample:
        _show_lift(page, [row.block for row in rows])


def _on_row(page: Frame, block: Block, standing: Standing | None) -> Row:
    is_dry = block.state == BlockState.DRY_RUN
    seen, note, tone = "", "", ""
    if is_dry:
        n = would_have_refused(page.reader, block, page.now_ms)
        seen = f"would have refused {wording.count(n)}"
    elif standing is not None:
        seen = words.WORKINGS[standing.working]
        note = f"{standing.refused:,} refused, {standing.passed:,} passed"
        tone = "critical" if standing.working is Working.LEAKING else ""
    nodes = "" if standing is None else words.applied_on(standing.nodes_told, standing.nodes)
    return Row(
        (
            Cell(words.BLOCK_STATES[BlockState(block.state)]),
            whom(page, block),
            Cell(where(block)),
            Cell(
                words.left(block.expires_ms, page.now_ms), title=wording.moment(block.expires_ms, page.zone)
            ),
            Cell(seen, note=note, tone=tone),
            Cell(nodes, tone="faint"),
            Cell(block.asked_by, note=wording.ago(block.asked_ms, page.now_ms)),
            Cell(block.reason, note=block.ended_why or ""),
        )
    )


def whom(page: Frame, block: Block) -> Cell:
    """The subject, leading to its page."""
    is_consumer = block.subject_type == SubjectType.CONSUMER
    dimension = Dimension.CONSUMER if is_consumer else Dimension.IP
    found = links.target(page.state, dimension, block.subject)
    leads = None if found is None else href(found.page, found.state)
    return Cell(block.label, note="" if is_consumer else block.subject_type, href=leads)


def where(block: Block) -> str:
    """Where it holds, in words."""
    scope = block.scope
    if scope.route_id is not None:
        return f"route {scope.route or scope.route_id}"
    return f"service {scope.service or scope.service_id}" if scope.service_id is not None else "everywhere"


def _show_lift(page: Frame, blocks: Sequence[Block]) -> None:
    by_label = {
        f"{block.label}, {where(block)}, {words.left(block.expires_ms, page.now_ms)}": block
        for block in blocks
        if block.lift_id is None or block.state == BlockState.DRY_RUN
    }
    if not by_label:
        return
    with st.expander("Lift one before its time"):
        chosen = st.selectbox("Which", list(by_label), key="gw-lift-which")
        reason = st.text_input("Why", key="gw-lift-reason", max_chars=MAX_REASON_CHARS)
        block = by_label[chosen] if chosen else None
        if block is None:
            return
        label = "End the dry run" if block.state == BlockState.DRY_RUN else "Ask to lift"
        st.button(
            in_markdown(f"{label} {block.label}", 100),
            key="gw-lift",
            disabled=not reason.strip(),
            on_click=functools.partial(decide, functools.partial(_lift, block, reason)),
        )


def _lift(block: Block, reason: str) -> str:
    name = who()
    if not name:
        return "Log in first."
    with change_reads.deciding() as book:
        if block.state == BlockState.DRY_RUN:
            end_dry_run(book, block.block_id, f"ended by {name}: {reason.strip()}", store.now_ms())
            return "The dry run has ended."
        ask_lift(book, block.block_id, change_reads.new_id(), name, reason.strip(), store.now_ms())
    return "Asked for. Another person has to approve it."


def _show_ended(page: Frame, rows: Sequence[BlockRow]) -> None:
    st.markdown("#### Ended")
    shown = [row for row in rows if (row.block.ended_ms or row.block.asked_ms) >= page.window.from_ms]
    if not shown:
        st.caption(words.no_block_ended(page.window, page.zone))
        return
    columns = (
        Column(f"Asked ({page.zone.label(page.now_ms)})", TIME),
        Column("State"),
        Column("Whom"),
        Column("Where", low=True),
        Column("On for"),
        Column("By"),
        Column("Why, and how it ended", wide=True, wrap=True),
    )
    table = [
        Row(
            (
                Cell(wording.day_and_clock(b.asked_ms, page.zone)),
                Cell(
                    words.BLOCK_STATES[BlockState(b.state)],
                    tone="high" if b.state == BlockState.FAILED else "",
                ),
                whom(page, b),
                Cell(where(b)),
                Cell("" if b.applied_ms is None or b.ended_ms is None
                     else wording.duration(b.ended_ms - b.applied_ms)),
                Cell(b.asked_by),
                Cell(b.reason, note=b.ended_why or ""),
            )
        )
        for b in (row.block for row in shown)
    ]  # fmt: skip
    show_table(columns, table, key="gw-ended", label="Blocks that have ended", height=300)


def _show_never(page: Frame, reads: Reads) -> None:
    entries = reads.changes.never_block_list(page.now_ms)
    known = change_reads.settings()
    callers = reads.changes.admin_callers(0)
    with st.expander(f"Never blocked ({len(entries) + len(known.never_block) + len(callers)})"):
        st.caption(
            "These always win, over every block: the setting never_block, this list, and the addresses that "
            "Kong's Admin API is called from. Private addresses are blocked only when that is asked for."
        )
        columns = (
            Column("Whom"),
            Column("Because", wide=True, wrap=True),
            Column("Added by"),
            Column("Until"),
        )
        rows = [Row((Cell(a), Cell("the setting never_block"), None, None)) for a in known.never_block]
        rows += [Row((Cell(ip), Cell("calls the Admin API"), None, None)) for ip in callers[:50]]
        rows += [
            Row(
                (
                    Cell(e.protected.subject),
                    Cell(e.protected.note),
                    Cell(e.added_by, note=wording.ago(e.added_ms, page.now_ms)),
                    Cell(wording.moment(e.protected.expires_ms, page.zone) if e.protected.expires_ms else ""),
                )
            )
            for e in entries
        ]
        if rows:
            show_table(columns, rows, key="gw-never", label="Never blocked")
        if page.state.sample:
            return
        why = permits.why_not(Act.CONFIGURE, known)
        with st.container(horizontal=True, vertical_alignment="bottom"):
            text = st.text_input("Address, range or consumer", key="gw-never-who", max_chars=200)
            note = st.text_input("Because", key="gw-never-note", max_chars=200)
            st.button(
                "Never block",
                key="gw-never-add",
                disabled=not (text.strip() and note.strip()) or why is not None,
                help=why,
                on_click=functools.partial(decide, functools.partial(_protect, text, note)),
            )
        for entry in entries[:20]:
            st.button(
                in_markdown(f"Take {entry.protected.subject} off the list", 100),
                key=f"gw-never-remove-{entry.entry_id}",
                type="tertiary",
                disabled=why is not None,
                help=why,
                on_click=functools.partial(decide, functools.partial(_unprotect, entry.entry_id)),
            )


def _protect(text: str, note: str) -> str:
    name = who()
    if not name:
        return "Log in first."
    subject_type, subject = parse_subject(text)
    kind = SubjectType.CONSUMER if subject_type == SubjectType.CONSUMER else SubjectType.RANGE
    entry = Protected(subject_type=kind.value, subject=subject, note=note.strip())
    with change_reads.deciding(Act.CONFIGURE) as book:
        add_protected(book, change_reads.new_id(), entry, name, store.now_ms())
    return f"{subject} is never blocked from now on."


def _unprotect(entry_id: str) -> str:
    name = who()
    if not name:
        return "Log in first."
    with change_reads.deciding(Act.CONFIGURE) as book:
        remove_protected(book, entry_id, name, store.now_ms())
    return "Taken off the list; the log keeps who did it."
