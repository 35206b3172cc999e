"""What Kong's limiters would have answered: plugins as configured at each instant, fixed windows, counters.

Behaviour: kong/plugins/rate-limiting/handler.lua and response-ratelimiting, 3.9: fixed windows of the wall
clock, one set of counters per node with policy `local`, one for all with `cluster`; the plugin with the
narrowest scope counts; a refused request is not counted.
"""

from __future__ import annotations

import copy
import heapq
import itertools
from collections.abc import Iterable, Iterator
from typing import Any

from bench.ranges.trace import Request, Trace

WINDOW_S = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400, "month": 2_592_000, "year": 31_536_000}
BY_KONG = frozenset({401, 403})
"""Refused before any limiter counts."""
RETURN_S = 0.4
"""A patient client comes back so long after the window ended."""
Plugin = dict[str, Any]


class Plugins:
    """Limiting plugins as they stood at each instant, from the changes that nodes told of."""

    def __init__(self, events: Iterable[dict[str, Any]]) -> None:
        self._versions: dict[str, list[tuple[int, Plugin | None]]] = {}
        for event in events:
            if event.get("source") != "dao:crud" or not isinstance(event.get("data"), dict):
                continue
            entity, operation = event["data"].get("entity"), event["data"].get("operation")
            if not isinstance(entity, dict) or entity.get("name") not in _JUDGES:
                continue
            at_ms = round(event["ts"] * 1000)
            self._versions.setdefault(entity["id"], []).append(
                (at_ms, None if operation == "delete" else entity)
            )

    def at(self, at_ms: int) -> Iterator[Plugin]:
        """Those that are on."""
        for versions in self._versions.values():
            now = next((p for since, p in reversed(versions) if since <= at_ms), None)
            if now is not None and now.get("enabled") is not False:
                yield now


def chosen(plugins: Iterable[Plugin], entry: dict[str, Any]) -> dict[str, Plugin]:
    """Of each kind of plugin, the one with the narrowest scope that a request runs into."""
    found: dict[str, tuple[int, Plugin]] = {}
    for plugin in plugins:
        width = 0
        for place, scope in enumerate(("service", "route", "consumer"), start=1):
            wanted = (plugin.get(scope) or {}).get("id")
            if wanted is None:
                continue
            if wanted != (entry.get(scope) or {}).get("id"):
                break
            width = place
        else:
            name = plugin["name"]
            if name not in found or width > found[name][0]:
                found[name] = (width, plugin)
    return {name: plugin for name, (_, plugin) in found.items()}


class Counters:
    """All windows of all nodes."""

    def __init__(self) -> None:
        self._used: dict[tuple[Any, ...], int] = {}

    def judge(
        self, plugin: Plugin, limits: dict[str, int], name: str, request: Request, at_ms: int
    ) -> tuple[str | None, dict[str, int]]:
        """(the window that refuses or None, what is left of each); counts it when none refuses."""
        config = plugin["config"]
        node = request.node if config.get("policy", "local") == "local" else ""
        who = request.entry["client_ip"]
        if config.get("limit_by", "consumer") in {"consumer", "credential"}:
            who = request.consumer_id or who
        keys = {w: (plugin["id"], name, node, who, w, at_ms // 1000 // WINDOW_S[w]) for w in limits}
        left = {w: limit - self._used.get(keys[w], 0) for w, limit in limits.items()}
        refusing = next((w for w in limits if left[w] <= 0), None)
        if refusing is None:
            for key in keys.values():
                self._used[key] = self._used.get(key, 0) + 1
        return refusing, left


def limits_of(config: dict[str, Any]) -> dict[str, int]:
    """Window -> limit, the shortest first."""
    return {window: config[window] for window in WINDOW_S if config.get(window)}


def answered(trace: Trace) -> Trace:
    """The same requests with the answers that these limiters would have given."""
    plugins, counters, passed = Plugins(trace.events), Counters(), _passed(trace.requests)
    late: dict[str, int] = {}
    serial = itertools.count()
    waiting = [(r.at_ms, next(serial), r) for r in trace.requests]
    heapq.heapify(waiting)
    done = []
    while waiting:
        at_ms, _, request = heapq.heappop(waiting)
        if request.is_patient and at_ms < request.at_ms + late.get(request.label, 0):
            heapq.heappush(waiting, (request.at_ms + late[request.label], next(serial), request))
            continue
        found, wait_s = _answer(request, at_ms, plugins, counters, passed)
        if request.is_patient and wait_s:
            late[request.label] = late.get(request.label, 0) + round(1000 * (wait_s + RETURN_S))
        done.append(found)
    return Trace(done, trace.events, trace.polls, trace.scenarios)


def _answer(
    request: Request,
    at_ms: int,
    plugins: Plugins,
    counters: Counters,
    passed: dict[str, dict[str, Any]],
) -> tuple[Request, int]:
    """The request with its answer, and how many seconds it was told to wait."""
    entry = request.entry
    entry = {**entry, "started_at": at_ms}
    if entry["response"]["status"] in BY_KONG or "route" not in entry:
        return _with(request, at_ms, entry, limited=False), 0
    if request.was_limited:
        entry = _as_passed(entry, passed)
    wait_s, limited = 0, False
    for name, plugin in chosen(plugins.at(at_ms), entry).items():
        config = plugin["config"]
        if name == "request-termination":
            entry = _terminated(entry, config)
            continue
        limits = (
            {"": limits_of(config)}
            if name == "rate-limiting"
            else {key: limits_of(value) for key, value in config["limits"].items()}
        )
        for key, windows in limits.items():
            refusing, left = counters.judge(plugin, windows, key, request, at_ms)
            if refusing is None:
                entry = _headed(entry, windows, left, key, config, at_ms)
                continue
            limited = True
            wait_s = WINDOW_S[refusing] - at_ms // 1000 % WINDOW_S[refusing]
            entry = _refused(entry, windows, left, refusing, key, config, at_ms)
        if limited:
            break
    return _with(request, at_ms, entry, limited=limited), wait_s


def _with(request: Request, at_ms: int, entry: dict[str, Any], *, limited: bool) -> Request:
    return Request(at_ms, request.label, request.node, entry, request.late_ms, limited, request.is_patient)


def _passed(requests: Iterable[Request]) -> dict[str, dict[str, Any]]:
    """Of each route, an entry that went through."""
    found: dict[str, dict[str, Any]] = {}
    for request in requests:
        entry = request.entry
        if entry["response"]["status"] == 200 and "route" in entry:
            found.setdefault(entry["route"]["id"], entry)
    return found


def _as_passed(entry: dict[str, Any], passed: dict[str, dict[str, Any]]) -> dict[str, Any]:
    like = passed.get(entry["route"]["id"]) or next(iter(passed.values()))
    same = ("response", "upstream_status", "tries", "latencies", "source")
    return {**entry, **{key: copy.deepcopy(like[key]) for key in same}}


def _bare(entry: dict[str, Any]) -> dict[str, str]:
    """The answer's headers without those of limiters."""
    headers = entry["response"]["headers"]
    return {k: v for k, v in headers.items() if "ratelimit" not in k and (k != "retry-after")}


def _limit_headers(
    windows: dict[str, int], left: dict[str, int], refusing: str | None, key: str, at_ms: int
) -> dict[str, str]:
    shown = {w: max(0, left[w] - (refusing is None)) for w in windows}
    if key:
        found = {f"x-ratelimit-limit-{key}-{w}": str(windows[w]) for w in windows}
        return found | {f"x-ratelimit-remaining-{key}-{w}": str(shown[w]) for w in windows}
    found = {f"x-ratelimit-limit-{w}": str(windows[w]) for w in windows}
    found |= {f"x-ratelimit-remaining-{w}": str(shown[w]) for w in windows}
    tight = min(windows, key=lambda w: (shown[w], -WINDOW_S[w]))
    reset_s = WINDOW_S[tight] - at_ms // 1000 % WINDOW_S[tight]
    return found | {
        "ratelimit-limit": str(windows[tight]),
        "ratelimit-remaining": str(shown[tight]),
        "ratelimit-reset": str(reset_s),
        **({} if refusing is None else {"retry-after": str(reset_s)}),
    }


def _headed(
    entry: dict[str, Any], windows: dict[str, int], left: dict[str, int], key: str, config: Plugin, at_ms: int
) -> dict[str, Any]:
    headers = _bare(entry) if not key else dict(entry["response"]["headers"])
    if entry["source"] == "upstream" and entry["response"]["status"] in {420, 429}:
        headers["retry-after"] = entry["response"]["headers"].get("retry-after", "5")
    if not config.get("hide_client_headers"):
        headers |= _limit_headers(windows, left, None, key, at_ms)
    return {**entry, "response": {**entry["response"], "headers": headers}}


def _refused(
    entry: dict[str, Any],
    windows: dict[str, int],
    left: dict[str, int],
    refusing: str,
    key: str,
    config: Plugin,
    at_ms: int,
) -> dict[str, Any]:
    headers = {k: v for k, v in _bare(entry).items() if k not in {"via", "x-upstream"}}
    if not config.get("hide_client_headers") and not (key and config.get("block_on_first_violation")):
        headers |= _limit_headers(windows, left, refusing, key, at_ms)
    is_after = bool(key) and not config.get("block_on_first_violation")
    status = config.get("error_code") or 429
    found = {**entry, "source": "kong", "response": {**entry["response"], "status": status}}
    found["response"]["headers"] = headers
    if not is_after:
        found |= {
            "upstream_status": "",
            "tries": [],
            "latencies": {"kong": 1, "receive": 0, "proxy": -1, "request": 1},
        }
    return found


def _terminated(entry: dict[str, Any], config: Plugin) -> dict[str, Any]:
    found = {**entry, "source": "kong", "upstream_status": "", "tries": []}
    found["response"] = {**entry["response"], "status": config.get("status_code") or 503}
    found["latencies"] = {"kong": 1, "receive": 0, "proxy": -1, "request": 1}
    return found


_JUDGES = frozenset({"rate-limiting", "response-ratelimiting", "request-termination"})
