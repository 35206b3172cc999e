"""A sender of the stream protocol, as small as one can be."""

from __future__ import annotations

import contextlib
import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol


class Sender:
    """One connection of one source."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._next = 1

    def send(self, *events: dict[str, Any]) -> int:
        """Send events in one message; returns when they were sent, in milliseconds since 1970."""
        sent_ms = time.time_ns() // 1_000_000
        batch = {"t": "batch", "first": self._next, "events": list(events)}
        self._socket.send(json.dumps(batch))
        self._next += len(events)
        return sent_ms

    def wait_stored(self) -> None:
        """Until everything sent is acknowledged, which means on disk."""
        while True:
            message = json.loads(self._socket.recv(timeout=10))
            if message["t"] == "ack" and message["upto"] >= self._next - 1:
                return


@contextlib.contextmanager
def sending(url: str, source: str = "e2e") -> Iterator[Sender]:
    """Connect and say hello."""
    with connect(url, subprotocols=[Subprotocol("gatewatch.ingest.v1")], proxy=None) as socket:
        hello = {
            "t": "hello",
            "source": source,
            "epoch": uuid.uuid4().hex,
            "oldest": 1,
            "next": 1,
            "node": {"id": f"node-{source}", "hostname": source, "version": "3.9.1"},
        }
        socket.send(json.dumps(hello))
        welcome = json.loads(socket.recv(timeout=10))
        assert welcome["t"] == "welcome", welcome
        yield Sender(socket)


def violation(**fields: Any) -> dict[str, Any]:
    """A refusal that happens now."""
    return {
        "kind": "rate-limiting",
        "event": "exceeded",
        "id": uuid.uuid4().hex,
        "at_ms": time.time_ns() // 1_000_000,
        "consumer": "acme-mobile",
        "ip": "203.0.113.7",
        "service": "orders",
        "route": "orders.read",
        "status": 429,
        "limit_name": "minute",
        "limit_value": 20,
        "window_s": 60,
    } | fields
