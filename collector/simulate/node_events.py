"""What the simulated nodes tell about themselves: heartbeats, changes, cache invalidations, target health."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from random import Random
from typing import Any

from collector.simulate.world import (
    CONSUMERS,
    NODES,
    PEOPLE,
    ROUTES,
    UPSTREAM_TARGETS,
    VERSION,
    Node,
    id_of,
)

HEARTBEAT_S = 5
CHANGE_EVERY_S = 75
FLAP_EVERY_S = 150
FLAP_S = 12
CACHES = ("kong_core_db_cache", "kong_db_cache")
Timed = tuple[int, Any]


def node_events(random: Random, start_ms: int) -> Iterator[Timed]:
    """(when, stream item), oldest first, without end."""
    seeds = [random.getrandbits(64) for _ in range(3)]
    parts = (
        _heartbeats(Random(seeds[0]), start_ms),  # noqa: S311 - made-up traffic, here and below
        _changes(Random(seeds[1]), start_ms),  # noqa: S311
        _flaps(Random(seeds[2]), start_ms),  # noqa: S311
    )
    return heapq.merge(*parts, key=lambda part: part[0])


def _item(random: Random, kind: str, event: str, at_ms: int, node: Node, **fields: Any) -> Timed:
    item_id = f"sim-{random.getrandbits(64):016x}"
    return at_ms, {"kind": kind, "event": event, "id": item_id, "at_ms": at_ms, "node": node.id, **fields}


def _heartbeats(random: Random, start_ms: int) -> Iterator[Timed]:
    about = {"version": VERSION, "role": "traditional", "workers": 2}
    for node in NODES:
        yield _item(random, "cluster", "node_started", start_ms, node, hostname=node.hostname, **about)
    at_ms = start_ms
    while True:
        at_ms += HEARTBEAT_S * 1000
        for node in NODES:
            yield _item(random, "cluster", "node_heartbeat", at_ms, node, hostname=node.hostname, **about)


def _changes(random: Random, start_ms: int) -> Iterator[Timed]:
    """Somebody changes something; the node that took it tells, and then every node's caches do."""
    at_ms = start_ms + 20_000
    while True:
        change = random.choice((_limit_changed, _consumer_changed))(random, at_ms)
        yield change
        entity_type, entity_id = change[1]["entity_type"], change[1]["entity_id"]
        yield from _invalidations(random, at_ms + 40, entity_type, entity_id, _cache_key(change[1]))
        at_ms += int(random.uniform(0.5, 1.5) * CHANGE_EVERY_S * 1000)


def _limit_changed(random: Random, at_ms: int) -> Timed:
    route = random.choice([route for route in ROUTES if route.limits])
    window, limit = next(iter(route.limits.items()))
    plugin_id = id_of("plugin", f"rate-limiting:{route.name}")
    before = {"id": plugin_id, "name": "rate-limiting", "route": {"id": id_of("route", route.name)}}
    return _item(
        random,
        "crud",
        "plugins.updated",
        at_ms,
        NODES[0],
        entity_type="plugins",
        entity_id=plugin_id,
        entity_name="rate-limiting",
        operation="update",
        actor=random.choice(PEOPLE),
        before={**before, "config": {window: limit}},
        after={**before, "config": {window: max(1, round(limit * random.choice((0.5, 0.8, 1.2, 2))))}},
    )


def _consumer_changed(random: Random, at_ms: int) -> Timed:
    consumer = random.choice(CONSUMERS)
    consumer_id = id_of("consumer", consumer.name)
    entity = {"id": consumer_id, "username": consumer.name, "custom_id": consumer.custom_id}
    tag = random.choice(("gold", "silver", "trial"))
    return _item(
        random,
        "crud",
        "consumers.updated",
        at_ms,
        NODES[0],
        entity_type="consumers",
        entity_id=consumer_id,
        entity_name=consumer.name,
        operation="update",
        actor=random.choice(PEOPLE),
        before={**entity, "tags": []},
        after={**entity, "tags": [tag]},
    )


def _cache_key(change: dict[str, Any]) -> str:
    """What Kong has it under: `consumers:<id>:::::`, `plugins:<name>:<route>:::::` (db/dao/init.lua)."""
    if change["entity_type"] == "plugins":
        return f"plugins:{change['entity_name']}:{change['after']['route']['id']}:::::"
    return f"{change['entity_type']}:{change['entity_id']}:::::"


def _invalidations(random: Random, at_ms: int, entity_type: str, entity_id: str, key: str) -> Iterator[Timed]:
    for place in range(random.randrange(4, 24)):
        for node in NODES:
            yield _item(
                random,
                "cache",
                "invalidated",
                at_ms + 15 * place,
                node,
                cache=CACHES[entity_type == "consumers"],
                entity_type=entity_type,
                entity_id=entity_id,
                key_masked=key,
            )


def _flaps(random: Random, start_ms: int) -> Iterator[Timed]:
    """A target of an upstream stops answering for a while, as one node sees it."""
    at_ms = start_ms + 35_000
    while True:
        upstream, target = random.choice(UPSTREAM_TARGETS)
        node = random.choice(NODES)
        about = {
            "entity_type": "upstreams",
            "entity_id": id_of("upstream", upstream),
            "upstream": upstream,
            "target": target,
        }
        yield _item(random, "cluster", "target_unhealthy", at_ms, node, health="unhealthy", **about)
        back_ms = at_ms + int(random.uniform(0.5, 2) * FLAP_S * 1000)
        yield _item(random, "cluster", "target_healthy", back_ms, node, health="healthy", **about)
        at_ms = back_ms + int(random.uniform(0.5, 1.5) * FLAP_EVERY_S * 1000)
