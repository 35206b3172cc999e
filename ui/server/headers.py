"""Security headers on every answer of the dashboard.

What Streamlit 1.67 needs beyond its own files, seen in Chromium: one inline script of its start page (allowed
by its hash), `blob:` scripts (it wraps the JavaScript of components in them) and inline styles.
"""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_INLINE_SCRIPT = re.compile(rb"<script>(.*?)</script>", re.DOTALL)
PERMISSIONS = (
    "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), magnetometer=(), "
    "microphone=(), midi=(), payment=(), publickey-credentials-get=(), usb=(), xr-spatial-tracking=()"
)


def inline_script_hashes(start_page: bytes) -> list[str]:
    """The CSP sources for the inline scripts of a page, in order."""
    scripts = _INLINE_SCRIPT.findall(start_page.replace(b"\r\n", b"\n"))
    digests = (base64.b64encode(hashlib.sha256(script).digest()).decode() for script in scripts)
    return [f"'sha256-{digest}'" for digest in digests]


def content_security_policy(start_page: bytes) -> str:
    """The policy for this version of Streamlit's start page."""
    directives = {
        "default-src": ["'none'"],
        "script-src": ["'self'", "blob:", *inline_script_hashes(start_page)],
        "style-src": ["'self'", "'unsafe-inline'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'", "data:"],
        "connect-src": ["'self'"],
        "worker-src": ["'self'", "blob:"],
        "manifest-src": ["'self'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
        "object-src": ["'none'"],
    }
    return "; ".join(f"{name} {' '.join(sources)}" for name, sources in directives.items())


def streamlit_start_page() -> bytes:
    """The page that Streamlit serves for every address of the app."""
    import streamlit  # noqa: PLC0415 - it is loaded already where this is called

    return (Path(streamlit.__file__).parent / "static" / "index.html").read_bytes()


class SecurityHeaders:
    """ASGI middleware; a header that an answer has already stays as it is."""

    def __init__(self, app: ASGIApp, policy: str) -> None:
        self._app = app
        self._headers = {
            "Content-Security-Policy": policy,
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "Referrer-Policy": "no-referrer",
            "Permissions-Policy": PERMISSIONS,
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, adding to the first message of an HTTP answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)
