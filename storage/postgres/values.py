"""How values go to PostgreSQL and come back: as SQLite's users know them.

Whole numbers of any size go as `bigint`, so that one statement is prepared once. Flags are numbers, both
ways.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import psycopg
from psycopg.adapt import Loader
from psycopg.types.bool import BoolBinaryLoader
from psycopg.types.numeric import Int8BinaryDumper, NumericBinaryLoader
from psycopg.types.string import StrBinaryDumper

from storage.postgres.bulk import Whole, WholeDumper

NUL, SHOWN_NUL = "\0", "\u2400"
"""PostgreSQL keeps every character but this one; its picture takes its place."""


class _Integer(Int8BinaryDumper):
    def dump(self, obj: Any) -> Any:
        return super().dump(int(obj))


class _Text(StrBinaryDumper):
    def dump(self, obj: str) -> Any:
        return super().dump(obj.replace(NUL, SHOWN_NUL) if NUL in obj else obj)


class _Flag(BoolBinaryLoader):
    def load(self, data: Any) -> Any:
        return int(super().load(data))


class _Number(NumericBinaryLoader):
    def load(self, data: Any) -> Any:
        found: Decimal = super().load(data)
        return int(found) if found == found.to_integral_value() else float(found)


class _FlagText(Loader):
    def load(self, data: Any) -> Any:
        return int(bytes(data) == b"t")


def adapt(connection: psycopg.Connection[Any]) -> None:
    """Teach a connection."""
    adapters = connection.adapters
    for kind in (int, bool):
        adapters.register_dumper(kind, _Integer)
    adapters.register_dumper(str, _Text)
    adapters.register_dumper(Whole, WholeDumper)
    adapters.register_loader("bool", _Flag)
    adapters.register_loader("bool", _FlagText)
    adapters.register_loader("numeric", _Number)
