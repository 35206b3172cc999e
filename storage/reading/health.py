"""The store about itself, from what the writer counted: nothing is scanned."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

from storage.codes import (
    DIM_OF,
    META_FOLDED,
    META_FOLDED_CONSUMERS,
    META_GAPS,
    META_QUARANTINED,
    meta_distinct,
)
from storage.reading.kinds import MAX_KINDS
from storage.reading.rests import crowds_in
from storage.reading.snapshot import Snapshot
from storage.rows import StoreHealth
from storage.schema import VERSION


class Place(NamedTuple):
    """Where a store is, and what it takes there; None where that cannot be known."""

    path: str
    file_bytes: int
    wal_bytes: int | None
    free_disk_bytes: int | None


def place_of_file(path: Path) -> Place:
    """Of a file that may not be there yet."""
    return Place(str(path), _size(path), _size(path.with_name(path.name + "-wal")), _free(path))


def read_health(snapshot: Snapshot, place: Place) -> StoreHealth:
    """Sizes, counts and bounds."""
    meta = dict(snapshot.rows("SELECT name, value FROM meta LIMIT 10000"))
    n, oldest_ms, newest_ms = snapshot.row(
        "SELECT coalesce(sum(n), 0), min(min_at_ms), max(max_at_ms) FROM event_blocks"
    ) or (0, None, None)
    kinds = snapshot.rows(
        f"SELECT kind, event, n FROM event_types ORDER BY n DESC, kind, event LIMIT {MAX_KINDS}"
    )
    return StoreHealth(
        **place._asdict(),
        events=n,
        oldest_event_ms=oldest_ms,
        newest_event_ms=newest_ms,
        quarantined=meta.get(META_QUARANTINED, 0),
        gaps=meta.get(META_GAPS, 0),
        distinct={str(name): meta.get(meta_distinct(dim), 0) for name, dim in DIM_OF.items()},
        folded=meta.get(META_FOLDED, 0),
        schema_version=snapshot.value("PRAGMA user_version") or VERSION,
        kinds=tuple((kind, event, count) for kind, event, count in kinds),
        folded_consumers=meta.get(META_FOLDED_CONSUMERS, 0),
        crowds=crowds_in(meta),
    )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _free(path: Path) -> int:
    """Free bytes of the disk that holds the file, or will."""
    folder = path.absolute().parent
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free
