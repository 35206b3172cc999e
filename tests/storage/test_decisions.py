from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from domain.detectors.findings import Severity
from domain.errors import StoreBusy
from domain.incident_flow import Move, What
from domain.incidents import IllegalMove, Incident, State, Verdict
from domain.rules import Rule, RuleError
from domain.silences import Silence
from storage.alert_book import AlertBook
from storage.alerts_reader import AlertsReader
from storage.decisions import Decisions, NotAllowed, Outrun

NOW = 1_800_000_000_000
INCIDENT = Incident(
    fingerprint="r|consumer|c-1", rule="r", detector="threshold", shape="s", severity=Severity.HIGH,
    entity_type="consumer", entity_id="c-1", entity="acme", opened_ms=NOW, from_ms=NOW, last_ms=NOW, count=7,
    why="why", actors=(("consumer", "c-1"),), covers=frozenset({("ip", "192.0.2.1")}),
)  # fmt: skip


class Desk:
    """One open incident in a file, and both sides of it."""

    def __init__(self, path: Path) -> None:
        self.book = AlertBook(path)
        self.decisions = Decisions(path)
        self.alerts = AlertsReader(path, 5_000)
        (applied,) = self.book.apply(
            [Move(What.OPENED, NOW, None, INCIDENT)], lambda _: (), lambda _: (3, 2), {"evaluated_ms": NOW}
        )
        self.number = applied.incident_id

    def incident(self) -> Incident:
        """As it stands."""
        stored = self.alerts.incident(self.number)
        assert stored is not None
        return stored.incident

    def close(self) -> None:
        """Release the file."""
        for part in (self.book, self.decisions, self.alerts):
            part.close()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    found = Desk(tmp_path / "g.db")
    yield found
    found.close()


def test_an_incident_comes_back_as_it_was_stored(desk: Desk) -> None:
    assert desk.incident() == INCIDENT
    assert desk.alerts.evidence(desk.number) == (3, 2)
    assert desk.book.remembered("evaluated_ms") == NOW


def test_acknowledging_takes_it_and_leaves_a_line(desk: Desk) -> None:
    desk.decisions.acknowledge(desk.number, State.OPEN, "ana", NOW + 1, "mine")

    assert (desk.incident().state, desk.incident().assignee) == (State.ACKNOWLEDGED, "ana")
    last = desk.alerts.history(desk.number)[-1]
    assert (last.who, last.what, last.note) == ("ana", "acknowledge", "mine")


def test_of_two_who_click_at_once_one_wins_and_the_other_is_told(desk: Desk) -> None:
    desk.decisions.acknowledge(desk.number, State.OPEN, "ana", NOW + 1)

    with pytest.raises(Outrun, match="was open and is acknowledged now"):
        desk.decisions.acknowledge(desk.number, State.OPEN, "ben", NOW + 2)

    assert desk.incident().assignee == "ana"


def test_the_collector_loses_against_a_person_and_takes_it_up(desk: Desk) -> None:
    desk.decisions.close_incident(desk.number, State.OPEN, Verdict.BENIGN, "ana", NOW + 1, "our own job")
    grown = Move(What.ESCALATED, NOW + 2, INCIDENT, INCIDENT)

    (applied,) = desk.book.apply([grown], lambda _: (), lambda _: (), {})
    _, moved = desk.book.people_moved(1)

    assert not applied.is_done
    assert [m.incident.state for m in moved] == [State.RESOLVED]
    assert (moved[0].verdict, moved[0].incident.closed_by) == ("benign", "ana")


def test_messages_are_stored_with_the_move_or_not_at_all(desk: Desk) -> None:
    def fails(_: object) -> list[object]:
        raise RuntimeError("cannot be worded")

    resolved = Move(What.RESOLVED, NOW + 5, INCIDENT, INCIDENT)
    with pytest.raises(RuntimeError):
        desk.book.apply([resolved], fails, lambda _: (), {"evaluated_ms": NOW + 5})  # type: ignore[arg-type]

    assert desk.book.remembered("evaluated_ms") == NOW
    assert len(desk.alerts.history(desk.number)) == 1


def test_what_is_over_cannot_be_acknowledged(desk: Desk) -> None:
    with pytest.raises(IllegalMove):
        desk.decisions.acknowledge(desk.number, State.RESOLVED, "ana", NOW)


def test_a_verdict_needs_a_reason_and_a_note_some_text(desk: Desk) -> None:
    with pytest.raises(NotAllowed, match="needs a reason"):
        desk.decisions.close_incident(desk.number, State.OPEN, Verdict.REAL, "ana", NOW, " ")
    with pytest.raises(NotAllowed, match="needs some text"):
        desk.decisions.note(desk.number, "", "ana", NOW)
    with pytest.raises(NotAllowed, match="the name of who takes it"):
        desk.decisions.note(desk.number, "x", " ", NOW)


def test_a_silence_holds_until_it_is_ended(desk: Desk) -> None:
    silence = Silence(silence_id=0, from_ms=NOW, until_ms=NOW + 60_000, author="ana", reason="load test")

    number = desk.decisions.silence(silence, NOW)
    held = desk.book.silences(NOW + 1)
    desk.decisions.end_silence(number, "ben", NOW + 2)

    assert [s.silence.reason for s in held] == ["load test"]
    assert desk.book.silences(NOW + 1) == []
    with pytest.raises(Outrun):
        desk.decisions.end_silence(number, "ben", NOW + 2)
    with pytest.raises(NotAllowed, match="in the future"):
        desk.decisions.silence(silence, NOW + 90_000)


def test_rules_are_versioned_and_the_second_to_save_is_told(desk: Desk) -> None:
    rule = Rule(id="quiet_rule", detector="threshold", title="quiet", values={"per_client": 900})

    first = desk.decisions.save_rule(rule, 0, "ana", NOW, "too loud")
    with pytest.raises(Outrun, match="has version 1 by now"):
        desk.decisions.save_rule(rule, 0, "ben", NOW, "me too")
    with pytest.raises(RuleError, match="per_client is -1"):
        desk.decisions.save_rule(
            Rule(id="quiet_rule", detector="threshold", title="q", values={"per_client": -1}),
            1,
            "ben",
            NOW,
            "",
        )

    assert first == 1
    assert [(v.version, v.author, v.note) for v in desk.alerts.rule_versions("quiet_rule")] == [
        (1, "ana", "too loud")
    ]


def test_a_file_that_is_not_there_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(StoreBusy, match="start the collector"):
        Decisions(tmp_path / "nowhere.db")
