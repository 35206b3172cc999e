"""Erasing one subject from PostgreSQL: what goes, what stays true, and that no file of a table holds it."""

from __future__ import annotations

import contextlib
from typing import Any

import psycopg
import pytest

from collector.erasing import erase_command
from domain.errors import StoreBusy, StoreError
from settings import SettingValueError
from storage.audit_trail import verify
from storage.codes import Dim
from storage.erased_rows import Found
from storage.keeping import total_problems
from storage.location import PostgresUrl
from storage.packing import unpack_id, unpack_raw
from storage.postgres.connection import PostgresConnection
from storage.postgres.erasing import PostgresEraser
from storage.postgres.leadership import PostgresLeadership
from tests.postgres import server
from tests.storage.filling import NOW_MS, other, put, refusal, request
from tests.storage.postgres.conftest import Opener
from tests.storage.test_erasing import ID, IP, MAIL, NAME, consumer, payload

pytestmark = pytest.mark.cluster

_FILES = """
SELECT pg_relation_filepath(c.oid) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname IN ('gatewatch', 'pg_toast') AND c.relkind IN ('r', 'i', 't')
AND pg_relation_size(c.oid) > 0"""


@pytest.fixture
def filled(url: PostgresUrl, open_writer: Opener, connection: PostgresConnection) -> PostgresUrl:
    """One address, one consumer, and others around them, in every table that may hold a name."""
    store = open_writer()
    theirs: dict[str, Any] = {"consumer_id": ID, "consumer": NAME, "ip": IP}
    put(
        store,
        refusal(1, payload=payload(client_ip=IP, username=NAME), **theirs),
        request(2, **theirs),
        refusal(3, payload=payload(forwarded=f"{IP}, 10.0.0.1"), ip="198.51.100.1"),
        refusal(4, payload=payload(note=f"not {IP}9"), ip="198.51.100.1"),
        consumer(ID, attributes={"custom_id": MAIL}),
        other(
            5, kind="crud", event="consumers:update", entity_type="consumers", entity_id=ID,
            entity_name=NAME, operation="update", before={"custom_id": MAIL},
            after={"custom_id": MAIL, "username": NAME}, payload=payload(custom_id=MAIL),
        ),
        other(9, id=f"target_unhealthy:n-1:u:{IP}:80:1", kind="cluster"),
    )  # fmt: skip
    store.pack(NOW_MS + 10**10, 10_000)
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
    connection.script("ANALYZE")
    return url


def erase(url: PostgresUrl, dim: Dim, text: str) -> Found:
    with contextlib.closing(PostgresEraser(url, None)) as found:
        return found.erase(found.find(dim, text), NOW_MS, "ana")


def everything(url: PostgresUrl) -> bytes:
    """The bytes of all files of our tables, every payload as it reads, and what the planner knows."""
    with psycopg.connect(url.conninfo, autocommit=True) as connection:
        connection.execute("CHECKPOINT")
        files = [path for (path,) in connection.execute(_FILES).fetchall()]
        bodies = [
            unpack_raw(bytes(body)) for (body,) in connection.execute("SELECT body FROM gatewatch.payloads")
        ]
        known = connection.execute(
            "SELECT string_agg(concat(most_common_vals, histogram_bounds), ' ') FROM pg_stats"
            " WHERE schemaname = 'gatewatch'"
        ).fetchone()
    assert known is not None
    kept = [(server().data / path).read_bytes() for path in files]
    return b"".join([*kept, *bodies, str(known[0]).encode()])


def test_an_address_is_gone_from_every_file(filled: PostgresUrl, connection: PostgresConnection) -> None:
    assert IP.encode() in everything(filled)

    found = erase(filled, Dim.IP, IP)

    left = everything(filled)
    assert found == Found(events=1, payloads=2, mentions=4, kept=0)
    assert IP.encode() not in left.replace(f"{IP}9".encode(), b"")
    assert b"203.0.113.0/24" not in left
    assert f"not {IP}9".encode() in left
    ids = [unpack_id(packed) for (packed,) in connection.execute("SELECT id FROM events").fetchall()]
    assert [one for one in ids if IP in one] == []
    assert [one for one in ids if one.startswith("target_unhealthy:n-1:u:") and one.endswith(":80:1")] != []


@pytest.mark.parametrize("text", [ID, NAME], ids=["by id", "by name"])
def test_a_consumer_is_gone_from_every_file(filled: PostgresUrl, text: str) -> None:
    before = everything(filled)
    assert all(word.encode() in before for word in (ID, NAME, MAIL))

    found = erase(filled, Dim.CONSUMER, text)

    left = everything(filled)
    assert [word for word in (ID, NAME, MAIL) if word.encode() in left] == []
    assert found.events == 1


def test_totals_stay_true_and_more_can_be_stored(
    filled: PostgresUrl, open_writer: Opener, connection: PostgresConnection
) -> None:
    store = open_writer()
    activity = "SELECT res, dim, bucket_s, key, requests, limited FROM activity ORDER BY 1, 2, 3, 4"
    before = connection.execute(activity).fetchall()

    erase(filled, Dim.IP, IP)

    assert connection.execute(activity).fetchall() == before
    written = put(store, refusal(77, consumer_id=ID, consumer=NAME, ip=IP))
    assert written.events == 1
    assert total_problems(filled) == []
    words = connection.execute("SELECT value FROM keys WHERE dim = 2 ORDER BY key_id").fetchall()
    assert (IP,) in words
    assert [value for (value,) in words if value.startswith("~erased-")] != []


def test_looking_changes_nothing_and_erasing_is_recorded_without_the_name(filled: PostgresUrl) -> None:
    before = everything(filled)
    with contextlib.closing(PostgresEraser(filled, None)) as eraser:
        assert eraser.count(eraser.find(Dim.IP, IP)).events == 1
    assert IP.encode() in everything(filled)
    assert before.count(IP.encode()) == everything(filled).count(IP.encode())

    erase(filled, Dim.IP, IP)

    assert [(chain.entries, chain.problem) for chain in verify(filled)] == [(1, ""), (0, "")]


def test_what_is_in_force_has_to_end_first(filled: PostgresUrl, connection: PostgresConnection) -> None:
    connection.execute(
        "INSERT INTO block_lists (entry_id, subject_type, subject, note, added_by, added_ms)"
        " VALUES ('e', 'range', ?, '', 'ana', 1)",
        (IP,),
    )

    with pytest.raises(StoreError, match="it stands in a list: remove it there first"):
        erase(filled, Dim.IP, IP)


def test_collectors_have_to_stop_and_the_role_must_own_the_tables(filled: PostgresUrl) -> None:
    holder = PostgresLeadership(filled)
    assert holder.hold()
    try:
        with pytest.raises(StoreBusy, match="stop all of them first"):
            PostgresEraser(filled, None)
    finally:
        holder.release()
    with psycopg.connect(filled.conninfo, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS stranger")
        connection.execute("CREATE ROLE stranger LOGIN IN ROLE pg_read_all_data")
    try:
        with pytest.raises(StoreError, match="a login that owns them"):
            PostgresEraser(PostgresUrl(filled.conninfo.replace("postgres@", "stranger@")), None)
    finally:
        with psycopg.connect(filled.conninfo, autocommit=True) as connection:
            connection.execute("DROP ROLE stranger")


def test_the_command_asks_first_and_then_names_what_it_cannot_reach(
    filled: PostgresUrl, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = erase_command(["--database", filled.conninfo, "--ip", IP])
    done = erase_command(["--database", filled.conninfo, "--ip", IP, "--yes"])

    said = capsys.readouterr().out
    assert (asked, done) == (1, 0)
    assert "would erase 1 events, 2 payloads" in said
    assert "not touched, and may hold it still: the server's archived write-ahead logs" in said
    with pytest.raises(SettingValueError, match="not erased: postgresql"):
        erase_command(["--database", "postgresql://127.0.0.1:1/x", "--ip", IP])
