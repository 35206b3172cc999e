"""How many events of each kind there were."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from storage.reading.restriction import EVERYTHING
from storage.reading.snapshot import Snapshot
from storage.reading.spans import Span

MAX_KINDS = 1_000


def of_spans(spans: Sequence[Span], condition: str, bound: Sequence[Any] = ()) -> tuple[str, list[Any]]:
    """A statement that gives `bucket_s, type_id, node, n` in a window, and what is bound to it."""
    parts: list[str] = []
    values: list[Any] = []
    for span in spans:
        parts.append(
            "SELECT bucket_s, type_id, node, n FROM kind_counts"
            f" WHERE res = ? AND bucket_s >= ? AND bucket_s < ? AND {condition}"
        )
        values += [span.res, span.from_s, span.to_s, *bound]
    return " UNION ALL ".join(parts), values


def count_kind(snapshot: Snapshot, spans: Sequence[Span], kind: str) -> int:
    """Events of a kind."""
    if not spans:
        return 0
    source, values = of_spans(
        spans, "type_id IN (SELECT type_id FROM event_types WHERE kind = ?)", (str(kind),)
    )
    return int(snapshot.value(f"SELECT coalesce(sum(n), 0) FROM ({source})", values))


def read_kind_counts(snapshot: Snapshot, spans: Sequence[Span]) -> tuple[tuple[str, str, int], ...]:
    """(kind, event, how many), most first, then by name; at most 1,000."""
    if not spans:
        return ()
    source, values = of_spans(spans, EVERYTHING)
    rows = snapshot.rows(
        f"SELECT t.kind, t.event, c.n FROM (SELECT type_id, sum(n) AS n FROM ({source}) GROUP BY type_id) c"
        f" JOIN event_types t USING (type_id) WHERE c.n > 0"
        f" ORDER BY c.n DESC, t.kind, t.event LIMIT {MAX_KINDS}",
        values,
    )
    return tuple((kind, event, n) for kind, event, n in rows)
