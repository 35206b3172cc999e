"""What the ways in need of whoever takes their batches: a writer on this machine, or a bus."""

from __future__ import annotations

import asyncio
from typing import Protocol

from collector.steady_store import Health
from storage.batches import Batch, SourceBeat, Written


class Sink(Protocol):
    """Takes batches; a future is done when its batch cannot be lost any more. For one event loop."""

    capacity: int
    waiting: int
    piece: tuple[int, int] | None
    """How many items, and bytes of them, of a stream's message may be one batch; None for any number."""

    @property
    def health(self) -> Health:
        """Whether it can take batches now."""

    @property
    def notice(self) -> str:
        """A sentence about something that a person should know, else empty."""

    async def room(self) -> None:
        """Wait for a place in the queue; `submit` or `leave` must follow."""

    def leave(self) -> None:
        """Give a place back without using it."""

    def submit(self, batch: Batch) -> asyncio.Future[Written]:
        """Put a batch into the place that `room` gave."""

    async def store(self, batch: Batch) -> Written:
        """Wait for room, then for the batch to be safe."""

    async def find_cursor(self, source: str, epoch: str, oldest: int) -> int:
        """How far a source has come; `oldest` is the first number that it still has."""

    def beat(self, beat: SourceBeat) -> None:
        """Record a sign of life; the latest one of a source wins."""
