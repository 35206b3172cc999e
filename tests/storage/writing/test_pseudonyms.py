"""Addresses that nothing new refers to are replaced; numbers stay."""

from __future__ import annotations

import contextlib
import dataclasses
import stat
from pathlib import Path

import pytest

from domain.errors import StoreError
from domain.filters import Dimension, Filters
from domain.windows import DAY_MS, HOUR_MS, Window
from settings import Settings
from storage.keeping import total_problems
from storage.rows import EventQuery
from storage.sqlite_reader import SqliteReader
from storage.writing.pseudonyms import PSEUDONYM, key_file, read_or_make_key
from tests.storage.filling import NOW_MS, SETTINGS, one, opened, put, refusal, request, rows, stored_again

DAYS = 30
LATER_MS = NOW_MS + (DAYS + 2) * DAY_MS
OLD, NEW = "203.0.113.7", "198.51.100.9"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "g.db"


def settings(days: int = DAYS) -> Settings:
    return dataclasses.replace(SETTINGS, pseudonymise_addresses_days=days)


def addresses(path: Path) -> list[str]:
    return [value for (value,) in rows(path, "SELECT value FROM keys WHERE dim = 2 ORDER BY key_id")]


def run(path: Path, now_ms: int = LATER_MS, days: int = DAYS, rows_at_once: int = 1_000) -> list[int]:
    """A whole round, piece by piece."""
    pieces: list[int] = []
    with opened(path, settings(days)) as store:
        while not pieces or pieces[-1] >= rows_at_once:
            pieces.append(store.pseudonymise(now_ms, rows_at_once))
        store.checkpoint()
    return pieces


def payload(address: str, padding: int = 200) -> bytes:
    return f'{{"client_ip":"{address}","x":"{"y" * padding}"}}'.encode()


def fill(path: Path) -> None:
    with opened(path) as store:
        put(store, refusal(1, ip=OLD, payload=payload(OLD)), request(2, ip=OLD), request(3, ip="203.0.113.8"))
        put(store, refusal(4, ip="2001:db8::7", payload=payload("2001:db8::7")))
    with opened(path) as store:
        late_ms = LATER_MS - HOUR_MS
        # a block of arrival numbers of its own, as days of traffic have
        store._books.rows.last_seq += 2_048
        put(store, refusal(5, ip=NEW, payload=payload(NEW), at_ms=late_ms), received_ms=late_ms)
        store.checkpoint()


def test_by_itself_no_address_is_ever_replaced(path: Path) -> None:
    fill(path)

    assert run(path, days=0) == [0]
    assert addresses(path) == [OLD, "203.0.113.8", "2001:db8::7", NEW]
    assert not key_file(path).exists()


def test_old_addresses_become_pseudonyms_and_new_ones_stay(path: Path) -> None:
    fill(path)

    run(path)

    *old, new = addresses(path)
    assert new == NEW
    assert len(set(old)) == 3
    assert all(value.startswith(PSEUDONYM) and len(value) == len(PSEUDONYM) + 16 for value in old)


def test_not_one_byte_of_the_file_tells_an_old_address(path: Path) -> None:
    """Compressed payloads too: they are gone whole. The space is used again, so the file is packed first."""
    fill(path)

    run(path)
    with contextlib.closing(stored_again(path)) as connection:
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    data = path.read_bytes()
    assert OLD.encode() not in data
    assert b"203.0.113" not in data
    assert b"2001:db8" not in data
    assert NEW.encode() in data
    assert one(path, "SELECT count(*) FROM payloads") == 1


def test_numbers_stay_and_pages_find_the_pseudonym(path: Path) -> None:
    fill(path)
    window = Window(NOW_MS - HOUR_MS, NOW_MS + HOUR_MS)
    before = rows(path, "SELECT * FROM activity ORDER BY res, dim, bucket_s, key")

    run(path)

    assert rows(path, "SELECT * FROM activity ORDER BY res, dim, bucket_s, key") == before
    assert total_problems(path) == []
    pseudonym = addresses(path)[0]
    with contextlib.closing(SqliteReader(path, 2_000)) as reader:
        found = {row.token: row.requests for row in reader.breakdown(Dimension.IP, window, Filters())}
        asked = reader.resolve(Dimension.IP, pseudonym)
        wanted = EventQuery(window=window, filters=Filters(((Dimension.IP, pseudonym),)))
        (event,) = reader.events(wanted).rows
    assert found[pseudonym] == 2
    assert asked is not None
    assert (asked.label, asked.attributes) == (pseudonym, {})
    assert event.ip == pseudonym


def test_an_address_that_comes_back_counts_as_the_same_pseudonym_once_it_is_old_again(path: Path) -> None:
    fill(path)
    run(path)
    with opened(path, settings()) as store:
        put(store, request(9, ip=OLD, at_ms=LATER_MS), received_ms=LATER_MS)
    assert addresses(path)[-1] == OLD

    run(path, LATER_MS + (DAYS + 2) * DAY_MS)

    first = one(path, "SELECT key_id FROM keys WHERE dim = 2 ORDER BY key_id LIMIT 1")
    last = rows(path, "SELECT value, same_as FROM keys WHERE dim = 2 ORDER BY key_id")[-1]
    assert last[0].startswith(addresses(path)[0] + "#")
    assert last[1] == first
    assert total_problems(path) == []
    window = Window(NOW_MS - HOUR_MS, LATER_MS + HOUR_MS)
    with contextlib.closing(SqliteReader(path, 2_000)) as reader:
        found = {row.token: row.requests for row in reader.breakdown(Dimension.IP, window, Filters())}
    assert found[addresses(path)[0]] == 3
    assert last[0] not in found


def test_the_prefix_goes_with_the_last_of_its_addresses(path: Path) -> None:
    with opened(path) as store:
        put(store, request(1, ip="203.0.113.7"), request(2, ip="198.51.100.1"))
        put(store, request(3, ip="203.0.113.8", at_ms=LATER_MS), received_ms=LATER_MS)

    run(path)

    prefixes = {value for (value,) in rows(path, "SELECT value FROM keys WHERE dim = 3 AND key_id > 1")}
    assert "203.0.113.0/24" in prefixes
    assert "198.51.100.0/24" not in prefixes
    assert len(prefixes) == 2


def test_late_totals_of_a_replaced_address_still_count_under_its_prefix(path: Path) -> None:
    """A judgement that changes corrects the totals of the prefix, which a pseudonym does not tell."""
    fill(path)
    run(path)
    key, prefix = rows(path, "SELECT key_id, prefix FROM pseudonyms ORDER BY key_id")[0]

    with opened(path, settings()) as store:
        assert store._books.keys.prefix_of_key(key) == prefix
    assert one(path, "SELECT dim FROM keys WHERE key_id = ?", prefix) == 3


def test_a_round_goes_in_pieces_and_comes_again_after_an_hour(path: Path) -> None:
    fill(path)

    pieces = run(path, rows_at_once=4)

    assert len(pieces) > 2
    assert max(pieces) == 4
    assert [value.startswith(PSEUDONYM) for value in addresses(path)] == [True, True, True, False]
    with opened(path, settings()) as store:
        assert store.pseudonymise(LATER_MS, 1_000) > 0
        assert store.pseudonymise(LATER_MS + HOUR_MS - 1, 1_000) == 0
        assert store.pseudonymise(LATER_MS + HOUR_MS, 1_000) > 0


def test_texts_of_what_is_over_lose_their_addresses(path: Path) -> None:
    fill(path)
    with contextlib.closing(stored_again(path)) as connection:
        for number, ended_ms in ((1, NOW_MS), (2, LATER_MS), (3, None)):
            connection.execute(
                "INSERT INTO blocks VALUES (?, 'lifted', 'ip', ?, ?, '{}', ?, 'ana', 1, 1, 0, 0, NULL, 1, 1,"
                " NULL, ?, '', NULL)",
                (f"b{number}", OLD, OLD, f"{OLD}:4711 and [2001:db8::7], at 12:30:00 by v1.2.3", ended_ms),
            )

    run(path)

    (subject, reason), *others = rows(path, "SELECT subject, reason FROM blocks ORDER BY block_id")
    assert subject == addresses(path)[0]
    assert reason == f"{subject}:4711 and [{addresses(path)[2]}], at 12:30:00 by v1.2.3"
    assert {subject for subject, _ in others} == {OLD}


def test_an_address_with_an_open_incident_keeps_its_name(path: Path) -> None:
    fill(path)
    with contextlib.closing(stored_again(path)) as connection:
        connection.execute(
            "INSERT INTO alert_incidents VALUES (1, 'f', 1, 'r', 'd', 's', 'low', 'ip', ?, ?, 1, 1, NULL, 1,"
            " 'why', 'firing', NULL, '', NULL, NULL, NULL, 0, 0, '', '{}')",
            (OLD, OLD),
        )

    run(path)

    assert addresses(path)[0] == OLD
    assert addresses(path)[1].startswith(PSEUDONYM)


def test_the_key_is_its_owners_alone(tmp_path: Path) -> None:
    file = tmp_path / "key"

    made = read_or_make_key(file)

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(made) == 32
    assert read_or_make_key(file) == made


@pytest.mark.parametrize(
    ("mode", "size", "message"),
    [(0o640, 32, "can be read by others"), (0o600, 5, "holds 5 bytes, expected at least 32")],
    ids=["mode", "size"],
)
def test_a_key_that_is_no_secret_is_refused(tmp_path: Path, mode: int, size: int, message: str) -> None:
    file = tmp_path / "key"
    file.write_bytes(b"k" * size)
    file.chmod(mode)

    with pytest.raises(StoreError, match=message):
        read_or_make_key(file)


def test_addresses_that_were_never_told_apart_leave_neither_prefix_nor_name(path: Path) -> None:
    """Only the payload said who the second was; the rest of its /24 is a word among the addresses."""
    with opened(path, dataclasses.replace(settings(), max_names_per_minute=4)) as store:
        put(store, refusal(1, ip=OLD), refusal(2, ip="203.0.113.99"))
    assert addresses(path) == [OLD, "203.0.113.0/24"]

    run(path)

    assert all(value.startswith(PSEUDONYM) for value in addresses(path))
    assert rows(path, "SELECT count(*) FROM keys WHERE value LIKE '%203.0%' OR name LIKE '%203.0%'") == [(0,)]
    assert b"203.0.113" not in path.read_bytes()
