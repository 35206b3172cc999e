"""The service of changes in a thread and an event loop of its own.

It waits for locks of the database and for Kong; the streams of the collector must not wait with it.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable

from changes.service import ChangeService
from settings import Settings

log = logging.getLogger("gatewatch.changes")

FINISH_S = 1.5
"""How long a stop waits for a turn to end; what takes longer is looked after at the next start."""


class ChangeThread:
    """Runs from `start` to `stop`.

    Args:
        settings: Where Kong is, and what may be done.
        now_ms: The time.
        may_act: Whether changes are still this process's: asked before every turn.

    Raises:
        SettingValueError: A setting cannot be used.
    """

    def __init__(
        self, settings: Settings, now_ms: Callable[[], int], may_act: Callable[[], bool] = lambda: True
    ) -> None:
        self._service = ChangeService(settings, now_ms, may_act=may_act)
        self._thread = threading.Thread(target=self._run, name="changes", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._stop = asyncio.Event()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    async def stop(self) -> None:
        """End after the turn that runs, or in the middle of it when that takes too long."""
        if not self._thread.is_alive():
            return
        self._tell(self._stop.set)
        await asyncio.to_thread(self._thread.join, FINISH_S)
        if self._thread.is_alive() and self._task is not None:
            log.warning("stopped in the middle of a turn of changes; the next start looks after it")
            self._tell(self._task.cancel)
            await asyncio.to_thread(self._thread.join, FINISH_S / 3)

    def _tell(self, what: Callable[[], object]) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(what)

    def _run(self) -> None:
        with asyncio.Runner() as runner:
            self._loop = runner.get_loop()
            try:
                runner.run(self._work())
            except asyncio.CancelledError:
                log.info("changes: cancelled")

    async def _work(self) -> None:
        self._task = asyncio.current_task()
        await self._service.run(self._stop)
