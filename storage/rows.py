"""What comes out of a store: one record per question. Instants are UTC milliseconds; `None` is unknown.

How numbers are to be read:

- *limited*: requests refused by a limit of Kong's, sure (`certain`); *probable*: the entry alone cannot tell.
  A violation is either; every total gives both, and pages show `limited + probable`.
- *requests*: everything the log told us of, violations included; `None` where no log tells about traffic.
- `at_least`: the number may be too low (a gap in the feed, a sender that drops repeats, folded names).

Every text in a row may come from an attacker: escape it where it is shown.
"""

from __future__ import annotations

from typing import Any

import msgspec

from domain.filters import Dimension, Filters
from domain.windows import Window
from storage.batches import CollectorStatus, Member


class SourceState(msgspec.Struct, frozen=True, kw_only=True):
    """One sender as the store knows it."""

    source: str
    way: str
    connected: bool | None
    """None for ways that have no connection (HTTP)."""
    peer: str | None
    node_id: str | None
    hostname: str | None
    version: str | None
    first_received_ms: int
    last_received_ms: int | None
    """When it last sent something that was stored (or was a duplicate)."""
    last_beat_ms: int | None
    events: int
    requests: int
    duplicates: int
    quarantined: int
    gaps: int
    acked: int | None


class Freshness(msgspec.Struct, frozen=True, kw_only=True):
    """How current the store is. From what really arrived, never from the reader's own clock."""

    last_seq: int
    last_received_ms: int | None
    """Newest arrival of anything from any source; None when nothing ever arrived."""
    last_beat_ms: int | None
    """Newest sign of life of any connected stream."""
    collector: CollectorStatus | None
    sources: tuple[SourceState, ...]
    members: tuple[Member, ...] = ()
    """Every process of ours that was heard of in the last hour, by role and name."""


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """The number row of a window. Counts that filters cannot apply to are for everything."""

    requests: int | None
    limited: int
    probable: int
    unauthorized: int
    upstream_limited: int
    server_errors: int
    consumers: int
    """Distinct consumers with a violation (without anonymous requests)."""
    addresses: int
    """Distinct addresses with a violation."""
    cache_invalidations: int
    config_changes: int
    last_change_ms: int | None
    at_least: bool
    gap_ms: int
    """Milliseconds of the window that lie in a known gap."""
    client_errors: int = 0
    """Answered 4xx, other than 401 and what a limit refused."""
    consumers_folded: bool = False
    """There were more consumers than are told apart: `consumers` is a lower bound."""
    addresses_folded: bool = False

    @property
    def violations(self) -> int:
        """Limited and probable together."""
        return self.limited + self.probable


class SeriesGroup(msgspec.Struct, frozen=True, kw_only=True):
    """One line or colour of a chart."""

    token: str
    label: str
    values: tuple[int, ...]
    """One per bucket, oldest first."""


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """Violations over time, stacked. Buckets are half-open; the last one may be unfinished."""

    from_ms: int
    bucket_ms: int
    buckets: int
    groups: tuple[SeriesGroup, ...]
    """The largest first, `Other` (token `~other`) last where there is one."""
    requests: tuple[int, ...] | None
    """All requests per bucket, for the ratio; None where no log tells."""


class TopRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a top list."""

    token: str
    """What goes into a URL: a name where it is unambiguous, else the id."""
    label: str
    """What people read. Hostile text: escape where it is shown."""
    limited: int
    probable: int
    requests: int | None
    """None where no log tells, and for limits: nobody knows what a limit let pass."""
    last_ms: int | None
    """Start of the last bucket with a violation; the total that answers is 10 s to a day wide."""

    @property
    def violations(self) -> int:
        """Limited and probable together."""
        return self.limited + self.probable


class Top(msgspec.Struct, frozen=True, kw_only=True):
    """The largest of one dimension in a window."""

    rows: tuple[TopRow, ...]
    """Most violations first, ties by label."""
    distinct: int
    """How many there are in all, the folded ones not counted."""
    rest: int
    """Violations of those not listed."""
    at_least: bool
    """Some names were folded together, so `distinct` is a lower bound."""


class EventRow(msgspec.Struct, frozen=True, kw_only=True):
    """One stored event as tables show it. Texts are hostile: escape where they are shown."""

    seq: int
    id: str
    kind: str
    event: str
    at_ms: int
    received_ms: int
    source: str
    node: str | None
    consumer_id: str | None
    consumer: str | None
    """The name at that time, else the id."""
    consumer_now: str | None
    """The latest name where it differs."""
    ip: str | None
    service: str | None
    route: str | None
    status: int | None
    limit_name: str | None
    limit_value: int | None
    window_s: int | None
    certainty: str | None
    evidence: str | None
    counted: bool
    request_id: str | None
    entity_type: str | None
    entity_id: str | None
    entity_name: str | None
    operation: str | None
    actor: str | None
    cache: str | None
    key_masked: str | None
    upstream: str | None
    target: str | None
    health: str | None


class EventDetail(msgspec.Struct, frozen=True, kw_only=True):
    """One event with everything we kept of it."""

    row: EventRow
    payload: Any
    """Decoded JSON, redacted; None when none was kept."""
    before: Any
    after: Any


class EventPage(msgspec.Struct, frozen=True, kw_only=True):
    """Events newest first, and where to go on."""

    rows: tuple[EventRow, ...]
    next_seq: int | None
    """Pass as `before_seq` for the next page; None at the end."""
    total: int | None
    """How many match, where it is cheap to know."""


class EventQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which events. `violations_only` leaves out ruled-out and not counted ones."""

    window: Window
    filters: Filters = Filters()
    kinds: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    certainties: tuple[str, ...] = ()
    violations_only: bool = False
    text: str = ""
    """Words that must occur in a name, an address, a request id or the event name."""


class Entity(msgspec.Struct, frozen=True, kw_only=True):
    """A consumer, service, route or address as known to us."""

    dimension: Dimension
    token: str
    id: str
    label: str
    names: tuple[tuple[str, int, int | None], ...]
    """(name, valid from, valid to or None while it holds), oldest first."""
    deleted_ms: int | None
    attributes: dict[str, Any]
    first_seen_ms: int | None
    last_seen_ms: int | None


class CellRow(msgspec.Struct, frozen=True, kw_only=True):
    """Totals for a combination of two dimensions, such as a consumer's addresses."""

    token: str
    label: str
    requests: int | None
    limited: int
    probable: int
    unauthorized: int
    first_ms: int
    """Start of the first bucket in which it did anything; the total that answers is 10 s to a day wide."""
    last_ms: int
    """The same of the last one."""


class PairRow(msgspec.Struct, frozen=True, kw_only=True):
    """Totals of two names together, such as a service and a route of it."""

    token: str
    label: str
    id: str | None
    """Kong's id; None where only a name is known."""
    by_token: str
    by_label: str
    by_id: str | None
    requests: int
    """Those that a log told of; fewer than the violations where none tells about traffic."""
    limited: int
    probable: int
    last_ms: int


class Marker(msgspec.Struct, frozen=True, kw_only=True):
    """Something to draw at a moment of every time chart."""

    at_ms: int
    to_ms: int | None
    """Set for spans (gaps)."""
    kind: str
    """`change`, `node`, `gap`."""
    text: str


class QuarantineRow(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that could not be read."""

    seq: int
    at_ms: int
    source: str
    why: str
    raw: str
    """Printable excerpt, at most 2,000 characters."""


class Crowd(msgspec.Struct, frozen=True, kw_only=True):
    """When names of a dimension were too many to be told apart."""

    dimension: Dimension
    from_ms: int
    """The first time ever."""
    upto_ms: int
    """The end of the newest minute in which they were."""
    about: int
    """How many different ones that minute had beyond those told apart, within 2 %."""


class StoreHealth(msgspec.Struct, frozen=True, kw_only=True):
    """The store about itself."""

    path: str
    """The file, or the URL without who asks."""
    file_bytes: int
    """Of the file, or of the whole database on its server."""
    wal_bytes: int | None
    """Of the log that is not folded in yet; None where a server keeps it."""
    free_disk_bytes: int | None
    """None where a server has the disk."""
    events: int
    """Stored one by one, all kinds."""
    oldest_event_ms: int | None
    newest_event_ms: int | None
    quarantined: int
    gaps: int
    distinct: dict[str, int]
    """Distinct names ever seen, by dimension."""
    folded: int
    """Requests and refusals whose address was not told apart."""
    schema_version: int
    kinds: tuple[tuple[str, str, int], ...]
    """(kind, event, how many ever), most first."""
    folded_consumers: int = 0
    """Requests and refusals whose consumer was not told apart."""
    crowds: tuple[Crowd, ...] = ()
