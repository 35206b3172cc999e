"""What happened: five kinds of event, and everything else a decoder can learn from a message.

Every instant is UTC milliseconds since 1970. `None` is unknown; zero is measured.
A decoder hands on one `Decoded`; it never raises for one bad entry among good ones.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from domain.targets import TargetSeen


class Kind(StrEnum):
    """The five kinds. A message may carry another one: it is kept whole and counted."""

    RATE_LIMITING = "rate-limiting"
    CLUSTER = "cluster"
    CACHE = "cache"
    CRUD = "crud"
    PLUGIN = "plugin"


class Certainty(StrEnum):
    """How sure we are that Kong refused a request because of a limit."""

    CERTAIN = "certain"
    PROBABLE = "probable"
    RULED_OUT = "ruled-out"
    """Looked like one, but the evidence says something else refused it. Kept, never counted."""


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event of one kind, with every column we bind; most are None for most kinds."""

    id: str
    """Unique for ever. For a request it is `request:<Kong request id>`, so that the same refusal
    arriving by two ways is stored once."""
    kind: str
    event: str
    """Noun + past verb: `exceeded`, `consumers.updated`, `invalidated`, `target_unhealthy`."""
    at_ms: int
    at_suspect: bool = False
    """The sender's clock was out of bounds; `at_ms` is when it was received."""
    node: str | None = None

    consumer_id: str | None = None
    consumer: str | None = None
    ip: str | None = None
    service_id: str | None = None
    service: str | None = None
    route_id: str | None = None
    route: str | None = None
    request_id: str | None = None

    status: int | None = None
    limit_name: str | None = None
    """`minute`, `second`, `sms/minute`, `90s`: the window as Kong names it."""
    limit_value: int | None = None
    """Requests allowed per window."""
    window_s: int | None = None
    certainty: str | None = None
    evidence: str | None = None
    """Why we judge so, one short sentence."""
    exact: bool = True
    """False when the sender drops repeats (event hooks send one per 5 s): a count is `at least`."""
    is_request: bool = False
    """True when this event is one request, so that it also counts in the traffic totals."""

    entity_type: str | None = None
    """Kong's collection name: `services`, `routes`, `consumers`, `plugins`, ..."""
    entity_id: str | None = None
    entity_name: str | None = None
    operation: str | None = None
    """`create`, `update` or `delete`."""
    actor: str | None = None
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None

    cache: str | None = None
    key_masked: str | None = None

    upstream: str | None = None
    target: str | None = None
    health: str | None = None

    payload: bytes | None = None
    """The message as sent, JSON, redacted."""


class Traffic(msgspec.Struct, frozen=True, kw_only=True):
    """Requests that broke no limit: folded into totals, never stored one by one."""

    fingerprint: int
    """Signed 64-bit, of the request id or of the whole entry, so that a resend counts once."""
    at_ms: int
    status: int
    count: int = 1
    """How many requests this stands for: more than one when the gateway sent totals."""
    upstream_limited: bool = False
    """The upstream itself answered 429."""
    node: str | None = None
    consumer_id: str | None = None
    consumer: str | None = None
    ip: str | None = None
    service_id: str | None = None
    service: str | None = None
    route_id: str | None = None
    route: str | None = None


class EntitySeen(msgspec.Struct, frozen=True, kw_only=True):
    """An entity of Kong's as some message showed it: the source of names over time."""

    entity_type: str
    """`consumers`, `services`, `routes`, `upstreams`, `nodes`."""
    entity_id: str
    name: str | None
    at_ms: int
    deleted: bool = False
    attributes: dict[str, Any] = msgspec.field(default_factory=dict)
    """Small and redacted: custom_id, tags, host, ..."""


class PluginSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A plugin as configured, where it applies, and the part of its config that judgement needs."""

    plugin_id: str
    name: str
    enabled: bool
    at_ms: int
    deleted: bool = False
    route_id: str | None = None
    service_id: str | None = None
    consumer_id: str | None = None
    consumer_group_id: str | None = None
    """Enterprise: it runs for this group's consumers. Who they are a request does not say."""
    config: dict[str, Any] = msgspec.field(default_factory=dict)
    """Redacted."""


class NodeSeen(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One sign of life of a gateway node, or one question that it did not answer.

    Node states are derived from these (`domain.node_states`), never taken from what Kong says about them.
    """

    at_ms: int
    via: str
    """`heartbeat`, `started` (both from inside the node), `admin-api` (it was asked), `data-planes` (its
    control plane was asked; `at_ms` is then when the control plane last heard of it)."""
    node: str | None = None
    """The node id; None where nobody answered."""
    answered: bool = True
    why: str | None = None
    """Why there is no answer, one short phrase; None with an answer."""
    address: str | None = None
    """Where it was asked: joins a silence to the node that answered there before."""
    hostname: str | None = None
    version: str | None = None
    role: str | None = None
    """`traditional`, `control_plane`, `data_plane`."""
    workers: int | None = None
    config_hash: str | None = None
    sync_status: str | None = None
    """As the control plane words it; a hint, never a state."""
    database_reachable: bool | None = None
    certificate_expires_ms: int | None = None
    labels: dict[str, Any] = msgspec.field(default_factory=dict)
    asked_ms: int | None = None
    """When it was asked, where it does not speak by itself."""
    every_s: float | None = None
    """How often the sender means to give such a sign, where it says so."""
    is_telling: bool = True
    """Without an answer: whether the silence says something about the node. A refused connection does; an
    answer of 403, a certificate that is not trusted or a name that cannot be resolved does not."""
    facts: dict[str, Any] = msgspec.field(default_factory=dict)
    """Small, redacted: plugin_version, queue, dropped, plugins_missing, ip, ..."""


class Quarantined(msgspec.Struct, frozen=True, kw_only=True):
    """What could not be read, with its reason; counted and acknowledged, never dropped."""

    why: str
    raw: bytes
    """At most 64 KiB, redacted as far as text can be."""


class Decoded(msgspec.Struct, kw_only=True):
    """All that one message told us. Lists keep the order of the message."""

    events: list[Event] = msgspec.field(default_factory=list)
    traffic: list[Traffic] = msgspec.field(default_factory=list)
    entities: list[EntitySeen] = msgspec.field(default_factory=list)
    plugins: list[PluginSeen] = msgspec.field(default_factory=list)
    plugins_complete: bool = False
    """`plugins` is the whole list of that Kong (an Admin API answer), not one change."""
    targets: list[TargetSeen] = msgspec.field(default_factory=list)
    """The health of targets as a node reported it when asked; changes become events in the store."""
    nodes: list[NodeSeen] = msgspec.field(default_factory=list)
    """Signs of life of nodes, in the order of the message."""
    quarantined: list[Quarantined] = msgspec.field(default_factory=list)
    entries: int = 0
    """How many things the message held, good and bad."""

    def take(self, other: Decoded) -> None:
        """Append everything that another message told. Whether its list of plugins was whole is not taken."""
        self.events += other.events
        self.traffic += other.traffic
        self.entities += other.entities
        self.plugins += other.plugins
        self.targets += other.targets
        self.nodes += other.nodes
        self.quarantined += other.quarantined
        self.entries += other.entries
