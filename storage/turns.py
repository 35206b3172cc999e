"""Who of one process writes into a file next: whoever has waited longest.

SQLite lets in whoever asks at the moment when nobody writes, and who waits asks ten times a second at last. A
collector at full load begins its next transaction at once, so alert rules, which write down what they find,
never got in: 97 attempts in twelve minutes, all in vain.
"""

from __future__ import annotations

import threading
from collections import deque

LIMIT_S = 5.0
"""Whoever waited so long tries without a turn, and hears from SQLite why it cannot be."""


class Turns:
    """A lock that is handed on in the order of asking."""

    def __init__(self) -> None:
        self._inside = threading.Lock()
        self._is_taken = False
        self._waiting: deque[threading.Lock] = deque()

    def take(self, limit_s: float = LIMIT_S) -> bool:
        """Wait for a turn, which `give_back` ends; False when it did not come in time."""
        with self._inside:
            if not self._is_taken:
                self._is_taken = True
                return True
            gate = threading.Lock()
            gate.acquire()
            self._waiting.append(gate)
        if gate.acquire(timeout=limit_s):
            return True
        with self._inside:
            if gate not in self._waiting:  # it was handed on just now
                return True
            self._waiting.remove(gate)
            return False

    def give_back(self) -> None:
        """End a turn; the next one begins."""
        with self._inside:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._is_taken = False


_OF_FILE: dict[str, Turns] = {}


def turns_of(file: str) -> Turns:
    """The turns of a file in this process."""
    return _OF_FILE.setdefault(file, Turns())
