"""One question to an Admin API: only configured hosts, no redirects, a limit on time and on size.

A failure is silence, and says why; `Silence.is_telling` says whether it says something about the node. Nobody
there, or no answer in time: yes. An answer that forbids, redirects, or is none of Kong's; a certificate that
is not trusted; a name that cannot be resolved; no network of our own: no, for then we could not ask.
"""

from __future__ import annotations

import asyncio
import email.utils
import errno
import socket
import ssl

import httpx
import msgspec

from collector.poller.address import AdminAddress
from settings import SettingValueError

CONNECT_LIMIT_S = 2.0
ANSWER_LIMIT_S = 4.0
"""For the whole answer, so that a round ends before the next one."""
LIST_LIMIT_S = 20.0
"""A page of 1,000 entities from a busy database."""
MAX_BODY_BYTES = 16_777_216
"""1,000 plugins are some 2 MB; /status of a node with 64 workers is 20 KB."""
TOKEN_HEADER = "Kong-Admin-Token"  # noqa: S105 - a header's name
OK = 200
_OURS = frozenset((errno.ENETUNREACH, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EADDRNOTAVAIL))
"""Errors that say that this machine cannot ask."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer with status 200."""

    body: bytes
    clock_ms: int | None
    """The node's clock by its `Date` header, to the second."""


class Silence(msgspec.Struct, frozen=True, kw_only=True):
    """No answer that could be used."""

    why: str
    """One short phrase, without addresses or secrets."""
    is_telling: bool
    status: int | None = None
    """The HTTP status where there was one."""


def open_client(token: str | None, ca_file: str) -> httpx.AsyncClient:
    """A client for all addresses; close it with `aclose`.

    Raises:
        SettingValueError: The file of certificates cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
    except (OSError, ssl.SSLError) as error:
        raise SettingValueError(f"admin_ca_file {ca_file} holds no usable certificates: {error}") from error
    headers = {"accept": "application/json", "accept-encoding": "identity", "user-agent": "gatewatch"}
    if token:
        headers[TOKEN_HEADER] = token
    return httpx.AsyncClient(
        verify=context,
        headers=headers,
        follow_redirects=False,
        trust_env=False,
        timeout=httpx.Timeout(ANSWER_LIMIT_S, connect=CONNECT_LIMIT_S),
        limits=httpx.Limits(max_connections=64, max_keepalive_connections=32, keepalive_expiry=30.0),
    )


async def ask(
    client: httpx.AsyncClient, address: AdminAddress, path: str, limit_s: float = ANSWER_LIMIT_S
) -> Answer | Silence:
    """Ask once; nothing is tried again here."""
    try:
        async with asyncio.timeout(limit_s):
            return await _answer(client, address.url(path), limit_s)
    except (TimeoutError, httpx.TimeoutException):
        return Silence(why="no answer in time", is_telling=True)
    except httpx.HTTPError as error:
        return silence_of(error)


async def _answer(client: httpx.AsyncClient, url: str, limit_s: float) -> Answer | Silence:
    timeout = httpx.Timeout(limit_s, connect=CONNECT_LIMIT_S)
    async with client.stream("GET", url, timeout=timeout) as response:
        if response.status_code != OK:
            return _refused(response.status_code)
        parts: list[bytes] = []
        size = 0
        async for part in response.aiter_raw():
            size += len(part)
            if size > MAX_BODY_BYTES:
                return Silence(why=f"its answer is longer than {MAX_BODY_BYTES} bytes", is_telling=False)
            parts.append(part)
        return Answer(body=b"".join(parts), clock_ms=_clock_ms(response.headers.get("date")))


def silence_of(error: BaseException) -> Silence:
    """What a failed request says."""
    for cause in _causes(error):
        why, is_telling = _why(cause)
        if why:
            return Silence(why=why, is_telling=is_telling)
    if isinstance(error, httpx.RemoteProtocolError):
        return Silence(why="the connection ended without an answer", is_telling=True)
    if isinstance(error, httpx.NetworkError):
        return Silence(why="the connection failed", is_telling=True)
    return Silence(why=f"it cannot be asked ({type(error).__name__})", is_telling=False)


def _why(cause: BaseException) -> tuple[str, bool]:
    """(why, whether that tells something of the node) of the errors that we know; else empty."""
    why, is_telling = "", False
    if isinstance(cause, socket.gaierror):
        why = "its name cannot be resolved"
    elif isinstance(cause, ssl.SSLCertVerificationError):
        why = f"its certificate is not trusted: {cause.verify_message}"
    elif isinstance(cause, ssl.SSLError):
        why = "it does not speak TLS as expected"
    elif isinstance(cause, OSError) and cause.errno in _OURS:
        why = f"this machine cannot ask: {cause.strerror}"
    elif isinstance(cause, ConnectionRefusedError):
        why, is_telling = "connection refused", True
    return why, is_telling


def _refused(status: int) -> Silence:
    words = {
        401: "it answers HTTP 401: it wants an admin token",
        403: "it answers HTTP 403: the admin token may not read this",
        404: "it answers HTTP 404: no Admin API at this address",
    }
    why = words.get(status, f"it answers HTTP {status}")
    if 300 <= status < 400:  # noqa: PLR2004 - redirects
        why = f"it answers HTTP {status}: redirects are not followed"
    return Silence(why=why, is_telling=False, status=status)


def _causes(error: BaseException | None) -> list[BaseException]:
    """The error and what led to it, also inside groups (a host with several addresses), outermost first."""
    found: list[BaseException] = []
    waiting = [error]
    while waiting:
        one = waiting.pop(0)
        if one is None or one in found:
            continue
        found.append(one)
        waiting += [one.__cause__, one.__context__]
        waiting += list(getattr(one, "exceptions", ()))
    return found


def _clock_ms(text: str | None) -> int | None:
    if not text:
        return None
    try:
        return round(email.utils.parsedate_to_datetime(text).timestamp() * 1000)
    except (TypeError, ValueError):
        return None
