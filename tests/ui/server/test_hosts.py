from __future__ import annotations

from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from ui.server.hosts import KnownHosts, is_known_host, is_own_origin

HOSTS = ("localhost", "127.0.0.1", "[::1]")


@pytest.mark.parametrize(
    ("host", "allowed", "expected"),
    [
        ("localhost:8501", HOSTS, True),
        ("LOCALHOST", HOSTS, True),
        ("[::1]:8501", HOSTS, True),
        ("localhost.evil.example", HOSTS, False),
        (None, HOSTS, False),
        ("anything", (), True),
    ],
)
def test_hosts_are_names_of_ours(host: str | None, allowed: tuple[str, ...], *, expected: bool) -> None:
    assert is_known_host(host, allowed) is expected


@pytest.mark.parametrize(
    ("host", "status"), [("127.0.0.1:8501", 200), ("evil.example", 421), ("127.0.0.1.evil.example", 421)]
)
async def test_nothing_is_served_by_another_name(host: str, status: int) -> None:
    async def page(_request: Request) -> Response:
        return PlainTextResponse("x")

    app = Starlette(
        routes=[Route("/", page)], middleware=[Middleware(KnownHosts, allowed=lambda: HOSTS, origins=tuple)]
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
        answer = await client.get("/", headers={"host": host})

    assert answer.status_code == status


def test_an_origin_is_host_and_port() -> None:
    assert is_own_origin("https://dash.example", "dash.example")
    assert not is_own_origin("https://dash.example:444", "dash.example")


@pytest.mark.parametrize(
    ("path", "origin", "passes"),
    [
        ("/_stcore/stream", b"http://127.0.0.1:8501", True),
        ("/_stcore/stream", b"http://127.0.0.1:9999", False),
        ("/_stcore/stream", b"https://evil.example", False),
        ("/_stcore/stream", b"https://friend.example", True),
        ("/_stcore/stream", None, True),
        ("/gatewatch/live", b"https://evil.example", True),
    ],
    ids=["own", "another port", "another site", "allowed", "no browser", "says no by itself"],
)
async def test_a_socket_is_for_our_own_pages(path: str, origin: bytes | None, *, passes: bool) -> None:
    passed: list[str] = []
    sent: list[dict[str, Any]] = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        passed.append(scope["path"])

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    guard = KnownHosts(app, lambda: HOSTS, lambda: ("https://friend.example",))
    headers = [(b"host", b"127.0.0.1:8501")] + ([(b"origin", origin)] if origin else [])
    await guard({"type": "websocket", "path": path, "headers": headers}, receive, send)

    assert bool(passed) is passes
    assert [m["type"] for m in sent] == ([] if passes else ["websocket.close"])
