"""sqlite-utils without pandas.

sqlite-utils imports pandas where it finds it (sqlite_utils/db.py, 4.2), to accept its types as values. Nobody
gives it any here, and the collector, which needs nothing else of pandas, was 65 MB larger and started 0.3 s
later.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def _without(name: str) -> Iterator[None]:
    """Let imports of a module fail, unless someone has imported it already."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]  # the import system's own way of saying: not there
    try:
        yield
    finally:
        del sys.modules[name]


with _without("pandas"):
    from sqlite_utils import Database, Migrations

__all__ = ["Database", "Migrations"]
