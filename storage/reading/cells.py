"""Rows of `cells` that filters leave: for spans that are short, or not packed yet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from storage.codes import COLUMN_OF, Dim, Outcome
from storage.reading.restriction import EVERYTHING, Restriction
from storage.reading.snapshot import Snapshot
from storage.reading.spans import Span
from storage.reading.words import as_list

MAX_FEW = 500
"""So few combinations are followed through the index on `cells`; more are met by going through buckets."""
_INDEXES = {
    Dim.IP: "combos_by_ip",
    Dim.CONSUMER: "combos_by_all",
    Dim.ROUTE: "combos_by_route",
    Dim.SERVICE: "combos_by_service",
}
"""Where the combinations of a name stand together; the first that a filter names leaves the fewest."""


def few_combos(snapshot: Snapshot, restriction: Restriction) -> tuple[int, ...] | None:
    """The combinations that filters leave; None when there are more than 500, or no index leads to them."""
    included = {dim for dim, _ in restriction.include}
    index = next((index for dim, index in _INDEXES.items() if dim in included), None)
    if index is None:
        return None
    return snapshot.once(("few", restriction), lambda: _few_combos(snapshot, restriction, index))


def _few_combos(snapshot: Snapshot, restriction: Restriction, index: str) -> tuple[int, ...] | None:
    condition, bound = restriction.clause("c")
    rows = snapshot.rows(
        f"SELECT combo FROM combos c INDEXED BY {index} WHERE {condition} LIMIT {MAX_FEW + 1}", bound
    )
    return None if len(rows) > MAX_FEW else tuple(combo for (combo,) in rows)


def cells_of(
    snapshot: Snapshot,
    spans: Sequence[Span],
    restriction: Restriction,
    outcomes: Iterable[int] = (),
    columns: Sequence[Dim] = (),
) -> tuple[str, list[Any]]:
    """A statement that gives `bucket_s, outcome, n` and columns of what filters leave, and what is bound."""
    wanted = "".join(f", c.{COLUMN_OF[dim]}" for dim in columns)
    few = few_combos(snapshot, restriction)
    codes = ", ".join(str(int(Outcome(outcome))) for outcome in outcomes)
    ended = f"c.outcome IN ({codes})" if codes else EVERYTHING
    condition, bound = restriction.clause("c")
    parts: list[str] = []
    values: list[Any] = []
    for span in spans:
        limits = "x.res = ? AND x.bucket_s >= ? AND x.bucket_s < ?"
        if few is None:
            parts.append(
                f"SELECT x.bucket_s, c.outcome, x.n{wanted} FROM cells x CROSS JOIN combos c"
                f" ON c.combo = x.combo WHERE {limits} AND {ended} AND {condition}"
            )
            values += [*span, *bound]
        else:
            parts.append(
                f"SELECT x.bucket_s, c.outcome, x.n{wanted} FROM json_each(?) j"
                f" CROSS JOIN combos c ON c.combo = j.value AND {ended}"
                f" CROSS JOIN cells x INDEXED BY cells_by_combo ON x.combo = j.value AND {limits}"
            )
            values += [as_list(few), *span]
    return " UNION ALL ".join(parts), values


def cells_of_few(combos: Sequence[int], span: Span) -> tuple[str, list[Any]]:
    """A statement that gives `bucket_s, n` of combinations that are known, and what is bound to it."""
    statement = (
        "SELECT x.bucket_s, x.n FROM json_each(?) j CROSS JOIN cells x INDEXED BY cells_by_combo"
        " ON x.combo = j.value AND x.res = ? AND x.bucket_s >= ? AND x.bucket_s < ?"
    )
    return statement, [as_list(combos), *span]


def count_few(snapshot: Snapshot, combos: Sequence[int], span: Span, most: int) -> int:
    """How many rows `cells_of_few` would give; at `most` + 1 counting ends."""
    statement, values = cells_of_few(combos, span)
    return int(snapshot.value(f"SELECT count(*) FROM ({statement} LIMIT ?) rows_of_few", (*values, most + 1)))
