"""Events -> rows of `events`, `event_details`, `payloads` and `judgements`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import msgspec

from domain.events import Event
from domain.limits import number_in
from storage.codes import (
    BLOCK_BITS,
    KIND_CODES,
)
from storage.engine import Connection
from storage.packing import MAX_PAYLOAD_BYTES, is_request_id, pack_id, pack_payload
from storage.writing.alike import AlikeBook, Prepared
from storage.writing.crowds import Crowds
from storage.writing.details import details_of
from storage.writing.keys import KeyBook, check_instant, check_text
from storage.writing.places import PlaceBook

MAX_TYPES = 5_000
"""Kinds and event names told apart; a sender that makes up more has them under `~other`."""
_CHUNK = 400
_EVENT_COLUMNS = 23
_DETAIL_COLUMNS = 13
_ADD_EVENT = f"INSERT INTO events VALUES ({', '.join('?' * _EVENT_COLUMNS)})"
_ADD_DETAILS = f"INSERT INTO event_details VALUES ({', '.join('?' * _DETAIL_COLUMNS)})"
_ADD_BLOCK = (
    "INSERT INTO event_blocks VALUES (?, ?, ?, ?) ON CONFLICT (block) DO UPDATE SET"
    " n = event_blocks.n + excluded.n, min_at_ms = min(event_blocks.min_at_ms, excluded.min_at_ms),"
    " max_at_ms = max(event_blocks.max_at_ms, excluded.max_at_ms)"
)
_AT_MS, _TYPE_ID = 4, 3
"""Places in a row of `events`."""


class _Response(msgspec.Struct):
    headers: dict[str, Any]


class _Entry(msgspec.Struct):
    response: _Response


_ENTRY = msgspec.json.Decoder(_Entry)


class EventRows:
    """Gathers the rows of one transaction."""

    def __init__(self, connection: Connection, keys: KeyBook, places: PlaceBook, crowds: Crowds) -> None:
        self._connection = connection
        self._keys = keys
        self._alike = AlikeBook(keys, places, crowds)
        self._types: dict[tuple[str, str], int] = {}
        self._type_counts: Counter[int] = Counter()
        self.last_seq = 0
        self._waiting: list[tuple[Any, ...]] = []
        self._details: list[tuple[Any, ...]] = []
        self._payloads: list[tuple[int, bytes]] = []
        self._judgements: list[tuple[Any, ...]] = []
        self._new_ids: set[bytes] = set()
        self._asked: set[bytes] = set()
        self._foreseen: set[bytes] = set()

    def forget(self) -> None:
        """Drop what waits and everything remembered."""
        self._types.clear()
        self._type_counts.clear()
        self._waiting.clear()
        self._details.clear()
        self._payloads.clear()
        self._judgements.clear()
        self._new_ids.clear()
        self._asked.clear()
        self._foreseen.clear()

    def foresee(self, ids: Iterable[bytes], known: Iterable[bytes]) -> None:
        """In this transaction these ids will be asked for, and of them some are stored: no need to look."""
        self._asked.update(ids)
        self._foreseen.update(known)

    def known_ids(self, packed_ids: Iterable[bytes | None]) -> set[bytes | None]:
        """Which of these are stored already, or gathered in this transaction."""
        ids = list({packed for packed in packed_ids if packed is not None})
        known: set[bytes | None] = set(self._new_ids.intersection(ids))
        known |= self._foreseen.intersection(ids)
        unasked = [packed for packed in ids if packed not in self._asked]
        for start in range(0, len(unasked), _CHUNK):
            part = unasked[start : start + _CHUNK]
            marks = ", ".join("?" * len(part))
            rows = self._connection.execute(f"SELECT id FROM events WHERE id IN ({marks})", part)
            known.update(row[0] for row in rows)
        return known

    def prepare(self, event: Event, packed_id: bytes, source: int, received_ms: int) -> Prepared:
        """Make the rows of an event; nothing is gathered yet.

        Raises:
            ValueError: It cannot be stored; also `TypeError` and `AttributeError` for values of a wrong type.
        """
        at_ms, payload = event.at_ms, event.payload
        check_instant(at_ms, "at_ms")
        alike = self._alike.of(event, self._type(event.kind, event.event), source)
        if payload is not None or alike.is_rest or alike.is_other:
            words = _words_of(event)
            if alike.is_rest or alike.is_other:
                payload = named_in_full(event)
                if alike.is_other:
                    words = _without_consumer(words)
            payload = None if payload is None else pack_payload(payload, words)
        return Prepared(
            alike,
            at_ms,
            received_ms - at_ms,
            _extra_request_id(event, packed_id),
            payload,
            details_of(event, self._keys),
        )

    def add(self, packed_id: bytes, ready: Prepared, *, counted: bool, answer_bytes: int | None) -> int:
        """Gather an event's rows; returns its arrival number."""
        self.last_seq = seq = self.last_seq + 1
        self._new_ids.add(packed_id)
        alike = ready.alike
        self._waiting.append(
            (seq, packed_id, alike.kind, alike.type_id, ready.at_ms, ready.lag_ms, ready.flags,
             not alike.is_exact, counted, *alike.columns, ready.request_id)
        )  # fmt: skip
        if ready.details is not None:
            self._details.append((seq, *ready.details))
        if ready.payload is not None:
            self._payloads.append((seq, ready.payload))
        if alike.is_open:
            limit = alike.combo_keys[5]
            self._judgements.append(
                (seq, ready.at_ms, alike.certainty, alike.status, answer_bytes, limit, alike.evidence)
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
        self._asked.clear()
        self._foreseen.clear()
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
        (number,) = self._connection.execute(
            "INSERT INTO event_types (kind, event, n) VALUES (?, ?, 0) RETURNING type_id", (kind, event)
        ).fetchone()
        return int(number)


def try_pack(event_id: Any) -> bytes | None:
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


def _without_consumer(words: tuple[str | None, ...]) -> tuple[str | None, ...]:
    """The column does not hold the id of a consumer that is not told apart: the payload keeps it."""
    return tuple(None if place == 1 else word for place, word in enumerate(words))


def named_in_full(event: Event) -> bytes | None:
    """A payload that says who it was, for an event whose columns do not tell that apart.

    The entry of a log does already; anything else is kept inside one that does. Payloads are where old
    addresses are looked for when they become pseudonyms, and when somebody is erased.
    """
    payload = event.payload
    names = {"consumer": event.consumer, "consumer_id": event.consumer_id, "ip": event.ip}
    told = {name: value for name, value in names.items() if value is not None}
    if payload is not None and all(msgspec.json.encode(value) in payload for value in told.values()):
        return payload
    made = msgspec.json.encode({"not_told_apart": told, "payload": _as_it_came(payload)})
    return payload if len(made) > MAX_PAYLOAD_BYTES else made


def _as_it_came(payload: bytes | None) -> msgspec.Raw | str | None:
    """A payload inside another: JSON as it is, anything else as text."""
    if payload is None:
        return None
    try:
        msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return payload.decode("utf-8", "backslashreplace")
    return msgspec.Raw(payload)


def _extra_request_id(event: Event, packed_id: bytes) -> str | None:
    """The request id where the event's own id does not hold it."""
    if event.request_id is None or (is_request_id(packed_id) and event.id[8:] == event.request_id):
        return None
    check_text(event.request_id)
    return event.request_id
