"""A webhook signed as Standard Webhooks 1.0 says (github.com/standard-webhooks/standard-webhooks, spec).

`webhook-id` is the same for every attempt: the receiver knows a repeat by it. `webhook-signature` is
`v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`; with several secrets, one signature each, a
space between.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json

from alerting.guarded_http import Place, post
from alerting.outgoing import Outgoing, instant
from alerting.receivers import Receiver, read_secret
from settings import SettingValueError

PREFIX = "whsec_"
LEAST_SECRET_BYTES = 24


def signature(secret: bytes, message_id: str, at_s: int, body: bytes) -> str:
    """One `v1,...`."""
    signed = f"{message_id}.{at_s}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()


def parse_secret(text: str) -> bytes:
    """The bytes of `whsec_<base64>`; padding may be left out, as the reference libraries allow.

    Raises:
        SettingValueError: It is none.
    """
    try:
        digits = text.removeprefix(PREFIX).rstrip("=")
        secret = base64.b64decode(digits + "=" * (-len(digits) % 4), validate=True)
    except binascii.Error:
        secret = b""
    if len(secret) < LEAST_SECRET_BYTES or not text.startswith(PREFIX):
        raise SettingValueError(
            f"a webhook secret must be {PREFIX} and the base64 of at least {LEAST_SECRET_BYTES} bytes"
        )
    return secret


def body_of(message: Outgoing) -> bytes:
    """The payload: type, timestamp, data, as the specification recommends."""
    data = {**message.data, "title": message.title, "text": message.text, "link": message.link}
    value = {"type": message.kind, "timestamp": instant(message.at_ms), "data": data}
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


class WebhookNotifier:
    """Posts to one URL."""

    def __init__(self, receiver: Receiver) -> None:
        self._place = Place(url=receiver.url, allow_private=receiver.allow_private, ca_file=receiver.ca_file)
        lines = read_secret(receiver.secret_file, "secret_file").splitlines()
        self._secrets = [parse_secret(line.strip()) for line in lines if line.strip()]

    def send(self, message_id: str, message: Outgoing, now_ms: int) -> int | None:
        """Post it."""
        body, at_s = body_of(message), now_ms // 1000
        signatures = [signature(secret, message_id, at_s, body) for secret in self._secrets]
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "Gatewatch",
            "webhook-id": message_id,
            "webhook-timestamp": str(at_s),
            "webhook-signature": " ".join(signatures),
        }
        return post(self._place, body, headers)
