"""What waits to be sent to one browser: bounded, and always the newest."""

from __future__ import annotations

import asyncio
from enum import StrEnum

MAX_WAITING_TAILS = 16
"""Tail messages; more waiting means the browser is slow, and it is given the newest rows instead."""


class Slot(StrEnum):
    """Messages that replace older ones of their kind."""

    FULL = "full"
    FRESH = "fresh"
    TROUBLE = "trouble"
    TICKET = "ticket"


class Outbox:
    """At most one message of each slot, and a few tail messages in order. For one event loop."""

    def __init__(self) -> None:
        self._slots: dict[Slot, bytes] = {}
        self._tails: list[bytes] = []
        self._wake = asyncio.Event()
        self.has_lost_tail = False
        """Tail messages were dropped; the next thing to send is a whole tail."""
        self.dropped = 0
        """Messages that were replaced or dropped unsent."""

    def put(self, slot: Slot, message: bytes) -> None:
        """Send this instead of an older one of its kind."""
        self.dropped += slot in self._slots and slot == Slot.FULL
        self._slots[slot] = message
        self._wake.set()

    def put_tail(self, message: bytes) -> None:
        """Send this after the tail messages before it."""
        if len(self._tails) >= MAX_WAITING_TAILS:
            self.dropped += len(self._tails)
            self._tails.clear()
            self.has_lost_tail = True
        if self.has_lost_tail:
            self.dropped += 1
        else:
            self._tails.append(message)
        self._wake.set()

    async def take(self) -> list[bytes]:
        """Wait until there is something to send; what is small and urgent comes first."""
        await self._wake.wait()
        self._wake.clear()
        order = (Slot.TROUBLE, Slot.FRESH)
        first = [self._slots.pop(slot) for slot in order if slot in self._slots]
        rest = [self._slots.pop(slot) for slot in (Slot.FULL, Slot.TICKET) if slot in self._slots]
        tails, self._tails = self._tails, []
        return [*first, *tails, *rest]
