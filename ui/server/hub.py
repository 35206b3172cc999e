"""Notices new commits, reads each watched view once, and hands it to everyone who watches it.

One task and one thread per store. A view without viewers costs nothing; a store without viewers is not even
asked for its version. What it costs follows the number of different views, not of viewers.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import orjson

from domain.errors import GatewatchError
from storage.alert_rows import StoredIncident
from storage.protocol import Reader
from storage.rows import Freshness
from ui.live_state import judge_feed
from ui.server.attention import Alerts, NoAlerts, mark_of_alerts
from ui.server.live_view import LiveView
from ui.server.outbox import Outbox, Slot
from ui.server.subscription import Subscription

FULL_EVERY_MS = 1_000
"""A picture redrawn more often is not read more quickly."""
FULL_AT_LEAST_EVERY_MS = 10_000
"""Even when nothing happens: a node that falls silent does so without a commit."""
FRESH_EVERY_MS = 2_000
"""Even when nothing happens: the browser takes five seconds of silence for a broken connection."""
RETRY_MS = 5_000
"""A view whose read failed is not tried again before: one that takes too long would hold up all others."""
MAX_CHANNELS = 64
"""Different views at once per store; each costs about ten reads a second at most."""

T = TypeVar("T")

log = logging.getLogger("gatewatch.hub")


class TooManyViews(Exception):  # noqa: N818 - reads as what happened
    """More different views are watched than the store can be read for."""


class Channel:
    """One view and its viewers."""

    def __init__(self, view: LiveView) -> None:
        self.view = view
        self.viewers: set[Outbox] = set()
        self.newcomers: set[Outbox] = set()
        self.full: bytes | None = None
        self.full_ms = 0
        self.full_mark: object = None
        """What the store held when `full` was made."""
        self.window_from_ms = -1
        self.fresh_ms = 0
        self.failed_until_ms = 0

    def fail(self, text: str, until_ms: int) -> None:
        """Tell everyone that the view cannot be read; the next good read is news whatever it brings."""
        self.full_mark = None
        self.failed_until_ms = until_ms
        self.put(Slot.TROUBLE, {"t": "trouble", "text": text})

    def put(self, slot: Slot, message: Mapping[str, Any]) -> None:
        """To everyone."""
        raw = orjson.dumps(message)
        for viewer in self.viewers:
            viewer.put(slot, raw)


def mark_of(freshness: Freshness, now_ms: int) -> object:
    """Changes when there is something new to draw; a collector's heartbeat alone does not change it."""
    counts = tuple((s.source, s.events, s.requests, s.gaps, s.connected) for s in freshness.sources)
    feed = judge_feed(freshness, now_ms)
    return freshness.last_seq, counts, feed.state, feed.cause


class StoreWatch:
    """All views of one store.

    Args:
        open_reader: Gives the reader of that store; called once, when the first viewer comes.
        now_ms: The clock that the pages use, so that both speak of the same window.
        poll_s: How often to look for new commits.
        http: Where its collector takes POSTs, for the instructions of an empty board.
        open_alerts: Gives the reader of its alerts, likewise.
    """

    def __init__(
        self,
        open_reader: Callable[[], Reader],
        now_ms: Callable[[], int],
        poll_s: float,
        http: str,
        open_alerts: Callable[[], Alerts] = NoAlerts,
    ) -> None:
        self._open_reader = open_reader
        self._open_alerts = open_alerts
        self._alerts: Alerts | None = None
        self._live: tuple[StoredIncident, ...] = ()
        self._reader: Reader | None = None
        self._now_ms = now_ms
        self._poll_s = poll_s
        self._http = http
        self._channels: dict[Subscription, Channel] = {}
        self._someone = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="hub")
        self._version: int | None = None
        self._freshness: Freshness | None = None

    def join(self, subscription: Subscription, viewer: Outbox) -> Channel:
        """Begin to send this view to this viewer.

        Raises:
            TooManyViews: There are too many different ones already.
        """
        channel = self._channels.get(subscription)
        if channel is None:
            if len(self._channels) >= MAX_CHANNELS:
                raise TooManyViews
            view = LiveView(subscription, self._opened(), self._http, self._opened_alerts())
            channel = Channel(view)
            self._channels[subscription] = channel
        channel.viewers.add(viewer)
        channel.newcomers.add(viewer)
        self._someone.set()
        return channel

    def _opened(self) -> Reader:
        if self._reader is None:
            self._reader = self._open_reader()
        return self._reader

    def _opened_alerts(self) -> Alerts:
        if self._alerts is None:
            self._alerts = self._open_alerts()
        return self._alerts

    def leave(self, subscription: Subscription, viewer: Outbox) -> None:
        """Stop sending; the last one to leave takes the view along."""
        channel = self._channels.get(subscription)
        if channel is not None:
            channel.viewers.discard(viewer)
            channel.newcomers.discard(viewer)
            if not channel.viewers:
                del self._channels[subscription]
        if not self._channels:
            self._someone.clear()

    async def run(self) -> None:
        """Watch until cancelled."""
        try:
            while True:
                await self._someone.wait()
                await self.step()
                await asyncio.sleep(self._poll_s)
        finally:
            self.close()

    def close(self) -> None:
        """End the thread. Nothing can be read afterwards."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def step(self) -> None:
        """Look once, and send what there is to send."""
        now_ms = self._now_ms()
        has_changed = await self._guarded(self._channels.values(), self._read(self._look), now_ms)
        if has_changed is None:
            self._version = None  # a good answer after this one is news
            return
        for channel in list(self._channels.values()):
            if channel.viewers:
                work = self._serve(channel, now_ms, has_changed=has_changed)
                await self._guarded([channel], work, now_ms + RETRY_MS)

    async def _guarded(self, channels: Iterable[Channel], work: Awaitable[T], retry_ms: int) -> T | None:
        """Do it; on failure tell those who watch, let their views rest until `retry_ms`, and return None."""
        try:
            return await work
        except GatewatchError as error:
            text = f"the database cannot be read: {error}"
        except Exception:
            log.exception("the hub failed")
            text = "the dashboard failed to read the database; its log says why"
        for channel in list(channels):
            channel.fail(text, retry_ms)
        return None

    def _look(self) -> bool:
        """Whether another connection has committed since the last look; reads the freshness then."""
        reader = self._opened()
        version = reader.data_version()
        has_changed = version != self._version or self._freshness is None
        if has_changed:
            self._freshness = reader.freshness()
            self._live = self._opened_alerts().live()
            self._version = version
        return has_changed

    async def _serve(self, channel: Channel, now_ms: int, *, has_changed: bool) -> None:
        freshness = self._freshness
        if freshness is None:
            return
        newcomers = set(channel.newcomers)
        mark = mark_of(freshness, now_ms), mark_of_alerts(self._live)
        is_new = mark != channel.full_mark
        if has_changed or newcomers or now_ms - channel.fresh_ms >= FRESH_EVERY_MS:
            channel.fresh_ms = now_ms
            channel.put(Slot.FRESH, channel.view.fresh(freshness, now_ms))
        if now_ms < channel.failed_until_ms:
            return
        if is_new:
            await self._serve_tail(channel, now_ms)
        for viewer in newcomers:
            viewer.put_tail(orjson.dumps(channel.view.whole_tail()))
        has_moved = channel.view.subscription.window(now_ms).from_ms != channel.window_from_ms
        age_ms = now_ms - channel.full_ms
        is_due = age_ms >= FULL_AT_LEAST_EVERY_MS or ((is_new or has_moved) and age_ms >= FULL_EVERY_MS)
        if channel.full is None or is_due:
            full = await self._read(lambda: channel.view.full(freshness, now_ms, self._live))
            channel.full, channel.full_ms, channel.full_mark = orjson.dumps(full), now_ms, mark
            channel.window_from_ms = full["from_ms"]
            newcomers |= channel.viewers
        for viewer in newcomers:
            viewer.put(Slot.FULL, channel.full)
        channel.newcomers -= newcomers

    async def _serve_tail(self, channel: Channel, now_ms: int) -> None:
        news = await self._read(lambda: channel.view.news(now_ms))
        if news:
            raw = orjson.dumps(news)
            for viewer in channel.viewers - channel.newcomers:
                viewer.put_tail(raw)

    async def _read(self, question: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, question)


class Hub:
    """The watches of all stores: our own, and the sample's.

    Args:
        watches: By whether it is the sample's.
    """

    def __init__(self, watches: Mapping[bool, StoreWatch]) -> None:
        self._watches = watches
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin."""
        self._tasks = [asyncio.create_task(watch.run()) for watch in self._watches.values()]

    async def stop(self) -> None:
        """End."""
        for task in self._tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def join(self, subscription: Subscription, viewer: Outbox) -> Channel:
        """See `StoreWatch.join`."""
        return self._watches[subscription.sample].join(subscription, viewer)

    def leave(self, subscription: Subscription, viewer: Outbox) -> None:
        """See `StoreWatch.leave`."""
        self._watches[subscription.sample].leave(subscription, viewer)
