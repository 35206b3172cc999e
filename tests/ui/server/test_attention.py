from __future__ import annotations

from typing import Any

import pytest

from domain.detectors.findings import Severity
from domain.incidents import Incident, State
from domain.windows import MINUTE_MS, Window
from storage.alert_rows import StoredIncident
from tests.ui.scripted_reader import NOW_MS
from ui import wording
from ui.server.attention import MOST_SHOWN, NoAlerts, alert_markers, attention, mark_of_alerts


def incident(number: int = 1, **changes: Any) -> StoredIncident:
    values: dict[str, Any] = {
        "fingerprint": f"shared-key|consumer|c-{number}",
        "rule": "shared-key",
        "detector": "shared-key",
        "shape": "one key, many addresses",
        "severity": Severity.CRITICAL,
        "entity_type": "consumer",
        "entity_id": "c-1",
        "entity": "acme-mobile",
        "opened_ms": NOW_MS - MINUTE_MS,
        "from_ms": NOW_MS - 3 * MINUTE_MS,
        "last_ms": NOW_MS,
        "count": 417,
        "why": "acme-mobile refused 417 times from 15 addresses",
    }
    return StoredIncident(incident_id=number, incident=Incident(**(values | changes)))


def test_no_alert_is_said_as_well() -> None:
    assert attention(NoAlerts().live()) == {
        "open": 0,
        "critical": 0,
        "words": "no open alert",
        "more": 0,
        "rows": [],
    }


def test_the_worst_stand_above_the_numbers_and_the_rest_is_counted() -> None:
    live = [incident(1), *(incident(n, severity=Severity.HIGH) for n in range(2, MOST_SHOWN + 4))]

    found = attention(live)

    assert [row["id"] for row in found["rows"]] == list(range(1, MOST_SHOWN + 1))
    assert (found["more"], found["words"]) == (3, f"{len(live)} alerts open (1 critical)")
    assert (found["rows"][0]["icon"], found["rows"][0]["word"]) == wording.SEVERITIES["critical"]


@pytest.mark.parametrize(
    "changes", [{"state": State.ACKNOWLEDGED}, {"state": State.SILENCED}, {"severity": Severity.INFORMATION}]
)
def test_what_somebody_has_taken_or_is_calm_needs_nobody(changes: dict[str, Any]) -> None:
    assert attention([incident(**changes)])["rows"] == []


def test_what_is_not_known_any_more_stays_and_says_so() -> None:
    (row,) = attention([incident(state=State.UNKNOWN)])["rows"]

    assert row["word"] == "Critical, not known any more"


def test_texts_are_shown_harmlessly() -> None:
    (row,) = attention([incident(why="a\u202e<b>\n", entity="s\u200b")])["rows"]

    assert row["sentence"] == "a\\u202e<b>\\n"
    assert row["shape"].startswith("s\\u200b, ")


def test_alerts_are_marked_where_they_were_raised_oldest_first() -> None:
    window = Window(NOW_MS - 10 * MINUTE_MS, NOW_MS)
    rows = [incident(2), incident(1, opened_ms=NOW_MS - 5 * MINUTE_MS), incident(3, opened_ms=0)]

    marks = alert_markers(rows, window)

    assert [(m.kind, m.at_ms) for m in marks] == [
        ("alert", NOW_MS - 5 * MINUTE_MS),
        ("alert", NOW_MS - MINUTE_MS),
    ]
    assert marks[0].text == "Critical alert: acme-mobile refused 417 times from 15 addresses"


def test_every_severity_has_an_icon_and_a_word_of_its_own() -> None:
    assert set(wording.SEVERITIES) == {str(severity) for severity in Severity}
    assert len(set(wording.SEVERITIES.values())) == len(Severity)


def test_a_change_of_an_alert_is_news() -> None:
    first = mark_of_alerts([incident()])

    assert first == mark_of_alerts([incident()])
    assert first != mark_of_alerts([incident(state=State.ACKNOWLEDGED)])
    assert first != mark_of_alerts([])
