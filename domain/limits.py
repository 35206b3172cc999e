"""Limits and their windows: how Kong names them in headers and in the configuration of its plugins."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from domain.events import PluginSeen

WINDOWS_S = {
    "second": 1,
    "minute": 60,
    "hour": 3_600,
    "day": 86_400,
    "month": 2_592_000,
    "year": 31_536_000,
}
"""Kong's window names and their seconds (kong/plugins/rate-limiting/expiration.lua)."""

ADVANCED = frozenset(("rate-limiting-advanced", "graphql-rate-limiting-advanced", "service-protection"))
"""Enterprise's limiters with the arrays `limit` and `window_size` in their configuration."""

_REMAINING = "x-ratelimit-remaining-"
_LIMIT = "x-ratelimit-limit-"


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """One limit: so many requests (or units) per window."""

    name: str | None
    """`minute`, `sms/minute` for a named limit, `90s` for a size without a name of its own."""
    value: int | None
    window_s: int | None


def strictest_reached(headers: Mapping[str, Any], *, named: bool) -> Limit | None:
    """The limit that `X-RateLimit-Remaining-*` headers show as used up; the longest window when several.

    Kong itself describes the longer window on a tie (rate-limiting/handler.lua, 3.9).

    Args:
        headers: Response headers, names in lower case.
        named: Look at limits with a name of their own (response-ratelimiting), or at plain windows.
    """
    found: Limit | None = None
    for header in headers:
        if not header.startswith(_REMAINING) or number_in(headers, header) != 0:
            continue
        suffix = header[len(_REMAINING) :]
        limit = _limit_of(suffix, number_in(headers, _LIMIT + suffix))
        if limit is None or ("/" in (limit.name or "")) is not named:
            continue
        if found is None or (limit.window_s or 0) > (found.window_s or 0):
            found = limit
    return found


def _limit_of(suffix: str, value: int | None) -> Limit | None:
    name, _, window = suffix.rpartition("-")
    window_s = window_seconds(window)
    if window_s is None:
        return None
    shown = window if window in WINDOWS_S else f"{window_s}s"
    return Limit(name=f"{name}/{shown}" if name else shown, value=value, window_s=window_s)


def window_seconds(window: Any) -> int | None:
    """Seconds of a window: one of Kong's names in any case, or a number of seconds; None when neither."""
    if isinstance(window, str):
        named = WINDOWS_S.get(window.lower())
        if named is not None:
            return named
        return int(window) if window.isascii() and window.isdigit() and len(window) <= 9 else None  # noqa: PLR2004 - 31 years
    if isinstance(window, int | float) and not isinstance(window, bool) and 0 < window < 1e9:  # noqa: PLR2004 - 31 years
        return int(window) or 1
    return None


def window_name(window_s: int) -> str:
    """Kong's name of a window, or its seconds: `minute`, `90s`."""
    return next((name for name, seconds in WINDOWS_S.items() if seconds == window_s), f"{window_s}s")


def limits_of(plugin: PluginSeen) -> list[Limit]:
    """The limits that a plugin's configuration sets; empty for plugins that limit nothing.

    Sources: kong/plugins/rate-limiting/schema.lua and response-ratelimiting/schema.lua, 3.9; for
    rate-limiting-advanced the arrays `limit` and `window_size` of its documented configuration.
    """
    config = plugin.config
    if plugin.name == "rate-limiting":
        return list(_windows(config, ""))
    if plugin.name == "response-ratelimiting":
        named = config.get("limits")
        if not isinstance(named, Mapping):
            return []
        return [
            limit
            for name, windows in named.items()
            if isinstance(windows, Mapping)
            for limit in _windows(windows, f"{name}/")
        ]
    if plugin.name in ADVANCED:
        return list(_paired(config.get("limit"), config.get("window_size")))
    return []


def _windows(config: Mapping[str, Any], prefix: str) -> Iterator[Limit]:
    for name, window_s in WINDOWS_S.items():
        value = _bound(config.get(name))
        if value is not None:
            yield Limit(name=prefix + name, value=value, window_s=window_s)


def _paired(values: Any, sizes: Any) -> Iterator[Limit]:
    if not (isinstance(values, list) and isinstance(sizes, list)):
        return
    for value, size in zip(values, sizes, strict=False):
        window_s, bound = window_seconds(size), _bound(value)
        if window_s is not None and bound is not None:
            yield Limit(name=window_name(window_s), value=bound, window_s=window_s)


def _bound(value: Any) -> int | None:
    """The whole requests a configured number lets through; None where it is no finite number.

    Not every reader of JSON refuses `Infinity` and `NaN`, and `True` would count as one request.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return int(value)


def text_in(headers: Mapping[str, Any], name: str) -> str:
    """A header's text, its first value when sent several times; empty when absent."""
    value = headers.get(name)
    if isinstance(value, list):
        value = value[0] if value else None
    return value if isinstance(value, str) else ""


def number_in(headers: Mapping[str, Any], name: str) -> int | None:
    """A header's whole number >= 0; None when absent or anything else."""
    value = headers.get(name)
    if isinstance(value, list):
        value = value[0] if value else None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 18:  # noqa: PLR2004 - fits 64 bits
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    return None
