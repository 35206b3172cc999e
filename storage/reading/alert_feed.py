"""What the evaluation of rules reads: totals by bucket, and the rare events one by one, in bounded bites."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from storage.codes import FIRST_KEY, KIND_CODES, Dim, Outcome
from storage.packing import load_json, unpack_payload
from storage.reading.snapshot import Snapshot
from storage.reading.words import as_list

PASSED, REFUSED, REFUSED_ASIDE, UNAUTHORIZED, FAILED = range(5)
"""How a request ended, in the order of `domain.detectors.tracks.Outcome`."""
_OUTCOMES: dict[int, int] = {
    Outcome.LIMITED: REFUSED,
    Outcome.PROBABLE: REFUSED,
    Outcome.LIMITED_ASIDE: REFUSED_ASIDE,
    Outcome.PROBABLE_ASIDE: REFUSED_ASIDE,
    Outcome.UNAUTHORIZED: UNAUTHORIZED,
    Outcome.SERVER_ERROR: FAILED,
}
OUTCOME_OF = tuple(_OUTCOMES.get(code, PASSED) for code in range(max(Outcome) + 1))

CellRow = tuple[int, int, str | None, int, int, int, int, int]
"""combination, consumer, address, service, route, limit, outcome as stored, how many"""
_CELLS = """
SELECT c.combo, b.consumer, CASE WHEN b.ip > 1 THEN i.value END,
    b.service, b.route, b.limit_key, b.outcome, c.n
FROM cells c JOIN combos b ON b.combo = c.combo JOIN keys i ON i.key_id = b.ip
WHERE c.res = ? AND c.bucket_s = ? AND c.combo > ? ORDER BY c.combo LIMIT ?"""
_RARE = """
SELECT e.seq, e.at_ms, e.kind, t.event, CASE WHEN e.node > 1 THEN n.value END, e.source,
    et.value, d.entity_id, d.entity_name, op.value, a.value, u.value, tg.value, d.key_masked,
    d.before, d.after
FROM events e
JOIN event_types t ON t.type_id = e.type_id
JOIN keys n ON n.key_id = e.node
LEFT JOIN event_details d ON d.seq = e.seq
LEFT JOIN keys et ON et.key_id = d.entity_type
LEFT JOIN keys op ON op.key_id = d.operation
LEFT JOIN keys a ON a.key_id = d.actor
LEFT JOIN keys u ON u.key_id = d.upstream
LEFT JOIN keys tg ON tg.key_id = d.target
WHERE {where} AND (t.event IN ('target_healthy', 'target_unhealthy', 'invalidated') OR e.kind = 4)
ORDER BY {order} LIMIT {limit}"""
MOST_RARE = 20_000
MOST_DIGITS = 9
"""Of a Retry-After that is a number: thirty years."""


class RareEvent(NamedTuple):
    """A change, a target's health or an invalidated key."""

    seq: int
    at_ms: int
    kind: int
    event: str
    node: str | None
    source: int
    entity_type: str | None
    entity_id: str | None
    entity_name: str | None
    operation: str | None
    actor: str | None
    upstream: str | None
    target: str | None
    key_masked: str | None
    before: str | None
    after: str | None


class SampleRow(NamedTuple):
    """One refusal behind a finding."""

    seq: int
    at_ms: int
    status: int | None
    retry_after_s: int | None
    has_limit_headers: bool | None


def read_bucket_totals(snapshot: Snapshot, res: int, from_s: int, to_s: int) -> dict[int, int]:
    """Start of bucket -> what was counted in it, for those with anything; to notice what changed."""
    return dict(
        snapshot.rows(
            "SELECT bucket_s, requests * 7 + limited * 3 + probable * 5 + s401 FROM activity"
            " WHERE res = ? AND dim = ? AND bucket_s >= ? AND bucket_s < ?",
            (res, Dim.ALL, from_s, to_s),
        )
    )


def read_extent(snapshot: Snapshot, res: int) -> tuple[int, int] | None:
    """The first and the last bucket of a resolution that hold anything, in seconds."""
    row = snapshot.row(
        "SELECT min(bucket_s), max(bucket_s) FROM activity WHERE res = ? AND dim = ?", (res, Dim.ALL)
    )
    return None if row is None or row[0] is None else (row[0], row[1])


def read_cells(snapshot: Snapshot, res: int, bucket_s: int, after_combo: int, limit: int) -> list[CellRow]:
    """Combinations of one bucket, in order of their number, from the one after `after_combo` on."""
    return snapshot.rows(_CELLS, (res, bucket_s, after_combo, limit))


def read_rare_after(snapshot: Snapshot, seq: int, upto: int) -> list[RareEvent]:
    """Rare events by arrival: those after `seq`, up to and including `upto`."""
    query = _RARE.format(
        where="e.seq > ? AND e.seq <= ? AND +e.kind IN (2, 3, 4)", order="e.seq", limit=MOST_RARE
    )
    return [RareEvent(*row) for row in snapshot.rows(query, (seq, upto))]


def read_rare_between(snapshot: Snapshot, from_ms: int, to_ms: int) -> list[RareEvent]:
    """Rare events by when they happened, half-open."""
    found: list[RareEvent] = []
    for kind in (KIND_CODES["cluster"], KIND_CODES["cache"], KIND_CODES["crud"]):
        query = _RARE.format(
            where="e.kind = ? AND e.kind > 1 AND e.at_ms >= ? AND e.at_ms < ?",
            order="e.at_ms, e.seq",
            limit=MOST_RARE,
        )
        found += [RareEvent(*row) for row in snapshot.rows(query, (kind, from_ms, to_ms))]
    return sorted(found, key=lambda event: (event.at_ms, event.seq))


def read_last_seq(snapshot: Snapshot) -> int:
    """The arrival number of the newest event."""
    return int(snapshot.value("SELECT coalesce(max(seq), 0) FROM events"))


def read_states(snapshot: Snapshot) -> list[tuple[str, int, str, str]]:
    """(node, since, state, reason), oldest first."""
    return snapshot.rows("SELECT node, at_ms, state, reason FROM node_states ORDER BY at_ms, node, state")


def read_node_facts(snapshot: Snapshot) -> dict[str, tuple[str, str | None, int | None]]:
    """Node -> (its name, the node that took its place, when its certificate ends)."""
    found = {}
    for node, hostname, body in snapshot.rows("SELECT node, hostname, body FROM known_nodes"):
        more = load_json(body)
        more = more if isinstance(more, dict) else {}
        facts = more.get("facts") or {}
        found[node] = (hostname or node, more.get("replaced_by"), facts.get("certificate_expires_ms"))
    return found


def read_target_names(snapshot: Snapshot) -> list[tuple[str, str, int]]:
    """(upstream, target, when a node first told of it) as far as they are known."""
    return snapshot.rows(
        "SELECT upstream, target, min(first_ms) FROM known_targets GROUP BY upstream, target"
        " ORDER BY upstream, target LIMIT 100000"
    )


def read_last_rare_ms(snapshot: Snapshot) -> int | None:
    """When the newest change, sign of health or invalidation happened; None without any."""
    kinds = (KIND_CODES["cluster"], KIND_CODES["cache"], KIND_CODES["crud"])
    found = [
        snapshot.value("SELECT max(at_ms) FROM events WHERE kind = ? AND kind > 1", (kind,)) for kind in kinds
    ]
    return max((at_ms for at_ms in found if at_ms is not None), default=None)


def read_gaps(snapshot: Snapshot, from_ms: int, to_ms: int) -> list[tuple[int, int]]:
    """Known gaps that touch a span."""
    return snapshot.rows(
        "SELECT from_ms, to_ms FROM known_gaps WHERE to_ms > ? AND from_ms < ?"
        " ORDER BY from_ms, gap_id LIMIT 5000",
        (from_ms, to_ms),
    )


def read_entity_names(snapshot: Snapshot) -> dict[tuple[str, str], str]:
    """(collection, id) -> the latest name, for what is configured rather than seen: tens to thousands."""
    rows = snapshot.rows(
        "SELECT entity_type, entity_id, name FROM entities WHERE name IS NOT NULL LIMIT 100000"
    )
    return {(entity_type, entity_id): name for entity_type, entity_id, name in rows}


def read_limits(
    snapshot: Snapshot, keys: Iterable[int]
) -> dict[int, tuple[str | None, int | None, int | None]]:
    """Limit -> (name, value, window in seconds)."""
    rows = snapshot.rows(
        "SELECT key_id, limit_name, limit_value, window_s FROM limits"
        " WHERE key_id IN (SELECT value FROM json_each(?))",
        (as_list(keys),),
    )
    return {row[0]: (row[1], row[2], row[3]) for row in rows}


def read_key(snapshot: Snapshot, dim: int, value: str) -> int | None:
    """The number of a word of a dimension; None when it was never seen."""
    found = snapshot.value(
        "SELECT coalesce(same_as, key_id) FROM keys WHERE dim = ? AND value = ?", (dim, value)
    )
    return None if found is None else int(found)


def read_activity(
    snapshot: Snapshot, res: int, dim: int, key: int, from_s: int, to_s: int
) -> list[tuple[int, int, int]]:
    """(start of bucket in seconds, requests, refusals) of one key, oldest first."""
    hint = " INDEXED BY activity_by_key" if dim in {Dim.CONSUMER, Dim.IP} else ""
    more = "dim BETWEEN 1 AND 2 AND " if hint else ""
    return snapshot.rows(
        f"SELECT bucket_s, requests, limited + probable FROM activity{hint} WHERE {more}res = ? AND dim = ?"
        " AND key = ? AND bucket_s >= ? AND bucket_s < ? ORDER BY bucket_s",
        (res, dim, key, from_s, to_s),
    )


def read_known_addresses(
    snapshot: Snapshot, consumer: int, addresses: Sequence[str], before_s: int
) -> frozenset[str]:
    """Which addresses a consumer used in an hour that was over before an instant."""
    if not addresses:
        return frozenset()
    rows = snapshot.rows(
        "SELECT DISTINCT i.value FROM json_each(?) j CROSS JOIN keys i ON i.dim = ? AND i.value = j.value"
        " CROSS JOIN combos b ON b.ip = i.key_id AND b.consumer = ?"
        " CROSS JOIN cells c INDEXED BY cells_by_combo ON c.combo = b.combo AND c.res = 0 AND c.bucket_s < ?"
        " UNION SELECT DISTINCT i.value FROM json_each(?) j"
        " CROSS JOIN keys i ON i.dim = ? AND i.value = j.value"
        " CROSS JOIN combos b ON b.ip = i.key_id AND b.consumer = ?"
        " CROSS JOIN cells c INDEXED BY cells_by_combo ON c.combo = b.combo AND c.res = 2 AND c.bucket_s < ?",
        (
            json.dumps(list(addresses)), Dim.IP, consumer, before_s,
            json.dumps(list(addresses)), Dim.IP, consumer, before_s - 3600,
        ),
    )  # fmt: skip
    return frozenset(value for (value,) in rows)


def read_sample(
    snapshot: Snapshot, column: str, keys: Sequence[int], from_ms: int, to_ms: int, limit: int
) -> list[SampleRow]:
    """Refusals of a consumer or address in a span, newest arrivals first, with what the client was told.

    Looks at no more than 20 times `limit` events, so that a span far back costs no more than a fresh one.
    """
    first, last = _seqs(snapshot, from_ms, to_ms)
    index = "events_by_consumer" if column == "consumer" else "events_by_ip"
    rows = snapshot.rows(
        "SELECT s.seq, s.at_ms, s.status, p.body, j.seq FROM (SELECT l.seq, l.at_ms, l.status FROM"
        f" (SELECT seq, at_ms, status, counted, certainty FROM events INDEXED BY {index}"
        f" WHERE {column} IN (SELECT value FROM json_each(?)) AND {column} > 1"
        " AND seq BETWEEN ? AND ? ORDER BY seq DESC LIMIT ?) l"
        " WHERE l.at_ms >= ? AND l.at_ms < ? AND l.counted = 1 AND l.certainty IN (1, 2)"
        " ORDER BY l.seq DESC LIMIT ?) s"
        " LEFT JOIN payloads p ON p.seq = s.seq LEFT JOIN judgements j ON j.seq = s.seq"
        " ORDER BY s.seq DESC",
        (as_list(k for k in keys if k >= FIRST_KEY), first, last, 20 * limit, from_ms, to_ms, limit),
    )
    return [SampleRow(row[0], row[1], row[2], *_told(row[3], row[4])) for row in rows]


def _seqs(snapshot: Snapshot, from_ms: int, to_ms: int) -> tuple[int, int]:
    """Between which arrival numbers the events of a span lie."""
    row = snapshot.row(
        "SELECT min(block) << 10, ((max(block) + 1) << 10) - 1 FROM event_blocks"
        " WHERE max_at_ms >= ? AND min_at_ms < ?",
        (from_ms, to_ms),
    )
    return (0, -1) if row is None or row[0] is None else (row[0], row[1])


def _told(body: bytes | None, came_bare: int | None) -> tuple[int | None, bool | None]:
    """What Retry-After said, and whether the answer showed a limit at all."""
    if body is None:
        return None, None if came_bare is None else False
    entry = unpack_payload(body)
    response = entry.get("response") if isinstance(entry, dict) else None
    headers = response.get("headers") if isinstance(response, dict) else None
    if not isinstance(headers, dict):
        return None, None
    wait = str(headers.get("retry-after"))
    seconds = int(wait) if wait.isascii() and wait.isdigit() and len(wait) <= MOST_DIGITS else None
    shows = any("ratelimit" in str(name) for name in headers) or seconds is not None
    return seconds, shows
