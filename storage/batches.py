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
