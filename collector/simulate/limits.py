"""Kong's rate-limiting plugin as it counts: fixed windows of the wall clock, one counter per node.

Behaviour: kong/plugins/rate-limiting/handler.lua and policies/init.lua, 3.9, policy `local`. A refused
request is not counted. `RateLimit-*` describe the window with the least remaining, the longer on a tie.
"""

from __future__ import annotations

import dataclasses

WINDOW_S = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400}
MOST_COUNTERS = 50_000


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """What the plugin decided, and the headers it adds to the answer."""

    is_refused: bool
    headers: dict[str, str]


class Windows:
    """The counters of all nodes."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str, str, str, int], int] = {}

    def request(self, node: str, route: str, who: str, limits: dict[str, int], at_ms: int) -> Verdict:
        """Judge one request, and count it where it is let through."""
        if not limits:
            return Verdict(is_refused=False, headers={})
        keys = {name: (node, route, who, name, at_ms // 1000 // WINDOW_S[name]) for name in limits}
        left = {name: limit - self._counts.get(keys[name], 0) for name, limit in limits.items()}
        refusing = next((name for name in limits if left[name] <= 0), None)
        if refusing is None:
            self._make_room()
            for key in keys.values():
                self._counts[key] = self._counts.get(key, 0) + 1
        return Verdict(refusing is not None, _headers(limits, left, refusing, at_ms))

    def _make_room(self) -> None:
        while len(self._counts) >= MOST_COUNTERS:
            del self._counts[next(iter(self._counts))]


def _headers(
    limits: dict[str, int], left: dict[str, int], refusing: str | None, at_ms: int
) -> dict[str, str]:
    headers: dict[str, str] = {}
    shown = {name: max(0, left[name] - 1 if refusing in (None, name) else left[name]) for name in limits}
    for name, limit in limits.items():
        headers[f"x-ratelimit-limit-{name}"] = str(limit)
        headers[f"x-ratelimit-remaining-{name}"] = str(shown[name])
    tightest = min(limits, key=lambda name: (shown[name], -WINDOW_S[name]))
    window_s = WINDOW_S[tightest]
    reset_s = max(1, window_s - at_ms // 1000 % window_s)
    headers["ratelimit-limit"] = str(limits[tightest])
    headers["ratelimit-remaining"] = str(shown[tightest])
    headers["ratelimit-reset"] = str(reset_s)
    if refusing is not None:
        headers["retry-after"] = str(reset_s)
    return headers
