"""What tests of the contract ask about."""

from __future__ import annotations

from typing import Any

from domain.filters import Dimension, Filters
from domain.windows import HOUR_MS, Window
from storage.rows import EventQuery
from tests.storage.filling import NOW_MS

HOUR = Window(NOW_MS, NOW_MS + HOUR_MS)
NOTHING = Filters()


def only(dimension: Dimension, *values: str) -> Filters:
    """With these values kept."""
    return Filters(tuple((dimension, value) for value in values))


def without(dimension: Dimension, *values: str) -> Filters:
    """With these values left out."""
    return Filters((), tuple((dimension, value) for value in values))


def violations(window: Window = HOUR, **changes: Any) -> EventQuery:
    """The refusals of a window."""
    return EventQuery(window=window, violations_only=True, **changes)
