"""Where else a subject that is to be erased is mentioned, and what takes the place of each mention."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

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
        *("given_numbers", "schema_facts", "commits"),
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


def may_mention(table: str) -> bool:
    """Whether a table is looked through; what only grows stays, and quarantine goes by its bytes."""
    return table not in _NUMBERS_ONLY and table not in CHAINED and table != "quarantine_items"


def tables(connection: sqlite3.Connection) -> Iterator[tuple[str, list[str]]]:
    """Every table that may mention it, with its columns of text; what can only be added to stays."""
    names = [
        row[0]
        for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    ]
    for table in names:
        if not may_mention(table):
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


class Words:
    """Looks for a subject in texts, and puts a marker in its place."""

    def __init__(self, subject: Subject, marker: str) -> None:
        self._marker = marker
        self._sure = _pattern(subject.sure)
        self._every = _pattern((*subject.sure, *subject.names))

    def without(self, text: str | bytes | None) -> str | bytes | None:
        """A text with the marker for each mention."""
        if isinstance(text, bytes) and text.startswith(TEXT_ID):
            return TEXT_ID + self._every.sub(self._marker, _as_text(text[len(TEXT_ID) :])).encode("utf-8")
        return self._every.sub(self._marker, text) if isinstance(text, str) else text

    def mentions(self, text: str | bytes | None) -> bool:
        """Whether a text mentions it, by an id, an address or a name."""
        return text is not None and self._every.search(_as_text(text)) is not None

    def mentions_surely(self, text: str | bytes | None) -> bool:
        """Whether a text mentions it by an id or an address."""
        return text is not None and self._sure.search(_as_text(text)) is not None

    def mentions_payload(self, body: bytes) -> bool:
        """Whether a stored payload mentions it."""
        return self._every.search(_as_text(unpack_raw(body))) is not None

    def in_row(self, table: str, row: Mapping[str, Any]) -> bool:
        """Whether a row mentions it: the condition of `mention`, for engines without these functions.

        Args:
            table: Which.
            row: Its columns of text by name, and those that decide what a name means there.
        """
        texts = [value for value in row.values() if isinstance(value, str | bytes)]
        if table in _NOT_OF_PEOPLE:
            return any(map(self.mentions_surely, texts))
        if table in ("entities", "entity_names"):
            is_person = row["entity_type"] == "consumers"
            return any(map(self.mentions if is_person else self.mentions_surely, texts))
        if table == "keys":
            dim = row["dim"]
            is_person = dim in {Dim.CONSUMER, Dim.TEXT}
            found = any(map(self.mentions if is_person else self.mentions_surely, texts))
            return bool(dim != Dim.PREFIX and found)
        return any(map(self.mentions, texts))


def teach(connection: sqlite3.Connection, subject: Subject, marker: str) -> None:
    """Give a connection the functions that look for a subject and put a marker in its place."""
    words = Words(subject, marker)
    for name, function in {
        "without": words.without, "mentions": words.mentions,
        "mentions_surely": words.mentions_surely, "mentions_payload": words.mentions_payload,
    }.items():  # fmt: skip
        connection.create_function(name, 1, function, deterministic=True)


def spellings(subject: Subject) -> list[str]:
    """What a text that mentions it holds in any case; letter case aside."""
    words = (*subject.sure, *subject.names)
    return sorted({spelling for word in words for spelling in (word, json.dumps(word)[1:-1])})


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
