"""The store about itself."""

from __future__ import annotations

from pathlib import Path

from domain.windows import DAY_MS
from storage.schema import VERSION
from storage.sqlite_reader import SqliteReader
from tests.storage.filling import NOW_MS, opened, put, refusal


def test_a_file_that_is_not_there_has_no_size_and_its_disk_has_room(tmp_path: Path) -> None:
    reader = SqliteReader(tmp_path / "not" / "yet" / "g.db", 2_000)

    health = reader.health()

    assert (health.file_bytes, health.wal_bytes, health.events) == (0, 0, 0)
    assert health.free_disk_bytes > 0
    reader.close()


def test_the_log_beside_the_file_is_counted_apart(tmp_path: Path) -> None:
    path = tmp_path / "g.db"
    with opened(path) as store:
        put(store, refusal())
        reader = SqliteReader(path, 2_000)

        health = reader.health()

        assert health.wal_bytes == (tmp_path / "g.db-wal").stat().st_size > 0
        assert health.file_bytes == path.stat().st_size
        assert health.schema_version == VERSION
        reader.close()


def test_what_was_cleared_away_is_stored_no_more_and_was_seen_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "g.db"
    with opened(path) as store:
        put(store, *(refusal(n, at_ms=NOW_MS - 200 * DAY_MS) for n in range(1_100)))
        while store.prune(NOW_MS, 10_000):
            pass
        put(store, refusal(9_999))
        reader = SqliteReader(path, 2_000)

        health = reader.health()

        assert health.events == 1
        assert (health.oldest_event_ms, health.newest_event_ms) == (NOW_MS, NOW_MS)
        assert health.kinds == (("rate-limiting", "exceeded", 1_101),)
        reader.close()
