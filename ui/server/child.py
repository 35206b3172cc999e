"""A collector process of ours: started, waited for, stopped politely and then firmly."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from ui.server.log_file import LogFile

READY = re.compile(rb"collector ready ws=(\S+) http=(\S+) database=(.*)")
READY_LIMIT_S = 30.0
"""A start on a large database that has to be brought up to date takes seconds, not more."""
STOP_LIMIT_S = 5.0
"""What the collector promises for a stop after SIGTERM."""


class Process(Protocol):
    """A collector that was started; `Child` is the real one."""

    ws: str
    """Where it takes streams, once ready."""

    @property
    def pid(self) -> int:
        """Its process id."""

    async def ready(self) -> bool:
        """See `Child.ready`."""

    async def ended(self) -> int:
        """See `Child.ended`."""

    async def stop(self) -> None:
        """See `Child.stop`."""


Start = Callable[[Sequence[str], Mapping[str, str], LogFile], Awaitable[Process]]
"""Starts a collector with arguments, environment and log."""


class Child:
    """One `python -m collector ...`. Stop it before letting go of it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._drain: asyncio.Task[None] | None = None
        self.ws = ""

    @classmethod
    async def start(cls, arguments: Sequence[str], environ: Mapping[str, str], log: LogFile) -> Child:
        """Start it in a session of its own, so that Ctrl-C in the terminal reaches only us.

        Raises:
            OSError: It cannot be started, or the log cannot be written.
        """
        _keep_files_to_ourselves()
        with log.open() as stderr:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "collector",
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=stderr,
                env=dict(environ),
                start_new_session=True,
            )
        return cls(process)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    async def ready(self) -> bool:
        """Wait until it says that it takes events; False when it ends or stays silent instead."""
        try:
            async with asyncio.timeout(READY_LIMIT_S):
                found = await self._ready_line()
        except TimeoutError:
            found = None
        if found is not None:
            self.ws = found.group(1).decode("ascii", "replace")
            self._drain = asyncio.create_task(self._read_on())
        return found is not None

    async def _ready_line(self) -> re.Match[bytes] | None:
        if self._process.stdout is None:
            return None
        async for line in self._process.stdout:
            if found := READY.match(line):
                return found
        return None

    async def _read_on(self) -> None:
        """A pipe that nobody reads would in the end stop its writer."""
        if self._process.stdout is not None:
            while await self._process.stdout.read(65_536):
                pass

    async def ended(self) -> int:
        """Wait for its end; returns the exit status, negative for a signal."""
        return await self._process.wait()

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL when it has not ended within five seconds."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            async with asyncio.timeout(STOP_LIMIT_S):
                await self._process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
        if self._drain is not None:
            self._drain.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._drain


def _keep_files_to_ourselves() -> None:
    """Let no child inherit what we have open, above all not the socket that browsers connect to.

    Streamlit makes that socket inheritable (starlette_server.py, 1.67), and uvloop, which then starts our
    children, closes nothing in them (0.23, measured). A collector that outlives us would hold the port, and
    no dashboard could start on it again.
    """
    for opened in list(Path("/dev/fd").iterdir()):
        if int(opened.name) > 2:  # noqa: PLR2004 - the three standard streams
            with contextlib.suppress(OSError):  # the folder that was listed is closed by now
                os.set_inheritable(int(opened.name), False)
