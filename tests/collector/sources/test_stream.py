"""Real WebSockets on loopback: the stream server, its writer and a store in memory."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin, Subprotocol

from collector.admission import ConnectionCaps, OncePerMinute
from collector.metrics import Metrics
from collector.sources.listening import listen
from collector.sources.stream import StreamServer
from collector.tokens import Tokens
from collector.writer import Writer
from settings import load_settings
from storage.batches import CollectorStatus
from tests.collector.memory_store import BUSY, MemoryStore

NOW_MS = 1_800_000_000_000
V1 = Subprotocol("gatewatch.ingest.v1")


class Running:
    """A server with everything it needs."""

    def __init__(self, folder: Path, tokens: Tokens | None, per_address: int, **overrides: Any) -> None:
        self.settings = load_settings(
            {"window_events": 10, "max_batch_events": 5, "max_message_bytes": 2000, "keepalive_s": 1}
            | overrides,
            environ={},
        )
        self.store = MemoryStore()
        self.metrics = Metrics()
        self.caps = ConnectionCaps(100, per_address)
        status = CollectorStatus(
            pid=1, version="1", started_ms=1, beat_ms=NOW_MS, ws="", http="", state="ok", detail=""
        )
        self.writer = Writer(
            lambda: self.store, folder / "g.db", self.settings.queue_batches, lambda: NOW_MS, lambda: status
        )
        self.server = StreamServer(
            settings=self.settings,
            tokens=tokens,
            writer=self.writer,
            metrics=self.metrics,
            caps=self.caps,
            quiet=OncePerMinute(lambda: 0.0),
            now_ms=lambda: NOW_MS,
        )
        self.listener = listen("127.0.0.1", 0, "--ws-listen")
        self.port = self.listener.getsockname()[1]

    def url(self, path: str = "/v1/stream") -> str:
        return f"ws://127.0.0.1:{self.port}{path}"

    def connect(self, path: str = "/v1/stream", **options: Any) -> connect:
        return connect(self.url(path), **{"subprotocols": [V1], "proxy": None} | options)

    @contextlib.asynccontextmanager
    async def opened(self, source: str = "gw-1", **fields: Any) -> AsyncIterator[ClientConnection]:
        async with self.connect() as client:
            await client.send(hello(source, **fields))
            welcome = json.loads(await client.recv())
            assert welcome["t"] == "welcome"
            yield client


@contextlib.asynccontextmanager
async def running(
    folder: Path, tokens: Tokens | None = None, per_address: int = 64, **overrides: Any
) -> AsyncIterator[Running]:
    found = Running(folder, tokens, per_address, **overrides)
    await found.writer.start()
    await found.server.start(found.listener)
    try:
        yield found
    finally:
        found.store.gate.set()
        await found.server.stop(1.0)
        await found.writer.stop()


def hello(source: str = "gw-1", epoch: str = "e", **fields: Any) -> str:
    return json.dumps({"t": "hello", "source": source, "epoch": epoch, "oldest": 1, "next": 1, **fields})


def batch(first: int, count: int, **fields: Any) -> str:
    events = [{"kind": "http-log", "entry": refusal(first + place) | fields} for place in range(count)]
    return json.dumps({"t": "batch", "first": first, "events": events})


def refusal(number: int) -> dict[str, Any]:
    return {
        "request": {"id": f"r{number}"},
        "response": {"status": 429, "headers": {"retry-after": "1"}},
        "source": "kong",
        "started_at": NOW_MS,
    }


async def ack(client: ClientConnection, upto: int) -> dict[str, Any]:
    """The first acknowledgement that reaches `upto`."""
    async with asyncio.timeout(5):
        while True:
            frame: dict[str, Any] = json.loads(await client.recv())
            if frame["t"] == "ack" and frame["upto"] >= upto:
                return frame


async def closed(client: ClientConnection) -> tuple[int, str]:
    """Close code and reason once the server has closed."""
    async with asyncio.timeout(5):
        with contextlib.suppress(ConnectionClosed):
            while True:
                await client.recv()
    return client.close_code or 0, client.close_reason or ""


async def test_events_are_acknowledged_when_they_are_stored(tmp_path: Path) -> None:
    async with running(tmp_path) as found, found.opened() as client:
        await client.send(batch(1, 3))
        await client.send(batch(4, 2))

        frame = await ack(client, 5)

        assert frame == {"t": "ack", "upto": 5, "window": 10}
        assert list(found.store.events) == [f"request:r{n}" for n in range(1, 6)]
        assert found.store.cursors == {("gw-1", "e"): 5}


async def test_welcome_says_where_the_last_connection_ended(tmp_path: Path) -> None:
    async with running(tmp_path) as found:
        async with found.opened() as client:
            await client.send(batch(1, 3))
            await ack(client, 3)
        async with found.connect() as client:
            await client.send(hello(oldest=2, next=5))

            welcome = json.loads(await client.recv())

            assert welcome == {"t": "welcome", "acked": 3, "window": 10, "max_batch": 5, "max_bytes": 2000}
            await client.send(batch(2, 3))
            await ack(client, 4)
        assert len(found.store.events) == 4


async def test_nothing_is_acknowledged_while_nothing_can_be_stored_but_signs_of_life_go_on(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as found, found.opened() as client:
        found.store.failures = [BUSY, BUSY]
        await client.send(batch(1, 1))

        first = json.loads(await client.recv())
        last = await ack(client, 1)

        assert first == {"t": "ack", "upto": 0, "window": 10}
        assert last["upto"] == 1


async def test_an_event_that_cannot_be_read_is_named_and_acknowledged(tmp_path: Path) -> None:
    async with running(tmp_path) as found, found.opened() as client:
        good = {"kind": "http-log", "entry": refusal(1)}
        await client.send(json.dumps({"t": "batch", "first": 1, "events": [good, 7, good]}))

        frame = await ack(client, 3)

        assert [dead["seq"] for dead in frame["dead"]] == [2]
        assert len(found.store.quarantined) == 1


async def test_a_newer_connection_of_a_source_replaces_the_older_one(tmp_path: Path) -> None:
    async with running(tmp_path) as found, found.opened() as older:
        await older.send(batch(1, 2))
        async with found.opened(oldest=1, next=3) as newer:
            assert await closed(older) == (4409, "superseded by a newer connection of this source")

            await newer.send(batch(3, 1))
            await ack(newer, 3)

            assert list(found.server.links) == ["gw-1"]
            assert found.store.beats[-1].connected is True


async def test_other_sources_are_left_alone(tmp_path: Path) -> None:
    async with running(tmp_path) as found, found.opened("gw-1/0") as one, found.opened("gw-1/1") as two:
        await one.send(batch(1, 1))
        await two.send(batch(1, 1))

        assert (await ack(one, 1))["upto"] == (await ack(two, 1))["upto"] == 1
        assert sorted(found.server.links) == ["gw-1/0", "gw-1/1"]


async def test_a_sender_that_lost_events_leaves_a_gap_and_goes_on(tmp_path: Path) -> None:
    async with running(tmp_path) as found, found.opened(oldest=5, next=7) as client:
        await client.send(batch(5, 2))
        await ack(client, 6)

        (gap,) = (gap for txn in found.store.transactions for stored in txn for gap in stored.gaps)

        assert gap.cause == "the sender no longer had 4 events (1 to 4)"
        assert gap.source == "gw-1"


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (batch(2, 1), 4409),
        (batch(1, 6), 4413),
        ("x" * 2001, 4413),
        ("x" * 4001, 1009),
        ("{", 4400),
        (b"{}", 4400),
        (hello(), 4400),
    ],
    ids=["gap", "too many", "too long", "far too long", "no JSON", "binary", "second hello"],
)
async def test_what_breaks_the_protocol_is_closed_with_its_code(
    tmp_path: Path, message: str | bytes, code: int
) -> None:
    async with running(tmp_path) as found, found.opened() as client:
        await client.send(message)

        assert (await closed(client))[0] == code


async def test_a_sender_that_ignores_the_window_is_closed(tmp_path: Path) -> None:
    async with running(tmp_path) as found, found.opened() as client:
        found.store.gate.clear()
        for first in (1, 6, 11):
            await client.send(batch(first, 5))

        code, reason = await closed(client)

        assert (code, "retry_ms=" in reason) == (4429, True)


async def test_a_full_queue_stops_the_reading_and_loses_nothing(tmp_path: Path) -> None:
    async with running(tmp_path, queue_batches=1) as found, found.opened() as client:
        found.store.gate.clear()
        for number in range(1, 11):
            await client.send(batch(number, 1))
        await asyncio.sleep(0.05)
        waiting = found.writer.waiting
        found.store.gate.set()
        await ack(client, 10)

        assert waiting == 1
        assert len(found.store.events) == 10


async def test_who_says_nothing_is_closed(tmp_path: Path) -> None:
    async with running(tmp_path, hello_timeout_s=1) as found, found.connect() as client:
        assert await closed(client) == (4408, "no hello in time")


async def test_a_stop_stores_and_acknowledges_what_was_taken_in(tmp_path: Path) -> None:
    async with running(tmp_path) as found, found.opened() as client:
        found.store.gate.clear()
        await client.send(batch(1, 5))
        await asyncio.sleep(0.05)
        stopping = asyncio.create_task(found.server.stop(2.0))
        await asyncio.sleep(0.05)
        found.store.gate.set()

        frame = await ack(client, 5)

        assert frame["upto"] == 5
        assert (await closed(client))[0] == 1001
        await stopping


async def test_a_replaced_store_makes_every_sender_say_hello_again(tmp_path: Path) -> None:
    async with running(tmp_path) as found, found.opened() as client:
        found.server.restart_streams()

        assert (await closed(client))[0] == 1012


async def test_beats_tell_who_is_connected_and_who_left(tmp_path: Path) -> None:
    node = {"id": "n-1", "hostname": "gw-1", "version": "3.9.1"}
    async with running(tmp_path) as found:
        async with found.opened(node=node):
            await asyncio.sleep(1.1)
        async with asyncio.timeout(5):
            while not found.store.beats or found.store.beats[-1].connected:  # noqa: ASYNC110 - it is the server that changes it
                await asyncio.sleep(0.01)

    first, last = found.store.beats[0], found.store.beats[-1]
    assert (first.connected, first.node_id, first.hostname, first.peer) == (True, "n-1", "gw-1", "127.0.0.1")
    assert (last.source, last.connected) == ("gw-1", False)
    assert len(found.store.beats) >= 3


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/v1/stream", {}, 401),
        ("/v1/stream", {"Authorization": "Bearer wrong"}, 401),
        ("/v1/stream", {"Authorization": "Basic s3cret"}, 401),
        ("/v1/stream?token=s3cret", {"Authorization": "Bearer s3cret"}, 400),
        ("/v2/stream", {"Authorization": "Bearer s3cret"}, 404),
    ],
)
async def test_who_has_no_business_here_is_turned_away_in_the_handshake(
    tmp_path: Path, path: str, headers: dict[str, str], status: int
) -> None:
    async with running(tmp_path, Tokens({b"s3cret": "gw-1"})) as found:
        with pytest.raises(InvalidStatus) as caught:
            await found.connect(path, additional_headers=headers)

        assert caught.value.response.status_code == status
        assert found.metrics.value("gatewatch_rejected_connections_total") == 1


async def test_browsers_are_turned_away(tmp_path: Path) -> None:
    async with running(tmp_path) as found:
        with pytest.raises(InvalidStatus) as caught:
            await found.connect(origin=Origin("https://evil.example"))

        assert caught.value.response.status_code == 403


async def test_a_token_opens_its_own_source_only(tmp_path: Path) -> None:
    authorization = {"Authorization": "Bearer s3cret"}
    async with running(tmp_path, Tokens({b"s3cret": "gw-1"})) as found:
        async with found.connect(additional_headers=authorization) as client:
            await client.send(hello("gw-1/0"))
            assert json.loads(await client.recv())["t"] == "welcome"
        async with found.connect(additional_headers=authorization) as client:
            await client.send(hello("gw-2"))
            assert await closed(client) == (4403, "the token belongs to another source")


async def test_one_address_gets_so_many_connections_and_no_more(tmp_path: Path) -> None:
    async with running(tmp_path, per_address=2) as found:
        async with found.opened("a"), found.opened("b"):
            with pytest.raises(InvalidStatus) as caught:
                await found.connect()
            assert caught.value.response.status_code == 503
        async with asyncio.timeout(5):
            while found.caps.open:  # noqa: ASYNC110 - it is the server that changes it
                await asyncio.sleep(0.01)
        async with found.opened("c"):
            pass
        assert found.metrics.value("gatewatch_rejected_connections_total", why="address-limit") == 1


async def test_nobody_can_keep_a_handshake_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collector.sources.stream.OPEN_LIMIT_S", 0.2)
    async with running(tmp_path) as found:
        reader, writer = await asyncio.open_connection("127.0.0.1", found.port)
        writer.write(b"GET /v1/stream HTTP/1.1\r\nHost: x\r\n")

        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()


def test_a_port_that_is_taken_is_an_operators_mistake() -> None:
    with listen("127.0.0.1", 0, "--ws-listen") as first:
        port = first.getsockname()[1]
        with pytest.raises(ValueError, match="already in use"):
            listen("127.0.0.1", port, "--ws-listen")


def test_a_listening_socket_can_be_taken_again_at_once() -> None:
    with listen("127.0.0.1", 0, "--ws-listen") as first:
        port = first.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            pass

    listen("127.0.0.1", port, "--ws-listen").close()
