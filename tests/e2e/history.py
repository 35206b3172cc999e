"""Nine days of made-up gateway history, the same for every run but for its end, which is now."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from typing import Any

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAYS = 9
CONSUMERS = {
    "acme-mobile": (9, 14, "orders"),
    "mainframe": (5, 1, "accounts"),
    "batch-sync": (7, 1, "catalog"),
    "partner-lynx": (2, 2, "orders"),
    "checkout-web": (3, 5, "accounts"),
    "kiosk-fleet": (1, 20, "catalog"),
    "a-consumer-with-a-name-that-is-longer-than-any-column-is-wide": (1, 1, "reports"),
}
"""Name -> violations in a busy hour, addresses, service."""
LIMITS = {
    "orders": (20, "minute", 60),
    "accounts": (60, "minute", 60),
    "catalog": (1000, "hour", 3600),
    "reports": (5, "second", 1),
}


def history(now_ms: int) -> Iterator[dict[str, Any]]:
    """Items of the stream, oldest first."""
    rng = random.Random(7)  # noqa: S311 - not a secret
    start_ms = now_ms - DAYS * 24 * HOUR_MS
    yield from _nodes(start_ms)
    for hour in range(DAYS * 24):
        at_ms = start_ms + hour * HOUR_MS
        day_share = 0.35 + 0.65 * max(0.0, math.sin(math.pi * ((at_ms // HOUR_MS) % 24 - 5) / 16))
        for name, (busy, addresses, service) in CONSUMERS.items():
            yield from _refusals(
                rng, name, service, at_ms, HOUR_MS, round(busy * day_share * rng.random() * 2), addresses
            )
            yield _traffic(
                rng, name, service, at_ms + 10 * MINUTE_MS, round(400 * day_share * rng.uniform(0.6, 1.4))
            )
        if hour % 31 == 5:
            yield _change(hour, at_ms + 7 * MINUTE_MS, ("ana", "deck-ci", "bo")[hour % 3])
        if hour % 3 == 0:
            yield from _invalidations(rng, hour, at_ms)
    yield _change(9_999, now_ms - 9 * MINUTE_MS, "ana")
    yield from _refusals(rng, "acme-mobile", "orders", now_ms - 6 * MINUTE_MS, 4 * MINUTE_MS, 160, 14)
    yield {
        "kind": "cluster",
        "event": "target_unhealthy",
        "id": "t-1",
        "at_ms": now_ms - 5 * MINUTE_MS,
        "node": "gw-2",
        "upstream": "orders",
        "target": "10.0.0.12:8080",
        "health": "unhealthy",
    }


def _nodes(at_ms: int) -> Iterator[dict[str, Any]]:
    for number in (1, 2, 3):
        yield {
            "kind": "cluster",
            "event": "node_started",
            "id": f"start-{number}",
            "at_ms": at_ms,
            "node": f"gw-{number}",
            "hostname": f"gw-{number}",
            "version": "3.9.1",
        }


def _refusals(
    rng: random.Random, name: str, service: str, at_ms: int, span_ms: int, count: int, addresses: int
) -> Iterator[dict[str, Any]]:
    value, limit, window_s = LIMITS[service]
    block = "2001:db8:5::" if name == "kiosk-fleet" else "203.0.113."
    for offset_ms in sorted(rng.randrange(span_ms) for _ in range(count)):
        yield {
            "kind": "rate-limiting",
            "event": "exceeded",
            "id": f"h-{rng.getrandbits(64):x}",
            "is_request": True,
            "at_ms": at_ms + offset_ms,
            "consumer": name,
            "service": service,
            "ip": f"{block}{1 + (hash_of(name) + rng.randrange(addresses)) % 250:d}",
            "route": f"{service}.{rng.choice(('read', 'read', 'write'))}",
            "status": 429,
            "node": f"gw-{1 + rng.randrange(3)}",
            "limit_value": value,
            "limit_name": limit,
            "window_s": window_s,
            "certainty": "probable" if rng.random() < 0.06 else "certain",
            "evidence": f"ratelimit-remaining-{limit}: 0",
            "request_id": f"{rng.getrandbits(128):032x}",
        }


def hash_of(name: str) -> int:
    """A number of a name that is the same in every process."""
    return sum(map(ord, name))


def _traffic(rng: random.Random, name: str, service: str, at_ms: int, count: int) -> dict[str, Any]:
    return {
        "kind": "totals",
        "id": f"t-{rng.getrandbits(64):x}",
        "at_ms": at_ms,
        "consumer": name,
        "service": service,
        "route": f"{service}.read",
        "ip": f"203.0.113.{1 + hash_of(name) % 250}",
        "node": "gw-1",
        "counts": {"200": max(1, count), "401": 1 + rng.randrange(3)},
    }


def _change(number: int, at_ms: int, actor: str) -> dict[str, Any]:
    before = {
        "id": "p-1",
        "name": "rate-limiting",
        "enabled": True,
        "config": {"minute": 100, "policy": "redis"},
    }
    after = before | {"config": {"minute": 20, "policy": "redis"}}
    return {
        "kind": "crud",
        "event": "plugins.updated",
        "id": f"c-{number}",
        "at_ms": at_ms,
        "actor": actor,
        "entity_type": "plugins",
        "entity_id": "p-1",
        "entity_name": "rate-limiting on orders",
        "operation": "update",
        "before": before,
        "after": after,
        "node": "gw-1",
    }


def _invalidations(rng: random.Random, hour: int, at_ms: int) -> Iterator[dict[str, Any]]:
    for place in range(rng.randrange(1, 12)):
        kind = rng.choice(("services", "plugins", "consumers", "routes"))
        yield {
            "kind": "cache",
            "event": "invalidated",
            "id": f"i-{hour}-{place}",
            "cache": "kong_db_cache",
            "at_ms": at_ms + rng.randrange(HOUR_MS),
            "entity_type": kind,
            "key": f"{kind}:orders:::::",
            "node": f"gw-{1 + rng.randrange(3)}",
        }
