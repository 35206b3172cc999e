"""Where else a subject that is to be erased is mentioned, and what takes the place of each mention."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

from storage.audit_trail import CHAINED
from storage.codes import Dim
from storage.packing import TEXT_ID, unpack_raw

_NUMBERS_ONLY = frozenset(
    (
        *(
            "activity",
            "cells",
            "combos",
            "packs",
            "pack_columns",
            "kind_counts",
            "event_blocks",
            "judgements",
        ),
        *("resends", "limits", "pseudonyms", "payloads", "meta", "sqlite_sequence", "alert_evidence"),
    )
)
_NOT_OF_PEOPLE = frozenset(
    (
        *("plugins", "plugin_sources", "cursors", "sources", "collector_status", "known_gaps", "known_nodes"),
        *("node_states", "known_targets", "event_types", "alert_rules", "alert_receivers"),
        *("alert_subscriptions", "audit_settings", "_sqlite_migrations", "cursor_holes", "members"),
    )
)
"""Tables in which a consumer's name is something else that is called so. Ids and addresses are looked for."""


class Subject(NamedTuple):
    """Whom it is about."""

    dim: Dim
    keys: tuple[int, ...]
    sure: tuple[str, ...]
    """Texts that mean it wherever they stand: an address, Kong's ids."""
    names: tuple[str, ...]
    """Texts that may mean something else in other places."""


def tables(connection: sqlite3.Connection) -> Iterator[tuple[str, list[str]]]:
    """Every table that may mention it, with its columns of text; what can only be added to stays."""
    names = [
        row[0]
        for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    ]
    for table in names:
        if table in _NUMBERS_ONLY or table in CHAINED or table == "quarantine_items":
            continue
        columns = connection.execute(f"PRAGMA table_info({table})").fetchall()
        texts = [row[1] for row in columns if row[2] == "TEXT" or (table, row[1]) == ("events", "id")]
        if texts:
            yield table, texts


def mention(table: str, columns: list[str]) -> str:
    """The condition on which a row of a table mentions it."""
    if table in _NOT_OF_PEOPLE:
        word = "mentions_surely"
    elif table in ("entities", "entity_names"):
        sure, named = (
            " OR ".join(f'{word}("{name}")' for name in columns) for word in ("mentions_surely", "mentions")
        )
        return f"(({sure}) OR entity_type = 'consumers' AND ({named}))"
    elif table == "keys":
        return (
            "(dim <> 3"
            " AND (mentions_surely(value) OR mentions_surely(first_name) OR mentions_surely(name))"
            " OR dim IN (1, 9) AND (mentions(value) OR mentions(first_name) OR mentions(name)))"
        )
    else:
        word = "mentions"
    return "(" + " OR ".join(f'{word}("{name}")' for name in columns) + ")"


def teach(connection: sqlite3.Connection, subject: Subject, marker: str) -> None:
    """Give a connection the functions that look for a subject and put a marker in its place."""
    sure = _pattern(subject.sure)
    every = _pattern((*subject.sure, *subject.names))

    def without(text: str | bytes | None) -> str | bytes | None:
        if isinstance(text, bytes) and text.startswith(TEXT_ID):
            return TEXT_ID + every.sub(marker, _as_text(text[len(TEXT_ID) :])).encode("utf-8")
        return every.sub(marker, text) if isinstance(text, str) else text

    def mentions(text: str | bytes | None) -> bool:
        return text is not None and every.search(_as_text(text)) is not None

    def mentions_surely(text: str | bytes | None) -> bool:
        return text is not None and sure.search(_as_text(text)) is not None

    def mentions_payload(body: bytes) -> bool:
        return every.search(_as_text(unpack_raw(body))) is not None

    for name, function in {
        "without": without, "mentions": mentions,
        "mentions_surely": mentions_surely, "mentions_payload": mentions_payload,
    }.items():  # fmt: skip
        connection.create_function(name, 1, function, deterministic=True)


def _as_text(text: str | bytes) -> str:
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else text


def _pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    """Finds words where they stand alone; also as JSON writes them."""
    spelled = {spelling for word in words for spelling in (word, json.dumps(word)[1:-1])}
    parts = [_alone(word) for word in sorted(spelled, key=len, reverse=True)]
    return re.compile("|".join(parts) or r"(?!)")


def _alone(word: str) -> str:
    """A port may follow an address of the old kind; in one of the new kind a colon is a part of it."""
    if ":" in word:
        return rf"(?i:(?<![\w.:]){re.escape(word)}(?!\w|[.:]\w))"
    return rf"(?<![\w.]){re.escape(word)}(?!\w|\.\w)"
