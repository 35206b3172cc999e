"""Addresses of Admin APIs, as configured: the only hosts that are ever asked."""

from __future__ import annotations

import dataclasses
from urllib.parse import SplitResult, urlsplit

from settings import SettingValueError

SCHEMES = ("http", "https")


@dataclasses.dataclass(frozen=True, slots=True)
class AdminAddress:
    """One Admin API."""

    origin: str
    """`scheme://host:port`."""
    prefix: str
    """The path that it lives under, without a slash at its end; empty for most."""

    @property
    def label(self) -> str:
        """What people see, and what nodes are joined by: `http://gw-1:8001`."""
        return self.origin + self.prefix

    def url(self, path: str) -> str:
        """Where to ask for a path that begins with a slash. Never another host, whatever the path says.

        Raises:
            ValueError: The path does not begin with one slash.
        """
        if not path.startswith("/") or path.startswith("//") or "\\" in path:
            raise ValueError(f"not a path of an Admin API: {path[:60]!r}")
        return self.origin + self.prefix + path


def parse_admin_url(text: str) -> AdminAddress:
    """Read one configured address.

    Raises:
        SettingValueError: It is no http or https URL, or holds credentials, a query or a fragment.
    """
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError:
        raise SettingValueError(f"admin_url is {_shown(text)!r}, expected http://HOST:PORT") from None
    if parts.scheme not in SCHEMES or not parts.hostname:
        raise SettingValueError(f"admin_url is {_shown(text)!r}, expected http://HOST:PORT")
    if parts.username is not None or parts.password is not None:
        raise SettingValueError("admin_url holds credentials: put the token into admin_token_file")
    if parts.query or parts.fragment:
        raise SettingValueError(f"admin_url is {_shown(text)!r}, expected no query and no fragment")
    return AdminAddress(_origin(parts, port), parts.path.rstrip("/"))


def parse_admin_urls(texts: tuple[str, ...]) -> tuple[AdminAddress, ...]:
    """Read all of them, each once, in their order.

    Raises:
        SettingValueError: One of them cannot be used.
    """
    return tuple(dict.fromkeys(parse_admin_url(text) for text in texts))


def _origin(parts: SplitResult, port: int | None) -> str:
    host = (parts.hostname or "").lower()
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}" + (f":{port}" if port else "")


def _shown(text: str) -> str:
    """The text without what may be a password."""
    head, at, tail = text.rpartition("@")
    return f"...@{tail}"[:80] if at and head else text[:80]
