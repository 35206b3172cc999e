"""Whether a gateway node is there: from what was last heard of it, never from what Kong says of its health.

Kong has no join or leave event, and the row of a dead data plane says `sync_status: normal` for 14 days
(kong/clustering/control_plane.lua, 3.9). So a state is made from signs and from silence:

| feed | a sign is expected every | Late after | Lost after |
|---|---|---|---|
| heartbeat of our Kong plugin | 10 s | 30 s | 90 s |
| Admin API poll | 5 s | 15 s | 45 s |
| the control plane's row of a data plane | 30 s | 45 s | 90 s |
| stream connection, of senders without heartbeats | 20 s | 60 s | 180 s |

A feed that says that it is slower gets three and nine times its own interval. A node is as fresh as its
freshest feed. A poll that failed is silence, not death: the table above decides when silence means something.
And only what we listened to can be silent: where we did not ask, could not ask, or did not run, the state is
Unknown.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from enum import StrEnum

from domain.errors import GatewatchError


class Feed(StrEnum):
    """Where a sign comes from; the values are those of `NodeSeen.via`."""

    HEARTBEAT = "heartbeat"
    STARTED = "started"
    """The node said that it started. It happens once, so its silence says nothing."""
    ADMIN_API = "admin-api"
    DATA_PLANES = "data-planes"
    STREAM = "stream"
    EVENTS = "events"
    """Something that names the node. It has no rhythm, so its silence says nothing."""


class NodeState(StrEnum):
    """What people see; `SEVERITY` has the order of alarm."""

    LIVE = "live"
    LATE = "late"
    LOST = "lost"
    NEVER_SEEN = "never seen"
    DRIFTED = "drifted"
    INCOMPATIBLE = "incompatible"
    UNKNOWN = "unknown"


SEVERITY = (
    NodeState.LOST,
    NodeState.NEVER_SEEN,
    NodeState.LATE,
    NodeState.INCOMPATIBLE,
    NodeState.DRIFTED,
    NodeState.UNKNOWN,
    NodeState.LIVE,
)
"""Worst first."""
POLLED = frozenset((Feed.ADMIN_API, Feed.DATA_PLANES))
"""Feeds that answer only when asked: where nobody asked, silence says nothing."""
HEARD_STATES = frozenset((NodeState.LIVE, NodeState.DRIFTED, NodeState.INCOMPATIBLE))
"""States of a node that is there now."""

DRIFT_AFTER_MS = 60_000
"""A configuration may be on its way for two pings of a data plane (30 s each) before it counts as drift."""
HISTORY_MS = 86_400_000
"""A node that was last heard more than a day before we began to listen is history: unknown, not lost."""
EMPTY_HASH = "0" * 32
"""Kong's hash of a node that never received a configuration (kong/constants.lua, 3.9)."""


@dataclasses.dataclass(frozen=True, slots=True)
class Rhythm:
    """How long a feed may be silent."""

    every_s: float
    late_s: float
    lost_s: float

    def slowed_to(self, every_s: float | None) -> Rhythm:
        """The patience with a sender that says how often it speaks, where that is less often than usual."""
        if every_s is None or every_s <= self.every_s:
            return self
        return Rhythm(every_s, max(self.late_s, 3 * every_s), max(self.lost_s, 9 * every_s))


RHYTHMS: Mapping[str, Rhythm] = {
    Feed.HEARTBEAT: Rhythm(10, 30, 90),
    Feed.ADMIN_API: Rhythm(5, 15, 45),
    Feed.DATA_PLANES: Rhythm(30, 45, 90),
    Feed.STREAM: Rhythm(20, 60, 180),
}


@dataclasses.dataclass(slots=True)
class FeedMemory:
    """What one feed told about one node."""

    feed: str
    last_ms: int | None = None
    """Its newest sign of life."""
    asked_ms: int | None = None
    """When we last asked; for feeds that do not speak by themselves."""
    every_s: float | None = None
    problem: str | None = None
    """Why there is no sign now."""
    problem_ms: int | None = None
    """Since when."""
    is_telling: bool = True
    """With a problem: whether its silence says something about the node."""

    @property
    def rhythm(self) -> Rhythm | None:
        """Its patience; None for a feed whose silence says nothing."""
        known = RHYTHMS.get(self.feed)
        if known is None or (self.problem is not None and not self.is_telling):
            return None
        return known.slowed_to(self.every_s)


class Finding(StrEnum):
    """What signs and silence come to at a moment."""

    HEARD = "heard"
    DIFFERS = "heard, with another configuration"
    UNSUPPORTED = "heard, and does not fit"
    QUIET = "quiet"
    SILENT = "silent"
    UNWATCHED = "unwatched"
    """There is no feed that would tell, or we have not listened for long enough."""
    UNHEARD = "unheard"
    """It is expected, and was never heard."""


@dataclasses.dataclass(frozen=True, slots=True)
class Presence:
    """What was found, and when that changes if nothing is heard until then."""

    finding: Finding
    until_ms: int | None


class IllegalTransitionError(GatewatchError):
    """A finding that cannot follow from where a node stands: a mistake of ours."""


def presence(feeds: Iterable[FeedMemory], at_ms: int, watched_since_ms: int | None = None) -> Presence:
    """Whether a node is there.

    Args:
        feeds: Everything that ever told of the node.
        at_ms: The moment in question.
        watched_since_ms: When listening began anew. Silence before that says nothing about the node.
    """
    told = [feed for feed in feeds if feed.rhythm is not None]
    if any(feed.feed == Feed.HEARTBEAT and feed.last_ms is not None for feed in told):
        told = [feed for feed in told if feed.feed != Feed.STREAM]
    if not told:
        return Presence(Finding.UNWATCHED, None)
    if all(feed.last_ms is None for feed in told):
        return Presence(Finding.UNHEARD, None)
    found = [_of_feed(feed, at_ms, watched_since_ms) for feed in told if feed.last_ms is not None]
    found = [one for one in found if one.finding is not Finding.UNWATCHED or one.until_ms] or found
    best = min((one.finding for one in found), key=_FRESHNESS.index)
    ends = [one.until_ms for one in found if one.finding is best and one.until_ms is not None]
    return Presence(best, max(ends, default=None))


_FRESHNESS = (Finding.HEARD, Finding.UNWATCHED, Finding.QUIET, Finding.SILENT)


def _of_feed(feed: FeedMemory, at_ms: int, watched_since_ms: int | None) -> Presence:
    rhythm, last_ms = feed.rhythm, feed.last_ms
    if rhythm is None or last_ms is None:  # the caller left these out
        raise ValueError(f"feed {feed.feed} has no rhythm or no sign")
    late_ms, lost_ms = round(rhythm.late_s * 1000), round(rhythm.lost_s * 1000)
    if at_ms - last_ms < late_ms:
        return Presence(Finding.HEARD, last_ms + late_ms)
    from_ms = max(last_ms, watched_since_ms or last_ms)
    if feed.feed == Feed.DATA_PLANES:  # its control plane listened while we did not
        from_ms = last_ms
    if from_ms - last_ms > HISTORY_MS or _is_unasked(feed, at_ms, late_ms):
        return Presence(Finding.UNWATCHED, None)
    if at_ms - from_ms < late_ms:
        return Presence(Finding.UNWATCHED, from_ms + late_ms)
    if at_ms - from_ms >= lost_ms:
        return Presence(Finding.SILENT, None)
    lost_at_ms = from_ms + lost_ms
    if feed.feed in POLLED:
        return Presence(Finding.QUIET, min(lost_at_ms, (feed.asked_ms or last_ms) + late_ms))
    return Presence(Finding.QUIET, lost_at_ms)


def _is_unasked(feed: FeedMemory, at_ms: int, late_ms: int) -> bool:
    """Whether a feed is silent because nobody asked it lately."""
    return feed.feed in POLLED and at_ms - (feed.asked_ms or feed.last_ms or 0) >= late_ms


_S = NodeState
_ANY = dict.fromkeys(NodeState)
_NEXT: Mapping[Finding, Mapping[NodeState, NodeState]] = {
    Finding.HEARD: dict.fromkeys(_ANY, _S.LIVE),
    Finding.DIFFERS: dict.fromkeys(_ANY, _S.DRIFTED),
    Finding.UNSUPPORTED: dict.fromkeys(_ANY, _S.INCOMPATIBLE),
    Finding.QUIET: {
        _S.LIVE: _S.LATE,
        _S.LATE: _S.LATE,
        _S.DRIFTED: _S.LATE,
        _S.INCOMPATIBLE: _S.LATE,
        _S.UNKNOWN: _S.LATE,
        _S.LOST: _S.LOST,
    },
    Finding.SILENT: {
        _S.LIVE: _S.LOST,
        _S.LATE: _S.LOST,
        _S.DRIFTED: _S.LOST,
        _S.INCOMPATIBLE: _S.LOST,
        _S.UNKNOWN: _S.LOST,
        _S.LOST: _S.LOST,
    },
    Finding.UNWATCHED: {
        _S.LIVE: _S.UNKNOWN,
        _S.LATE: _S.UNKNOWN,
        _S.DRIFTED: _S.UNKNOWN,
        _S.INCOMPATIBLE: _S.UNKNOWN,
        _S.UNKNOWN: _S.UNKNOWN,
        _S.LOST: _S.LOST,
        _S.NEVER_SEEN: _S.UNKNOWN,
    },
    Finding.UNHEARD: {_S.UNKNOWN: _S.NEVER_SEEN, _S.NEVER_SEEN: _S.NEVER_SEEN},
}
"""Finding -> state -> next state. A lost node stays lost until it is heard. A node that was heard once can
never become one that was never seen, and one that was never seen cannot be quiet."""


def next_state(state: NodeState, finding: Finding) -> NodeState:
    """Where a node stands after a finding.

    Raises:
        IllegalTransitionError: The finding cannot follow.
    """
    following = _NEXT[finding].get(state)
    if following is None:
        raise IllegalTransitionError(f"a node that is {state} cannot be found {finding}")
    return following


def event_of(before: NodeState, after: NodeState) -> str | None:
    """The event that a change of state is, once: `node_lost`, `node_recovered`, `config_drifted`, or None."""
    if after is before:
        return None
    if after is NodeState.LOST:
        return "node_lost"
    if after is NodeState.DRIFTED:
        return "config_drifted"
    return "node_recovered" if before is NodeState.LOST and after in HEARD_STATES else None


def expected_hash(hashes: Mapping[str, tuple[str, int]]) -> str | None:
    """The configuration that a fleet should run: what most of it runs; of equally many, the newest one.

    Args:
        hashes: By node, its hash and since when it has it, of the nodes that are there.
    """
    counts: dict[str, tuple[int, int]] = {}
    for found, since_ms in hashes.values():
        n, first_ms = counts.get(found, (0, since_ms))
        counts[found] = (n + 1, min(first_ms, since_ms))
    if not counts:
        return None
    return max(counts, key=lambda found: (counts[found], found))


_VERSION_PARTS = 2


def misfit(
    *,
    version: str | None,
    control_plane_version: str | None,
    plugins_missing: Iterable[str] = (),
    complaint: str | None = None,
) -> str | None:
    """Why a node cannot run the configuration it is given, in words; None when nothing speaks against it.

    Args:
        version: The node's.
        control_plane_version: That of its control plane, where it has one. Major versions must be equal, and
            the data plane's minor version not newer (kong/clustering/compat/init.lua, 3.9).
        plugins_missing: Plugins in use in the cluster that the node has not got.
        complaint: What its control plane has against it, `*_incompatible`; anything else is ignored.
    """
    ours, theirs = _major_minor(version), _major_minor(control_plane_version)
    if ours and theirs and (ours[0] != theirs[0] or ours[1] > theirs[1]):
        return f"version {version} does not fit its control plane, which runs {control_plane_version}"
    missing = sorted(plugins_missing)
    if missing:
        shown = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")  # noqa: PLR2004 - as many as fit a line
        return f"it has not got the plugin {shown}, which the cluster uses"
    if complaint and complaint.endswith("_incompatible"):
        return f"its control plane refuses it: {complaint.removesuffix('_incompatible').replace('_', ' ')}"
    return None


def _major_minor(version: str | None) -> tuple[int, int] | None:
    parts = (version or "").split(".")
    if len(parts) < _VERSION_PARTS or not (parts[0].isdecimal() and parts[1].isdecimal()):
        return None
    return int(parts[0]), int(parts[1])


NAMES_OF_FEEDS: Mapping[str, str] = {
    Feed.HEARTBEAT: "heartbeat",
    Feed.STARTED: "start",
    Feed.ADMIN_API: "answer of its Admin API",
    Feed.DATA_PLANES: "ping to its control plane",
    Feed.STREAM: "answer on its stream",
    Feed.EVENTS: "event that names it",
}


def _spoken(age_s: int) -> str:
    """An age in the unit that people would say it in: `60 s`, `22 min`, `3 h`, `9 d`."""
    for length_s, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if age_s >= 2 * length_s:
            return f"{age_s // length_s} {unit}"
    return f"{age_s} s"


def reason_of(feeds: Iterable[FeedMemory], finding: Finding, at_ms: int) -> str:
    """Why a node is in the state that this finding leads to, one phrase; ages are those at `at_ms`."""
    known = list(feeds)
    watched = [feed for feed in known if feed.rhythm is not None]
    barred = [feed for feed in known if feed.problem is not None and not feed.is_telling]
    if finding is Finding.UNHEARD:
        why = next((feed.problem for feed in watched if feed.problem), None)
        return f"never heard: {why}" if why else "never heard"
    if finding is Finding.UNWATCHED:
        if barred:
            return f"it cannot be asked: {barred[0].problem}"
        if watched:
            return "not heard since we began to listen again"
        return "no heartbeat and no Admin API poll tells whether it runs"
    heard = [feed for feed in watched if feed.last_ms is not None]
    if not heard:
        return "not heard any more"
    last = max(heard, key=lambda feed: feed.last_ms or 0)
    age_s = max(0, at_ms - (last.last_ms or 0)) // 1000
    text = f"last {NAMES_OF_FEEDS[last.feed]} {_spoken(age_s)} ago"
    problem = next((feed.problem for feed in heard if feed.problem), None)
    return f"{text}; {problem}" if problem and finding is not Finding.HEARD else text
