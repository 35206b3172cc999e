from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.events import Decoded
from domain.windows import DAY_MS
from storage.batches import Batch, CollectorStatus, Gap, Member, Written
from storage.sqlite_store import SqliteStore
from tests.storage.filling import NOW_MS, batch, opened, refusal, rows

CAUSE = "the sender no longer had 10 events (1 to 10)"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "g.db"


def numbered(first: int, upto: int) -> Batch:
    events = [refusal(number) for number in range(first, upto + 1)]
    return batch(*events, source="gw-1", way="stream", epoch="e", first=first, upto=upto)


def lost(first: int, upto: int) -> Batch:
    gap = Gap(source="gw-1", from_ms=NOW_MS, to_ms=NOW_MS, cause=CAUSE)
    return Batch(
        source="gw-1",
        way="stream",
        received_ms=NOW_MS,
        decoded=Decoded(),
        epoch="e",
        first=first,
        upto=upto,
        gaps=(gap,),
    )


def write(store: SqliteStore, *batches: Batch) -> list[Written]:
    return [store.write([one])[0] for one in batches]


def holes(path: Path) -> list[tuple[int, int]]:
    return [(r[0], r[1]) for r in rows(path, "SELECT first, upto FROM cursor_holes ORDER BY first")]


def test_the_later_of_two_batches_may_be_stored_first(path: Path) -> None:
    with opened(path) as store:
        written = write(store, numbered(11, 20), numbered(1, 10), numbered(1, 10), numbered(11, 20))

        assert [w.events for w in written] == [10, 10, 0, 0]
        assert store.cursor("gw-1", "e") == 20
    assert holes(path) == []


def test_a_part_that_is_missing_is_told_from_what_is_there(path: Path) -> None:
    with opened(path) as store:
        written = write(store, numbered(11, 20), numbered(1, 4), numbered(7, 8))
        assert holes(path) == [(5, 6), (9, 10)]

        again = write(store, numbered(3, 12), numbered(3, 12))

    assert [w.events for w in written] == [10, 4, 2]
    assert [(w.events, w.duplicates) for w in again] == [(4, 6), (0, 10)]
    assert holes(path) == []


def test_what_was_thought_lost_is_stored_when_it_comes_and_is_no_gap_any_more(path: Path) -> None:
    """A collector that was down comes back, and with it what it had acknowledged."""
    with opened(path) as store:
        write(store, lost(1, 10), numbered(11, 20))
        assert len(rows(path, "SELECT 1 FROM gaps")) == 1

        first = write(store, numbered(1, 5))[0]
        assert len(rows(path, "SELECT 1 FROM gaps")) == 1
        rest = write(store, numbered(6, 10))[0]

        assert (first.events, rest.events) == (5, 5)
        assert store.cursor("gw-1", "e") == 20
    assert rows(path, "SELECT 1 FROM gaps") == []
    assert rows(path, "SELECT value FROM meta WHERE name = 'gaps'") == [(0,)]
    assert holes(path) == []


def test_a_loss_that_is_told_again_changes_nothing(path: Path) -> None:
    with opened(path) as store:
        write(store, lost(1, 10), numbered(11, 12), lost(1, 10))

        assert store.cursor("gw-1", "e") == 12
    assert holes(path) == [(1, 10)]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 40), st.integers(1, 12)).map(lambda pair: (pair[0], pair[0] + pair[1] - 1)),
        min_size=1,
        max_size=12,
    )
)
def test_in_whatever_order_each_number_is_stored_once(
    tmp_path_factory: pytest.TempPathFactory, spans: list[tuple[int, int]]
) -> None:
    path = tmp_path_factory.mktemp("cursors") / "g.db"
    every = {number for first, upto in spans for number in range(first, upto + 1)}
    with opened(path) as store:
        written = write(store, *(numbered(first, upto) for first, upto in spans))
        assert sum(w.events for w in written) == len(every)
        assert store.cursor("gw-1", "e") == max(every)
        again = write(store, *(numbered(first, upto) for first, upto in spans))

    assert sum(w.events for w in again) == 0
    missing = {number for first, upto in holes(path) for number in range(first, upto + 1)}
    assert missing == set(range(1, max(every) + 1)) - every


def test_each_process_has_a_row_that_an_older_word_of_it_does_not_overwrite(path: Path) -> None:
    member = Member(
        member="gw:1", role="collector", beat_ms=NOW_MS, started_ms=1, version="1", state="degraded"
    )
    older = msgspec.structs.replace(member, beat_ms=NOW_MS - 1, state="ok")
    status = CollectorStatus(
        pid=1, version="1", started_ms=1, beat_ms=NOW_MS, ws="", http="", state="ok", detail="",
        members=(member, older),
    )  # fmt: skip
    with opened(path) as store:
        store.beat(NOW_MS, status)

    ((body,),) = rows(path, "SELECT body FROM members")
    assert msgspec.json.decode(body, type=Member) == member


def test_holes_are_waited_for_as_long_as_cursors_are_kept(path: Path) -> None:
    with opened(path) as store:
        write(store, numbered(11, 20))

        store.prune(NOW_MS + 89 * DAY_MS, 1_000)
        assert holes(path) == [(1, 10)]
        store.prune(NOW_MS + 91 * DAY_MS, 1_000)
    assert holes(path) == []


def test_the_numbers_of_a_way_without_any_are_not_shown_as_its_senders(path: Path) -> None:
    with opened(path) as store:
        write(store, batch(refusal(1), source="http-log", epoch="boot/1", first=7, upto=7), numbered(1, 3))

    shown = dict(rows(path, "SELECT source, acked FROM sources"))
    assert shown == {"http-log": None, "gw-1": 3}
