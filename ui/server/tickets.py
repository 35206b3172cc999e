"""Short-lived proofs that a page of ours allowed something: a live view, an export.

A page hands a ticket to its component, and the component to the route. A ticket is signed with a key that
lives as long as the process, so a restart ends all of them; the page then runs again and makes a new one.
An open live view is sent a fresh ticket long before its own ends; one that was away longer (a laptop
asleep) is refused with `4401` and asks its page for a new one.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Callable
from typing import Any

import orjson

LIVE_LIFETIME_MS = 3_600_000
EXPORT_LIFETIME_MS = 900_000
"""It stands in a URL, so it is shorter: the page makes a new one at each run."""
MAX_TICKET_CHARS = 16_384


class TicketRefused(Exception):  # noqa: N818 - reads as what happened
    """A ticket is not ours, is too old, or was made for something else; `reason` is for the asker."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Tickets:
    """Makes and checks tickets with one key.

    Args:
        key: At least 32 random bytes.
        now_ms: The clock.
    """

    def __init__(self, key: bytes, now_ms: Callable[[], int]) -> None:
        self._key = key
        self.now_ms = now_ms

    def issue(self, purpose: str, payload: Any, lifetime_ms: int) -> str:
        """A ticket for `purpose` that carries `payload` (JSON)."""
        body = orjson.dumps({"p": purpose, "x": self.now_ms() + lifetime_ms, "d": payload})
        return f"{_text(body)}.{_text(self._signature(body))}"

    def check(self, ticket: str, purpose: str) -> Any:
        """The payload of a good ticket.

        Raises:
            TicketRefused: It is none of ours, made for another purpose, or too old.
        """
        body = self._verified(ticket)
        claims = orjson.loads(body)
        if claims["p"] != purpose:
            raise TicketRefused(f"the ticket is not for {purpose}")
        if claims["x"] <= self.now_ms():
            raise TicketRefused("the ticket has expired: reload the page")
        return claims["d"]

    def _verified(self, ticket: str) -> bytes:
        body_text, dot, signature_text = ticket.partition(".")
        if not dot or len(ticket) > MAX_TICKET_CHARS:
            raise TicketRefused("the ticket cannot be read: reload the page")
        try:
            body, signature = _bytes(body_text), _bytes(signature_text)
        except ValueError as error:  # binascii.Error and UnicodeEncodeError are ValueErrors
            raise TicketRefused("the ticket cannot be read: reload the page") from error
        if not hmac.compare_digest(signature, self._signature(body)):
            raise TicketRefused("the ticket is not ours: reload the page")
        return body

    def _signature(self, body: bytes) -> bytes:
        return hmac.new(self._key, body, hashlib.sha256).digest()


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _bytes(text: str) -> bytes:
    raw = text.encode("ascii")
    try:
        return base64.b64decode(raw + b"=" * (-len(raw) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from error


PROCESS_KEY = secrets.token_bytes(32)
"""New at every start, never written anywhere."""
