"""Plays the recorded sample: a collector of its own on free ports, a database of its own, over and over."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Mapping
from pathlib import Path

from settings import ENVIRONMENT_PREFIX, Settings
from ui.server.child import Child, Process, Start
from ui.server.log_file import LogFile
from ui.server.status import ChildState, ChildStatus

PAUSE_S = 2.0
"""Between two rounds."""

log = logging.getLogger("gatewatch.sample")


def apart(environ: Mapping[str, str]) -> dict[str, str]:
    """An environment without any setting of ours.

    The sample's collector must not poll the real Kong, notify real people or ask for real tokens.
    """
    kept = {name: value for name, value in environ.items() if not name.startswith(ENVIRONMENT_PREFIX)}
    return kept | {f"{ENVIRONMENT_PREFIX}CONFIG": os.devnull}


class SamplePlayer:
    """Off until `play`; ends everything it started with `stop`."""

    def __init__(
        self,
        settings: Settings,
        environ: Mapping[str, str],
        samples: Path,
        log_file: LogFile,
        *,
        start: Start = Child.start,
        pause_s: float = PAUSE_S,
    ) -> None:
        self._settings = settings
        self._environ = apart(environ)
        self._samples = samples
        self._log = log_file
        self._start = start
        self._pause_s = pause_s
        self._task: asyncio.Task[None] | None = None
        self.status = ChildStatus(state=ChildState.OFF)

    def play(self) -> None:
        """Begin, unless it plays."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End the player and its collector."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        self.status = ChildStatus(state=ChildState.OFF)

    async def _run(self) -> None:
        files = sorted(self._samples.glob("*.jsonl.gz"))
        if not files:
            self.status = ChildStatus(state=ChildState.OFF, detail=f"there is no sample in {self._samples}")
            return
        self.status = ChildStatus(state=ChildState.STARTING)
        arguments = ["--database", self._settings.sample_database]
        arguments += ["--ws-listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0"]
        try:
            collector = await self._start(arguments, self._environ, self._log)
        except OSError as error:
            self.status = ChildStatus(
                state=ChildState.OFF, detail=f"the sample cannot be played: {error.strerror}"
            )
            return
        try:
            if not await collector.ready():
                self.status = ChildStatus(
                    state=ChildState.OFF, detail=f"the sample cannot be played: {self._log.last_line()}"
                )
                return
            self.status = ChildStatus(state=ChildState.RUNNING, pid=collector.pid)
            await self._play_rounds(collector, files)
        finally:
            await collector.stop()

    async def _play_rounds(self, collector: Process, files: list[Path]) -> None:
        arguments = ["replay", "--to", f"ws://{collector.ws}/v1/stream", "--pace", "1", "--shift-to-now"]
        while True:
            player = await self._start([*arguments, *map(str, files)], self._environ, self._log)
            try:
                await player.ready()  # it never is: this reads its output to the end
                status = await player.ended()
            finally:
                await player.stop()
            if status != 0:
                log.warning("the sample stopped: %s", self._log.last_line())
            self._log.trim()
            await asyncio.sleep(self._pause_s)
