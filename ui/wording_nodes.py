"""Every sentence of the pages Nodes and Cache."""

from __future__ import annotations

from domain.node_states import RHYTHMS, Feed, NodeState
from ui.wording import counted, duration

STATES = {
    NodeState.LIVE: "● Live",
    NodeState.LATE: "◐ Late",
    NodeState.LOST: "✕ Lost",
    NodeState.NEVER_SEEN: "○ Never seen",
    NodeState.DRIFTED: "≠ Drifted",
    NodeState.INCOMPATIBLE: "⊘ Incompatible",
    NodeState.UNKNOWN: "? Unknown",
}
"""Icon and word, always together."""
STATE_TONES = {
    NodeState.LOST: "critical",
    NodeState.NEVER_SEEN: "high",
    NodeState.LATE: "high",
    NodeState.INCOMPATIBLE: "high",
    NodeState.DRIFTED: "high",
    NodeState.UNKNOWN: "unknown",
}
HEALTH = {
    "healthy": "● healthy",
    "unhealthy": "✕ unhealthy",
    "dns_error": "✕ name not resolved",
    "healthchecks_off": "○ not checked",
    "unknown": "? unknown",
}
HEALTH_TONES = {
    "unhealthy": "critical",
    "dns_error": "critical",
    "unknown": "unknown",
    "healthchecks_off": "faint",
}
FEEDS = {
    Feed.HEARTBEAT: "heartbeat of the plugin",
    Feed.STARTED: "told of its start",
    Feed.ADMIN_API: "Admin API poll",
    Feed.DATA_PLANES: "row at its control plane",
    Feed.STREAM: "open stream",
    Feed.EVENTS: "named by an event",
}
ROLES = {
    "traditional": "database",
    "dbless": "DB-less",
    "control_plane": "control plane",
    "data_plane": "data plane",
}
KINDS_OF_DROPS = {
    "rate-limiting": "refusals",
    "crud": "changes",
    "cache": "cache events",
    "cluster": "cluster events",
    "plugin": "plugin events",
    "totals": "totals",
    "refused": "events that the collector refused",
}

CERTIFICATE_HIGH_DAYS = 30
CERTIFICATE_CRITICAL_DAYS = 7
DAY_MS = 86_400_000

NO_NODES = (
    "No node is known yet. Nodes become known by our Kong plugin, by polling Admin APIs "
    "(--admin-url http://GATEWAY:8001, once per node), or by a control plane's list of data planes."
)
NOT_WATCHED = "Nobody watches the nodes: the collector does not run. What is known is as of {when}."
HOW_JUDGED = (
    "Kong has no event for a node that comes or goes, and keeps calling dead data planes normal for 14 days. "
    "So a state is made from signs and from silence: a node is as fresh as its freshest feed."
)
NOBODY_THEN = (
    "Either no node had been heard of by then, or all that had been were not heard for more than a day. "
    "So nothing is known of the fleet then."
)
FORMER = "Nodes that started again under a new id, and nodes not heard for more than a day"
NO_TARGETS = (
    "No upstream target is known. Target health comes from polling Admin APIs, from our Kong plugin and from "
    "event hooks of the source `balancer`."
)
TARGETS_CUT = "There were more changes than are shown; the newest are."


def certificate(expires_ms: int | None, now_ms: int) -> tuple[str, str]:
    """(words, tone) for a certificate that a node connects to its control plane with."""
    if expires_ms is None:
        return "", ""
    left_ms = expires_ms - now_ms
    if left_ms < 0:
        return f"✕ expired {duration(-left_ms)} ago", "critical"
    days = left_ms // DAY_MS
    if days < CERTIFICATE_CRITICAL_DAYS:
        return f"▲ {duration(left_ms)} left", "critical"
    if days < CERTIFICATE_HIGH_DAYS:
        return f"▲ {days} d left", "high"
    return f"{days} d", ""


def patience(feed: str, every_s: float | None) -> str:
    """When a feed's silence means something: `late after 30 s, lost after 90 s`."""
    known = RHYTHMS.get(feed)
    if known is None:
        return "says nothing"
    rhythm = known.slowed_to(every_s)
    return f"late after {rhythm.late_s:g} s, lost after {rhythm.lost_s:g} s"


def rhythm_rows() -> list[tuple[str, str, str, str]]:
    """(feed, expected every, late after, lost after) as they are in force."""
    return [
        (FEEDS[Feed(feed)], f"{r.every_s:g} s", f"{r.late_s:g} s", f"{r.lost_s:g} s")
        for feed, r in RHYTHMS.items()
    ]


def verdict_then(states: list[NodeState], when: str) -> str:
    """The page in one sentence, for a span that is over."""
    if not states:
        return f"As of {when}: no node is known to have been there"
    said = verdict(states)
    return f"As of {when}: {said[0].lower()}{said[1:]}"


def verdict(states: list[NodeState]) -> str:
    """The page in one sentence."""
    if not states:
        return "No node is known"
    troubled = [state for state in states if state is not NodeState.LIVE]
    if not troubled:
        return "The one node known is live" if len(states) == 1 else f"All {len(states)} nodes are live"
    parts = [
        f"{troubled.count(state)} {STATES[state].partition(' ')[2].lower()}"
        for state in NodeState
        if state in troubled
    ]
    live = len(states) - len(troubled)
    return f"{live} of {counted(len(states), 'node')} live: " + ", ".join(parts)


CACHE_NOT_APPLICABLE = (
    "Not applicable: data planes and DB-less nodes take their configuration as a whole. Kong invalidates no "
    "cache keys there; both caches are purged with each push."
)
CACHE_PARTLY = (
    "Data planes and DB-less nodes have no invalidations; what is shown is of nodes with a database."
)
CACHE_NO_TELLER = (
    "No node tells about its caches. Kong's http-log and event hooks do not know them: it takes our Kong "
    "plugin on every node."
)
NO_INVALIDATIONS = "No cache invalidations"
NO_PUSHES = "No configuration was pushed"
STORIES_HELP = (
    "A node that takes a change drops the keys at once, the others when they ask their database for news, "
    "every 5 s by default. A node counts where it was there and tells about its caches."
)
UNTOLD_HELP = "Keys dropped together without a change that we know of: by hand, at a start, or unseen."
CHURN_HELP = (
    "Keys that one node dropped again and again: each time something is read anew from the database, or "
    "rebuilt. Keys of credentials are masked and cannot be told apart."
)
MISSED_ADVICE = (
    "A node that missed an invalidation may enforce the old configuration until its cache expires."
)


def seen_by(seen: int, expected: int, waiting: int) -> str:
    """`2 of 3 nodes saw it`."""
    if not expected:
        return "? no node could tell"
    text = f"{seen} of {counted(expected, 'node')}"
    if seen == expected:
        return f"✓ {text}"
    return f"… {text}, still on its way" if seen + waiting >= expected else f"✕ {text}"


def untold(entity_types: tuple[str, ...], *, is_purge: bool) -> str:
    """What was dropped."""
    names = ", ".join(entity_types)
    if is_purge:
        return f"a whole cache purged{', and ' + names if names else ''}"
    return names
