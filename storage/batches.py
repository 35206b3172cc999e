"""What goes into a store, and what it answers. Instants are UTC milliseconds; `None` is unknown."""

from __future__ import annotations

import msgspec

from domain.events import Decoded


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """A span for which a source says, or we know, that something is missing."""

    source: str
    from_ms: int
    to_ms: int
    cause: str


class Batch(msgspec.Struct, kw_only=True):
    """Decoded messages of one source that are stored, and then acknowledged, together."""

    source: str
    """Who sent it: the stream's source, `http-log`, `event-hooks`, `replay:<file>`, ..."""
    way: str
    """`stream`, `http-log`, `event-hooks`, `events`, `replay`, `admin-api`."""
    received_ms: int
    decoded: Decoded
    epoch: str | None = None
    """With `first` and `upto`: the place in the source's own sequence. Numbers start at 1."""
    first: int | None = None
    upto: int | None = None
    gaps: tuple[Gap, ...] = ()


class Dead(msgspec.Struct, frozen=True, kw_only=True):
    """An event that the store refused; it is in quarantine and counts as acknowledged."""

    index: int
    """Place in `Batch.decoded.events`, from 0."""
    why: str


class Written(msgspec.Struct, kw_only=True):
    """What one batch came to, after COMMIT."""

    events: int = 0
    """New events stored."""
    violations: int = 0
    """Of those, limited or probable."""
    traffic: int = 0
    """Requests newly folded into totals (violations not included)."""
    duplicates: int = 0
    """Events and requests that were there already."""
    quarantined: int = 0
    dead: tuple[Dead, ...] = ()
    last_seq: int = 0
    """Arrival number of the newest event in the store."""
    is_queued: bool = False
    """It is safe on a bus and not in the store yet: what is new and what came again is not known."""


class SourceBeat(msgspec.Struct, frozen=True, kw_only=True):
    """A sign of life without events."""

    source: str
    way: str
    connected: bool
    at_ms: int
    node_id: str | None = None
    hostname: str | None = None
    version: str | None = None
    peer: str | None = None
    """Address the source connects from."""


class BusState(msgspec.Struct, frozen=True, kw_only=True):
    """A bus as one of our processes sees it; None is unknown."""

    url: str
    """Without user and password."""
    is_connected: bool
    problem: str = ""
    """One sentence about what is wrong or not known, else empty."""
    waiting: int | None = None
    """Messages that nobody has taken yet."""
    in_hand: int | None = None
    """Messages that a writer has and has not stored yet."""
    redelivered: int | None = None
    """Of those in hand: how many were given out before."""
    dead: int | None = None
    """Messages laid aside because nothing could be made of them."""
    stored_bytes: int | None = None
    replicas: int | None = None
    replicas_current: int | None = None
    """How many nodes hold everything that was acknowledged."""
    leader: str | None = None
    is_synced: bool | None = None
    """Whether every node brings each message to its disk before it acknowledges it."""
    spooled: int = 0
    """Messages on this process's own disk, because the bus did not take them."""
    spooled_bytes: int = 0


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """One process of ours, as it tells about itself."""

    member: str
    """Unique while it runs: `<host>:<pid>`."""
    role: str
    """`collector` (takes events and stores them, or gives them to a bus) or `writer`."""
    beat_ms: int
    started_ms: int
    version: str
    state: str
    detail: str = ""
    listens: str = ""
    """Where it takes events and questions, for people."""
    is_on_duty: bool = False
    """Whether alerts and approved changes are its to do."""
    bus: BusState | None = None


class CollectorStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The collector about itself, a row that it overwrites every two seconds."""

    pid: int
    version: str
    started_ms: int
    beat_ms: int
    ws: str
    http: str
    state: str
    """`ok`, `degraded` (cannot store now) or `stopping`."""
    detail: str
    """One sentence when not ok, else empty."""
    queue_batches: int = 0
    commits: int = 0
    commit_p99_ms: float | None = None
    rejected_connections: int = 0
    members: tuple[Member, ...] = ()
    """This process and those that it heard of over a bus. Kept in rows of their own."""
