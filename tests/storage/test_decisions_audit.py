"""Decisions about alerts stand in the audit trail, without the words that may name people."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from domain.incidents import State
from storage.audit_trail import digest_of, verify
from storage.decisions import Decisions, Outrun
from tests.storage.filling import opened, rows, stored_again

NOTE = "it is 203.0.113.7 again"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "g.db"
    with opened(found):
        pass
    with contextlib.closing(stored_again(found)) as connection:
        connection.execute(
            "INSERT INTO alert_incidents VALUES (7, 'f', 1, 'r', 'd', 's', 'low', 'ip', 'x', 'x', 1, 1,"
            " NULL, 1, 'why', ?, NULL, '', NULL, NULL, NULL, 0, 0, '', '{}')",
            (State.OPEN.value,),
        )
    return found


def test_who_decided_what_and_when_is_chained(path: Path) -> None:
    with Decisions(path) as decisions:
        decisions.acknowledge(7, State.OPEN, "ana", 10, NOTE)
        decisions.assign(7, "ben", "ana", 11)

    told = rows(path, "SELECT at_ms, who, what, subject, detail FROM audit_trail ORDER BY entry")
    assert [entry[:2] + entry[3:4] for entry in told] == [
        (10, "ana", "incident 7"),
        (11, "ana", "incident 7"),
    ]
    assert told[0][4].endswith(f"; note {digest_of(NOTE)}")
    assert "203.0.113.7" not in str(told)
    assert [chain.problem for chain in verify(path)] == ["", ""]


def test_a_decision_that_came_too_late_leaves_no_entry(path: Path) -> None:
    with Decisions(path) as decisions:
        decisions.acknowledge(7, State.OPEN, "ana", 10)
        with pytest.raises(Outrun):
            decisions.acknowledge(7, State.OPEN, "ben", 11)

    assert rows(path, "SELECT who FROM audit_trail") == [("ana",)]
