"""The gateway that is simulated: what it serves, to whom, under which limits. The same in every run."""

from __future__ import annotations

import dataclasses
import uuid

SPACE = uuid.UUID("6f5a1d0e-9c1b-4b7e-8a56-2f0c5a8f7d11")
"""Names become ids in this space, so that entities keep theirs from run to run."""
VERSION = "3.9.1"


def id_of(kind: str, name: str) -> str:
    """The id of an entity, always the same for the same name."""
    return str(uuid.uuid5(SPACE, f"{kind}:{name}"))


@dataclasses.dataclass(frozen=True, slots=True)
class Route:
    """A route, the service behind it and the limits on it."""

    name: str
    service: str
    path: str
    share: float
    """Part of the ordinary traffic."""
    limits: dict[str, int]
    """Requests by window: second, minute, hour, day; empty for no limit."""
    limit_by: str = "consumer"
    """`consumer` or `ip`."""
    needs_key: bool = True
    methods: tuple[str, ...] = ("GET",)


@dataclasses.dataclass(frozen=True, slots=True)
class Consumer:
    """A consumer with its usual addresses."""

    name: str
    share: float
    addresses: tuple[str, ...]
    custom_id: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Node:
    """A gateway node."""

    hostname: str

    @property
    def id(self) -> str:
        """Its node id."""
        return id_of("node", self.hostname)


NODES = (Node("gw-1"), Node("gw-2"), Node("gw-3"))

ROUTES = (
    Route("orders.read", "orders", "/orders", 0.30, {"minute": 60, "hour": 2_000}),
    Route("orders.write", "orders", "/orders", 0.10, {"minute": 20}, methods=("POST", "PUT")),
    Route("catalog", "catalog", "/catalog", 0.25, {"minute": 120}),
    Route("search", "search", "/search", 0.15, {"second": 5, "minute": 90}, limit_by="ip", needs_key=False),
    Route("accounts", "accounts", "/accounts", 0.08, {"minute": 30}),
    Route("login", "accounts", "/login", 0.04, {"minute": 20}, limit_by="ip", methods=("POST",)),
    Route("reports", "reports", "/reports", 0.04, {"minute": 10, "hour": 100}),
    Route("status", "status", "/status", 0.04, {}, needs_key=False),
)

CONSUMERS = (
    Consumer("acme-mobile", 0.24, tuple(f"203.0.113.{n}" for n in range(10, 30)), "acme-42"),
    Consumer("acme-web", 0.20, tuple(f"203.0.113.{n}" for n in range(30, 42))),
    Consumer("partner-lynx", 0.14, ("198.51.100.20", "198.51.100.21")),
    Consumer("partner-otter", 0.11, ("198.51.100.40",)),
    Consumer("batch-sync", 0.09, ("192.0.2.14",)),
    Consumer("mainframe", 0.07, ("192.0.2.77",), "mf-1"),
    Consumer("analytics", 0.06, ("2001:db8:20::5", "2001:db8:20::6")),
    Consumer("kiosk-fleet", 0.05, tuple(f"2001:db8:7::{n:x}" for n in range(1, 25))),
    Consumer("qa-robot", 0.04, ("192.0.2.200",)),
)

VISITORS = tuple(f"198.51.100.{n}" for n in range(100, 180))
"""Addresses of those who send no key."""
UPSTREAM_TARGETS = (("orders-pool", "192.0.2.101:8080"), ("catalog-pool", "192.0.2.111:8080"))
PEOPLE = ("ana", "ben", "chidi")


def consumer_named(name: str) -> Consumer:
    """A consumer by its name; KeyError when there is none."""
    return {consumer.name: consumer for consumer in CONSUMERS}[name]
