"""What the collector says about itself: /healthz, /metrics and the status row that the dashboard reads."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from collector.admission import ConnectionCaps
from collector.metrics import CONTENT_TYPE, Metrics
from collector.sources.stream import StreamServer
from collector.tokens import is_loopback
from collector.upkeep import Done
from collector.writer import Commit, Writer
from domain.events import Certainty, Decoded, Kind
from storage.batches import CollectorStatus

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
        self._writer: Writer
        self._stream: StreamServer

    def watch(self, writer: Writer, stream: StreamServer) -> None:
        """Look at these from now on."""
        self._writer, self._stream = writer, stream
        writer.on_commit = self.committed
        writer.on_upkeep = self.kept_up
        writer.on_failure = self.failed

    def committed(self, commit: Commit) -> None:
        """Count one transaction."""
        self._last_commit_ms = self._now_ms()
        count = self._metrics.count
        count("gatewatch_commits_total")
        self._metrics.commit_s.observe(commit.seconds)
        for batch, written in zip(commit.batches, commit.written, strict=True):
            way = batch.way if batch.way in WAYS else "other"
            count("gatewatch_entries_total", batch.decoded.entries, way=way)
            for kind, n in _by_kind(batch.decoded).items():
                count("gatewatch_events_total", n, way=way, kind=kind)
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
                "connected_sources": len(self._stream.links),
            }
        return JSONResponse(answer, 200 if health.state == "ok" else 503, {"Cache-Control": "no-store"})

    async def metrics(self, _request: Request) -> Response:
        """`GET /metrics`."""
        gauges: dict[str, float] = {
            "gatewatch_start_time_seconds": self.identity.started_ms / 1000,
            "gatewatch_degraded": 0 if self._writer.health.state == "ok" else 1,
            "gatewatch_queue_batches": self._writer.waiting,
            "gatewatch_queue_capacity_batches": self._writer.capacity,
            "gatewatch_connected_sources": len(self._stream.links),
            "gatewatch_open_connections": self._caps.open,
        }
        if self._last_commit_ms is not None:
            gauges["gatewatch_last_commit_timestamp_seconds"] = self._last_commit_ms / 1000
        text = self._metrics.text(gauges, {"version": self.identity.version})
        return Response(text, media_type=CONTENT_TYPE)


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
