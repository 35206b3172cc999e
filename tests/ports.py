"""Ports for tests that start servers, and start them again on the same port.

They lie below the range from which the system takes ports for outgoing connections (from 32768 on Linux, from
49152 on macOS): one out of that range can be taken by anybody between two starts. Tests that run side by side
have ranges of their own, and runs side by side tell each other what they took.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import socket

FIRST, PER_WORKER, MOST_WORKERS = 20_000, 1_500, 8
_NAME = os.environ.get("PYTEST_XDIST_WORKER", "gw0")  # noqa: TID251 - tests are their own root
_WORKER = int(_NAME.removeprefix("gw")) % MOST_WORKERS
_BASE = FIRST + _WORKER * PER_WORKER
_held: dict[int, socket.socket] = {}
_next = itertools.count(os.getpid() * 37 % PER_WORKER)


def free_port() -> int:
    """A port that nothing listens on, not given before while there are others."""
    return free_ports(1)


def free_ports(n: int) -> int:
    """The first of `n` neighbouring ports that nothing listens on."""
    for _ in range(PER_WORKER):
        first = _BASE + next(_next) % PER_WORKER
        if first + n <= _BASE + PER_WORKER and all(map(_is_free, range(first, first + n))):
            for _ in range(n - 1):
                next(_next)
            return first
    raise OSError(f"no {n} free ports from {_BASE} to {_BASE + PER_WORKER}")


def _is_free(port: int) -> bool:
    """Nobody listens there, and no other run of tests has it: each holds what it took, by UDP, to its end."""
    if port not in _held:
        mark = socket.socket(type=socket.SOCK_DGRAM)
        try:
            mark.bind(("127.0.0.1", port))
        except OSError:
            mark.close()
            return False
        _held[port] = mark
    with contextlib.closing(socket.socket()) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
