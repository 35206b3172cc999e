"""The ways in of one process: streams, POSTs, questions to Admin APIs."""

from __future__ import annotations

import asyncio
import dataclasses
import socket
import ssl
import time
from collections.abc import Callable

from collector.admission import ConnectionCaps, OncePerMinute
from collector.metrics import Metrics
from collector.poller.poller import AdminPoller
from collector.report import Report
from collector.sink import Sink
from collector.sources.http import HttpIntake, application
from collector.sources.serving import HttpServer
from collector.sources.stream import StreamServer
from collector.tokens import Tokens
from settings import Settings


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """Where events come in, and who may bring them."""

    sockets: list[socket.socket]
    """For streams, then for HTTP; they listen."""
    tokens: Tokens | None = None
    hook_secret: bytes | None = None
    tls: ssl.SSLContext | None = None


class Intakes:
    """From `start` to `stop`.

    Args:
        settings: Limits.
        doors: Where events come in.
        sink: Takes the batches.
        metrics: Counts.
        caps: How many may be connected.
        report: Answers /healthz and /metrics.
        now_ms: The wall clock.
    """

    def __init__(
        self,
        settings: Settings,
        doors: Doors,
        sink: Sink,
        metrics: Metrics,
        caps: ConnectionCaps,
        report: Report,
        now_ms: Callable[[], int],
    ) -> None:
        self._doors = doors
        quiet = OncePerMinute(time.monotonic)
        self.stream = StreamServer(
            settings=settings,
            tokens=doors.tokens,
            writer=sink,
            metrics=metrics,
            caps=caps,
            quiet=quiet,
            now_ms=now_ms,
        )
        intake = HttpIntake(
            settings=settings,
            tokens=doors.tokens,
            hook_secret=doors.hook_secret,
            writer=sink,
            metrics=metrics,
            quiet=quiet,
            now_ms=now_ms,
        )
        self._poller = AdminPoller(settings, sink, metrics, time.monotonic, now_ms)
        app = application(intake, report.healthz, report.metrics)
        self._http = HttpServer(app, caps, self.stream.refuse, doors.tls)
        report.links = lambda: len(self.stream.links)

    async def start(self) -> None:
        """Take events from now on."""
        await self.stream.start(self._doors.sockets[0], self._doors.tls)
        await self._http.start(self._doors.sockets[1])
        self._poller.start()

    async def stop(self, limit_s: float) -> None:
        """Take nothing more; what was taken in is acknowledged if it is safe within `limit_s`."""
        await self._poller.stop()
        await asyncio.gather(self.stream.stop(limit_s), self._http.stop())
