"""Cache: what nodes dropped from their caches, which change made them, and whether every node did."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import streamlit as st

from domain.cache_stories import Burst, Seen
from domain.cache_storms import KEY_LEAST, Storm, find_storms
from domain.windows import MINUTE_MS, SECOND_MS, Window, bucket_width_ms, floor_ms
from storage.node_rows import ChurnRow, KindSeries, NodeRow
from storage.rows import Marker
from ui import navigation, wording
from ui import wording_nodes as words
from ui.cache_view import (
    Applicability,
    ToldStory,
    applicability,
    lineage,
    missed_by,
    seen_of,
    slowest_ms,
    stories_of,
    waiting,
)
from ui.charts.axes import mark_key
from ui.charts.kind_bars import kind_figure
from ui.components import page_frame, screens
from ui.components.chart import show_chart
from ui.components.numbers import Number, show_numbers
from ui.components.page_frame import Frame
from ui.components.portrait_lists import shared_reader, silences_in
from ui.components.table import COUNT, TIME, Cell, Column, Row, show_table
from ui.nodes_view import called, short, split
from ui.safe_text import in_markdown
from ui.state import current_state, set_state
from ui.unheard import heard_values, unheard_ms

NODE_COLUMNS = 6
"""Nodes with a column of their own in the table of changes; more are only counted."""
MOST_ROWS = 200
SPLITS = {"entity": ("entity_type", "by entity type"), "node": ("node", "by node")}


@dataclasses.dataclass(frozen=True, slots=True)
class Facts:
    """What the page is made of."""

    nodes: Sequence[NodeRow]
    names: dict[str, str]
    series: KindSeries
    markers: tuple[Marker, ...]
    silences: list[Marker]
    """Where nothing is known: before anybody listened, and after the last sign of life."""
    stories: list[ToldStory]
    bursts: list[Burst]
    storms: list[Storm]
    churn: tuple[ChurnRow, ...]
    from_ms: int


def render() -> None:
    """Draw the page."""
    with page_frame.opened("cache", filters=False) as page:
        if screens.is_empty(page):
            screens.show_empty(page)
            return
        rows = shared_reader(page).nodes(floor_ms(page.now_ms, SECOND_MS)).rows
        kept = applicability(split(rows, page.now_ms)[0])
        names = called(rows)
        if kept.is_none:
            st.info(in_markdown(words.CACHE_NOT_APPLICABLE, 500), icon=":material/block:")
            _show_pushes(page, kept, names)
            return
        if kept.without:
            st.caption(words.CACHE_PARTLY)
        facts = _read(page, rows, names)
        _show_numbers(page, facts)
        _show_series(page, facts)
        _show_storms(page, facts)
        _show_stories(page, facts, kept)
        left, right = st.columns(2, gap="medium")
        with left:
            _show_churn(page, facts)
        with right:
            _show_untold(page, facts)
        if kept.without:
            _show_pushes(page, kept, names)


def _read(page: Frame, rows: Sequence[NodeRow], names: dict[str, str]) -> Facts:
    reader, window = shared_reader(page), page.window
    now_ms = floor_ms(page.now_ms, SECOND_MS)
    past = reader.cache_past(window)
    stories, bursts = stories_of(past, rows, reader.node_history(window, now_ms), now_ms)
    silences = silences_in(page, window)
    width_ms = max(MINUTE_MS, bucket_width_ms(window))
    series = reader.kind_series(window, width_ms, "cache", SPLITS[_split_by(page)][0])
    totals = [sum(values) for values in zip(*(group[1] for group in series.groups), strict=True)]
    return Facts(
        nodes=rows,
        names=names,
        series=series,
        markers=(*reader.markers(window), *silences_in(page, _span_of(series))),
        silences=silences,
        stories=stories,
        bursts=bursts,
        storms=find_storms(totals, series.from_ms, series.bucket_ms),
        churn=reader.churned_keys(window),
        from_ms=past.from_ms,
    )


def _span_of(series: KindSeries) -> Window:
    return Window(series.from_ms, series.from_ms + series.buckets * series.bucket_ms)


def _split_by(page: Frame) -> str:
    asked = next(iter(page.state.own("by")), "entity")
    return asked if asked in SPLITS else "entity"


def _show_numbers(page: Frame, facts: Facts) -> None:
    totals = [sum(values) for values in zip(*(group[1] for group in facts.series.groups), strict=True)]
    heard_ms = min(page.window.to_ms, page.now_ms) - page.window.from_ms - unheard_ms(facts.silences)
    total, minutes = sum(totals), max(1.0, heard_ms / MINUTE_MS)
    trend = heard_values(totals, facts.series.from_ms, facts.series.bucket_ms, facts.silences)[-120:]
    told = [one.story for one in facts.stories if one.story.expected]
    complete = sum(story.is_complete for story in told)
    missed = sum(Seen.MISSED in story.nodes.values() for story in told)
    slowest = max((slowest_ms(story) or 0 for story in told), default=None)
    tellers = len({burst.node for burst in facts.bursts} | {n for s in told for n in s.delays_ms})
    numbers = [
        Number("Dropped keys", wording.count(total), "and purges, on all nodes", spark=trend),
        Number("Per minute", f"{total / minutes:,.1f}", "on average, while we heard"),
        Number("Changes", f"{len(facts.stories):,}", "in this span"),
        Number(
            "Complete",
            f"{complete} of {len(told)}" if told else wording.UNKNOWN,
            "seen by every node that could tell" if told else "no change that a node could tell of",
            tone="" if told else "unknown",
        ),
        Number(
            "Missed",
            f"{missed}",
            "✕ changes that a node did not see" if missed else "none",
            tone="critical" if missed else "",
        ),
        Number("Slowest", wording.duration(slowest), "until the last node saw it"),
        Number("Storms", f"{len(facts.storms)}", "▲ far above the usual" if facts.storms else "none"),
        Number(
            "Nodes that tell",
            f"{tellers}",
            "about their caches" if tellers else "? our plugin is needed",
            tone="" if tellers else "unknown",
        ),
    ]  # fmt: skip
    show_numbers(numbers, key="gw-numbers", label="Caches in numbers")


def _show_series(page: Frame, facts: Facts) -> None:
    if not facts.series.groups:
        tells = any("plugin_version" in row.facts for row in facts.nodes)
        if tells:
            screens.show_quiet(page, words.NO_INVALIDATIONS)
        else:
            st.info(in_markdown(words.CACHE_NO_TELLER, 400), icon=":material/help:")
        return
    by = _split_by(page)
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.markdown(f"#### Dropped keys per {wording.per(facts.series.bucket_ms)}", width="content")
        _split_switch(by)
    show_chart(
        kind_figure(facts.series, facts.markers, "dropped keys", page.now_ms, facts.names),
        key="gw-cache",
        zone=page.zone,
        label=f"Dropped cache keys over time, {SPLITS[by][1]}",
    )
    if facts.markers:
        st.caption(in_markdown(mark_key(facts.markers), 300))


def _split_switch(by: str) -> None:
    key = "gw-by"
    st.session_state[key] = by

    def pick() -> None:
        picked = st.session_state[key]
        set_state(current_state().with_own(by=[] if picked == "entity" else [picked]))

    st.segmented_control(
        "What the chart is split by",
        list(SPLITS),
        key=key,
        on_change=pick,
        format_func=lambda name: SPLITS[name][1],
        required=True,
        label_visibility="collapsed",
    )


def _show_storms(page: Frame, facts: Facts) -> None:
    loops = [row for row in facts.churn if _per_minute(row) >= KEY_LEAST]
    if not facts.storms and not loops:
        return
    st.markdown("#### ▲ Storms")
    for storm in facts.storms[:5]:
        when = wording.moment(storm.from_ms, page.zone)
        usual = (
            f", usually {storm.usual:,.0f} per {wording.per(facts.series.bucket_ms)}" if storm.usual else ""
        )
        length = wording.duration(storm.to_ms - storm.from_ms)
        cause = _cause_words(facts, storm)
        st.markdown(in_markdown(f"{when}: {storm.count:,} keys dropped in {length}{usual}. {cause}", 400))
    for row in loops[:5]:
        said = f"{row.key_masked}: dropped {row.count:,} times on one node, {_per_minute(row):,.0f} a minute."
        st.markdown(in_markdown(f"{said} Something writes it in a loop.", 400))


def _per_minute(row: ChurnRow) -> float:
    return row.count / max(1.0, (row.last_ms - row.first_ms) / MINUTE_MS)


def _cause_words(facts: Facts, storm: Storm) -> str:
    inside = [one for one in facts.stories if storm.from_ms <= one.event.at_ms < storm.to_ms]
    keys = sum(one.story.keys for one in inside)
    if not inside:
        return "No change that we know of explains it."
    actors = sorted({one.event.actor for one in inside if one.event.actor})
    who = f" by {', '.join(actors[:3])}" if actors else ""
    verb = "explains" if len(inside) == 1 else "explain"
    return f"{wording.counted(len(inside), 'change')}{who} {verb} {keys:,} of them."


def _show_stories(page: Frame, facts: Facts, kept: Applicability) -> None:
    st.markdown("#### Changes, and which nodes saw them")
    if not facts.stories:
        screens.show_quiet(page, "No configuration changes")
        return
    told = {node for one in facts.stories for node in one.story.nodes}
    shown_nodes = [row for row in kept.with_database if told.intersection(lineage(row, facts.nodes))]
    shown_nodes = shown_nodes if len(shown_nodes) <= NODE_COLUMNS else []
    columns = (
        Column(f"Time ({page.zone.label(page.now_ms)})", TIME),
        Column("Change", wide=True, wrap=True),
        Column("By", low=True),
        Column("Taken by", spare=True),
        Column("Keys", COUNT, hint="Dropped because of it, on all nodes together"),
        Column("Seen by"),
        Column("Slowest", COUNT, hint="Until the last node dropped its first key", spare=True),
        *(Column(facts.names[row.node], hint=row.node, low=True) for row in shown_nodes),
    )
    rows = [_story_row(page, facts, one, shown_nodes) for one in facts.stories[:MOST_ROWS]]
    show_table(columns, rows, key="gw-stories", label="Changes and the nodes that saw them", height=420)
    notes = [words.STORIES_HELP]
    if any(Seen.MISSED in one.story.nodes.values() for one in facts.stories):
        notes.insert(0, words.MISSED_ADVICE)
    if facts.from_ms > page.window.from_ms:
        notes.append(
            f"Older than {wording.moment(facts.from_ms, page.zone)} there were too many to go through."
        )
    if len(facts.stories) > MOST_ROWS:
        notes.append(f"{len(facts.stories) - MOST_ROWS} older changes are not listed.")
    st.caption(in_markdown(" ".join(notes), 700))


def _story_row(page: Frame, facts: Facts, one: ToldStory, nodes: Sequence[NodeRow]) -> Row:
    story, event = one.story, one.event
    still = waiting(story)
    verdict = words.seen_by(story.seen, story.expected, still)
    missed = missed_by(story, facts.names)
    what = f"{event.entity_type} {event.entity_name or event.entity_id or ''} {event.operation}d".strip()
    slowest = slowest_ms(story)
    is_bad = bool(missed)
    return Row(
        (
            Cell(wording.day_and_clock(event.at_ms, page.zone)),
            Cell(what, href=_change_href(page, event.seq)),
            Cell(event.actor or ""),
            Cell(facts.names.get(event.node or "", short(event.node or ""))),
            Cell(f"{story.keys:,}", tone="" if story.keys else "faint"),
            Cell(
                verdict,
                tone="critical" if is_bad else "unknown" if not story.expected else "",
                title=f"not seen by {', '.join(missed)}" if missed else "",
            ),
            Cell("" if slowest is None else wording.duration(slowest)),
            *(_node_cell(one, lineage(row, facts.nodes)) for row in nodes),
        )
    )


def _change_href(page: Frame, seq: int) -> str | None:
    if not navigation.exists("changes"):
        return None
    return navigation.href("changes", page.state.elsewhere().about(str(seq)))


def _node_cell(one: ToldStory, ids: Sequence[str]) -> Cell:
    seen, delay_ms = seen_of(one.story, ids)
    if seen is Seen.SEEN:
        return Cell(f"✓ {wording.duration(delay_ms)}")
    if seen is Seen.MISSED:
        return Cell("✕ not seen", tone="critical")
    if seen is Seen.WAITING:
        return Cell("… waiting", tone="faint")
    return Cell("? cannot tell", tone="unknown")


def _show_churn(page: Frame, facts: Facts) -> None:
    st.markdown("#### Keys dropped again and again")
    if not facts.churn:
        screens.show_quiet(page, "No key was dropped twice by one node")
        return
    columns = (
        Column("Key", "code", wide=True, wrap=True),
        Column("Times", COUNT, hint="On the node that dropped it most"),
        Column("A minute", COUNT, hint="Between its first and its last time"),
        Column("Nodes", COUNT),
    )
    rows = [
        Row(
            (
                Cell(row.key_masked, title=f"cache {row.cache or 'not said'}", copy=row.key_masked),
                Cell(f"{row.count:,}"),
                Cell(f"{_per_minute(row):,.1f}", tone="high" if _per_minute(row) >= KEY_LEAST else ""),
                Cell(f"{row.nodes:,}"),
            )
        )
        for row in facts.churn
    ]
    show_table(columns, rows, key="gw-churn", label="Keys dropped again and again", height=320)
    st.caption(words.CHURN_HELP)


def _show_untold(page: Frame, facts: Facts) -> None:
    st.markdown("#### Dropped without a change that we know of")
    if not facts.bursts:
        screens.show_quiet(page, "Nothing was dropped without a change")
        return
    columns = (
        Column(f"Time ({page.zone.label(page.now_ms)})", TIME),
        Column("Node"),
        Column("Keys", COUNT),
        Column("Of", wide=True, wrap=True),
    )
    rows = [
        Row(
            (
                Cell(wording.day_and_clock(burst.from_ms, page.zone)),
                Cell(facts.names.get(burst.node, short(burst.node))),
                Cell(f"{burst.keys:,}"),
                Cell(words.untold(burst.entity_types, is_purge=burst.is_purge)),
            )
        )
        for burst in facts.bursts[:MOST_ROWS]
    ]
    show_table(columns, rows, key="gw-untold", label="Dropped without a known change", height=320)
    st.caption(words.UNTOLD_HELP)


def _show_pushes(page: Frame, kept: Applicability, names: dict[str, str]) -> None:
    st.markdown(
        f"#### Configuration pushes to {wording.counted(len(kept.without), 'node')} without a database"
    )
    reader = shared_reader(page)
    width_ms = max(MINUTE_MS, bucket_width_ms(page.window))
    series = reader.kind_series(page.window, width_ms, "cluster", "node", "config_pushed")
    if not series.groups:
        screens.show_quiet(page, words.NO_PUSHES)
        return
    markers = (*reader.markers(page.window), *silences_in(page, _span_of(series)))
    show_chart(
        kind_figure(series, markers, "pushes", page.now_ms, names),
        key="gw-pushes",
        zone=page.zone,
        label="Configurations that nodes took, over time",
    )
    columns = (Column(f"Time ({page.zone.label(page.now_ms)})", TIME), Column("Node", wide=True))
    rows = [
        Row(
            (
                Cell(wording.day_and_clock(push.at_ms, page.zone)),
                Cell(names.get(push.node or "", push.node or "not said")),
            )
        )
        for push in reader.config_pushes(page.window)
    ]
    show_table(columns, rows, key="gw-push-rows", label="Configuration pushes", height=320)
