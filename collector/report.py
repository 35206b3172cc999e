"""What the collector says about itself: /healthz, /metrics and the status row that the dashboard reads."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from collector.admission import ConnectionCaps
from collector.bus.publisher import Queued
from collector.metrics import CONTENT_TYPE, Metrics
from collector.sink import Sink
from collector.tokens import is_loopback
from collector.upkeep import Done
from collector.writer import Commit, Writer
from domain.events import Certainty, Decoded, Kind
from storage.batches import Batch, BusState, CollectorStatus, Member

KINDS = frozenset(str(kind) for kind in Kind)
WAYS = frozenset(("stream", "http-log", "event-hooks", "events", "replay", "admin-api"))


@dataclasses.dataclass(frozen=True, slots=True)
class Identity:
    """What does not change while a collector runs."""

    pid: int
    version: str
    started_ms: int
    ws: str
    http: str
    database: str
    """As it may be shown."""
    role: str = "collector"
    host: str = ""


class Report:
    """Counts what happens, and tells it."""

    def __init__(
        self,
        identity: Identity,
        metrics: Metrics,
        caps: ConnectionCaps,
        now_ms: Callable[[], int],
    ) -> None:
        self.identity = identity
        self.is_stopping = False
        self._metrics = metrics
        self._caps = caps
        self._now_ms = now_ms
        self._last_commit_ms: int | None = None
        self._writer: Sink
        self.links: Callable[[], int] = lambda: 0
        """How many streams are open."""
        self.is_on_duty: Callable[[], bool] = lambda: False
        self.bus: Callable[[], BusState | None] = lambda: None
        self.others: Callable[[], Iterable[Member]] = tuple
        """Other processes that were heard of."""

    def watch(self, sink: Sink) -> None:
        """Look at this from now on."""
        self._writer = sink
        if isinstance(sink, Writer):
            sink.on_commit = self.committed
            sink.on_upkeep = self.kept_up
            sink.on_failure = self.failed

    def queued(self, queued: Queued) -> None:
        """Count one batch that the bus has, or this disk: what is new in it is counted where it is stored."""
        self._last_commit_ms = self._now_ms()
        self._metrics.commit_s.observe(queued.seconds)
        self._count_received(queued.batch)

    def _count_received(self, batch: Batch) -> str:
        count = self._metrics.count
        way = batch.way if batch.way in WAYS else "other"
        count("gatewatch_entries_total", batch.decoded.entries, way=way)
        for kind, n in _by_kind(batch.decoded).items():
            count("gatewatch_events_total", n, way=way, kind=kind)
        return way

    def committed(self, commit: Commit) -> None:
        """Count one transaction."""
        self._last_commit_ms = self._now_ms()
        count = self._metrics.count
        count("gatewatch_commits_total")
        self._metrics.commit_s.observe(commit.seconds)
        for batch, written in zip(commit.batches, commit.written, strict=True):
            way = self._count_received(batch)
            count("gatewatch_stored_events_total", written.events, way=way)
            count("gatewatch_requests_total", written.traffic, way=way)
            count("gatewatch_duplicates_total", written.duplicates, way=way)
            count("gatewatch_quarantined_total", written.quarantined, way=way)
            count("gatewatch_gaps_total", len(batch.gaps))
            for certainty, n in _by_certainty(batch.decoded, written.violations).items():
                count("gatewatch_violations_total", n, certainty=certainty)

    def kept_up(self, done: Done) -> None:
        """Count what the writer did between transactions."""
        self._metrics.count("gatewatch_settled_events_total", done.settled)
        self._metrics.count("gatewatch_pruned_rows_total", done.pruned)

    def failed(self, reason: str) -> None:
        """Count a write that failed."""
        self._metrics.count("gatewatch_store_errors_total", reason=reason)

    def member(self) -> Member:
        """What this process tells about itself, a row of its own."""
        identity, health = self.identity, self._writer.health
        listens = f"ws={identity.ws} http={identity.http}" if identity.ws else f"http={identity.http}"
        return Member(
            member=f"{identity.host}:{identity.pid}",
            role=identity.role,
            beat_ms=self._now_ms(),
            started_ms=identity.started_ms,
            version=identity.version,
            state="stopping" if self.is_stopping else health.state,
            detail=health.detail or self._writer.notice,
            listens=listens,
            is_on_duty=self.is_on_duty(),
            bus=self.bus(),
        )

    def status(self) -> CollectorStatus:
        """The row that the dashboard reads. Called in the writer's thread: reads single values only."""
        health = self._writer.health
        p99_s = self._metrics.commit_s.quantile(0.99)
        state = "stopping" if self.is_stopping else health.state
        return CollectorStatus(
            pid=self.identity.pid,
            version=self.identity.version,
            started_ms=self.identity.started_ms,
            beat_ms=self._now_ms(),
            ws=self.identity.ws,
            http=self.identity.http,
            state=state,
            detail=health.detail or self._writer.notice,
            queue_batches=self._writer.waiting,
            commits=int(self._metrics.value("gatewatch_commits_total")),
            commit_p99_ms=None if p99_s is None else p99_s * 1000,
            rejected_connections=int(self._metrics.value("gatewatch_rejected_connections_total")),
            members=(self.member(), *self.others()),
        )

    async def healthz(self, request: Request) -> Response:
        """`GET /healthz`: 200 while events can be stored, 503 while not; details for this machine only."""
        health = self._writer.health
        answer: dict[str, object] = {
            "state": health.state,
            "why": health.detail,
            "version": self.identity.version,
            "queue_batches": self._writer.waiting,
            "queue_capacity_batches": self._writer.capacity,
            "last_commit_ms": self._last_commit_ms,
        }
        if is_loopback(request.client.host if request.client else None):
            answer |= {
                "notice": self._writer.notice,
                "database": self.identity.database,
                "pid": self.identity.pid,
                "ws": self.identity.ws,
                "http": self.identity.http,
                "started_ms": self.identity.started_ms,
                "connected_sources": self.links(),
                "role": self.identity.role,
                "on_duty": self.is_on_duty(),
            }
            bus = self.bus()
            if bus is not None:
                answer["bus"] = msgspec.to_builtins(bus)
        return JSONResponse(answer, 200 if health.state == "ok" else 503, {"Cache-Control": "no-store"})

    async def metrics(self, _request: Request) -> Response:
        """`GET /metrics`."""
        gauges: dict[str, float] = {
            "gatewatch_start_time_seconds": self.identity.started_ms / 1000,
            "gatewatch_degraded": 0 if self._writer.health.state == "ok" else 1,
            "gatewatch_queue_batches": self._writer.waiting,
            "gatewatch_queue_capacity_batches": self._writer.capacity,
            "gatewatch_connected_sources": self.links(),
            "gatewatch_open_connections": self._caps.open,
        }
        gauges["gatewatch_on_duty"] = int(self.is_on_duty())
        gauges |= _bus_gauges(self.bus())
        if self._last_commit_ms is not None:
            gauges["gatewatch_last_commit_timestamp_seconds"] = self._last_commit_ms / 1000
        text = self._metrics.text(gauges, {"version": self.identity.version})
        return Response(text, media_type=CONTENT_TYPE)


def _bus_gauges(bus: BusState | None) -> dict[str, float]:
    """What is known of the bus; what is not known has no sample."""
    if bus is None:
        return {}
    known = {
        "gatewatch_bus_waiting_messages": bus.waiting,
        "gatewatch_bus_in_hand_messages": bus.in_hand,
        "gatewatch_bus_dead_messages": bus.dead,
        "gatewatch_bus_replicas": bus.replicas,
        "gatewatch_bus_replicas_current": bus.replicas_current,
        "gatewatch_bus_synced": None if bus.is_synced is None else int(bus.is_synced),
        "gatewatch_bus_connected": int(bus.is_connected),
        "gatewatch_bus_spool_messages": bus.spooled,
        "gatewatch_bus_spool_bytes": bus.spooled_bytes,
    }
    return {name: value for name, value in known.items() if value is not None}


def _by_kind(decoded: Decoded) -> dict[str, int]:
    found: dict[str, int] = {}
    for event in decoded.events:
        kind = event.kind if event.kind in KINDS else "other"
        found[kind] = found.get(kind, 0) + 1
    return found


def _by_certainty(decoded: Decoded, violations: int) -> dict[str, int]:
    """New violations by certainty; where a batch holds duplicates too, the certain ones are counted first."""
    certain = sum(event.certainty == Certainty.CERTAIN for event in decoded.events)
    certain = min(certain, violations)
    return {"certain": certain, "probable": violations - certain}
