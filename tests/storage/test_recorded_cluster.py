"""A recorded Kong cluster, decoded and stored: every number against what clients saw, and no secret kept."""

from __future__ import annotations

import csv
import gzip
import itertools
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest

from collector.wire.http_log import decode_http_log
from collector.wire.recorded import decode_recorded
from domain.redaction import redact
from storage.batches import Batch, Written
from storage.packing import unpack_payload
from storage.sqlite_reader import SqliteReader
from storage.sqlite_store import SqliteStore
from tests.storage.filling import one, opened, rows
from tests.storage.recount import stored_activity, stored_cells

pytestmark = pytest.mark.e2e
"""All of a recording takes seconds."""
GROUP = 64
"""Posts in one transaction, as many as may wait for the collector's writer."""


class Recorded(NamedTuple):
    """What was written, and what is known about it from elsewhere."""

    path: Path
    entries: dict[str, dict[str, Any]]
    """Log entries by request id, the first of each."""
    truth: dict[str, Any]
    limited_ids: set[str]
    """Requests that their clients saw refused by a limit, and whose entry Kong did not lose, and those whose
    answer was broken on the wire (the trace's README, quirk 5)."""
    first: list[Written]
    certain_at_first: set[str]
    """As judged from the log alone."""


def posts(alpha: Path) -> Iterator[tuple[int, Any]]:
    """(received at, body) of every recorded POST, in order of arrival."""
    with gzip.open(alpha / "http-log.jsonl.gz") as lines:
        for line in lines:
            post = orjson.loads(line)
            yield round(post["received_at"] * 1000), post["body"]


def store_all(store: SqliteStore, alpha: Path) -> list[Written]:
    """Write every POST as the HTTP intake does."""
    batches = (
        Batch(
            source="http-log",
            way="http-log",
            received_ms=received_ms,
            decoded=decode_http_log(orjson.dumps(body), received_ms=received_ms),
        )
        for received_ms, body in posts(alpha)
    )
    written = []
    while group := list(itertools.islice(batches, GROUP)):
        written += store.write(group)
    return written


@pytest.fixture(scope="module")
def recorded(alpha: Path, tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    path = tmp_path_factory.mktemp("recorded") / "g.db"
    with opened(path) as store:
        first = store_all(store, alpha)
        certain = _certain(path)
        for name in ("kong-events", "admin-polls"):
            store.write(list(_recorded_batches(alpha / f"{name}.jsonl.gz")))
        store.settle()
    entries: dict[str, dict[str, Any]] = {}
    for _, body in posts(alpha):
        for entry in body if isinstance(body, list) else [body]:
            entries.setdefault(entry["request"]["id"], entry)
    with gzip.open(alpha / "truth-requests.csv.gz", "rt") as lines:
        answered = {row["request_id"]: row for row in csv.DictReader(lines)}
    limited = {key for key, row in answered.items() if row["limited_by_kong"] == "1"} & entries.keys()
    broken = {key for key in entries.keys() - answered.keys() if entries[key]["response"]["status"] == 429}
    truth = json.loads((alpha / "truth.json").read_text(encoding="utf-8"))
    return Recorded(path, entries, truth, limited | broken, first, certain)


def _recorded_batches(path: Path) -> Iterator[Batch]:
    with gzip.open(path) as lines:
        for number, line in enumerate(lines):
            received_ms = round(orjson.loads(line)["ts"] * 1000)
            decoded = decode_recorded(line, received_ms=received_ms, place=f"{path.name}:{number}")
            yield Batch(source="recorded", way="replay", received_ms=received_ms, decoded=decoded)


def _certain(path: Path) -> set[str]:
    return {key for (key,) in rows(path, "SELECT request_id FROM violations WHERE certainty = 'certain'")}


def test_exactly_the_requests_that_clients_saw_refused_are_violations(recorded: Recorded) -> None:
    stored = [request_id for (request_id,) in rows(recorded.path, "SELECT request_id FROM violations")]

    assert len(stored) == len(set(stored)) == recorded.truth["http_log_check"]["limited_in_log"] == 2_375
    assert set(stored) == recorded.limited_ids


@pytest.mark.parametrize("dimension", ["consumer", "ip"])
def test_violations_of_each_consumer_and_address_are_those_of_the_truth(
    recorded: Recorded, dimension: str
) -> None:
    key = {"consumer": "consumer_id", "ip": "ip"}[dimension]
    expected = {row[key]: row["total"] for row in recorded.truth["limited_by_kong"][f"by_{dimension}"]}
    # what Kong lost with a killed node, and what clients could not read: told by the trace's README
    for name, (_, logged) in recorded.truth["http_log_check"]["differences_truth_vs_log"][dimension].items():
        expected[name] = logged

    stored = dict(rows(recorded.path, f"SELECT {key}, count(*) FROM violations GROUP BY 1"))

    assert stored == {name: n for name, n in expected.items() if n}


def test_violations_of_each_service_and_route_are_those_of_the_log(recorded: Recorded) -> None:
    for kind in ("service", "route"):
        expected = Counter(recorded.entries[key][kind]["id"] for key in recorded.limited_ids)
        query = (
            "SELECT k.value, sum(limited + probable) FROM activity a JOIN keys k ON k.key_id = a.key"
            " WHERE res = 3 AND a.dim = ? GROUP BY 1"
        )
        stored = dict(rows(recorded.path, query, {"service": 4, "route": 5}[kind]))
        assert {key: n for key, n in stored.items() if n} == dict(expected)


def test_no_refusal_of_the_upstream_or_of_another_plugin_is_certain(recorded: Recorded) -> None:
    certain = _certain(recorded.path) | recorded.certain_at_first
    upstream = {key for key, entry in recorded.entries.items() if entry.get("upstream_status") == "429"}
    ended = {
        key
        for key, entry in recorded.entries.items()
        if entry["response"]["status"] == 429 and key not in recorded.limited_ids
    } - upstream

    assert (len(upstream), len(ended)) == (124, 99)
    assert not certain & (upstream | ended)
    assert one(recorded.path, "SELECT sum(upstream_429) FROM activity WHERE res = 2 AND dim = 0") == 124


def test_once_the_plugins_are_known_nothing_is_left_in_doubt(recorded: Recorded) -> None:
    """Refusals with hidden headers look like another plugin's until the configuration tells."""
    assert len(recorded.certain_at_first) == 2_041
    assert _certain(recorded.path) == recorded.limited_ids


def test_every_request_counts_once_by_status(recorded: Recorded) -> None:
    statuses = Counter(
        "violation" if key in recorded.limited_ids else _class_of(entry)
        for key, entry in recorded.entries.items()
    )
    (stored,) = rows(
        recorded.path,
        "SELECT sum(requests), sum(limited + probable), sum(s2xx), sum(s3xx), sum(s401), sum(s4xx),"
        " sum(s5xx), sum(upstream_429) FROM activity WHERE res = 1 AND dim = 0",
    )

    names = ("violation", "s2xx", "s3xx", "s401", "s4xx", "s5xx", "upstream_429")
    assert stored == (len(recorded.entries), *(statuses[name] for name in names))
    assert statuses["s401"] == recorded.truth["totals"]["by_status"]["401"]


def _class_of(entry: dict[str, Any]) -> str:
    status = entry["response"]["status"]
    if entry.get("upstream_status") == "429" and status == 429:
        return "upstream_429"
    return "s401" if status == 401 else f"s{status // 100}xx"


def test_totals_agree_in_every_dimension_and_resolution(recorded: Recorded) -> None:
    activity = stored_activity(recorded.path)
    requests = {
        res: sum(
            n.get("requests", 0) for (found, dim, _, _), n in activity.items() if (found, dim) == (res, "ALL")
        )
        for res in range(4)
    }

    assert requests == dict.fromkeys(range(4), len(recorded.entries))
    assert stored_cells(recorded.path) == activity


def test_resent_entries_are_duplicates(recorded: Recorded) -> None:
    check = recorded.truth["http_log_check"]

    assert sum(written.duplicates for written in recorded.first) == check["duplicate_entries"] == 354
    assert sum(written.quarantined for written in recorded.first) == 0
    assert sum(written.events + written.traffic for written in recorded.first) == check["unique_request_ids"]


def test_names_are_those_of_their_time(recorded: Recorded) -> None:
    stored = dict(rows(recorded.path, "SELECT request_id, consumer FROM violations"))

    for key, name in stored.items():
        consumer = recorded.entries[key].get("consumer") or {}
        assert name == (consumer.get("username") or consumer.get("custom_id"))


def test_every_tenth_payload_is_its_entry_redacted(recorded: Recorded) -> None:
    """Ids that columns hold are left out of a stored payload; a reader puts them in again."""
    reader = SqliteReader(recorded.path, deadline_ms=10_000)
    try:
        details = [reader.event(seq) for seq in range(1, 2_400, 10)]
    finally:
        reader.close()

    for detail in details:
        assert detail is not None
        assert detail.payload == redact(recorded.entries[str(detail.row.request_id)])


def test_writing_everything_again_adds_nothing(recorded: Recorded, alpha: Path) -> None:
    before = _everything(recorded.path)
    with opened(recorded.path) as store:
        again = store_all(store, alpha)

    assert sum(written.events + written.traffic for written in again) == 0
    assert _everything(recorded.path) == before


def _everything(path: Path) -> dict[str, list[Any]]:
    tables = (
        "events",
        "event_details",
        "payloads",
        "activity",
        "cells",
        "kind_counts",
        "entity_names",
        "keys",
    )
    return {table: rows(path, f"SELECT * FROM {table}") for table in tables}


def secrets(alpha: Path) -> set[bytes]:
    """Every API key of the trace, from wherever it shows."""
    found = {
        str(value).encode()
        for _, body in posts(alpha)
        for entry in (body if isinstance(body, list) else [body])
        for part in ("headers", "querystring")
        if (value := (entry["request"].get(part) or {}).get("apikey"))
    }
    with gzip.open(alpha / "admin-polls.jsonl.gz") as lines:
        for line in lines:
            poll = orjson.loads(line)
            if poll["path"].startswith("/key-auths") and isinstance(poll.get("body"), dict):
                found |= {str(one["key"]).encode() for one in poll["body"].get("data", [])}
    return found


def test_no_api_key_is_anywhere_in_the_file(recorded: Recorded, alpha: Path) -> None:
    canaries = secrets(alpha)
    files = [recorded.path, recorded.path.with_name(recorded.path.name + "-wal")]
    raw = b"".join(path.read_bytes() for path in files if path.exists())
    payloads = b"".join(
        orjson.dumps(unpack_payload(body)) for (body,) in rows(recorded.path, "SELECT body FROM payloads")
    )

    assert len(canaries) >= 40
    assert [key for key in canaries if key in raw] == []
    assert [key for key in canaries if key in payloads] == []
    assert b'"apikey":"[redacted]"' in payloads.replace(b'": "', b'":"')
