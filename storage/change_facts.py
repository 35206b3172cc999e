"""Writes of what is found out about changes: actors, verdicts, Admin API calls, how Kong is configured."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from domain.change_actors import Actor, AdminCall
from domain.change_verdict import Verdict
from storage.change_book import ChangeBook
from storage.connection import mapped_errors, transaction

KEEP_CALLS_MS = 30 * 86_400_000
"""As long as Enterprise keeps its own audit log by default (`audit_log_record_ttl`, 2,592,000 s)."""


def record_actor(book: ChangeBook, seq: int, actor: Actor, proposal_id: str | None = None) -> None:
    """Say who made a change; a later, better answer replaces an earlier one."""
    with mapped_errors(book.path), transaction(book.connection):
        book.connection.execute(
            "INSERT INTO change_actors VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (seq) DO UPDATE SET"
            " actor = excluded.actor, how = excluded.how, why = excluded.why,"
            " client_ip = excluded.client_ip, call_id = excluded.call_id, proposal_id = excluded.proposal_id",
            (seq, actor.name, actor.how.value, actor.why, actor.client_ip, actor.call_id, proposal_id),
        )


def record_verdict(book: ChangeBook, seq: int, verdict: Verdict, at_ms: int, *, is_final: bool) -> None:
    """Say what followed a change; replaces what was said while it was not final."""
    with mapped_errors(book.path), transaction(book.connection):
        book.connection.execute(
            "INSERT INTO change_verdicts VALUES (?, ?, ?, ?) ON CONFLICT (seq) DO UPDATE SET"
            " judged_ms = excluded.judged_ms, is_final = excluded.is_final, verdict = excluded.verdict"
            " WHERE change_verdicts.is_final = 0",
            (seq, at_ms, int(is_final), msgspec.json.encode(verdict).decode()),
        )


def record_calls(book: ChangeBook, calls: Iterable[AdminCall]) -> int:
    """Keep calls of the Admin API, each once; returns how many were new."""
    rows = [
        (
            c.call_id,
            c.at_ms,
            c.source,
            c.actor,
            c.method,
            c.path,
            c.status,
            c.client_ip,
            c.request_id,
            c.workspace,
        )
        for c in calls
    ]
    with mapped_errors(book.path), transaction(book.connection):
        cursor = book.connection.executemany(
            "INSERT INTO admin_calls VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", rows
        )
        return max(0, cursor.rowcount)


def newest_call_ms(book: ChangeBook, source: str) -> int | None:
    """When the newest call of a source was made; None when none is known."""
    with mapped_errors(book.path):
        row = book.connection.execute(
            "SELECT max(at_ms) FROM admin_calls WHERE source = ?", (source,)
        ).fetchone()
    return None if row[0] is None else int(row[0])


def forget_old_calls(book: ChangeBook, now_ms: int) -> None:
    """Remove calls that are older than thirty days."""
    with mapped_errors(book.path), transaction(book.connection):
        book.connection.execute("DELETE FROM admin_calls WHERE at_ms < ?", (now_ms - KEEP_CALLS_MS,))


# ---- how Kong is configured


LOOK = ("~look", "")
"""The row that says when Kong's configuration was read last."""


def known_states(book: ChangeBook) -> tuple[dict[tuple[str, str], dict[str, Any] | None], int | None]:
    """(collection, id) -> the state as it was last known (None: gone), and when Kong was read last."""
    with mapped_errors(book.path):
        rows = book.connection.execute(
            "SELECT entity_type, entity_id, state, known_ms FROM config_states"
            " ORDER BY entity_type, entity_id"
        ).fetchall()
    states = {(row[0], row[1]): None if row[2] is None else json.loads(row[2]) for row in rows}
    looked = [row[3] for row in rows if (row[0], row[1]) == LOOK]
    states.pop(LOOK, None)
    return states, looked[0] if looked else None


def record_states(
    book: ChangeBook,
    states: Mapping[tuple[str, str], dict[str, Any] | None],
    at_ms: int,
    drifts: Iterable[tuple[str, str, str | None, str, int, Any, Any]] = (),
) -> None:
    """Keep how entities are now, and what was found to differ from what events had told.

    Args:
        book: Where to.
        states: (collection, id) -> state with its secrets masked, None for what is gone; only what is news.
        at_ms: When Kong was read.
        drifts: (collection, id, name, direction, last known, before, after).
    """
    rows = [
        (collection, entity_id, None if state is None else json.dumps(state), at_ms)
        for (collection, entity_id), state in states.items()
    ]
    found = [
        (collection, entity_id, name, direction, from_ms, at_ms, _text(before), _text(after))
        for collection, entity_id, name, direction, from_ms, before, after in drifts
    ]
    with mapped_errors(book.path), transaction(book.connection):
        book.connection.executemany(
            "INSERT INTO config_states VALUES (?, ?, ?, ?) ON CONFLICT (entity_type, entity_id) DO UPDATE SET"
            " state = excluded.state, known_ms = excluded.known_ms",
            [*rows, (*LOOK, None, at_ms)],
        )
        book.connection.executemany(
            "INSERT INTO config_drifts (entity_type, entity_id, entity_name, direction, from_ms, found_ms,"
            " before, after) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            found,
        )


def _text(state: Any) -> str | None:
    return None if state is None else json.dumps(state)
