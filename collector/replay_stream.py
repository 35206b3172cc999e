"""`python -m collector replay --to`: recorded lines over the real stream protocol.

Source `replay:<hash of the content>`, epoch `items`: a line gives as many items as it has log entries or
events, always the same ones, so a run that was interrupted goes on behind the collector's cursor.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import orjson
from rich.progress import Progress

from collector.playing import Line, Player, Totals, now_ms, shown_progress, tell_end, teller
from collector.recording import Recording
from collector.stream_client import StreamClient
from collector.tokens import own_token
from collector.wire.json_bytes import tidied
from collector.wire.recorded import decode_recorded, is_log_entry
from collector.wire.stream import decode_stream_items
from domain.errors import DecodeError, refusal_of
from domain.events import Certainty, Decoded, Event
from settings import Settings

EPOCH = "items"
LONGEST_WAIT_S = 0.25


def send(
    url: str, settings: Settings, recordings: list[Recording], player: Player, stop: threading.Event
) -> Totals:
    """Send every line to a collector; returns what was sent.

    Raises:
        SettingValueError: The collector refuses for good, or the address is none.
    """
    return asyncio.run(_send_all(url, own_token(settings.token_file), recordings, player, stop))


async def _send_all(
    url: str, token: str | None, recordings: list[Recording], player: Player, stop: threading.Event
) -> Totals:
    sent = Sent()
    started_s = time.monotonic()
    with shown_progress() as progress:
        for recording in recordings:
            client = StreamClient(
                url,
                recording.source + player.run,
                EPOCH,
                random=random.random,
                now_ms=now_ms,
                token=token,
            )
            await _with(client, _Feed(client, player, stop, sent, started_s).play(recording, progress))
            sent.totals.quarantined += client.dead
    return sent.totals


async def _with(client: StreamClient, feeding: Any) -> None:
    """Feed a client until it is done, or until its connection is refused for good."""
    running = asyncio.ensure_future(client.run())
    feed = asyncio.ensure_future(feeding)
    await asyncio.wait({running, feed}, return_when=asyncio.FIRST_COMPLETED)
    running.cancel()
    feed.cancel()
    for error in await asyncio.gather(feed, running, return_exceptions=True):
        if isinstance(error, Exception):
            raise error


class Sent:
    """Counts what is sent as a store would, duplicates within the run told apart."""

    def __init__(self) -> None:
        self.totals = Totals()
        self._seen: set[str | int] = set()

    def count(self, decoded: Decoded) -> None:
        """Count what one item holds."""
        for event in decoded.events:
            if self._is_new(event.id):
                self.totals.events += 1
                self.totals.violations += is_violation(event)
        for request in decoded.traffic:
            self._is_new(request.fingerprint)

    def _is_new(self, mark: str | int) -> bool:
        if mark in self._seen:
            self.totals.duplicates += 1
            return False
        self._seen.add(mark)
        return True


def is_violation(event: Event) -> bool:
    """Whether an event counts as a violation: sure or probable."""
    return event.certainty in (Certainty.CERTAIN, Certainty.PROBABLE)


class _Feed:
    def __init__(
        self, client: StreamClient, player: Player, stop: threading.Event, sent: Sent, started_s: float
    ) -> None:
        self._client = client
        self._player = player
        self._stop = stop
        self._sent = sent
        self._started_s = started_s

    async def play(self, recording: Recording, progress: Progress) -> None:
        task = progress.add_task(recording.path.name, total=recording.bytes)
        tell = teller(progress, task)
        acked = await self._until_stopped(self._client.opened())
        number = 0
        for line in self._player.lines(recording, 0):
            if self._stop.is_set() or not await self._wait(line):
                break
            items = items_of(line)
            new = items[max(0, (acked or 0) - number) :]
            number += len(items)
            for item in new:
                await self._put(item, line)
            if new or not items:
                self._sent.totals.entries += 1 if items_in(line.value) is None else len(new)
            tell(recording.bytes_read)
        await self._until_stopped(self._client.drained())
        tell_end(progress, task, recording, is_done=not self._stop.is_set())

    async def _put(self, item: dict[str, Any], line: Line) -> None:
        await self._until_stopped(self._client.put(item))
        for decoded in decode_stream_items([item], received_ms=line.received_ms):
            self._sent.count(decoded)

    async def _wait(self, line: Line) -> bool:
        while (left_s := self._started_s + line.at_s - time.monotonic()) > 0:
            await asyncio.sleep(min(left_s, LONGEST_WAIT_S))
            if self._stop.is_set():
                return False
        return True

    async def _until_stopped(self, waiting: Any) -> Any:
        """Wait for something, but no longer than until a signal came."""
        task = asyncio.ensure_future(waiting)
        while not task.done() and not self._stop.is_set():
            await asyncio.wait({task}, timeout=LONGEST_WAIT_S)
        if not task.done():
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            return None
        return task.result()


def items_of(line: Line) -> list[dict[str, Any]]:
    """The stream items that a recorded line stands for, always the same ones for the same line.

    Log entries and items of a stream go as they are. Everything else is read here and goes as our own events,
    entities, plugins and signs of life. Of a line that cannot be read the reason goes, to quarantine.
    """
    passed_on = items_in(line.value)
    if passed_on is not None:
        return [_sendable(item) for item in passed_on]
    try:
        decoded = decode_recorded(line.raw, received_ms=line.received_ms, place=line.place, run=line.run)
    except Exception as error:  # noqa: BLE001 - see refusal_of
        return [_unreadable(refusal_of(error, "recorded line"))]
    return own_items(decoded)


def _sendable(item: Any) -> Any:
    """The item, or why it can be put into no frame: nested too deep."""
    try:
        return tidied(item, "recorded item")
    except DecodeError as error:
        return _unreadable(error)


def _unreadable(error: DecodeError) -> dict[str, Any]:
    return {"kind": "unreadable", "event": "unreadable", "why": str(error)}


def items_in(value: Any) -> list[dict[str, Any]] | None:
    """The items that go as they are: log entries, totals, a recorded batch; None for all other lines."""
    entries = list(log_entries(value))
    if entries:
        return [{"kind": "http-log", "entry": entry} for entry in entries]
    if not isinstance(value, dict):
        return None
    if is_log_entry(value.get("entry")):
        return [{"kind": "http-log", "node": value.get("node"), "entry": value["entry"]}]
    if value.get("kind") == "totals":
        return [value]
    if value.get("t") == "batch" and isinstance(value.get("events"), list):
        return list(value["events"])
    return None


def log_entries(value: Any) -> Iterator[dict[str, Any]]:
    """The log entries in a line: bare, in an array, or in a recorded POST of Kong's http-log plugin."""
    if isinstance(value, dict) and "received_at" in value:
        value = value.get("body")
        value = orjson.loads(value) if isinstance(value, str) and is_json(value) else value
    entries = value if isinstance(value, list) else [value]
    if all(map(is_log_entry, entries)):
        yield from entries


def is_json(text: str) -> bool:
    """Whether some text is JSON."""
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def own_items(decoded: Decoded) -> list[dict[str, Any]]:
    """Events, entities, plugins and signs of life as stream items."""
    items: list[dict[str, Any]] = [{"kind": "entity", **msgspec.to_builtins(e)} for e in decoded.entities]
    items += [{"kind": "plugin", **msgspec.to_builtins(p)} for p in decoded.plugins]
    items += [{"kind": "node", **msgspec.to_builtins(n)} for n in decoded.nodes]
    for event in decoded.events:
        fields = msgspec.to_builtins(event)
        fields.pop("payload", None)
        if event.payload is not None:
            fields["payload"] = orjson.loads(event.payload)
        items.append(fields)
    return items
