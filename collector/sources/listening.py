"""Addresses to listen on: read, judged, bound."""

from __future__ import annotations

import socket

from collector.tokens import is_loopback
from settings import SettingValueError

BACKLOG = 128
"""Connections that wait to be accepted: few, because a process out of file handles is kept busy by them."""


def parse_address(text: str, option: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`; IPv6 hosts stand in brackets.

    Raises:
        SettingValueError: It is not `HOST:PORT`, or the port is not 0 to 65535.
    """
    host, colon, port = text.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not colon or not bare or not port.isascii() or not port.isdigit() or int(port) > 65_535:  # noqa: PLR2004 - of TCP
        raise SettingValueError(f"{option} is {text!r}, expected HOST:PORT, such as 127.0.0.1:8765")
    return bare, int(port)


def shown_address(host: str, port: int) -> str:
    """`HOST:PORT` with IPv6 hosts in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def check_public(host: str, option: str, *, has_tokens: bool) -> None:
    """Refuse an address that others can reach when anybody could send to it.

    Raises:
        SettingValueError: Not a loopback address, and there are no tokens.
    """
    if not has_tokens and not is_loopback(host):
        raise SettingValueError(
            f"{option} {host} can be reached from other machines, and no token file is set: "
            "give --token-file FILE, or listen on 127.0.0.1"
        )


def listen(host: str, port: int, option: str) -> socket.socket:
    """A bound, listening socket.

    Raises:
        SettingValueError: The address cannot be listened on; the message says why.
    """
    shown = shown_address(host, port)
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        found = socket.socket(family, kind, protocol)
    except OSError as error:
        raise SettingValueError(f"{option} {shown} cannot be listened on: {_why(error)}") from error
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
        found.listen(BACKLOG)
        found.setblocking(False)
    except OSError as error:
        found.close()
        raise SettingValueError(f"{option} {shown} cannot be listened on: {_why(error)}") from error
    return found


def _why(error: OSError) -> str:
    text = (error.strerror or str(error)).lower()
    return text + (" (is another collector running?)" if "in use" in text else "")
