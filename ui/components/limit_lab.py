"""What a limit would have refused: drag it over the past of a consumer, a route or a service."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import streamlit as st

from domain.filters import Dimension
from domain.limits import WINDOWS_S, limits_of
from domain.plugins import plugins_at
from domain.what_if import (
    Candidate,
    Counts,
    Simulated,
    candidates,
    per_window,
    sentence,
    simulate,
    support,
)
from domain.windows import Window
from storage.limit_counts import TooMuch
from ui import alert_reads, wording
from ui.change_reads import Reads
from ui.charts.axes import VIOLATION_COLOUR, count_axis, layout, time_axis
from ui.components.chart import show_chart
from ui.components.page_frame import Frame
from ui.components.proposals import MAX_REASON_CHARS, ask, decide
from ui.components.table import COUNT, Cell, Column, Row, show_table
from ui.past_verdicts import judged
from ui.portrait import listening_since_ms
from ui.safe_text import in_markdown
from ui.state import current_state, set_state

WINDOWS = ("minute", "hour", "day")
PER = {"consumer": Dimension.CONSUMER, "ip": Dimension.IP}
MAX_CHART_POINTS = 400


def show_limit_lab(frame: Frame, reads: Reads) -> None:
    """Draw it for the filters of the page: they are the scope of the limit."""
    st.markdown("#### What would a limit have refused?")
    scope = _scope(frame)
    if scope is None:
        st.info(
            "Choose whom or what the limit is for: add a filter for a consumer, a route or a service above.",
            icon=":material/filter_alt:",
        )
        return
    window_name, per = _choices()
    window = _known(frame)
    totals = frame.reader.totals(window, frame.state.filters)
    try:
        counts = reads.limits.read(window, frame.state.filters, PER[per], gap_ms=totals.gap_ms)
    except TooMuch as error:
        st.warning(in_markdown(str(error), 300), icon=":material/hourglass_top:")
        return
    if totals.requests is None:
        counts = Counts(by={}, bucket_ms=counts.bucket_ms, window=counts.window, is_known=False)
    current, policy = _in_force(frame, scope, window_name)
    nodes = max(1, len({row.node for row in frame.reader.nodes(frame.now_ms).rows if row.state == "live"}))
    backing = support(counts, WINDOWS_S[window_name], nodes=nodes, policy=policy, current=current)
    for text in backing.cannot:
        st.warning(in_markdown(f"No answer: {text}.", 300), icon=":material/help:")
    wanted = not backing.cannot or st.toggle(
        "Show what little is known", key="gw-lab-anyway", help="A picture, and no answer to rely on."
    )
    if wanted and counts.by and counts.is_known:
        _show_answer(frame, counts, window_name, per, scope, current)
    for text in backing.notes:
        st.caption(f":material/info: {in_markdown(text, 300)}")


def _known(frame: Frame) -> Window:
    """The part of the page's span in which somebody listened."""
    since = listening_since_ms(frame.freshness, frame.reader.health().oldest_event_ms, frame.now_ms)
    from_ms = min(max(frame.window.from_ms, since), frame.window.to_ms)
    return Window(from_ms, frame.window.to_ms)


def _scope(frame: Frame) -> dict[str, str] | None:
    """The ids that the filters name, as a limit's place; None when they name none, or several of a kind."""
    found: dict[str, str] = {}
    for dimension, field in (
        (Dimension.SERVICE, "service_id"),
        (Dimension.ROUTE, "route_id"),
        (Dimension.CONSUMER, "consumer_id"),
    ):
        values = frame.state.filters.values(dimension)
        if len(values) == 1:
            entity = frame.reader.resolve(dimension, values[0])
            found[field] = entity.id if entity else values[0]
    if "route_id" in found:
        found.pop("service_id", None)
    return found or None


def _choices() -> tuple[str, str]:
    state = current_state()
    window_name = next((w for w in state.own("per") if w in WINDOWS), "minute")
    per = next((p for p in state.own("by") if p in PER), "consumer")
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        st.segmented_control(
            "Per",
            WINDOWS,
            default=window_name,
            key="gw-lab-window",
            on_change=_set,
            args=("per", "gw-lab-window"),
        )
        st.segmented_control(
            "Counted for each",
            tuple(PER),
            default=per,
            key="gw-lab-per",
            format_func=lambda p: "address" if p == "ip" else p,
            on_change=_set,
            args=("by", "gw-lab-per"),
        )
    return window_name, per


def _set(name: str, key: str) -> None:
    value = st.session_state.get(key)
    set_state(current_state().with_own(**{name: [value] if value else [], "value": []}))


def _in_force(frame: Frame, scope: dict[str, str], window_name: str) -> tuple[int | None, str]:
    """The limit that is set in exactly that place, and how Kong counts it there."""
    for plugin in plugins_at(frame.reader.plugins(), frame.window.to_ms):
        place = {
            "service_id": plugin.service_id,
            "route_id": plugin.route_id,
            "consumer_id": plugin.consumer_id,
        }
        if plugin.name != "rate-limiting" or {k: v for k, v in place.items() if v is not None} != scope:
            continue
        value = next((limit.value for limit in limits_of(plugin) if limit.name == window_name), None)
        return value, str(plugin.config.get("policy") or "")
    return None, ""


def _show_answer(
    frame: Frame, counts: Counts, window_name: str, per: str, scope: dict[str, str], current: int | None
) -> None:
    window_s = WINDOWS_S[window_name]
    past = alert_reads.reader(sample=frame.state.sample).between(frame.window.from_ms, frame.window.to_ms)
    found = candidates(counts, window_s, judged(past, counts, per, scope))
    most = max((n for w in per_window(counts, window_s).values() for n in w.values()), default=1)
    start = _chosen(most, found, current)
    limit = st.slider(
        f"Limit per {window_name}",
        1,
        max(2, most, current or 0),
        start,
        key=f"gw-lab-limit-{window_name}-{per}",
        help="Everything above it in a window of the clock would have been refused.",
    )
    result = simulate(counts, limit, window_s)
    st.markdown(f"**{in_markdown(sentence(result, window_name), 400)}.**")
    _show_candidates(found, window_name)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        _show_chart(frame, counts, limit, window_s)
    with right:
        _show_hit(result)
    _propose(frame, scope, window_name, per, limit)


def _chosen(most: int, found: Sequence[Candidate], current: int | None) -> int:
    asked = next(
        (int(text) for text in current_state().own("value") if text.isascii() and text.isdigit()), None
    )
    start = asked or (found[0].limit if found else current) or most
    return max(1, min(start, max(2, most, current or 0)))


def _show_candidates(found: Sequence[Candidate], window_name: str) -> None:
    if not found:
        st.caption("No candidate: fewer than 1,000 windows of use are known, and no past incident helps.")
        return
    with st.container(horizontal=True, gap="small"):
        for number, candidate in enumerate(found):
            st.button(
                f"{candidate.limit:,} per {window_name}",
                key=f"gw-candidate-{number}",
                help=in_markdown(f"By {candidate.basis}: {candidate.why}", 400),
                on_click=lambda limit=candidate.limit: _take(limit),
            )
    for candidate in found:
        st.caption(in_markdown(f"{candidate.limit:,} by {candidate.basis}: {candidate.why}.", 400))


def _take(limit: int) -> None:
    for key in [k for k in st.session_state if str(k).startswith("gw-lab-limit-")]:
        del st.session_state[key]
    set_state(current_state().with_own(value=[str(limit)]))


def _show_chart(frame: Frame, counts: Counts, limit: int, window_s: int) -> None:
    """The largest of those counted, window by window, against the limit."""
    windows = per_window(counts, window_s)
    largest: dict[int, int] = {}
    for buckets in windows.values():
        for start_ms, n in buckets.items():
            largest[start_ms] = max(n, largest.get(start_ms, 0))
    group = max(1, math.ceil(counts.window.length_ms / (window_s * 1000) / MAX_CHART_POINTS))
    width_ms = group * window_s * 1000
    grouped: dict[int, int] = {}
    for start_ms, n in largest.items():
        place = start_ms - start_ms % width_ms
        grouped[place] = max(n, grouped.get(place, 0))
    starts = sorted(grouped)
    traces: list[dict[str, Any]] = [
        {
            "type": "bar", "name": f"busiest, per {wording.per(window_s * 1000)}", "x": starts,
            "y": [grouped[s] for s in starts], "width": width_ms, "offset": 0,
            "marker": {"color": VIOLATION_COLOUR},
        },
        {
            "type": "scatter", "mode": "lines", "name": "the limit",
            "x": [counts.window.from_ms, counts.window.to_ms], "y": [limit, limit],
            "line": {"color": "--st-red-color", "width": 2, "dash": "dash"},
        },
    ]  # fmt: skip
    figure = {
        "data": traces,
        "layout": layout(
            f"lab:{window_s}",
            time_axis(counts.window, width_ms),
            count_axis("requests of the busiest", max([*grouped.values(), limit])),
            barmode="overlay",
        ),
    }
    show_chart(
        figure, key="gw-lab-chart", zone=frame.zone, label="The busiest of each window against the limit"
    )


def _show_hit(result: Simulated) -> None:
    columns = (
        Column("Who", wide=True),
        Column("Refused", COUNT),
        Column("Windows", COUNT, hint="In how many it would have been refused"),
        Column("Busiest", COUNT, low=True),
    )
    rows = [
        Row(
            (
                Cell(one.label),
                Cell(f"{one.refused:,}", bar=one.refused / result.hit[0].refused),
                Cell(f"{one.windows:,}"),
                Cell(f"{one.most:,}"),
            )
        )
        for one in result.hit[:50]
    ]
    if rows:
        show_table(columns, rows, key="gw-lab-hit", label="Who would have been refused", height=300)
    else:
        st.success("Nobody would have been refused.", icon=":material/check_circle:")


def _propose(frame: Frame, scope: dict[str, str], window_name: str, per: str, limit: int) -> None:
    if frame.state.sample:
        return
    reason = st.text_input("Why", key="gw-lab-reason", max_chars=MAX_REASON_CHARS)
    wanted = {"window": window_name, "value": limit, "limit_by": per, **scope}
    st.button(
        f"Propose {limit:,} per {window_name}",
        key="gw-lab-propose",
        icon=":material/speed:",
        disabled=not reason.strip(),
        on_click=functools.partial(decide, functools.partial(ask, "limit", {"limit": wanted}, reason)),
    )
