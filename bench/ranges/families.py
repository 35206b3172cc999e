"""Attacks drawn at random: rates, lengths and numbers of addresses differ each time.

Each is put on top of the background of a recording. Answers come from `limiter`, so what is asked for here
is only who calls what, when.
"""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from bench.ranges.changed import with_more
from bench.ranges.scenario_table import Scenario
from bench.ranges.trace import BACKGROUND, Request, Trace
from domain.detectors.networks import site_of

UNAUTHORIZED = 401
Consumer = dict[str, Any]
Made = tuple[list[Request], Scenario | None]


@dataclasses.dataclass
class World:
    """A recording's cluster, and a source of chance."""

    random: Random
    start_ms: int
    length_s: int
    entries: dict[str, dict[str, Any]]
    """Route -> an entry that went through."""
    refused: dict[str, Any]
    """An entry of a log-in that failed."""
    consumers: list[Consumer]
    addresses: dict[str, str]
    """Consumer's id -> the address it mostly comes from."""

    def pick(self) -> Consumer:
        """A consumer that no other actor is."""
        return self.consumers.pop(self.random.randrange(len(self.consumers)))

    def home(self, consumer: Consumer) -> str:
        """Where it usually comes from."""
        return self.addresses[consumer["consumer"]["id"]]

    def begin(self, length_s: float) -> float:
        """A start that leaves room for so many seconds, and for some background before and after."""
        return self.random.uniform(20, max(25, self.length_s - length_s - 40))

    def address(self) -> str:
        """One that nobody has."""
        random = self.random
        parts = (
            random.randrange(11, 99),
            *(random.randrange(256) for _ in range(2)),
            random.randrange(1, 255),
        )
        return ".".join(map(str, parts))

    def call(self, label: str, at_s: float, route: str, consumer: Consumer | None, address: str) -> Request:
        """One request."""
        return self._made(label, at_s, self.entries[route], consumer, address)

    def failure(self, label: str, at_s: float, route: str, address: str) -> Request:
        """One log-in that fails."""
        asked = self.entries[route]
        like = {**self.refused, "route": asked["route"], "service": asked["service"]}
        return self._made(label, at_s, like, None, address)

    def _made(
        self, label: str, at_s: float, like: dict[str, Any], consumer: Consumer | None, address: str
    ) -> Request:
        random = self.random
        at_ms = self.start_ms + round(1000 * at_s)
        entry = {k: v for k, v in like.items() if k not in {"consumer", "authenticated_entity"}}
        entry["request"] = {**like["request"], "id": f"{random.getrandbits(128):032x}"}
        entry |= {"client_ip": address, "started_at": at_ms, **(consumer or {})}
        return Request(at_ms, label, f"n{random.randrange(2)}", entry)


def world_of(trace: Trace, random: Random) -> World:
    """What there is in a recording's background."""
    entries: dict[str, dict[str, Any]] = {}
    refused = next(r.entry for r in trace.requests if r.entry["response"]["status"] == UNAUTHORIZED)
    consumers: dict[str, Consumer] = {}
    addresses: dict[str, str] = {}
    names: dict[str, set[str | None]] = {}
    for request in trace.requests:
        if request.label != BACKGROUND:
            continue
        entry = request.entry
        route = (entry.get("route") or {}).get("name") or (entry.get("service") or {}).get("name", "?")
        status = entry["response"]["status"]
        if status == 200:
            entries.setdefault(route, entry)
        if request.consumer_id is not None:
            names.setdefault(request.consumer_id, set()).add(entry["consumer"].get("username"))
        if request.consumer_id is not None and request.consumer_id not in consumers:
            consumers[request.consumer_id] = {
                "consumer": entry["consumer"],
                "authenticated_entity": entry["authenticated_entity"],
            }
            addresses[request.consumer_id] = entry["client_ip"]
    steady = [found for consumer_id, found in consumers.items() if len(names[consumer_id]) == 1]
    length_s = (max(r.at_ms for r in trace.requests) - trace.start_ms) // 1000
    return World(random, trace.start_ms, length_s, entries, refused, steady, addresses)


def scenario(
    world: World, name: str, shape: str, actor: str, span: tuple[float, float], kind: str | None = None
) -> Scenario:
    """A label."""
    return Scenario(
        name=name,
        shape=shape,
        entity=actor,
        entity_type=kind,
        from_ms=world.start_ms + round(1000 * span[0]),
        to_ms=world.start_ms + round(1000 * span[1]),
    )


def paced(random: Random, begin: float, length: float, rate: float, jitter: float) -> Iterator[float]:
    """Moments `1 / rate` apart, each gap up to so much of itself shorter or longer; jitter 1 is Poisson."""
    at = begin
    while at < begin + length:
        yield at
        gap = 1 / rate
        at += random.expovariate(rate) if jitter >= 1 else gap * random.uniform(1 - jitter, 1 + jitter)


def name_of(consumer: Consumer) -> str:
    """What a consumer is called."""
    found: str = consumer["consumer"].get("username") or consumer["consumer"]["custom_id"]
    return found


def new_consumer(random: Random, name: str) -> Consumer:
    """One that nobody saw before."""
    made = str(uuid.UUID(int=random.getrandbits(128), version=4))
    key = str(uuid.UUID(int=random.getrandbits(128), version=4))
    return {"consumer": {"id": made, "username": name}, "authenticated_entity": {"id": key}}


# ---- what should be found


def burst(world: World) -> Made:
    """A consumer asks very fast for a short while, whatever the answers are."""
    random, who = world.random, world.pick()
    length, rate = random.uniform(6, 30), random.uniform(25, 70)
    begin, home = world.begin(length), world.home(who)
    calls = [
        world.call("burst", at, "orders-list", who, home)
        for at in paced(random, begin, length, rate, random.choice((0.3, 1)))
    ]
    return calls, scenario(world, "burst", "single_consumer_burst", name_of(who), (begin, begin + length))


def retry_loop(world: World) -> Made:
    """A client that asks again after a fixed pause, whatever the answer."""
    random, who = world.random, world.pick()
    length, pause = random.uniform(75, 220), random.uniform(0.12, 0.8)
    begin, home = world.begin(length), world.home(who)
    calls = [
        world.call("retry_loop", at, "orders-create", who, home)
        for at in paced(random, begin, length, 1 / pause, random.choice((0.02, 0.2, 0.5)))
    ]
    label = scenario(
        world, "retry_loop", "retry_loop_ignoring_retry_after", name_of(who), (begin, begin + length)
    )
    return calls, label


def well_behaved(world: World) -> Made:
    """A client that has more to do than it may, and waits for the end of each window."""
    random, who = world.random, world.pick()
    home = world.home(who)
    length = world.length_s - 60
    calls = [
        world.call("well_behaved", at, "accounts-profile", who, home)
        for at in paced(random, 20, length, random.uniform(0.9, 3), 0.3)
    ]
    for call in calls:
        call.is_patient = True
    return calls, scenario(
        world, "well_behaved", "obeys_retry_after_no_alarm", name_of(who), (20, 20 + length)
    )


def leaked_key(world: World) -> Made:
    """A consumer's key is used from places that have nothing to do with it."""
    random, who = world.random, world.pick()
    length, rate = random.uniform(50, 180), random.uniform(0.6, 8)
    begin = max(70.0, world.begin(length))
    places = [world.address() for _ in range(random.randrange(6, 40))]
    if random.random() < 0.5:
        places = [f"2a0b:{i:x}4c{i % 7}:cb::{i + 1:x}" if i % 3 == 0 else a for i, a in enumerate(places)]
    calls = [
        world.call(
            "leaked_key", at, random.choice(("orders-list", "accounts-profile")), who, random.choice(places)
        )
        for at in paced(random, begin, length, rate, 1)
    ]
    return calls, scenario(
        world, "leaked_key", "one_key_many_addresses", name_of(who), (begin, begin + length)
    )


def key_scan(world: World) -> Made:
    """One address tries many keys; some work."""
    random, place = world.random, world.address()
    length, rate = random.uniform(25, 120), random.uniform(1, 8)
    begin = world.begin(length)
    works = random.choice((0.0, 0.1, 0.4))
    victims = random.sample(world.consumers, 12)
    calls = [
        world.call("key_scan", at, "accounts-profile", random.choice(victims), place)
        if random.random() < works
        else world.failure("key_scan", at, "accounts-profile", place)
        for at in paced(random, begin, length, rate, 0.5)
    ]
    return calls, scenario(
        world, "key_scan", "one_address_many_credentials", place, (begin, begin + length), "ip"
    )


def low_and_slow(world: World) -> Made:
    """Many addresses of one network share work out, each far below its limit."""
    random = world.random
    length, each = random.uniform(130, 250), random.uniform(3, 14)
    count, begin = random.randrange(30, 200), world.begin(length)
    network = world.address().rpartition(".")[0]
    places = [f"{network}.{n}" for n in random.sample(range(1, 255), count)]
    if random.random() < 0.3:
        places = [f"2001:db8:77:1::{n:x}" for n in range(1, count + 1)]
    is_in_turn = random.random() < 0.6
    calls = []
    for i, at in enumerate(paced(random, begin, length, count * each / 60, 0.5)):
        place = places[i % count] if is_in_turn else places[(i * 7 + random.randrange(3)) % count]
        calls.append(world.call("low_and_slow", at, "search-public", None, place))
    return calls, scenario(
        world, "low_and_slow", "distributed_low_and_slow_no_429", site_of(places[0]), (begin, begin + length),
        "prefix",
    )  # fmt: skip


def ipv6_rotation(world: World) -> Made:
    """Each request, or each two or three, from another address of one network."""
    random = world.random
    length, rate = random.uniform(60, 180), random.uniform(1, 8)
    begin, uses = world.begin(length), random.choice((1, 1, 2, 3))
    network = f"2001:db8:{random.randrange(1, 0xFFFF):x}:{random.randrange(1, 0xFFFF):x}"
    calls, place = [], ""
    for i, at in enumerate(paced(random, begin, length, rate, 0.3)):
        if i % uses == 0:
            place = f"{network}:{random.getrandbits(16) | 1:x}:{random.getrandbits(16) | 1:x}::{i + 1:x}"
        calls.append(world.call("ipv6_rotation", at, "search-public", None, place))
    return calls, scenario(
        world, "ipv6_rotation", "ipv6_rotation_within_64_no_429", site_of(place), (begin, begin + length),
        "prefix",
    )  # fmt: skip


def flood(world: World) -> Made:
    """An address without a consumer asks far more than it may, where the gateway tells no limits."""
    random, place = world.random, world.address()
    length, rate = random.uniform(30, 140), random.uniform(4, 25)
    begin = world.begin(length)
    calls = [
        world.call("flood", at, "search-suggest", None, place)
        for at in paced(random, begin, length, rate, random.choice((0.1, 1)))
    ]
    return calls, scenario(
        world, "flood", "single_ip_flood_429_without_ratelimit_headers", place, (begin, begin + length), "ip"
    )


def quota(world: World) -> Made:
    """A consumer's quota of a kind is used up, and it goes on."""
    random, who = world.random, world.pick()
    length, rate = random.uniform(120, 240), random.uniform(1, 4)
    begin, home = world.begin(length), world.home(who)
    calls = [
        world.call("quota", at, "accounts-notify", who, home)
        for at in paced(random, begin, length, rate, random.choice((0.2, 1)))
    ]
    return calls, scenario(
        world, "quota", "response_ratelimiting_quota_exceeded", name_of(who), (begin, begin + length)
    )


def micro_bursts(world: World) -> Made:
    """Every few seconds many at once, more than a limit per second lets through."""
    random, who = world.random, world.pick()
    length, every = random.uniform(100, 220), random.uniform(4, 15)
    begin, home, size = world.begin(length), world.home(who), random.randrange(10, 30)
    calls = [
        world.call("micro_bursts", at + random.uniform(0, 0.5), "payments-charge", who, home)
        for at in paced(random, begin, length, 1 / every, 0.2)
        for _ in range(size)
    ]
    return calls, scenario(
        world, "micro_bursts", "micro_bursts_second_window_status_420", name_of(who), (begin, begin + length)
    )


def hour_quota(world: World) -> Made:
    """A consumer has used up its hour, and goes on."""
    random, who = world.random, world.pick()
    length, rate = random.uniform(150, 240), random.uniform(1.2, 4)
    begin, home = world.begin(length), world.home(who)
    calls = [
        world.call("hour_quota", at, "inventory", who, home) for at in paced(random, begin, length, rate, 1)
    ]
    return calls, scenario(
        world, "hour_quota", "hour_window_long_retry_after", name_of(who), (begin, begin + length)
    )


def shared_proxy(world: World) -> Made:
    """A gateway of many good consumers; together they are refused often."""
    random, place = world.random, world.address()
    length = world.length_s - 40
    behind = random.sample(world.consumers, random.randrange(12, 24))
    behind += [new_consumer(random, f"tenant {i}") for i in range(random.randrange(10))]
    routes = ("orders-list", "accounts-profile", "payments-charge", "search-public")
    calls = [
        world.call("shared_proxy", at, random.choice(routes), random.choice(behind), place)
        for at in paced(random, 10, length, random.uniform(4, 10), 1)
    ]
    return calls, scenario(world, "shared_proxy", "shared_proxy_no_attack", place, (10, 10 + length), "ip")


ATTACKS: tuple[Callable[[World], Made], ...] = (
    burst, retry_loop, well_behaved, leaked_key, key_scan, low_and_slow, ipv6_rotation, flood, quota,
    micro_bursts, hour_quota, shared_proxy,
)  # fmt: skip


def drawn(background: Trace, seed: int, makers: tuple[Callable[[World], Made], ...]) -> Trace:
    """These actors, each drawn at random, on top of a background."""
    world = world_of(background, Random(seed))  # noqa: S311 - made-up traffic
    requests: list[Request] = []
    scenarios: list[Scenario] = []
    for make in makers:
        calls, label = make(world)
        requests += calls
        scenarios += [label] if label is not None else []
    return with_more(background, requests, scenarios)
