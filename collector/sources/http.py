"""The HTTP intakes: Kong's http-log plugin, its event hooks, and anything else that posts JSON.

A 2xx answer means that the body is on disk. Everything else says why in `{"error": ...}`:

| status | when |
|---|---|
| 400 | not JSON, or not what this intake takes (kept in quarantine); a token in the URL |
| 401 | no known token, or a wrong signature |
| 403 | no token file, and the peer is not on this machine; a browser |
| 408, 413, 415 | the body came too slowly, is too long, is not JSON by its own account |
| 429 | the queue is full: try again in a second |
| 503 | nothing can be stored now: try again later |
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from collector.admission import Guesses, OncePerMinute
from collector.decoding import decode_body
from collector.metrics import Metrics
from collector.sink import Sink
from collector.tokens import Tokens, is_loopback, token_like
from collector.wire.event_hooks import decode_event_hook
from collector.wire.generic import decode_generic
from collector.wire.http_log import decode_http_log
from collector.wire.payloads import quarantined
from collector.wire.signature import is_signed
from domain.errors import StoreBusy, refusal_of
from domain.events import Decoded
from settings import Settings
from storage.batches import Batch, Written

log = logging.getLogger("gatewatch.http")

ROOM_LIMIT_S = 1.0
"""How long a request waits for room before it is told to come again."""
STORE_LIMIT_S = 8.0
"""How long it waits to be on disk: Kong gives up after 10 s (http-log's `timeout`)."""
BODY_LIMIT_S = 20.0
MOST_HELD_BYTES = 67_108_864
"""Bodies held in memory at a time, all requests together: 64 MiB."""
RETRY_FULL_S = 1
RETRY_DEGRADED_S = 5
SIGNATURE_HEADER = "x-kong-signature"
JSON_TYPES = ("application/json", "text/json")
UNTYPED = ""

Decode = Callable[[bytes], Decoded]


class HttpIntake:
    """The intakes; `routes` is what an application mounts."""

    def __init__(
        self,
        *,
        settings: Settings,
        tokens: Tokens | None,
        hook_secret: bytes | None,
        writer: Sink,
        metrics: Metrics,
        quiet: OncePerMinute,
        now_ms: Callable[[], int],
    ) -> None:
        self._settings = settings
        self._tokens = tokens
        self._hook_secret = hook_secret
        self._writer = writer
        self._metrics = metrics
        self._quiet = quiet
        self._now_ms = now_ms
        self._held_bytes = 0
        self._guesses = Guesses(time.monotonic)

    def routes(self) -> list[Route]:
        """One route per way in."""
        return [
            Route("/intake/http-log", self.http_log, methods=["POST"]),
            Route("/intake/event-hooks", self.event_hooks, methods=["POST"]),
            Route("/intake/events", self.events, methods=["POST"]),
        ]

    async def http_log(self, request: Request) -> Response:
        """`POST /intake/http-log`: one log entry, or an array of them."""
        source = await self._admit(request) or "http-log"
        body = await self._body(request)
        decode = partial(decode_http_log, received_ms=self._now_ms())
        return await self._take(request, body, source, "http-log", decode)

    async def event_hooks(self, request: Request) -> Response:
        """`POST /intake/event-hooks`: one event, signed where a secret is set."""
        if self._hook_secret is None:
            source = await self._admit(request)
            body = await self._body(request)
        else:
            source = None
            self._check_manners(request)
            body = await self._body(request)
            if not is_signed(body, request.headers.get(SIGNATURE_HEADER), self._hook_secret):
                raise await self._wrong(request, "signature", "X-Kong-Signature is missing or wrong")
        decode = partial(decode_event_hook, received_ms=self._now_ms())
        return await self._take(request, body, source or "event-hooks", "event-hooks", decode)

    async def events(self, request: Request) -> Response:
        """`POST /intake/events`: our own events, or the two generic forms."""
        source = await self._admit(request) or "events"
        body = await self._body(request)
        named = request.headers.get("x-kong-event")
        decode = partial(decode_generic, received_ms=self._now_ms(), kong_event=named)
        return await self._take(request, body, source, "events", decode)

    # ---- who may send

    async def _admit(self, request: Request) -> str | None:
        """The source of the request's token; None where no tokens are in use."""
        self._check_manners(request)
        if self._tokens is None:
            if not is_loopback(_peer(request)):
                raise self._refusal(
                    request, 403, "not-loopback", "without a token file only loopback may send"
                )
            return None
        given = request.headers.getlist("authorization")
        source = self._tokens.source_of(given[0]) if len(given) == 1 else None
        if source is None:
            raise await self._wrong(request, "token", "expected Authorization: Bearer with a known token")
        return source

    async def _wrong(self, request: Request, why: str, text: str) -> HTTPException:
        """The refusal of a wrong token or signature, late where many came before."""
        await asyncio.sleep(self._guesses.delay_s(_peer(request) or "unknown"))
        return self._refusal(request, 401, why, text)

    def _check_manners(self, request: Request) -> None:
        headers = request.headers
        if token_like(list(request.query_params.keys())):
            raise self._refusal(request, 400, "token-in-url", "put the token into the Authorization header")
        if "origin" in headers or headers.get("sec-fetch-mode"):
            raise self._refusal(request, 403, "browser", "browsers may not send events")
        declared = headers.get("content-type", UNTYPED).partition(";")[0].strip().lower()
        if declared not in (*JSON_TYPES, UNTYPED) and not declared.endswith("+json"):
            raise self._refusal(request, 415, "content-type", "expected content-type application/json")
        if headers.get("content-encoding", "identity").lower() != "identity":
            raise self._refusal(request, 415, "content-encoding", "compressed bodies are not taken")

    def _refusal(
        self, request: Request, status: int, why: str, text: str, retry_after_s: int | None = None
    ) -> HTTPException:
        self._metrics.count("gatewatch_rejected_connections_total", why=why)
        peer = _peer(request) or "unknown"
        held = self._quiet.passes(f"{peer} http {why}")
        if held is not None:
            log.warning("turned away %s: %s%s", peer, text, f" ({held} more)" if held else "")
        headers = {}
        if status == 401:  # noqa: PLR2004 - RFC 9110, 15.5.2: says how to do better
            headers["WWW-Authenticate"] = 'Bearer realm="gatewatch"'
        if retry_after_s is not None:
            headers["Retry-After"] = str(retry_after_s)
        return HTTPException(status, text, headers)

    # ---- what they send

    async def _body(self, request: Request) -> bytes:
        """The whole body, at most `max_message_bytes`, before anything is done with it."""
        if self._writer.health.state != "ok":
            raise self._refusal(
                request, 503, "degraded", f"cannot store now: {self._writer.health.detail}", RETRY_DEGRADED_S
            )
        most = self._settings.max_message_bytes
        declared = request.headers.get("content-length", "0")
        if not declared.isdigit() or int(declared) > most:
            raise self._refusal(request, 413, "too-large", f"body longer than {most} bytes")
        if self._held_bytes > MOST_HELD_BYTES:
            raise self._refusal(request, 429, "queue-full", "the queue is full", RETRY_FULL_S)
        held, parts = 0, []
        try:
            async with asyncio.timeout(BODY_LIMIT_S):
                async for part in request.stream():
                    held += len(part)
                    self._held_bytes += len(part)
                    if held > most:
                        raise self._refusal(request, 413, "too-large", f"body longer than {most} bytes")
                    parts.append(part)
        except TimeoutError:
            raise self._refusal(request, 408, "slow-body", "the body came too slowly") from None
        except ClientDisconnect:
            raise HTTPException(400, "the peer went away") from None
        finally:
            self._held_bytes -= held
        return b"".join(parts)

    async def _wait_for_room(self, request: Request) -> None:
        try:
            async with asyncio.timeout(ROOM_LIMIT_S):
                await self._writer.room()
        except TimeoutError:
            raise self._refusal(request, 429, "queue-full", "the queue is full", RETRY_FULL_S) from None

    async def _take(self, request: Request, body: bytes, source: str, way: str, decode: Decode) -> Response:
        self._held_bytes += len(body)
        try:
            await self._wait_for_room(request)
            decoded, problem = await self._decoded(body, decode)
        finally:
            self._held_bytes -= len(body)
        batch = Batch(source=source, way=way, received_ms=self._now_ms(), decoded=decoded)
        written = await self._stored(self._writer.submit(batch))
        if written is None:
            detail = self._writer.health.detail or "it took too long"
            return _error(503, f"not known to be stored: {detail}", {"Retry-After": str(RETRY_DEGRADED_S)})
        return _error(400, problem) if problem else JSONResponse(_answer(decoded, written))

    async def _decoded(self, body: bytes, decode: Decode) -> tuple[Decoded, str]:
        """What the body holds, and why it cannot be read where it cannot: then it goes to quarantine."""
        try:
            return await decode_body(partial(decode, body), len(body)), ""
        except Exception as error:  # noqa: BLE001 - see refusal_of
            why = str(refusal_of(error, "body"))
            return Decoded(entries=1, quarantined=[quarantined(why, body)]), why
        except BaseException:  # cancelled: the place in the queue that was taken is given back
            self._writer.leave()
            raise

    async def _stored(self, future: asyncio.Future[Written]) -> Written | None:
        try:
            async with asyncio.timeout(STORE_LIMIT_S):
                return await asyncio.shield(future)
        except (TimeoutError, StoreBusy):
            return None


def _answer(decoded: Decoded, written: Written) -> dict[str, int]:
    if written.is_queued:  # what is new, and what a violation, is known when it is stored
        return {
            "entries": decoded.entries,
            "queued": written.events + written.traffic,
            "quarantined": written.quarantined,
        }
    return {
        "entries": decoded.entries,
        "events": written.events,
        "violations": written.violations,
        "requests": written.traffic,
        "duplicates": written.duplicates,
        "quarantined": written.quarantined,
    }


def application(
    intake: HttpIntake,
    healthz: Callable[[Request], Awaitable[Response]],
    metrics: Callable[[Request], Awaitable[Response]],
) -> Starlette:
    """Everything that the HTTP port answers."""
    return Starlette(
        routes=[
            *intake.routes(),
            Route("/healthz", healthz, methods=["GET"]),
            Route("/metrics", metrics, methods=["GET"]),
        ],
        exception_handlers={HTTPException: _on_refusal, Exception: _on_failure},
    )


async def _on_refusal(_request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise TypeError
    return _error(error.status_code, error.detail, dict(error.headers or {}))


async def _on_failure(_request: Request, error: Exception) -> Response:
    log.error("a request failed: %s", type(error).__name__)
    return _error(500, "it is not known to be stored: try again", {"Retry-After": str(RETRY_DEGRADED_S)})


def _error(status: int, text: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"error": text}, status, headers)


def _peer(request: Request) -> str | None:
    return request.client.host if request.client else None
