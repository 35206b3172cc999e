"""Detectors: pure functions over a window of what happened. `DETECTORS` has all of them.

A new one is a file that ends in `DETECTOR = Detector(...)`, and one line below.

- `scene`: the instant they look at; `ledger`, `tracks`: the last fifteen minutes in bounded memory
- `findings`: what they say; `detector`: what they are, with the field's mapping
- `subjects`, `networks`, `words`: who was refused, who is a neighbour of whom, how it is worded
"""

from __future__ import annotations

from domain.detectors import (
    absence,
    burst_or_sustained,
    credential_stuffing,
    defence_weakened,
    distributed_spray,
    drift_and_certificate,
    first_seen,
    heavy_hitter,
    invalidation_storm,
    limiter_blind,
    low_and_slow,
    quota_exhausted,
    retry_disregard,
    shared_or_leaked_key,
    surge,
    threshold,
    upstream_down,
)
from domain.detectors.detector import Detector

DETECTORS: dict[str, Detector] = {
    module.DETECTOR.name: module.DETECTOR
    for module in (
        threshold,
        first_seen,
        absence,
        drift_and_certificate,
        shared_or_leaked_key,
        credential_stuffing,
        surge,
        heavy_hitter,
        burst_or_sustained,
        defence_weakened,
        limiter_blind,
        distributed_spray,
        low_and_slow,
        retry_disregard,
        quota_exhausted,
        upstream_down,
        invalidation_storm,
    )
}
"""By name, in the order that people should meet them."""
