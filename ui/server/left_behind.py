"""A collector that a killed dashboard left behind: it went on collecting, and the next one takes it over.

Beside the collector's log stands who started whom. The next dashboard takes the collector over when it is
that very process and the dashboard that started it is gone; one that was started by hand is never touched.
Linux only: elsewhere nothing is taken over, and the collector stays until somebody ends it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import Path
from typing import NamedTuple, Self

from ui.server.child import STOP_LIMIT_S
from ui.server.log_file import LogFile

_PARENT, _STARTED = 1, 19
"""Places after state in `/proc/<pid>/stat` (proc_pid_stat(5)): parent, and start in clock ticks."""


class _Seen(NamedTuple):
    """A process, told from a later one with the same number by when it started."""

    parent: int
    started: int


def record_of(log: LogFile) -> Path:
    """Where it stands who started whom."""
    return log.path.with_suffix(".pid")


def remember(record: Path, pid: int) -> None:
    """Note that we started a collector.

    Raises:
        OSError: It cannot be written.
    """
    seen = _look(pid)
    if seen is not None:
        record.write_text(f"{pid} {seen.started} {os.getpid()}\n", encoding="ascii")


def forget(record: Path) -> None:
    """The collector that we started has ended."""
    with contextlib.suppress(OSError):
        record.unlink()


class LeftBehind:
    """A collector of a dashboard that is gone: as `Child`, but not ours. Stop it before letting go of it."""

    def __init__(self, pid: int, handle: int) -> None:
        self._pid = pid
        self._handle = handle
        self.ws = ""

    @classmethod
    def find(cls, record: Path) -> Self | None:
        """The one that a record tells of; None when it is gone, or its dashboard still there."""
        try:
            pid, started, owner = (int(part) for part in record.read_text(encoding="ascii").split())
        except (OSError, ValueError):
            return None
        if not hasattr(os, "pidfd_open"):
            return None
        try:
            handle = os.pidfd_open(pid)
        except OSError:
            return None
        seen = _look(pid)  # after it was opened: it cannot become another process now
        if seen is None or seen.started != started or seen.parent == owner:
            os.close(handle)
            return None
        return cls(pid, handle)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._pid

    async def ready(self) -> bool:
        """It answered before it was looked for."""
        return True

    async def ended(self) -> int:
        """Wait for its end; its exit status is told to nobody but its parent, so this is 0."""
        loop, over = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self._handle, over.set)
        try:
            await over.wait()
        finally:
            loop.remove_reader(self._handle)
        return 0

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL when it has not ended within five seconds."""
        self._send(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_LIMIT_S):
                await self.ended()
        except TimeoutError:
            self._send(signal.SIGKILL)
            await self.ended()
        os.close(self._handle)

    def _send(self, what: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._handle, what)


def _look(pid: int) -> _Seen | None:
    """What the system says of a process; None when there is none, or it only waits to be buried."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    state, *numbers = text.rpartition(") ")[2].split()
    if state in {"Z", "X"}:
        return None
    return _Seen(int(numbers[_PARENT - 1]), int(numbers[_STARTED - 1]))
