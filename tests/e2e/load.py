"""Senders of the stream protocol at a set rate, and what came of all that they sent."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from collector.stream_client import StreamClient
from storage.packing import unpack_id
from tests.storage.filling import rows

TICK_S = 0.02
DRAIN_LIMIT_S = 60.0
Event = Callable[[str, int], dict[str, Any]]


def now_ms() -> int:
    """The wall clock, milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def tick(source: str, number: int) -> dict[str, Any]:
    """An event of no consequence with a name of its own."""
    return {"kind": "plugin", "event": "tick", "id": f"{source}-{number}", "at_ms": now_ms()}


class Load:
    """Senders in a thread that together make `rate` events per second, until `stop`.

    Args:
        ws: `HOST:PORT` of the collector.
        rate: Events per second of all senders together; may be changed while it runs.
        senders: How many sources.
        event: Makes event number n of a source.
        scheme: `ws` or `wss`.
    """

    def __init__(
        self, ws: str, rate: float, senders: int = 3, event: Event = tick, scheme: str = "ws"
    ) -> None:
        self.rate = rate
        self.sent: dict[str, int] = {}
        """How many events each source made."""
        self.unacked = 0
        self.ack_ages_s: list[float] = []
        """From an event's making to its acknowledgement, looked at every 20 ms; a sample of all."""
        self.longest_silence_s = 0.0
        """Longest time in which no sender was acknowledged anything although it waited for something."""
        self.connects = 0
        self._url = f"{scheme}://{ws}/v1/stream"
        self._epoch = str(time.time_ns())  # another load of the same sources begins its numbers anew
        self._event = event
        self._senders = senders
        self._stopped = threading.Event()
        self._acked_s = time.monotonic()
        # as a daemon, so that a test that fails before `stop` does not go on for ever
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._thread.start()

    @property
    def total(self) -> int:
        """How many events were made."""
        return sum(self.sent.values())

    def p99_s(self) -> float:
        """99 of 100 sampled events were acknowledged within this time."""
        ages = sorted(self.ack_ages_s)
        return ages[len(ages) * 99 // 100]

    def stop(self) -> float:
        """Make no more, wait until all is acknowledged; returns how many seconds that took."""
        since_s = time.monotonic()
        self._stopped.set()
        self._thread.join(DRAIN_LIMIT_S + 10)
        return time.monotonic() - since_s

    async def _run(self) -> None:
        counts = await asyncio.gather(*(self._send(f"sender-{n}") for n in range(self._senders)))
        self.unacked = sum(counts)

    async def _send(self, source: str) -> int:
        client = StreamClient(self._url, source, self._epoch, random=random.random, now_ms=now_ms)
        running = asyncio.create_task(client.run())
        watching = asyncio.create_task(self._watch(client))
        number, owed, last_s = 0, 0.0, time.monotonic()
        while not self._stopped.is_set():
            now_s = time.monotonic()
            owed = min(owed + (now_s - last_s) * self.rate / self._senders, self.rate)
            last_s = now_s
            while owed >= 1 and not self._stopped.is_set():
                await client.put(self._event(source, number))
                number += 1
                owed -= 1
                self.sent[source] = number
            await asyncio.sleep(TICK_S)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(client.drained(), DRAIN_LIMIT_S)
        for task in (running, watching):
            task.cancel()
        await asyncio.gather(running, watching, return_exceptions=True)
        self.connects += client.connects
        return client.buffer.unacked

    async def _watch(self, client: StreamClient) -> None:
        buffer = client.buffer
        marked: tuple[int, float] | None = None
        oldest = buffer.oldest
        while True:
            now_s = time.monotonic()
            if marked is not None and buffer.oldest > marked[0]:
                self.ack_ages_s.append(now_s - marked[1])
                marked = None
            if marked is None and buffer.unacked:
                marked = (buffer.next - 1, now_s)
            if buffer.oldest > oldest or not buffer.unacked:
                self._acked_s = now_s
                oldest = buffer.oldest
            self.longest_silence_s = max(self.longest_silence_s, now_s - self._acked_s)
            await asyncio.sleep(TICK_S)


def lost_and_doubled(database: Path, sent: dict[str, int]) -> tuple[int, int]:
    """How many of the events `source-0` to `source-(n-1)` are not in the file, and how many are twice."""
    found = Counter(unpack_id(event_id) for (event_id,) in rows(database, "SELECT id FROM events"))
    wanted = {f"{source}-{number}" for source, count in sent.items() for number in range(count)}
    doubled = sum(count - 1 for count in found.values())
    assert set(found) <= wanted, f"not sent by anybody: {sorted(set(found) - wanted)[:3]}"
    return len(wanted - set(found)), doubled


def health(http_address: str) -> tuple[int, dict[str, Any]]:
    """Status and body of /healthz."""
    try:
        with urllib.request.urlopen(f"http://{http_address}/healthz", timeout=5) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def resident_mib(pid: int) -> float:
    """Memory that a process holds now."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


def measured(text: str) -> None:
    """Tell a figure to whoever runs the tests with -s; docs/reliability.md quotes it."""
    print(f"\nmeasured: {text}")  # noqa: T201 - for the operator
