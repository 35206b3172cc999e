"""Events -> rows of `events`, `event_details`, `payloads` and `judgements`."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable
from typing import Any

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
from storage.writing.details import Details, details_of
from storage.writing.keys import KeyBook, check_instant, check_integer, check_text
from storage.writing.places import PlaceBook

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
_AT_MS, _TYPE_ID = 4, 3
"""Places in a row of `events`."""


class _Response(msgspec.Struct):
    headers: dict[str, Any]


class _Entry(msgspec.Struct):
    response: _Response


_ENTRY = msgspec.json.Decoder(_Entry)


class Prepared(msgspec.Struct, gc=False):
    """One event, every word replaced by its number."""

    kind: int
    type_id: int
    at_ms: int
    lag_ms: int
    flags: int
    certainty: int
    is_exact: bool
    source: int
    combo_keys: tuple[int, int, int, int, int, int]
    """consumer, ip, service, route, node, limit"""
    status: int | None
    evidence: int | None
    consumer_name: int | None
    service_name: int | None
    route_name: int | None
    request_id: str | None
    entity_type: int
    is_violation: bool
    """Whether it says that a limit refused, surely or probably."""
    is_open: bool
    """Whether the plugins of its route may tell more than the entry did."""
    payload: bytes | str | None
    details: Details | None

    @property
    def is_request(self) -> bool:
        """Whether it is one request, which then counts in the traffic totals too."""
        return bool(self.flags & IS_REQUEST)

    def set_aside(self) -> None:
        """Its request was counted as traffic already."""
        self.flags |= ASIDE


def outcome_of(certainty: int, flags: int, status: int | None) -> int | None:
    """How an event counts in the totals; None when it does not."""
    is_new_request = flags & IS_REQUEST and not flags & ASIDE
    if certainty == CERTAIN:
        return Outcome.LIMITED if is_new_request else Outcome.LIMITED_ASIDE
    if certainty == PROBABLE:
        return Outcome.PROBABLE if is_new_request else Outcome.PROBABLE_ASIDE
    return outcome_of_status(status or 0) if is_new_request else None


class EventRows:
    """Gathers the rows of one transaction."""

    def __init__(self, connection: sqlite3.Connection, keys: KeyBook, places: PlaceBook) -> None:
        self._connection = connection
        self._keys = keys
        self._places = places
        self._types: dict[tuple[str, str], int] = {}
        self._type_counts: Counter[int] = Counter()
        self.last_seq = 0
        self._waiting: list[tuple[Any, ...]] = []
        self._details: list[tuple[Any, ...]] = []
        self._payloads: list[tuple[int, bytes | str]] = []
        self._judgements: list[tuple[Any, ...]] = []
        self._new_ids: set[bytes | str] = set()

    def forget(self) -> None:
        """Drop what waits and everything remembered."""
        self._types.clear()
        self._type_counts.clear()
        self._waiting.clear()
        self._details.clear()
        self._payloads.clear()
        self._judgements.clear()
        self._new_ids.clear()

    def known_ids(self, packed_ids: Iterable[bytes | str | None]) -> set[bytes | str | None]:
        """Which of these are stored already, or gathered in this transaction."""
        ids = list({packed for packed in packed_ids if packed is not None})
        known: set[bytes | str | None] = set(self._new_ids.intersection(ids))
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
        if event.status is not None:
            check_integer(event.status, "status")
        place = self._places.of(event)
        certainty = CERTAINTY_CODES.get(event.certainty, 0)
        flags = IS_REQUEST if event.is_request else 0
        if event.at_suspect:
            flags |= AT_SUSPECT
        if place.is_bare:
            flags |= NAMED_ONLY
        is_exact = bool(event.exact)
        return Prepared(
            KIND_CODES.get(event.kind, UNKNOWN_KIND),
            self._type(event.kind, event.event),
            at_ms,
            received_ms - at_ms,
            flags,
            certainty,
            is_exact,
            source,
            (
                place.consumer,
                keys.key(Dim.IP, event.ip),
                place.service,
                place.route,
                place.node,
                keys.limit(event.limit_name, event.limit_value, event.window_s),
            ),
            event.status,
            None if event.evidence is None else keys.key(Dim.TEXT, event.evidence),
            place.consumer_name,
            place.service_name,
            place.route_name,
            _extra_request_id(event),
            0 if event.entity_type is None else keys.key(Dim.TEXT, event.entity_type),
            certainty in {CERTAIN, PROBABLE},
            certainty in {PROBABLE, RULED_OUT}
            and is_exact
            and bool(flags & IS_REQUEST)
            and event.status is not None,
            None if event.payload is None else pack_payload(event.payload, _words_of(event)),
            details_of(event, keys),
        )

    def add(self, packed_id: bytes | str, ready: Prepared, *, counted: bool, answer_bytes: int | None) -> int:
        """Gather an event's rows; returns its arrival number."""
        self.last_seq = seq = self.last_seq + 1
        self._new_ids.add(packed_id)
        consumer, ip, service, route, node, limit = ready.combo_keys
        self._waiting.append(
            (seq, packed_id, ready.kind, ready.type_id, ready.at_ms, ready.lag_ms, ready.flags,
             not ready.is_exact, counted, ready.certainty, ready.source, node, consumer, ip, service, route,
             limit, ready.status, ready.evidence, ready.consumer_name, ready.service_name, ready.route_name,
             ready.request_id)
        )  # fmt: skip
        if ready.details is not None:
            self._details.append((seq, *ready.details))
        if ready.payload is not None:
            self._payloads.append((seq, ready.payload))
        if ready.is_open:
            self._judgements.append(
                (seq, ready.at_ms, ready.certainty, ready.status, answer_bytes, limit, ready.evidence)
            )
        return seq

    def flush(self) -> None:
        """Write what was gathered."""
        if not self._waiting:
            return
        many = self._connection.executemany
        many(_ADD_EVENT, self._waiting)
        if self._details:
            many(_ADD_DETAILS, self._details)
        many("INSERT INTO payloads VALUES (?, ?)", self._payloads)
        many("INSERT INTO judgements VALUES (?, ?, ?, ?, ?, ?, ?)", self._judgements)
        many(_ADD_BLOCK, self._blocks())
        self._type_counts.update([row[_TYPE_ID] for row in self._waiting])
        for rows in (self._waiting, self._details, self._payloads, self._judgements):
            rows.clear()

    def _blocks(self) -> list[tuple[int, int, int, int]]:
        """(block, how many, oldest, newest) of what was gathered: arrival numbers follow each other."""
        moments: dict[int, list[int]] = {}
        for row in self._waiting:
            moments.setdefault(row[0] >> BLOCK_BITS, []).append(row[_AT_MS])
        return [(block, len(found), min(found), max(found)) for block, found in moments.items()]

    def finish(self) -> None:
        """Write what is left, and add to how many there were ever of each kind and event."""
        self.flush()
        self._new_ids.clear()
        self._connection.executemany(
            "UPDATE event_types SET n = n + ? WHERE type_id = ?",
            [(n, type_id) for type_id, n in self._type_counts.items()],
        )
        self._type_counts.clear()

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


def try_pack(event_id: Any) -> bytes | str | None:
    """The packed id; None when it cannot be stored."""
    try:
        check_text(event_id)
    except ValueError:
        return None
    return pack_id(event_id)


def answer_bytes_in(payload: bytes | None) -> int | None:
    """The content-length of the answer that a log entry tells of; None where it does not say."""
    if payload is None:
        return None
    try:
        entry = _ENTRY.decode(payload)
    except msgspec.MsgspecError:
        return None
    return number_in(entry.response.headers, "content-length")


def _words_of(event: Event) -> tuple[str | None, ...]:
    """What a log entry repeats of the columns; `storage/reading/event_rows.py` gives them back."""
    if not event.is_request:
        return ()
    return (event.request_id, event.consumer_id, event.service_id, event.route_id)


def _extra_request_id(event: Event) -> str | None:
    """The request id where the event's own id does not hold it."""
    if event.request_id is None or event.request_id == request_id_in(event.id):
        return None
    check_text(event.request_id)
    return event.request_id
