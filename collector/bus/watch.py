"""Looks at the bus every two seconds, so that whoever asks is answered at once."""

from __future__ import annotations

import asyncio
import logging

import msgspec

from collector.bus.bus import Bus
from collector.bus.outbox import Outbox
from storage.batches import BusState

log = logging.getLogger("gatewatch.bus")

EVERY_S = 2.0


class BusWatch:
    """From `start` to `stop`.

    Args:
        bus: What to look at; whoever uses it starts and stops it.
        outbox: What of this process's messages is not there; None for a writer.
    """

    def __init__(self, bus: Bus, outbox: Outbox | None) -> None:
        self._bus, self._outbox = bus, outbox
        self._latest: BusState | None = None
        self._task: asyncio.Task[None] | None = None

    def latest(self) -> BusState | None:
        """How it was when last looked at; None before that. May be asked from any thread."""
        latest, outbox = self._latest, self._outbox
        if latest is None or outbox is None:
            return latest
        return msgspec.structs.replace(latest, spooled=outbox.spooled, spooled_bytes=outbox.spooled_bytes)

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._look())

    async def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _look(self) -> None:
        while True:
            try:
                self._latest = await self._bus.state()
            except Exception as error:
                log.exception("the bus cannot be looked at")
                self._latest = BusState(url="", is_connected=False, problem=type(error).__name__)
            await asyncio.sleep(EVERY_S)
