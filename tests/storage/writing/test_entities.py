"""Names over time: who was called what, and when."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.events import EntitySeen
from storage.codes import ENTITY_TYPE_OF, Dim
from storage.connection import open_writer
from storage.schema import prepare
from storage.writing.entities import LATE_MS, REVIVE_AFTER_MS, SEEN_EVERY_MS, EntityBook
from storage.writing.keys import KeyBook
from tests.storage.filling import NOW_MS, one, opened, put, refusal, request, row, rows

MINUTE = 60_000
NAMES = "SELECT name, valid_from_ms FROM entity_names WHERE entity_id = ? ORDER BY valid_from_ms"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "g.db"


def seen(name: str | None, at_ms: int = NOW_MS, entity_id: str = "c-1", **changes: Any) -> EntitySeen:
    values: dict[str, Any] = {
        "entity_type": "consumers",
        "entity_id": entity_id,
        "name": name,
        "at_ms": at_ms,
    }
    return EntitySeen(**(values | changes))


def called(path: Path, *sightings: tuple[str, int]) -> list[tuple[str, int]]:
    """The names of one consumer after these sightings, (name, valid from) relative to NOW_MS."""
    with opened(path) as store:
        for name, after_ms in sightings:
            put(store, seen(name, NOW_MS + after_ms))
    return [(name, from_ms - NOW_MS) for name, from_ms in rows(path, NAMES, "c-1")]


@pytest.mark.parametrize(
    ("sightings", "names"),
    [
        pytest.param([("a", 0), ("a", 5)], [("a", 0)], id="the same name again"),
        pytest.param([("a", 0), ("b", 5)], [("a", 0), ("b", 5)], id="a rename"),
        pytest.param([("a", 5), ("a", 0)], [("a", 0)], id="seen earlier than known"),
        pytest.param([("b", 5), ("a", 0)], [("a", 0), ("b", 5)], id="an earlier name comes late"),
        pytest.param(
            [("a", 0), ("b", 10), ("a", 10 + LATE_MS)], [("a", 0), ("b", 10)], id="the other node is late"
        ),
        pytest.param(
            [("a", 0), ("b", 10), ("a", 11 + LATE_MS)],
            [("a", 0), ("b", 10), ("a", 11 + LATE_MS)],
            id="renamed back",
        ),
        pytest.param(
            [("a", 0), ("a", 2 * SEEN_EVERY_MS), ("b", SEEN_EVERY_MS)],
            [("a", 0), ("b", SEEN_EVERY_MS), ("a", 2 * SEEN_EVERY_MS)],
            id="a name in the midst of another comes late",
        ),
    ],
)
def test_names_have_times(path: Path, sightings: list[tuple[str, int]], names: list[tuple[str, int]]) -> None:
    assert called(path, *sightings) == names


def test_an_unchanged_name_is_written_every_ten_minutes_at_most(path: Path) -> None:
    found = []
    with opened(path) as store:
        for after_ms in (0, SEEN_EVERY_MS - 1, SEEN_EVERY_MS + 1):
            put(store, seen("a", NOW_MS + after_ms))
            found.append(one(path, "SELECT seen_ms FROM entity_names") - NOW_MS)

    assert found == [0, 0, SEEN_EVERY_MS + 1]


def test_an_event_shows_the_name_of_its_time(path: Path) -> None:
    with opened(path) as store:
        put(store, refusal(1, consumer="old", at_ms=NOW_MS))
        put(store, refusal(2, consumer="new", at_ms=NOW_MS + MINUTE))
        put(store, refusal(3, consumer=None, at_ms=NOW_MS + 2 * MINUTE))
        put(store, refusal(4, consumer=None, at_ms=NOW_MS + 1))

    assert rows(path, "SELECT consumer FROM violations ORDER BY at_ms") == [
        ("old",),
        ("old",),
        ("new",),
        ("new",),
    ]
    assert one(path, "SELECT name FROM keys WHERE value = 'c-1'") == "new"


def test_a_renamed_consumer_is_one_consumer_in_the_totals(path: Path) -> None:
    with opened(path) as store:
        put(store, request(1, consumer="old"), request(2, consumer="new", at_ms=NOW_MS + 5_000))

    assert one(path, "SELECT count(DISTINCT key) FROM activity WHERE dim = ?", Dim.CONSUMER) == 1


def test_a_name_without_an_id_is_the_entity_that_is_called_so(path: Path) -> None:
    with opened(path) as store:
        put(store, seen("acme"))
        put(store, refusal(1, consumer_id=None, consumer="acme"))

    assert row(path, "SELECT consumer_id, consumer FROM violations") == ("c-1", "acme")


def test_a_name_without_an_id_joins_the_entity_that_becomes_known_later(path: Path) -> None:
    with opened(path) as store:
        put(store, refusal(1, consumer_id=None, consumer="acme"))
        put(store, refusal(2, consumer_id="c-1", consumer="acme"))

    joined = row(
        path, "SELECT n.value, i.value FROM keys n JOIN keys i ON i.key_id = n.same_as WHERE n.dim = 1"
    )
    assert joined == ("acme", "c-1")


def test_a_name_that_two_entities_had_stays_alone(path: Path) -> None:
    with opened(path) as store:
        put(store, refusal(1, consumer_id=None, consumer="shared"))
        put(
            store,
            refusal(2, consumer_id="c-1", consumer="own"),
            refusal(3, consumer_id="c-2", consumer="own"),
        )
        put(store, refusal(4, consumer_id=None, consumer="own"))

    assert one(path, "SELECT count(*) FROM keys WHERE same_as IS NOT NULL") == 0
    assert one(path, "SELECT count(*) FROM violations WHERE consumer_id IS NULL") == 2


def test_a_deleted_entity_keeps_its_name(path: Path) -> None:
    with opened(path) as store:
        put(store, refusal(1, consumer="acme"))
        put(store, seen("acme", NOW_MS + MINUTE, deleted=True))

    assert row(path, "SELECT name, deleted_ms FROM entities WHERE entity_id = 'c-1'") == (
        "acme",
        NOW_MS + MINUTE,
    )
    assert row(path, "SELECT name, deleted_ms FROM keys WHERE value = 'c-1'") == ("acme", NOW_MS + MINUTE)


@pytest.mark.parametrize("restarted", [False, True])
def test_a_deleted_entity_that_is_seen_a_minute_later_is_back(path: Path, *, restarted: bool) -> None:
    with opened(path) as store:
        put(store, refusal(1))
        put(store, seen("acme", NOW_MS + 1, deleted=True))
        if not restarted:
            put(store, refusal(2, at_ms=NOW_MS + 1 + REVIVE_AFTER_MS))
            in_flight = one(path, "SELECT deleted_ms FROM entities WHERE entity_id = 'c-1'")
            put(store, refusal(3, at_ms=NOW_MS + 2 + REVIVE_AFTER_MS))
            assert in_flight == NOW_MS + 1
    if restarted:
        with opened(path) as store:
            put(store, refusal(3, at_ms=NOW_MS + 2 + REVIVE_AFTER_MS))

    assert one(path, "SELECT deleted_ms FROM entities WHERE entity_id = 'c-1'") is None
    assert one(path, "SELECT deleted_ms FROM keys WHERE value = 'c-1'") is None


def test_a_deletion_that_is_told_late_deletes_nothing_that_lives(path: Path) -> None:
    with opened(path) as store:
        put(store, seen("acme", NOW_MS + 2 * REVIVE_AFTER_MS))
        put(store, seen(None, NOW_MS, deleted=True))

    assert one(path, "SELECT deleted_ms FROM entities") is None


def test_the_newest_attributes_win_in_any_order(path: Path) -> None:
    with opened(path) as store:
        put(store, seen("a", NOW_MS + 5, attributes={"custom_id": "new"}))
        put(store, seen("a", NOW_MS, attributes={"custom_id": "old"}))
    with opened(path) as store:
        put(store, seen("a", NOW_MS + 1, attributes={"custom_id": "older"}))

    assert one(path, "SELECT attributes FROM entities") == '{"custom_id": "new"}'


def test_a_node_has_the_name_that_was_told_before_its_first_event(path: Path) -> None:
    with opened(path) as store:
        put(store, seen("kong-a", entity_id="n-1", entity_type="nodes"))
        put(store, refusal(1, node="n-1"))

    assert row(path, "SELECT value, name FROM keys WHERE dim = ?", Dim.NODE) == ("n-1", "kong-a")


SIGHTINGS = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 40).map(lambda n: n * 90_000)), max_size=12
)


@settings(max_examples=10, deadline=None)
@given(sightings=SIGHTINGS)
def test_runs_never_overlap_and_neighbours_differ(tmp_path_factory: Any, sightings: list[Any]) -> None:
    connection = open_writer(tmp_path_factory.mktemp("names") / "g.db")
    prepare(connection, Path("g.db"))
    book = EntityBook(connection, KeyBook(connection))
    for name, after_ms in sightings:
        book.saw(seen(name, NOW_MS + after_ms))
    runs = connection.execute(
        "SELECT valid_from_ms, seen_ms, name FROM entity_names ORDER BY valid_from_ms"
    ).fetchall()
    current = connection.execute("SELECT name FROM entities").fetchone()
    connection.close()

    assert all(a[2] != b[2] or a[1] < b[0] for a, b in itertools.pairwise(runs))
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(runs))
    assert not runs or current == (runs[-1][2],)


def test_every_dimension_with_ids_has_an_entity_type() -> None:
    assert set(ENTITY_TYPE_OF) == {Dim.CONSUMER, Dim.SERVICE, Dim.ROUTE, Dim.NODE}
