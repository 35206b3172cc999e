from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest
from starlette.datastructures import Headers
from starlette.websockets import WebSocket, WebSocketDisconnect

from domain.windows import MINUTE_MS
from tests.ui.scripted_reader import NOW_MS, ScriptedReader, live_freshness, totals
from ui.server import live_route
from ui.server.hub import Hub, StoreWatch
from ui.server.live_route import LiveRoute, issue_live_ticket
from ui.server.subscription import Subscription
from ui.server.tickets import Tickets

SUB = Subscription(range_ms=15 * MINUTE_MS)
OURS = {"host": "127.0.0.1:8501", "origin": "http://127.0.0.1:8501"}
HOSTS = ("localhost", "127.0.0.1", "[::1]")


class ScriptedSocket:
    """A browser: sends what a test puts in, keeps what it is sent."""

    def __init__(self, headers: dict[str, str] | None = None) -> None:
        self.headers = Headers(headers or OURS)
        self.incoming: asyncio.Queue[str | None] = asyncio.Queue()
        self.sent: asyncio.Queue[Any] = asyncio.Queue()
        self.closed: tuple[int, str] | None = None

    async def accept(self) -> None:
        """Always."""

    async def receive_text(self) -> str:
        """What the browser says next; None means that it left."""
        text = await self.incoming.get()
        if text is None:
            raise WebSocketDisconnect(1001)
        return text

    async def send_text(self, text: str) -> None:
        """Keep it."""
        await self.sent.put(orjson.loads(text))

    async def close(self, code: int, reason: str) -> None:
        """Keep why."""
        self.closed = (code, reason)

    async def next_of(self, kind: str) -> Any:
        """The next message of a kind."""
        while True:
            message = await asyncio.wait_for(self.sent.get(), 2)
            if message["t"] == kind:
                return message


class Bench:
    """A route with its hub."""

    def __init__(self) -> None:
        self.now_ms = NOW_MS
        self.reader = ScriptedReader(freshness=live_freshness(), totals=totals(limited=1))
        self.hub = Hub({False: StoreWatch(lambda: self.reader, lambda: self.now_ms, 0.001, "")})
        self.tickets = Tickets(b"k" * 32, lambda: self.now_ms)
        self.route = LiveRoute(self.hub, self.tickets, lambda: HOSTS)

    def watch(self, subscription: Subscription = SUB) -> str:
        """A browser's first message."""
        ticket = issue_live_ticket(self.tickets, subscription)
        return orjson.dumps({"t": "watch", "ticket": ticket}).decode()


@pytest.fixture
async def bench() -> Any:
    made = Bench()
    made.hub.start()
    yield made
    await made.hub.stop()


async def test_a_browser_with_a_ticket_is_pushed_its_view(bench: Bench) -> None:
    socket = ScriptedSocket()
    serving = asyncio.create_task(bench.route(socket))  # type: ignore[arg-type] - stands in for a WebSocket

    await socket.incoming.put(bench.watch())
    full = await socket.next_of("full")
    await socket.incoming.put(None)
    await serving

    assert full["view"] == SUB.view_id
    assert socket.closed is None


async def test_bytes_instead_of_text_close_the_connection(bench: Bench) -> None:
    """Otherwise each such frame would leave a traceback in the log."""
    arriving = [{"type": "websocket.connect"}, {"type": "websocket.receive", "bytes": b"\x00\xff"}]
    sent: list[Any] = []

    async def receive() -> Any:
        return arriving.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(name.encode(), value.encode()) for name, value in OURS.items()]

    await bench.route(WebSocket({"type": "websocket", "headers": headers}, receive, send))

    assert sent[-1] == {"type": "websocket.close", "code": 4400, "reason": "expected text"}


async def test_another_view_comes_over_the_same_connection(bench: Bench) -> None:
    socket = ScriptedSocket()
    serving = asyncio.create_task(bench.route(socket))  # type: ignore[arg-type] - as above
    await socket.incoming.put(bench.watch())
    await socket.next_of("full")
    other = Subscription(range_ms=60 * MINUTE_MS)

    await socket.incoming.put(bench.watch(other))
    full = await socket.next_of("full")
    while full["view"] != other.view_id:
        full = await socket.next_of("full")
    await socket.incoming.put(None)
    await serving


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", 4400),
        ("{", 4400),
        ("[]", 4400),
        ("5", 4400),
        ('{"t":"watch"}', 4400),
        ('{"t":"watch","ticket":5}', 4400),
        ('{"t":"other","ticket":"x"}', 4400),
        ('{"t":"watch","ticket":"x.y"}', 4401),
        ('{"t":"watch","ticket":"' + "A" * 30_000 + '"}', 4401),
    ],
)
async def test_what_is_not_understood_or_not_ours_is_closed_with_its_code(
    bench: Bench, text: str, code: int
) -> None:
    socket = ScriptedSocket()
    await socket.incoming.put(text)

    await bench.route(socket)  # type: ignore[arg-type] - as above

    assert socket.closed
    assert socket.closed[0] == code
    assert bench.reader.asked == []


async def test_an_export_ticket_opens_no_live_view(bench: Bench) -> None:
    socket = ScriptedSocket()
    ticket = bench.tickets.issue("export", None, 60_000)
    await socket.incoming.put(orjson.dumps({"t": "watch", "ticket": ticket}).decode())

    await bench.route(socket)  # type: ignore[arg-type] - as above

    assert socket.closed
    assert socket.closed[0] == 4401


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "127.0.0.1:8501"},
        {"host": "127.0.0.1:8501", "origin": "https://evil.example"},
        {"host": "127.0.0.1:8501", "origin": "http://127.0.0.1:9999"},
        {"host": "127.0.0.1:8501", "origin": "null"},
        {"host": "evil.example", "origin": "http://evil.example"},
        {"origin": "http://127.0.0.1:8501"},
        {"host": "[127", "origin": "http://[127"},
    ],
)
async def test_pages_of_other_sites_and_names_that_are_not_ours_are_refused(
    bench: Bench, headers: dict[str, str]
) -> None:
    socket = ScriptedSocket(headers)

    await bench.route(socket)  # type: ignore[arg-type] - as above

    assert socket.closed
    assert socket.closed[0] == 4403


async def test_who_shows_no_ticket_is_closed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_route, "HELLO_LIMIT_S", 0.01)
    socket = ScriptedSocket()

    await bench.route(socket)  # type: ignore[arg-type] - as above

    assert socket.closed == (4400, "no ticket was shown within 5 s")


async def test_a_long_view_gets_fresh_tickets_until_its_page_has_to_run_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_route, "RENEW_EVERY_S", 0.01)
    socket = ScriptedSocket()
    serving = asyncio.create_task(bench.route(socket))  # type: ignore[arg-type] - as above
    await socket.incoming.put(bench.watch())
    renewed = (await socket.next_of("ticket"))["ticket"]
    assert bench.tickets.check(renewed, "live")["since"] == NOW_MS

    bench.now_ms += live_route.LONGEST_MS + 1
    await asyncio.wait_for(serving, 2)

    assert socket.closed
    assert socket.closed[0] == 4401


async def test_a_browser_that_takes_nothing_is_let_go(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_route, "SEND_LIMIT_S", 0.01)
    socket = ScriptedSocket()

    async def never(_text: str) -> None:
        await asyncio.sleep(60)

    socket.send_text = never  # type: ignore[method-assign] - a browser asleep
    await socket.incoming.put(bench.watch())

    await asyncio.wait_for(bench.route(socket), 2)  # type: ignore[arg-type] - as above


async def test_more_browsers_than_may_watch_are_told_so(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_route, "MAX_VIEWERS", 0)
    socket = ScriptedSocket()

    await bench.route(socket)  # type: ignore[arg-type] - as above

    assert socket.closed
    assert socket.closed[0] == 4429
