"""Where decoding happens: short messages in the event loop, long ones in one thread beside it.

Decoding is pure Python, so a thread makes nothing faster; but the loop gets its turn every 5 ms (the
interpreter's switch interval) instead of waiting for a whole message.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import msgspec

from collector.batching import Gathered, read_batch
from domain.events import Decoded

LONG_ITEMS = 100
"""Decoding takes 20 to 150 us an item: up to 15 ms in the loop."""
LONG_BYTES = 131_072
_THREAD = ThreadPoolExecutor(max_workers=1, thread_name_prefix="decode")


async def decode_items(items: list[msgspec.Raw], received_ms: int) -> Gathered:
    """Read the items of one stream batch."""

    def act() -> Gathered:
        return read_batch(items, received_ms=received_ms)

    if len(items) <= LONG_ITEMS:
        return act()
    return await asyncio.get_running_loop().run_in_executor(_THREAD, act)


async def decode_body(decode: Callable[[], Decoded], size: int) -> Decoded:
    """Read one HTTP body; whatever `decode` raises is raised here."""
    if size <= LONG_BYTES:
        return decode()
    return await asyncio.get_running_loop().run_in_executor(_THREAD, decode)
