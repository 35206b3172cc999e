"""Which limits apply to someone's requests, and how they changed: from the history of Kong's plugins."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from domain.events import PluginSeen
from domain.limits import Limit, limits_of
from domain.plugins import plugins_at, plugins_in_force
from domain.windows import Window

SETTLED_MS = 1_000
"""Every worker of a node reports a change, with the state before and after it: what lasts is what counts."""

Pair = tuple[str | None, str | None]
"""(service id, route id) of requests."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LimitInForce:
    """One limit of one plugin, and where it applies."""

    limit: Limit
    plugin_id: str
    plugin: str
    """Kong's name of it: `rate-limiting`."""
    route_id: str | None
    service_id: str | None
    consumer_id: str | None
    """What the plugin is set on; all None: everywhere."""
    consumer_group_id: str | None
    counted_by: str
    """Kong's `limit_by` or `identifier`: `consumer`, `credential`, `ip`, `service`, `header`, `path`."""
    policy: str
    """`local`: each node counts alone; `cluster` or `redis`: together. Empty where it does not say."""
    pairs: tuple[Pair, ...]
    """Of those asked about, where it is in force."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LimitChange:
    """A plugin's limits before and after a moment; empty is none, because it was off or not there."""

    at_ms: int
    plugin_id: str
    plugin: str
    route_id: str | None
    service_id: str | None
    consumer_id: str | None
    before: tuple[Limit, ...]
    after: tuple[Limit, ...]


def limits_in_force(
    history: Sequence[PluginSeen], at_ms: int, pairs: Iterable[Pair], consumer_id: str | None
) -> tuple[LimitInForce, ...]:
    """The limits that apply to requests of a consumer to some routes, the narrowest plugin first.

    Args:
        history: Every sighting of every plugin.
        at_ms: At that instant.
        pairs: Where the requests go.
        consumer_id: Whose they are; None for anyone without a plugin of their own.
    """
    configured = [plugin for plugin in plugins_at(history, at_ms) if limits_of(plugin)]
    found: dict[str, tuple[PluginSeen, list[Pair]]] = {}
    for service_id, route_id in pairs:
        in_force = plugins_in_force(
            configured, route_id=route_id, service_id=service_id, consumer_id=consumer_id
        )
        for plugin in in_force:
            found.setdefault(plugin.plugin_id, (plugin, []))[1].append((service_id, route_id))
    ordered = sorted(
        found.values(), key=lambda item: (-_narrowness(item[0]), item[0].name, item[0].plugin_id)
    )
    return tuple(
        LimitInForce(
            limit=limit,
            plugin_id=plugin.plugin_id,
            plugin=plugin.name,
            route_id=plugin.route_id,
            service_id=plugin.service_id,
            consumer_id=plugin.consumer_id,
            consumer_group_id=plugin.consumer_group_id,
            counted_by=_text(plugin, "limit_by") or _text(plugin, "identifier") or "consumer",
            policy=_text(plugin, "policy") or _text(plugin, "strategy"),
            pairs=tuple(where),
        )
        for plugin, where in ordered
        for limit in sorted(limits_of(plugin), key=lambda limit: limit.window_s or 0)
    )


def limit_changes(
    history: Sequence[PluginSeen], window: Window, pairs: Iterable[Pair], consumer_id: str | None
) -> tuple[LimitChange, ...]:
    """How limits that could apply to requests of a consumer changed in a window, oldest first.

    The first sighting of a plugin is no change: it may have been there long before.
    """
    asked = tuple(pairs)
    by_plugin: dict[str, list[PluginSeen]] = {}
    for seen in sorted(history, key=lambda seen: seen.at_ms):
        by_plugin.setdefault(seen.plugin_id, []).append(seen)
    found = [
        change
        for states in by_plugin.values()
        if _may_apply(states[-1], asked, consumer_id)
        for change in _changes(states)
        if window.from_ms <= change.at_ms < window.to_ms
    ]
    return tuple(sorted(found, key=lambda change: (change.at_ms, change.plugin_id)))


def _changes(states: Sequence[PluginSeen]) -> list[LimitChange]:
    found: list[LimitChange] = []
    before = _effective(states[0])
    lasting = [
        state
        for state, following in zip(states, [*states[1:], None], strict=True)
        if following is None or following.at_ms - state.at_ms > SETTLED_MS
    ]
    for state in lasting:
        after = _effective(state)
        if after != before:
            found.append(
                LimitChange(
                    at_ms=state.at_ms,
                    plugin_id=state.plugin_id,
                    plugin=state.name,
                    route_id=state.route_id,
                    service_id=state.service_id,
                    consumer_id=state.consumer_id,
                    before=before,
                    after=after,
                )
            )
        before = after
    return found


def _effective(plugin: PluginSeen) -> tuple[Limit, ...]:
    return () if plugin.deleted or not plugin.enabled else tuple(limits_of(plugin))


def _may_apply(plugin: PluginSeen, pairs: Sequence[Pair], consumer_id: str | None) -> bool:
    """Whether it could run for any of the requests if it were on."""
    if plugin.consumer_id is not None and plugin.consumer_id != consumer_id:
        return False
    return any(
        (plugin.service_id is None or plugin.service_id == service_id)
        and (plugin.route_id is None or plugin.route_id == route_id)
        for service_id, route_id in pairs
    )


def _narrowness(plugin: PluginSeen) -> int:
    return sum(held is not None for held in (plugin.route_id, plugin.service_id, plugin.consumer_id))


def _text(plugin: PluginSeen, name: str) -> str:
    value = plugin.config.get(name)
    return value if isinstance(value, str) else ""
