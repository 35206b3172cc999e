"""Stands where the writer stands on one machine: a batch is done when the bus has it, or the spool.

Batches of one sequence of a source go in order, one message at a time, so whatever is on the bus, everything
before it is there too, or is stored. That makes the highest number anywhere a cursor that is true: see
`find_cursor`. Batches without a sequence get one of this process's own, so that a message that comes twice is
stored once whatever it holds.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import itertools
import logging
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable

import msgspec

from collector.batching import weight
from collector.bus.bus import Bus
from collector.bus.outbox import RETRY_S, Outbox
from collector.bus.parcels import (
    MOST_BYTES,
    MOST_ITEMS,
    SIGNS,
    Message,
    Parcel,
    decode,
    encode,
    parts,
    payload_bytes,
    sound,
    subject_of,
    upto_of,
)
from collector.steady_store import Health
from domain.errors import BusError, DecodeError, StoreError
from storage.batches import Batch, Member, SourceBeat, Written

log = logging.getLogger("gatewatch.bus")

HEADER_BYTES = 1_024
"""Left for the message's name and what else goes before its body."""
FREE_LANES = 8
"""Batches without a sequence go side by side in so many sequences of ours."""
REMEMBERED = 4_096
SIGN_EVERY_S = 1.0
MEMBER_EVERY_S = 2.0
LAST_WORD_S = 0.5
UNSOUND = (UnicodeEncodeError, OverflowError, TypeError, ValueError, RecursionError)

FindStored = Callable[[str, str], Awaitable[int]]


@dataclasses.dataclass(slots=True)
class _Job:
    batch: Batch
    future: asyncio.Future[None]


@dataclasses.dataclass(slots=True)
class _Lane:
    subject: str
    jobs: deque[_Job]
    task: asyncio.Task[None] | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Queued:
    """One batch that is safe, for those who count."""

    batch: Batch
    written: Written
    seconds: float


class Publisher:
    """Takes batches for the bus.

    Args:
        bus: Started and stopped by this.
        outbox: How messages get there.
        capacity: How many batches may wait.
        own_epoch: Names this run of this process, unlike any other.
        find_stored: How far a sequence has come in the store; raises `StoreError`.
        member: What to tell about this process.
    """

    piece: tuple[int, int] | None = (MOST_ITEMS, MOST_BYTES)

    def __init__(
        self,
        bus: Bus,
        outbox: Outbox,
        capacity: int,
        own_epoch: str,
        find_stored: FindStored,
        member: Callable[[], Member],
    ) -> None:
        self.capacity = capacity
        self.waiting = 0
        self.on_queued: Callable[[Queued], None] = lambda _: None
        self._bus, self._outbox = bus, outbox
        self._find_stored, self._member = find_stored, member
        self._room = asyncio.Semaphore(capacity)
        self._lanes: dict[str, _Lane] = {}
        self._free = [_Numbered(f"{own_epoch}/{n}") for n in range(FREE_LANES)]
        self._turn = itertools.cycle(self._free)
        self._safe: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._beats: dict[str, SourceBeat] = {}
        self._teller: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begin; batches can be taken at once."""
        await self._bus.start()
        self._outbox.start()
        self._teller = asyncio.create_task(self._tell())

    async def stop(self, limit_s: float) -> None:
        """Bring what was taken in to safety within `limit_s`; what cannot be stays unacknowledged."""
        if self._teller is not None:
            self._teller.cancel()
        running = [lane.task for lane in self._lanes.values() if lane.task is not None]
        if running:
            await asyncio.wait(running, timeout=limit_s)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._outbox.publish_or_drop(self._signs()), LAST_WORD_S)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await self._outbox.stop()
        await self._bus.stop()

    # ---- as a writer's

    @property
    def health(self) -> Health:
        """Whether batches can be made safe now."""
        trouble = self._outbox.trouble
        return Health("degraded", trouble) if trouble else Health("ok")

    @property
    def notice(self) -> str:
        """That messages wait on this disk, and why."""
        outbox = self._outbox
        if not outbox.spooled:
            return ""
        return (
            f"the bus does not take messages ({outbox.why_spooling or 'it takes them again'}): "
            f"{outbox.spooled} are on this machine's disk, and go there when it does"
        )

    async def room(self) -> None:
        """Wait for a place in the queue; `submit` or `leave` must follow."""
        await self._room.acquire()
        self.waiting += 1

    def leave(self) -> None:
        """Give a place back without using it."""
        self.waiting -= 1
        self._room.release()

    def submit(self, batch: Batch) -> asyncio.Future[Written]:
        """Put a batch into the place that `room` gave; the future is done when it is safe."""
        future: asyncio.Future[Written] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(self._bring(batch, future, time.monotonic()))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return future

    async def store(self, batch: Batch) -> Written:
        """Wait for room, then for the batch to be safe."""
        await self.room()
        return await self.submit(batch)

    def beat(self, beat: SourceBeat) -> None:
        """Tell of a sign of life within a second; the latest one of a source wins."""
        if beat.source in self._beats or len(self._beats) < REMEMBERED:
            self._beats[beat.source] = beat

    async def find_cursor(self, source: str, epoch: str, oldest: int) -> int:
        """How far a sequence has come: the highest of what is here, on the bus, and in the store.

        The bus is asked before the store: what leaves one in between is in the other. While one of them does
        not answer, what is known is a lower bound; it will do where the sender still has all that follows, as
        what comes twice is stored once. Otherwise the sender waits: it would be told that something is lost.
        """
        while True:
            known, is_sure = self._safe.get((source, epoch), 0), True
            for find in (self._find_on_bus, self._find_stored):
                try:
                    known = max(known, await find(source, epoch))
                except (BusError, StoreError) as error:
                    is_sure = False
                    log.info("the place of a sender is not sure yet: %s", error)
            if is_sure or oldest <= known + 1:
                return known
            await asyncio.sleep(RETRY_S)

    async def _find_on_bus(self, source: str, epoch: str) -> int:
        body = await self._bus.newest(subject_of(source, epoch))
        if body is None:
            return 0
        try:
            return upto_of(decode(body), source, epoch)
        except DecodeError as error:
            raise BusError(f"the newest message of a sender cannot be read: {error}") from error

    # ---- bringing

    async def _bring(self, batch: Batch, future: asyncio.Future[Written], since_s: float) -> None:
        """Send all parts of a batch, side by side where they may be."""
        try:
            sent = [self._put(part) for part in self._placed(batch)]
            await asyncio.gather(*sent)
        finally:
            self.leave()
        written = queued(batch)
        if not future.done():
            future.set_result(written)
        self.on_queued(Queued(batch, written, time.monotonic() - since_s))

    def _placed(self, batch: Batch) -> list[Batch]:
        if batch.epoch is not None:
            return [batch]
        return [next(self._turn).place(part) for part in parts(batch)]

    def _put(self, batch: Batch) -> asyncio.Future[None]:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        subject = subject_of(batch.source, batch.epoch or "")
        lane = self._lanes.get(subject)
        if lane is None:
            lane = self._lanes[subject] = _Lane(subject, deque())
        lane.jobs.append(_Job(batch, future))
        if lane.task is None:
            lane.task = asyncio.create_task(self._run(lane))
        return future

    async def _run(self, lane: _Lane) -> None:
        """Send what a lane holds, one message after the other, until it is empty."""
        while lane.jobs:
            jobs = _next_group(lane.jobs)
            batches = [job.batch for job in jobs]
            await self._outbox.send(message_of(batches, lane.subject, self._bus.most_bytes))
            for job in jobs:
                self._remember(job.batch)
                if not job.future.done():
                    job.future.set_result(None)
        del self._lanes[lane.subject]

    def _remember(self, batch: Batch) -> None:
        if batch.epoch is None or batch.upto is None:
            return
        place = (batch.source, batch.epoch)
        self._safe[place] = max(batch.upto, self._safe.pop(place, 0))
        if len(self._safe) > REMEMBERED:
            self._safe.popitem(last=False)

    # ---- telling

    async def _tell(self) -> None:
        """Signs of life of senders and of this process, for as long as it runs."""
        told_s = 0.0
        while True:
            await asyncio.sleep(SIGN_EVERY_S)
            now_s = time.monotonic()
            if self._beats or now_s - told_s >= MEMBER_EVERY_S:
                told_s = now_s
                await self._outbox.publish_or_drop(self._signs())

    def _signs(self) -> Message:
        beats, self._beats = self._beats, {}
        sound_beats = tuple(beat for beat in beats.values() if _is_sound(beat))
        return encode(Parcel(beats=sound_beats, member=self._member()), SIGNS)


class _Numbered:
    """A sequence of this process's own, for batches that have none."""

    def __init__(self, epoch: str) -> None:
        self._epoch = epoch
        self._next: dict[str, int] = {}

    def place(self, batch: Batch) -> Batch:
        """The batch with the next number of its source."""
        number = self._next[batch.source] = self._next.get(batch.source, 0) + 1
        return msgspec.structs.replace(batch, epoch=self._epoch, first=number, upto=number)


def _next_group(jobs: deque[_Job]) -> list[_Job]:
    """Take as many of the waiting batches as fit into one message, at least one."""
    found = [jobs.popleft()]
    items, size = weight(found[0].batch), payload_bytes(found[0].batch.decoded)
    while jobs:
        items += weight(jobs[0].batch)
        size += payload_bytes(jobs[0].batch.decoded)
        if items > MOST_ITEMS or size > MOST_BYTES:
            break
        found.append(jobs.popleft())
    return found


def message_of(batches: list[Batch], subject: str, most_bytes: int) -> Message:
    """A message of these; what has no form in one, or is too long for one, is put into quarantine instead."""
    try:
        found = encode(Parcel(batches=tuple(batches)), subject)
    except UNSOUND:
        found = encode(Parcel(batches=tuple(map(sound, batches))), subject)
    spare_bytes = most_bytes - HEADER_BYTES
    if len(found.body) <= spare_bytes:
        return found
    why = f"longer than a message of the bus may be: {len(found.body)} bytes, expected {spare_bytes} at most"
    return encode(Parcel(batches=tuple(sound(batch, why) for batch in batches)), subject)


def queued(batch: Batch) -> Written:
    """What a batch came to as far as it is known before it is stored."""
    decoded = batch.decoded
    return Written(
        events=len(decoded.events),
        traffic=sum(traffic.count for traffic in decoded.traffic),
        quarantined=len(decoded.quarantined),
        is_queued=True,
    )


def _is_sound(beat: SourceBeat) -> bool:
    try:
        msgspec.msgpack.encode(beat)
    except UNSOUND:
        return False
    return True
