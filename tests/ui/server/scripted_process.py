"""Collectors that do what a test says, in place of real ones."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from ui.server.log_file import LogFile


class ScriptedProcess:
    """A collector that says it is ready (or not) and ends when told to."""

    def __init__(self, *, is_ready: bool = True, ends_with: int | None = None) -> None:
        self.ws = "127.0.0.1:40001"
        self.pid = 4711
        self.stopped = 0
        self._is_ready = is_ready
        self._end: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        if ends_with is not None:
            self._end.set_result(ends_with)

    async def ready(self) -> bool:
        """As scripted."""
        return self._is_ready

    async def ended(self) -> int:
        """When `end` or `stop` says so."""
        return await asyncio.shield(self._end)

    def end(self, status: int) -> None:
        """It ends by itself."""
        if not self._end.done():
            self._end.set_result(status)

    async def stop(self) -> None:
        """It is ended."""
        self.stopped += 1
        self.end(-15)


class ScriptedStart:
    """Starts the processes of a list, one after the other; the last again and again."""

    def __init__(self, *processes: ScriptedProcess | OSError) -> None:
        self._processes = list(processes)
        self.started: list[tuple[list[str], dict[str, str]]] = []
        """Arguments and environment of each start."""

    async def __call__(
        self, arguments: Sequence[str], environ: Mapping[str, str], _log: LogFile
    ) -> ScriptedProcess:
        """Start the next one."""
        self.started.append((list(arguments), dict(environ)))
        found = self._processes.pop(0) if len(self._processes) > 1 else self._processes[0]
        if isinstance(found, OSError):
            raise found
        return found
