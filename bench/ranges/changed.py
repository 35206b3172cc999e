"""One recording into another: other names, networks, moments, limits, nodes; parts left out."""

from __future__ import annotations

import copy
import dataclasses
import ipaddress
import json
import re
import uuid
import zlib
from collections.abc import Callable, Iterable
from random import Random
from typing import Any

import orjson

from bench.ranges.scenario_table import Scenario
from bench.ranges.trace import BACKGROUND, Request, Trace
from domain.detectors.networks import site_of

UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
NODE_B = "b"
TOLD = ("limit_lowered", "upstream_unhealthy")
"""Scenarios that are made by changes and health checks, not by requests of their own."""
LIMITERS = frozenset({"rate-limiting", "response-ratelimiting"})
_SAFE = re.compile(r"[\w.:/ -]+")


# ---- names and addresses


def renamed(trace: Trace, seed: int) -> Trace:
    """Every consumer, service, route and upstream has another name, every id is another one."""
    names = set()
    for request in trace.requests:
        for place, key in (("consumer", "username"), ("service", "name"), ("route", "name")):
            name = (request.entry.get(place) or {}).get(key)
            if name is not None and _SAFE.fullmatch(name):
                names.add(name)
    names |= {s.entity for s in trace.scenarios if s.entity_type == "upstream"}
    made = {name: f"n{zlib.crc32(f'{seed}{name}'.encode()):x}" for name in names}
    pattern = re.compile(
        r'(?<=[":/=])(' + "|".join(sorted(map(re.escape, names), key=len, reverse=True)) + r')(?=["/?:\]])'
    )

    def change(text: str) -> str:
        text = pattern.sub(lambda m: made[m[1]], text)
        return UUID.sub(lambda m: str(uuid.uuid5(uuid.NAMESPACE_OID, f"{seed}{m[0]}")), text)

    def entity(name: str) -> str:
        return made.get(name, name)

    return _rewritten(trace, change, entity)


def renumbered(trace: Trace, seed: int, *, to_ipv6: bool = False) -> Trace:
    """Every address is another one; neighbours stay neighbours. IPv4 networks become /64s where asked to."""
    known = {r.entry["client_ip"] for r in trace.requests}
    made = {address: _moved(address, seed, to_ipv6=to_ipv6) for address in known}
    parts = "|".join(sorted(map(re.escape, known), key=len, reverse=True))
    pattern = re.compile(rf"(?<![\w:.])({parts})(?![\w:.])")

    def entity(name: str) -> str:
        if "/" not in name:
            return made.get(name, name)
        inside = next((a for a in known if site_of(a) == name), None)
        return name if inside is None else site_of(made[inside])

    return _rewritten(trace, lambda text: pattern.sub(lambda m: made[m[1]], text), entity)


def _moved(address: str, seed: int, *, to_ipv6: bool) -> str:
    ip = ipaddress.ip_address(address)
    if ip.version == 6:
        provider = zlib.crc32(ip.packed[:4] + bytes([seed % 251])) & 0xFFFF
        return str(ipaddress.IPv6Address(b"\x2a\x0b" + provider.to_bytes(2) + ip.packed[4:]))
    provider = zlib.crc32(ip.packed[:2] + bytes([seed % 251]))
    if to_ipv6:
        site = bytes([0, ip.packed[2], 0, 1])
        return str(
            ipaddress.IPv6Address(
                b"\x26\x00" + (provider & 0xFFFF).to_bytes(2) + site + bytes(7) + ip.packed[3:]
            )
        )
    first, second = 11 + provider % 80, provider >> 8 & 255
    return f"{first}.{second}.{ip.packed[2] ^ seed & 255}.{ip.packed[3]}"


def _rewritten(trace: Trace, change: Callable[[str], str], entity: Callable[[str], str]) -> Trace:
    def one(value: Any) -> Any:
        return orjson.loads(change(json.dumps(value, ensure_ascii=False, separators=(",", ":"))))

    requests = [dataclasses.replace(r, entry=one(r.entry)) for r in trace.requests]
    scenarios = [dataclasses.replace(s, entity=entity(s.entity)) for s in trace.scenarios]
    return Trace(requests, [one(e) for e in trace.events], [one(p) for p in trace.polls], scenarios)


# ---- time


def moved(trace: Trace, when: Callable[[int], int]) -> Trace:
    """Every moment, in milliseconds, is another one."""

    def stamped(value: dict[str, Any]) -> dict[str, Any]:
        return {**value, "ts": when(round(value["ts"] * 1000)) / 1000}

    requests = [
        dataclasses.replace(r, at_ms=when(r.at_ms), entry={**r.entry, "started_at": when(r.at_ms)})
        for r in trace.requests
    ]
    scenarios = [
        dataclasses.replace(s, from_ms=when(s.from_ms), to_ms=when(s.to_ms)) for s in trace.scenarios
    ]
    return Trace(requests, [stamped(e) for e in trace.events], [stamped(p) for p in trace.polls], scenarios)


def shifted(trace: Trace, by_s: float) -> Trace:
    """Everything so much later."""
    return moved(trace, lambda ms: ms + round(1000 * by_s))


def stretched(trace: Trace, factor: float) -> Trace:
    """All gaps are so many times longer."""
    start = trace.start_ms
    return moved(trace, lambda ms: start + round((ms - start) * factor))


# ---- how much


def thickened(trace: Trace, factor: float, seed: int, labels: Iterable[str] = ()) -> Trace:
    """So many times the requests of some labels, of every scenario's unless told; copies scatter a little."""
    random = Random(seed)  # noqa: S311 - made-up traffic
    wanted = set(labels) or {r.label for r in trace.requests} - {BACKGROUND}
    requests: list[Request] = []
    for request in trace.requests:
        copies = 1 if request.label not in wanted else int(factor) + (random.random() < factor % 1)
        requests += [_copy(request, random) if number else request for number in range(copies)]
    return Trace(requests, trace.events, trace.polls, trace.scenarios)


def _copy(request: Request, random: Random) -> Request:
    entry = dict(request.entry)
    entry["request"] = {**entry["request"], "id": f"{random.getrandbits(128):032x}"}
    at_ms = request.at_ms + random.randrange(400)
    return dataclasses.replace(request, at_ms=at_ms, entry={**entry, "started_at": at_ms})


# ---- limits and nodes


def limited(trace: Trace, change: Callable[[str, dict[str, Any]], dict[str, Any]]) -> Trace:
    """Every limiter has another configuration, wherever it is told: changes and lists of plugins.

    Args:
        trace: The recording.
        change: From a plugin's name and configuration to another configuration.
    """

    def visit(value: Any) -> Any:
        if isinstance(value, list):
            return [visit(v) for v in value]
        if not isinstance(value, dict):
            return value
        found = {key: visit(v) for key, v in value.items()}
        if found.get("name") in LIMITERS and isinstance(found.get("config"), dict):
            found["config"] = change(found["name"], found["config"])
        return found

    return Trace(trace.requests, visit(trace.events), visit(trace.polls), trace.scenarios)


def on_nodes(trace: Trace, count: int, seed: int) -> Trace:
    """Requests spread over so many nodes; with one, everything that was told was told by it."""
    random = Random(seed)  # noqa: S311 - made-up traffic
    requests = [dataclasses.replace(r, node=f"n{random.randrange(count)}") for r in trace.requests]
    if count > 1:
        return Trace(requests, trace.events, trace.polls, trace.scenarios)
    first = next(e for e in trace.events if e.get("node_name") != NODE_B)
    same = {"node": first["node"], "node_name": first["node_name"], "pid": first["pid"]}
    events = [e if e.get("node_name") != NODE_B else {**e, **same} for e in trace.events]
    polls = [p for p in trace.polls if p.get("node") != NODE_B]
    return Trace(requests, events, polls, trace.scenarios)


# ---- parts


def without(trace: Trace, *, events: bool = False, polls: bool = False) -> Trace:
    """Nothing came by these ways."""
    return Trace(
        trace.requests, [] if events else trace.events, [] if polls else trace.polls, trace.scenarios
    )


def only(trace: Trace, name: str, *, background: bool) -> Trace:
    """One scenario: with the background and all that was told of changes, or nothing but its requests."""
    labels = {name, BACKGROUND} if background else {name}
    requests = [r for r in trace.requests if r.label in labels]
    kept = {name, *TOLD} if background else {name}
    scenarios = [s for s in trace.scenarios if s.name in kept]
    if background or name in TOLD:
        return Trace(requests, trace.events, trace.polls, scenarios)
    return Trace(requests, [], [], scenarios)


def lacking(trace: Trace, names: Iterable[str]) -> Trace:
    """Without some scenarios."""
    gone = set(names)
    requests = [r for r in trace.requests if r.label not in gone]
    kept = [s for s in trace.scenarios if s.name not in gone]
    return Trace(requests, trace.events, trace.polls, kept)


def late(trace: Trace, most_ms: int, seed: int) -> Trace:
    """Log entries arrive up to so much later, in any order."""
    random = Random(seed)  # noqa: S311 - made-up traffic
    requests = [dataclasses.replace(r, late_ms=random.randrange(most_ms)) for r in trace.requests]
    return Trace(requests, trace.events, trace.polls, trace.scenarios)


def patient(trace: Trace, labels: Iterable[str]) -> Trace:
    """The senders of these labels wait as long as they are told to."""
    wanted = set(labels)
    requests = [dataclasses.replace(r, is_patient=r.label in wanted) for r in trace.requests]
    return Trace(requests, trace.events, trace.polls, trace.scenarios)


def with_more(trace: Trace, requests: Iterable[Request], scenarios: Iterable[Scenario] = ()) -> Trace:
    """With others besides."""
    more = sorted([*trace.requests, *requests], key=lambda r: r.at_ms)
    return Trace(more, trace.events, trace.polls, [*trace.scenarios, *scenarios])


def copied(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry that may be changed."""
    return copy.deepcopy(entry)
