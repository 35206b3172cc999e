"""The same things written into a SQLite file and a PostgreSQL database, by the parts that write them."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from alerting.history import History
from collector.playing import Player
from collector.recording import Recording
from collector.replay import Replay
from domain.incident_flow import Move
from domain.rules import default_rules
from domain.windows import Window
from settings import Settings
from storage.alert_reads import AlertReads
from storage.batches import Batch, CollectorStatus, SourceBeat, Written
from storage.opening import open_reader, open_store
from storage.protocol import Reader, Store
from tests.storage.filling import SETTINGS

DEADLINE_MS = 60_000


class Both(NamedTuple):
    """Two stores that were told the same."""

    file: str
    url: str
    sqlite: Reader
    postgres: Reader
    window: Window
    """All that happened."""

    @property
    def databases(self) -> dict[str, str]:
        """By the name of the engine, as the setting names it."""
        return {"sqlite": self.file, "postgres": self.url}


class Twice:
    """A store that is two; what they say has to agree."""

    def __init__(self, stores: Sequence[Store]) -> None:
        self._stores = stores

    def write(self, batches: Sequence[Batch], beats: Sequence[SourceBeat] = ()) -> list[Written]:
        """Into both."""
        one, other = (store.write(batches, beats) for store in self._stores)
        assert one == other
        return one

    def cursor(self, source: str, epoch: str) -> int:
        """Of both."""
        one, other = (store.cursor(source, epoch) for store in self._stores)
        assert one == other
        return one


def fill(
    file: Path, url: str, recordings: Sequence[Path], settings: Settings = SETTINGS, *, now_ms: int
) -> None:
    """Play recordings into both, settle, pack what is over, and say that a collector lives."""
    with contextlib.ExitStack() as held:
        stores = [held.enter_context(contextlib.closing(open_store(at, settings))) for at in (str(file), url)]
        opened = [Recording(path) for path in recordings]
        for recording in opened:
            held.callback(recording.close)
        both = Twice(stores)
        replay = Replay(both, Player(None, None, lambda: now_ms), threading.Event())  # type: ignore[arg-type]
        replay.play([(recording, lambda _: None) for recording in opened])
        assert replay.totals.events > 0
        settled = [store.settle() for store in stores]
        assert settled[0] == settled[1]
        packed = [store.pack(now_ms, 1_000_000) for store in stores]
        assert packed[0] == packed[1] > 0
        status = CollectorStatus(
            pid=1, version="0.1.0", started_ms=now_ms, beat_ms=now_ms, ws="", http="", state="ok", detail=""
        )
        for store in stores:
            store.beat(now_ms, status)


def moves_of(database: str) -> list[Move]:
    """All moves of all incidents, as the rules find them in what is stored."""
    reads = AlertReads(database, DEADLINE_MS)
    try:
        return list(History(reads, default_rules()).moves())
    finally:
        reads.close()


@contextlib.contextmanager
def readers(file: Path, url: str) -> Iterator[Both]:
    """Of both stores."""
    sqlite, postgres = (open_reader(str(at), DEADLINE_MS) for at in (file, url))
    try:
        health = sqlite.health()
        assert health.oldest_event_ms is not None
        assert health.newest_event_ms is not None
        window = Window(health.oldest_event_ms, health.newest_event_ms + 1)
        yield Both(str(file), url, sqlite, postgres, window)
    finally:
        sqlite.close()
        postgres.close()
