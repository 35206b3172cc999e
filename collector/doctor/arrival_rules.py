"""What has arrived in the store, and what is missing in it. Pure: what the store said in, findings out."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence

import msgspec

from collector.doctor.findings import Finding, missing, note, risk
from collector.doctor.looking import Looked
from domain.egress import private_network
from domain.node_states import Feed, NodeState
from storage.node_rows import NodeRow, Nodes
from storage.rows import Freshness, StoreHealth, Totals

COLLECTOR_GONE_MS = 30_000
SILENT_MS = 600_000
"""A sender is expected to say something within ten minutes, where others do."""
MOST_TRAFFIC = 0.5
FEW = 50
"""With fewer requests a share says nothing."""
CLOCK_MS = 30_000
LOW_DISK_BYTES = 1_000_000_000
SHOWN = 3


class Arrived(msgspec.Struct, kw_only=True):
    """What the store holds, of the last 24 hours where a span is needed."""

    path: str
    freshness: Freshness
    health: StoreHealth
    nodes: Nodes
    totals: Totals
    top_address: str | None
    """The address with most requests, else with most refusals."""
    top_share: float
    """Its share of them, 0 to 1."""
    top_of: int
    """Of how many."""
    plugins: int
    """Sightings of Kong plugins: 0 means that no list of plugins is known."""
    gaps: int
    quarantined: int
    why_quarantined: str
    """The newest reason."""
    nameless_refusals: int
    """Refusals that name no node."""


def examine(arrived: Arrived, looked: Sequence[Looked], now_ms: int) -> Iterator[Finding]:
    """Everything that the store tells."""
    if arrived.freshness.last_received_ms is None:
        yield missing(
            f"nothing has ever arrived in {arrived.path}",
            "every page is empty",
            "start the collector, and connect Kong as docs/connect-kong.md shows",
        )
    yield from _of_collector(arrived, now_ms)
    yield from _of_senders(arrived)
    yield from _of_nodes(arrived, now_ms)
    yield from _of_judgement(arrived)
    yield from _of_addresses(arrived, looked)
    yield from _of_losses(arrived)


def _of_collector(arrived: Arrived, now_ms: int) -> Iterator[Finding]:
    status = arrived.freshness.collector
    if status is None or now_ms - status.beat_ms > COLLECTOR_GONE_MS:
        age = "never ran" if status is None else f"has been silent for {_length(now_ms - status.beat_ms)}"
        yield missing(
            f"the collector {age} on {arrived.path}",
            "nothing is stored; node states are unknown",
            "python -m collector, or the dashboard, which starts one",
        )
    elif status.state != "ok":
        yield missing(
            f"the collector is {status.state}: {status.detail}", "nothing is acknowledged", "see its log"
        )
    free_disk_bytes = arrived.health.free_disk_bytes
    if free_disk_bytes is not None and free_disk_bytes < LOW_DISK_BYTES:
        yield risk(
            f"{free_disk_bytes / 1e6:,.0f} MB of disk are free",
            "when the disk is full nothing is acknowledged, and senders drop what they cannot hold",
            "make room, or lower events_days",
        )


def _of_senders(arrived: Arrived) -> Iterator[Finding]:
    sources = arrived.freshness.sources
    newest_ms = max((s.last_received_ms or 0 for s in sources), default=0)
    quiet = [
        s
        for s in sources
        if s.way in {"http-log", "event-hooks", "stream"}
        and newest_ms - (s.last_received_ms or s.last_beat_ms or 0) > SILENT_MS
        and not s.connected
    ]
    if quiet:
        why = "what they would tell is not seen; other senders went on"
        do = (
            "look at Kong's error.log on those nodes; remove the sender's plugin if it is not wanted any more"
        )
        yield risk(f"senders that fell silent: {_names(s.source for s in quiet)}", why, do)
    if sources and not any(s.way in {"http-log", "stream", "replay"} for s in sources):
        yield missing(
            "neither http-log nor a stream has ever sent anything",
            "refusals are seen as event hooks tell them at best: at most one in 5 s for each of them",
            "enable http-log or our plugin, see docs/connect-kong.md",
        )
    if any(s.way == "event-hooks" for s in sources):
        yield note(
            "event hooks are in use",
            "Kong drops repeats within 5 s before it sends: counts from hooks alone are shown as `at least`",
        )


def _of_nodes(arrived: Arrived, now_ms: int) -> Iterator[Finding]:
    current = [row for row in arrived.nodes.rows if row.replaced_by is None]
    if arrived.freshness.last_received_ms is not None and not current:
        yield note(
            "no node is known",
            "http-log entries do not say which node they are of",
            "poll the Admin APIs (--admin-url), or load our plugin",
        )
    for state, said in _STATES.items():
        if state is NodeState.UNKNOWN and not arrived.nodes.is_watched:
            continue  # the collector does not run, and that is said already
        rows = [row for row in current if row.state == state.value]
        if rows:
            reasons = "; ".join(f"{row.name}: {row.reason}" for row in rows[:SHOWN])
            yield said(
                f"{len(rows)} nodes are {state.value}: {_names(row.name for row in rows)}",
                reasons,
                "look at the page Nodes",
            )
    mute = [row for row in current if _is_mute(row, arrived, now_ms)]
    if mute:
        yield risk(
            f"nodes that are there and send nothing: {_names(row.name for row in mute)}",
            "their refusals, changes and invalidations are not seen",
            "check that http-log or our plugin is enabled there, and that they can reach the collector",
        )
    for row in current:
        lag_ms = row.facts.get("lag_ms")
        if isinstance(lag_ms, int) and abs(lag_ms) > CLOCK_MS:
            where = "behind, or its heartbeats are late" if lag_ms > 0 else "ahead"
            yield risk(
                f"the clock of {row.name} is {_length(abs(lag_ms))} {where}",
                "its events land in the wrong minute",
                "run NTP there",
            )
        dropped = row.facts.get("dropped")
        if isinstance(dropped, dict) and sum(dropped.values()):
            yield risk(
                f"the plugin in {row.name} had to drop {sum(dropped.values()):,} events",
                "counts from it are lower bounds; the gaps are marked on every chart",
                "raise buffer_events, or keep the collector running",
            )


_STATES = {
    NodeState.LOST: missing,
    NodeState.NEVER_SEEN: missing,
    NodeState.INCOMPATIBLE: risk,
    NodeState.DRIFTED: risk,
    NodeState.UNKNOWN: note,
}


def _is_mute(row: NodeRow, arrived: Arrived, now_ms: int) -> bool:
    """Whether a node is known to live, while nothing that happened there has arrived for long."""
    if row.state not in {NodeState.LIVE.value, NodeState.DRIFTED.value} or row.role == "control_plane":
        return False
    told = [feed.last_ms for feed in row.feeds if feed.feed in {Feed.EVENTS, Feed.HEARTBEAT}]
    last_ms = max((ms for ms in told if ms is not None), default=None)
    others = [
        feed.last_ms
        for other in arrived.nodes.rows
        if other.node != row.node
        for feed in other.feeds
        if feed.feed == Feed.EVENTS and feed.last_ms is not None
    ]
    others_tell = bool(others) and now_ms - max(others) < SILENT_MS
    return others_tell and (last_ms is None or now_ms - last_ms > SILENT_MS)


def _of_judgement(arrived: Arrived) -> Iterator[Finding]:
    totals = arrived.totals
    if totals.probable and not arrived.plugins:
        yield risk(
            f"{totals.probable:,} refusals in 24 h are only probable, and no list of plugins is known",
            "whether a limit refused them, or another plugin, cannot be settled",
            "run the collector with --admin-url, once per cluster",
        )
    elif not arrived.plugins and arrived.freshness.last_received_ms is not None:
        yield note(
            "no list of plugins is known",
            "refusals with hidden headers stay probable; limits in force are not shown",
            "run the collector with --admin-url",
        )
    if arrived.nameless_refusals and arrived.nameless_refusals == totals.violations:
        yield note(
            "no refusal names its node",
            "they cannot be told apart by node",
            'http-log: custom_fields_by_lua: {"node_id": "return kong.node.get_id()"}',
        )
    if totals.requests is None and totals.violations:
        yield note(
            "no traffic is known, only refusals",
            "refusal ratios are unknown",
            "use http-log, or totals: true",
        )


def _of_addresses(arrived: Arrived, looked: Sequence[Looked]) -> Iterator[Finding]:
    address = arrived.top_address
    if address is None or arrived.top_of < FEW or arrived.top_share < MOST_TRAFFIC:
        return
    if not private_network(address):
        return
    untrusting = [
        one.address
        for one in looked
        if one.about is not None and not one.about.configuration.get("trusted_ips")
    ]
    also = f"; trusted_ips is empty on {_names(untrusting)}" if untrusting else ""
    share = f"{arrived.top_share:.0%} of {arrived.top_of:,} requests"
    finding = risk if ipaddress.ip_address(address).is_loopback else missing
    yield finding(
        f"one private address, {address}, carries {share}{also}",
        "it looks like a load balancer: clients cannot be told apart, limits by address are one for all, and "
        "blocking it blocks everybody",
        "in kong.conf: trusted_ips = the balancer's range, real_ip_header = X-Forwarded-For, "
        "real_ip_recursive = on",
    )


def _of_losses(arrived: Arrived) -> Iterator[Finding]:
    if arrived.gaps:
        yield risk(
            f"{arrived.gaps} gaps in the feed in 24 h",
            "counts of those minutes are lower bounds",
            "the page Events, tab gaps, says whose and why",
        )
    if arrived.quarantined:
        yield risk(
            f"{arrived.quarantined} things in 24 h could not be read; the newest: {arrived.why_quarantined}",
            "they are kept, and counted nowhere",
            "the page Events, tab quarantine, shows them",
        )


def _names(names: object) -> str:
    found = [str(name) for name in names]  # type: ignore[attr-defined]
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return ", ".join(found[:SHOWN]) + more


def _length(length_ms: int) -> str:
    seconds = length_ms / 1000
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
