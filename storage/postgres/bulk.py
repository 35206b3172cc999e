"""Many rows at once, for the tables that take thousands a second.

What is only ever added (events and what belongs to them) goes by `COPY`. Sums are added to sums: their
columns, all of whole numbers, go as one array each, and one statement makes rows of them and merges them in.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import Dumper
from psycopg.pq import Format

from storage.postgres.statements import Statement

COPIED = frozenset(("events", "event_details", "payloads", "judgements", "pack_columns"))
MERGED = frozenset(("event_blocks", "cells", "activity", "kind_counts"))
"""No two rows of one call have the same key."""
FEW = 4
"""So few rows go one by one."""

_INSERT = re.compile(
    r"INSERT INTO (?P<table>[a-z_]+)\s*(?:\((?P<columns>[a-z0-9_, ]+)\))?\s*"
    r"VALUES\s*\((?P<marks>[?, ]+)\)(?P<rest>.*)",
    re.DOTALL,
)
_COLUMNS = """
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum"""
_OIDS = {"smallint": "int2", "integer": "int4", "bigint": "int8", "bytea": "bytea", "text": "text"}
_INT8, _INT8_ARRAY, _INT8_BYTES = 20, 1016, 8
_ELEMENT = np.dtype([("bytes", ">i4"), ("value", ">i8")])
_HEADER = np.dtype(">i4")


class Whole:
    """A column of whole numbers on its way into an array of `bigint`."""

    def __init__(self, numbers: Sequence[int]) -> None:
        self.numbers = numbers


class WholeDumper(Dumper):
    """The binary form of an array, src/backend/utils/adt/arrayfuncs.c `array_send`, made without a loop.

    psycopg makes it number by number: 10,000 rows of 13 columns took 60 ms, and take 8.
    """

    format = Format.BINARY
    oid = _INT8_ARRAY

    def dump(self, obj: Whole) -> Buffer | None:
        """One dimension, no NULL, elements of 8 bytes."""
        elements = np.empty(len(obj.numbers), _ELEMENT)
        elements["bytes"] = _INT8_BYTES
        elements["value"] = obj.numbers
        header = np.array((1, 0, _INT8, len(obj.numbers), 1), _HEADER)
        return header.tobytes() + elements.tobytes()


class _Way:
    """How the rows of one statement go."""

    def __init__(self, text: str, types: tuple[str, ...]) -> None:
        self.text = text
        self.types = types


class Bulk:
    """Remembers, for one connection, how the rows of each statement go."""

    def __init__(self) -> None:
        self._ways: dict[str, _Way | None] = {}

    def run(
        self,
        connection: psycopg.Connection[Any],
        statement: str,
        translated: Statement,
        rows: Sequence[Sequence[Any]],
    ) -> psycopg.Cursor[Any] | None:
        """Run an insertion; None where its rows go one by one."""
        table = translated.target
        if len(rows) < FEW or not (table in COPIED or table in MERGED):
            return None
        if statement not in self._ways:
            self._ways[statement] = _way_of(connection, statement)
        way = self._ways[statement]
        if way is None:
            return None
        if table in COPIED:
            return _copied(connection, way, rows)
        columns = [Whole(column) for column in zip(*rows, strict=True)]
        return connection.execute(way.text, columns, binary=True)


def _copied(
    connection: psycopg.Connection[Any], way: _Way, rows: Sequence[Sequence[Any]]
) -> psycopg.Cursor[Any]:
    cursor = connection.cursor()
    with cursor.copy(way.text) as copy:
        copy.set_types(way.types)
        for row in rows:
            copy.write_row(row)
    return cursor


def _way_of(connection: psycopg.Connection[Any], statement: str) -> _Way | None:
    found = _INSERT.fullmatch(statement.strip())
    if found is None:
        return None
    table, rest = found["table"], found["rest"]
    types = dict(connection.execute(_COLUMNS, (table,)).fetchall())
    columns = found["columns"].replace(" ", "").split(",") if found["columns"] else list(types)
    columns = columns[: found["marks"].count("?")]
    named = ", ".join(columns)
    if table in COPIED:
        text = f"COPY {table} ({named}) FROM STDIN (FORMAT BINARY)"
        return None if rest.strip() else _Way(text, tuple(_OIDS[types[name]] for name in columns))
    arrays = ", ".join(f"${place}" for place in range(1, len(columns) + 1))
    return _Way(f"INSERT INTO {table} ({named}) SELECT * FROM unnest({arrays}){rest}", ())
