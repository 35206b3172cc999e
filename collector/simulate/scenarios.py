"""The attacks: each is one function that gives the calls of one episode, oldest first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random

from collector.simulate.entries import Call
from collector.simulate.world import CONSUMERS, Route, consumer_named

RouteOf = Callable[[str], Route]
Episode = Callable[[Random, int, float, RouteOf], Iterator[Call]]

MANY = "one-address-many-consumers"
BURST_S = 20
LEAK_S = 60
MANY_S = 60
RETRY_S = 90
SLOW_S = 600


def burst(random: Random, start_ms: int, scale: float, route_of: RouteOf) -> Iterator[Call]:
    """A consumer that behaves, and for 20 seconds does not: 15 requests a second from its one address."""
    consumer, route = consumer_named("batch-sync"), route_of("orders.write")
    for at_ms in _times(random, start_ms, BURST_S, 15 * scale):
        yield Call(at_ms, route, consumer.addresses[0], consumer, "burst", "batch-sync/2.1")


def leaked_key(random: Random, start_ms: int, scale: float, route_of: RouteOf) -> Iterator[Call]:
    """One key used from many addresses at once that its owner never used."""
    consumer, route = consumer_named("acme-mobile"), route_of("accounts")
    strangers = [f"198.51.100.{n}" for n in random.sample(range(200, 255), 15)]
    strangers += [f"2001:db8:bad::{n:x}" for n in range(1, 10)]
    for at_ms in _times(random, start_ms, LEAK_S, 8 * scale):
        yield Call(at_ms, route, random.choice(strangers), consumer, "leaked-key", "python-requests/2.32.3")


def one_address_many_consumers(
    random: Random, start_ms: int, scale: float, route_of: RouteOf
) -> Iterator[Call]:
    """One address tries many consumers' credentials: mostly 401, a few that work, all against one limit."""
    route, address = route_of("login"), f"203.0.113.{random.randrange(200, 250)}"
    for at_ms in _times(random, start_ms, MANY_S, 6 * scale):
        consumer = random.choice(CONSUMERS)
        is_wrong = random.random() < 0.7  # noqa: PLR2004 - most stolen passwords are stale
        yield Call(at_ms, route, address, consumer, MANY, "Go-http-client/1.1", has_wrong_key=is_wrong)


def retry_loop(random: Random, start_ms: int, scale: float, route_of: RouteOf) -> Iterator[Call]:
    """A client that takes no notice of Retry-After and asks again every 300 ms until it is let in."""
    consumer, route = consumer_named("partner-otter"), route_of("reports")
    for at_ms in _times(random, start_ms, RETRY_S, 3.3 * scale):
        yield Call(at_ms, route, consumer.addresses[0], consumer, "retry-loop", "axios/1.7", "/reports/daily")


def low_and_slow(random: Random, start_ms: int, scale: float, route_of: RouteOf) -> Iterator[Call]:
    """A scraper just above the limit of one route, for ten minutes: few refusals, but never none."""
    route, address = route_of("search"), "192.0.2.233"
    per_s = 1.15 * 3 * route.limits["minute"] / 60
    for at_ms in _times(random, start_ms, SLOW_S, per_s * min(1.0, scale)):
        yield Call(at_ms, route, address, None, "low-and-slow", "Mozilla/5.0 (compatible)")


SCENARIOS: dict[str, tuple[Episode, int]] = {
    "burst": (burst, 120),
    "leaked-key": (leaked_key, 300),
    MANY: (one_address_many_consumers, 240),
    "retry-loop": (retry_loop, 300),
    "low-and-slow": (low_and_slow, 900),
}
"""Name -> episode, and how many seconds pass between the beginnings of two of them."""


def about() -> dict[str, str]:
    """Every scenario with one line about it."""
    return {name: (episode.__doc__ or "").splitlines()[0] for name, (episode, _) in SCENARIOS.items()}


def _times(random: Random, start_ms: int, length_s: float, per_s: float) -> Iterator[int]:
    """Instants of a Poisson process."""
    at_s = random.expovariate(per_s)
    while at_s < length_s:
        yield start_ms + int(at_s * 1000)
        at_s += random.expovariate(per_s)
