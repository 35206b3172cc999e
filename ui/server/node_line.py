"""The line of nodes on Live: how each is by what was last heard of it, the worst first."""

from __future__ import annotations

from typing import Any

from domain.node_states import NodeState
from storage.node_rows import Nodes
from ui import nodes_view, wording_nodes
from ui.safe_text import visible

MOST_SHOWN = 8
"""More do not fit in one line; the Nodes page has them all."""


def node_line(known: Nodes, now_ms: int) -> dict[str, Any] | None:
    """The line; None while no node is known. Nodes that are history are left out."""
    rows, _ = nodes_view.split(known.rows, now_ms)
    if not rows:
        return None
    names = nodes_view.called(rows)
    return {
        "sentence": visible(wording_nodes.verdict([NodeState(row.state) for row in rows]), 300),
        "nodes": [
            {
                "token": row.node,
                "name": visible(names[row.node], 60),
                "state": wording_nodes.STATES[NodeState(row.state)],
                "tone": wording_nodes.STATE_TONES.get(NodeState(row.state), ""),
                "last_ms": row.last_seen_ms,
                "reason": visible(row.reason, 300),
            }
            for row in rows[:MOST_SHOWN]
        ],
        "more": max(0, len(rows) - MOST_SHOWN),
    }
