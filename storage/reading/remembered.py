"""What was read of a file and cannot change, kept for the next question; bounded by bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Protocol, TypeVar, cast

MAX_BYTES = 64 * 1024 * 1024
"""Ninety days of 22,000 combinations each are 50 MB with all columns, unfiltered."""


class Sized(Protocol):
    """Something that knows how large it is; it may grow."""

    @property
    def nbytes(self) -> int:
        """Bytes."""


T = TypeVar("T", bound=Sized)


class Remembered:
    """The things used last. Safe to share between threads: what two make at once is made twice, once kept."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._things: OrderedDict[Hashable, Sized] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The thing with this key, made where it is not there, while others go on."""
        with self._lock:
            found = self._things.get(key)
        made = make() if found is None else found
        with self._lock:
            kept = self._things.setdefault(key, made)
            self._things.move_to_end(key)
        return cast("T", kept)

    def trim(self) -> None:
        """Drop those used longest ago until the rest is within bounds."""
        with self._lock:
            size = sum(thing.nbytes for thing in self._things.values())
            while size > self._max_bytes and self._things:
                _, dropped = self._things.popitem(last=False)
                size -= dropped.nbytes
