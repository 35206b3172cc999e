"""The WebSocket server of gatewatch.ingest.v1, around the pure `session`.

Transport: one subprotocol, no compression, no browsers (a request with an Origin is refused), bounded
messages, a bearer token in the handshake. Each connection reads only while the writer has room;
acknowledgements, keep-alives and beats go out from a task of their own.
"""

from __future__ import annotations

import asyncio
import contextlib
import http
import logging
import socket
import ssl
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from collector.admission import ConnectionCaps, OncePerMinute
from collector.metrics import Metrics
from collector.sink import Sink
from collector.sources.link import Link
from collector.sources.session import Limits
from collector.tls import HANDSHAKE_LIMIT_S
from collector.tokens import Tokens, is_loopback, token_like
from settings import Settings

log = logging.getLogger("gatewatch.stream")

PATH = "/v1/stream"
SUBPROTOCOL = Subprotocol("gatewatch.ingest.v1")
OPEN_LIMIT_S = 5.0
"""How long a request for the stream may take, TLS not counted."""
CLOSE_LIMIT_S = 2.0
WAITING_MESSAGES = 4
"""Messages of one connection that are received ahead of the one being stored."""
OVERSIZE_ALLOWANCE = 2
"""Messages up to twice the limit are read, to be refused with 4413; longer ones are cut off with 1009."""
GOING_AWAY = 1001
RESTARTING = 1012
TOO_MANY = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
)
REMEMBERED_SOURCES = 4_096


class GatedConnection(ServerConnection):
    """A connection that counts against the caps from accept to close."""

    caps: ConnectionCaps
    refused: Callable[[str, str], None]
    bound: str | None = None
    """The source that its token belongs to."""
    address = "unknown"
    _is_counted = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Turn it away at once when there are too many."""
        peer = transport.get_extra_info("peername")
        self.address = str(peer[0]) if isinstance(peer, tuple) else "local"
        why = self.caps.refusal(self.address)
        super().connection_made(transport)
        if why is not None:
            self.refused(self.address, why)
            self.transport.write(TOO_MANY)
            self.transport.close()
            return
        self.caps.take(self.address)
        self._is_counted = True

    def connection_lost(self, exc: Exception | None) -> None:
        """Count it out."""
        if self._is_counted:
            self._is_counted = False
            self.caps.give_back(self.address)
        super().connection_lost(exc)


def transport_options(settings: Settings) -> dict[str, Any]:
    """How the library speaks WebSocket, whatever is said in it: who may speak at all, limits, times."""
    return {
        "origins": [None],
        "compression": None,
        "server_header": None,
        "open_timeout": OPEN_LIMIT_S,
        "ping_interval": None,
        "close_timeout": CLOSE_LIMIT_S,
        "max_size": OVERSIZE_ALLOWANCE * settings.max_message_bytes,
        "max_queue": WAITING_MESSAGES,
        "logger": _silent(),
    }


class StreamServer:
    """Takes streams and hands their batches to the writer."""

    def __init__(
        self,
        *,
        settings: Settings,
        tokens: Tokens | None,
        writer: Sink,
        metrics: Metrics,
        caps: ConnectionCaps,
        quiet: OncePerMinute,
        now_ms: Callable[[], int],
    ) -> None:
        self.settings = settings
        self.tokens = tokens
        self.writer = writer
        self.metrics = metrics
        self.now_ms = now_ms
        self.links: dict[str, Link] = {}
        """The live connection of each source."""
        self.heard: dict[str, int] = {}
        """When each source last sent something that was stored, for the start of a gap."""
        self.limits = Limits(settings.window_events, settings.max_batch_events, settings.max_message_bytes)
        self._caps = caps
        self._quiet = quiet
        self._server: Server

    async def start(self, listener: socket.socket, tls: ssl.SSLContext | None = None) -> None:
        """Take connections on a listening socket."""
        handshake: dict[str, Any] = {"ssl": tls, "ssl_handshake_timeout": HANDSHAKE_LIMIT_S} if tls else {}
        gate = type("Connection", (GatedConnection,), {"caps": self._caps, "refused": self.refuse})
        self._server = await serve(
            self._handle,
            sock=listener,
            subprotocols=[SUBPROTOCOL],
            process_request=self._admit,
            create_connection=gate,
            **transport_options(self.settings),
            **handshake,
        )

    async def stop(self, limit_s: float) -> None:
        """Stop reading, wait until what was taken in is stored, acknowledge it, close with 1001."""
        self._server.close(close_connections=False)
        links = list(self.links.values())
        await asyncio.gather(*(link.drain(limit_s, GOING_AWAY, "going away") for link in links))
        for connection in self._server.connections:
            await connection.close(GOING_AWAY, "going away")

    def restart_streams(self) -> None:
        """The store was replaced and knows no cursors: every sender must say hello again."""
        for link in list(self.links.values()):
            link.end(RESTARTING, "the store was replaced")

    def refuse(self, address: str, why: str) -> None:
        """Count a peer that was turned away, and say so once a minute."""
        self.metrics.count("gatewatch_rejected_connections_total", why=why)
        held = self._quiet.passes(f"{address} {why}")
        if held is not None:
            log.warning("turned away %s: %s%s", address, why, f" ({held} more)" if held else "")

    def note_arrival(self, source: str, at_ms: int) -> None:
        """Remember when a source was last heard, for the latest 4,096 of them."""
        self.heard.pop(source, None)
        self.heard[source] = at_ms
        if len(self.heard) > REMEMBERED_SOURCES:
            del self.heard[next(iter(self.heard))]

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """Refuse what has no business here before anything is read from it."""
        if not isinstance(connection, GatedConnection):  # the factory above makes no other
            raise TypeError
        parts = urlsplit(request.path)
        secret = token_like([name for name, _ in parse_qsl(parts.query, keep_blank_values=True)])
        if secret is not None:
            return self._reject(connection, http.HTTPStatus.BAD_REQUEST, "token-in-url", _TOKEN_IN_URL)
        if parts.path != PATH:
            return self._reject(connection, http.HTTPStatus.NOT_FOUND, "path", f"the stream is at {PATH}\n")
        if self.tokens is None:
            if is_loopback(connection.address):
                return None
            return self._reject(connection, http.HTTPStatus.FORBIDDEN, "not-loopback", _LOOPBACK_ONLY)
        given = request.headers.get_all("Authorization")
        connection.bound = self.tokens.source_of(given[0]) if len(given) == 1 else None
        if connection.bound is not None:
            return None
        response = self._reject(connection, http.HTTPStatus.UNAUTHORIZED, "token", _TOKEN_UNKNOWN)
        response.headers["WWW-Authenticate"] = 'Bearer realm="gatewatch"'
        return response

    def _reject(self, connection: GatedConnection, status: int, why: str, text: str) -> Response:
        self.refuse(connection.address, why)
        return connection.respond(status, text)

    async def _handle(self, connection: ServerConnection) -> None:
        if not isinstance(connection, GatedConnection):
            raise TypeError
        # of thousands that are idle none keeps its head, 2 KiB each; the library asks whether there was one
        connection.request, connection.response = _SERVED, None
        link = Link(self, connection, connection.address, connection.bound)
        with contextlib.suppress(ConnectionClosed):
            await link.run()
        if link.closing is not None:
            self.metrics.count("gatewatch_closed_streams_total", code=str(link.closing.code))
            self._tell_closed(link)

    def _tell_closed(self, link: Link) -> None:
        held = self._quiet.passes(link.address)
        if held is None or link.closing is None:
            return
        more = f" ({held} more)" if held else ""
        reason = f"{link.closing.code} {link.closing.reason}{more}"
        log.warning("closed the stream of %r from %s: %s", link.session.source, link.address, reason)


_TOKEN_IN_URL = "put the token into the Authorization header, not into the URL\n"  # noqa: S105 - a sentence
_TOKEN_UNKNOWN = "expected Authorization: Bearer with a known token\n"  # noqa: S105 - a sentence
_LOOPBACK_ONLY = "without a token file only loopback may connect\n"


_SERVED = Request(PATH, Headers())


def _silent() -> logging.Logger:
    """The library logs every broken handshake and frame; the lines above say what matters, once a minute."""
    logger = logging.getLogger("gatewatch.websockets")
    logger.setLevel(logging.CRITICAL + 1)
    return logger
