"""Which of Kong's plugins ran for a request: what was configured at that time, and who wins."""

from __future__ import annotations

from collections.abc import Iterable

from domain.events import PluginSeen


def plugins_at(history: Iterable[PluginSeen], at_ms: int) -> list[PluginSeen]:
    """The plugins as configured at an instant: the newest sighting of each, deleted ones left out.

    A plugin first seen after `at_ms` is taken as it was seen first, unless that was its deletion: a list of
    plugins is usually read once the first requests have already come in.
    """
    best: dict[str, PluginSeen] = {}
    for seen in history:
        held = best.get(seen.plugin_id)
        if held is None or _is_better(seen, held, at_ms):
            best[seen.plugin_id] = seen
    return [p for p in best.values() if not p.deleted]


def _is_better(seen: PluginSeen, held: PluginSeen, at_ms: int) -> bool:
    if seen.at_ms <= at_ms:
        return held.at_ms > at_ms or seen.at_ms >= held.at_ms
    return at_ms < seen.at_ms < held.at_ms


def plugins_in_force(
    plugins: Iterable[PluginSeen],
    *,
    route_id: str | None,
    service_id: str | None,
    consumer_id: str | None,
) -> list[PluginSeen]:
    """The plugins that run for a request: enabled, matching, and of each name only the most specific one.

    Plugins of a consumer group come last and besides: whether they run, a request does not say.

    Order of precedence as in kong/runloop/plugins_iterator.lua `lookup_cfg`, 3.9: route + service + consumer,
    route + consumer, service + consumer, route + service, consumer, route, service, everywhere.
    """
    best: dict[str, tuple[int, PluginSeen]] = {}
    of_groups: list[PluginSeen] = []
    for plugin in plugins:
        rank = _rank(plugin, route_id, service_id, consumer_id)
        if rank is not None and plugin.consumer_group_id is not None:
            of_groups.append(plugin)
        elif rank is not None and (plugin.name not in best or rank > best[plugin.name][0]):
            best[plugin.name] = (rank, plugin)
    return [plugin for _, plugin in best.values()] + of_groups


_RANKS = {
    (True, True, True): 8,
    (True, False, True): 7,
    (False, True, True): 6,
    (True, True, False): 5,
    (False, False, True): 4,
    (True, False, False): 3,
    (False, True, False): 2,
    (False, False, False): 1,
}
"""(route given, service given, consumer given) -> precedence."""


def _rank(
    plugin: PluginSeen, route_id: str | None, service_id: str | None, consumer_id: str | None
) -> int | None:
    if not plugin.enabled or plugin.deleted:
        return None
    wanted = (plugin.route_id, plugin.service_id, plugin.consumer_id)
    actual = (route_id, service_id, consumer_id)
    if any(want is not None and want != have for want, have in zip(wanted, actual, strict=True)):
        return None
    return _RANKS[wanted[0] is not None, wanted[1] is not None, wanted[2] is not None]
