"""The WebSocket that pushes live views: `/gatewatch/live`.

    browser  {"t":"watch","ticket":"..."}          within 5 s, and again whenever it wants another view
    server   {"t":"fresh"|"tail"|"full"|"trouble"|"ticket"|"skipped", ...}

Close codes: 4400 not understood, 4401 ticket refused (ask the page for a new one), 4403 another site's page,
4429 too many views.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import orjson
from starlette.websockets import WebSocket, WebSocketDisconnect

from ui.server.hosts import is_known_host, is_own_origin
from ui.server.hub import Channel, Hub, TooManyViews
from ui.server.outbox import Outbox, Slot
from ui.server.subscription import Subscription
from ui.server.tickets import LIVE_LIFETIME_MS, TicketRefused, Tickets

PURPOSE = "live"
HELLO_LIMIT_S = 5.0
SEND_LIMIT_S = 20.0
"""A browser that takes nothing for so long is gone."""
RENEW_EVERY_S = LIVE_LIFETIME_MS / 1000 / 4
MAX_VIEWERS = 500
LONGEST_MS = 12 * 3_600_000
"""So long a page's word is renewed; then the page has to run again, and its viewer to be logged in still."""
NOT_UNDERSTOOD, REFUSED, FOREIGN, BUSY = 4400, 4401, 4403, 4429


class Allowed(NamedTuple):
    """What a ticket allows, and when a page said so."""

    subscription: Subscription
    since_ms: int


class Refusal(Exception):  # noqa: N818 - reads as what happened
    """The connection closes with this code and sentence."""

    def __init__(self, code: int, reason: str) -> None:
        self.code = code
        self.reason = reason
        super().__init__(f"{code} {reason}")


async def _said(socket: WebSocket) -> str:
    """The next text of a browser."""
    try:
        return await socket.receive_text()
    except KeyError as error:  # what Starlette 1.10 makes of a frame that is binary
        raise Refusal(NOT_UNDERSTOOD, "expected text") from error


class LiveRoute:
    """Serves one WebSocket per open Live page."""

    def __init__(self, hub: Hub, tickets: Tickets, allowed_hosts: Callable[[], Sequence[str]]) -> None:
        self._hub = hub
        self._tickets = tickets
        self._allowed_hosts = allowed_hosts
        self._viewers = 0

    async def __call__(self, socket: WebSocket) -> None:
        """Serve until either side leaves."""
        await socket.accept()
        try:
            self._admit(socket)
            self._viewers += 1
            try:
                await self._serve(socket)
            finally:
                self._viewers -= 1
        except Refusal as refusal:
            with contextlib.suppress(RuntimeError, WebSocketDisconnect):
                await socket.close(refusal.code, refusal.reason)
        except WebSocketDisconnect:
            return

    def _admit(self, socket: WebSocket) -> None:
        host = socket.headers.get("host")
        if not is_known_host(host, self._allowed_hosts()):
            raise Refusal(FOREIGN, "this host name is not one of ours")
        if not is_own_origin(socket.headers.get("origin"), host):
            raise Refusal(FOREIGN, "the page asking is not one of ours")
        if self._viewers >= MAX_VIEWERS:
            raise Refusal(BUSY, f"{MAX_VIEWERS} browsers watch already")

    async def _serve(self, socket: WebSocket) -> None:
        try:
            async with asyncio.timeout(HELLO_LIMIT_S):
                allowed = self._understood(await _said(socket))
        except TimeoutError as error:
            raise Refusal(NOT_UNDERSTOOD, "no ticket was shown within 5 s") from error
        while True:
            next_one = await self._watch(socket, allowed)
            if next_one is None:
                return
            allowed = next_one

    async def _watch(self, socket: WebSocket, allowed: Allowed) -> Allowed | None:
        """Push one view until the browser asks for another (returned) or leaves (None)."""
        outbox = Outbox()
        try:
            channel = self._hub.join(allowed.subscription, outbox)
        except TooManyViews as error:
            raise Refusal(BUSY, "too many different views are open") from error
        tasks = (
            asyncio.create_task(self._push(socket, outbox, channel)),
            asyncio.create_task(self._renew(outbox, allowed)),
        )
        asking = asyncio.create_task(_said(socket))
        try:
            await asyncio.wait({asking, *tasks}, return_when=asyncio.FIRST_COMPLETED)
            if tasks[1].done():
                raise Refusal(REFUSED, "this view has been open for long: the page has to run again")
            return self._understood(asking.result()) if asking.done() else None
        finally:
            self._hub.leave(allowed.subscription, outbox)
            for task in (*tasks, asking):
                task.cancel()
            await asyncio.gather(*tasks, asking, return_exceptions=True)

    def _understood(self, text: str) -> Allowed:
        try:
            message: Any = orjson.loads(text)
            ticket = message["ticket"] if message["t"] == "watch" else None
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise Refusal(NOT_UNDERSTOOD, "expected a watch message with a ticket") from error
        if not isinstance(ticket, str):
            raise Refusal(NOT_UNDERSTOOD, "expected a watch message with a ticket")
        try:
            claims = self._tickets.check(ticket, PURPOSE)
            return Allowed(Subscription.from_json(claims["view"]), claims["since"])
        except TicketRefused as error:
            raise Refusal(REFUSED, error.reason) from error

    async def _push(self, socket: WebSocket, outbox: Outbox, channel: Channel) -> None:
        while True:
            messages = await outbox.take()
            if outbox.has_lost_tail:
                outbox.has_lost_tail = False
                told = {"t": "skipped", "messages": outbox.dropped}
                messages += [orjson.dumps(told), orjson.dumps(channel.view.whole_tail())]
            for message in messages:
                async with asyncio.timeout(SEND_LIMIT_S):
                    await socket.send_text(message.decode())

    async def _renew(self, outbox: Outbox, allowed: Allowed) -> None:
        """Send a fresh ticket well before the one in hand ends; returns when it is time to ask the page."""
        while True:
            await asyncio.sleep(RENEW_EVERY_S)
            if self._tickets.now_ms() - allowed.since_ms > LONGEST_MS:
                return
            ticket = issue_live_ticket(self._tickets, allowed.subscription, allowed.since_ms)
            outbox.put(Slot.TICKET, orjson.dumps({"t": "ticket", "ticket": ticket}))


def issue_live_ticket(tickets: Tickets, subscription: Subscription, since_ms: int | None = None) -> str:
    """The right to watch this view for an hour.

    Args:
        tickets: The server's.
        subscription: The view.
        since_ms: When a page allowed it, for a renewal; None for now.
    """
    since = tickets.now_ms() if since_ms is None else since_ms
    claims = {"view": subscription.canonical().to_json(), "since": since}
    return tickets.issue(PURPOSE, claims, LIVE_LIFETIME_MS)
