"""Changes: who changed what in Kong, what followed, and how to take it back."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import streamlit as st

from domain.change_actors import How
from domain.change_verdict import Outcome
from domain.diff import quiet_diff
from domain.kong_entities import collection_of
from domain.proposals import Proposal, ProposalState
from storage.change_rows import LogEntry
from storage.changes_reader import MAX_CHANGES
from ui import change_reads, navigation, store, wording
from ui import wording_changes as words
from ui.change_reads import Reads
from ui.components import page_frame, screens
from ui.components.change_detail import show_change
from ui.components.change_list import ListedChange, listed, show_list, within
from ui.components.evidence import show_evidence
from ui.components.limit_lab import show_limit_lab
from ui.components.numbers import Number, show_numbers
from ui.components.page_frame import Frame
from ui.components.proposals import MAX_REASON_CHARS, ask, decide, show_proposal, show_said, show_standing
from ui.components.table import TIME, Cell, Column, Row, show_table
from ui.safe_text import in_markdown
from ui.state import current_state, set_state

VIEWS = {
    "changes": "Changes",
    "proposals": "Proposals",
    "drift": "Drift",
    "limit": "What-if limit",
    "fragment": "Paste a fragment",
}
ONLY = {"all": "All", "risky": "Risky", "felt": "With an effect", "unknown": "Actor unknown"}
IN_MOTION = (ProposalState.ASKED, ProposalState.APPROVED, ProposalState.APPLYING)


def render() -> None:
    """Draw the page."""
    with page_frame.opened("changes") as page:
        show_said()
        reads = change_reads.reads(sample=page.state.sample)
        if page.state.selected is not None:
            _show_one(page, reads, page.state.selected)
            return
        rows = reads.changes.changes(page.window)
        items = within(page.state.filters, listed(reads.changes, rows), page.reader)
        _show_numbers(page, reads, items)
        view = _view()
        if view == "proposals":
            show_standing(page)
        if view in {"changes", "proposals"}:
            _show_waiting(page)
        if view == "changes":
            _show_changes(page, items, is_cut=len(rows) >= MAX_CHANGES)
            show_evidence(page, reads)
        elif view == "proposals":
            _show_proposals(page, reads)
        elif view == "drift":
            _show_drift(page, reads)
        elif view == "limit":
            show_limit_lab(page, reads)
        else:
            _show_fragment(page)


def _show_one(page: Frame, reads: Reads, token: str) -> None:
    row = reads.changes.change(int(token)) if token.isascii() and token.isdigit() else None
    if row is None:
        navigation.page_link(":material/arrow_back: All changes", "changes", page.state.about(None))
        st.warning("That change is not stored, or not any more.", icon=":material/help:")
        return
    show_change(page, reads, row)


def _show_numbers(page: Frame, reads: Reads, items: Sequence[ListedChange]) -> None:
    risky = [item for item in items if item.flags]
    unknown = [item for item in items if item.row.actor.how is How.UNKNOWN]
    caused = [i for i in items if i.row.verdict and i.row.verdict.outcome is Outcome.CAUSED_MORE]
    waiting = [p for p in reads.changes.proposals() if p.state == ProposalState.PROPOSED]
    drifts = reads.changes.drifts(page.window)
    last = items[0].change.at_ms if items else None

    def href(view: str, only: str = "") -> str:
        own = {"view": [view], "only": [only] if only else []}
        return navigation.href("changes", page.state.with_own(**own))

    show_numbers(
        [
            Number("Changes", wording.count(len(items)), words.last_change(last, page.now_ms)),
            Number(
                "Risky", wording.count(len(risky)), "▲ weaken a defence", href=href("changes", "risky"),
                tone="critical" if risky else "",
            ),
            Number(
                "Caused refusals", wording.count(len(caused)), "▲ by their verdict",
                href=href("changes", "felt"), tone="critical" if caused else "",
            ),
            Number(
                "Actor unknown", wording.count(len(unknown)), f"of {len(items):,}",
                href=href("changes", "unknown"), tone="unknown" if unknown else "",
            ),
            Number("Wait for approval", wording.count(len(waiting)), "proposals", href=href("proposals")),
            Number(
                "Drift", wording.count(len(drifts) if drifts or _can_compare() else None),
                "told by nobody" if drifts or _can_compare() else "Kong is not asked", href=href("drift"),
                tone="critical" if drifts else "" if _can_compare() else "unknown",
            ),
        ],
        key="gw-numbers",
        label="Changes in numbers",
    )  # fmt: skip


def _show_waiting(page: Frame) -> None:
    """What waits for somebody, above everything else; looks again by itself while something moves."""
    found = [p for p in change_reads.reads(sample=page.state.sample).changes.proposals() if p.is_open]
    moves = any(p.state in IN_MOTION for p in found)
    if found:
        st.fragment(_waiting, run_every="2s" if moves else None)(page)


def _waiting(page: Frame) -> None:
    now = dataclasses.replace(page, now_ms=store.now_ms())
    for proposal in change_reads.reads(sample=page.state.sample).changes.proposals():
        if proposal.is_open:
            show_proposal(now, proposal)


def _view() -> str:
    chosen = next((v for v in current_state().own("view") if v in VIEWS), "changes")
    st.segmented_control(
        "View",
        tuple(VIEWS),
        default=chosen,
        format_func=VIEWS.__getitem__,
        key="gw-view",
        label_visibility="collapsed",
        on_change=_choose,
        args=("view", "gw-view"),
    )
    return chosen


def _choose(name: str, key: str) -> None:
    value = st.session_state.get(key)
    set_state(current_state().with_own(**{name: [value] if value else []}))


def _show_changes(page: Frame, items: Sequence[ListedChange], *, is_cut: bool) -> None:
    if not items:
        if page.state.filters:
            st.info("No change touches what the filters leave.", icon=":material/filter_alt:")
        else:
            screens.show_quiet(page, words.NO_CHANGES)
        return
    only = next((o for o in current_state().own("only") if o in ONLY), "all")
    st.segmented_control(
        "Only",
        tuple(ONLY),
        default=only,
        format_func=ONLY.__getitem__,
        key="gw-only",
        label_visibility="collapsed",
        on_change=_choose,
        args=("only", "gw-only"),
    )
    shown = [item for item in items if _is_asked_for(item, only)]
    if shown:
        show_list(page, shown)
    else:
        st.info(f"None of {wording.counted(len(items), 'change')} is like that.", icon=":material/check:")
    if is_cut:
        st.caption(f"More than {MAX_CHANGES:,} changes lie in this span; these are the newest of them.")


def _is_asked_for(item: ListedChange, only: str) -> bool:
    if only == "risky":
        return bool(item.flags)
    if only == "felt":
        verdict = item.row.verdict
        return verdict is not None and verdict.outcome in {Outcome.CAUSED_MORE, Outcome.CAUSED_FEWER}
    return only == "all" or item.row.actor.how is How.UNKNOWN


def _show_proposals(page: Frame, reads: Reads) -> None:
    known = reads.changes.proposals()
    ended = [p for p in known if not p.is_open]
    if not known:
        st.caption("Nothing was proposed yet. Open a change to roll it back, or try a limit.")
    if ended:
        _show_ended(page, ended)
    entries = reads.changes.log(limit=200)
    if entries:
        with st.expander("Log of decisions"):
            _show_log(page, entries)


def _show_ended(page: Frame, ended: Sequence[Proposal]) -> None:
    columns = (
        Column(f"Asked ({page.zone.label(page.now_ms)})", TIME),
        Column("What"),
        Column("State"),
        Column("By"),
        Column("Approved by"),
        Column("Why, and what came of it", wide=True, wrap=True),
    )
    rows = [
        Row(
            (
                Cell(wording.day_and_clock(p.asked_ms, page.zone)),
                Cell(words.PROPOSAL_KINDS.get(p.kind, p.kind)),
                Cell(
                    words.PROPOSAL_STATES[ProposalState(p.state)],
                    tone="critical" if p.state in {ProposalState.FAILED, ProposalState.IN_DOUBT} else "",
                ),
                Cell(p.asked_by),
                Cell(p.approved_by or ""),
                Cell(p.reason, note=p.outcome or ""),
            )
        )
        for p in ended[:200]
    ]
    show_table(columns, rows, key="gw-ended", label="Proposals that have ended", height=420)


def _show_log(page: Frame, entries: Sequence[LogEntry]) -> None:
    columns = (
        Column(f"Time ({page.zone.label(page.now_ms)})", TIME),
        Column("Who"),
        Column("What"),
        Column("Detail", wide=True, wrap=True),
        Column("Chain", hint="SHA-256 over this entry and all before it", low=True),
    )
    rows = [
        Row(
            (
                Cell(wording.day_and_clock(e.at_ms, page.zone)),
                Cell(e.who),
                Cell(e.what),
                Cell(e.detail, note=e.subject[:8]),
                Cell(e.chain[:12], tone="faint"),
            )
        )
        for e in entries
    ]
    show_table(columns, rows, key="gw-log", label="Log of decisions", height=360)


def _can_compare() -> bool:
    """Whether anybody reads Kong's configuration, so that no drift means none."""
    return bool(change_reads.settings().change_url or change_reads.settings().admin_url)


def _show_drift(page: Frame, reads: Reads) -> None:
    st.markdown("#### What is otherwise in Kong than events told")
    if not _can_compare():
        st.info(words.NO_ADMIN_API, icon=":material/link_off:")
        return
    drifts = reads.changes.drifts(page.window)
    if not drifts:
        screens.show_quiet(page, "No drift")
        return
    columns = (
        Column(f"Found ({page.zone.label(page.now_ms)})", TIME),
        Column("Happened", hint="Between when it was last seen otherwise and when it was found"),
        Column("Direction"),
        Column("What"),
        Column("Differs", wide=True, wrap=True),
    )
    rows = []
    for drift in drifts:
        fields = quiet_diff(drift.entity_type, drift.before, drift.after)
        told = "; ".join(" ".join((f.path, *words.field_before_after(f))) for f in fields[:4])
        rows.append(
            Row(
                (
                    Cell(wording.day_and_clock(drift.found_ms, page.zone)),
                    Cell(f"within {wording.duration(drift.found_ms - drift.from_ms)} before"),
                    Cell(words.DIRECTIONS[drift.direction], tone="high"),
                    Cell(
                        f"{collection_of(drift.entity_type).noun} {drift.entity_name or drift.entity_id}",
                        title=drift.entity_id,
                    ),
                    Cell(told),
                )
            )
        )
    show_table(columns, rows, key="gw-drift", label="Drift", height=480)


def _show_fragment(page: Frame) -> None:
    st.markdown("#### Apply a fragment of declarative configuration")
    if not show_standing(page) or page.state.sample:
        return
    text = st.text_area(
        "YAML or JSON",
        key="gw-fragment",
        height=260,
        placeholder="plugins:\n- name: rate-limiting\n  service: <id>\n  config: {minute: 60}",
        help="What is there is changed, what is not is made, and nothing is deleted. Secrets are refused.",
    )
    reason = st.text_input("Why", key="gw-fragment-reason", max_chars=MAX_REASON_CHARS)
    st.button(
        "Propose it",
        key="gw-fragment-propose",
        disabled=not (text.strip() and reason.strip()),
        on_click=functools.partial(decide, functools.partial(ask, "fragment", {"fragment": text}, reason)),
    )
    st.caption(in_markdown(words.UNDO_HINT))
