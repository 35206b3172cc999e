"""Erasing one subject: what goes, what stays true, and that no byte of it is left."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from domain.errors import StoreBusy, StoreError
from domain.events import EntitySeen
from storage import erasing
from storage.audit_trail import verify
from storage.codes import Dim
from storage.connection import open_reader
from storage.erased_rows import Found
from storage.erasing import Eraser
from storage.keeping import structure_problems, total_problems
from storage.packing import unpack_id, unpack_raw
from storage.writing.pseudonyms import key_file, pseudonym_of, read_or_make_key
from tests.storage.filling import (
    NOW_MS,
    batch,
    one,
    opened,
    other,
    put,
    refusal,
    request,
    row,
    rows,
    stored_again,
)

IP, ID, NAME, MAIL = "203.0.113.7", "5e1b0c9a-0000-4000-8000-00000000beef", "zebrafinch", "finch@example.com"
LONG = "x" * 300


def consumer(entity_id: str, **more: Any) -> EntitySeen:
    return EntitySeen(entity_type="consumers", entity_id=entity_id, at_ms=NOW_MS, name=NAME, **more)


def payload(**fields: str) -> bytes:
    inside = ",".join(f'"{name}":"{value}"' for name, value in {**fields, "pad": LONG}.items())
    return f"{{{inside}}}".encode()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """One address, one consumer, and others around them, in every table that may hold a name."""
    found = tmp_path / "g.db"
    theirs: dict[str, Any] = {"consumer_id": ID, "consumer": NAME, "ip": IP}
    with opened(found) as store:
        put(
            store,
            refusal(1, payload=payload(client_ip=IP, username=NAME), **theirs),
            request(2, **theirs),
            refusal(3, payload=payload(forwarded=f"{IP}, 10.0.0.1"), ip="198.51.100.1"),
            refusal(4, payload=payload(note=f"not {IP}9"), ip="198.51.100.1"),
            consumer(ID, attributes={"custom_id": MAIL}),
            other(
                5, kind="crud", event="consumers:update", entity_type="consumers",
                entity_id=ID, entity_name=NAME,
                operation="update", before={"custom_id": MAIL}, after={"custom_id": MAIL, "username": NAME},
                payload=payload(custom_id=MAIL),
            ),
        )  # fmt: skip
        store.pack(NOW_MS + 10**10, 10_000)
    with contextlib.closing(stored_again(found)) as connection:
        connection.execute(
            "INSERT INTO quarantine_items VALUES (1, 1, 's', 'why', ?)", (f"ip={IP} {ID}".encode(),)
        )
        connection.execute(
            "INSERT INTO alert_incidents VALUES (1, ?, 1, 'r', 'd', 's', 'low', 'ip', ?, ?, 1, 1, 2, 1, ?,"
            " 'resolved', NULL, '', NULL, NULL, NULL, 0, 0, '', '{}')",
            (f"r|ip|{IP}", IP, IP, f"{NAME} from {IP}:443"),
        )
        connection.execute(
            "INSERT INTO config_states VALUES ('consumers', ?, ?, 1)", (ID, f'{{"custom_id":"{MAIL}"}}')
        )
    return found


@contextlib.contextmanager
def eraser(path: Path) -> Iterator[Eraser]:
    with contextlib.closing(Eraser(path)) as found:
        yield found


def erase(path: Path, dim: Dim, text: str) -> Found:
    with eraser(path) as found:
        return found.erase(found.find(dim, text), NOW_MS, "ana")


def everything(path: Path) -> bytes:
    """The bytes of the file and of what stands beside it, and every payload as it reads."""
    beside = [found for found in path.parent.iterdir() if found.name.startswith(path.name)]
    with contextlib.closing(open_reader(path)) as connection:
        bodies = [unpack_raw(body) for (body,) in connection.execute("SELECT body FROM payloads")]
    return b"".join([*(found.read_bytes() for found in beside), *bodies])


def test_an_address_is_gone_to_the_last_byte(path: Path) -> None:
    assert IP.encode() in everything(path)

    found = erase(path, Dim.IP, IP)

    assert found == Found(events=1, payloads=2, mentions=3, kept=0)
    left = everything(path)
    assert IP.encode() not in left.replace(f"{IP}9".encode(), b"")
    assert b"203.0.113.0/24" not in left
    assert f"not {IP}9".encode() in left
    assert structure_problems(path, quick=False) == []


def test_an_address_is_gone_from_ids_too(path: Path) -> None:
    with opened(path) as store:
        put(store, other(9, id=f"target_unhealthy:n-1:u:{IP}:80:1", kind="cluster"))

    erase(path, Dim.IP, IP)

    with contextlib.closing(open_reader(path)) as connection:
        ids = [unpack_id(packed) for (packed,) in connection.execute("SELECT id FROM events")]
    assert [one for one in ids if IP in one] == []
    assert [one for one in ids if one.startswith("target_unhealthy:n-1:u:") and one.endswith(":80:1")] != []


@pytest.mark.parametrize("text", [ID, NAME], ids=["by id", "by name"])
def test_a_consumer_is_gone_to_the_last_byte(path: Path, text: str) -> None:
    before = everything(path)
    assert all(word.encode() in before for word in (ID, NAME, MAIL))

    found = erase(path, Dim.CONSUMER, text)

    left = everything(path)
    assert [word for word in (ID, NAME, MAIL) if word.encode() in left] == []
    assert found.events == 1
    assert structure_problems(path, quick=False) == []


def test_totals_stay_true(path: Path) -> None:
    activity = "SELECT res, dim, bucket_s, key, requests, limited FROM activity ORDER BY 1, 2, 3, 4"
    before = rows(path, activity)

    erase(path, Dim.IP, IP)
    erase(path, Dim.CONSUMER, ID)

    assert rows(path, activity) == before
    assert total_problems(path) == []
    markers = rows(
        path, "SELECT value = '~erased-' || key_id FROM keys WHERE dim < 3 AND value LIKE '~erased-%'"
    )
    assert markers == [(1,), (1,)]


def test_that_a_consumer_was_changed_stays_known(path: Path) -> None:
    erase(path, Dim.CONSUMER, ID)

    name, before, after = row(path, "SELECT entity_name, before, after FROM event_details")
    assert (name, before, after) == (None, None, None)
    assert one(path, "SELECT count(*) FROM events WHERE kind = 4") == 1


def test_more_can_be_stored_afterwards_and_it_is_another_by_then(path: Path) -> None:
    erase(path, Dim.IP, IP)

    with opened(path) as store:
        assert put(store, refusal(20, ip=IP)).events == 1
        assert store.write([batch(refusal(21, ip="203.0.113.8"))])[0].events == 1
    assert one(path, "SELECT count(*) FROM keys WHERE dim = 2 AND value = ?", IP) == 1
    assert total_problems(path) == []


def test_looking_changes_nothing(path: Path) -> None:
    before = path.read_bytes()

    with eraser(path) as found:
        counted = found.count(found.find(Dim.IP, IP))

    assert counted.events == 1
    assert path.read_bytes() == before


def test_it_is_recorded_without_the_name(path: Path) -> None:
    erase(path, Dim.IP, IP)

    who, what, subject, detail = row(path, "SELECT who, what, subject, detail FROM audit_trail")
    assert (who, what) == ("ana", "erased")
    assert subject.startswith("~erased-")
    assert IP not in detail
    assert [chain.problem for chain in verify(path)] == ["", ""]


def test_a_name_that_several_have_is_nobodys(path: Path) -> None:
    with opened(path) as store:
        put(store, consumer("c-9"))

    with (
        eraser(path) as found,
        pytest.raises(StoreError, match="2 consumers are or were called 'zebrafinch'"),
    ):
        found.find(Dim.CONSUMER, NAME)


def test_a_service_of_the_same_name_keeps_it(path: Path) -> None:
    with opened(path) as store:
        put(store, refusal(30, service_id="s-9", service=NAME))

    erase(path, Dim.CONSUMER, ID)

    assert one(path, "SELECT name FROM entities WHERE entity_type = 'services' AND entity_id = 's-9'") == NAME
    assert one(path, "SELECT first_name FROM keys WHERE dim = 4 AND value = 's-9'") == NAME


def test_what_is_in_force_has_to_end_first(path: Path) -> None:
    with contextlib.closing(stored_again(path)) as connection:
        connection.execute(
            "INSERT INTO block_lists VALUES ('e1', 'ip', ?, 'note', 'ana', 1, NULL, NULL, NULL)", (IP,)
        )

    with pytest.raises(StoreError, match="it stands in a list: remove it there first"):
        erase(path, Dim.IP, IP)


def test_a_reader_of_the_old_state_is_told_of(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While somebody reads the old state the log keeps it: that must not look like success."""
    monkeypatch.setattr(erasing, "CHECKPOINT_TRIES", 1)
    monkeypatch.setattr(erasing, "CHECKPOINT_PAUSE_S", 0)
    with contextlib.closing(open_reader(path)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM events").fetchone()

        with pytest.raises(StoreBusy, match="stop the dashboard, and run this again"):
            erase(path, Dim.IP, IP)

    erase(path, Dim.IP, IP)
    assert IP.encode() not in everything(path).replace(f"{IP}9".encode(), b"")


def test_an_address_that_became_a_pseudonym_is_found_by_the_address(path: Path) -> None:
    name = pseudonym_of(IP, read_or_make_key(key_file(path)))
    with contextlib.closing(stored_again(path)) as connection:
        connection.execute("UPDATE keys SET value = ? WHERE value = ?", (name, IP))

    assert erase(path, Dim.IP, IP).events == 1
    assert one(path, "SELECT count(*) FROM keys WHERE value = ?", name) == 0
