"""Bytes -> events -> store.

- `wire/`: pure decoders, one per format; `sources/`: the sockets they sit behind
- `poller/`: asks Kong's Admin APIs, gently; `doctor/`: says what is missing or risky
- `batching`, `backoff`: pure; `writer`: the one thread that stores
- `replay`, `simulate`: recorded and made-up traffic over the real ways in
- `__main__`: options and composition
"""

from __future__ import annotations

VERSION = "0.1.0"
"""Also in pyproject.toml; a test holds the two together."""
