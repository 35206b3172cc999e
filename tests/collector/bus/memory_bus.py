"""A bus in memory that fails when told to, and gives out again what was not stored."""

from __future__ import annotations

import asyncio
import dataclasses
from collections import deque

from collector.bus.bus import Delivered
from collector.bus.parcels import Message
from domain.errors import BusError, BusFull
from storage.batches import BusState


@dataclasses.dataclass(slots=True)
class _Held:
    number: int
    message: Message
    deliveries: int = 0


class MemoryBus:
    """What is published is `held` until it is done; a message of a name that is known is not held again."""

    most_bytes = 1_048_576

    def __init__(self) -> None:
        self.is_away = self.is_full = False
        self.loses_acks = 0
        """So many more messages are taken, and not acknowledged."""
        self.held: dict[int, _Held] = {}
        self.free: deque[int] = deque()
        self.names: set[str] = set()
        self.dead: list[tuple[bytes, str]] = []
        self._subjects_of_dead: list[str] = []
        self.kept = 0
        self.published: list[Message] = []
        self._next = 1

    async def start(self) -> None:
        """It is there."""

    async def publish(self, message: Message) -> None:
        """Take it, unless told otherwise."""
        self._check()
        if self.is_full:
            raise BusFull("maximum bytes exceeded")
        if message.name not in self.names:
            self.names.add(message.name)
            self.published.append(message)
            self.held[self._next] = _Held(self._next, message)
            self.free.append(self._next)
            self._next += 1
        if self.loses_acks:
            self.loses_acks -= 1
            raise BusError("timeout")

    async def newest(self, subject: str) -> bytes | None:
        """The last one of a subject that is held."""
        self._check()
        found = [held.message.body for held in self.held.values() if held.message.subject == subject]
        return found[-1] if found else None

    async def take(self, most: int, wait_s: float) -> list[Delivered]:
        """Those that nobody has."""
        self._check()
        if not self.free:
            await asyncio.sleep(min(wait_s, 0.005))
        found = []
        while self.free and len(found) < most:
            held = self.held[self.free.popleft()]
            held.deliveries += 1
            found.append(Delivered(held.number, held.message.body, held.deliveries))
        return found

    async def done(self, delivered: Delivered) -> None:
        """Forget it."""
        self._check()
        self.held.pop(delivered.number, None)

    async def keep(self, delivered: Delivered) -> None:  # noqa: ARG002 - whichever it is
        """Count it."""
        self.kept += 1

    async def give_back(self, delivered: Delivered) -> None:
        """Somebody else may have it."""
        if delivered.number in self.held:
            self.free.append(delivered.number)

    async def lay_aside(self, delivered: Delivered, why: str) -> None:
        """Keep it apart."""
        self._check()
        held = self.held.pop(delivered.number)
        self.dead.append((delivered.body, why))
        self._subjects_of_dead.append(held.message.subject)

    async def put_back(self, most: int) -> int:
        """Hold the oldest of the dead again."""
        self._check()
        done = min(most, len(self.dead))
        for _ in range(done):
            body, _why = self.dead[0]
            await self.publish(Message(self._subjects_of_dead[0], f"again-{self._next}", body))
            del self.dead[0], self._subjects_of_dead[0]
        return done

    async def state(self) -> BusState:
        """How it is."""
        return BusState(
            url="memory", is_connected=not self.is_away, waiting=len(self.free), dead=len(self.dead)
        )

    async def stop(self) -> None:
        """Nothing to let go of."""

    def fall_silent(self) -> None:
        """Its writers died: what they had is given out again."""
        self.free = deque(sorted(self.held))

    def _check(self) -> None:
        if self.is_away:
            raise BusError("not connected")
