"""How long to wait before trying again. Pure: randomness is passed in, nothing here sleeps."""

from __future__ import annotations

from collections.abc import Callable, Iterator

RECONNECT_FLOOR_S = 0.1
RECONNECT_CAP_S = 30.0
"""A fleet that lost its collector comes back within half a minute, spread evenly over it."""
STORE_FLOOR_S = 0.5
STORE_CAP_S = 1.0
"""A disk that has room again is noticed, and used, within two seconds."""


def full_jitter(
    random: Callable[[], float], floor_s: float = RECONNECT_FLOOR_S, cap_s: float = RECONNECT_CAP_S
) -> Iterator[float]:
    """Seconds to wait before each attempt, without end.

    Evenly spread between the floor and a ceiling that doubles from the floor up to the cap.

    Args:
        random: Gives numbers from 0 up to but not including 1.
        floor_s: The shortest wait.
        cap_s: The longest wait.
    """
    ceiling_s = floor_s
    while True:
        ceiling_s = min(cap_s, 2 * ceiling_s)
        yield floor_s + random() * (ceiling_s - floor_s)


def doubling(floor_s: float = STORE_FLOOR_S, cap_s: float = STORE_CAP_S) -> Iterator[float]:
    """Seconds to wait before each attempt, without end: floor, twice the floor, ... up to the cap."""
    wait_s = floor_s
    while True:
        yield wait_s
        wait_s = min(cap_s, 2 * wait_s)
