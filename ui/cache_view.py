"""What the page Cache shows, made from what a store tells. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from domain.cache_stories import Burst, Cause, Dropped, Seen, Story, tell_stories
from domain.node_states import HEARD_STATES, NodeState
from storage.node_rows import CachePast, ConfigEvent, NodeRow, StateSpan

WITHOUT_CACHE_EVENTS = frozenset(("data_plane", "dbless"))
"""Roles of nodes that take their configuration as a whole (kong/runloop/events.lua, 3.9)."""
THERE = HEARD_STATES | {NodeState.LATE}


@dataclasses.dataclass(frozen=True, slots=True)
class Applicability:
    """Whether invalidations can exist here at all."""

    with_database: tuple[NodeRow, ...]
    without: tuple[NodeRow, ...]
    """Data planes and DB-less nodes."""

    @property
    def is_none(self) -> bool:
        """No node can have invalidations, and that is known."""
        return bool(self.without) and not self.with_database


def applicability(rows: Sequence[NodeRow]) -> Applicability:
    """Sort the nodes that are not history by whether they have invalidations; unknown roles may have."""
    current = [row for row in rows if row.replaced_by is None and not row.is_place_only]
    without = tuple(row for row in current if row.role in WITHOUT_CACHE_EVENTS)
    return Applicability(tuple(row for row in current if row.role not in WITHOUT_CACHE_EVENTS), without)


@dataclasses.dataclass(frozen=True, slots=True)
class ToldStory:
    """A story with the event of its change."""

    story: Story
    event: ConfigEvent


def stories_of(
    past: CachePast, rows: Sequence[NodeRow], spans: Sequence[StateSpan], now_ms: int
) -> tuple[list[ToldStory], list[Burst]]:
    """Changes with what they did to caches, newest first, and bursts that no change explains."""
    dropped = [
        Dropped(event.at_ms, event.node, event.entity_type or "", event.key_masked or "")
        for event in past.events
        if event.node is not None
    ]
    causes = [
        Cause(c.at_ms, c.node, c.entity_type, c.entity_id, c.entity_name, c.scope) for c in past.changes
    ]
    skipped = {row.node for row in rows if row.role in WITHOUT_CACHE_EVENTS or row.is_place_only}
    present: dict[str, list[tuple[int, int]]] = {}
    for span in spans:
        if span.node in skipped:
            continue
        runs = present.setdefault(span.node, [])
        if NodeState(span.state) not in THERE:
            continue
        if runs and runs[-1][1] == span.from_ms:
            runs[-1] = (runs[-1][0], span.to_ms)
        else:
            runs.append((span.from_ms, span.to_ms))
    stories, bursts = tell_stories(dropped, causes, present, now_ms)
    events = list(past.changes)[::-1]
    return [ToldStory(story, event) for story, event in zip(stories, events, strict=True)], bursts


def waiting(story: Story) -> int:
    """How many nodes may still drop what a change makes stale."""
    return sum(seen is Seen.WAITING for seen in story.nodes.values())


def slowest_ms(story: Story) -> int | None:
    """How long the last node took, of those that did."""
    return max(story.delays_ms.values(), default=None)


def lineage(row: NodeRow, rows: Sequence[NodeRow]) -> tuple[str, ...]:
    """The ids of a node, the one it has now first: each restart gave it a new one."""
    by_id = {other.node: other for other in rows}
    found = [row.node]
    while (older := by_id[found[-1]].replaces if found[-1] in by_id else None) and older not in found:
        found.append(older)
    return tuple(found)


def seen_of(story: Story, ids: Sequence[str]) -> tuple[Seen, int | None]:
    """(whether a node saw a change, after how many milliseconds) under whichever id it had."""
    told = [(story.nodes[node], story.delays_ms.get(node)) for node in ids if node in story.nodes]
    order = (Seen.SEEN, Seen.MISSED, Seen.WAITING, Seen.UNKNOWN)
    return min(told, key=lambda one: order.index(one[0]), default=(Seen.UNKNOWN, None))


def missed_by(story: Story, names: dict[str, str]) -> list[str]:
    """Names of nodes that should have dropped something and did not."""
    return sorted(names.get(node, node) for node, seen in story.nodes.items() if seen is Seen.MISSED)
