"""What is missing, and what could not be read."""

from __future__ import annotations

from domain.windows import Window
from storage.batches import Gap
from storage.reading.snapshot import Snapshot
from storage.rows import QuarantineRow

MAX_GAPS = 10_000
"""Gaps whose lengths are added up; a store with more in one window has worse to tell."""
MAX_RAW_CHARS = 2_000
MAX_ROWS = 5_000

_TOUCHING = "FROM known_gaps INDEXED BY known_gaps_by_end WHERE to_ms >= ? AND from_ms < ?"
"""A gap is closed at both ends: one that is no longer than an instant is missing something too."""


def has_gap(snapshot: Snapshot, window: Window) -> bool:
    """Whether a known gap touches a window."""
    return snapshot.row(f"SELECT 1 {_TOUCHING} LIMIT 1", (window.from_ms, window.to_ms)) is not None


def gap_ms(snapshot: Snapshot, window: Window) -> int:
    """Milliseconds of a window that lie in a gap; where gaps overlap they count once."""
    rows = snapshot.rows(
        f"SELECT from_ms, to_ms {_TOUCHING} ORDER BY from_ms, gap_id LIMIT {MAX_GAPS}",
        (window.from_ms, window.to_ms),
    )
    found, covered_to_ms = 0, window.from_ms
    for from_ms, to_ms in rows:
        start_ms, end_ms = max(from_ms, covered_to_ms), min(to_ms, window.to_ms)
        if end_ms > start_ms:
            found += end_ms - start_ms
            covered_to_ms = end_ms
    return found


def read_gaps(snapshot: Snapshot, window: Window, limit: int) -> tuple[Gap, ...]:
    """Known gaps that touch a window, newest first."""
    rows = snapshot.rows(
        f"SELECT source, from_ms, to_ms, cause {_TOUCHING} ORDER BY to_ms DESC, gap_id DESC LIMIT ?",
        (window.from_ms, window.to_ms, max(0, min(limit, MAX_ROWS))),
    )
    return tuple(Gap(source=row[0], from_ms=row[1], to_ms=row[2], cause=row[3]) for row in rows)


def read_quarantine(snapshot: Snapshot, window: Window, limit: int) -> tuple[QuarantineRow, ...]:
    """What could not be read, newest first."""
    rows = snapshot.rows(
        f"SELECT seq, at_ms, source, why, substr(raw, 1, {MAX_RAW_CHARS})"
        " FROM quarantine_items INDEXED BY quarantine_items_by_time"
        " WHERE at_ms >= ? AND at_ms < ? ORDER BY at_ms DESC, seq DESC LIMIT ?",
        (window.from_ms, window.to_ms, max(0, min(limit, MAX_ROWS))),
    )
    return tuple(
        QuarantineRow(seq=seq, at_ms=at_ms, source=source, why=why, raw=printable(raw))
        for seq, at_ms, source, why, raw in rows
    )


def printable(raw: bytes) -> str:
    """Bytes as one line of text, at most 2,000 characters; what cannot be printed is written as an escape."""
    text = raw.decode("utf-8", "backslashreplace")
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
    return shown[:MAX_RAW_CHARS]
