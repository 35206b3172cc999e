"""uvicorn inside our own process and event loop: gated connections, bounded time for a request's head."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable, Iterator

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from collector.admission import ConnectionCaps
from collector.tls import HANDSHAKE_LIMIT_S

HEAD_LIMIT_S = 5.0
"""How long a request line and its headers may take."""
KEEP_ALIVE_S = 75
"""Kong keeps idle connections for 60 s (http-log's `keepalive`); the side that sends should close first."""
GRACE_S = 3
BACKLOG = 128
TOO_MANY = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
)


class GatedProtocol(HttpToolsProtocol):
    """An HTTP connection that counts against the caps, and must send its headers in time."""

    caps: ConnectionCaps
    refused: Callable[[str, str], None]
    _address = "local"
    _is_counted = False
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as its parent
        """Turn it away at once when there are too many."""
        super().connection_made(transport)
        self._address = self.client[0] if self.client else "local"
        why = self.caps.refusal(self._address)
        if why is not None:
            self.refused(self._address, why)
            transport.write(TOO_MANY)
            transport.close()
            return
        self.caps.take(self._address)
        self._is_counted = True
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Count it out."""
        self._head_arrived()
        if self._is_counted:
            self._is_counted = False
            self.caps.give_back(self._address)
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Start the clock for the headers of a further request."""
        super().on_message_begin()
        if self._head_timer is None:
            self._await_head()

    def on_headers_complete(self) -> None:
        """Stop the clock."""
        self._head_arrived()
        super().on_headers_complete()

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_LIMIT_S, self._head_overdue)

    def _head_arrived(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_overdue(self) -> None:
        self._head_timer = None
        self.refused(self._address, "slow-head")
        self.transport.abort()


class HttpServer:
    """Serves one application on one listening socket until `stop`."""

    def __init__(
        self,
        app: Starlette,
        caps: ConnectionCaps,
        refused: Callable[[str, str], None],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        gate = type("Protocol", (GatedProtocol,), {"caps": caps, "refused": staticmethod(refused)})
        self._server = _Quiet(
            uvicorn.Config(
                app,
                http=gate,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=GRACE_S,
                backlog=BACKLOG,
                ssl_context_factory=None if tls is None else lambda _config, _default: tls,
            )
        )
        self._task: asyncio.Task[None] | None = None
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)

    async def start(self, listener: socket.socket) -> None:
        """Take requests on a listening socket."""
        self._task = asyncio.create_task(self._server.serve(sockets=[listener]))
        while not self._server.started:
            if self._task.done():
                self._task.result()
            await asyncio.sleep(0.005)

    async def stop(self) -> None:
        """Take no new requests, answer those that run."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task


class _Quiet(uvicorn.Server):
    """Leaves the process's signals to us, and gives a peer seconds for its TLS handshake."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen as its parent does (uvicorn 0.54), which leaves a handshake asyncio's 60 s."""
        loop, tls = asyncio.get_running_loop(), self.config.ssl
        limit_s = None if tls is None else HANDSHAKE_LIMIT_S
        self.servers = [
            await loop.create_server(
                self._protocol, sock=found, ssl=tls, backlog=BACKLOG, ssl_handshake_timeout=limit_s
            )
            for found in sockets or ()
        ]
        self.started = True

    def _protocol(self) -> asyncio.Protocol:
        gate: type[GatedProtocol] = self.config.http_protocol_class  # type: ignore[assignment] # as given above
        return gate(self.config, self.server_state, self.lifespan.state)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
