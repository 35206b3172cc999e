"""Proposals as people decide on them: what exactly would be sent, what differs, and who may say yes.

Every button checks anew who presses it and what was shown: the hash of the plan goes with the click.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import streamlit as st

from domain.diff import FieldChange
from domain.errors import GatewatchError
from domain.proposals import NOBODY_VOUCHED, Answer, Proposal, ProposalState, same_name
from domain.roles import Act
from ui import change_reads, permits, store, wording
from ui import wording_changes as words
from ui.components.page_frame import Frame
from ui.components.table import Cell, Column, Row, show_table
from ui.exposure import Login
from ui.safe_text import in_markdown, visible
from ui.viewer import find_viewer, login

SAID = "gw-said"
"""Where a decision leaves what it came to, for the run after it."""
MAX_REASON_CHARS = 500
MAX_FIELDS = 8


def say(text: str) -> None:
    """Tell whoever pressed a button what came of it, in the run that follows."""
    st.session_state[SAID] = text


def show_said() -> None:
    """What the last decision came to."""
    said = st.session_state.pop(SAID, None)
    if said:
        st.toast(in_markdown(said, 400), icon=":material/info:", duration="long")


def who() -> str:
    """The name under which the viewer decides; empty when nobody is known."""
    viewer = find_viewer()
    return viewer.name if viewer else ""


def decide(what: Callable[[], str]) -> None:
    """Carry out a decision inside a widget's callback, and tell what came of it."""
    try:
        say(what())
    except GatewatchError as error:
        say(f"Nothing was decided: {error}")
    except (KeyError, ValueError) as error:
        say(f"Nothing was decided: {error}")


def show_standing(frame: Frame) -> bool:
    """Why nothing can be decided here, or under which rule; False when nothing can."""
    if frame.state.sample:
        st.info(words.SAMPLE, icon=":material/science:")
        return False
    known = change_reads.settings()
    why = permits.why_not(Act.PROPOSE, known)
    if why is not None:
        st.info(in_markdown(why, 300), icon=":material/lock:")
        return False
    if not known.change_url:
        st.info(words.NOT_CONNECTED, icon=":material/link_off:")
    if known.approve_own_changes:
        st.caption(f":material/person: {words.OWN_ALLOWED}")
    elif login() == Login.NONE:
        st.info(words.ALONE, icon=":material/person:")
    return True


def ask(kind: str, wanted: dict[str, Any], reason: str) -> str:
    """Ask for a change; returns what to tell.

    Raises:
        StoreError: The database cannot be written now.
    """
    if not reason.strip():
        return "Say why: whoever approves it, and the log, need a reason."
    name = who()
    if not name:
        return "Log in first."
    with change_reads.deciding() as book:
        book.ask(change_reads.new_id(), kind, name, reason.strip(), wanted, store.now_ms())
    return "Asked for. It is planned within seconds, and then waits for another person."


def show_proposal(frame: Frame, proposal: Proposal) -> None:
    """One proposal: what it would send, what became of it, and the buttons that are possible now."""
    with st.container(border=True, key=f"gw-proposal-{proposal.proposal_id}", gap="xsmall"):
        with st.container(
            horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", gap="small"
        ):
            st.markdown(_heading(frame, proposal), width="content")
            _buttons(frame, proposal)
        who_and_why = (
            f"{proposal.asked_by}, {wording.ago(proposal.asked_ms, frame.now_ms)}: {proposal.reason}"
        )
        st.caption(in_markdown(who_and_why, MAX_REASON_CHARS + 200))
        if proposal.outcome:
            st.markdown(in_markdown(proposal.outcome, 1_000))
        if proposal.plan is not None:
            for text in proposal.plan.cannot:
                st.markdown(f":material/do_not_disturb_on: {in_markdown(f'Not restored: {text}', 600)}")
            for text in proposal.plan.warnings:
                st.markdown(f":material/warning: {in_markdown(text, 600)}")
        _show_steps(proposal)


def _heading(frame: Frame, proposal: Proposal) -> str:
    kind = words.PROPOSAL_KINDS.get(proposal.kind, proposal.kind)
    state = words.PROPOSAL_STATES[ProposalState(proposal.state)]
    parts = [f"**{in_markdown(kind)}**", in_markdown(state)]
    if proposal.state == ProposalState.PROPOSED:
        parts.append(words.left(proposal.expires_ms, frame.now_ms))
    if proposal.approved_by:
        parts.append(f"approved by {in_markdown(proposal.approved_by, 120)}")
    return " · ".join(parts)


def _show_steps(proposal: Proposal) -> None:
    fragments = [step["fragment"] for step in proposal.shown if "fragment" in step]
    for fragment in fragments:
        st.code(visible(fragment, 20_000), language="json")
    steps = [step for step in proposal.shown if "fragment" not in step]
    lines = []
    for number, step in enumerate(steps, 1):
        fields = [msgspec.convert(field, FieldChange) for field in step["fields"]]
        told = "; ".join(words.field_words(field) for field in fields[:MAX_FIELDS])
        more = f"; and {len(fields) - MAX_FIELDS} more fields" if len(fields) > MAX_FIELDS else ""
        says = f"{step['says']} ({told}{more})" if told else step["says"]
        lines.append(f"{number}. {in_markdown(says, 2_000)}")
    if lines:
        st.markdown("\n".join(lines))
    if not steps or not proposal.plan_hash:
        return
    with st.expander(f"Exact {'request' if len(steps) == 1 else f'{len(steps)} requests'}"):
        for step in steps:
            body = "" if step["body"] is None else "\n" + json.dumps(step["body"], indent=2)
            st.code(visible(f"{step['method']} {step['path']}", 1_000) + body, language="http")
        st.caption(f"to {in_markdown(proposal.target or '', 200)} · hash {proposal.plan_hash}")


def show_fields(
    fields: Sequence[FieldChange], *, key: str, titles: tuple[str, str] = ("Before", "After")
) -> None:
    """What differs, field by field."""
    columns = (Column("Field"), Column(titles[0]), Column(titles[1], wide=True, wrap=True))
    rows = []
    for field in fields[:60]:
        before, after = words.field_before_after(field)
        rows.append(Row((Cell(field.path), Cell(before, tone="faint"), Cell(after))))
    show_table(columns, rows, key=key, label="Fields that differ")
    if len(fields) > len(rows):
        st.caption(f"and {len(fields) - len(rows)} more fields")


def _buttons(frame: Frame, proposal: Proposal) -> None:
    if frame.state.sample or not proposal.is_open:
        return
    name = who()
    is_own = bool(name) and same_name(name) == same_name(proposal.asked_by)
    why_not = not_permitted = permits.why_not(Act.APPROVE, change_reads.settings())
    if why_not is None and not change_reads.settings().approve_own_changes:
        names = same_name(name), same_name(proposal.asked_by)
        if same_name(NOBODY_VOUCHED) in names:
            why_not = words.APPROVAL_ANSWERS[Answer.NOT_TOLD_APART]
        elif is_own:
            why_not = words.APPROVAL_ANSWERS[Answer.OWN]
    with st.container(horizontal=True, gap="small", width="content"):
        if proposal.state == ProposalState.PROPOSED and proposal.plan is not None:
            count = len(proposal.plan.steps)
            label = "Approve and send" + (f" {count} requests" if count > 1 else "")
            st.button(
                label,
                key=f"gw-approve-{proposal.proposal_id}",
                type="primary",
                disabled=why_not is not None,
                help=why_not,
                on_click=functools.partial(
                    decide, functools.partial(_approve, proposal.proposal_id, proposal.plan_hash or "")
                ),
            )
            if not is_own:
                st.button(
                    "Reject",
                    key=f"gw-reject-{proposal.proposal_id}",
                    disabled=not_permitted is not None,
                    help=not_permitted,
                    on_click=functools.partial(decide, functools.partial(_reject, proposal.proposal_id)),
                )
        if is_own and proposal.state != ProposalState.APPLYING:
            st.button(
                "Withdraw",
                key=f"gw-withdraw-{proposal.proposal_id}",
                on_click=functools.partial(decide, functools.partial(_withdraw, proposal.proposal_id)),
            )


def _approve(proposal_id: str, plan_hash: str) -> str:
    own_allowed = change_reads.settings().approve_own_changes
    with change_reads.deciding(Act.APPROVE) as book:
        answer = book.approve(proposal_id, who(), plan_hash, store.now_ms(), own_allowed=own_allowed)
    return words.APPROVAL_ANSWERS[answer]


def _reject(proposal_id: str) -> str:
    with change_reads.deciding(Act.APPROVE) as book:
        done = book.reject(proposal_id, who(), "", store.now_ms())
    return "Rejected." if done else "Somebody decided before you."


def _withdraw(proposal_id: str) -> str:
    with change_reads.deciding() as book:
        done = book.withdraw(proposal_id, who(), store.now_ms())
    return "Withdrawn." if done else "It is too late to withdraw it."
