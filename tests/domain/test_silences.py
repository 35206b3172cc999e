from __future__ import annotations

import pytest

from domain.detectors.findings import Severity
from domain.incidents import Incident
from domain.rules import Who
from domain.silences import Silence, active_for, problem

NOW = 1_000_000
INCIDENT = Incident(
    fingerprint="r|consumer|c-1", rule="r", detector="threshold", shape="s", severity=Severity.HIGH,
    entity_type="consumer", entity_id="c-1", entity="acme", opened_ms=NOW, from_ms=NOW, last_ms=NOW, count=1,
    why="",
)  # fmt: skip


def silence(**fields: object) -> Silence:
    given = {
        "silence_id": 1, "from_ms": NOW - 1, "until_ms": NOW + 1_000, "author": "ana", "reason": "load test",
    }  # fmt: skip
    return Silence(**{**given, **fields})  # type: ignore[arg-type]


MATCHES = {
    "everything": ({}, True),
    "its rule": ({"rules": ("r",)}, True),
    "another rule": ({"rules": ("q",)}, False),
    "its name": ({"whom": (Who("consumer", "acme"),)}, True),
    "its id": ({"whom": (Who("consumer", "c-1"),)}, True),
    "somebody else": ({"whom": (Who("consumer", "globex"),)}, False),
    "the same name of another kind": ({"whom": (Who("ip", "acme"),)}, False),
    "only what is less bad": ({"up_to": Severity.NOTICE}, False),
}


@pytest.mark.parametrize("label", MATCHES)
def test_a_silence_mutes_what_all_its_matchers_match(label: str) -> None:
    fields, expected = MATCHES[label]

    assert silence(**fields).matches(INCIDENT) is expected


def test_a_silence_holds_from_its_beginning_up_to_its_end() -> None:
    held = silence()

    assert [held.is_active(at) for at in (NOW - 2, NOW - 1, NOW + 999, NOW + 1_000)] == [
        False,
        True,
        True,
        False,
    ]


def test_of_several_the_one_that_ends_last_is_named() -> None:
    later = silence(silence_id=2, until_ms=NOW + 5_000)

    assert active_for([silence(), later], INCIDENT, NOW) == later
    assert active_for([silence(rules=("q",))], INCIDENT, NOW) is None


PROBLEMS = {
    "no reason": ({"reason": " "}, "a silence needs a reason"),
    "no author": ({"author": ""}, "a silence needs an author"),
    "an end in the past": ({"until_ms": NOW - 1}, "a silence must end after it begins, and in the future"),
    "for ever": ({"until_ms": NOW + 40 * 86_400_000}, "a silence lasts at most 30 days"),
    "nothing": ({}, None),
}


@pytest.mark.parametrize("label", PROBLEMS)
def test_a_silence_has_an_author_a_reason_and_an_end(label: str) -> None:
    fields, expected = PROBLEMS[label]

    assert problem(silence(**fields), NOW) == expected


def test_its_author_is_warned_in_its_last_quarter_of_an_hour() -> None:
    held = silence(until_ms=NOW + 20 * 60_000)

    assert not held.ends_soon(NOW)
    assert held.ends_soon(NOW + 6 * 60_000)
