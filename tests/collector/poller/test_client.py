"""What can go wrong with a question, on real sockets where it matters."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from collector.poller import client as module
from collector.poller.address import parse_admin_url
from collector.poller.client import Answer, Silence, ask, open_client, silence_of
from settings import SettingValueError
from tests.collector.poller.kong_node import KongNode

ADDRESS = parse_admin_url("http://gw-1:8001")


def client_of(node: KongNode) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(node))  # type: ignore[arg-type]


async def asked(node: KongNode, path: str = "/") -> Answer | Silence:
    async with client_of(node) as client:
        return await ask(client, ADDRESS, path)


@pytest.fixture
async def real_client() -> AsyncIterator[httpx.AsyncClient]:
    client = open_client("s3cret", "")
    yield client
    await client.aclose()


async def test_an_answer_holds_the_body_and_the_nodes_clock() -> None:
    node = KongNode()
    node.headers = [(b"date", b"Sun, 22 Nov 2026 07:57:09 GMT")]

    answer = await asked(node)

    assert isinstance(answer, Answer)
    assert answer.clock_ms == 1_795_334_229_000
    assert b'"node_id"' in answer.body


async def test_a_date_that_is_none_is_no_clock() -> None:
    node = KongNode()
    node.headers = [(b"date", b"tomorrow")]

    answer = await asked(node)

    assert isinstance(answer, Answer)
    assert answer.clock_ms is None


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (401, "it answers HTTP 401: it wants an admin token"),
        (403, "it answers HTTP 403: the admin token may not read this"),
        (404, "it answers HTTP 404: no Admin API at this address"),
        (302, "it answers HTTP 302: redirects are not followed"),
        (500, "it answers HTTP 500"),
    ],
)
async def test_an_answer_that_is_no_answer_tells_nothing_of_the_node(status: int, why: str) -> None:
    node = KongNode()
    node.status_of["/"] = status

    assert await asked(node) == Silence(why=why, is_telling=False, status=status)


async def test_a_redirect_is_not_followed() -> None:
    node = KongNode()
    node.status_of["/"] = 302
    node.headers = [(b"location", b"http://evil.example/")]

    await asked(node)

    assert node.calls == ["/"]


async def test_an_answer_that_never_ends_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BODY_BYTES", 100)

    answer = await asked(KongNode())

    assert answer == Silence(why="its answer is longer than 100 bytes", is_telling=False)


async def test_nobody_there_is_silence_that_tells(real_client: httpx.AsyncClient) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    answer = await ask(real_client, parse_admin_url(f"http://127.0.0.1:{port}"), "/")

    assert answer == Silence(why="connection refused", is_telling=True)


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (None, "no answer in time"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nab", "no answer in time"),
        (b"", "the connection ended without an answer"),
    ],
)
async def test_a_peer_that_hangs_or_hangs_up_is_silence_that_tells(
    real_client: httpx.AsyncClient, reply: bytes | None, why: str
) -> None:
    requests: list[bytes] = []
    over, ended = asyncio.Event(), asyncio.Event()

    async def answer_badly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await reader.readuntil(b"\r\n\r\n"))
        if reply:
            writer.write(reply)
        if reply != b"":
            await over.wait()
        writer.close()
        await writer.wait_closed()
        ended.set()

    server = await asyncio.start_server(answer_badly, "127.0.0.1", 0)
    async with server:
        address = parse_admin_url(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        answer = await ask(real_client, address, "/", 0.2)
        over.set()
        await ended.wait()

    assert answer == Silence(why=why, is_telling=True)
    assert b"kong-admin-token: s3cret" in requests[0].lower()
    assert b"accept-encoding: identity" in requests[0].lower()


@pytest.mark.parametrize(
    ("cause", "why", "is_telling"),
    [
        (socket.gaierror(-2, "Name or service not known"), "its name cannot be resolved", False),
        (
            OSError(errno.ENETUNREACH, "Network is unreachable"),
            "this machine cannot ask: Network is unreachable",
            False,
        ),
        (OSError(errno.EMFILE, "Too many open files"), "this machine cannot ask: Too many open files", False),
        (OSError(errno.EHOSTUNREACH, "No route to host"), "the connection failed", True),
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), "connection refused", True),
        (ssl.SSLError(1, "WRONG_VERSION_NUMBER"), "it does not speak TLS as expected", False),
        (
            ExceptionGroup("both", [ConnectionRefusedError(111, "refused"), OSError(113, "no route")]),
            "connection refused",
            True,
        ),
    ],
)
def test_what_a_failed_connection_says(cause: Exception, why: str, is_telling: bool) -> None:  # noqa: FBT001
    error = httpx.ConnectError("All connection attempts failed")
    error.__cause__ = cause

    assert silence_of(error) == Silence(why=why, is_telling=is_telling)


def test_other_failures_are_named_and_tell_nothing() -> None:
    found = silence_of(httpx.UnsupportedProtocol("x"))

    assert found == Silence(why="it cannot be asked (UnsupportedProtocol)", is_telling=False)


def test_a_file_of_certificates_that_holds_none_is_refused(tmp_path: Path) -> None:
    bad = tmp_path / "ca.pem"
    bad.write_text("nothing", encoding="utf-8")

    with pytest.raises(SettingValueError, match="holds no usable certificates"):
        open_client(None, str(bad))


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    client = open_client(None, "")

    assert client._mounts == {}
    await client.aclose()
