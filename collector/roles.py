"""What one process does: take events and store them, take them for a bus, or store what is on a bus.

| `GATEWATCH_BUS` | `python -m collector` | `python -m collector writer` |
|---|---|---|
| not set | takes events, stores them, has the duties | is not needed |
| set | takes events, gives them to the bus | takes them off it, stores them, has the duties |

The duties are alerts and approved changes; where several processes could have them, one does (`duty`).
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from starlette.applications import Starlette
from starlette.routing import Route

from collector.admission import ConnectionCaps
from collector.bus.assembly import make_bus, make_publisher
from collector.bus.bus import Bus
from collector.bus.outbox import Outbox
from collector.bus.puller import Puller
from collector.bus.spool import Spool
from collector.bus.watch import BusWatch
from collector.duty import Duty, Part
from collector.intakes import Doors, Intakes
from collector.metrics import Metrics
from collector.report import Report
from collector.sources.serving import HttpServer
from collector.trail import note_settings
from collector.writer import Writer
from domain.errors import DeadlineExceeded, StoreError
from settings import Settings, SettingValueError
from storage.leadership import leadership_of
from storage.location import located
from storage.opening import open_reader, open_store

log = logging.getLogger("gatewatch.roles")

DRAIN_LIMIT_S = 2.0
"""Of the 5 seconds a stop may take: waiting for what was taken in to be safe."""
MakeParts = Callable[[Callable[[], bool]], Sequence[Part]]


class Role(Protocol):
    """Everything that one process does."""

    async def start(self) -> None:
        """Begin.

        Raises:
            SettingValueError: It cannot.
        """

    async def stop(self) -> None:
        """End within 5 s."""


async def run_until_told(role: Role, ready: str) -> int:
    """Start, say so, wait for a signal, stop."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await role.start()
    print(ready, flush=True)  # noqa: T201 - other programs wait for this line
    await stop.wait()
    await role.stop()
    return 0


class Storing:
    """The part that stores, and has the duties when it is its turn."""

    def __init__(
        self, settings: Settings, report: Report, make_parts: MakeParts, now_ms: Callable[[], int]
    ) -> None:
        self._settings, self._report, self._now_ms = settings, report, now_ms
        self.writer = Writer(
            lambda: open_store(settings.database, settings),
            Path(settings.database),
            settings.queue_batches,
            now_ms,
            report.status,
        )
        report.watch(self.writer)
        self._duty = Duty(leadership_of(settings.database), make_parts)
        report.is_on_duty = lambda: self._duty.is_on

    async def start(self) -> None:
        """Open the store and take batches.

        Raises:
            SettingValueError: It cannot be opened, for a reason that does not pass by itself.
        """
        try:
            await self.writer.start()
        except StoreError as error:
            shown = located(self._settings.database)
            raise SettingValueError(f"database {shown} cannot be used: {error}") from error
        note_settings(self._settings, self._now_ms())
        self._duty.start()

    async def end_duties(self) -> None:
        """Alert and change nothing more."""
        self._report.is_stopping = True
        await self._duty.stop()

    async def stop(self) -> None:
        """Store what waits and let go."""
        await self.writer.stop()


class AllInOne:
    """Takes events and stores them: one machine."""

    def __init__(self, storing: Storing, intakes: Intakes, settings: Settings) -> None:
        self._storing, self._intakes, self._settings = storing, intakes, settings
        storing.writer.on_replaced = intakes.stream.restart_streams

    async def start(self) -> None:
        """Begin."""
        await self._storing.start()
        self._intakes.stream.heard.update(last_arrivals(self._settings))
        await self._intakes.start()

    async def stop(self) -> None:
        """End."""
        await self._storing.end_duties()
        await self._intakes.stop(DRAIN_LIMIT_S)
        await self._storing.stop()


class TakesForBus:
    """Takes events and gives them to a bus."""

    def __init__(
        self,
        settings: Settings,
        doors: Doors,
        spool: Spool | None,
        metrics: Metrics,
        caps: ConnectionCaps,
        report: Report,
        now_ms: Callable[[], int],
    ) -> None:
        bus = make_bus(settings)
        outbox = Outbox(bus, spool)
        self._report = report
        self._publisher = make_publisher(settings, bus, outbox, report.member)
        report.watch(self._publisher)
        self._publisher.on_queued = report.queued
        outbox.on_published = lambda: metrics.count("gatewatch_bus_published_total")
        outbox.on_spooled = lambda: metrics.count("gatewatch_bus_spooled_total")
        outbox.on_failure = lambda: metrics.count("gatewatch_bus_publish_failures_total")
        self._watch = BusWatch(bus, outbox)
        report.bus = self._watch.latest
        self._intakes = Intakes(settings, doors, self._publisher, metrics, caps, report, now_ms)

    async def start(self) -> None:
        """Begin: the bus need not be there."""
        await self._publisher.start()
        self._watch.start()
        await self._intakes.start()

    async def stop(self) -> None:
        """End."""
        self._report.is_stopping = True
        await self._intakes.stop(DRAIN_LIMIT_S)
        await self._watch.stop()
        await self._publisher.stop(DRAIN_LIMIT_S / 2)


class StoresFromBus:
    """Stores what is on a bus."""

    def __init__(
        self, settings: Settings, doors: Doors, metrics: Metrics, caps: ConnectionCaps, report: Report,
        storing: Storing, now_ms: Callable[[], int],
    ) -> None:  # fmt: skip
        self._storing = storing
        bus: Bus = make_bus(settings)
        self._puller = Puller(bus, storing.writer, now_ms)
        self._puller.on_stored = lambda: metrics.count("gatewatch_bus_stored_total")
        self._puller.on_redelivered = lambda: metrics.count("gatewatch_bus_redelivered_total")
        self._puller.on_laid_aside = lambda: metrics.count("gatewatch_bus_laid_aside_total")
        self._watch = BusWatch(bus, None)
        report.bus = self._watch.latest
        report.others = lambda: tuple(self._puller.members.values())
        self._doors = doors
        app = Starlette(
            routes=[
                Route("/healthz", report.healthz, methods=["GET"]),
                Route("/metrics", report.metrics, methods=["GET"]),
            ]
        )
        self._http = HttpServer(
            app,
            caps,
            lambda _, why: metrics.count("gatewatch_rejected_connections_total", why=why),
            doors.tls,
        )

    async def start(self) -> None:
        """Begin: the bus need not be there."""
        await self._storing.start()
        await self._http.start(self._doors.sockets[0])
        await self._puller.start()
        self._watch.start()

    async def stop(self) -> None:
        """End; what was not stored goes to another writer."""
        await asyncio.gather(self._storing.end_duties(), self._watch.stop(), self._puller.stop(DRAIN_LIMIT_S))
        await asyncio.gather(self._http.stop(), self._storing.stop())


def last_arrivals(settings: Settings) -> dict[str, int]:
    """When each known source was last heard, for the start of a gap; nothing when that takes too long."""
    reader = open_reader(settings.database, settings.query_deadline_ms)
    try:
        sources = reader.freshness().sources
    except (StoreError, DeadlineExceeded) as error:
        log.warning(
            "when sources were last heard cannot be read, so gaps may lack their beginning: %s", error
        )
        return {}
    finally:
        reader.close()
    return {s.source: s.last_received_ms for s in sources if s.last_received_ms is not None}
