"""Rows of `events` as records: every number becomes the word it stands for, one look-up per page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from domain.errors import StoreCorrupt
from storage.codes import CERTAINTIES, FIRST_KEY
from storage.packing import load_json, request_id_in, unpack_id, unpack_payload
from storage.reading.snapshot import Snapshot
from storage.reading.words import Word, as_list, read_words
from storage.rows import EventDetail, EventRow

COLUMNS = (
    "seq, id, type_id, at_ms, lag_ms, counted, certainty, source, node, consumer, ip, service, route,"
    " limit_key, status, evidence, consumer_name, service_name, route_name, request_id"
)
_DETAIL_COLUMNS = (
    "seq, entity_type, entity_id, entity_name, operation, actor, cache, key_masked, upstream, target, health"
)


class StoredEvent(NamedTuple):
    """`COLUMNS` of one event."""

    seq: int
    id: bytes
    type_id: int
    at_ms: int
    lag_ms: int
    counted: int
    certainty: int
    source: int
    node: int
    consumer: int
    ip: int
    service: int
    route: int
    limit_key: int
    status: int | None
    evidence: int | None
    consumer_name: int | None
    service_name: int | None
    route_name: int | None
    request_id: str | None

    @property
    def keys(self) -> set[int]:
        """Every number that stands for a word."""
        found = self[7:14] + self[15:19]
        return {key for key in found if key is not None}


class StoredDetails(NamedTuple):
    """`_DETAIL_COLUMNS` of one event."""

    seq: int
    entity_type: int | None
    entity_id: str | None
    entity_name: str | None
    operation: int | None
    actor: int | None
    cache: int | None
    key_masked: str | None
    upstream: int | None
    target: int | None
    health: int | None

    @property
    def keys(self) -> set[int]:
        """Every number that stands for a word."""
        found = (
            self.entity_type,
            self.operation,
            self.actor,
            self.cache,
            self.upstream,
            self.target,
            self.health,
        )
        return {key for key in found if key is not None}


_NO_DETAILS = StoredDetails(0, *[None] * 10)


def to_records(snapshot: Snapshot, rows: Sequence[tuple[Any, ...]]) -> tuple[EventRow, ...]:
    """Records of rows of `COLUMNS`, in the same order."""
    if not rows:
        return ()
    stored = [StoredEvent(*row) for row in rows]
    details = _read_details(snapshot, [event.seq for event in stored])
    keys = set().union(*(event.keys for event in stored), *(found.keys for found in details.values()))
    words = read_words(snapshot, keys)
    types = _read_types(snapshot, {event.type_id for event in stored})
    limits = _read_limits(snapshot, {event.limit_key for event in stored})
    merged = _read_meanings(snapshot, keys)
    return tuple(
        _record(event, details.get(event.seq, _NO_DETAILS), words, types[event.type_id], limits, merged)
        for event in stored
    )


def read_event(snapshot: Snapshot, seq: int) -> EventDetail | None:
    """One event with everything that was kept of it."""
    row = snapshot.row(f"SELECT {COLUMNS} FROM events WHERE seq = ?", (seq,))
    if row is None:
        return None
    body = snapshot.value("SELECT body FROM payloads WHERE seq = ?", (seq,))
    before, after = snapshot.row("SELECT before, after FROM event_details WHERE seq = ?", (seq,)) or (
        None,
        None,
    )
    return EventDetail(
        row=to_records(snapshot, [row])[0],
        payload=None if body is None else _payload(snapshot, seq, body),
        before=load_json(before),
        after=load_json(after),
    )


def _payload(snapshot: Snapshot, seq: int, body: bytes) -> Any:
    try:
        return unpack_payload(body, _words_of_payload(snapshot, seq))
    except ValueError as error:
        raise StoreCorrupt(f"event {seq}: {error}") from error


def _words_of_payload(snapshot: Snapshot, seq: int) -> tuple[str | None, ...]:
    """What the columns hold of a payload, in the order in which the writer left it out."""
    packed_id, request_id, *ids = snapshot.row(
        "SELECT e.id, e.request_id, c.value, s.value, r.value FROM events e"
        " JOIN keys c ON c.key_id = e.consumer JOIN keys s ON s.key_id = e.service"
        " JOIN keys r ON r.key_id = e.route WHERE e.seq = ?",
        (seq,),
    ) or (b"", None, None, None, None)
    return (request_id or request_id_in(unpack_id(packed_id)), *ids)


def _record(
    event: StoredEvent,
    details: StoredDetails,
    words: dict[int, Word],
    kind_and_event: tuple[str, str],
    limits: dict[int, tuple[Any, ...]],
    meanings: dict[int, Word],
) -> EventRow:
    consumer = _name_then(event.consumer, event.consumer_name, words)
    meant = meanings.get(event.consumer) or words.get(event.consumer)
    is_known = event.consumer >= FIRST_KEY and meant is not None
    now = meant.name if is_known and meant is not None else None
    limit_name, limit_value, window_s = limits.get(event.limit_key, (None, None, None))
    event_id = unpack_id(event.id)
    return EventRow(
        seq=event.seq,
        id=event_id,
        kind=kind_and_event[0],
        event=kind_and_event[1],
        at_ms=event.at_ms,
        received_ms=event.at_ms + event.lag_ms,
        source=words[event.source].value,
        node=_value(event.node, words),
        consumer_id=meant.id if is_known and meant is not None else None,
        consumer=consumer,
        consumer_now=now if now is not None and now != consumer else None,
        ip=_value(event.ip, words),
        service=_name_then(event.service, event.service_name, words),
        route=_name_then(event.route, event.route_name, words),
        status=event.status,
        limit_name=limit_name,
        limit_value=limit_value,
        window_s=window_s,
        certainty=CERTAINTIES[event.certainty],
        evidence=_text(event.evidence, words),
        counted=bool(event.counted),
        request_id=event.request_id if event.request_id is not None else request_id_in(event_id),
        entity_type=_text(details.entity_type, words),
        entity_id=details.entity_id,
        entity_name=details.entity_name,
        operation=_text(details.operation, words),
        actor=_text(details.actor, words),
        cache=_text(details.cache, words),
        key_masked=details.key_masked,
        upstream=_text(details.upstream, words),
        target=_text(details.target, words),
        health=_text(details.health, words),
    )


def _name_then(key: int, name: int | None, words: dict[int, Word]) -> str | None:
    """What it was called when it happened, else its id."""
    if name is not None:
        return words[name].value
    if key < FIRST_KEY:
        return None
    word = words[key]
    return word.first_name if word.first_name is not None else word.value


def _value(key: int, words: dict[int, Word]) -> str | None:
    return words[key].value if key >= FIRST_KEY else None


def _text(key: int | None, words: dict[int, Word]) -> str | None:
    return None if key is None else words[key].value


def _read_meanings(snapshot: Snapshot, keys: Iterable[int]) -> dict[int, Word]:
    """Of bare names whose id became known later: the word of that id."""
    rows = snapshot.rows(
        "SELECT k.key_id, s.key_id, s.value, s.is_name, s.first_name, s.name, s.deleted_ms"
        " FROM json_each(?) j CROSS JOIN keys k ON k.key_id = j.value"
        " CROSS JOIN keys s ON s.key_id = k.same_as",
        (as_list(keys),),
    )
    return {row[0]: Word(row[1], row[2], bool(row[3]), row[4], row[5], row[6]) for row in rows}


def _read_types(snapshot: Snapshot, types: Iterable[int]) -> dict[int, tuple[str, str]]:
    rows = snapshot.rows(
        "SELECT t.type_id, t.kind, t.event FROM json_each(?) j"
        " CROSS JOIN event_types t ON t.type_id = j.value",
        (as_list(types),),
    )
    return {type_id: (kind, event) for type_id, kind, event in rows}


def _read_limits(snapshot: Snapshot, keys: Iterable[int]) -> dict[int, tuple[Any, ...]]:
    rows = snapshot.rows(
        "SELECT l.key_id, l.limit_name, l.limit_value, l.window_s FROM json_each(?) j"
        " CROSS JOIN limits l ON l.key_id = j.value",
        (as_list(keys),),
    )
    return {row[0]: row[1:] for row in rows}


def _read_details(snapshot: Snapshot, seqs: Iterable[int]) -> dict[int, StoredDetails]:
    columns = ", ".join(f"d.{name.strip()}" for name in _DETAIL_COLUMNS.split(","))
    rows = snapshot.rows(
        f"SELECT {columns} FROM json_each(?) j CROSS JOIN event_details d ON d.seq = j.value",
        (as_list(seqs),),
    )
    return {row[0]: StoredDetails(*row) for row in rows}
