"""POST to the outside, on a leash: the address is resolved once and every one of them is checked.

Guards against requests forged through a configured URL (OWASP API7:2023): only http and https, only ports
that are usual for them unless the URL says another one above 1023, no private, loopback, link-local or
reserved address unless allowed, no redirects, a bounded answer, a bounded time. The connection goes to
the very address that was checked, so that a name cannot change its mind in between.
"""

from __future__ import annotations

import email.utils
import http.client
import ipaddress
import socket
import ssl
import time
from collections.abc import Mapping
from urllib.parse import urlsplit

import msgspec

from alerting.notifier import DeliveryFailed

TIMEOUT_S = 10.0
MOST_ANSWER_BYTES = 4_096
MOST_BODY_BYTES = 262_144
LOW_PORTS = frozenset({80, 443})
FIRST_HIGH_PORT = 1_024
GONE, TOO_MANY, REQUEST_TIMEOUT = 410, 429, 408


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where to post."""

    url: str
    allow_private: bool = False
    ca_file: str = ""


def post(place: Place, body: bytes, headers: Mapping[str, str], *, timeout_s: float = TIMEOUT_S) -> int:
    """POST once; returns the status when it is 2xx.

    Raises:
        DeliveryFailed: It was not taken, or may not be sent there.
    """
    parts = urlsplit(place.url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    _check_place(parts.scheme, host, port, len(body))
    deadline = time.monotonic() + timeout_s
    address = _resolve(host, port, allow_private=place.allow_private)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        with _connected(parts.scheme, host, address, place.ca_file, timeout_s) as raw:
            connection = http.client.HTTPConnection(host, port, timeout=timeout_s)
            connection.sock = raw
            connection.request("POST", path, body, {"Connection": "close", **headers})
            raw.settimeout(max(0.1, deadline - time.monotonic()))
            answer = connection.getresponse()
            status, wait = answer.status, answer.getheader("Retry-After")
            answer.read(MOST_ANSWER_BYTES)
    except ssl.SSLError as error:
        raise DeliveryFailed(f"TLS with {host} failed: {error.reason or 'unknown'}") from error
    except TimeoutError as error:
        raise DeliveryFailed(f"{host} did not answer within {timeout_s:.0f} s") from error
    except (OSError, http.client.HTTPException) as error:
        raise DeliveryFailed(f"{host} cannot be reached: {type(error).__name__}") from error
    return _judged(host, status, wait)


def _check_place(scheme: str, host: str, port: int, size: int) -> None:
    if scheme not in {"http", "https"} or not host:
        raise DeliveryFailed("its URL is not http:// or https:// with a host", permanent=True)
    if port not in LOW_PORTS and port < FIRST_HIGH_PORT:
        raise DeliveryFailed(
            f"port {port} is not for the web: 80, 443 or above 1023 may be used", permanent=True
        )
    if size > MOST_BODY_BYTES:
        raise DeliveryFailed(
            f"the message has {size} bytes, at most {MOST_BODY_BYTES} are sent", permanent=True
        )


def _resolve(host: str, port: int, *, allow_private: bool) -> tuple[socket.AddressFamily, tuple[str, int]]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise DeliveryFailed(f"{host} has no address: {error.strerror or 'unknown'}") from error
    for _, _, _, _, where in found:
        if not allow_private and not is_public(str(where[0])):
            raise DeliveryFailed(
                f"{host} is at {where[0]}, not a public address; allow_private = true permits that",
                permanent=True,
            )
    family, _, _, _, where = found[0]
    return family, (str(where[0]), port)


def is_public(address: str) -> bool:
    """Whether an address is on the internet, an IPv4 one inside an IPv6 one looked through."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return ip.is_global and not ip.is_multicast


def _connected(
    scheme: str,
    host: str,
    address: tuple[socket.AddressFamily, tuple[str, int]],
    ca_file: str,
    timeout_s: float,
) -> socket.socket:
    family, where = address
    raw = socket.socket(family, socket.SOCK_STREAM)
    try:
        raw.settimeout(timeout_s)
        raw.connect(where)
        if scheme == "http":
            return raw
        context = ssl.create_default_context(cafile=ca_file or None)
        return context.wrap_socket(raw, server_hostname=host)
    except BaseException:  # whatever it was goes on; only the socket must not stay open
        raw.close()
        raise


def _judged(host: str, status: int, wait: str | None) -> int:
    if 200 <= status < 300:  # noqa: PLR2004 - taken
        return status
    if 300 <= status < 400:  # noqa: PLR2004 - elsewhere
        why = f"{host} answered {status}: redirects are not followed, correct the URL"
        raise DeliveryFailed(why, permanent=True, code=status)
    if status == GONE:
        raise DeliveryFailed(f"{host} answered 410 Gone", permanent=True, code=status, gone=True)
    retry = status in {TOO_MANY, REQUEST_TIMEOUT} or status >= 500  # noqa: PLR2004 - theirs, for now
    raise DeliveryFailed(
        f"{host} answered {status}", permanent=not retry, code=status, retry_after_s=seconds_of(wait)
    )


def seconds_of(retry_after: str | None) -> float | None:
    """Seconds that a Retry-After asks for: a number, or a date (RFC 9110, 10.2.3); None for neither."""
    if retry_after is None:
        return None
    text = retry_after.strip()
    if text.isascii() and text.isdigit() and len(text) <= 9:  # noqa: PLR2004 - thirty years
        return float(text)
    try:
        until = email.utils.parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    return max(0.0, until.timestamp() - time.time_ns() / 1e9)
