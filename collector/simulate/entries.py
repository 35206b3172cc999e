"""One request as Kong's http-log plugin writes it (kong/pdk/log.lua `serialize`, 3.9)."""

from __future__ import annotations

import dataclasses
import datetime as dt
from random import Random
from typing import Any

from collector.simulate.limits import Verdict, Windows
from collector.simulate.world import VERSION, Consumer, Node, Route, id_of

LABEL, EPISODE = "gatewatch_scenario", "gatewatch_episode"
CREATED_S = 1_790_000_000
REFUSED_BYTES = 92
"""Of `{"message":"API rate limit exceeded", "request_id": "<32 characters>"}` in Kong's error template."""
TOO_MANY_REQUESTS, UNAUTHORIZED, SERVER_ERROR = 429, 401, 500


@dataclasses.dataclass(frozen=True, slots=True)
class Call:
    """Somebody calls a route."""

    at_ms: int
    route: Route
    address: str
    consumer: Consumer | None
    label: str
    agent: str = "okhttp/4.12.0"
    path: str = ""
    has_wrong_key: bool = False
    episode: int = 0
    """Which repetition of its scenario this is, from 1; 0 for ordinary traffic."""


class Gateway:
    """Answers calls as three nodes with key-auth and rate-limiting would, and writes their log entries."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._windows = Windows()

    def entry(self, call: Call, node: Node) -> dict[str, Any]:
        """The log entry of one call."""
        random = self._random
        status, verdict = self._answer(call, node)
        by_kong = status in (TOO_MANY_REQUESTS, UNAUTHORIZED)
        request_id = f"{random.getrandbits(128):032x}"
        proxy_ms = 0 if by_kong else max(2, int(random.lognormvariate(3.2, 0.8)))
        entry: dict[str, Any] = {
            "request": self._request(call, request_id),
            "response": self._response(status, verdict, request_id, call.at_ms, proxy_ms, by_kong=by_kong),
            "upstream_uri": call.path or call.route.path,
            "upstream_status": "" if by_kong else str(status),
            "latencies": _latencies(proxy_ms, by_kong=by_kong),
            "tries": [] if by_kong else [_try(call)],
            "client_ip": call.address,
            "started_at": call.at_ms,
            "source": "kong" if by_kong else "upstream",
            "workspace": id_of("workspace", "default"),
            "workspace_name": "default",
            "route": _route(call.route),
            "service": _service(call.route.service),
            LABEL: call.label,
            EPISODE: call.episode,
            "node_id": node.id,
        }
        if call.consumer is not None and status != UNAUTHORIZED:
            entry["consumer"] = _consumer(call.consumer)
            entry["authenticated_entity"] = {"id": id_of("key", call.consumer.name)}
        return entry

    def _answer(self, call: Call, node: Node) -> tuple[int, Verdict]:
        if call.route.needs_key and (call.consumer is None or call.has_wrong_key):
            return UNAUTHORIZED, Verdict(is_refused=False, headers={})
        who = call.address
        if call.route.limit_by == "consumer" and call.consumer is not None:
            who = id_of("consumer", call.consumer.name)
        verdict = self._windows.request(node.id, call.route.name, who, call.route.limits, call.at_ms)
        return (TOO_MANY_REQUESTS if verdict.is_refused else self._upstream_status(call)), verdict

    def _upstream_status(self, call: Call) -> int:
        roll = self._random.random()
        if roll < 0.004:  # noqa: PLR2004 - parts of ordinary traffic, here and below
            return SERVER_ERROR + self._random.choice((0, 2, 3))
        if roll < 0.03:  # noqa: PLR2004
            return 404
        if roll < 0.06:  # noqa: PLR2004
            return 304
        return 201 if "POST" in call.route.methods else 200

    def _request(self, call: Call, request_id: str) -> dict[str, Any]:
        path = call.path or f"{call.route.path}/{self._random.randrange(10_000)}"
        headers = {
            "host": "api.example.com",
            "user-agent": call.agent,
            "accept": "*/*",
            "x-forwarded-for": call.address,
        }
        return {
            "id": request_id,
            "method": self._random.choice(call.route.methods),
            "uri": path,
            "url": f"https://api.example.com:8443{path}",
            "querystring": {},
            "headers": headers,
            "size": 180 + len(path),
        }

    def _response(
        self, status: int, verdict: Verdict, request_id: str, at_ms: int, proxy_ms: int, *, by_kong: bool
    ) -> dict[str, Any]:
        size = REFUSED_BYTES if by_kong else self._random.randrange(120, 9_000)
        date = dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
        headers = {
            "content-type": "application/json; charset=utf-8",
            "content-length": str(size),
            "date": date,
            "x-kong-request-id": request_id,
            **verdict.headers,
        }
        if by_kong:
            headers |= {"server": f"kong/{VERSION}", "x-kong-response-latency": "1"}
        else:
            headers |= {"via": f"1.1 kong/{VERSION}", "x-kong-upstream-latency": str(proxy_ms)}
        if status == UNAUTHORIZED:
            headers["www-authenticate"] = "Key"
        return {"status": status, "size": size + 320, "headers": headers}


def _latencies(proxy_ms: int, *, by_kong: bool) -> dict[str, int]:
    if by_kong:
        return {"kong": 1, "proxy": -1, "request": 1, "receive": 0}
    return {"kong": 1, "proxy": proxy_ms, "request": proxy_ms + 1, "receive": 0}


def _try(call: Call) -> dict[str, Any]:
    return {"ip": "192.0.2.101", "port": 8080, "balancer_start": call.at_ms, "balancer_latency": 0}


def _route(route: Route) -> dict[str, Any]:
    return {
        "id": id_of("route", route.name),
        "name": route.name,
        "paths": [route.path],
        "protocols": ["http", "https"],
        "service": {"id": id_of("service", route.service)},
        "strip_path": True,
        "created_at": CREATED_S,
        "updated_at": CREATED_S,
    }


def _service(name: str) -> dict[str, Any]:
    return {
        "id": id_of("service", name),
        "name": name,
        "host": f"{name}-pool",
        "port": 8080,
        "protocol": "http",
        "retries": 5,
        "enabled": True,
        "created_at": CREATED_S,
        "updated_at": CREATED_S,
    }


def _consumer(consumer: Consumer) -> dict[str, Any]:
    found: dict[str, Any] = {
        "id": id_of("consumer", consumer.name),
        "username": consumer.name,
        "created_at": CREATED_S,
        "updated_at": CREATED_S,
    }
    if consumer.custom_id:
        found["custom_id"] = consumer.custom_id
    return found
