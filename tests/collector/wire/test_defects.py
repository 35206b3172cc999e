"""A decoder of ours that fails: one message is set aside with the reason, and those behind it are read."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from collector.wire.generic import decode_generic
from collector.wire.http_log import decode_http_log
from collector.wire.stream import decode_stream_items
from domain.errors import DEFECT

NOW_MS = 1_795_384_700_000
ENTRY = {"response": {"status": 429, "headers": {"retry-after": "1"}}, "source": "kong"}


def entry(request_id: str) -> dict[str, Any]:
    """A refusal with an id."""
    return ENTRY | {"request": {"id": request_id}}


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on answers of a limit, and what tells of violations, cannot be read."""

    def fail(*_arguments: Any, **_named: Any) -> Any:
        raise TypeError("unhashable type: 's3cret'")

    monkeypatch.setattr("collector.wire.http_log._add_answer", fail)
    monkeypatch.setattr("collector.wire.own_events.violation", fail)
    monkeypatch.setattr("collector.wire.generic.violation", fail)


@pytest.mark.usefixtures("broken")
def test_an_item_of_a_stream_is_set_aside_and_its_neighbours_are_read() -> None:
    bad = {"kind": "rate-limiting", "event": "exceeded", "id": "1"}
    good = {"kind": "plugin", "event": "e", "id": "2"}

    first, entry_of_kong, last = decode_stream_items(
        [bad, {"kind": "http-log", "entry": entry("r")}, good], received_ms=NOW_MS
    )

    assert [event.id for event in last.events] == ["2"]
    for part in (first, entry_of_kong):
        assert part.events == []
        assert [
            bad.why.startswith("stream item: reading it failed (TypeError") for bad in part.quarantined
        ] == [True]
        assert DEFECT in part.quarantined[0].why
        assert "s3cret" not in part.quarantined[0].why


@pytest.mark.usefixtures("broken")
def test_a_log_entry_is_set_aside_and_its_neighbours_are_counted() -> None:
    passed = {"response": {"status": 200}, "request": {"id": "r2"}}

    decoded = decode_http_log(orjson.dumps([entry("r1"), passed]), received_ms=NOW_MS)

    assert len(decoded.traffic) == 1
    assert [bad.why.partition(" (")[0] for bad in decoded.quarantined] == [
        "http_log entry 1 of 2: reading it failed"
    ]


@pytest.mark.usefixtures("broken")
def test_an_alert_among_others_is_set_aside() -> None:
    alerts = [{"event_type": "rate_limit_exceeded", "consumer": "a"}, {"event_type": "other"}]

    decoded = decode_generic(orjson.dumps(alerts), received_ms=NOW_MS)

    assert [event.event for event in decoded.events] == ["other"]
    assert [DEFECT in bad.why for bad in decoded.quarantined] == [True]
