"""Everything fails in turn: nothing that was acknowledged is lost, nothing is stored or told twice."""

from __future__ import annotations

import io
import itertools
import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from alerting.__main__ import print_history
from collector.batching import read_batch
from settings import load_settings
from storage.batches import Batch
from storage.location import PostgresUrl
from storage.packing import unpack_id
from storage.postgres.connection import PostgresConnection
from storage.sqlite_store import SqliteStore
from tests.cluster.postgres_pair import Pair, postgres_pair
from tests.cluster.processes import Process, running, wait_for
from tests.cluster.senders import Senders, refusal_of
from tests.e2e.load import measured
from tests.jetstream import Cluster, jetstream
from tests.storage import recount
from tests.storage.filling import rows

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(580)]
EVENTS = int(os.environ.get("GATEWATCH_TEST_EVENTS", "100000"))  # noqa: TID251 - tests are their own root
AGAIN = EVENTS // 10
BURST = int(0.4 * EVENTS)
RATE = 1_600
"""Events a second: a burst is told of when it is over, so there has to be something after it."""
QUIET_S = 20


@contextmanager
def connected(url: str) -> Iterator[PostgresConnection]:
    connection = PostgresConnection(PostgresUrl(url))
    try:
        yield connection
    finally:
        connection.close()


def role(folder: Path, bus: Cluster, store: Pair, name: str, *arguments: str) -> Process:
    environ = {
        "GATEWATCH_DATABASE": store.url,
        "GATEWATCH_BUS": bus.url,
        "GATEWATCH_BUS_MONITOR_URL": bus.monitors,
        "GATEWATCH_NOTIFY_FILE": str(folder / "notify.toml"),
    }
    return Process(folder, name, *arguments, **environ)


class Made:
    """The events as they were sent, so that one machine can be given the same."""

    def __init__(self) -> None:
        self.start_ms = time.time_ns() // 1_000_000
        self.events: dict[int, dict[str, Any]] = {}

    def __call__(self, number: int) -> dict[str, Any]:
        """Event number n, as of now the first time; one consumer has a quarter of the first ones."""
        if number not in self.events:
            event = refusal_of(number) | {"at_ms": time.time_ns() // 1_000_000}
            if number < BURST and not number % 4:
                event |= {"consumer": "acme-mobile"}
            self.events[number] = event
        return self.events[number]


def on_one_machine(folder: Path, made: Made, arrived: list[tuple[str, int]]) -> Path:
    """A file that one collector would have made of the same events, had they come to it in this order.

    Args:
        folder: Where to make it.
        made: The events.
        arrived: Id and time of arrival of each.
    """
    path = folder / "one.db"
    by_id = {event["id"]: event for event in made.events.values()}
    store = SqliteStore(path, load_settings({}, {}))
    for received_ms, group in itertools.groupby(arrived, key=lambda pair: pair[1]):
        items = [json.dumps(by_id[event_id]).encode() for event_id, _ in group]
        decoded = read_batch(items, received_ms=received_ms).decoded
        store.write([Batch(source="source-0", way="stream", received_ms=received_ms, decoded=decoded)])
    store.close()
    return path


def history(database: str | Path) -> list[dict[str, Any]]:
    """Every incident, in an order that does not depend on which of two names was met first."""
    out = io.StringIO()
    print_history(database, out, io.StringIO())
    return sorted((json.loads(line) for line in out.getvalue().splitlines()), key=json.dumps)


def stored(url: str) -> int:
    with connected(url) as connection:
        return int(rows(connection, "SELECT count(*) FROM events")[0][0])


def kill_in_turn(bus: Cluster, store: Pair, writers: list[Process], senders: Senders) -> None:
    """The stream's leader, both writers, and the primary, each while events come; the standby takes over."""

    def come_to(share: float) -> None:
        wait_for(lambda: senders.sent > share * (EVENTS + AGAIN), f"{share:.0%} of it", 240)

    come_to(0.15)
    leader = bus.leader_of("GATEWATCH")
    leader.kill()
    come_to(0.3)
    writers[0].kill()
    come_to(0.4)
    leader.start()
    writers[0].start()
    writers[1].kill()
    come_to(0.55)
    writers[1].start()
    store.primary.kill()
    store.promote()


def run(folder: Path, bus: Cluster, store: Pair, made: Made) -> None:
    """Send everything while everything dies, until it is stored; tell what it took."""
    takers = [role(folder, bus, store, f"collector-{n}") for n in (1, 2)]
    writers = [role(folder, bus, store, f"writer-{n}", "writer") for n in (1, 2)]
    with running(*takers, *writers):
        since = time.monotonic()
        senders = Senders([taker.url for taker in takers], EVENTS, again=AGAIN, make=made, rate=RATE)
        kill_in_turn(bus, store, writers, senders)
        senders.wait(300)
        acked_s = time.monotonic() - since
        wait_for(lambda: stored(store.url) >= EVENTS, "the last event in the store", 200)
        stored_s = time.monotonic() - since
        wait_for(lambda: not any(w.health()["bus"]["in_hand"] for w in writers), "an empty bus", 60)
        again = sum(writer.metric("gatewatch_bus_redelivered_total") for writer in writers)
        spooled = sum(taker.metric("gatewatch_bus_spooled_total") for taker in takers)
        failures = sum(taker.metric("gatewatch_bus_publish_failures_total") for taker in takers)
        time.sleep(QUIET_S)  # whatever would be told twice is told now
        for process in (*takers, *writers):
            assert process.stop() == 0, process.told()
    measured(
        f"{EVENTS} events, {AGAIN} of them twice: acknowledged after {acked_s:.0f} s, stored after"
        f" {stored_s:.0f} s; {again:.0f} messages came again, {spooled:.0f} went over a disk,"
        f" {failures:.0f} were not taken at once"
    )


def test_each_part_dies_in_turn(tmp_path: Path) -> None:
    (tmp_path / "notify.toml").write_text(
        f'[receivers.log]\nkind = "file"\npath = "{tmp_path}/told.jsonl"\n'
        'per_hour = 1000\nseverity = "notice"\n'
    )
    made = Made()
    with jetstream(3) as bus, postgres_pair() as store:
        run(tmp_path, bus, store, made)

        with connected(store.url) as found:
            assert rows(found, "SELECT count(*), count(DISTINCT id) FROM events") == [(EVENTS, EVENTS)]
            assert rows(found, "SELECT count(*) FROM gaps") == [(0,)]
            assert rows(found, "SELECT count(*) FROM cursor_holes") == [(0,)]
            assert rows(found, "SELECT count(*) FROM quarantine") == [(0,)]
            assert recount.stored_activity(found) == recount.counted_anew(found, [])
            incidents = Counter(rows(found, "SELECT rule, entity FROM incidents"))
            announced = Counter(rows(found, "SELECT incident_id, kind FROM alert_outbox"))
            arrivals = rows(found, "SELECT id, at_ms + lag_ms FROM events ORDER BY seq")

        one = on_one_machine(tmp_path, made, [(unpack_id(raw), at_ms) for raw, at_ms in arrivals])
        alike = history(one)
        assert history(store.url) == alike

    assert ("burst_or_sustained", "acme-mobile") in {(one["rule"], one["entity"]) for one in alike}
    assert incidents["burst_or_sustained", "acme-mobile"] == 1
    assert max(incidents.values()) == 1
    assert max(announced.values()) == 1
    told = [json.loads(line) for line in (tmp_path / "told.jsonl").read_text().splitlines()]
    ids = Counter(message["id"] for message in told)
    assert [message_id for message_id, n in ids.items() if n > 1] == []
    assert len(ids) == announced.total()
    measured(f"{incidents.total()} incidents, {len(told)} messages, each once")
