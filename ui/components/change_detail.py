"""One change: what it was, what is risky about it, who made it, what followed, and how to take it back."""

from __future__ import annotations

import functools

import streamlit as st

from domain.change_actors import How
from domain.changes import Change, Scope, field_changes, scope_of
from domain.filters import Dimension, Filters
from domain.windows import MINUTE_MS, Window
from storage.change_rows import ChangeRow
from storage.rows import Marker
from ui import navigation, wording
from ui import wording_changes as words
from ui.change_reads import Reads
from ui.charts.axes import REQUESTS_COLOUR, VIOLATION_COLOUR, count_axis, layout, marker_traces, time_axis
from ui.components.change_list import ListedChange, listed, verdict_cell
from ui.components.chart import show_chart
from ui.components.page_frame import Frame
from ui.components.proposals import MAX_REASON_CHARS, ask, decide, show_fields, show_proposal
from ui.components.table import TIME, Cell, Column, Row, show_table
from ui.safe_text import in_markdown

AROUND_MS = 20 * MINUTE_MS
BUCKET_MS = 30_000


def show_change(frame: Frame, reads: Reads, row: ChangeRow) -> None:
    """Draw it."""
    [item] = listed(reads.changes, [row])
    change = row.change
    navigation.page_link(":material/arrow_back: All changes", "changes", frame.state.about(None))
    st.markdown(f"### {in_markdown(item.told, 500)}")
    st.caption(in_markdown(_facts(frame, row), 500))
    for flag in item.flags:
        technique = f" ({flag.technique})" if flag.technique else ""
        st.warning(
            in_markdown(f"{words.RISKS[flag.risk]}: {flag.sentence}{technique}", 600),
            icon=":material/shield:",
        )
    left, right = st.columns([3, 2], gap="medium")
    with left:
        _show_difference(change)
        _show_effect(frame, row)
    with right:
        _show_actor(row)
        _show_take_back(frame, reads, row)
        _show_history(frame, reads, item)


def _facts(frame: Frame, row: ChangeRow) -> str:
    change = row.change
    parts = [
        words.OPERATIONS.get(change.operation, change.operation),
        wording.moment(change.at_ms, frame.zone),
        wording.ago(change.at_ms, frame.now_ms),
        f"{change.entity_type} {change.entity_id or ''}".strip(),
        f"told by {change.source}" if change.source else "",
        f"on node {change.node}" if change.node else "",
    ]
    return " · ".join(part for part in parts if part)


def _show_difference(change: Change) -> None:
    st.markdown("#### What differs")
    fields = field_changes(change)
    if fields:
        show_fields(fields, key="gw-fields")
    elif change.before is None and change.operation == "update":
        st.caption("The sender did not show what it was before.")
    else:
        st.caption("Nothing but timestamps.")
    st.caption("Defaults, timestamps and ids are left out; secrets show as changed, and never as themselves.")


def _show_effect(frame: Frame, row: ChangeRow) -> None:
    st.markdown("#### What followed")
    if row.verdict is None:
        st.caption("Not judged yet: a first word comes after 80 seconds, the last after 15 minutes.")
    else:
        text, _ = words.OUTCOMES[row.verdict.outcome]
        so_far = "" if row.is_final else " (so far)"
        st.markdown(f"**{in_markdown(text)}**{so_far}. {in_markdown(row.verdict.sentence, 1_200)}")
        if row.verdict.health:
            st.markdown(in_markdown(row.verdict.health, 400))
    _show_chart(frame, row.change)


def _show_chart(frame: Frame, change: Change) -> None:
    window = Window(change.at_ms - AROUND_MS, change.at_ms + AROUND_MS).aligned(BUCKET_MS)
    filters = scope_filters(scope_of(change))
    width_ms = frame.reader.width_ms(window, BUCKET_MS)
    series = frame.reader.series(window.aligned(width_ms), filters, None, width_ms)
    starts = [series.from_ms + n * series.bucket_ms for n in range(series.buckets)]
    refused = [sum(group.values[n] for group in series.groups) for n in range(series.buckets)]
    traces = [
        {
            "type": "bar", "name": "violations", "x": starts, "y": refused, "width": series.bucket_ms,
            "offset": 0, "marker": {"color": VIOLATION_COLOUR},
        },
    ]  # fmt: skip
    if series.requests is not None:
        traces.append(
            {
                "type": "scatter", "mode": "lines", "name": "requests", "x": starts,
                "y": list(series.requests), "line": {"color": REQUESTS_COLOUR, "width": 1.5},
            }
        )  # fmt: skip
    here = Marker(at_ms=change.at_ms, to_ms=None, kind="change", text="this change")
    gaps = [m for m in frame.reader.markers(window) if m.kind == "gap"]
    traces += [trace for trace in marker_traces([*gaps, here], window) if trace]
    tallest = max([*refused, *(series.requests or ()), 1])
    figure = {
        "data": traces,
        "layout": layout(
            f"change:{change.seq}",
            time_axis(window, series.bucket_ms),
            count_axis(f"per {wording.per(series.bucket_ms)}", tallest),
            barmode="overlay",
        ),
    }
    show_chart(figure, key="gw-around", zone=frame.zone, label="Violations and requests around the change")


def scope_filters(scope: Scope) -> Filters:
    """A scope as filters."""
    filters = Filters()
    for dimension, entity_id in (
        (Dimension.SERVICE, scope.service_id),
        (Dimension.ROUTE, scope.route_id),
        (Dimension.CONSUMER, scope.consumer_id),
    ):
        if entity_id is not None:
            filters = filters.adding(dimension, entity_id)
    return filters


def _show_actor(row: ChangeRow) -> None:
    st.markdown("#### By whom")
    name, _ = words.actor(row.actor)
    unknown = row.actor.how is How.UNKNOWN
    st.markdown(f"**{in_markdown(name, 200)}**" + (" :material/help:" if unknown else ""))
    st.caption(in_markdown(row.actor.why, 600))
    if row.actor.client_ip:
        st.caption(f"from {in_markdown(row.actor.client_ip, 60)}")


def _show_take_back(frame: Frame, reads: Reads, row: ChangeRow) -> None:
    st.markdown("#### Take it back")
    if frame.state.sample:
        st.caption(words.SAMPLE)
        return
    open_ones = [
        p
        for p in reads.changes.proposals()
        if p.kind == "rollback" and p.ask.get("change") == row.change.seq and p.is_open
    ]
    for proposal in open_ones:
        show_proposal(frame, proposal)
    if open_ones:
        return
    reason = st.text_input("Why", key="gw-rollback-reason", max_chars=MAX_REASON_CHARS)
    st.button(
        "Propose to roll it back",
        key="gw-rollback",
        icon=":material/undo:",
        disabled=not reason.strip(),
        on_click=functools.partial(
            decide, functools.partial(ask, "rollback", {"change": row.change.seq}, reason)
        ),
    )
    st.caption(words.UNDO_HINT)


def _show_history(frame: Frame, reads: Reads, item: ListedChange) -> None:
    change = item.change
    if item.children:
        st.markdown("#### What went with it")
        for text in item.children[:20]:
            st.markdown(f"- {in_markdown(text, 300)}")
    if change.entity_id is None:
        return
    rows = reads.changes.history(change.entity_type, change.entity_id, 50)
    st.markdown(f"#### Its history ({len(rows)})")
    shown = listed(reads.changes, rows)
    columns = (
        Column(f"Time ({frame.zone.label(frame.now_ms)})", TIME),
        Column("What", wide=True, wrap=True),
        Column("What followed", low=True),
    )
    show_table(
        columns,
        [
            Row(
                (
                    Cell(wording.day_and_clock(one.change.at_ms, frame.zone)),
                    Cell(one.told, href=navigation.href("changes", frame.state.about(str(one.change.seq)))),
                    verdict_cell(one.row),
                ),
                chosen=one.change.seq == change.seq,
            )
            for one in shown
        ],
        key="gw-history",
        label="Changes of this entity",
        height=260,
    )
