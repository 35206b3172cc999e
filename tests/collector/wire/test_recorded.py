from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from collector.wire.recorded import decode_recorded
from domain.errors import DecodeError
from domain.events import Decoded

NOW_MS = 1_795_384_700_000
AT_S = 1_795_384_634.5
FOLDER = Path(__file__).parents[2] / "fixtures/payloads"


def payload(name: str) -> Any:
    return orjson.loads((FOLDER / f"{name}.json").read_bytes())


LIMITED = payload("http-log.rate-limiting.429.consumer")
HOOK = payload("event-hook.balancer.health.unhealthy")
ALERT = {"event_type": "rate_limit_exceeded", "consumer": "acme"}
CAPTURED = {
    "ts": AT_S,
    "kind": "worker_event",
    "node": "n1",
    "source": "mlcache",
    "event": "mlcache:purge:c",
    "data": "",
}
ABOUT = {"node_id": "n1", "hostname": "h"}


def decoded(line: Any, place: str = "f:1", run: str = "") -> Decoded:
    return decode_recorded(orjson.dumps(line), received_ms=NOW_MS, place=place, run=run)


LINES: list[tuple[str, Any, list[str]]] = [
    ("a log entry", LIMITED, ["exceeded"]),
    ("an array of log entries", [LIMITED, LIMITED], ["exceeded", "exceeded"]),
    (
        "a recorded POST of http-log",
        {"received_at": AT_S, "path": "/ingest/kong", "body": LIMITED},
        ["exceeded"],
    ),
    ("a recorded POST of http-log, batched", {"received_at": AT_S, "body": [LIMITED]}, ["exceeded"]),
    ("a recorded POST as text", {"received_at": AT_S, "body": orjson.dumps(LIMITED).decode()}, ["exceeded"]),
    (
        "a POST to our http-log intake",
        {"received_at": AT_S, "path": "/intake/http-log", "body": [LIMITED]},
        ["exceeded"],
    ),
    (
        "a POST to our hook intake",
        {"received_at": AT_S, "path": "/intake/event-hooks", "body": HOOK},
        ["target_unhealthy"],
    ),
    (
        "a POST to our generic intake",
        {"received_at": AT_S, "path": "/intake/events", "body": ALERT},
        ["exceeded"],
    ),
    (
        "a POST that only its header names",
        {
            "received_at": AT_S,
            "path": "/intake/events",
            "headers": {"X-Kong-Event": "quota"},
            "body": {"consumer": "a"},
        },
        ["quota"],
    ),
    ("a recorded hook", {"received_at": AT_S, "body": HOOK}, ["target_unhealthy"]),
    ("a hook's body", HOOK, ["target_unhealthy"]),
    (
        "what the log handler writes",
        {"source": "balancer", "event": "health", "pid": 1, "data": HOOK},
        ["target_unhealthy"],
    ),
    ("a captured event", CAPTURED, ["purged"]),
    ("a bare worker event", payload("worker-event.mlcache.purge"), ["purged"]),
    ("a cluster event", payload("cluster-event.invalidations"), ["invalidated"]),
    ("an alert", ALERT, ["exceeded"]),
    ("an array of alerts", [ALERT, {"kind": "plugin", "event": "x"}], ["exceeded", "x"]),
    ("our own event", {"kind": "cluster", "event": "node_lost"}, ["node_lost"]),
    ("an item of the stream", {"kind": "http-log", "entry": LIMITED}, ["exceeded"]),
    ("a log entry with its node", {"node": "n1", "entry": LIMITED}, ["exceeded"]),
    (
        "a frame of the stream",
        {"t": "batch", "first": 1, "events": [{"kind": "plugin", "event": "x"}]},
        ["x"],
    ),
    ("an Admin API answer", {"ts": AT_S, "node": "a", "path": "/", "http_status": 200, "body": ABOUT}, []),
]


@pytest.mark.parametrize(("line", "events"), [row[1:] for row in LINES], ids=[row[0] for row in LINES])
def test_a_line_is_recognised_by_its_shape(line: Any, events: list[str]) -> None:
    found = decoded(line)

    assert [event.event for event in found.events] == events
    assert found.quarantined == []


def test_an_admin_api_answer_tells_who_was_asked_where() -> None:
    line = {"ts": AT_S, "node": "a", "path": "/", "http_status": 200, "err": None, "body": ABOUT}

    [seen] = decoded(line).nodes

    assert (seen.node, seen.address, seen.at_ms, seen.answered) == ("n1", "a", 1_795_384_634_500, True)


@pytest.mark.parametrize(
    ("status", "err", "why"),
    [(None, "ClientConnectorError", "ClientConnectorError"), (503, None, "it answers HTTP 503")],
)
def test_an_answer_that_did_not_come_is_a_silence(status: int | None, err: str | None, why: str) -> None:
    line = {"ts": AT_S, "node": "b", "path": "/", "http_status": status, "err": err, "body": None}

    [seen] = decoded(line).nodes

    assert (seen.answered, seen.why, seen.address) == (False, why, "b")
    assert decoded({**line, "path": "/status"}).nodes == []


def test_equal_lines_are_two_events_where_their_places_are_known() -> None:
    ids = {decoded(CAPTURED, place).events[0].id for place in ("f:1", "f:2")}

    assert len(ids) == 2


def test_equal_lines_without_a_place_are_the_same() -> None:
    assert decoded(CAPTURED, "").events[0].id == decoded(CAPTURED, "").events[0].id


@pytest.mark.parametrize(
    "line", [CAPTURED, HOOK, ALERT | {"timestamp": AT_S}, payload("worker-event.dao-crud.update")]
)
def test_a_recording_whose_times_were_moved_makes_new_events(line: Any) -> None:
    """Its places say so, or the run does."""
    ids = {decoded(line, f"f:1{run}", run).events[0].id for run in ("", "-18f")}

    assert len(ids) == 2


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "recorded line: not JSON (Input is a zero-length, empty document, at byte 0): nothing"),
        (b"5", "recorded line: found 5, expected an object or an array"),
        (b'"x"', "recorded line: found 'x', expected an object or an array"),
        (b"{}", "recorded line: found no kind, event_type or entity, expected one of them"),
        (b'{"received_at": 5, "body": "x"}', None),
        (
            b'{"received_at": 5, "path": "/intake/event-hooks", "body": [1]}',
            "recorded line: body is a list of 1, expected an object",
        ),
        (b'{"ts": 5, "path": "/", "http_status": 200, "body": null}', "admin /: expected an object"),
    ],
)
def test_a_line_that_is_nothing_we_know_is_refused(raw: bytes, message: str | None) -> None:
    with pytest.raises(DecodeError) as refused:
        decode_recorded(raw, received_ms=NOW_MS)

    assert message in (None, str(refused.value))
