"""Gives a writer what is on the bus, and tells the bus what is stored.

A message leaves the bus after the transaction that holds all of it. Where that word is lost, or the writer
dies, the message comes again, and is known by the places of its batches. While nothing can be stored nothing
more is taken, and what is in hand is kept.

What cannot be read is laid aside with its reason, and so is a message that many writers died over: it must
not stop all others.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from collector.bus.bus import Bus, Delivered
from collector.bus.parcels import Parcel, decode
from collector.sink import Sink
from collector.wire.payloads import quarantined
from domain.errors import BusError, DecodeError, StoreBusy
from domain.events import Decoded
from storage.batches import Batch, Member, Written

log = logging.getLogger("gatewatch.bus")

TAKE = 32
"""Messages asked for at a time."""
MOST_IN_HAND = 256
TAKE_WAIT_S = 1.0
RETRY_S = 0.5
KEEP_EVERY_S = 5.0
"""Well within `bus.ACK_WAIT_S`, so that what waits for the store is not given to others."""
MOST_DELIVERIES = 10
"""A message is given out again only where a writer died or fell silent while it had it."""
MEMBERS = 1_000


class Puller:
    """From `start` to `stop`.

    Args:
        bus: Started and stopped by this.
        writer: Stores.
        now_ms: The wall clock.
    """

    def __init__(self, bus: Bus, writer: Sink, now_ms: Callable[[], int]) -> None:
        self.members: dict[str, Member] = {}
        """What other processes told about themselves, the latest of each."""
        self.on_stored: Callable[[], None] = lambda: None
        self.on_redelivered: Callable[[], None] = lambda: None
        self.on_laid_aside: Callable[[], None] = lambda: None
        self._bus, self._writer, self._now_ms = bus, writer, now_ms
        self._in_hand: dict[int, Delivered] = {}
        self._storing: set[asyncio.Task[None]] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._is_stopping = False

    async def start(self) -> None:
        """Begin."""
        await self._bus.start()
        self._tasks = [asyncio.create_task(self._pull()), asyncio.create_task(self._keep())]

    async def stop(self, limit_s: float) -> None:
        """Take nothing more, finish what is in hand within `limit_s`, give the rest back."""
        self._is_stopping = True
        if self._storing:
            await asyncio.wait(set(self._storing), timeout=limit_s)
        for task in (*self._tasks, *self._storing):
            task.cancel()
        await asyncio.gather(*self._tasks, *self._storing, return_exceptions=True)
        for delivered in list(self._in_hand.values()):
            await self._tell(self._bus.give_back(delivered))
        await self._bus.stop()

    async def _pull(self) -> None:
        while not self._is_stopping:
            try:
                await self._pull_some()
            except Exception:
                # whatever it was, the next messages are to be stored all the same
                log.exception("taking messages failed; beginning anew")
                await asyncio.sleep(RETRY_S)

    async def _pull_some(self) -> None:
        while not self._is_stopping:
            room = MOST_IN_HAND - len(self._in_hand)
            if self._writer.health.state != "ok" or room < TAKE:
                await asyncio.sleep(0.02 if self._writer.health.state == "ok" else RETRY_S)
                continue
            try:
                found = await self._bus.take(TAKE, TAKE_WAIT_S)
            except BusError as error:
                log.info("nothing comes from the bus: %s", error)
                await asyncio.sleep(RETRY_S)
                continue
            for delivered in found:
                await self._open(delivered)

    async def _open(self, delivered: Delivered) -> None:
        """Put what a message holds into the writer's queue, in the order in which messages came."""
        if delivered.deliveries > 1:
            self.on_redelivered()
        if delivered.number in self._in_hand:  # it was given out again before it was stored
            self._in_hand[delivered.number] = delivered
            return
        self._in_hand[delivered.number] = delivered
        parcel, why = self._read(delivered)
        if parcel is None:
            self._begin(self._lay_aside(delivered, why))
            return
        self._hear(parcel)
        futures = []
        for batch in parcel.batches:
            await self._writer.room()
            futures.append(self._writer.submit(batch))
        self._begin(self._finish(delivered, futures))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._storing.add(task)
        task.add_done_callback(self._storing.discard)

    def _read(self, delivered: Delivered) -> tuple[Parcel | None, str]:
        if delivered.deliveries > MOST_DELIVERIES:
            return None, f"given out {delivered.deliveries} times, and never stored"
        try:
            return decode(delivered.body), ""
        except DecodeError as error:
            return None, str(error)

    def _hear(self, parcel: Parcel) -> None:
        for beat in parcel.beats:
            self._writer.beat(beat)
        member = parcel.member
        if member is not None and (member.member in self.members or len(self.members) < MEMBERS):
            self.members[member.member] = member

    async def _finish(self, delivered: Delivered, futures: list[asyncio.Future[Written]]) -> None:
        try:
            await asyncio.gather(*futures)
        except StoreBusy:
            return  # stopping: it is given back
        self.on_stored()
        await self._forget(delivered, self._bus.done)

    async def _lay_aside(self, delivered: Delivered, why: str) -> None:
        """Keep its first part with the reason where people look for what cannot be read, then all of it."""
        log.error("a message of the bus is laid aside: %s", why)
        decoded = Decoded(entries=1, quarantined=[quarantined(f"bus: {why}", delivered.body)])
        batch = Batch(
            source="bus",
            way="bus",
            received_ms=self._now_ms(),
            decoded=decoded,
            epoch="laid aside",
            first=delivered.number,
            upto=delivered.number,
        )
        try:
            await self._writer.store(batch)
        except StoreBusy:
            return
        while True:
            try:
                await self._bus.lay_aside(self._in_hand[delivered.number], why)
            except BusError as error:
                log.warning("a message cannot be laid aside yet: %s", error)
                await asyncio.sleep(RETRY_S)
            else:
                break
        self.on_laid_aside()
        del self._in_hand[delivered.number]

    async def _forget(self, delivered: Delivered, tell: Callable[[Delivered], Awaitable[None]]) -> None:
        latest = self._in_hand.pop(delivered.number, delivered)
        await self._tell(tell(latest))

    async def _tell(self, telling: Awaitable[None]) -> None:
        try:
            await telling
        except BusError as error:
            log.info("the bus did not hear it, a message comes again: %s", error)

    async def _keep(self) -> None:
        """Say that what is in hand is not forgotten."""
        while True:
            await asyncio.sleep(KEEP_EVERY_S)
            for delivered in list(self._in_hand.values()):
                if delivered.number in self._in_hand:
                    await self._tell(self._bus.keep(delivered))
