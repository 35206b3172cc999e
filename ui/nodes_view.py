"""What the page Nodes shows, made from what a store tells. Pure: rows in, facts and words out."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from domain.node_states import EMPTY_HASH, HEARD_STATES, SEVERITY, Feed, NodeState
from domain.windows import DAY_MS, MINUTE_MS, Window
from storage.node_rows import NodeRow, StateSpan, TargetChange, TargetRow, Targets
from ui import wording
from ui import wording_nodes as words

BLOCKS = 24
CLOCK_OFF_MS = 30_000
"""A clock that is off by so much puts events into the wrong minute."""
SHORT = 8
"""Characters of an id or a hash that tell it apart from the others on a page."""


@dataclasses.dataclass(frozen=True, slots=True)
class Block:
    """A piece of a node's past."""

    from_ms: int
    to_ms: int
    state: NodeState | None
    """The worst state in it; None before the node was known, and in the future."""
    share: float
    """How much of it the node was in that state."""


def split(rows: Sequence[NodeRow], now_ms: int) -> tuple[list[NodeRow], list[NodeRow]]:
    """(nodes that matter now, nodes that are history): replaced by a restart, or not heard for over a day."""
    now: list[NodeRow] = []
    former: list[NodeRow] = []
    for row in rows:
        is_old = row.last_seen_ms is not None and now_ms - row.last_seen_ms > DAY_MS
        is_gone = row.state in {NodeState.LOST.value, NodeState.UNKNOWN.value}
        (former if row.replaced_by or (is_old and is_gone) else now).append(row)
    return now, former


def blocks_of(spans: Sequence[StateSpan], window: Window, count: int = BLOCKS) -> list[Block]:
    """A node's states in equal pieces of a window, oldest first; each shows the worst state in it."""
    edges = [window.from_ms + window.length_ms * i // count for i in range(count + 1)]
    return [_block(spans, edges[i], edges[i + 1]) for i in range(count)]


def _block(spans: Sequence[StateSpan], from_ms: int, to_ms: int) -> Block:
    lengths: dict[NodeState, int] = {}
    for span in spans:
        inside_ms = min(span.to_ms, to_ms) - max(span.from_ms, from_ms)
        if inside_ms > 0:
            state = NodeState(span.state)
            lengths[state] = lengths.get(state, 0) + inside_ms
    if not lengths:
        return Block(from_ms, to_ms, None, 0.0)
    worst = min(lengths, key=SEVERITY.index)
    return Block(from_ms, to_ms, worst, lengths[worst] / (to_ms - from_ms))


def spans_by_node(spans: Sequence[StateSpan]) -> dict[str, list[StateSpan]]:
    """Spans by node, oldest first."""
    found: dict[str, list[StateSpan]] = {}
    for span in spans:
        found.setdefault(span.node, []).append(span)
    return found


def with_forebears(
    node: NodeRow, rows: Sequence[NodeRow], spans: Mapping[str, list[StateSpan]]
) -> list[StateSpan]:
    """A node's past across its restarts: before its own id began, that of the ids it had before."""
    by_id = {row.node: row for row in rows}
    found = list(spans.get(node.node, ()))
    older, seen = node.replaces, {node.node}
    while older is not None and older not in seen:
        seen.add(older)
        begins_ms = min((span.from_ms for span in found), default=None)
        earlier = [
            span if begins_ms is None or span.to_ms <= begins_ms else _until(span, begins_ms)
            for span in spans.get(older, ())
            if begins_ms is None or span.from_ms < begins_ms
        ]
        found = earlier + found
        older = by_id[older].replaces if older in by_id else None
    return found


def _until(span: StateSpan, to_ms: int) -> StateSpan:
    return StateSpan(node=span.node, from_ms=span.from_ms, to_ms=to_ms, state=span.state, reason=span.reason)


def called(rows: Sequence[NodeRow]) -> dict[str, str]:
    """What nodes are called: the host, with the beginning of the id where several have the same host."""
    hosts = Counter(row.name for row in rows if row.replaced_by is None and not row.is_place_only)
    return {row.node: row.name if hosts[row.name] <= 1 else f"{row.name} {short(row.node)}" for row in rows}


def short(text: str) -> str:
    """The beginning of an id or a hash; addresses stay whole."""
    return text if len(text) <= SHORT or "/" in text else text[:SHORT]


def config_words(row: NodeRow) -> tuple[str, str, str]:
    """(words, note, tone) for a node's configuration against that of its fleet."""
    if row.config_hash is None:
        is_database = row.role in {"traditional", "control_plane"}
        return ("in the database", "", "faint") if is_database else ("", "", "")
    if row.config_hash == EMPTY_HASH:
        return "none yet", "never received one", "high"
    if row.expected_hash is None or row.fleet_nodes < 2:  # noqa: PLR2004 - nobody to compare with
        return short(row.config_hash), "", ""
    if row.config_hash == row.expected_hash:
        return f"✓ {short(row.config_hash)}", "as its fleet", ""
    return f"≠ {short(row.config_hash)}", f"fleet has {short(row.expected_hash)}", "high"


def dropped_words(facts: Mapping[str, Any]) -> tuple[int | None, str]:
    """(how many events the sender in the node had to drop, by kind in words); None where no plugin tells."""
    if "plugin_version" not in facts:
        return None, ""
    dropped = facts.get("dropped") or {}
    parts = [f"{n:,} {words.KINDS_OF_DROPS.get(kind, kind)}" for kind, n in dropped.items()]
    return sum(dropped.values()), ", ".join(parts)


def is_ill(row: NodeRow) -> bool:
    """Whether something is wrong with a node that its state does not say."""
    facts = row.facts
    off_ms = max(abs(facts.get("clock_off_ms") or 0), abs(facts.get("lag_ms") or 0))
    return facts.get("database_reachable") is False or off_ms >= CLOCK_OFF_MS


def remarks(row: NodeRow, now_ms: int) -> list[str]:
    """What is wrong, or worth knowing, about a node, the worst first."""
    found: list[str] = []
    if row.state != NodeState.LIVE.value:
        found.append(row.reason)
    facts = row.facts
    if facts.get("database_reachable") is False:
        found.append("it cannot reach its database")
    off_ms = facts.get("clock_off_ms") or 0
    lag_ms = facts.get("lag_ms") or 0
    if abs(off_ms) >= CLOCK_OFF_MS:
        found.append(f"its clock is {wording.duration(abs(off_ms))} {'ahead' if off_ms > 0 else 'behind'}")
    elif abs(lag_ms) >= CLOCK_OFF_MS:
        direction = "behind, or its events are late" if lag_ms > 0 else "ahead"
        found.append(f"its clock is {wording.duration(abs(lag_ms))} {direction}")
    found += [
        f"{words.FEEDS[Feed(feed.feed)]}: {feed.problem} since {wording.duration(now_ms - feed.problem_ms)}"
        for feed in row.feeds
        if feed.problem is not None and feed.problem_ms is not None and feed.problem not in row.reason
    ]
    if facts.get("has_our_plugin") is False and "plugin_version" not in facts:
        found.append("our plugin is not loaded")
    started_ms = row.started_ms
    if row.restarts and started_ms is not None and now_ms - started_ms < 60 * MINUTE_MS:
        found.append(f"started again {wording.ago(started_ms, now_ms)}")
    return found


# ---- targets


@dataclasses.dataclass(frozen=True, slots=True)
class TargetSpan:
    """A node gave a target one health for a while."""

    from_ms: int
    to_ms: int
    health: str


@dataclasses.dataclass(frozen=True, slots=True)
class TargetLine:
    """One target as one node sees it."""

    upstream: str
    target: str
    node: str | None
    node_name: str
    health: str
    """`unknown` where the node is not there any more."""
    since_ms: int
    changes: int
    """In the window."""
    spans: tuple[TargetSpan, ...]


def target_lines(
    targets: Targets,
    rows: Sequence[NodeRow],
    spans: Mapping[str, list[StateSpan]],
    window: Window,
    now_ms: int,
) -> list[TargetLine]:
    """Every target as every node sees it, what is wrong first, then by upstream, target and node.

    What a node said last holds no longer than the node is there. For a span that is over `now_ms` is its end,
    and `rows` are as of then: targets that were heard of later are left out.
    """
    by_id, names = {row.node: row for row in rows}, called(rows)
    changes: dict[tuple[str | None, str, str], list[TargetChange]] = {}
    for change in targets.changes:
        changes.setdefault((change.node, change.upstream, change.target), []).append(change)
    lines = [
        _line(row, changes.get((row.node, row.upstream, row.target), []), by_id, names, spans, window, now_ms)
        for row in targets.now
        if row.first_ms < now_ms
        if row.node is None or not (by_id.get(row.node) and by_id[row.node].replaced_by)
    ]
    order = {"unhealthy": 0, "dns_error": 0, "unknown": 1}
    return sorted(lines, key=lambda x: (order.get(x.health, 2), x.upstream, x.target, x.node_name))


def _line(
    row: TargetRow,
    changes: Sequence[TargetChange],
    by_id: Mapping[str, NodeRow],
    names: Mapping[str, str],
    spans: Mapping[str, list[StateSpan]],
    window: Window,
    now_ms: int,
) -> TargetLine:
    node = by_id.get(row.node or "")
    is_there = row.node is None or (node is not None and NodeState(node.state) in HEARD_STATES)
    unknown_ms = None if is_there or node is None else max(row.since_ms, node.last_seen_ms or node.since_ms)
    past = tuple(_target_spans(row, changes, spans.get(row.node or "", ()), window, now_ms))
    health, since_ms = row.health, row.since_ms
    if since_ms > now_ms:  # it has changed since
        health, since_ms = (past[-1].health, past[-1].from_ms) if past else ("unknown", window.from_ms)
    return TargetLine(
        upstream=row.upstream,
        target=row.target,
        node=row.node,
        node_name="any node" if row.node is None else names.get(row.node, short(row.node)),
        health=health if is_there else "unknown",
        since_ms=since_ms if unknown_ms is None else min(unknown_ms, now_ms),
        changes=sum(change.at_ms >= window.from_ms for change in changes),
        spans=past,
    )


def _target_spans(
    row: TargetRow,
    changes: Sequence[TargetChange],
    presence: Sequence[StateSpan],
    window: Window,
    now_ms: int,
) -> list[TargetSpan]:
    """What a node said of a target over a window; unknown while the node was not there."""
    end_ms = min(window.to_ms, now_ms)
    edges = [(change.at_ms, change.health) for change in changes]
    if not edges and row.since_ms >= end_ms:  # its first change came later, so it was as first heard of
        edges = [(row.first_ms, "healthy")]
    elif not edges:
        edges = [(row.since_ms, row.health)]
    elif edges[0][1] != "healthy" and row.first_ms < edges[0][0]:
        edges.insert(0, (row.first_ms, "healthy"))  # a target first heard of as healthy is no change
    pieces = [
        TargetSpan(max(at_ms, window.from_ms), edges[i + 1][0] if i + 1 < len(edges) else end_ms, health)
        for i, (at_ms, health) in enumerate(edges)
    ]
    return [part for piece in pieces if piece.from_ms < piece.to_ms for part in _masked(piece, presence)]


def _masked(piece: TargetSpan, presence: Sequence[StateSpan]) -> list[TargetSpan]:
    """A piece, cut where its node was late, lost or unknown."""
    away = [s for s in presence if NodeState(s.state) not in HEARD_STATES]
    found: list[TargetSpan] = []
    at_ms = piece.from_ms
    for span in away:
        end_ms = piece.to_ms if span is presence[-1] else span.to_ms
        from_ms, to_ms = max(span.from_ms, at_ms), min(end_ms, piece.to_ms)
        if from_ms >= to_ms:
            continue
        if from_ms > at_ms:
            found.append(TargetSpan(at_ms, from_ms, piece.health))
        found.append(TargetSpan(from_ms, to_ms, "unknown"))
        at_ms = to_ms
    if at_ms < piece.to_ms:
        found.append(TargetSpan(at_ms, piece.to_ms, piece.health))
    return found
