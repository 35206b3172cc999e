"""All stream items in order of time: ordinary requests, attacks, and what nodes tell about themselves.

The same seed, start, rate and scenarios give the same items, ids included.
"""

from __future__ import annotations

import dataclasses
import heapq
import itertools
import math
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

from collector.simulate.entries import Call, Gateway
from collector.simulate.node_events import node_events
from collector.simulate.scenarios import SCENARIOS
from collector.simulate.world import CONSUMERS, NODES, ROUTES, VISITORS, Route

DESIGN_RATE = 20.0
"""Requests a second that the limits of the world are made for; a higher rate raises them."""
DAY_S = 86_400
PEAK_S = 14 * 3_600
SWING = 0.3
"""Traffic is so much above its average at two in the afternoon, UTC, and below it at night."""
FIRST_EPISODE_S = 5
ORDINARY = "ordinary"


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """What to simulate."""

    seed: int
    start_ms: int
    rate: float
    scenarios: tuple[str, ...] = ()


def items(plan: Plan) -> Iterator[tuple[int, dict[str, Any]]]:
    """(when, stream item), oldest first, without end."""
    gateway = Gateway(_random(plan, "gateway"))
    choice = _random(plan, "balancer")
    parts: list[Iterator[tuple[int, Call | dict[str, Any]]]] = [_timed(ordinary_calls(plan))]
    parts += [_timed(scenario_calls(plan, name)) for name in plan.scenarios]
    parts.append(iter(node_events(_random(plan, "nodes"), plan.start_ms)))
    for at_ms, found in heapq.merge(*parts, key=lambda part: part[0]):
        if isinstance(found, Call):
            node = choice.choice(NODES)
            entry = gateway.entry(found, node)
            yield at_ms, {"kind": "http-log", "id": entry["request"]["id"], "node": node.id, "entry": entry}
        else:
            yield at_ms, found


def ordinary_calls(plan: Plan) -> Iterator[Call]:
    """People and programs that mostly keep to their limits, more by day than by night."""
    random = _random(plan, ORDINARY)
    routes = [scaled(route, plan.rate) for route in ROUTES]
    shares = [route.share for route in ROUTES]
    busiest = plan.rate * (1 + SWING)
    at_ms = float(plan.start_ms)
    while True:
        at_ms += random.expovariate(busiest) * 1000
        if random.random() * (1 + SWING) > daily(at_ms / 1000):
            continue
        (route,) = random.choices(routes, shares)
        yield _ordinary_call(random, int(at_ms), route)


def scenario_calls(plan: Plan, name: str) -> Iterator[Call]:
    """One scenario again and again."""
    episode, every_s = SCENARIOS[name]
    random = _random(plan, name)
    scale = max(1.0, plan.rate / DESIGN_RATE)
    routes = {route.name: scaled(route, plan.rate) for route in ROUTES}
    start_ms = plan.start_ms + FIRST_EPISODE_S * 1000
    for number in itertools.count(1):
        for call in episode(random, start_ms, scale, routes.__getitem__):
            yield dataclasses.replace(call, episode=number)
        start_ms += every_s * 1000


def daily(at_s: float) -> float:
    """How much traffic there is at an instant, 1 on average over a day."""
    return 1 + SWING * math.cos(2 * math.pi * (at_s - PEAK_S) / DAY_S)


def scaled(route: Route, rate: float) -> Route:
    """The route with limits that fit the rate."""
    factor = max(1.0, rate / DESIGN_RATE)
    limits = {window: math.ceil(limit * factor) for window, limit in route.limits.items()}
    return dataclasses.replace(route, limits=limits)


def _ordinary_call(random: Random, at_ms: int, route: Route) -> Call:
    if not route.needs_key:
        return Call(at_ms, route, random.choice(VISITORS), None, ORDINARY, _agent(random))
    (consumer,) = random.choices(CONSUMERS, _shares())
    is_wrong = random.random() < 0.01  # noqa: PLR2004 - an expired key now and then
    address = random.choice(consumer.addresses)
    return Call(at_ms, route, address, consumer, ORDINARY, _agent(random), has_wrong_key=is_wrong)


def _shares() -> Sequence[float]:
    return [consumer.share for consumer in CONSUMERS]


def _agent(random: Random) -> str:
    return random.choice(("okhttp/4.12.0", "Mozilla/5.0", "curl/8.10.1", "python-requests/2.32.3"))


def _timed(calls: Iterator[Call]) -> Iterator[tuple[int, Call | dict[str, Any]]]:
    return ((call.at_ms, call) for call in calls)


def _random(plan: Plan, part: str) -> Random:
    return Random(f"{plan.seed}:{part}")  # noqa: S311 - made-up traffic
