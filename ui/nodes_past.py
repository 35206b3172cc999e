"""The fleet as it was in a span that is over, made from what a store tells. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import msgspec

from domain.node_states import HEARD_STATES, SEVERITY, NodeState
from domain.windows import DAY_MS, Window
from storage.node_rows import NodeRow, StateSpan
from ui.nodes_view import with_forebears


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PastNode:
    """One node in a span that is over."""

    row: NodeRow
    """As of the end of the span. What was learned later is left out: facts, feeds, configuration."""
    spans: tuple[StateSpan, ...]
    """Its states in the span, those of the ids it had before among them, oldest first."""
    worst: NodeState
    """In the span."""
    live_share: float
    """How much of the span it was there, 0 to 1."""
    restarts: int
    """In the span, of those that are known."""
    before: NodeState
    """Its state before the one at the end; the same where it did not change."""

    @property
    def names(self) -> frozenset[str | None]:
        """What it can be asked for by: its ids in the span, and its host."""
        return frozenset((self.row.node, self.row.hostname, *(span.node for span in self.spans)))

    @property
    def state(self) -> NodeState:
        """At the end of the span."""
        return NodeState(self.row.state)


def fleet_of(
    rows: Sequence[NodeRow], spans: Mapping[str, Sequence[StateSpan]], window: Window
) -> list[PastNode]:
    """Every node that was known in a span, the worst state at its end first, then by name.

    Ids that were replaced by a restart in the span count as one node. Left out are nodes that came later, and
    those that had been gone for more than a day by the end.
    """
    by_id = {row.node: row for row in rows}
    found = [
        _node(row, rows, spans, window)
        for row in rows
        if spans.get(row.node) and not (row.replaced_by in by_id and spans.get(row.replaced_by or ""))
    ]
    kept = [node for node in found if not _is_history(node.row, window)]
    return sorted(kept, key=lambda node: (SEVERITY.index(node.state), node.row.name, node.row.node))


def witnesses(
    rows: Sequence[NodeRow], spans: Mapping[str, Sequence[StateSpan]], window: Window
) -> list[NodeRow]:
    """Every id that was known in a span, as of its end, those that were replaced by a restart among them."""
    return [_as_of(row, spans[row.node][-1], window) for row in rows if spans.get(row.node)]


def _is_history(row: NodeRow, window: Window) -> bool:
    is_gone = row.state in {NodeState.LOST.value, NodeState.UNKNOWN.value}
    return is_gone and row.last_seen_ms is not None and window.to_ms - row.last_seen_ms > DAY_MS


def _node(
    row: NodeRow, rows: Sequence[NodeRow], spans: Mapping[str, Sequence[StateSpan]], window: Window
) -> PastNode:
    past = with_forebears(row, rows, {node: list(found) for node, found in spans.items()})
    last = past[-1]
    heard_ms = sum(s.to_ms - s.from_ms for s in past if NodeState(s.state) in HEARD_STATES)
    ids = {span.node for span in past}
    return PastNode(
        row=_as_of(row, last, window),
        spans=tuple(past),
        worst=min((NodeState(span.state) for span in past), key=SEVERITY.index),
        live_share=heard_ms / max(1, window.length_ms),
        restarts=sum(other.node in ids and _started_in(other, window) for other in rows),
        before=NodeState(next((s.state for s in reversed(past) if s.state != last.state), last.state)),
    )


def _started_in(row: NodeRow, window: Window) -> bool:
    started_ms = row.started_ms
    return row.restarts > 0 and started_ms is not None and window.from_ms <= started_ms < window.to_ms


def _as_of(row: NodeRow, last: StateSpan, window: Window) -> NodeRow:
    """The node at the end of a span, without anything that was learned later."""
    seen_ms = row.last_seen_ms
    return msgspec.structs.replace(
        row,
        state=last.state,
        since_ms=last.from_ms,
        reason=last.reason,
        last_seen_ms=seen_ms if seen_ms is not None and seen_ms < window.to_ms else None,
        feeds=(),
        facts={},
        config_hash=None,
        expected_hash=None,
        fleet_nodes=0,
        complaint=None,
        replaced_by=None,
    )
