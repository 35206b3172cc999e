"""A real JetStream cluster between collectors and a writer on a SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.processes import Process, running, wait_for
from tests.cluster.senders import Senders
from tests.jetstream import Cluster, jetstream
from tests.storage.filling import rows
from tests.valkey import Valkey, valkey

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]
EVENTS = 6_000


@pytest.fixture(scope="module")
def bus() -> Iterator[Cluster]:
    with jetstream(3) as found:
        yield found


def role(folder: Path, bus: Cluster | Valkey, name: str, *arguments: str) -> Process:
    environ = {"GATEWATCH_DATABASE": str(folder / "g.db"), "GATEWATCH_BUS": bus.url}
    if isinstance(bus, Cluster):
        environ["GATEWATCH_BUS_MONITOR_URL"] = bus.monitors
    return Process(folder, name, *arguments, **environ)


def stored(folder: Path) -> int:
    try:
        return int(rows(folder / "g.db", "SELECT count(*) FROM events")[0][0])
    except sqlite3.Error:
        return 0


def test_what_collectors_acknowledge_is_stored_once_whoever_dies(tmp_path: Path, bus: Cluster) -> None:
    one, two = (role(tmp_path, bus, name) for name in ("one", "two"))
    writer = role(tmp_path, bus, "w", "writer")
    with running(one, two, writer):
        senders = Senders([one.url, two.url], EVENTS, sources=4, again=EVENTS // 10, rate=1_500)
        wait_for(lambda: senders.sent > EVENTS // 6, "the first events")
        writer.kill()
        writer.start()
        wait_for(lambda: senders.sent > EVENTS // 3, "a third")
        leader = bus.leader_of("GATEWATCH")
        leader.kill()
        wait_for(lambda: senders.sent > EVENTS // 2, "half of it")
        one.kill()
        one.start()
        leader.start()
        senders.wait(90)
        wait_for(lambda: stored(tmp_path) >= EVENTS, "the last event in the store", 60)
        wait_for(lambda: not writer.health()["bus"]["in_hand"], "an empty bus")

        assert one.stop() == two.stop() == writer.stop() == 0

    check(tmp_path)


def check(folder: Path) -> None:
    """Each event is there once, in every total too, and nothing is missing."""
    path = folder / "g.db"
    assert stored(folder) == EVENTS
    assert rows(path, "SELECT count(*) FROM gaps") == [(0,)]
    assert rows(path, "SELECT sum(limited) FROM activity WHERE res = 0 AND dim = 0") == [(EVENTS,)]
    assert rows(path, "SELECT count(*) FROM cursor_holes") == [(0,)]


def test_the_same_over_redis(tmp_path: Path) -> None:
    with valkey() as bus:
        taker, writer = role(tmp_path, bus, "one"), role(tmp_path, bus, "w", "writer")
        with running(taker, writer):
            senders = Senders([taker.url], EVENTS, sources=4, again=EVENTS // 10, rate=1_500)
            wait_for(lambda: senders.sent > EVENTS // 6, "the first events")
            writer.kill()
            writer.start()
            wait_for(lambda: senders.sent > EVENTS // 3, "a third")
            bus.kill()
            wait_for(lambda: senders.sent > EVENTS // 2, "half of it, over the disk")
            taker.kill()
            taker.start()
            bus.start()
            senders.wait(90)
            wait_for(lambda: stored(tmp_path) >= EVENTS, "the last event in the store", 60)
            wait_for(lambda: not writer.health()["bus"]["in_hand"], "an empty bus")
            assert taker.stop() == writer.stop() == 0

    check(tmp_path)
