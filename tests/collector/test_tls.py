"""TLS on both listeners, with certificates made for the test."""

from __future__ import annotations

import asyncio
import ssl
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import trustme
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidMessage
from websockets.typing import Subprotocol

from collector.admission import ConnectionCaps
from collector.sources.listening import listen
from collector.sources.serving import HttpServer
from collector.tls import server_context
from settings import SettingValueError
from tests.collector.sources.test_stream import Running, hello

V1 = Subprotocol("gatewatch.ingest.v1")


class Identity:
    """A certificate for localhost and its key, as files, and a client that trusts it."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        issued = authority.issue_cert("localhost", "127.0.0.1")
        self.cert, self.key = folder / "cert.pem", folder / "key.pem"
        for blob in issued.cert_chain_pems:
            blob.write_to_path(self.cert, append=True)
        issued.private_key_pem.write_to_path(self.key)
        self.key.chmod(0o600)
        self.client = ssl.create_default_context()
        authority.configure_trust(self.client)


@pytest.fixture
def identity(tmp_path: Path) -> Identity:
    return Identity(tmp_path)


def test_without_files_there_is_no_tls() -> None:
    assert server_context("", "") is None


def test_one_file_without_the_other_is_refused() -> None:
    with pytest.raises(SettingValueError, match="tls_key_file is not set, expected both"):
        server_context("cert.pem", "")


def test_a_key_that_others_may_read_is_refused(identity: Identity) -> None:
    identity.key.chmod(0o644)

    with pytest.raises(SettingValueError, match=r"readable by others \(mode 644\): chmod 600 it"):
        server_context(str(identity.cert), str(identity.key))


def test_a_missing_certificate_is_named(identity: Identity) -> None:
    with pytest.raises(SettingValueError, match=r"nowhere\.pem cannot be read"):
        server_context("nowhere.pem", str(identity.key))


def test_a_key_of_another_certificate_is_refused(identity: Identity, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    stranger = Identity(other)

    with pytest.raises(SettingValueError, match="cannot be used"):
        server_context(str(identity.cert), str(stranger.key))


async def test_a_stream_opens_by_tls_and_not_without(identity: Identity, tmp_path: Path) -> None:
    found = Running(tmp_path, None, 64)
    await found.writer.start()
    await found.server.start(found.listener, server_context(str(identity.cert), str(identity.key)))
    try:
        async with connect(
            f"wss://127.0.0.1:{found.port}/v1/stream", subprotocols=[V1], proxy=None, ssl=identity.client
        ) as client:
            await client.send(hello())
            welcome = await client.recv()
        with pytest.raises((InvalidMessage, OSError)):
            await connect(f"ws://127.0.0.1:{found.port}/v1/stream", subprotocols=[V1], proxy=None)
    finally:
        await found.server.stop(1.0)
        await found.writer.stop()

    assert b"welcome" in (welcome if isinstance(welcome, bytes) else welcome.encode())


async def test_the_http_intakes_answer_by_tls(identity: Identity) -> None:
    async def well(_request: Any) -> PlainTextResponse:
        return PlainTextResponse("well")

    listener = listen("127.0.0.1", 0, "--http-listen")
    port = listener.getsockname()[1]
    server = HttpServer(
        Starlette(routes=[Route("/healthz", well)]),
        ConnectionCaps(100, 64),
        lambda _address, _why: None,
        server_context(str(identity.cert), str(identity.key)),
    )
    await server.start(listener)

    def ask() -> bytes:
        handlers = (urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=identity.client))
        with urllib.request.build_opener(*handlers).open(
            f"https://localhost:{port}/healthz", timeout=5
        ) as answer:
            return bytes(answer.read())

    try:
        body = await asyncio.to_thread(ask)
    finally:
        await server.stop()

    assert body == b"well"


@pytest.mark.parametrize(
    "said", [b"", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"], ids=["nothing", "half a hello"]
)
async def test_nobody_can_keep_a_tls_handshake_open(
    identity: Identity, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    """A handshake has a minute in asyncio: enough for one peer to take every file handle."""
    monkeypatch.setattr("collector.sources.serving.HANDSHAKE_LIMIT_S", 0.2)
    monkeypatch.setattr("collector.sources.stream.HANDSHAKE_LIMIT_S", 0.2)
    context = server_context(str(identity.cert), str(identity.key))
    listener = listen("127.0.0.1", 0, "--http-listen")
    port = listener.getsockname()[1]
    server = HttpServer(Starlette(), ConnectionCaps(100, 64), lambda _address, _why: None, context)
    stream = Running(tmp_path, None, 64)
    await stream.writer.start()
    await stream.server.start(stream.listener, context)
    await server.start(listener)

    async def cut_off(port: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(said)
        found = await asyncio.wait_for(reader.read(), 5)
        writer.close()
        return found

    try:
        answers = await asyncio.gather(cut_off(port), cut_off(stream.port))
    finally:
        await server.stop()
        await stream.server.stop(1.0)
        await stream.writer.stop()

    assert list(answers) == [b"", b""]
