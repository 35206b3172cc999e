"""Messages on their way to the bus: straight, or over the spool while the bus does not take them.

A message is safe when the bus has acknowledged it or the spool has it on disk. While anything is in the spool
everything goes behind it, so that each source's messages stay in order.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from collector.bus.bus import Bus
from collector.bus.parcels import Message
from collector.bus.spool import Spool
from domain.errors import BusError, BusFull

T = TypeVar("T")

log = logging.getLogger("gatewatch.bus")

RETRY_S = 0.25
AT_ONCE = 16
"""Messages of the spool that are under way to the bus at a time."""


class Outbox:
    """For one event loop.

    Args:
        bus: Where they go.
        spool: Where they wait; None where nothing may: senders then wait instead.
    """

    def __init__(self, bus: Bus, spool: Spool | None) -> None:
        self._bus, self._spool = bus, spool
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spool")
        self._waiting: list[tuple[Message, asyncio.Future[None]]] = []
        self._appender: asyncio.Task[None] | None = None
        self._drainer: asyncio.Task[None] | None = None
        self.spooled = 0 if spool is None else spool.count
        self.spooled_bytes = 0 if spool is None else spool.size
        self.trouble = ""
        """Why messages cannot be made safe now; empty while they can."""
        self.why_spooling = ""
        """Why the bus does not take them; empty while it does."""
        self.on_published: Callable[[], None] = lambda: None
        self.on_spooled: Callable[[], None] = lambda: None
        self.on_failure: Callable[[], None] = lambda: None

    def start(self) -> None:
        """Begin with what a former process left."""
        if self.spooled:
            log.warning("%d messages on this disk are on their way to the bus", self.spooled)
            self._drain()

    @property
    def is_spooling(self) -> bool:
        """Whether messages go to the disk now."""
        return bool(self.spooled or self._waiting or self._appender)

    async def send(self, message: Message) -> None:
        """Returns when a message is safe; waits for as long as it is not."""
        while True:
            if not self.is_spooling and await self._publish(message):
                return
            if self._spool is not None and await self._append(message):
                return
            await asyncio.sleep(RETRY_S)

    async def publish_or_drop(self, message: Message) -> None:
        """For what is worth nothing later: once, and only where it goes straight."""
        if not self.is_spooling:
            await self._publish(message)

    async def stop(self) -> None:
        """Leave what is in the spool for the next start."""
        for task in (self._appender, self._drainer):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        self._thread.shutdown()
        if self._spool is not None:
            self._spool.close()

    # ---- straight

    async def _publish(self, message: Message) -> bool:
        try:
            await self._bus.publish(message)
        except BusError as error:
            self.on_failure()
            self._blame(str(error))
            return False
        self.on_published()
        self.why_spooling = self.trouble = ""
        return True

    def _blame(self, why: str) -> None:
        if not self.why_spooling:
            log.warning("the bus does not take messages: %s", why)
        self.why_spooling = why
        if self._spool is None:
            self.trouble = f"the bus does not take messages: {why}"

    # ---- over the disk

    async def _append(self, message: Message) -> bool:
        """Whether it is on disk; all that come while the disk is at work go in the next piece together."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((message, future))
        if self._appender is None:
            self._appender = asyncio.create_task(self._append_all())
        try:
            await future
        except (BusFull, OSError) as error:
            if not self.trouble:
                log.critical("nothing is acknowledged: the bus is away and the disk cannot help: %s", error)
            self.trouble = f"the bus does not take messages, and {error}"
            return False
        self.trouble = ""
        self.on_spooled()
        self._drain()
        return True

    async def _append_all(self) -> None:
        spool = self._spool
        try:
            while self._waiting and spool is not None:
                group, self._waiting = self._waiting, []
                try:
                    await self._in_thread(spool.append, [message for message, _ in group])
                except (BusFull, OSError) as error:
                    for _, future in group:
                        if not future.done():
                            future.set_exception(error)
                else:
                    self._count(spool)
                    for _, future in group:
                        if not future.done():
                            future.set_result(None)
        finally:
            self._appender = None

    def _drain(self) -> None:
        if self._drainer is None or self._drainer.done():
            self._drainer = asyncio.create_task(self._drain_all())

    async def _drain_all(self) -> None:
        """Give the bus what is on the disk, oldest first, until nothing is."""
        spool = self._spool
        while spool is not None and self.spooled:
            try:
                await self._drain_some(spool)
            except OSError as error:
                self.trouble = f"the spool cannot be read: {error}"
                log.critical("messages on this disk cannot be read now: %s", error)
                await asyncio.sleep(RETRY_S)
        log.warning("the bus has everything that was on this disk")

    async def _drain_some(self, spool: Spool) -> None:
        while self.spooled:
            found = await self._in_thread(spool.first, AT_ONCE)
            gone = await self._give(found)
            if gone:
                await self._in_thread(spool.drop, gone)
                self._count(spool)
            if gone < len(found):
                await asyncio.sleep(RETRY_S)

    async def _give(self, found: list[Message | None]) -> int:
        """Publish messages in order; how many went before the first that did not."""
        gone = 0
        for message in found:
            if message is None:
                log.critical("a message in the spool can be read no more; it is left out")
            elif not await self._publish(message):
                break
            gone += 1
        return gone

    def _count(self, spool: Spool) -> None:
        self.spooled, self.spooled_bytes = spool.count, spool.size

    async def _in_thread(self, act: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, act, *arguments)
