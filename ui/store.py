"""The readers and the clock of the user interface.

A page takes them from its frame (`ui.components.page_frame`), which calls `reader(sample)` and `now_ms()`.
The server of `dashboard.py` takes `open_reader` and `now_ms`. A test puts its own in with `using(...)`.
"""

from __future__ import annotations

import contextlib
import functools
import threading
import time
from collections.abc import Callable, Iterator

from settings import Settings, load_settings
from storage.alerts_reader import AlertsReader
from storage.opening import open_reader as open_store_reader
from storage.protocol import Reader


@functools.cache
def settings() -> Settings:
    """The settings of this process, read once."""
    return load_settings()


def open_reader(sample: bool) -> Reader:  # noqa: FBT001 - "of the sample or not" is the whole question
    """A new reader of our own database, or of the sample's; the caller closes it.

    The store need not exist yet: it then answers like an empty one.
    """
    known = settings()
    database = known.sample_database if sample else known.database
    return open_store_reader(database, known.query_deadline_ms)


def open_alerts(sample: bool) -> AlertsReader:  # noqa: FBT001 - as above
    """A new reader of the alerts of our own database, or of the sample's; the caller closes it."""
    known = settings()
    return AlertsReader(known.sample_database if sample else known.database, known.query_deadline_ms)


def _clock() -> int:
    return time.time_ns() // 1_000_000


class _Sources:
    """What pages read from: one shared reader per database, opened when it is first asked for."""

    def __init__(self, opener: Callable[[bool], Reader], clock: Callable[[], int]) -> None:
        self.clock = clock
        self._opener = opener
        self._readers: dict[bool, Reader] = {}
        self._lock = threading.Lock()

    def reader(self, *, sample: bool) -> Reader:
        with self._lock:
            if sample not in self._readers:
                self._readers[sample] = self._opener(sample)
            return self._readers[sample]

    def close(self) -> None:
        with self._lock:
            for reader in self._readers.values():
                reader.close()
            self._readers.clear()


_sources = [_Sources(open_reader, _clock)]


def reader(*, sample: bool = False) -> Reader:
    """The shared reader of our own database, or of the sample's. Safe from any thread; never close it."""
    return _sources[-1].reader(sample=sample)


def now_ms() -> int:
    """The one clock of the user interface, in UTC milliseconds."""
    return _sources[-1].clock()


@contextlib.contextmanager
def using(opener: Callable[[bool], Reader], clock: Callable[[], int]) -> Iterator[None]:
    """Within the block every page reads from these, in every thread: for tests.

    Args:
        opener: Gives the reader of our own database (False) or of the sample's (True).
        clock: The time in UTC milliseconds.
    """
    sources = _Sources(opener, clock)
    _sources.append(sources)
    try:
        yield
    finally:
        _sources.remove(sources)
        sources.close()
