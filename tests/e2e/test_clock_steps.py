"""The collector's wall clock is set back by an hour, and forward again, while events arrive."""

from __future__ import annotations

import json
import signal
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from storage.sqlite_reader import SqliteReader
from tests.e2e.load import Load, health, lost_and_doubled, measured, now_ms
from tests.kong_plugin.processes import Collector, wait_for
from tests.storage.filling import one, rows

HOUR_MS = 3_600_000
STEPPED = """
import pathlib, sys
import collector.__main__ as program
real = program.now_ms
offset = pathlib.Path(sys.argv[1])
program.now_ms = lambda: real() + int(offset.read_text())
raise SystemExit(program.main(sys.argv[2:]))
"""
"""The real program with its one clock shifted by what a file says: a test may not touch the machine's."""


@pytest.mark.e2e
@pytest.mark.timeout(90)
def test_an_hour_back_and_forth_loses_nothing_and_stops_nothing(tmp_path: Path) -> None:
    offset = tmp_path / "offset"
    offset.write_text("0")
    collector = Collector(tmp_path, (sys.executable, "-c", STEPPED, str(offset)))
    collector.start()
    load = Load(collector.ws, 300)
    states = []
    try:
        for step_ms in (0, -HOUR_MS, HOUR_MS, 0):
            swap = tmp_path / "next"
            swap.write_text(str(step_ms))
            swap.rename(offset)
            before = one(collector.database, "SELECT count(*) FROM events")
            wait_for(
                lambda before=before: one(collector.database, "SELECT count(*) FROM events") > before + 300,
                f"events are stored with the clock {step_ms} ms off",
                10,
            )
            states.append(health(collector.http)[1]["state"])
        with urllib.request.urlopen(f"http://{collector.http}/healthz", timeout=5) as answer:
            said = json.load(answer)
    finally:
        load.stop()
        collector.kill()
    lost, doubled = lost_and_doubled(collector.database, load.sent)
    reader = SqliteReader(collector.database, 5_000)
    sources = reader.freshness().sources
    reader.close()
    widest_ms = max(
        abs(at_ms - time.time_ns() // 1_000_000)
        for (at_ms,) in rows(collector.database, "SELECT at_ms FROM events")
    )
    measured(
        f"{load.total} events over steps of an hour, {states}, longest without an acknowledgement "
        f"{load.longest_silence_s:.1f} s, farthest event {widest_ms / 1000:.0f} s away, {lost=} {doubled=}"
    )

    assert states == ["ok"] * 4
    assert said["state"] == "ok"
    assert (load.unacked, lost, doubled) == (0, 0, 0)
    assert load.longest_silence_s < 3.0
    assert {source.source for source in sources} == set(load.sent)
    assert rows(collector.database, "SELECT * FROM gaps") == []
    assert one(collector.database, "SELECT min(lag_ms) FROM events") >= 0


def hammering(source: str, number: int) -> dict[str, Any]:
    """Refusals of one address; the clock of `sender-1` is an hour ahead, that of `sender-2` one behind."""
    off_ms = {"sender-1": HOUR_MS, "sender-2": -HOUR_MS}.get(source, 0)
    return {
        "kind": "rate-limiting", "event": "exceeded", "id": f"{source}-{number}", "at_ms": now_ms() + off_ms,
        "consumer": "hammer", "ip": "203.0.113.90", "service": "search", "route": "suggest", "status": 429,
        "limit_name": "minute", "limit_value": 20, "window_s": 60,
    }  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(420)
def test_incidents_and_nodes_go_on_through_steps_of_an_hour(tmp_path: Path) -> None:
    """One address is refused without end; three senders tell of it, two of them by a wrong clock."""
    offset = tmp_path / "offset"
    offset.write_text("0")
    collector = Collector(tmp_path, (sys.executable, "-c", STEPPED, str(offset)))
    collector.start()
    load = Load(collector.ws, 90, 3, hammering)
    found = []
    try:
        wait_for(lambda: "retry_disregard" in str(incidents(collector.database)), "an incident", 120)
        time.sleep(10)
        first = incidents(collector.database)
        for step_ms in (-HOUR_MS, HOUR_MS, 0):
            time.sleep(20)
            swap = tmp_path / "next"
            swap.write_text(str(step_ms))
            swap.rename(offset)
            time.sleep(40)
            found.append(incidents(collector.database))
            done_ms = int(one(collector.database, EVALUATED))
            assert abs(done_ms - (now_ms() + step_ms)) < 30_000, "judging stands still"
    finally:
        load.stop()
        collector.kill(signal.SIGTERM)
    moved = {(rule, what): count for rule, what, count in rows(collector.database, MOVED)}
    lost, doubled = lost_and_doubled(collector.database, load.sent)
    measured(f"{load.total} events over three steps, {found[-1]} incidents, {moved=}, {lost=} {doubled=}")

    assert (load.unacked, lost, doubled) == (0, 0, 0)
    assert found == [first] * 3
    assert {(entity, reopened) for _, entity, reopened in first} == {("hammer", 0)}
    # the burst, where one was seen, may be over: the rate has become the usual one
    assert moved["retry_disregard", "opened"] == 1
    assert ("retry_disregard", "resolved") not in moved
    assert one(collector.database, "SELECT count(*) FROM node_states WHERE state = 'lost'") == 0
    assert one(collector.database, "SELECT min(lag_ms) FROM events") >= 0
    assert one(collector.database, "SELECT min(limited) FROM activity") >= 0


MOVED = """
SELECT i.rule, h.what, count(*) FROM alert_history h JOIN alert_incidents i USING (incident_id)
WHERE h.who IS NULL GROUP BY 1, 2"""
EVALUATED = "SELECT value FROM alert_state WHERE name = 'evaluated_ms'"


def incidents(database: Path) -> list[tuple[str, str, int]]:
    """(rule, about whom, how often it was reopened) of every incident ever, as they stand now."""
    query = "SELECT rule, entity_id, reopened FROM alert_incidents ORDER BY incident_id"
    return [(str(rule), str(entity), int(reopened)) for rule, entity, reopened in rows(database, query)]
