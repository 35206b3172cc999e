"""Duties that one process has at a time: alerts and approved changes run while it is one's turn.

Whoever has them makes sure every second that it still does. Where it cannot for 3.5 s it acts no more, even
in the middle of a turn: what it was about to do belongs to whoever comes next. That one waits a little longer
than this before it begins. So nothing is sent twice, whoever dies, hangs or is cut off.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from domain.errors import StoreError
from storage.leadership import LEASE_S, Leadership

log = logging.getLogger("gatewatch.duty")

EVERY_S = 1.0


class Part(Protocol):
    """Something that runs while it is one's turn."""

    def start(self) -> None:
        """Begin."""

    async def stop(self) -> None:
        """End, soon."""


class Duty:
    """From `start` to `stop`.

    Args:
        leadership: Says whose turn it is; used in threads, by one at a time.
        make_parts: What to run; told how to ask whether one may still act.
        clock_s: A monotonic clock.
    """

    def __init__(
        self,
        leadership: Leadership,
        make_parts: Callable[[Callable[[], bool]], Sequence[Part]],
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._leadership, self._make_parts, self._clock_s = leadership, make_parts, clock_s
        self._confirmed_s: float | None = None
        self._parts: Sequence[Part] = ()
        self._task: asyncio.Task[None] | None = None

    @property
    def is_on(self) -> bool:
        """Whether the duties are done here."""
        return bool(self._parts)

    def may_act(self) -> bool:
        """Whether they are surely still this process's. Cheap, and may be asked from any thread."""
        confirmed_s = self._confirmed_s
        if not self._leadership.takeover_s:
            return True  # nobody else is there
        return confirmed_s is not None and self._clock_s() - confirmed_s < LEASE_S

    def start(self) -> None:
        """Begin to wait for one's turn."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End what runs and let another have it."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._end()
        await asyncio.to_thread(self._leadership.release)

    async def _run(self) -> None:
        taken_s: float | None = None
        why = ""
        while True:
            asked_s = self._clock_s()
            try:
                is_held = await asyncio.to_thread(self._leadership.hold)
            except StoreError as error:
                is_held = False
                if str(error) != why:
                    why = str(error)
                    log.warning("whose turn it is cannot be asked: %s", why)
            except Exception:
                # not knowing whose turn it is means that it is not ours; asked again soon
                log.exception("whose turn it is cannot be asked")
                is_held = False
            if is_held:
                taken_s = asked_s if taken_s is None else taken_s
                self._confirmed_s = asked_s
                if not self._parts and self._clock_s() - taken_s >= self._leadership.takeover_s:
                    if not self._begin():
                        taken_s = self._confirmed_s = None
                        await asyncio.to_thread(self._leadership.release)
                    why = ""
            else:
                taken_s = self._confirmed_s = None
                await self._end()
            await asyncio.sleep(EVERY_S)

    def _begin(self) -> bool:
        """Whether they could be begun; where not, another may be luckier."""
        try:
            parts = self._make_parts(self.may_act)
        except Exception:
            # the lease is given back, so that another process can try
            log.exception("alerts and approved changes cannot be done here; somebody else may have them")
            return False
        for part in parts:
            part.start()
        self._parts = parts
        log.info("alerts and approved changes are done here now")
        return True

    async def _end(self) -> None:
        parts, self._parts = self._parts, ()
        self._confirmed_s = None
        if parts:
            await asyncio.gather(*(part.stop() for part in parts))
            log.warning("alerts and approved changes are done here no more")
