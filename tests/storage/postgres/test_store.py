"""Several writers of one database: what they store together is what one would have stored."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from domain.errors import StoreBusy, StoreError
from domain.events import EntitySeen, Event, Traffic
from domain.request_marks import mark_of_request
from domain.targets import TargetSeen
from settings import Settings, SettingValueError
from storage.batches import Batch
from storage.location import PostgresUrl
from storage.postgres import connection as connections
from storage.postgres.connection import PostgresConnection
from storage.postgres.store import PostgresStore
from tests.storage.filling import NOW_MS, SETTINGS, batch, one, other, plugin, put, refusal, request, rows
from tests.storage.postgres.cutting import Cutter
from tests.storage.recount import counted_anew, kinds_anew, stored_activity, stored_cells, stored_kinds

pytestmark = pytest.mark.cluster
Opener = Any


def with_settings(**changes: Any) -> Settings:
    return type(SETTINGS)(**{name: getattr(SETTINGS, name) for name in SETTINGS.__slots__} | changes)


# ---- what one writer has to know of another


def test_a_word_has_one_number_whoever_meets_it_first(
    open_writer: Opener, connection: PostgresConnection
) -> None:
    first, second = open_writer(), open_writer()
    put(first, refusal(1))
    put(second, refusal(2))
    put(second, refusal(3, consumer_id="c-2", consumer="other"))
    put(first, refusal(4, consumer_id="c-2", consumer="other"))

    assert rows(
        connection, "SELECT value, count(*) FROM keys WHERE dim = 1 GROUP BY value ORDER BY value"
    ) == [
        ("c-1", 1),
        ("c-2", 1),
    ]
    assert rows(connection, "SELECT seq FROM events ORDER BY seq") == [(1,), (2,), (3,), (4,)]


def test_an_event_that_another_writer_stored_is_a_duplicate(open_writer: Opener) -> None:
    first, second = open_writer(), open_writer()
    put(first, refusal(1), refusal(2))

    written = put(second, refusal(2), refusal(3))

    assert (written.events, written.duplicates, written.last_seq) == (1, 1, 3)


def test_a_request_that_another_writer_counted_counts_once(
    open_writer: Opener, connection: PostgresConnection
) -> None:
    first, second = open_writer(), open_writer()
    put(second, request(9))
    put(first, request(1), request(2))
    put(second, refusal(5))

    again = put(second, request(1), request(2), request(3))
    aside = put(first, request(mark_of_request(refusal(5).request_id or "")))

    assert (again.traffic, again.duplicates) == (1, 2)
    assert (aside.traffic, aside.duplicates) == (0, 1)
    assert one(connection, "SELECT requests FROM activity WHERE res = 3 AND dim = 0") == 5


def test_a_name_that_another_writer_learnt_is_used(
    open_writer: Opener, connection: PostgresConnection
) -> None:
    first, second = open_writer(), open_writer()
    put(first, refusal(1, consumer="before"))
    put(second, refusal(2, consumer="before"))
    put(first, EntitySeen(entity_type="consumers", entity_id="c-1", name="after", at_ms=NOW_MS + 60_000))

    put(second, refusal(3, consumer=None, at_ms=NOW_MS + 90_000))

    query = "SELECT consumer FROM violations ORDER BY at_ms, request_id"
    assert rows(connection, query) == [("before",), ("before",), ("after",)]


def test_plugins_that_another_writer_was_told_of_judge_what_this_one_stores(
    open_writer: Opener, connection: PostgresConnection
) -> None:
    first, second = open_writer(), open_writer()
    put(first, refusal(1, certainty="probable"))
    put(second, plugin())

    put(first, refusal(2, certainty="probable"))

    assert first.settle() + second.settle() >= 0
    assert one(connection, "SELECT value FROM meta WHERE name = 'judged_seq'") == 2


def test_a_change_of_a_targets_health_is_told_once_whoever_hears_of_it(
    open_writer: Opener, connection: PostgresConnection
) -> None:
    first, second = open_writer(), open_writer()

    def polled(health: str, at_ms: int) -> Batch:
        found = batch(received_ms=at_ms, source="poll", way="admin-api")
        found.decoded.targets.append(
            TargetSeen(upstream="u", target="10.0.0.1:80", health=health, at_ms=at_ms, node="n-1")
        )
        return found

    first.write([polled("healthy", NOW_MS)])
    second.write([polled("unhealthy", NOW_MS + 5_000)])
    told = put(
        first,
        other(
            1, kind="cluster", event="target_unhealthy", at_ms=NOW_MS + 3_000, node="n-1",
            upstream="u", target="10.0.0.1:80", health="unhealthy",
        ),
    )  # fmt: skip

    assert told.duplicates == 1
    assert one(connection, "SELECT count(*) FROM target_health") == 1


def test_an_inexact_report_of_another_writer_gives_way_to_an_exact_one(
    open_writer: Opener, connection: PostgresConnection
) -> None:
    first, second = open_writer(), open_writer()
    put(first, refusal(1, at_ms=NOW_MS - 3_600_000))
    put(second, refusal(2, exact=False, is_request=False))

    put(first, refusal(3))

    assert rows(connection, "SELECT counted FROM events WHERE seq > 1 ORDER BY seq") == [(0,), (1,)]


# ---- all at once


def _story(seed: int) -> tuple[list[Batch], list[Event], list[Traffic]]:
    """Batches, a third of them partly sent again, of events and requests told apart by many names."""
    rand = random.Random(seed)  # noqa: S311 - the same story every time
    who = [(f"c-{n}", f"name-{n}", f"203.0.113.{n}") for n in range(40)]
    events, requests = [], []
    for number in range(1, 1_201):
        consumer_id, name, ip = rand.choice(who)
        at_ms = NOW_MS + rand.randrange(600_000)
        certainty = rand.choice(["certain", "probable"])
        events.append(
            refusal(
                number, consumer_id=consumer_id, consumer=name, ip=ip, at_ms=at_ms, certainty=certainty,
                limit_value=rand.choice([5, 20]),
            )
        )  # fmt: skip
        requests.append(
            request(
                number, consumer_id=consumer_id, consumer=name, ip=ip, at_ms=at_ms,
                status=rand.choice([200, 401, 503]),
            )
        )  # fmt: skip
    parts: list[Event | Traffic] = [*events, *requests]
    rand.shuffle(parts)
    batches = [batch(*parts[start : start + 40]) for start in range(0, len(parts), 40)]
    batches += [batch(*rand.sample(parts, 40)) for _ in range(len(batches) // 3)]
    rand.shuffle(batches)
    return batches, events, requests


def test_four_writers_at_once_store_everything_once(
    open_writer: Opener, connection: PostgresConnection
) -> None:
    batches, events, requests = _story(1)
    stores = [open_writer() for _ in range(4)]
    failures: list[BaseException] = []

    def work(store: PostgresStore, some: Sequence[Batch]) -> None:
        try:
            for start in range(0, len(some), 3):
                store.write(some[start : start + 3])
        except BaseException as error:
            failures.append(error)
            raise

    workers = [
        threading.Thread(target=work, args=(store, batches[place::4])) for place, store in enumerate(stores)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert not failures
    seqs = [seq for (seq,) in rows(connection, "SELECT seq FROM events ORDER BY seq")]
    assert seqs == list(range(1, len(events) + 1))
    assert one(connection, "SELECT value FROM meta WHERE name = 'events'") == len(events)
    anew = counted_anew(connection, requests)
    assert stored_activity(connection) == anew
    assert stored_cells(connection) == anew
    assert stored_kinds(connection) == kinds_anew(connection)
    assert one(connection, "SELECT count(*) FROM keys WHERE dim = 1") == 40


# ---- when something breaks


def test_a_connection_that_was_ended_is_opened_again(
    open_writer: Opener, connection: PostgresConnection
) -> None:
    store = open_writer()
    put(store, refusal(1))
    _end_others(connection)

    with pytest.raises(StoreBusy):
        put(store, refusal(2))
    written = put(store, refusal(2))

    assert (written.events, written.last_seq) == (1, 2)
    assert stored_activity(connection) == counted_anew(connection, [])


def test_a_commit_whose_answer_was_lost_is_safe_to_repeat(
    url: PostgresUrl, open_writer: Opener, connection: PostgresConnection
) -> None:
    with Cutter(url) as cutter:
        store = open_writer(cutter.url)
        put(store, request(1))
        cutter.cut_after(b"COMMIT")
        again = batch(refusal(1), request(2), source="a", epoch="e", upto=7)

        with pytest.raises(StoreBusy):
            store.write([again])
        assert one(connection, "SELECT count(*) FROM events") == 1, "it was committed, and nobody knew"
        (written,) = store.write([again])
        assert store.cursor("a", "e") == 7

    assert (written.events, written.traffic, written.duplicates) == (0, 0, 2)
    assert stored_activity(connection) == counted_anew(connection, [request(1), request(2)])


def test_what_was_begun_and_cut_off_leaves_nothing(
    url: PostgresUrl, open_writer: Opener, connection: PostgresConnection
) -> None:
    with Cutter(url) as cutter:
        store = open_writer(cutter.url)
        cutter.cut_after(b"INSERT INTO activity")

        with pytest.raises(StoreBusy):
            put(store, refusal(1))
        assert one(connection, "SELECT count(*) FROM events") == 0
        written = put(store, refusal(1))

    assert (written.events, written.last_seq) == (1, 1)


def test_a_writer_waits_for_another_and_then_says_so(
    open_writer: Opener, connection: PostgresConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "LOCK_WAIT_MS", 100)
    store = open_writer()
    connection.execute("BEGIN IMMEDIATE")

    with pytest.raises(StoreBusy, match="lock timeout"):
        put(store, refusal(1))
    connection.execute("ROLLBACK")

    assert put(store, refusal(1)).events == 1


def test_a_word_with_a_nul_is_kept_with_its_picture(
    open_writer: Opener, connection: PostgresConnection
) -> None:
    store = open_writer()

    written = put(store, refusal(1, consumer_id=None, consumer="a\0b"), refusal(2, id="id\0"))

    assert (written.events, written.quarantined) == (2, 0)
    assert one(connection, "SELECT consumer FROM violations WHERE consumer <> 'acme'") == "a\u2400b"


# ---- pseudonyms


@pytest.fixture
def key_settings(tmp_path: Path) -> Settings:
    return with_settings(pseudonymise_addresses_days=1, pseudonym_key_file=str(tmp_path / "key"))


def test_addresses_are_replaced_and_every_writer_goes_by_their_new_names(
    open_writer: Opener, connection: PostgresConnection, key_settings: Settings
) -> None:
    first, second = open_writer(settings=key_settings), open_writer(settings=key_settings)
    put(first, refusal(1))
    put(second, refusal(2))

    while first.pseudonymise(NOW_MS + 3 * 86_400_000, 1_000):
        pass
    put(second, refusal(3, at_ms=NOW_MS + 3 * 86_400_000))

    addresses = [ip for (ip,) in rows(connection, "SELECT ip FROM violations ORDER BY at_ms, request_id")]
    assert addresses[0] == addresses[1]
    assert addresses[0].startswith("anon-")
    assert addresses[2] == "203.0.113.7"


def test_a_second_key_of_pseudonyms_is_refused(
    open_writer: Opener, key_settings: Settings, tmp_path: Path
) -> None:
    open_writer(settings=key_settings)

    with pytest.raises(StoreError, match="under another key"):
        open_writer(
            settings=with_settings(
                pseudonymise_addresses_days=1, pseudonym_key_file=str(tmp_path / "another")
            )
        )


def test_pseudonyms_need_a_named_key(open_writer: Opener) -> None:
    with pytest.raises(SettingValueError, match="pseudonym_key_file is empty"):
        open_writer(settings=with_settings(pseudonymise_addresses_days=1))


def _end_others(connection: PostgresConnection) -> None:
    connection.script(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
