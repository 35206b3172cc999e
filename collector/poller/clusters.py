"""Which addresses are nodes of one cluster: those that share a database need to be listed only once. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any


@dataclasses.dataclass(frozen=True, slots=True)
class Upstreams:
    """The upstreams of a cluster by name."""

    checked: tuple[str, ...] = ()
    """With active or passive health checks."""
    unchecked: tuple[str, ...] = ()


class Clusters:
    """Chooses one node of each cluster to be listed, another one when that is gone."""

    def __init__(self) -> None:
        self._chosen: dict[str, str] = {}
        self._upstreams: dict[str, Upstreams] = {}

    def is_chosen(self, cluster: str, address: str) -> bool:
        """Whether lists are asked for at this address."""
        return self._chosen.setdefault(cluster, address) == address

    def leave(self, address: str) -> None:
        """Nobody answers at an address: another node may be listed instead."""
        for cluster in [name for name, chosen in self._chosen.items() if chosen == address]:
            del self._chosen[cluster]

    def know_upstreams(self, cluster: str, items: Iterable[Mapping[str, Any]]) -> None:
        """Take the listed upstreams of a cluster."""
        checked: list[str] = []
        unchecked: list[str] = []
        for item in items:
            name = item.get("name")
            if isinstance(name, str) and name:
                (checked if has_checks(item) else unchecked).append(name)
        self._upstreams[cluster] = Upstreams(tuple(checked), tuple(unchecked))

    def upstreams(self, cluster: str) -> Upstreams:
        """The upstreams of a cluster, none while they are not known."""
        return self._upstreams.get(cluster, Upstreams())


def cluster_of(configuration: Mapping[str, Any], address: str) -> str:
    """What nodes of one cluster have in common: their database; a node without one is a cluster of its own.

    Args:
        configuration: kong.conf as the node runs it, from `GET /`.
        address: Where it was asked.
    """
    if configuration.get("database") != "postgres":
        return address
    parts = [str(configuration.get(f"pg_{name}")) for name in ("host", "port", "database", "schema")]
    return "postgres " + "/".join(parts)


def has_checks(upstream: Mapping[str, Any]) -> bool:
    """Whether anything can change the health of an upstream's targets by itself.

    Active checks run where an interval is more than 0, passive ones where a threshold is
    (kong/runloop/balancer/healthcheckers.lua, 3.9).
    """
    checks = upstream.get("healthchecks")
    if not isinstance(checks, dict):
        return False
    for kind, names in _THRESHOLDS.items():
        found = checks.get(kind)
        for side in ("healthy", "unhealthy"):
            values = found.get(side) if isinstance(found, dict) else None
            if isinstance(values, dict) and any(_is_positive(values.get(name)) for name in names):
                return True
    return False


_THRESHOLDS = {
    "active": ("interval",),
    "passive": ("successes", "tcp_failures", "timeouts", "http_failures"),
}


def _is_positive(value: Any) -> bool:
    return isinstance(value, int | float) and value > 0
