"""Events -> rows of `events`, `event_details`, `payloads` and `judgements`."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from domain.events import Event
from domain.limits import number_in
from storage.codes import (
    ASIDE,
    AT_SUSPECT,
    BLOCK_BITS,
    CERTAIN,
    CERTAINTY_CODES,
    IS_REQUEST,
    KIND_CODES,
    NAMED_ONLY,
    PROBABLE,
    RULED_OUT,
    UNKNOWN_KIND,
    Dim,
    Outcome,
    outcome_of_status,
)
from storage.packing import pack_id, pack_payload, request_id_in
from storage.writing.entities import EntityBook
from storage.writing.keys import KeyBook, check_instant, check_integer, check_text
from storage.writing.rollups import Combo

MAX_JSON_CHARS = 1_048_576
MAX_TYPES = 5_000
"""Kinds and event names told apart; a sender that makes up more has them under `~other`."""
_CHUNK = 400
_EVENT_COLUMNS = 23
_DETAIL_COLUMNS = 13
_ADD_EVENT = f"INSERT INTO events VALUES ({', '.join('?' * _EVENT_COLUMNS)})"
_ADD_DETAILS = f"INSERT INTO event_details VALUES ({', '.join('?' * _DETAIL_COLUMNS)})"
_ADD_BLOCK = (
    "INSERT INTO event_blocks VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n,"
    " min_at_ms = min(min_at_ms, excluded.min_at_ms), max_at_ms = max(max_at_ms, excluded.max_at_ms)"
)


class _Response(msgspec.Struct):
    headers: dict[str, Any]


class _Entry(msgspec.Struct):
    response: _Response


_ENTRY = msgspec.json.Decoder(_Entry)


class Prepared(NamedTuple):
    """One event, every word replaced by its number."""

    row: tuple[Any, ...]
    details: tuple[Any, ...] | None
    payload: bytes | str | None
    at_ms: int
    type_id: int
    entity_type: int
    certainty: int
    is_exact: bool
    flags: int
    status: int | None
    combo_keys: tuple[int, int, int, int, int, int]
    """consumer, ip, service, route, node, limit"""
    evidence: int | None

    @property
    def is_violation(self) -> bool:
        """Whether it says that a limit refused, surely or probably."""
        return self.certainty in {CERTAIN, PROBABLE}

    @property
    def is_open(self) -> bool:
        """Whether the plugins of its route may tell more than the entry did."""
        return (
            self.certainty in {PROBABLE, RULED_OUT}
            and self.is_exact
            and bool(self.flags & IS_REQUEST)
            and self.status is not None
        )


def outcome_of(certainty: int, flags: int, status: int | None) -> int | None:
    """How an event counts in the totals; None when it does not."""
    is_new_request = flags & IS_REQUEST and not flags & ASIDE
    if certainty == CERTAIN:
        return Outcome.LIMITED if is_new_request else Outcome.LIMITED_ASIDE
    if certainty == PROBABLE:
        return Outcome.PROBABLE if is_new_request else Outcome.PROBABLE_ASIDE
    return outcome_of_status(status or 0) if is_new_request else None


def combo_of(keys: tuple[int, int, int, int, int, int], outcome: int) -> Combo:
    """The combination that an event counts under."""
    return (*keys, outcome)


class EventRows:
    """Gathers the rows of one transaction."""

    def __init__(self, connection: sqlite3.Connection, keys: KeyBook, entities: EntityBook) -> None:
        self._connection = connection
        self._keys = keys
        self._entities = entities
        self._types: dict[tuple[str, str], int] = {}
        self.type_counts: dict[int, int] = {}
        self.last_seq = 0
        self._waiting: list[tuple[Any, ...]] = []
        self._details: list[tuple[Any, ...]] = []
        self._payloads: list[tuple[int, bytes | str]] = []
        self._judgements: list[tuple[Any, ...]] = []
        self._blocks: dict[int, list[int]] = {}
        self._new_ids: set[bytes | str] = set()

    def forget(self) -> None:
        """Drop what waits and everything remembered."""
        self._types.clear()
        self.type_counts.clear()
        self._waiting.clear()
        self._details.clear()
        self._payloads.clear()
        self._judgements.clear()
        self._blocks.clear()
        self._new_ids.clear()

    def known_ids(self, events: Iterable[Event]) -> set[bytes | str]:
        """Which of these are stored already, or gathered in this transaction, as packed ids."""
        ids = list({packed for event in events if (packed := _try_pack(event.id)) is not None})
        known = self._new_ids.intersection(ids)
        for start in range(0, len(ids), _CHUNK):
            part = ids[start : start + _CHUNK]
            marks = ", ".join("?" * len(part))
            rows = self._connection.execute(f"SELECT id FROM events WHERE id IN ({marks})", part)
            known.update(row[0] for row in rows)
        return known

    def prepare(self, event: Event, source: int, received_ms: int) -> Prepared:
        """Make the rows of an event; nothing is gathered yet.

        Raises:
            ValueError: It cannot be stored; also `TypeError` and `AttributeError` for values of a wrong type.
        """
        keys, at_ms = self._keys, event.at_ms
        check_instant(at_ms, "at_ms")
        check_integer(event.status, "status")
        payload = None if event.payload is None else pack_payload(event.payload)
        consumer, consumer_name, is_bare = self._entities.who(
            Dim.CONSUMER, event.consumer_id, event.consumer, at_ms
        )
        service, service_name, _ = self._entities.who(Dim.SERVICE, event.service_id, event.service, at_ms)
        route, route_name, _ = self._entities.who(Dim.ROUTE, event.route_id, event.route, at_ms)
        combo_keys = (
            consumer,
            keys.key(Dim.IP, event.ip),
            service,
            route,
            self._entities.node(event.node),
            keys.limit(event.limit_name, event.limit_value, event.window_s),
        )
        certainty = CERTAINTY_CODES.get(event.certainty, 0)
        flags = (
            bool(event.at_suspect) * AT_SUSPECT + bool(event.is_request) * IS_REQUEST + is_bare * NAMED_ONLY
        )
        type_id = self._type(event.kind, event.event)
        evidence = None if event.evidence is None else keys.key(Dim.TEXT, event.evidence)
        row = (
            KIND_CODES.get(event.kind, UNKNOWN_KIND),
            type_id,
            at_ms,
            received_ms - at_ms,
            source,
            evidence,
            consumer_name,
            service_name,
            route_name,
            _extra_request_id(event),
        )
        return Prepared(
            row=row,
            details=self._details_of(event),
            payload=payload,
            at_ms=at_ms,
            type_id=type_id,
            entity_type=0 if event.entity_type is None else keys.key(Dim.TEXT, event.entity_type),
            certainty=certainty,
            is_exact=bool(event.exact),
            flags=flags,
            status=event.status,
            combo_keys=combo_keys,
            evidence=evidence,
        )

    def add(self, packed_id: bytes | str, ready: Prepared, *, counted: bool, answer_bytes: int | None) -> int:
        """Gather an event's rows; returns its arrival number."""
        self.last_seq = seq = self.last_seq + 1
        self._new_ids.add(packed_id)
        (
            kind,
            type_id,
            at_ms,
            lag_ms,
            source,
            evidence,
            consumer_name,
            service_name,
            route_name,
            request_id,
        ) = ready.row
        consumer, ip, service, route, node, limit = ready.combo_keys
        self._waiting.append(
            (seq, packed_id, kind, type_id, at_ms, lag_ms, ready.flags, int(not ready.is_exact), int(counted),
             ready.certainty, source, node, consumer, ip, service, route, limit, ready.status, evidence,
             consumer_name, service_name, route_name, request_id)
        )  # fmt: skip
        if ready.details is not None:
            self._details.append((seq, *ready.details))
        if ready.payload is not None:
            self._payloads.append((seq, ready.payload))
        if ready.is_open:
            self._judgements.append(
                (seq, at_ms, ready.certainty, ready.status, answer_bytes, limit, evidence)
            )
        self._note_block(seq, at_ms)
        self.type_counts[type_id] = self.type_counts.get(type_id, 0) + 1
        return seq

    def flush(self) -> None:
        """Write what was gathered."""
        many = self._connection.executemany
        many(_ADD_EVENT, self._waiting)
        many(_ADD_DETAILS, self._details)
        many("INSERT INTO payloads VALUES (?, ?)", self._payloads)
        many("INSERT INTO judgements VALUES (?, ?, ?, ?, ?, ?, ?)", self._judgements)
        many(_ADD_BLOCK, [(block, *sums) for block, sums in self._blocks.items()])
        for rows in (self._waiting, self._details, self._payloads, self._judgements):
            rows.clear()
        self._blocks.clear()

    def finish(self) -> None:
        """Write what is left, and add to how many there were ever of each kind and event."""
        self.flush()
        self._new_ids.clear()
        self._connection.executemany(
            "UPDATE event_types SET n = n + ? WHERE type_id = ?",
            [(n, type_id) for type_id, n in self.type_counts.items()],
        )
        self.type_counts.clear()

    def _note_block(self, seq: int, at_ms: int) -> None:
        block = seq >> BLOCK_BITS
        sums = self._blocks.get(block)
        if sums is None:
            self._blocks[block] = [1, at_ms, at_ms]
            return
        sums[0] += 1
        sums[1] = min(sums[1], at_ms)
        sums[2] = max(sums[2], at_ms)

    def _type(self, kind: str, event: str) -> int:
        found = self._types.get((kind, event))
        if found is None:
            check_text(kind)
            check_text(event)
            found = self._types[kind, event] = self._stored_type(kind, event)
        return found

    def _stored_type(self, kind: str, event: str) -> int:
        select = "SELECT type_id FROM event_types WHERE kind = ? AND event = ?"
        row = self._connection.execute(select, (kind, event)).fetchone()
        if row is not None:
            return int(row[0])
        (known,) = self._connection.execute("SELECT count(*) FROM event_types").fetchone()
        if known >= MAX_TYPES:
            kind, event = (kind if kind in KIND_CODES else "~other"), "~other"
            row = self._connection.execute(select, (kind, event)).fetchone()
            if row is not None:
                return int(row[0])
        cursor = self._connection.execute(
            "INSERT INTO event_types (kind, event, n) VALUES (?, ?, 0)", (kind, event)
        )
        return cursor.lastrowid or 0

    def _details_of(self, event: Event) -> tuple[Any, ...] | None:
        words = (
            event.entity_type,
            event.operation,
            event.actor,
            event.cache,
            event.upstream,
            event.target,
            event.health,
        )
        texts = (event.entity_id, event.entity_name, event.key_masked)
        if not any(v is not None for v in (*words, *texts, event.before, event.after)):
            return None
        for text in texts:
            if text is not None:
                check_text(text)
        entity_type, operation, actor, cache, upstream, target, health = (
            None if word is None else self._keys.key(Dim.TEXT, word) for word in words
        )
        before, after = _as_json(event.before), _as_json(event.after)
        return (
            entity_type,
            event.entity_id,
            event.entity_name,
            operation,
            actor,
            cache,
            event.key_masked,
            upstream,
            target,
            health,
            before,
            after,
        )


def try_pack(event_id: Any) -> bytes | str | None:
    """The packed id; None when it cannot be stored."""
    return _try_pack(event_id)


def answer_bytes_in(payload: bytes | None) -> int | None:
    """The content-length of the answer that a log entry tells of; None where it does not say."""
    if payload is None:
        return None
    try:
        entry = _ENTRY.decode(payload)
    except msgspec.MsgspecError:
        return None
    return number_in(entry.response.headers, "content-length")


def _try_pack(event_id: Any) -> bytes | str | None:
    try:
        check_text(event_id)
    except ValueError:
        return None
    return pack_id(event_id)


def _extra_request_id(event: Event) -> str | None:
    """The request id where the event's own id does not hold it."""
    if event.request_id is None or event.request_id == request_id_in(event.id):
        return None
    check_text(event.request_id)
    return event.request_id


def _as_json(value: dict[str, Any] | None) -> str | None:
    if value is None:
        return None
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    check_text(text, MAX_JSON_CHARS)
    return text
