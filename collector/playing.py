"""What both ways of replaying share: which lines, when each is due, what came of it, the progress bar."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import orjson
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from collector.recording import Move, Recording, mover, received_ms, shifted
from collector.wire.json_bytes import tidied
from domain.errors import DecodeError


@dataclasses.dataclass(slots=True)
class Totals:
    """What a run came to."""

    entries: int = 0
    events: int = 0
    violations: int = 0
    duplicates: int = 0
    quarantined: int = 0

    def __str__(self) -> str:
        return (
            f"replayed {self.entries} entries: {self.events} events, {self.violations} violations, "
            f"{self.duplicates} duplicates, {self.quarantined} quarantined"
        )


@dataclasses.dataclass(frozen=True, slots=True)
class Line:
    """One line, ready to be decoded."""

    number: int
    raw: bytes
    value: Any
    """Its JSON; None when it is not JSON."""
    received_ms: int
    at_s: float
    """When it is due, in seconds after the first line; 0 without a pace."""
    place: str
    """Its file's content and its number: equal lines have different ones."""
    run: str
    """Tells this run from others of the same file; empty unless times are moved."""


class Player:
    """Reads lines, moves their times where asked to, and says when each is due.

    Args:
        pace: How many times faster than it happened; None plays as fast as it can.
        start_ms: Where the first entry is moved to; None leaves times as they are.
        now_ms: The wall clock, for lines that name no moment.
    """

    def __init__(self, pace: float | None, start_ms: int | None, now_ms: Callable[[], int]) -> None:
        self.pace = pace if start_ms is None else pace or 1.0
        self._start_ms = start_ms
        self._now_ms = now_ms
        self._suffix = "" if start_ms is None else f"-{start_ms:x}"
        self._first_ms: int | None = None
        self._move: Move | None = None

    @property
    def run(self) -> str:
        """What tells this run from others of the same file: empty unless times are moved."""
        return self._suffix.replace("-", ":")

    def lines(self, recording: Recording, after: int) -> Iterator[Line]:
        """Every line after line number `after`, empty ones left out."""
        for number, raw in enumerate(recording.lines(), start=1):
            if number > after and raw:
                yield self._line(number, raw, f"{recording.digest[:12]}:{number}")

    def _line(self, number: int, raw: bytes, place: str) -> Line:
        try:
            value = orjson.loads(raw)
        except orjson.JSONDecodeError:
            return Line(number, raw, None, self._now_ms(), 0.0, place, self._suffix)
        at_ms = received_ms(value)
        if at_ms is None:
            return Line(number, raw, value, self._now_ms(), 0.0, place, self._suffix)
        if self._first_ms is None:
            self._first_ms = at_ms
            if self._start_ms is not None:
                self._move = mover(at_ms, self._start_ms, self.pace or 1.0)
        due_s = (at_ms - self._first_ms) / 1000 / self.pace if self.pace else 0.0
        if self._move is not None:
            at_ms = self._move(at_ms)
            try:
                value = shifted(tidied(value, "line"), self._move, self._suffix)
            except DecodeError:  # whoever reads it says so again, and keeps it
                return Line(number, raw, value, at_ms, due_s, place, self._suffix)
            raw = orjson.dumps(value)
        return Line(number, raw, value, at_ms, due_s, place, self._suffix)


def shown_progress() -> Progress:
    """A bar per file on standard error, where that is a terminal."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
    )


def teller(progress: Progress, task: TaskID) -> Callable[[int], None]:
    """A function that moves one bar, at most ten times a second."""
    told_s = 0.0

    def tell(completed: int) -> None:
        nonlocal told_s
        if time.monotonic() - told_s > 0.1:  # noqa: PLR2004 - faster than anyone can see
            told_s = time.monotonic()
            progress.update(task, completed=completed)

    return tell


def tell_end(progress: Progress, task: TaskID, recording: Recording, *, is_done: bool) -> None:
    """Move a bar to where reading ended."""
    progress.update(task, completed=recording.bytes if is_done else recording.bytes_read)


def now_ms() -> int:
    """The wall clock, milliseconds since 1970."""
    return time.time_ns() // 1_000_000
