"""Read-only questions about changes and response; safe to share between threads, each with a deadline."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from domain.blocks import Block, Protected
from domain.change_actors import ADMIN_CALLED, ADMIN_KIND, UNKNOWN, Actor, AdminCall, How
from domain.change_verdict import Verdict
from domain.changes import Change
from domain.events import Kind
from domain.kong_entities import collection_of, reference
from domain.proposals import Proposal
from domain.windows import Window
from storage.block_rows import BLOCK_COLUMNS, read_blocks_between, to_block
from storage.change_book import COLUMNS, to_proposal
from storage.change_rows import BlockRow, ChangeRow, DriftRow, ListEntry, LogEntry, StepRow
from storage.codes import FIRST_KEY, KIND_CODES, UNKNOWN_KIND
from storage.packing import load_json, request_id_in, unpack_id, unpack_payload
from storage.reading.choosing import open_snapshots
from storage.reading.snapshot import Snapshot

MAX_CHANGES = 500
_CHANGE = f"""
SELECT e.seq, e.at_ms, e.id, e.request_id, CASE WHEN e.node >= {FIRST_KEY} THEN n.value END, s.value,
    t.value, d.entity_id, d.entity_name, op.value, a.value, d.before, d.after,
    j.actor, j.how, j.why, j.client_ip, j.call_id, j.proposal_id, v.verdict, v.is_final
FROM {{source}}
JOIN keys n ON n.key_id = e.node
JOIN keys s ON s.key_id = e.source
LEFT JOIN keys t ON t.key_id = d.entity_type
LEFT JOIN keys op ON op.key_id = d.operation
LEFT JOIN keys a ON a.key_id = d.actor
LEFT JOIN change_actors j ON j.seq = e.seq
LEFT JOIN change_verdicts v ON v.seq = e.seq
WHERE e.kind = {KIND_CODES[Kind.CRUD]} AND e.kind > 1 AND {{condition}}"""
_BY_TIME = "events e INDEXED BY events_by_kind JOIN event_details d ON d.seq = e.seq"
_BY_ENTITY = "event_details d INDEXED BY event_details_by_entity CROSS JOIN events e ON e.seq = d.seq"


class ChangesReader:
    """Answers like an empty store while the file does not exist.

    Args:
        database: The file, or the URL.
        deadline_ms: Longest that one question may take.
    """

    def __init__(self, database: str | Path, deadline_ms: int) -> None:
        self._connections = open_snapshots(database, deadline_ms)

    def close(self) -> None:
        """Release the file."""
        self._connections.close()

    # ---- changes

    def changes(self, window: Window, limit: int = MAX_CHANGES) -> tuple[ChangeRow, ...]:
        """Of a window, newest first."""
        query = _CHANGE.format(source=_BY_TIME, condition="e.at_ms >= ? AND e.at_ms < ?")
        query += " ORDER BY e.at_ms DESC, e.seq DESC LIMIT ?"
        with self._connections.snapshot() as snapshot:
            return _changes(snapshot, query, (window.from_ms, window.to_ms, limit))

    def change(self, seq: int) -> ChangeRow | None:
        """The change of one event; None when there is none."""
        query = _CHANGE.format(source="events e JOIN event_details d ON d.seq = e.seq", condition="e.seq = ?")
        with self._connections.snapshot() as snapshot:
            found = _changes(snapshot, query, (seq,))
        return found[0] if found else None

    def history(self, entity_type: str, entity_id: str, limit: int = 100) -> tuple[ChangeRow, ...]:
        """All changes of one entity, newest first."""
        query = _CHANGE.format(source=_BY_ENTITY, condition="d.entity_id = ? AND t.value = ?")
        query += " ORDER BY e.at_ms DESC, e.seq DESC LIMIT ?"
        with self._connections.snapshot() as snapshot:
            return _changes(snapshot, query, (entity_id, entity_type, limit))

    def unjudged(self, from_ms: int, limit: int = 100) -> tuple[ChangeRow, ...]:
        """Changes since `from_ms` whose verdict is not final, oldest first."""
        query = _CHANGE.format(source=_BY_TIME, condition="e.at_ms >= ? AND coalesce(v.is_final, 0) = 0")
        with self._connections.snapshot() as snapshot:
            return _changes(snapshot, query + " ORDER BY e.at_ms, e.seq LIMIT ?", (from_ms, limit))

    def unattributed(self, from_ms: int, limit: int = 200) -> tuple[ChangeRow, ...]:
        """Changes since `from_ms` of which nobody is known to be the actor, oldest first."""
        query = _CHANGE.format(
            source=_BY_TIME, condition="e.at_ms >= ? AND a.value IS NULL AND j.actor IS NULL"
        )
        with self._connections.snapshot() as snapshot:
            return _changes(snapshot, query + " ORDER BY e.at_ms, e.seq LIMIT ?", (from_ms, limit))

    def names(self, wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
        """(collection, id) -> the latest name; those without one are left out."""
        pairs = [[collection, entity_id] for collection, entity_id in set(wanted)]
        if not pairs:
            return {}
        with self._connections.snapshot() as snapshot:
            rows = snapshot.rows(
                "SELECT n.entity_type, n.entity_id, n.name FROM json_each(?) j CROSS JOIN entities n"
                " ON n.entity_type = j.value ->> 0 AND n.entity_id = j.value ->> 1 WHERE n.name IS NOT NULL",
                (json.dumps(pairs),),
            )
        return {(collection, entity_id): name for collection, entity_id, name in rows}

    def names_in(self, changes: Iterable[Change]) -> dict[tuple[str, str], str]:
        """The names of everything that changes point to."""
        wanted = {
            (collection, found)
            for change in changes
            for state in (change.before, change.after)
            for field, collection in collection_of(change.entity_type).parents
            if (found := reference(state, field))
        }
        return self.names(wanted) if wanted else {}

    def service_of_route(self, route_id: str) -> str | None:
        """The id of a route's service, as it was last told; None when that is not known."""
        with self._connections.snapshot() as snapshot:
            found = load_json(
                snapshot.value(
                    "SELECT attributes FROM entities WHERE entity_type = 'routes' AND entity_id = ?",
                    (route_id,),
                )
            )
        return reference(found if isinstance(found, dict) else None, "service")

    def admin_calls(self, window: Window, limit: int = 2_000) -> tuple[AdminCall, ...]:
        """Calls of the Admin API in a window, oldest first."""
        with self._connections.snapshot() as snapshot:
            rows = snapshot.rows(
                "SELECT call_id, at_ms, source, actor, method, path, status, client_ip, request_id, workspace"
                " FROM admin_calls WHERE at_ms >= ? AND at_ms < ? ORDER BY at_ms, call_id LIMIT ?",
                (window.from_ms, window.to_ms, limit),
            )
        return tuple(_call(row) for row in rows)

    def logged_calls(self, from_ms: int, limit: int = 5_000) -> tuple[AdminCall, ...]:
        """Calls of the Admin API that came through Kong itself since then, from its log."""
        with self._connections.snapshot() as snapshot:
            rows = snapshot.rows(
                "SELECT e.seq, e.at_ms, e.id, e.request_id, e.status, CASE WHEN e.ip >= 2 THEN i.value END,"
                " a.value, p.body FROM event_types y CROSS JOIN events e INDEXED BY events_by_kind"
                " ON e.kind = ? AND e.kind > 1 AND e.at_ms >= ? AND e.type_id = y.type_id"
                " JOIN keys i ON i.key_id = e.ip LEFT JOIN event_details d ON d.seq = e.seq"
                " LEFT JOIN keys a ON a.key_id = d.actor LEFT JOIN payloads p ON p.seq = e.seq"
                " WHERE y.kind = ? AND y.event = ? ORDER BY e.at_ms DESC, e.seq DESC LIMIT ?",
                (UNKNOWN_KIND, from_ms, ADMIN_KIND, ADMIN_CALLED, limit),
            )
        return tuple(call for row in rows if (call := _logged_call(row)) is not None)

    def admin_callers(self, from_ms: int) -> tuple[str, ...]:
        """Addresses that the Admin API was called from since then."""
        with self._connections.snapshot() as snapshot:
            rows = snapshot.rows(
                "SELECT DISTINCT client_ip FROM admin_calls WHERE at_ms >= ? AND client_ip IS NOT NULL",
                (from_ms,),
            )
        return tuple(sorted(ip for (ip,) in rows))

    def drifts(self, window: Window, limit: int = 200) -> tuple[DriftRow, ...]:
        """What was found to differ from what events had told, newest first."""
        with self._connections.snapshot() as snapshot:
            rows = snapshot.rows(
                "SELECT drift_id, entity_type, entity_id, entity_name, direction, from_ms, found_ms, before,"
                " after FROM config_drifts WHERE found_ms >= ? AND found_ms < ?"
                " ORDER BY drift_id DESC LIMIT ?",
                (window.from_ms, window.to_ms, limit),
            )
        return tuple(
            DriftRow(
                drift_id=row[0], entity_type=row[1], entity_id=row[2], entity_name=row[3], direction=row[4],
                from_ms=row[5], found_ms=row[6], before=load_json(row[7]), after=load_json(row[8]),
            )
            for row in rows
        )  # fmt: skip

    # ---- proposals

    def proposals(self, limit: int = 200) -> tuple[Proposal, ...]:
        """Those that are open first, then the latest."""
        with self._connections.snapshot() as snapshot:
            rows = snapshot.rows(
                f"SELECT {COLUMNS} FROM change_proposals ORDER BY"
                " state NOT IN ('asked', 'proposed', 'approved', 'applying'), asked_ms DESC, proposal_id"
                " LIMIT ?",
                (limit,),
            )
        return tuple(to_proposal(row) for row in rows)

    def proposal(self, proposal_id: str) -> Proposal | None:
        """One; None when there is none."""
        with self._connections.snapshot() as snapshot:
            row = snapshot.row(
                f"SELECT {COLUMNS} FROM change_proposals WHERE proposal_id = ?", (proposal_id,)
            )
        return None if row is None else to_proposal(row)

    def steps(self, proposal_id: str) -> tuple[StepRow, ...]:
        """What was sent of a proposal, in order."""
        with self._connections.snapshot() as snapshot:
            rows = snapshot.rows(
                "SELECT step, intent_ms, done_ms, status, answer, verified, outcome FROM change_steps"
                " WHERE proposal_id = ? ORDER BY step",
                (proposal_id,),
            )
        return tuple(
            StepRow(
                step=row[0], intent_ms=row[1], done_ms=row[2], status=row[3], answer=row[4],
                verified=None if row[5] is None else bool(row[5]), outcome=row[6],
            )
            for row in rows
        )  # fmt: skip

    def log(self, subject: str | None = None, limit: int = 500) -> tuple[LogEntry, ...]:
        """Decisions, newest first; of one proposal or block, or all."""
        condition, values = ("WHERE subject = ?", (subject,)) if subject is not None else ("", ())
        with self._connections.snapshot() as snapshot:
            rows = snapshot.rows(
                f"SELECT entry, at_ms, who, what, subject, detail, chain FROM change_log {condition}"
                " ORDER BY entry DESC LIMIT ?",
                (*values, limit),
            )
        return tuple(
            LogEntry(
                entry=row[0],
                at_ms=row[1],
                who=row[2],
                what=row[3],
                subject=row[4],
                detail=row[5],
                chain=row[6],
            )
            for row in rows
        )

    # ---- blocks

    def blocks(self, limit: int = 200) -> tuple[BlockRow, ...]:
        """Those that are on or asked for first, then the latest."""
        columns = ", ".join(f"b.{name}" for name in BLOCK_COLUMNS.split(", "))
        with self._connections.snapshot() as snapshot:
            rows = snapshot.rows(
                f"SELECT {columns}, p.state, p.outcome FROM blocks b LEFT JOIN change_proposals p"
                " ON p.proposal_id = b.proposal_id"
                " ORDER BY b.state NOT IN ('active', 'requested', 'dry run'), b.asked_ms DESC, b.block_id"
                " LIMIT ?",
                (limit,),
            )
        return tuple(
            BlockRow(block=to_block(row[:-2]), proposal_state=row[-2], proposal_outcome=row[-1])
            for row in rows
        )

    def blocks_between(self, window: Window) -> tuple[Block, ...]:
        """Blocks that were on at some time of a window: what they refused is no sign of anything."""
        with self._connections.snapshot() as snapshot:
            return tuple(read_blocks_between(snapshot, window.from_ms, window.to_ms))

    def never_block_list(self, at_ms: int) -> tuple[ListEntry, ...]:
        """Entries that hold at an instant, oldest first."""
        with self._connections.snapshot() as snapshot:
            rows = snapshot.rows(
                "SELECT entry_id, subject_type, subject, note, added_by, added_ms, expires_ms"
                " FROM block_lists WHERE removed_ms IS NULL AND coalesce(expires_ms, ?) > ?"
                " ORDER BY added_ms, entry_id",
                (at_ms + 1, at_ms),
            )
        return tuple(
            ListEntry(
                entry_id=row[0], added_by=row[4], added_ms=row[5],
                protected=Protected(
                    subject_type=row[1], subject=row[2], note=row[3], expires_ms=row[6]
                ),
            )
            for row in rows
        )  # fmt: skip

    def nodes_told(self, from_ms: int, to_ms: int) -> frozenset[str]:
        """Nodes that dropped their list of plugins in a span: they know of a change of plugins."""
        with self._connections.snapshot() as snapshot:
            rows = snapshot.rows(
                "SELECT DISTINCT n.value FROM events e INDEXED BY events_by_kind JOIN event_details d"
                " ON d.seq = e.seq JOIN keys n ON n.key_id = e.node WHERE e.kind = ? AND e.kind > 1"
                " AND e.at_ms >= ? AND e.at_ms < ? AND d.key_masked = 'plugins_iterator:version'",
                (KIND_CODES[Kind.CACHE], from_ms, to_ms),
            )
        return frozenset(node for (node,) in rows)


def _changes(snapshot: Snapshot, query: str, values: Sequence[Any]) -> tuple[ChangeRow, ...]:
    return tuple(_change_row(row) for row in snapshot.rows(query, values))


def _change_row(row: Sequence[Any]) -> ChangeRow:
    (seq, at_ms, packed_id, request_id, node, source, entity_type, entity_id, entity_name, operation, told,
     before, after, actor, how, why, client_ip, call_id, proposal_id, verdict, is_final) = row  # fmt: skip
    change = Change(
        seq=seq,
        at_ms=at_ms,
        entity_type=entity_type or "unknown",
        entity_id=entity_id,
        entity_name=entity_name,
        operation=operation or "unknown",
        node=node,
        source=source,
        actor=told,
        request_id=request_id or request_id_in(unpack_id(packed_id)),
        before=_object(before),
        after=_object(after),
    )
    return ChangeRow(
        change=change,
        actor=_actor(told, actor, how, why, client_ip, call_id),
        proposal_id=proposal_id,
        verdict=None if verdict is None else msgspec.json.decode(verdict, type=Verdict),
        is_final=bool(is_final),
    )


def _object(text: str | None) -> dict[str, Any] | None:
    found = load_json(text)
    return found if isinstance(found, dict) else None


def _actor(
    told: str | None,
    actor: str | None,
    how: str | None,
    why: str | None,
    client_ip: str | None,
    call_id: str | None,
) -> Actor:
    if told is not None:
        return Actor(name=told, how=How.TOLD, why="the event itself names the actor")
    if how is None:
        return UNKNOWN
    return Actor(name=actor, how=How(how), why=why or "", client_ip=client_ip, call_id=call_id)


def _logged_call(row: Sequence[Any]) -> AdminCall | None:
    seq, at_ms, packed_id, request_id, status, ip, actor, body = row
    told = None if body is None else unpack_payload(body)
    if not isinstance(told, dict) or not isinstance(told.get("path"), str):
        return None
    event_id = unpack_id(packed_id)
    return AdminCall(
        call_id=f"log:{request_id or request_id_in(event_id) or seq}",
        at_ms=at_ms,
        source="loopback",
        actor=actor,
        method=str(told.get("method", "")),
        path=told["path"],
        status=status,
        client_ip=ip,
        request_id=request_id or request_id_in(event_id),
    )


def _call(row: Sequence[Any]) -> AdminCall:
    names = ("call_id", "at_ms", "source", "actor", "method", "path", "status", "client_ip", "request_id")
    return AdminCall(**dict(zip(names, row, strict=False)), workspace=row[9])
