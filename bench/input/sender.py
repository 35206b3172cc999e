"""A sender of the stream at a set rate, in a process of its own: when each frame was due and acknowledged."""

from __future__ import annotations

import asyncio
import collections
import itertools
import multiprocessing
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from typing import NamedTuple

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from bench.input.shapes import as_plugin_entry, trace_entries

TICK_S = 0.02
FRAME_ITEMS = 100
DRAIN_LIMIT_S = 60.0
_ID, _AT = b"@@@@@@@@$$$$$$$$$$$$$$$$$$$$$$$$", b"1111111111111"
"""A request id as Kong makes them, 32 hexadecimal digits: a number, and what is the sender's own."""


class Sent(NamedTuple):
    """What came of it."""

    events: int
    seconds: float
    """From the first frame to the last acknowledgement."""
    acked_ms: list[float]
    """For each frame: from when it was due to its acknowledgement, waiting for the window included."""


def sending(
    url: str, rate: float, seconds: float, source: str = "load"
) -> tuple[ProcessPoolExecutor, Future[Sent]]:
    """Start one; `rate` 0 is as fast as the collector grants. Shut the pool down when the future is done."""
    pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
    return pool, pool.submit(_send, url, rate, seconds, source)


def _send(url: str, rate: float, seconds: float, source: str) -> Sent:
    return asyncio.run(_Sender(url, rate, seconds, source).run())


def _items() -> Iterator[Callable[[int, int], bytes]]:
    own = uuid.uuid4().hex[8:].encode()
    templates = []
    for entry in trace_entries(refusals_only=True)[:1_000]:
        made = as_plugin_entry(entry)
        made["request"]["id"] = _ID.decode()
        made["started_at"] = int(_AT)
        templates.append(
            orjson.dumps({"kind": "http-log", "id": _ID.decode(), "node": "bench", "entry": made}).replace(
                _ID[8:], own
            )
        )
    for template in itertools.cycle(templates):
        yield lambda number, at_ms, template=template: template.replace(  # type: ignore[misc]
            b"@@@@@@@@", b"%08x" % number
        ).replace(_AT, b"%d" % at_ms)


class _Sender:
    def __init__(self, url: str, rate: float, seconds: float, source: str) -> None:
        self._url, self._rate, self._seconds, self._source = url, rate, seconds, source
        self._items = _items()
        self._next = 1
        self._acked = self._window = 0
        self._due: collections.deque[tuple[int, float]] = collections.deque()
        self._acked_ms: list[float] = []
        self._room = asyncio.Condition()

    async def run(self) -> Sent:
        options = {"proxy": None, "subprotocols": [Subprotocol("gatewatch.ingest.v1")]}
        async with connect(self._url, max_size=None, **options) as stream:  # type: ignore[arg-type]
            epoch = uuid.uuid4().hex
            node = {"id": "bench", "hostname": "bench", "version": "3.9.3"}
            hello = {
                "t": "hello",
                "source": self._source,
                "epoch": epoch,
                "oldest": 1,
                "next": 1,
                "node": node,
            }
            await stream.send(orjson.dumps(hello), text=True)
            self._window = int(orjson.loads(await stream.recv())["window"])
            hearing = asyncio.create_task(self._hear(stream))
            began = time.monotonic()
            giving = asyncio.create_task(self._give_all(stream, began))
            await asyncio.wait({hearing, giving}, return_when=asyncio.FIRST_COMPLETED)
            if not giving.done():
                giving.cancel()
                raise ConnectionError(f"the stream was closed: {stream.close_code} {stream.close_reason}")
            await giving
            took = time.monotonic() - began
            hearing.cancel()
        return Sent(self._next - 1, took, self._acked_ms)

    async def _give_all(self, stream: ClientConnection, began: float) -> None:
        await self._give(stream, began)
        async with asyncio.timeout(DRAIN_LIMIT_S), self._room:
            await self._room.wait_for(lambda: self._acked >= self._next - 1)

    async def _give(self, stream: ClientConnection, began: float) -> None:
        given = 0.0
        while (now := time.monotonic()) < began + self._seconds:
            wanted = int((now - began) * self._rate - given) if self._rate else FRAME_ITEMS
            while wanted > 0:
                count = min(wanted, FRAME_ITEMS)
                await self._frame(stream, count, now)
                given += count
                wanted -= count
            if self._rate:
                await asyncio.sleep(TICK_S)

    async def _frame(self, stream: ClientConnection, count: int, due: float) -> None:
        async with self._room:
            await self._room.wait_for(lambda: self._next - 1 + count - self._acked <= self._window)
        at_ms = time.time_ns() // 1_000_000
        items = b",".join(next(self._items)(self._next + place, at_ms) for place in range(count))
        frame = b'{"t":"batch","first":%d,"events":[%b]}' % (self._next, items)
        self._next += count
        self._due.append((self._next - 1, due))
        await stream.send(frame, text=True)

    async def _hear(self, stream: ClientConnection) -> None:
        async for raw in stream:
            message = orjson.loads(raw)
            if message["t"] != "ack":
                continue
            now = time.monotonic()
            self._acked, self._window = int(message["upto"]), max(int(message["window"]), FRAME_ITEMS)
            while self._due and self._due[0][0] <= self._acked:
                self._acked_ms.append((now - self._due.popleft()[1]) * 1000)
            async with self._room:
                self._room.notify_all()
