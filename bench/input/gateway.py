"""Who and what the made-up gateway of `python -m bench fill` has: names, and their numbers in the store."""

from __future__ import annotations

import dataclasses
import sqlite3
import uuid
from typing import Any

import numpy as np

from domain.windows import DAY_MS, MINUTE_MS
from storage.codes import Dim, meta_distinct
from storage.packing import prefix_of, sort_bytes

NOW_MS = 1_790_000_000_000 - 1_790_000_000_000 % DAY_MS + 15 * 3_600_000 + 7 * MINUTE_MS
"""When the last event happened: fixed, so that every run fills the same file."""
DAYS = 90
SECONDS_DAYS = 2
CONSUMERS, ADDRESSES, SERVICES, ROUTES, NODES = 2_000, 50_000, 20, 60, 4
LIMITS = tuple(
    (f"{value}/{name}", name, value, seconds)
    for name, seconds in (("second", 1), ("minute", 60), ("hour", 3_600), ("day", 86_400))
    for value in (5, 20, 100)
)
CHANGES, INVALIDATIONS = 50, 2_000
"""Configuration changes and cache invalidations a day."""
PAYLOADS = 20_000
"""The newest so many events keep their payload: enough for every page that shows one."""


@dataclasses.dataclass
class World:
    """Numbers of everything that has a name."""

    consumers: np.ndarray
    addresses: np.ndarray
    prefix_of: np.ndarray
    """By number of an address: that of its prefix."""
    services: np.ndarray
    routes: np.ndarray
    nodes: np.ndarray
    limits: np.ndarray
    source: int
    words: dict[str, int]
    types: dict[str, int]


def make_world(connection: sqlite3.Connection, random: np.random.Generator) -> World:
    """Put the names of everything into an empty database; `random` decides their ids."""
    next_key = 2
    rows: list[tuple[Any, ...]] = []

    def add(dim: Dim, values: list[str], names: list[str] | None = None) -> np.ndarray:
        nonlocal next_key
        first = next_key
        for place, value in enumerate(values):
            name = names[place] if names else None
            packed = sort_bytes(value) if dim == Dim.IP else None
            is_name = int(names is None and dim in {Dim.CONSUMER, Dim.SERVICE, Dim.ROUTE})
            rows.append((next_key, dim, value, is_name, name, name, 0 if name else None, None, None, packed))
            next_key += 1
        return np.arange(first, next_key, dtype=np.int64)

    def ids(how_many: int) -> list[str]:
        return [str(uuid.UUID(bytes=random.bytes(16), version=4)) for _ in range(how_many)]

    def named(dim: Dim, kind: str, names: list[str]) -> np.ndarray:
        values = ids(len(names))
        connection.executemany(
            "INSERT INTO entities VALUES (?, ?, ?, NULL, '{}', 0, 0)",
            [(kind, value, name) for value, name in zip(values, names, strict=True)],
        )
        connection.executemany(
            "INSERT INTO entity_names VALUES (?, ?, 0, 0, ?)",
            [(kind, value, name) for value, name in zip(values, names, strict=True)],
        )
        return add(dim, values, names)

    consumers = named(Dim.CONSUMER, "consumers", [f"consumer-{n:04}" for n in range(CONSUMERS)])
    # 25 neighbours in each network
    addresses = [f"10.{n // 25 // 256}.{n // 25 % 256}.{1 + n % 25 * 9}" for n in range(ADDRESSES)]
    ip = add(Dim.IP, addresses)
    prefixes = [prefix_of(address) or "" for address in addresses]
    different = list(dict.fromkeys(prefixes))
    number = dict(zip(different, add(Dim.PREFIX, different).tolist(), strict=True))
    services = named(Dim.SERVICE, "services", [f"service-{n:02}" for n in range(SERVICES)])
    routes = named(Dim.ROUTE, "routes", [f"route-{n:02}" for n in range(ROUTES)])
    nodes = add(Dim.NODE, ids(NODES))
    limits = add(Dim.LIMIT, [limit[0] for limit in LIMITS])
    source = int(add(Dim.SOURCE, ["http-log"])[0])
    texts = ["429 by Kong with Retry-After and RateLimit-Remaining 0", "429 by Kong without Retry-After"]
    texts += ["services", "update", "ana", "core_cache", "plugins"]
    words = dict(zip(texts, add(Dim.TEXT, texts).tolist(), strict=True))
    connection.executemany("INSERT INTO keys VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
    connection.executemany(
        "INSERT INTO limits VALUES (?, ?, ?, ?)",
        [(key, *limit[1:]) for key, limit in zip(limits.tolist(), LIMITS, strict=True)],
    )
    kinds = {"exceeded": "rate-limiting", "services.updated": "crud", "invalidated": "cache"}
    connection.executemany(
        "INSERT INTO event_types VALUES (?, ?, ?, 0)",
        [(n, kind, event) for n, (event, kind) in enumerate(kinds.items(), 1)],
    )
    for dim, keys in ((Dim.CONSUMER, consumers), (Dim.IP, ip), (Dim.SERVICE, services), (Dim.ROUTE, routes),
                      (Dim.NODE, nodes), (Dim.LIMIT, limits)):  # fmt: skip
        connection.execute("INSERT INTO meta VALUES (?, ?)", (meta_distinct(dim), len(keys)))
    by_address = np.zeros(next_key, np.int64)
    by_address[ip] = [number[prefix] for prefix in prefixes]
    return World(
        consumers, ip, by_address, services, routes, nodes, limits, source, words,
        {event: n for n, event in enumerate(kinds, 1)},
    )  # fmt: skip
