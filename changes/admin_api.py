"""The one door to Kong's Admin API.

The host comes from the settings alone, redirects are not followed, no proxy of the environment is used, and
every phase has a time limit and every answer a size limit. What is sent must be an `AdminRequest`.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec

from domain.admin_requests import AdminRequest, is_plain_path
from domain.redaction import redact_text
from settings import SettingValueError

TIMEOUT_S = 10.0
"""For one whole exchange. After a crash nothing is read back before this has passed: it may still run."""
CONNECT_TIMEOUT_S = 3.0
MAX_BYTES = 16 * 1024 * 1024
PAGE_SIZE = 1_000
"""Kong's own most (kong/api/endpoints.lua `max_page_size`, 3.9.3)."""
MAX_PAGES = 200
MAX_MESSAGE_CHARS = 500
NOT_FOUND, UNSUPPORTED, CONFLICT = 404, 405, 409


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the Admin API said."""

    status: int
    body: Any
    """Decoded JSON; None when there was none."""

    @property
    def is_ok(self) -> bool:
        """2xx."""
        return 200 <= self.status < 300  # noqa: PLR2004 - a class of status

    def message(self) -> str:
        """What Kong says of an error, without secrets: `409, code 5: unique constraint violation: ...`."""
        if not isinstance(self.body, dict):
            return f"HTTP {self.status}"
        code = f", code {self.body['code']}" if isinstance(self.body.get("code"), int) else ""
        told = self.body.get("message") or self.body.get("name") or ""
        shown = redact_text(str(told))[:MAX_MESSAGE_CHARS]
        return f"HTTP {self.status}{code}" + (f": {shown}" if shown else "")


class Unreachable(Exception):  # noqa: N818 - reads as the state it names
    """Nobody can say whether a request arrived.

    Args:
        why: What failed, without addresses of others, tokens or bodies.
        was_sent: False when it certainly never arrived (no connection was made).
    """

    def __init__(self, why: str, *, was_sent: bool) -> None:
        self.why = why
        self.was_sent = was_sent
        super().__init__(why)


class AdminApi:
    """One Kong's Admin API; close it with `aclose`.

    Args:
        url: `http://host:8001` or with a path, such as an Enterprise workspace's.
        token: For `Kong-Admin-Token`; none is sent when empty.
        ca_file: PEM certificates to check its certificate against; those of the system when empty.
        transport: Instead of the network: for tests.

    Raises:
        SettingValueError: The URL or the file of certificates cannot be used.
    """

    def __init__(
        self,
        url: str,
        token: str = "",
        ca_file: str = "",
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.url = checked_url(url)
        headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "gatewatch"}
        if token:
            headers["Kong-Admin-Token"] = token
        self._client = httpx.AsyncClient(
            headers=headers,
            timeout=httpx.Timeout(TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
            follow_redirects=False,
            trust_env=False,
            # loading the system's certificates takes 20 ms; without TLS there is nothing to verify
            verify=_certificates(ca_file) if self.url.startswith("https:") else False,
            transport=transport,
            limits=httpx.Limits(max_connections=4),
        )

    async def aclose(self) -> None:
        """Close its connections."""
        await self._client.aclose()

    async def get(self, path: str) -> Answer:
        """Read one thing.

        Raises:
            Unreachable: There was no answer.
        """
        return await self._exchange("GET", path, None)

    async def entity(self, path: str) -> dict[str, Any] | None:
        """One entity; None when there is none.

        Raises:
            Unreachable: There was no answer, or one that is neither the entity nor 404.
        """
        answer = await self.get(path)
        if answer.status == NOT_FOUND:
            return None
        if not answer.is_ok or not isinstance(answer.body, dict):
            raise Unreachable(f"GET {path}: {answer.message()}", was_sent=True)
        return answer.body

    async def entities(self, path: str) -> list[dict[str, Any]] | None:
        """All entities of a collection, page by page; None when Kong has no such collection.

        Raises:
            Unreachable: A page could not be read.
        """
        found: list[dict[str, Any]] = []
        async for page in self._pages(path):
            if page is None:
                return None
            found += page
        return found

    async def _pages(self, path: str) -> AsyncIterator[list[dict[str, Any]] | None]:
        query: dict[str, str] = {"size": str(PAGE_SIZE)}
        for _ in range(MAX_PAGES):
            answer = await self._exchange("GET", path, None, query)
            if answer.status == NOT_FOUND:
                yield None
                return
            if not answer.is_ok or not isinstance(answer.body, dict):
                raise Unreachable(f"GET {path}: {answer.message()}", was_sent=True)
            data = answer.body.get("data")
            yield [row for row in data if isinstance(row, dict)] if isinstance(data, list) else []
            offset = answer.body.get("offset")
            if not isinstance(offset, str) or not offset:
                return
            query["offset"] = offset
        raise Unreachable(f"GET {path}: more than {MAX_PAGES * PAGE_SIZE:,} entities", was_sent=True)

    async def query(self, path: str, query: dict[str, str]) -> Answer:
        """Read with parameters.

        Raises:
            Unreachable: There was no answer.
        """
        return await self._exchange("GET", path, None, query)

    async def has_database(self) -> bool:
        """Whether this Kong can be changed through its Admin API.

        Raises:
            Unreachable: It does not say.
        """
        answer = await self.get("/")
        if not answer.is_ok or not isinstance(answer.body, dict):
            raise Unreachable(f"GET /: {answer.message()}", was_sent=True)
        configuration = answer.body.get("configuration")
        if not isinstance(configuration, dict):
            raise Unreachable("GET /: it does not say how it is configured", was_sent=True)
        return configuration.get("database") != "off" and configuration.get("role") != "data_plane"

    async def send(self, request: AdminRequest) -> Answer:
        """Send one approved request, once.

        Raises:
            Unreachable: There was no answer; `was_sent` says whether it may have arrived.
        """
        return await self._exchange(request.method, request.path, request.body)

    async def _exchange(
        self, method: str, path: str, body: dict[str, Any] | None, query: dict[str, str] | None = None
    ) -> Answer:
        if path != "/" and not is_plain_path(path):
            raise ValueError(f"path {path!r}, expected one like /plugins/<id>")
        content = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        headers = {} if content is None else {"Content-Type": "application/json"}
        try:
            async with (
                asyncio.timeout(TIMEOUT_S),
                self._client.stream(
                    method, self.url + path, content=content, headers=headers, params=query
                ) as response,
            ):
                raw = await _read(response)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise Unreachable(
                f"no connection to Kong's Admin API: {_cause(error)}", was_sent=False
            ) from error
        except (httpx.HTTPError, TimeoutError) as error:
            raise Unreachable(f"{method} {path}: no answer ({_cause(error)})", was_sent=True) from error
        return Answer(status=response.status_code, body=_json(raw))


async def _read(response: httpx.Response) -> bytes:
    parts, size = [], 0
    async for part in response.aiter_raw():
        size += len(part)
        if size > MAX_BYTES:
            raise httpx.ReadError(f"more than {MAX_BYTES:,} bytes")
        parts.append(part)
    return b"".join(parts)


def _json(raw: bytes) -> Any:
    if not raw:
        return None
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return {"message": redact_text(raw[:MAX_MESSAGE_CHARS].decode("utf-8", "replace"))}


def _cause(error: Exception) -> str:
    return f"{type(error).__name__}" + (f": {redact_text(str(error))[:120]}" if str(error) else "")


def checked_url(text: str) -> str:
    """An Admin API's address without a slash at its end.

    Raises:
        SettingValueError: It is no plain http or https address.
    """
    problem = "change_url is not an address such as http://127.0.0.1:8001"
    try:
        parts = urlsplit(text.strip())
        _ = parts.port
    except ValueError as error:
        raise SettingValueError(problem) from error
    if parts.username or parts.password:
        raise SettingValueError("change_url holds credentials: put the token into change_token_file")
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise SettingValueError(problem)
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def _certificates(ca_file: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except (OSError, ssl.SSLError) as error:
        raise SettingValueError(f"admin_ca_file {ca_file} holds no usable certificates: {error}") from error


def read_token(file: str) -> str:
    """The token in a file that only its owner may read; empty without a file.

    Raises:
        SettingValueError: The file cannot be read, is open to others, or is empty.
    """
    if not file:
        return ""
    path = Path(file)
    try:
        mode = path.stat().st_mode
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingValueError(f"change_token_file {file} cannot be read: {error}") from error
    if stat.S_IMODE(mode) & 0o077:
        raise SettingValueError(f"change_token_file {file} can be read by others: chmod 600 {file}")
    if not token:
        raise SettingValueError(f"change_token_file {file} is empty")
    return token
