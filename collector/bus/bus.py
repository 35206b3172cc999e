"""What is asked of a bus. Everything may raise `BusError`; what each promises, its own module says."""

from __future__ import annotations

import dataclasses
from typing import Any, Protocol

from collector.bus.parcels import Message
from storage.batches import BusState

ACK_WAIT_S = 15.0
"""A writer that says nothing about a message for this long has lost it: another gets it."""


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Delivered:
    """A message in a writer's hands."""

    number: int
    """Unique on the bus."""
    body: bytes
    deliveries: int
    """How often it was given out, this time included."""
    handle: Any = None
    """What the bus needs to find it again."""


class Bus(Protocol):
    """For one event loop."""

    @property
    def most_bytes(self) -> int:
        """The longest body that a message may have."""

    async def start(self) -> None:
        """Begin to connect; returns at once, whether anybody answers or not."""

    async def publish(self, message: Message) -> None:
        """Put a message on the bus; returns when it is safe there.

        Raises:
            BusFull: There is no room.
            BusError: It is not known to be there.
        """

    async def newest(self, subject: str) -> bytes | None:
        """The body of the newest message of a subject that no writer has stored yet; None without one."""

    async def take(self, most: int, wait_s: float) -> list[Delivered]:
        """Messages for this writer, none when nothing came in time."""

    async def done(self, delivered: Delivered) -> None:
        """It is stored: the bus may forget it."""

    async def keep(self, delivered: Delivered) -> None:
        """It is still being worked on."""

    async def give_back(self, delivered: Delivered) -> None:
        """Somebody else may have it, at once."""

    async def lay_aside(self, delivered: Delivered, why: str) -> None:
        """Nothing can be made of it: keep it where people find it, and give it out no more."""

    async def put_back(self, most: int) -> int:
        """Give out again up to `most` of those that were laid aside, the oldest first; returns how many.

        Raises:
            BusError: Not all of them; those that were are not among the dead any more.
        """

    async def state(self) -> BusState:
        """How it is. Does not raise: what is wrong is in the answer."""

    async def stop(self) -> None:
        """Let go of it."""
