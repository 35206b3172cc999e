"""Files that come, go and are replaced; deadlines; many threads; a log that nobody holds open."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from domain.errors import DeadlineExceeded, StoreCorrupt, StoreForeign
from domain.filters import Dimension, Filters
from domain.windows import HOUR_MS, MINUTE_MS, Window
from storage.reading.connections import MOST_CONNECTIONS, Connections
from storage.rows import EventQuery
from storage.sqlite_reader import SqliteReader
from tests.storage.filling import NOW_MS, opened, put, refusal, request, stored_again

HOUR = Window(NOW_MS, NOW_MS + HOUR_MS)
FOREVER = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"


def limited(reader: SqliteReader) -> int:
    """How many refusals it sees."""
    return reader.totals(HOUR, Filters()).limited


def test_a_file_that_is_not_there_answers_like_an_empty_one_until_it_is(tmp_path: Path) -> None:
    reader = SqliteReader(tmp_path / "later" / "g.db", 2_000)
    before = (limited(reader), reader.data_version())

    with opened(tmp_path / "later" / "g.db") as store:
        put(store, refusal())

        assert before[0] == 0
        assert limited(reader) == 1
        assert reader.data_version() != before[1]
    reader.close()


def test_a_file_that_the_collector_has_only_begun_answers_like_an_empty_one(tmp_path: Path) -> None:
    path = tmp_path / "g.db"
    path.touch()
    reader = SqliteReader(path, 2_000)
    first = limited(reader)

    with opened(path) as store:
        put(store, refusal())

        assert (first, limited(reader)) == (0, 1)
    reader.close()


def test_a_file_that_takes_the_place_of_another_is_read_from_then_on(tmp_path: Path) -> None:
    path, other = tmp_path / "g.db", tmp_path / "other.db"
    with opened(path) as store:
        put(store, refusal())
    with opened(other) as store:
        put(store, refusal(1), refusal(2))
    reader = SqliteReader(path, 2_000)
    before = (limited(reader), reader.data_version())

    other.rename(path)

    assert before[0] == 1
    assert limited(reader) == 2
    assert reader.data_version() != before[1]
    reader.close()


def test_a_file_that_was_removed_answers_like_an_empty_one(tmp_path: Path) -> None:
    path = tmp_path / "g.db"
    with opened(path) as store:
        put(store, refusal())
    reader = SqliteReader(path, 2_000)
    before = limited(reader)

    path.unlink()

    assert (before, limited(reader)) == (1, 0)
    reader.close()


def test_what_is_no_database_of_ours_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "g.db"
    path.write_bytes(b"not a database at all, but long enough to be looked at" * 20)
    reader = SqliteReader(path, 2_000)

    with pytest.raises(StoreCorrupt, match=r"g\.db"):
        reader.freshness()
    with pytest.raises(StoreCorrupt, match=r"g\.db"):
        reader.data_version()


def test_a_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "g.db"
    with opened(path):
        pass
    connection = stored_again(path)
    connection.execute("PRAGMA user_version=999")
    connection.close()
    reader = SqliteReader(path, 2_000)

    with pytest.raises(StoreForeign, match="newer version"):
        reader.freshness()


def test_a_question_is_stopped_at_its_deadline(tmp_path: Path) -> None:
    path = tmp_path / "g.db"
    with opened(path):
        pass
    connections = Connections(path, 60)
    started = time.monotonic()

    with pytest.raises(DeadlineExceeded, match="60 ms"), connections.snapshot() as snapshot:
        snapshot.value(FOREVER)

    assert time.monotonic() - started < 2
    with connections.snapshot() as snapshot:
        assert snapshot.value("SELECT 1") == 1
    connections.close()


def test_waiting_for_a_free_connection_counts_as_answering(tmp_path: Path) -> None:
    path = tmp_path / "g.db"
    with opened(path):
        pass
    connections = Connections(path, 60)
    enough, release = threading.Barrier(MOST_CONNECTIONS + 1), threading.Event()

    def hold() -> None:
        with connections.snapshot():
            enough.wait(10)
            release.wait(10)

    with ThreadPoolExecutor(MOST_CONNECTIONS) as threads:
        held = [threads.submit(hold) for _ in range(MOST_CONNECTIONS)]
        enough.wait(10)
        with pytest.raises(DeadlineExceeded), connections.snapshot():
            pytest.fail("there are only eight connections")
        release.set()
        for one in held:
            one.result(10)
    connections.close()


def test_a_closed_reader_says_so(tmp_path: Path) -> None:
    reader = SqliteReader(tmp_path / "g.db", 2_000)
    reader.close()

    with pytest.raises(Exception, match="closed"):
        reader.freshness()


def test_many_threads_read_whole_transactions_while_one_writes(tmp_path: Path) -> None:
    """Each transaction adds one refusal and one request that passed: any other ratio is a torn answer."""
    path = tmp_path / "g.db"
    reader, over = SqliteReader(path, 5_000), threading.Event()
    seen: list[tuple[int, int]] = []

    def read() -> None:
        while not over.is_set():
            totals = reader.totals(HOUR, Filters())
            listed = sum(row.violations for row in reader.top(Dimension.IP, HOUR, Filters(), 50).rows)
            assert listed >= totals.limited
            seen.append((totals.limited, totals.requests or 0))

    with opened(path) as store, ThreadPoolExecutor(4) as threads:
        readers = [threads.submit(read) for _ in range(4)]
        for number in range(1, 40):
            put(store, refusal(number, ip=f"10.0.0.{number % 9}"), request(number))
        over.set()
        for one in readers:
            one.result(10)
        assert limited(reader) == 39
    assert all(requests == 2 * refused for refused, requests in seen)
    reader.close()


def test_nobody_holds_the_log_between_questions_or_pages_of_an_export(tmp_path: Path) -> None:
    path = tmp_path / "g.db"
    reader = SqliteReader(path, 5_000)
    with opened(path) as store:
        put(store, *(refusal(number) for number in range(1, 2_100)))
        rows = reader.stream_events(EventQuery(window=HOUR))
        next(rows)
        reader.series(HOUR, Filters(), Dimension.IP, MINUTE_MS)
        reader.data_version()

        put(store, refusal(9_999))
        store.checkpoint()

        assert reader.health().wal_bytes == 0
        assert sum(1 for _ in rows) == 2_098
    reader.close()
