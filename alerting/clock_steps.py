"""A wall clock that somebody, or NTP, sets while incidents are judged by it."""

from __future__ import annotations

STEP_MS = 30_000
"""Clocks that are kept right are slewed, or set by less."""


class ClockSteps:
    """Notices steps by a monotonic clock, and says how old things are in spite of them."""

    def __init__(self) -> None:
        self._before: tuple[int, float] | None = None
        self._set_ms = 0
        """When it was set last, by its new time."""

    def step_s(self, now_ms: int, now_s: float) -> float:
        """By how many seconds the clock was set since the last call; 0 when it was not.

        Args:
            now_ms: The wall clock.
            now_s: A clock that is never set.
        """
        before, self._before = self._before, (now_ms, now_s)
        if before is None:
            return 0.0
        step_ms = now_ms - before[0] - 1000 * (now_s - before[1])
        if abs(step_ms) <= STEP_MS:
            return 0.0
        self._set_ms = now_ms
        return step_ms / 1000

    def heard_ms(self, at_ms: int, now_ms: int) -> int:
        """When something was heard last, as a silence counts from it.

        The time that a step left out is no silence, and nothing was heard in the future.
        """
        return min(max(at_ms, self._set_ms), now_ms)
