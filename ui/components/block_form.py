"""Asking for a block: whom, where, how long and why; and before anything is sent, who else it would hit."""

from __future__ import annotations

import functools

import streamlit as st

from domain.blast_radius import Radius, narrower, sentences
from domain.blocks import (
    DEFAULT_MS,
    Block,
    BlockScope,
    BlockState,
    SubjectType,
    check_duration,
    parse_subject,
)
from domain.egress import private_network
from domain.filters import Dimension
from domain.windows import MINUTE_MS
from storage.block_book import ask_block
from ui import change_reads, store, wording
from ui import wording_changes as words
from ui.blocks_view import Subject, blast_radius, find_subject, why_not
from ui.change_reads import Reads
from ui.components.page_frame import Frame
from ui.components.proposals import MAX_REASON_CHARS, decide, show_standing, who
from ui.components.table import COUNT, Cell, Column, Row, show_table
from ui.safe_text import in_markdown
from ui.state import current_state, set_state

MAX_LISTED = 40
EVERYWHERE = "Everywhere"


def show_block_form(frame: Frame, reads: Reads) -> None:
    """Draw it. The URL can name who is meant: `?block=203.0.113.7`."""
    if not show_standing(frame):
        return
    asked = next(iter(current_state().own("block")), "")
    text = st.text_input(
        "Address, range or consumer",
        value=asked,
        key=f"gw-block-who-{asked}",
        max_chars=300,
        placeholder="203.0.113.7, 203.0.113.0/24, acme-mobile",
    )
    if not text.strip():
        return
    try:
        subject_type, plain = parse_subject(text)
    except ValueError as error:
        st.warning(in_markdown(f"{error}", 300), icon=":material/block:")
        return
    found = find_subject(frame.reader, subject_type, plain)
    if found is None:
        st.warning(in_markdown(f"Nothing is known of a consumer {plain}.", 300), icon=":material/help:")
        return
    _show_form(frame, reads, found)


def _show_form(frame: Frame, reads: Reads, found: Subject) -> None:
    places = _places(frame)
    left, right = st.columns([2, 3], gap="large")
    with left:
        place = st.selectbox("Where", list(places), key="gw-block-where")
        span = st.segmented_control(
            "For how long",
            list(words.DURATIONS_MIN),
            default=next(w for w, m in words.DURATIONS_MIN.items() if m * MINUTE_MS == DEFAULT_MS),
            key="gw-block-span",
        )
        reason = st.text_input("Why", key="gw-block-reason", max_chars=MAX_REASON_CHARS)
        private = _private_choice(found)
        dry_run = st.toggle(
            "Dry run",
            key="gw-block-dry",
            help="Sends nothing: counts from now on what the block would have refused.",
        )
    scope = places[place or EVERYWHERE]
    radius = blast_radius(frame.reader, found, scope, frame.now_ms)
    with right:
        _show_radius(found, radius)
    known = change_reads.settings()
    why = why_not(known, reads.changes, found, frame.now_ms, private_allowed=private)
    if why:
        st.error(in_markdown(f"{why}.", 400), icon=":material/shield_lock:")
        return
    minutes = words.DURATIONS_MIN[span or "1 h"]
    sure = True
    if radius.hits_many and found.subject_type != SubjectType.CONSUMER and not dry_run:
        label = f"Yes, stop all {wording.counted(len(radius.consumers), 'consumer')} behind it"
        sure = st.checkbox(label, key=f"gw-block-sure-{found.subject}")
    st.button(
        _label(found, scope, span or "1 h", dry_run=dry_run),
        key="gw-block-ask",
        type="primary",
        disabled=not (reason.strip() and sure and (dry_run or known.change_url)),
        on_click=functools.partial(
            decide,
            functools.partial(_ask, found, scope, minutes, reason, private=private, dry_run=dry_run),
        ),
    )
    if not dry_run:
        st.caption(words.UNDO_HINT)


def _label(found: Subject, scope: BlockScope, span: str, *, dry_run: bool) -> str:
    where = "" if scope.is_everywhere else f" on {scope.route or scope.service}"
    what = "Try to block" if dry_run else "Ask to block"
    return in_markdown(f"{what} {found.label}{where} for {span}", 120)


def _private_choice(found: Subject) -> bool:
    """Whether a private address is meant all the same; asked only where it is one."""
    if found.subject_type == SubjectType.CONSUMER:
        return False
    kind = private_network(found.subject)
    return bool(kind) and st.checkbox(
        in_markdown(f"It is of {kind}, and is meant all the same"), key="gw-private"
    )


def _places(frame: Frame) -> dict[str, BlockScope]:
    """Where a block may hold: everywhere, or one service or route that is known."""
    found = {EVERYWHERE: BlockScope()}
    for dimension, word in ((Dimension.SERVICE, "service"), (Dimension.ROUTE, "route")):
        for row in frame.reader.breakdown(dimension, frame.window, frame.state.filters, MAX_LISTED):
            entity = frame.reader.resolve(dimension, row.token)
            if entity is None:
                continue
            scope = (
                BlockScope(service_id=entity.id, service=entity.label)
                if dimension == Dimension.SERVICE
                else BlockScope(route_id=entity.id, route=entity.label)
            )
            found[in_markdown(f"{word} {entity.label}", 80)] = scope
    return found


def _show_radius(found: Subject, radius: Radius) -> None:
    st.markdown("**Who else it would hit**")
    told = sentences(radius, found.label)
    for number, text in enumerate(told):
        if number == 0 and radius.hits_many:
            st.warning(in_markdown(f"{text}.", 600), icon=":material/groups:")
        else:
            st.markdown(f"- {in_markdown(text, 600)}")
    best = narrower(radius)
    if best is not None:
        st.button(
            in_markdown(f"Block only consumer {best.label}: nearly all refusals are theirs", 160),
            key="gw-narrower",
            type="tertiary",
            on_click=lambda: set_state(current_state().with_own(block=[best.token])),
        )
    columns = (
        Column("Consumer", wide=True),
        Column("Good", COUNT, hint="Requests that nothing refused, in the last 24 hours"),
        Column("Refused", COUNT, hint="By a limit"),
        Column("401", COUNT, low=True),
    )
    rows = [
        Row(
            (
                Cell(one.label),
                Cell(wording.count(one.good), tone="unknown" if one.good is None else ""),
                Cell(f"{one.violations:,}", tone="" if one.violations else "faint"),
                Cell(f"{one.unauthorized:,}", tone="" if one.unauthorized else "faint"),
            )
        )
        for one in radius.consumers[:MAX_LISTED]
    ]
    if len(rows) > 1:
        show_table(columns, rows, key="gw-radius", label="Consumers behind it", height=220)


def _ask(
    found: Subject, scope: BlockScope, minutes: int, reason: str, *, private: bool, dry_run: bool
) -> str:
    """Ask for the block; whatever was shown is checked again.

    Raises:
        ValueError: It lasts too short or too long.
        StoreError: The database cannot be written now.
    """
    name, now_ms = who(), store.now_ms()
    known = change_reads.settings()
    duration_ms = minutes * MINUTE_MS
    check_duration(duration_ms)
    if not name:
        return "Log in first."
    reads = change_reads.reads(sample=False).changes
    why = why_not(known, reads, found, now_ms, private_allowed=private)
    if why:
        return f"{why}."
    block = Block(
        block_id=change_reads.new_id(),
        state=(BlockState.DRY_RUN if dry_run else BlockState.REQUESTED).value,
        subject_type=found.subject_type.value,
        subject=found.subject,
        label=found.label,
        scope=scope,
        reason=reason.strip(),
        asked_by=name,
        asked_ms=now_ms,
        duration_ms=duration_ms,
        is_dry_run=dry_run,
        private_allowed=private,
        proposal_id=None if dry_run else change_reads.new_id(),
        applied_ms=now_ms if dry_run else None,
        expires_ms=now_ms + duration_ms if dry_run else None,
    )
    with change_reads.deciding() as book:
        ask_block(book, block, now_ms)
    if dry_run:
        return "The dry run counts from now on."
    return "Asked for. It is planned within seconds, and then waits for another person."
