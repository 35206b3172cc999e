"""By which names we may be called, and by which pages: an attacker's name that points here is none of ours.

Streamlit 1.67 looks at `server.allowedHosts` for its WebSocket only, and takes a page of any port of the same
host for one of its own. This looks at everything that is served.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketClose

MISDIRECTED = 421
FOREIGN_PAGE = 1008
"""Policy violation, RFC 6455 section 7.4.1; before the handshake it becomes a 403."""
LIVE_PATH = "/gatewatch/live"


def is_known_host(host: str | None, allowed: Sequence[str]) -> bool:
    """Whether a Host header names us.

    An empty list allows every name, as Streamlit's `server.allowedHosts` does.
    """
    if not allowed:
        return True
    try:
        name = urlsplit(f"//{host or ''}").hostname
    except ValueError:
        return False
    return name is not None and name in {entry.strip("[]").lower() for entry in allowed}


def is_own_origin(origin: str | None, host: str | None) -> bool:
    """Whether a browser says that the page asking is one of ours: same host, same port."""
    if not origin or not host:
        return False
    try:
        return urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:
        return False


class KnownHosts:
    """ASGI middleware: 421 to whoever calls us by another name, and no socket for pages of other sites.

    Args:
        app: What is guarded.
        allowed: `server.allowedHosts`, asked at each request.
        origins: `server.corsAllowedOrigins`: pages of others that may connect all the same.
    """

    def __init__(
        self, app: ASGIApp, allowed: Callable[[], Sequence[str]], origins: Callable[[], Sequence[str]]
    ) -> None:
        self._app = app
        self._allowed = allowed
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or refuse. Our own live socket says no by itself, with a reason."""
        headers = Headers(scope=scope) if scope["type"] in {"http", "websocket"} else Headers()
        if scope["type"] == "http" and not is_known_host(headers.get("host"), self._allowed()):
            text = "this is not a name of this dashboard; server.allowedHosts lists them\n"
            await PlainTextResponse(text, MISDIRECTED)(scope, receive, send)
        elif scope["type"] == "websocket" and self._is_foreign(scope["path"], headers):
            await WebSocketClose(FOREIGN_PAGE, "the page asking is not one of ours")(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _is_foreign(self, path: str, headers: Headers) -> bool:
        origin = headers.get("origin")
        if path == LIVE_PATH or origin is None or origin in self._origins():
            return False
        return not is_own_origin(origin, headers.get("host"))
