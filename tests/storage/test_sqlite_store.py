"""The one writer on a real file."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from domain.errors import StoreBusy, StoreCorrupt, StoreForeign
from domain.events import Decoded, EntitySeen, Quarantined
from domain.request_marks import mark_of_request
from storage.batches import CollectorStatus, Gap, SourceBeat
from storage.packing import unpack_raw
from storage.sqlite_store import SqliteStore
from tests.storage.filling import (
    NOW_MS,
    SETTINGS,
    batch,
    one,
    opened,
    other,
    plugin,
    put,
    refusal,
    request,
    row,
    rows,
    stored_again,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "g.db"


def test_what_was_written_says_what_it_came_to(path: Path) -> None:
    with opened(path) as store:
        written = put(store, refusal(1), refusal(2, certainty="probable"), other(), request(9))

    assert (written.events, written.violations, written.traffic) == (3, 2, 1)
    assert (written.duplicates, written.quarantined, written.dead, written.last_seq) == (0, 0, (), 3)


def test_the_same_request_by_two_ways_is_stored_once(path: Path) -> None:
    with opened(path) as store:
        put(store, refusal(1), source="http-log")
        again = put(store, refusal(1, evidence="told by the plugin"), source="gw-1", way="stream")

    assert (again.events, again.violations, again.duplicates) == (0, 0, 1)
    assert one(path, "SELECT count(*) FROM violations") == 1
    assert one(path, "SELECT sum(limited) FROM activity WHERE res = 1 AND dim = 0") == 1


def test_the_same_event_twice_in_one_transaction_is_stored_once(path: Path) -> None:
    with opened(path) as store:
        first, second = store.write([batch(refusal(1), refusal(1)), batch(refusal(1), refusal(2))])

    assert (first.events, first.duplicates, second.events, second.duplicates) == (1, 1, 1, 1)


def test_a_resent_log_entry_counts_once(path: Path) -> None:
    with opened(path) as store:
        first = put(store, request(7))
        again = put(store, request(7))
    with opened(path) as store:
        after_a_restart = put(store, request(7))

    assert [w.traffic for w in (first, again, after_a_restart)] == [1, 0, 0]
    assert [w.duplicates for w in (first, again, after_a_restart)] == [0, 1, 1]
    assert one(path, "SELECT sum(requests) FROM activity WHERE res = 1 AND dim = 0") == 1


def test_a_refusal_whose_request_was_counted_as_traffic_counts_no_second_request(path: Path) -> None:
    """One way may know less than another: an answer 420 with hidden headers is traffic in a log."""
    with opened(path) as store:
        put(store, request(mark_of_request(f"{1:032x}"), status=420))
        put(store, refusal(1, status=420))

    query = "SELECT requests, limited FROM activity WHERE res = 1 AND dim = 0"
    assert row(path, query) == (1, 1)


def test_traffic_that_was_stored_as_a_refusal_is_a_duplicate(path: Path) -> None:
    with opened(path) as store:
        put(store, refusal(1, status=420))
        written = put(store, request(mark_of_request(f"{1:032x}"), status=420))

    assert (written.traffic, written.duplicates) == (0, 1)
    assert one(path, "SELECT requests FROM activity WHERE res = 1 AND dim = 0") == 1


# ---- cursors


def numbered(first: int, upto: int, **changes: Any) -> dict[str, Any]:
    return {"source": "gw-1", "way": "stream", "epoch": "e1", "first": first, "upto": upto} | changes


def test_a_cursor_moves_with_its_events_or_not_at_all(path: Path) -> None:
    with opened(path) as store:
        put(store, refusal(1), **numbered(1, 1))
        store._connection.execute("PRAGMA busy_timeout=0")
        with contextlib.closing(stored_again(path)) as blocker:
            blocker.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreBusy):
                put(store, refusal(2), **numbered(2, 2))
        unmoved = store.cursor("gw-1", "e1")
        put(store, refusal(2), **numbered(2, 2))

        assert (unmoved, store.cursor("gw-1", "e1")) == (1, 2)
    assert one(path, "SELECT count(*) FROM events") == 2


def test_a_batch_that_was_acknowledged_before_is_not_even_looked_at(path: Path) -> None:
    """Its events may have no ids that would tell: the cursor does."""
    with opened(path) as store:
        put(store, other(1), request(1), **numbered(1, 2))
        again = put(store, other(2), request(2), **numbered(1, 2))

    assert (again.events, again.traffic, again.duplicates) == (0, 0, 2)
    assert one(path, "SELECT count(*) FROM events") == 1


def test_a_cursor_belongs_to_its_source_and_epoch_and_is_there_after_a_restart(path: Path) -> None:
    with opened(path) as store:
        put(store, **numbered(1, 7))
        put(store, **numbered(1, 3, epoch="e2"))
    with opened(path) as store:
        found = [store.cursor(*who) for who in (("gw-1", "e1"), ("gw-1", "e2"), ("gw-2", "e1"))]

    assert found == [7, 3, 0]


def test_a_cursor_never_moves_back(path: Path) -> None:
    with opened(path) as store:
        put(store, **numbered(1, 7))
        put(store, **numbered(2, 5))

        assert store.cursor("gw-1", "e1") == 7


def test_a_gap_is_recorded_once(path: Path) -> None:
    gap = Gap(source="gw-1", from_ms=NOW_MS, to_ms=NOW_MS + 5, cause="the sender no longer had 3 events")
    with opened(path) as store:
        for _ in range(2):
            put(store, **numbered(1, 3, gaps=(gap,)))

    assert rows(path, "SELECT from_ms, to_ms, source, cause FROM gaps") == [
        (NOW_MS, NOW_MS + 5, "gw-1", "the sender no longer had 3 events")
    ]


# ---- what cannot be stored

SURROGATE = "half a \ud800 character"


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param({"consumer": SURROGATE}, id="lone surrogate in a name"),
        pytest.param({"consumer_id": SURROGATE}, id="lone surrogate in an id"),
        pytest.param({"event": SURROGATE, "kind": "x"}, id="lone surrogate in the event"),
        pytest.param({"id": SURROGATE}, id="lone surrogate in its own id"),
        pytest.param({"request_id": SURROGATE}, id="lone surrogate in the request id"),
        pytest.param({"entity_name": SURROGATE}, id="lone surrogate in a detail"),
        pytest.param({"before": {"a": SURROGATE}}, id="lone surrogate in a document"),
        pytest.param({"status": 2**63}, id="a number above 64 bits"),
        pytest.param({"limit_value": -(2**63) - 1}, id="a number below 64 bits"),
        pytest.param({"window_s": 2**64}, id="a window above 64 bits"),
        pytest.param({"at_ms": 2**63 - 1}, id="a moment after all calendars"),
        pytest.param({"at_ms": -1}, id="a moment before 1970"),
        pytest.param({"at_ms": "now"}, id="a moment that is text"),
        pytest.param({"ip": 7}, id="an address that is a number"),
        pytest.param({"route": ["a"]}, id="a name that is a list"),
        pytest.param({"consumer": "x" * 5_000}, id="a name that is too long"),
        pytest.param({"payload": b"\xff" * 10}, id="a payload that is no text"),
        pytest.param({"payload": b"x" * 2_000_000}, id="a payload that is too long"),
    ],
)
def test_a_poison_event_is_dead_and_the_others_are_stored(path: Path, bad: dict[str, Any]) -> None:
    """With at-least-once delivery it would come again for ever, and all after it would wait."""
    with opened(path) as store:
        written = put(store, refusal(1), refusal(2, **bad), refusal(3), **numbered(1, 3))
        cursor = store.cursor("gw-1", "e1")

    (dead,) = written.dead
    (why,) = row(path, "SELECT why FROM quarantine")
    assert (written.events, written.quarantined, dead.index, cursor) == (2, 1, 1, 3)
    assert why == f"cannot be stored: an event: {dead.why}"
    assert one(path, "SELECT sum(limited) FROM activity WHERE res = 3 AND dim = 0") == 2


def test_a_poison_request_is_quarantined(path: Path) -> None:
    with opened(path) as store:
        written = put(store, request(1), request(2**63), request(2, ip=SURROGATE), request(3, count=0))

    assert (written.traffic, written.quarantined) == (1, 3)
    assert one(path, "SELECT count(*) FROM quarantine WHERE why LIKE 'cannot be stored: a request%'") == 3


def test_a_poison_entity_or_plugin_takes_nothing_with_it(path: Path) -> None:
    bad = EntitySeen(entity_type="consumers", entity_id=SURROGATE, name="x", at_ms=NOW_MS)
    with opened(path) as store:
        written = put(store, bad, plugin(SURROGATE), plugin("p-2"), refusal(1))

    assert (written.events, written.quarantined) == (1, 2)
    assert rows(path, "SELECT plugin_id FROM plugins") == [("p-2",)]


def test_what_could_not_be_read_is_kept_with_its_reason(path: Path) -> None:
    decoded = Decoded(quarantined=[Quarantined(why="not JSON", raw=b"\xff\x00{")], entries=1)
    with opened(path) as store:
        written = put(store, decoded=decoded)

    assert written.quarantined == 1
    assert rows(path, "SELECT at_ms, source, why, raw FROM quarantine") == [
        (NOW_MS, "http-log", "not JSON", b"\xff\x00{")
    ]


@pytest.mark.parametrize(
    ("field", "value"),
    [("at_ms", 0), ("status", 2**63 - 1), ("limit_value", -(2**63)), ("window_s", 2**63 - 1)],
)
def test_the_largest_numbers_of_64_bits_are_kept(path: Path, field: str, value: int) -> None:
    with opened(path) as store:
        put(store, refusal(1, **{field: value}))

    assert one(path, f"SELECT {field} FROM violations") == value


def test_an_unknown_kind_is_kept_whole_and_counted(path: Path) -> None:
    with opened(path) as store:
        written = put(store, other(1, kind="mesh", event="sidecar.lost", payload=b'{"a":1}'))

    assert written.events == 1
    assert row(path, "SELECT kind, event, n FROM event_types") == ("mesh", "sidecar.lost", 1)
    assert unpack_raw(one(path, "SELECT body FROM payloads")) == b'{"a":1}'
    assert one(path, "SELECT n FROM kind_counts WHERE res = 3") == 1


def test_zero_bytes_in_a_text_survive(path: Path) -> None:
    """SQLite's own functions stop at a zero byte; what is stored does not."""
    with opened(path) as store:
        put(store, refusal(1, consumer_id=None, consumer="a\0b"))

    assert one(path, "SELECT consumer FROM violations") == "a\0b"


# ---- trouble


def test_a_locked_file_is_busy_and_the_same_call_works_later(path: Path) -> None:
    with opened(path) as store, contextlib.closing(stored_again(path)) as blocker:
        store._connection.execute("PRAGMA busy_timeout=0")
        blocker.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusy, match="locked"):
            put(store, refusal(1), request(5))
        blocker.execute("ROLLBACK")
        written = put(store, refusal(1), request(5))

    assert (written.events, written.traffic, written.duplicates) == (1, 1, 0)


def test_a_full_disk_is_busy_and_nothing_of_the_batch_is_left(path: Path) -> None:
    with opened(path) as store:
        put(store, refusal(1))
        (pages,) = store._connection.execute("PRAGMA page_count").fetchone()
        store._connection.execute(f"PRAGMA max_page_count={pages}").fetchall()
        big = [refusal(n, consumer_id=f"c-{n}", consumer="x" * 2_000) for n in range(2, 200)]
        with pytest.raises(StoreBusy, match="full"):
            put(store, *big)
        left = one(path, "SELECT count(*) FROM events")
        store._connection.execute("PRAGMA max_page_count=1000000").fetchall()
        written = put(store, *big)

    assert left == 1
    assert (written.events, written.duplicates, written.last_seq) == (198, 0, 199)


def test_after_a_failure_nothing_is_remembered_that_is_not_on_disk(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A word, a name, a mark or a number given in a transaction that failed would point into the void."""
    with opened(path) as store:
        put(store, refusal(1))

        def fail() -> None:
            raise OverflowError("at the last moment")

        everything = [
            refusal(2, consumer_id="c-2", consumer="new", ip="198.51.100.1", limit_value=5, node="n-2"),
            request(4, consumer_id="c-3", consumer="newer", ip="198.51.100.2", node="n-3"),
            other(3, kind="mesh", event="new"),
            plugin("p-9"),
        ]
        with monkeypatch.context() as patch:
            patch.setattr(store._books.rollups, "flush", fail)
            with pytest.raises(OverflowError):
                put(store, *everything)
        keys = one(path, "SELECT count(*) FROM keys")
        written = put(store, *everything)

    assert (written.events, written.traffic, written.last_seq) == (2, 1, 3)
    assert keys == 10 + 1  # none, other, and the words of the first refusal
    assert one(path, "SELECT count(*) FROM keys") > keys
    assert one(path, "SELECT count(*) FROM plugins") == 1
    assert sorted(rows(path, "SELECT consumer, node FROM violations")) == [("acme", "n-1"), ("new", "n-2")]


def test_arrival_numbers_are_never_given_twice(path: Path) -> None:
    """Not even when retention has removed the newest event: readers go on after the last number they saw."""
    with opened(path) as store:
        put(store, refusal(1), refusal(2))
        store.prune(NOW_MS + 4_000 * 86_400_000, 10_000)
    with opened(path) as store:
        written = put(store, refusal(3))

    assert written.last_seq == 3
    assert rows(path, "SELECT seq FROM events") == [(3,)]


def test_damage_is_corrupt(path: Path) -> None:
    with opened(path) as store:
        put(store, *(refusal(n) for n in range(200)))
        store.checkpoint()
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xa5" * (len(data) - 4096)
    path.write_bytes(data)

    with pytest.raises(StoreCorrupt), opened(path) as store:
        put(store, refusal(1_000))


@pytest.mark.parametrize(
    "content",
    [b"not a database at all, but some text" * 50, b"\0" * 8192, b"SQLite format 3\0" + b"\xff" * 4080],
    ids=["text", "zeros", "a garbled header"],
)
def test_a_file_that_is_no_database_is_corrupt(path: Path, content: bytes) -> None:
    path.write_bytes(content)

    with pytest.raises(StoreCorrupt):
        SqliteStore(path, SETTINGS)

    assert path.read_bytes() == content


def test_an_empty_file_becomes_a_database(path: Path) -> None:
    path.write_bytes(b"")

    with opened(path) as store:
        written = put(store, refusal(1))

    assert written.events == 1


def test_a_database_of_another_program_is_refused_and_left_alone(path: Path) -> None:
    with contextlib.closing(stored_again(path)) as theirs:
        theirs.execute("CREATE TABLE customers (name TEXT)")
    before = path.read_bytes()

    with pytest.raises(StoreForeign, match="database of another program"):
        SqliteStore(path, SETTINGS)

    assert path.read_bytes() == before


def test_a_newer_schema_is_refused_with_both_versions(path: Path) -> None:
    with opened(path):
        pass
    with contextlib.closing(stored_again(path)) as newer:
        newer.execute("PRAGMA user_version=999")

    with pytest.raises(StoreForeign, match="schema 999, this program knows"):
        SqliteStore(path, SETTINGS)


def test_a_folder_that_is_not_there_is_made(tmp_path: Path) -> None:
    with opened(tmp_path / "a" / "b" / "g.db") as store:
        assert put(store, refusal(1)).events == 1


def test_a_path_that_cannot_be_written_is_busy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")

    with pytest.raises(StoreBusy):
        SqliteStore(tmp_path / "file" / "g.db", SETTINGS)


def test_every_commit_is_durable(path: Path) -> None:
    """An acknowledgement promises that the event survives a loss of power."""
    with opened(path) as store:
        found = [store._connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("synchronous",)]
        mode = store._connection.execute("PRAGMA journal_mode").fetchone()[0]

    assert (found, mode) == ([2], "wal")


# ---- signs of life


def test_a_beat_tells_of_a_source_and_of_its_node(path: Path) -> None:
    beat = SourceBeat(
        source="gw-1",
        way="stream",
        connected=True,
        at_ms=NOW_MS,
        node_id="n-1",
        hostname="kong-a",
        version="3.9",
    )
    with opened(path) as store:
        store.write([], [beat, msgspec.structs.replace(beat, at_ms=NOW_MS + 5, connected=False)])

    query = "SELECT connected, node_id, hostname, version, last_beat_ms, last_received_ms FROM sources"
    assert row(path, query) == (0, "n-1", "kong-a", "3.9", NOW_MS + 5, None)
    assert row(path, "SELECT node, hostname, version FROM nodes") == ("n-1", "kong-a", "3.9")


def test_a_source_sums_up_what_it_sent(path: Path) -> None:
    with opened(path) as store:
        put(store, refusal(1), request(1), request(2), **numbered(1, 3))
        put(store, refusal(1), other(2), received_ms=NOW_MS - 5, **numbered(4, 5))

    query = "SELECT events, requests, duplicates, acked, first_received_ms, last_received_ms FROM sources"
    assert row(path, query) == (2, 2, 1, 5, NOW_MS, NOW_MS)


def test_the_collectors_own_beat_is_one_row(path: Path) -> None:
    status = CollectorStatus(
        pid=1, version="1", started_ms=1, beat_ms=0, ws="w", http="h", state="ok", detail=""
    )
    with opened(path) as store:
        for at_ms in (NOW_MS, NOW_MS + 2_000):
            store.beat(at_ms, status)

    (text,) = row(path, "SELECT status FROM collector_status")
    assert msgspec.json.decode(text, type=CollectorStatus).beat_ms == NOW_MS + 2_000


def test_counters_of_the_whole_file_are_kept(path: Path) -> None:
    decoded = Decoded(quarantined=[Quarantined(why="w", raw=b"r")])
    with opened(path) as store:
        put(store, refusal(1), refusal(2, ip="203.0.113.8"), other(3))
        put(store, decoded=decoded)
    with opened(path) as store:
        put(store, refusal(4), received_ms=NOW_MS + 7)

    meta = dict(rows(path, "SELECT name, value FROM meta"))
    assert {name: meta[name] for name in ("events", "last_seq", "quarantined", "last_received_ms")} == {
        "events": 4,
        "last_seq": 4,
        "quarantined": 1,
        "last_received_ms": NOW_MS + 7,
    }
    assert (meta["distinct.consumer"], meta["distinct.ip"]) == (1, 2)


def test_a_checkpoint_empties_the_log_unless_someone_reads(path: Path) -> None:
    wal = path.with_name("g.db-wal")
    with opened(path) as store:
        put(store, refusal(1))
        with contextlib.closing(stored_again(path)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM events").fetchone()
            put(store, refusal(2))
            store.checkpoint()
            while_read = wal.stat().st_size
        store.checkpoint()
        after = wal.stat().st_size

    assert while_read > 0
    assert after == 0
