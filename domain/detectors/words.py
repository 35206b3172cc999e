"""How detectors word what they saw. Names in sentences are hostile: whoever shows them escapes them."""

from __future__ import annotations

from collections.abc import Sequence

from domain.limits import Limit

_MINUTE_S, _HOUR_S = 60, 3_600


def span(seconds: float) -> str:
    """`40 s`, `5 min`, `2 h`."""
    whole = round(seconds)
    if whole < 2 * _MINUTE_S:
        return f"{whole} s"
    if whole < 2 * _HOUR_S:
        return f"{round(whole / _MINUTE_S)} min"
    return f"{round(whole / _HOUR_S)} h"


def many(n: int, noun: str, plural: str | None = None) -> str:
    """`1 address`, `12 addresses`."""
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def times(n: int) -> str:
    """`once`, `twice`, `12 times`."""
    return {1: "once", 2: "twice"}.get(n, f"{n:,} times")


def share(part: float, whole: float) -> str:
    """`81 %`; `an unknown share` of nothing."""
    return f"{100 * part / whole:.0f} %" if whole else "an unknown share"


def listed(names: Sequence[str], most: int = 3, total: int | None = None) -> str:
    """`a, b, c and 9 more`; `total` where `names` has only the first of them."""
    shown, count = ", ".join(names[:most]), len(names) if total is None else total
    return f"{shown} and {count - most} more" if count > most else shown


def limit_words(limit: Limit | None) -> str:
    """` (limit 60 per minute)`; empty when the limit is not known."""
    if limit is None or limit.value is None:
        return ""
    return f" (limit {limit.value:,} per {limit.name or 'window'})"
