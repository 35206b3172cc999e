"""Who sent what."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.events import Decoded, Quarantined
from storage.batches import Gap, SourceBeat
from storage.writing.sources import MAX_RAW_BYTES, clean
from tests.storage.filling import NOW_MS, one, opened, other, put, row, rows


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "g.db"


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [(None, None), ("plain", "plain"), ("ü", "ü"), ("a\ud800b", "a?b"), ("x" * 5_000, "x" * 4_096)],
)
def test_a_text_of_ours_can_always_be_stored(text: str | None, cleaned: str | None) -> None:
    assert clean(text) == cleaned


def test_a_source_with_a_hostile_name_is_a_source(path: Path) -> None:
    with opened(path) as store:
        put(store, other(1), source="gw\ud800", epoch="e\ud800", first=1, upto=4)
        store.write([], [SourceBeat(source="gw\ud800", way="stream", connected=True, at_ms=NOW_MS)])

        assert store.cursor("gw\ud800", "e\ud800") == 4
    assert rows(path, "SELECT source FROM sources") == [("gw?",)]


def test_a_beat_whose_node_cannot_be_stored_is_a_beat(path: Path) -> None:
    beat = SourceBeat(
        source="gw", way="stream", connected=True, at_ms=NOW_MS, node_id="x" * 9_000, hostname="h"
    )
    with opened(path) as store:
        store.write([], [beat])

    assert one(path, "SELECT last_beat_ms FROM sources") == NOW_MS


def test_what_could_not_be_read_is_kept_up_to_a_bound(path: Path) -> None:
    raw = b"x" * (MAX_RAW_BYTES + 1)
    with opened(path) as store:
        put(store, decoded=Decoded(quarantined=[Quarantined(why="w\ud800", raw=raw)]))

    assert row(path, "SELECT why, length(raw) FROM quarantine") == ("w?", MAX_RAW_BYTES)


def test_a_gap_that_ends_before_it_starts_is_a_moment(path: Path) -> None:
    gap = Gap(source="gw", from_ms=NOW_MS, to_ms=NOW_MS - 5, cause="a clock went back")
    with opened(path) as store:
        put(store, gaps=(gap,))

    assert row(path, "SELECT from_ms, to_ms FROM gaps") == (NOW_MS, NOW_MS)
    assert one(path, "SELECT gaps FROM sources") == 1


def test_a_beat_keeps_what_an_earlier_one_told(path: Path) -> None:
    with opened(path) as store:
        for at_ms, peer in ((NOW_MS, "203.0.113.7"), (NOW_MS - 5, None)):
            store.write([], [SourceBeat(source="gw", way="stream", connected=True, at_ms=at_ms, peer=peer)])

    assert row(path, "SELECT peer, last_beat_ms FROM sources") == ("203.0.113.7", NOW_MS)
