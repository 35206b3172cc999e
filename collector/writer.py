"""The one thread that stores: groups what waits into one transaction, and tells the waiters after COMMIT.

The event loop calls `room`, `submit`, `find_cursor` and `beat`; the second half of the class runs in the
thread. Nothing is acknowledged that is not on disk: a future gets its `Written` only after the transaction
that holds its batch.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from collector.batching import group_length, weight
from collector.steady_store import Health, SteadyStore
from collector.upkeep import Done, Upkeep
from domain.errors import StoreBusy, StoreCorrupt
from storage.batches import Batch, CollectorStatus, SourceBeat, Written
from storage.protocol import Store

log = logging.getLogger("gatewatch.writer")

MOST_WAITING_BEATS = 4_096
REOPEN_EVERY_S = 1.0
"""How often an idle writer tries to open a store that it had to give up."""
STOP_LIMIT_S = 3.0
"""How long a stopping writer waits for a store that cannot take anything."""


@dataclasses.dataclass(slots=True)
class _Write:
    batch: Batch
    future: asyncio.Future[Written]


@dataclasses.dataclass(slots=True)
class _Find:
    source: str
    epoch: str
    future: asyncio.Future[int]


@dataclasses.dataclass(frozen=True, slots=True)
class Commit:
    """One transaction, for those who count."""

    batches: tuple[Batch, ...]
    written: tuple[Written, ...]
    seconds: float


class Writer:
    """Owns the store. A `collector.sink.Sink`.

    Args:
        open_store: Opens it; called in the thread, again after a damaged file was moved away.
        database: Path of the file, for moving it away.
        capacity: How many batches may wait.
        now_ms: The wall clock.
        status: What to say about this collector, called in the thread.
    """

    def __init__(
        self,
        open_store: Callable[[], Store],
        database: Path,
        capacity: int,
        now_ms: Callable[[], int],
        status: Callable[[], CollectorStatus],
    ) -> None:
        self.piece: tuple[int, int] | None = None
        self.capacity = capacity
        self.waiting = 0
        """Batches taken in and not yet stored."""
        self.on_commit: Callable[[Commit], None] = lambda _: None
        self.on_upkeep: Callable[[Done], None] = lambda _: None
        self.on_failure: Callable[[str], None] = lambda _: None
        self.on_replaced: Callable[[], None] = lambda: None
        self._now_ms = now_ms
        self._status = status
        self._room = asyncio.Semaphore(capacity)
        self._jobs: deque[_Write | _Find] = deque()
        self._beats: dict[str, SourceBeat] = {}
        self._wake = threading.Condition()
        self._stopping_since_s: float | None = None
        self._store = SteadyStore(open_store, database, now_ms, self._pause)
        self._store.on_failure = lambda code: self._call(self.on_failure, code)
        self._store.on_replaced = lambda: self._call(self.on_replaced)
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._loop: asyncio.AbstractEventLoop
        self._opened: asyncio.Future[None]

    # ---- the event loop's side

    async def start(self) -> None:
        """Open the store; returns when it can take batches.

        Raises:
            StoreError: It cannot be opened, for a reason that does not pass by itself.
        """
        self._loop = asyncio.get_running_loop()
        self._opened = self._loop.create_future()
        self._thread.start()
        await self._opened

    @property
    def health(self) -> Health:
        """Whether it can store now."""
        return self._store.health

    @property
    def notice(self) -> str:
        """A sentence about something that a person should know, such as a file moved away; else empty."""
        return self._store.notice

    @property
    def is_full(self) -> bool:
        """Whether `room` would wait."""
        return self._room.locked()

    async def room(self) -> None:
        """Wait for a place in the queue; `submit` or `leave` must follow."""
        await self._room.acquire()
        self.waiting += 1

    def leave(self) -> None:
        """Give a place back without using it."""
        self.waiting -= 1
        self._room.release()

    def submit(self, batch: Batch) -> asyncio.Future[Written]:
        """Put a batch into the place that `room` gave; the future is done when it is on disk."""
        future: asyncio.Future[Written] = self._loop.create_future()
        self._push(_Write(batch, future))
        return future

    async def store(self, batch: Batch) -> Written:
        """Wait for room, then for the batch to be on disk."""
        await self.room()
        return await self.submit(batch)

    async def find_cursor(self, source: str, epoch: str, oldest: int = 0) -> int:  # noqa: ARG002 - it is sure
        """The durable cursor, after everything submitted before."""
        future: asyncio.Future[int] = self._loop.create_future()
        self._push(_Find(source, epoch, future))
        return await future

    def beat(self, beat: SourceBeat) -> None:
        """Record a sign of life with the next transaction; the latest one of a source wins."""
        with self._wake:
            if beat.source in self._beats or len(self._beats) < MOST_WAITING_BEATS:
                self._beats[beat.source] = beat
            self._wake.notify()

    async def stop(self) -> None:
        """Store what waits, close the store. What cannot be stored within 3 s stays unacknowledged."""
        with self._wake:
            self._stopping_since_s = time.monotonic()
            self._wake.notify()
        await asyncio.to_thread(self._thread.join, STOP_LIMIT_S + 1.0)

    def _push(self, job: _Write | _Find) -> None:
        with self._wake:
            self._jobs.append(job)
            self._wake.notify()

    def _delivered(self, jobs: list[_Write], commit: Commit) -> None:
        for job, written in zip(jobs, commit.written, strict=True):
            self.leave()
            if not job.future.done():
                job.future.set_result(written)
        self.on_commit(commit)

    # ---- the thread's side

    def _run(self) -> None:
        try:
            self._store.open()
        except BaseException as error:  # noqa: BLE001 - it is raised again where start() waits
            self._call(_fail, self._opened, error)
            return
        upkeep = Upkeep(time.monotonic(), self._now_ms, self._status)
        self._call(_succeed, self._opened, None)
        while True:
            jobs = self._wait(upkeep.due_in_s(time.monotonic()))
            if jobs is None:
                break
            try:
                self._handle(jobs, upkeep)
            except Exception:
                log.exception("the writer failed and goes on")
        self._finish()

    def _wait(self, limit_s: float) -> list[_Write | _Find] | None:
        """The next jobs to handle together, none when a chore is due; None at the end."""
        with self._wake:
            if not self._jobs and self._stopping_since_s is None and not self._beats:
                self._wake.wait(limit_s)
            if not self._jobs:
                return None if self._stopping_since_s is not None else []
            if isinstance(self._jobs[0], _Find):
                return [self._jobs.popleft()]
            ready: list[_Write] = []
            for job in self._jobs:
                if isinstance(job, _Find):
                    break
                ready.append(job)
            length = group_length([weight(job.batch) for job in ready])
            return [self._jobs.popleft() for _ in range(length)]

    def _handle(self, jobs: list[_Write | _Find], upkeep: Upkeep) -> None:
        writes = [job for job in jobs if isinstance(job, _Write)]
        for job in jobs:
            if isinstance(job, _Find):
                self._answer(job)
        if writes or self._beats:
            self._commit(writes)
            upkeep.wrote([job.batch for job in writes], time.monotonic())
        self._keep_up(upkeep)

    def _keep_up(self, upkeep: Upkeep) -> None:
        try:
            done = upkeep.run(self._store.opened(), time.monotonic(), idle=not self._jobs)
        except StoreCorrupt as error:
            self._store.replace(error)
            return
        except StoreBusy as error:
            self._store.degrade(str(error))
            self._pause(REOPEN_EVERY_S)
            return
        if done.busy:
            self._store.degrade(done.busy)
        elif done.is_alive:
            self._store.recover()
        if done.settled or done.pruned:
            self._call(self.on_upkeep, done)

    def _answer(self, job: _Find) -> None:
        found = self._store.cursor(job.source, job.epoch)
        if found is None:
            self._call(_fail, job.future, StoreBusy("stopped before the cursor was known"))
        else:
            self._call(_succeed, job.future, found)

    def _commit(self, jobs: list[_Write]) -> None:
        batches = [job.batch for job in jobs]
        beats = self._take_beats()
        started_s = time.monotonic()
        written = self._store.write(batches, beats)
        if written is None:
            for job in jobs:
                self._call(_fail, job.future, StoreBusy("stopped before it could be stored"))
            return
        commit = Commit(tuple(batches), tuple(written), time.monotonic() - started_s)
        self._call(self._delivered, jobs, commit)

    def _pause(self, wait_s: float) -> bool:
        """Wait; False when there is no more time because of a stop."""
        until_s = time.monotonic() + wait_s
        with self._wake:
            while (left_s := until_s - time.monotonic()) > 0:
                since_s = self._stopping_since_s
                if since_s is not None and time.monotonic() - since_s > STOP_LIMIT_S:
                    return False
                self._wake.wait(min(left_s, 0.25))
        return True

    def _take_beats(self) -> list[SourceBeat]:
        with self._wake:
            beats, self._beats = self._beats, {}
        return list(beats.values())

    def _finish(self) -> None:
        self._store.finish(self._now_ms(), self._status())

    def _call(self, function: Callable[..., None], *arguments: Any) -> None:
        """Run something in the event loop; it may be gone already."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function, *arguments)


def _succeed(future: asyncio.Future[Any], value: Any) -> None:
    if not future.done():
        future.set_result(value)


def _fail(future: asyncio.Future[Any], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)
