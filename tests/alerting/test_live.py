"""Evaluation beside a real store, second by second, with a clock that is moved by hand."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from alerting.live import GRACE_MS, Live
from alerting.receivers import Receiver, Routes
from domain.events import Decoded, Event, Traffic
from domain.incidents import State
from domain.rules import Rule
from domain.windows import HOUR_MS
from settings import load_settings
from storage.alert_book import AlertBook
from storage.alert_reads import AlertReads
from storage.alerts_reader import AlertsReader
from storage.batches import Batch
from storage.decisions import Decisions
from storage.sqlite_store import SqliteStore

START_MS = 1_800_000_000_000
ROUTES = Routes(receivers={"soc": Receiver(kind="file", path="x")})


class Town:
    """A store that traffic goes into, and the evaluation beside it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.now_ms = START_MS
        self.set_by_ms = 0
        """By how much the clock was set."""
        self.store = SqliteStore(str(path), load_settings({"database": str(path)}, {}))
        self.numbers = itertools.count(1)
        self.alerts = AlertsReader(path, 5_000)
        self.begin()

    def begin(self) -> None:
        """Start the evaluation, as after a restart."""
        self.reads, self.book = AlertReads(self.path, 5_000), AlertBook(self.path)
        ids = itertools.count()
        self.live = Live(
            self.reads,
            self.book,
            ROUTES,
            "https://dash",
            lambda: self.now_ms,
            lambda: f"msg_{next(ids)}_{self.now_ms}",
            lambda: (self.now_ms - self.set_by_ms) / 1000,
        )

    def end(self) -> None:
        """Stop the evaluation."""
        self.book.close()
        self.reads.close()

    def second(self, *, refused: int = 0, passed: int = 3, look: bool = True) -> None:
        """One second of the flood from one address, and of somebody else."""
        events = [
            Event(
                id=f"request:{next(self.numbers):032x}", kind="rate-limiting", event="exceeded",
                at_ms=self.now_ms + n, ip="203.0.113.90", service="search", route="suggest", status=429,
                limit_name="minute", limit_value=60, window_s=60, certainty="certain", is_request=True,
            )
            for n in range(refused)
        ]  # fmt: skip
        traffic = [
            Traffic(
                fingerprint=next(self.numbers), at_ms=self.now_ms, status=200, ip="192.0.2.1",
                service="search", route="suggest", count=passed,
            )
        ]  # fmt: skip
        decoded = Decoded(events=events, traffic=traffic, entries=len(events) + 1)
        self.store.write([Batch(source="gw", way="stream", received_ms=self.now_ms, decoded=decoded)])
        self.now_ms += 1_000
        if look:
            self.live.turn()

    def set_clock(self, by_ms: int) -> None:
        """Somebody sets it: what comes now comes at the new time."""
        self.now_ms += by_ms
        self.set_by_ms += by_ms

    def close(self) -> None:
        """Release everything."""
        self.end()
        self.alerts.close()
        self.store.close()


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    found = Town(tmp_path / "g.db")
    yield found
    found.close()


def flood(town: Town, seconds: int, *, look: bool = True) -> None:
    for _ in range(seconds):
        town.second(refused=6, look=look)


def test_a_flood_opens_an_incident_with_its_message_in_the_outbox(town: Town) -> None:
    flood(town, 60)

    (stored,) = town.alerts.live()
    (message,) = [m for m in town.alerts.outbox(["waiting"]) if m.kind == "incident.opened"]
    assert (stored.incident.rule, stored.incident.entity) == ("retry_disregard", "203.0.113.90")
    assert (message.incident_id, message.receiver) == (stored.incident_id, "soc")
    assert message.body["link"].startswith(f"https://dash/alerts?of={stored.incident_id}&from=")
    assert len(town.alerts.evidence(stored.incident_id)) > 0


def test_a_restart_changes_nothing_and_misses_nothing(town: Town) -> None:
    """The flood begins and becomes an alert while nobody evaluates."""
    town.second()
    town.end()
    flood(town, 60, look=False)
    town.begin()
    town.live.turn()

    (stored,) = town.alerts.live()
    town.end()
    town.begin()
    flood(town, 20)

    assert stored.incident.opened_ms < town.now_ms - 20_000
    assert [s.incident_id for s in town.alerts.live()] == [stored.incident_id]


def test_a_person_wins_against_the_evaluation(town: Town) -> None:
    flood(town, 60)
    (stored,) = town.alerts.live()
    with Decisions(town.path) as decisions:
        decisions.acknowledge(stored.incident_id, State.OPEN, "ana", town.now_ms)

    flood(town, 12)

    (later,) = town.alerts.live()
    assert (later.incident.state, later.incident.assignee) == (State.ACKNOWLEDGED, "ana")
    assert later.incident.last_ms > stored.incident.last_ms


def test_when_nothing_arrives_any_more_it_is_unknown_and_stays(town: Town) -> None:
    flood(town, 60)

    for _ in range(200):
        town.now_ms += 4_000
        town.live.turn()

    (stored,) = town.alerts.live()
    assert stored.incident.state is State.UNKNOWN


def test_quiet_with_other_traffic_going_on_resolves_it(town: Town) -> None:
    flood(town, 60)

    for _ in range(340):
        town.second()

    (stored,) = town.alerts.between(START_MS, town.now_ms)
    assert stored.incident.state is State.RESOLVED
    assert [h.what for h in town.alerts.history(stored.incident_id)][-1] == "resolved"


def test_a_saved_rule_holds_from_the_next_second_on(town: Town) -> None:
    off = Rule(id="retry_disregard", detector="retry_disregard", title="off", enabled=False)
    with Decisions(town.path) as decisions:
        decisions.save_rule(off, 1, "ana", town.now_ms, "too loud")

    flood(town, 60)

    assert [s.incident.rule for s in town.alerts.live()] == ["burst_or_sustained"]


def test_it_keeps_up_and_remembers_how_far_it_is(town: Town) -> None:
    flood(town, 30)

    done_ms = town.book.remembered("evaluated_ms")

    assert done_ms is not None
    assert 0 <= town.now_ms - done_ms < 10_000 + GRACE_MS
    assert town.alerts.status()["rules"] == 17


def test_a_look_that_is_spread_over_turns_says_the_same(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """With no time at all a turn goes on for one step only."""
    monkeypatch.setattr("alerting.live.LOOK_S", 1e-9)

    flood(town, 60)
    town.second()

    (stored,) = town.alerts.live()
    assert (stored.incident.rule, stored.incident.entity) == ("retry_disregard", "203.0.113.90")
    assert stored.incident.count > 100


@pytest.mark.parametrize("by_ms", [-HOUR_MS, HOUR_MS], ids=["back", "forward"])
def test_a_clock_that_is_set_by_an_hour_opens_nothing_twice_and_calls_nobody_missing(
    town: Town, by_ms: int
) -> None:
    """The senders' clocks are set too here; a flood goes on through it, and somebody is always heard."""
    flood(town, 120)
    before = town.alerts.live()
    town.set_clock(by_ms)
    flood(town, 120)

    after = town.alerts.live()
    assert [s.incident_id for s in after] == [s.incident_id for s in before]
    assert [s.incident.rule for s in after] == ["retry_disregard"]
    assert after[0].incident.last_ms > town.now_ms - 30_000
    assert after[0].incident.last_ms <= town.now_ms
    kinds = [m.kind for m in town.alerts.outbox(["waiting"])]
    assert kinds == ["incident.opened"]


@pytest.mark.parametrize("by_ms", [-HOUR_MS, HOUR_MS], ids=["back", "forward"])
def test_what_begins_after_the_clock_was_set_is_seen_at_once(town: Town, by_ms: int) -> None:
    """Judging used to wait until the clock had come to where it had been."""
    for _ in range(60):
        town.second()
    town.set_clock(by_ms)
    flood(town, 60)

    (stored,) = town.alerts.live()
    assert stored.incident.rule == "retry_disregard"
    assert abs(stored.incident.opened_ms - town.now_ms) < 60_000


@pytest.mark.parametrize("by_ms", [-HOUR_MS, HOUR_MS], ids=["back", "forward"])
def test_what_ended_before_the_clock_was_set_is_resolved_in_its_time(town: Town, by_ms: int) -> None:
    flood(town, 60)
    town.set_clock(by_ms)
    for _ in range(900):
        town.second()

    assert town.alerts.live() == ()
