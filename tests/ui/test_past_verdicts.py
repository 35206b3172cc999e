"""What people said of past incidents, as a limit learns from it."""

from __future__ import annotations

from typing import Any

import pytest

from domain.incidents import Incident
from domain.rules import Severity
from domain.what_if import Counts
from domain.windows import Window
from storage.alert_rows import StoredIncident
from ui.past_verdicts import judged

COUNTS = Counts(
    by={"c1": {}, "c2": {}}, labels={"c1": "acme", "c2": "bolt"}, bucket_ms=60_000, window=Window(0, 600_000)
)


def incident(verdict: str | None = "real", **given: Any) -> StoredIncident:
    fields: dict[str, Any] = {
        "fingerprint": "f", "rule": "burst", "detector": "burst", "shape": "burst", "severity": Severity.HIGH,
        "entity_type": "consumer", "entity_id": "c1", "entity": "acme", "opened_ms": 50, "from_ms": 10,
        "last_ms": 90, "count": 5, "why": "w",
    }  # fmt: skip
    return StoredIncident(incident_id=1, incident=Incident(**{**fields, **given}), verdict=verdict)


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (incident(), [("c1", 10, 90, True)]),
        (incident("benign"), [("c1", 10, 90, False)]),
        (incident("false"), [("c1", 10, 90, False)]),
        (incident("test"), []),
        (incident(None), []),
        (incident(entity_id="acme"), [("c1", 10, 90, True)]),
        (incident(entity_id="c9", entity="none of them"), []),
        (incident(entity_type="ip", entity_id="203.0.113.7", entity="203.0.113.7"), []),
        (incident(entity_type="service", entity_id="s1", entity="orders"), [(None, 10, 90, True)]),
        (incident(entity_type="service", entity_id="s2", entity="search"), []),
        (incident(entity_type="node", entity_id="n", entity="n"), []),
        (incident(last_ms=10), [("c1", 10, 11, True)]),
    ],
)
def test_only_a_verdict_on_those_who_are_counted_says_something(
    stored: StoredIncident, expected: list[tuple[str | None, int, int, bool]]
) -> None:
    found = judged([stored], COUNTS, "consumer", {"service_id": "s1"})

    assert [(j.who, j.from_ms, j.to_ms, j.is_real) for j in found] == expected
