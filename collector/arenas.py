"""How C libraries (SQLite, zstandard, the sockets) share memory among our threads: one pool for all of them.

glibc gives each thread a pool of its own, up to eight a core, and what one thread frees stays in the pool it
came from. Frames that are read in one thread and let go in another leave holes: 140 MiB resident at full load
from ten senders with Python's own allocator beside it, 131 with one pool, at the same rate.
"""

from __future__ import annotations

import ctypes

_M_ARENA_MAX = -8
"""malloc.h, mallopt(3)."""


def share_one_arena() -> bool:
    """Have threads that begin from now on share one pool; False where the C library has no such setting."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and mallopt(_M_ARENA_MAX, 1) == 1
