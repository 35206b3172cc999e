"""Senders that make so many events in all, spread over sources, and send a part of them a second time."""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
import time
from collections.abc import Callable
from typing import Any

from collector.stream_client import StreamClient
from tests.e2e.load import now_ms

FIRST_MS = 1_800_000_000_000
SPAN_MS = 3_600_000
CONSUMERS, ADDRESSES, ROUTES = 40, 400, 12


def refusal_of(number: int) -> dict[str, Any]:
    """Refusal number n, always the same: spread over an hour, consumers, addresses and routes."""
    chance = random.Random(number)  # noqa: S311 - the same for everybody
    return {
        "kind": "rate-limiting",
        "event": "exceeded",
        "id": f"request:{number:032x}",
        "request_id": f"{number:032x}",
        "at_ms": FIRST_MS + chance.randrange(SPAN_MS),
        "consumer": f"consumer-{chance.randrange(CONSUMERS)}",
        "ip": f"203.0.{chance.randrange(ADDRESSES) // 250}.{chance.randrange(250)}",
        "service": "orders",
        "route": f"route-{chance.randrange(ROUTES)}",
        "status": 429,
        "limit_name": "minute",
        "limit_value": 20,
        "window_s": 60,
        "certainty": "certain",
        "is_request": True,
    }


class Senders:
    """Sources in a thread; each has a share of the events, some send those of others again.

    Args:
        urls: Of the collectors; a source whose collector is gone goes to the next.
        events: How many.
        sources: How many sources share them.
        again: How many of them are sent a second time, by a source of their own.
        make: Makes event number n.
        rate: Most events a second of all together; None for as fast as they are taken.
    """

    def __init__(
        self,
        urls: list[str],
        events: int,
        sources: int = 4,
        again: int = 0,
        make: Callable[[int], dict[str, Any]] = refusal_of,
        rate: float | None = None,
    ) -> None:
        self.acked = 0
        """Of the events, not counting what was sent again."""
        self.unacked = events
        self.failure: BaseException | None = None
        self._urls, self._make, self._rate = urls, make, rate
        shares = [range(n, events, sources) for n in range(sources)]
        self._shares = {f"source-{n}": share for n, share in enumerate(shares)}
        step = max(1, events // again) if again else 1
        self._shares |= {"again": range(0, events, step)[:again]} if again else {}
        self._clients: dict[str, StreamClient] = {}
        self._thread = threading.Thread(target=self._run_all, daemon=True)
        self._thread.start()

    @property
    def sent(self) -> int:
        """Events that were acknowledged up to now, those sent again too."""
        return sum(client.buffer.oldest - 1 for client in self._clients.values())

    def wait(self, limit_s: float) -> None:
        """Until everything is acknowledged."""
        self._thread.join(limit_s)
        assert not self._thread.is_alive(), f"{self.sent} acknowledged after {limit_s:.0f} s"
        if self.failure is not None:
            raise self.failure

    def _run_all(self) -> None:
        try:
            asyncio.run(self._run())
        except BaseException as error:  # noqa: BLE001 - raised again in wait()
            self.failure = error

    async def _run(self) -> None:
        await asyncio.gather(*(self._send(*pair) for pair in enumerate(self._shares.items())))

    async def _send(self, place: int, named: tuple[str, range]) -> None:
        source, share = named
        url = self._urls[place % len(self._urls)]
        client = StreamClient(url, source, "1", random=random.random, now_ms=now_ms)
        self._clients[source] = client
        running = asyncio.create_task(client.run())
        pace = None if self._rate is None else len(self._shares) / self._rate
        since = time.monotonic()
        for done, number in enumerate(share, 1):
            await client.put(self._make(number))
            if pace is not None and not done % 50:
                await asyncio.sleep(max(0.0, since + done * pace - time.monotonic()))
        await client.drained()
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
