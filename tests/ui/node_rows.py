"""Nodes as a store tells of them, for tests of the pages that show them."""

from __future__ import annotations

from typing import Any

from storage.node_rows import FeedRow, NodeRow, Nodes, StateSpan
from tests.ui.scripted_reader import NOW_MS

S = 1_000
HASH_A, HASH_B = "a" * 32, "b" * 32


def feed(kind: str = "heartbeat", age_s: float | None = 2, **more: Any) -> FeedRow:
    """One feed with a sign so long ago."""
    values: dict[str, Any] = {
        "feed": kind,
        "last_ms": None if age_s is None else NOW_MS - round(age_s * S),
        "every_s": None,
        "problem": None,
        "problem_ms": None,
        "is_telling": True,
    }
    return FeedRow(**(values | more))


def node_row(name: str | None = "gw-1", state: str = "live", **more: Any) -> NodeRow:
    """A node that is well, but for what a test changes."""
    values: dict[str, Any] = {
        "node": f"id-{name}",
        "hostname": name,
        "version": "3.9.3",
        "role": "traditional",
        "state": state,
        "since_ms": NOW_MS - 60 * S,
        "reason": f"because {name} is {state}",
        "first_seen_ms": NOW_MS - 3_600 * S,
        "last_seen_ms": NOW_MS - 2 * S,
        "feeds": (feed(),),
        "place": None,
        "control_plane": None,
        "config_hash": None,
        "expected_hash": None,
        "fleet_nodes": 0,
        "complaint": None,
        "restarts": 0,
        "started_ms": None,
        "replaces": None,
        "replaced_by": None,
        "is_place_only": False,
        "facts": {},
    }
    return NodeRow(**(values | more))


def nodes(*rows: NodeRow, is_watched: bool = True) -> Nodes:
    """What `Reader.nodes` answers."""
    return Nodes(rows=rows, watched_until_ms=NOW_MS - S, is_watched=is_watched)


def span(node: str, from_s: float, to_s: float, state: str = "live") -> StateSpan:
    """A state, in seconds before now: `span("id-gw-1", 60, 0)` is the last minute."""
    return StateSpan(
        node=node,
        from_ms=NOW_MS - round(from_s * S),
        to_ms=NOW_MS - round(to_s * S),
        state=state,
        reason=f"it was {state}",
    )
