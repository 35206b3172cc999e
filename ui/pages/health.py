"""Health: whether what the other pages show is all there is, and what to do where it is not."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from domain.filters import Dimension
from domain.windows import RESOLUTIONS_MS, Window
from storage.location import located
from storage.rows import SourceState, StoreHealth
from ui import navigation, store, wording
from ui import wording_events as event_words
from ui import wording_health as words
from ui.bus_checks import all_problems
from ui.components import page_frame, screens
from ui.components.numbers import Number, show_numbers
from ui.components.page_frame import Frame
from ui.components.portrait_lists import shared_reader
from ui.components.processes import show_processes
from ui.components.table import COUNT, TIME, Cell, Column, Row, show_table
from ui.health_checks import (
    SEVERITIES,
    Checked,
    Problem,
    heard_of,
    named,
    passed,
    source_state,
    verdict,
)
from ui.safe_text import in_markdown
from ui.server import status
from ui.server.status import ChildStatus
from ui.state import PageState

MAX_SHOWN = 500


def render() -> None:
    """Draw the page."""
    with page_frame.opened("health", filters=False, on_unreadable=_show_unreadable) as page:
        checked = _check(page)
        found = all_problems(checked)
        _show_verdict(checked, found)
        if screens.is_empty(page):
            screens.show_empty(page)
        _show_numbers(page, checked)
        show_processes(page)
        _show_sources(page)
        left, right = st.columns(2, gap="medium")
        with left:
            _show_store(page, checked.health)
            _show_kinds(page)
        with right:
            _show_retention(checked)
            st.markdown("#### How to read the numbers")
            st.markdown("\n".join(f"- {sentence}" for sentence in words.EXPLANATIONS))


def _check(page: Frame) -> Checked:
    reader = shared_reader(page)
    window = page.window.aligned(RESOLUTIONS_MS[0])
    return Checked(
        freshness=page.freshness,
        feed=page.feed,
        health=reader.health(),
        settings=store.settings(),
        child=_child(page.state),
        gaps=reader.gaps(window, MAX_SHOWN),
        quarantined=len(reader.quarantine(window, MAX_SHOWN)),
        now_ms=page.now_ms,
    )


def _child(state: PageState) -> ChildStatus | None:
    server = status.server()
    if server is None:
        return None
    return server.sample() if state.sample else server.collector()


def _show_unreadable(state: PageState) -> None:
    """The database cannot be read: what can still be said, from the processes alone."""
    child = _child(state)
    st.markdown("#### The collector")
    if child is None:
        st.caption("This dashboard looks after no collector.")
        return
    said = words.CHILD_STATES[child.state] + (f": {child.detail}" if child.detail else "")
    st.markdown(in_markdown(said, 400))
    st.caption(in_markdown(words.database_and_log(located(store.settings().database)), 400))


def _show_verdict(checked: Checked, found: Sequence[Problem]) -> None:
    st.markdown(f"#### {in_markdown(verdict(list(found), checked.feed), 300)}")
    for problem in found:
        left, right = st.columns([1, 10], gap="small")
        left.markdown(f"**{SEVERITIES[problem.severity]}**")
        right.markdown(
            f"**{in_markdown(problem.what, 400)}** {in_markdown(problem.so, 300)}  \n"
            f"{in_markdown(problem.do, 300)}"
        )
    if not found:
        st.caption("Checked: " + "; ".join(passed(checked.feed)) + ".")


def _show_numbers(page: Frame, checked: Checked) -> None:
    collector, health = page.freshness.collector, checked.health
    numbers = [_collector_number(page, checked)]
    if collector is not None:
        p99 = collector.commit_p99_ms
        numbers += [
            Number(
                "Commits take",
                wording.UNKNOWN if p99 is None else f"{p99:,.0f} ms" if p99 >= 10 else f"{p99:,.1f} ms",  # noqa: PLR2004
                "or less, 99 of 100" if p99 is not None else "none in the last minutes",
                tone="unknown" if p99 is None else "",
            ),
            Number(
                "Queue", f"{collector.queue_batches:,}", f"batches, of {checked.settings.queue_batches:,}"
            ),
        ]
    trouble = page.state.elsewhere()
    numbers += [
        Number("Last arrival", wording.ago(page.freshness.last_received_ms, page.now_ms), "of anything"),
        Number("Events stored", wording.count(health.events), "one by one, all kinds"),
        Number(
            "Unreadable",
            wording.count(health.quarantined),
            "ever, in quarantine",
            href=navigation.href("events", trouble.with_own(tab=["quarantine"])),
        ),
        Number(
            "Gaps",
            wording.count(health.gaps),
            "ever known",
            href=navigation.href("events", trouble.with_own(tab=["gaps"])),
        ),
        _room(health),
    ]
    show_numbers(numbers, key="gw-numbers", label="The store and its collector")


def _room(health: StoreHealth) -> Number:
    taken = wording.size(health.file_bytes)
    if health.free_disk_bytes is None:
        return Number("Database", taken, words.SERVERS_DISK)
    return Number("Free disk", wording.size(health.free_disk_bytes), f"file {taken}")


def _collector_number(page: Frame, checked: Checked) -> Number:
    collector, child = page.freshness.collector, checked.child
    beside = "" if child is None else words.CHILD_STATES[child.state].partition(" ")[2]
    if collector is None:
        return Number("Collector", "never seen", beside, tone="critical")
    state = words.COLLECTOR_STATES.get(collector.state, collector.state)
    silent_ms = page.now_ms - collector.beat_ms
    if silent_ms > 30_000:  # noqa: PLR2004 - the same as in live_state
        return Number("Collector", "silent", f"since {wording.duration(silent_ms)}", tone="critical")
    up = f"up {wording.duration(page.now_ms - collector.started_ms)}"
    return Number("Collector", state, f"{up}, version {collector.version}", title=f"pid {collector.pid}")


def _show_sources(page: Frame) -> None:
    st.markdown("#### Who sends")
    sources = page.freshness.sources
    if not sources:
        st.caption(words.NO_SENDERS)
        return
    zone = page.zone.label(page.now_ms)
    columns = (
        Column("Sender"),
        Column("State"),
        Column("Way", low=True),
        Column("Node", low=True),
        Column(f"Last heard ({zone})", TIME),
        Column("Age", COUNT, hint="At the time of this page"),
        Column("Events", COUNT, hint="Stored one by one"),
        Column("Requests", COUNT, hint="Folded into totals"),
        Column("Duplicates", COUNT, hint="Sent again; stored once"),
        Column("Unreadable", COUNT),
        Column("Gaps", COUNT),
        Column("Acked", COUNT, hint="The sender's own number of the last thing it may forget", low=True),
    )
    rows = [_source_row(page, source) for source in sources[:MAX_SHOWN]]
    show_table(columns, rows, key="gw-sources", label="Senders", height=360)


def _source_row(page: Frame, source: SourceState) -> Row:
    state, tone = source_state(source, page.freshness, page.now_ms)
    heard_ms = heard_of(source)
    way = words.WAYS.get(source.way, source.way)
    version = f"Kong {source.version}" if source.version else ""
    return Row(
        (
            Cell(named(source), note=source.source if source.hostname else "", title=source.peer or ""),
            Cell(state, tone=tone),
            Cell(way),
            Cell(source.node_id or "", note=version),
            Cell("never" if heard_ms is None else wording.day_and_clock(heard_ms, page.zone)),
            Cell("" if heard_ms is None else wording.duration(page.now_ms - heard_ms)),
            _counted(source.events),
            _counted(source.requests),
            _counted(source.duplicates),
            _counted(source.quarantined, bad=True),
            _counted(source.gaps, bad=True),
            Cell("" if source.acked is None else f"{source.acked:,}"),
        )
    )


def _counted(number: int, *, bad: bool = False) -> Cell:
    return Cell(f"{number:,}", tone="high" if bad and number else "" if number else "faint")


def _show_store(page: Frame, health: StoreHealth) -> None:
    st.markdown("#### The store")
    oldest, newest = health.oldest_event_ms, health.newest_event_ms
    facts = [
        ("Database", Cell(health.path, note=wording.size(health.file_bytes), copy=health.path)),
        ("Write-ahead log", Cell(words.write_ahead_log(health.wal_bytes))),
        ("Oldest event", Cell("none" if oldest is None else wording.moment(oldest, page.zone))),
        ("Newest event", Cell("none" if newest is None else wording.moment(newest, page.zone))),
        ("Schema", Cell(f"{health.schema_version}")),
        ("Folded by address", Cell(f"{health.folded:,}", note="requests from addresses not told apart")),
        ("Folded by consumer", Cell(f"{health.folded_consumers:,}", note="of consumers not told apart")),
    ]
    for dimension in Dimension:
        count = health.distinct.get(str(dimension))
        if count is not None:
            facts.append((f"Distinct {wording.PLURALS[dimension]}", Cell(f"{count:,}", note="ever seen")))
    columns = (Column("What"), Column("", wide=True, wrap=True))
    rows = [Row((Cell(title, tone="faint"), cell)) for title, cell in facts]
    show_table(columns, rows, key="gw-store", label="The store about itself")


def _show_retention(checked: Checked) -> None:
    st.markdown("#### What is kept, and how long")
    columns = (Column("What", wide=True), Column("Kept"), Column("Setting", "code", low=True))
    rows = [
        Row((Cell(what), Cell(kept), Cell(setting)))
        for what, kept, setting in words.retention(checked.settings)
    ]
    show_table(columns, rows, key="gw-retention", label="What is kept, and how long")


def _show_kinds(page: Frame) -> None:
    st.markdown("#### Events by kind")
    window: Window = page.window.aligned(RESOLUTIONS_MS[0])
    now = {(kind, event): count for kind, event, count in shared_reader(page).kind_counts(window)}
    ever = {(kind, event): count for kind, event, count in shared_reader(page).health().kinds}
    if not ever and not now:
        st.caption("None yet.")
        return
    columns = (
        Column("Kind"),
        Column("Event", wide=True),
        Column("In this span", COUNT),
        Column("Ever", COUNT),
    )
    rows = []
    for kind, event in dict.fromkeys([*ever, *now]):
        href = navigation.href("events", page.state.elsewhere().with_own(kind=[kind], name=[event]))
        in_span = now.get((kind, event), 0)
        rows.append(
            Row(
                (
                    Cell(event_words.kind(kind)),
                    Cell(event, href=href),
                    Cell(f"{in_span:,}", tone="" if in_span else "faint"),
                    Cell(f"{max(ever.get((kind, event), 0), in_span):,}"),
                ),
                href=href,
            )
        )
    show_table(columns, rows, key="gw-kinds", label="Stored events by kind", height=420)
