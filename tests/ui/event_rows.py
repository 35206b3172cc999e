"""Rows of events for tests of pages."""

from __future__ import annotations

from typing import Any

from storage.rows import EventRow
from tests.ui.scripted_reader import NOW_MS


def event_row(**changes: Any) -> EventRow:
    """A certain violation by acme against orders, at `NOW_MS`."""
    values: dict[str, Any] = dict.fromkeys(EventRow.__struct_fields__)
    values |= {
        "seq": 1,
        "id": "e-1",
        "kind": "rate-limiting",
        "event": "exceeded",
        "at_ms": NOW_MS,
        "received_ms": NOW_MS + 40,
        "source": "gw-1",
        "node": "gw-1",
        "consumer_id": "c-1",
        "consumer": "acme",
        "ip": "203.0.113.7",
        "service": "orders",
        "route": "orders.read",
        "status": 429,
        "limit_name": "minute",
        "limit_value": 20,
        "window_s": 60,
        "certainty": "certain",
        "evidence": "ratelimit-remaining-minute: 0",
        "counted": True,
        "request_id": "r-1",
    }
    return EventRow(**(values | changes))
