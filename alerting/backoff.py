"""When a message is tried again, and when it is given up. Pure: chance comes in as an argument.

Full jitter (a random moment between now and the cap) spreads those who failed together; see Brooker,
"Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
"""

from __future__ import annotations

BASE_S = 2.0
CAP_S = 600.0
LONGEST_WAIT_S = 3_600.0
"""A receiver that asks for more than an hour is tried after an hour all the same."""
GIVE_UP_AFTER_MS = 24 * 3_600_000
"""A message that could not be delivered for a day is a dead letter."""


def delay_s(attempts: int, chance: float, retry_after_s: float | None = None) -> float:
    """Seconds until the next attempt.

    Args:
        attempts: How many failed so far, from 1.
        chance: From 0 up to 1.
        retry_after_s: What the receiver asked for; never tried before that.
    """
    jittered = chance * min(CAP_S, BASE_S * (1 << min(attempts, 30)))
    if retry_after_s is None:
        return max(0.2, jittered)
    return min(LONGEST_WAIT_S, max(0.0, retry_after_s)) + chance * BASE_S


def is_given_up(made_ms: int, now_ms: int) -> bool:
    """Whether a message is too old to be tried again."""
    return now_ms - made_ms >= GIVE_UP_AFTER_MS
