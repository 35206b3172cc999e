"""The finest totals by day: which partition holds what, and what is left when a day goes."""

from __future__ import annotations

from typing import Any

import pytest

from domain.filters import Filters
from domain.windows import DAY_MS, Window
from storage.location import PostgresUrl
from storage.opening import open_reader
from storage.postgres.connection import PostgresConnection
from storage.postgres.days import READERS_MS
from storage.postgres.ddl import DIVIDED
from tests.storage.filling import NOW_MS, one, other, put, refusal, request, rows
from tests.storage.recount import counted_anew, stored_activity, stored_cells

pytestmark = pytest.mark.cluster
Opener = Any
TODAY = "20270115"
PLACES = "SELECT DISTINCT tableoid::regclass::text AS part FROM {} ORDER BY part"


def _parts(connection: PostgresConnection, table: str) -> list[str]:
    return [part for (part,) in rows(connection, PLACES.format(table))]


def test_todays_finest_totals_stand_apart(open_writer: Opener, connection: PostgresConnection) -> None:
    put(open_writer(), refusal(1), other(2))

    for table in DIVIDED:
        assert _parts(connection, table) == [f"{table}_coarse", f"{table}_fine_{TODAY}"]


def test_what_is_far_from_today_waits_until_its_day_is_made(
    open_writer: Opener, connection: PostgresConnection
) -> None:
    store = open_writer()
    far = NOW_MS + 40 * DAY_MS
    put(store, refusal(1), request(1), refusal(2, at_ms=far), request(2, at_ms=far))
    assert "activity_fine_rest" in _parts(connection, "activity")

    put(store, request(3, at_ms=far), received_ms=far)

    assert _parts(connection, "activity_fine") == [f"activity_fine_{TODAY}", "activity_fine_20270224"]
    requests = [request(1), request(2, at_ms=far), request(3, at_ms=far)]
    anew = counted_anew(connection, requests)
    assert stored_activity(connection) == stored_cells(connection) == anew


def test_a_day_goes_whole_a_minute_after_readers_were_told(
    open_writer: Opener, connection: PostgresConnection, url: PostgresUrl
) -> None:
    store = open_writer()
    put(store, *(refusal(n, ip=f"203.0.113.{n}") for n in range(50)))
    later = NOW_MS + 5 * DAY_MS
    put(store, refusal(60, at_ms=later), received_ms=later)

    store.prune(later, 3)  # tells readers; takes no more than three rows
    held = one(connection, "SELECT count(*) FROM activity_fine")
    for now_ms in (later + 1, later + READERS_MS):
        store.prune(now_ms, 0)
        assert one(connection, "SELECT count(*) FROM activity_fine") == held
    store.prune(later + 1 + READERS_MS, 0)

    assert [part for part in _tables(connection) if part.endswith(TODAY)] == []
    assert _parts(connection, "cells_fine") == ["cells_fine_20270120"]
    reader = open_reader(url.conninfo, 5_000)
    assert reader.totals(Window(NOW_MS - NOW_MS % DAY_MS, later + 1), Filters()).limited == 51
    reader.close()


def test_two_writers_make_a_day_once(open_writer: Opener, connection: PostgresConnection) -> None:
    first, second = open_writer(), open_writer()
    far = NOW_MS + 80 * DAY_MS

    put(first, refusal(1), received_ms=far)
    put(second, refusal(2), received_ms=far)

    assert len([part for part in _tables(connection) if part.endswith("20270405")]) == len(DIVIDED)


def _tables(connection: PostgresConnection) -> list[str]:
    return [
        name for (name,) in rows(connection, "SELECT tablename FROM pg_tables WHERE schemaname = 'gatewatch'")
    ]
