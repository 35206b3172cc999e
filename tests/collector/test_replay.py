from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import orjson
import pytest

from collector.playing import Player
from collector.recording import Recording
from collector.replay import BATCH_ITEMS, EPOCH, Replay
from tests.collector.memory_store import BUSY, MemoryStore

NOW_MS = 1_900_000_000_000
AT_S = 1_795_384_634


def purge(at_s: float) -> dict[str, Any]:
    return {"ts": at_s, "kind": "worker_event", "source": "mlcache", "event": "mlcache:purge:c", "data": ""}


def plugins(at_s: float) -> dict[str, Any]:
    return {"ts": at_s, "path": "/plugins", "http_status": 200, "body": {"data": [{"id": "p", "name": "x"}]}}


class Playing:
    """Plays lines into a store in memory."""

    def __init__(self, tmp_path: Path) -> None:
        self.folder = tmp_path
        self.store = MemoryStore()
        self.stop = threading.Event()

    def file(self, name: str, *values: Any) -> str:
        """Write lines, JSON or raw; returns the file's name."""
        raws = [value if isinstance(value, bytes) else orjson.dumps(value) for value in values]
        (self.folder / name).write_bytes(b"\n".join(raws))
        return name

    def play(self, *names: str) -> Replay:
        """Play some files in one run."""
        recordings = [Recording(self.folder / name) for name in names]
        replay = Replay(self.store, Player(None, None, lambda: NOW_MS), self.stop)
        replay.play([(recording, lambda _: None) for recording in recordings])
        for recording in recordings:
            recording.close()
        return replay


@pytest.fixture
def playing(tmp_path: Path) -> Playing:
    return Playing(tmp_path)


def test_every_line_is_stored_and_counted(playing: Playing) -> None:
    totals = playing.play(playing.file("a", purge(AT_S), purge(AT_S), b"broken")).totals

    assert (totals.entries, totals.events, totals.quarantined) == (3, 2, 1)
    assert len(playing.store.events) == 2


def test_a_second_run_has_nothing_left_to_do(playing: Playing) -> None:
    name = playing.file("a", purge(AT_S), purge(AT_S + 1))
    playing.play(name)

    assert str(playing.play(name).totals).startswith("replayed 0 entries: 0 events")
    assert len(playing.store.events) == 2


def test_a_run_goes_on_behind_the_cursor(playing: Playing) -> None:
    name = playing.file("a", *(purge(AT_S + n) for n in range(5)))
    recording = Recording(playing.folder / name)
    playing.store.cursors[recording.source, EPOCH] = 3
    recording.close()

    assert playing.play(name).totals.entries == 2


def test_the_same_content_under_another_name_adds_nothing(playing: Playing) -> None:
    playing.play(playing.file("a", purge(AT_S)))

    assert playing.play(playing.file("b", purge(AT_S))).totals.events == 0


def test_several_files_are_played_in_order_of_time(playing: Playing) -> None:
    one = playing.file("a", purge(AT_S), plugins(AT_S + 3))
    other = playing.file("b", purge(AT_S + 1), purge(AT_S + 5))

    playing.play(one, other)

    times = [
        event.at_ms // 1000 - AT_S
        for group in playing.store.transactions
        for event in sorted((e for b in group for e in b.decoded.events), key=lambda e: e.at_ms)
    ]
    assert times == [0, 1, 5]


def test_a_whole_list_of_plugins_is_stored_by_itself(playing: Playing) -> None:
    """What stood in the list before must be gone for what comes after, and not for what came before."""
    playing.play(playing.file("a", purge(AT_S), plugins(AT_S + 1), purge(AT_S + 2)))

    assert [batch.decoded.plugins_complete for [batch] in playing.store.transactions] == [False, True, False]


def test_many_lines_go_in_several_transactions(playing: Playing) -> None:
    playing.play(playing.file("a", *(purge(AT_S + n) for n in range(BATCH_ITEMS + 10))))

    assert [len(batch.decoded.events) for [batch] in playing.store.transactions] == [BATCH_ITEMS, 10]


def test_a_store_that_is_busy_is_asked_again(playing: Playing) -> None:
    playing.store.failures = [BUSY]

    assert playing.play(playing.file("a", purge(AT_S))).totals.events == 1


def test_a_signal_ends_a_run_before_its_next_line(playing: Playing) -> None:
    playing.stop.set()

    assert playing.play(playing.file("a", purge(AT_S))).totals.entries == 0
