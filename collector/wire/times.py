"""A sender's idea of when something happened, checked against when it arrived."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from typing import Any

from domain.windows import DAY_MS, MINUTE_MS

OLDEST_MS = 400 * DAY_MS
"""How far in the past a sender may date something: a year of history may be played back."""
NEWEST_MS = 5 * MINUTE_MS
"""How far a sender's clock may run ahead."""

_UNITS = ((1e11, 1_000.0), (1e14, 1.0), (1e17, 1e-3), (1e20, 1e-6))
"""Below this number, so many milliseconds each: seconds, milliseconds, microseconds, nanoseconds."""


def instant_ms(value: Any, received_ms: int) -> tuple[int, bool]:
    """UTC milliseconds of a sender's timestamp, and whether it could not be believed.

    Takes seconds, milliseconds, microseconds and nanoseconds as numbers or digits, and ISO 8601 text (UTC
    where it names no zone). Anything else, and anything out of bounds, becomes `received_ms` and suspect.
    """
    found = _parsed_ms(value)
    if found is None or not received_ms - OLDEST_MS <= found <= received_ms + NEWEST_MS:
        return received_ms, True
    return found, False


def told_ms(value: Mapping[str, Any], names: Sequence[str], received_ms: int) -> tuple[int, bool]:
    """The instant in the first of these fields that is there; when it was received, where none is."""
    told = next((value[name] for name in names if value.get(name) is not None), None)
    return (received_ms, False) if told is None else instant_ms(told, received_ms)


def _parsed_ms(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return _number_ms(value)
    if isinstance(value, str):
        return _text_ms(value.strip())
    return None


def _number_ms(number: float) -> int | None:
    if not math.isfinite(number) or number <= 0:
        return None
    for bound, factor in _UNITS:
        if number < bound:
            return int(number) if factor == 1.0 else int(number * factor)
    return None


def _text_ms(text: str) -> int | None:
    if len(text) > 40:  # noqa: PLR2004 - longer than any timestamp
        return None
    try:
        return _number_ms(float(text))
    except ValueError:
        pass
    try:
        moment = dt.datetime.fromisoformat(text)
        aware = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
        return int(aware.timestamp() * 1000)
    except (ValueError, OverflowError):
        return None
