"""How often Python looks for garbage in cycles: rarely, as decoding makes many objects and hardly a cycle."""

from __future__ import annotations

import gc

YOUNG_OBJECTS = 50_000
"""New objects before a look at the young ones; Python's own 700 come with every tenth log entry."""


def look_rarely() -> None:
    """Leave alone what the start has made, and look less often: a fifth of the time that decoding took."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 20, 50)
