"""The number row of a window, and what may make its numbers too low."""

from __future__ import annotations

from collections.abc import Sequence

from domain.events import Kind
from domain.windows import Window
from storage.codes import KIND_CODES, MEASURES, Dim
from storage.packs import PASSED, REFUSED
from storage.reading.activity import MANY, may_use_activity, read_activity
from storage.reading.arrays import IntArray, adds_to
from storage.reading.entries import read_entries
from storage.reading.kinds import count_kind
from storage.reading.names import may_use_names, read_refused
from storage.reading.restriction import Restriction
from storage.reading.rests import count_names, may_miss_some
from storage.reading.snapshot import Snapshot
from storage.reading.spans import Span
from storage.reading.trouble import gap_ms, has_gap
from storage.rows import Totals

INEXACT_LOOKED_AT = 10_000
"""Reports that drop repeats, looked at for one that a filter leaves; where there are more, one is assumed."""


def read_totals(
    snapshot: Snapshot,
    window: Window,
    spans: Sequence[Span],
    restriction: Restriction,
    merged: dict[int, int],
) -> Totals:
    """The number row. Cache and configuration have no consumer or address: filters do not apply to them."""
    dims = restriction.dims
    dim = next(iter(dims)) if len(dims) == 1 else Dim.ALL
    has_sums = dim not in MANY and may_use_activity(dim, restriction) and not restriction.is_impossible
    named = (Dim.CONSUMER, Dim.IP)
    ended: IntArray | None = None
    if all(may_use_names(snapshot, of, restriction) for of in named):
        names = [read_refused(snapshot, spans, of, merged) for of in named]
    else:
        parts = (REFUSED,) if has_sums else (REFUSED, PASSED)
        entries = read_entries(snapshot, spans, restriction, named, parts)
        refused = entries.refused()
        names = [refused.ranks(of, merged).keys for of in named]
        ended = None if has_sums else entries.by_outcome()
    if ended is not None:
        counts = {name: int(ended[adds_to(name)].sum()) for name in MEASURES}
    else:
        sums = read_activity(snapshot, spans, dim, restriction, {})
        counts = {name: int(values.sum()) for name, values in sums.measures.items()}
    consumers, consumers_folded = count_names(snapshot, Dim.CONSUMER, names[0])
    addresses, addresses_folded = count_names(snapshot, Dim.IP, names[1])
    requests, violations = counts["requests"], counts["limited"] + counts["probable"]
    is_told = tells_of_traffic(snapshot) and not any(dim == Dim.LIMIT for dim, _ in restriction.include)
    return Totals(
        requests=requests if is_told and requests >= violations else None,
        limited=counts["limited"],
        probable=counts["probable"],
        unauthorized=counts["s401"],
        upstream_limited=counts["upstream_429"],
        server_errors=counts["s5xx"],
        consumers=consumers,
        addresses=addresses,
        cache_invalidations=count_kind(snapshot, spans, Kind.CACHE),
        config_changes=count_kind(snapshot, spans, Kind.CRUD),
        last_change_ms=_last_change_ms(snapshot, window),
        at_least=has_gap(snapshot, window)
        or _has_inexact(snapshot, window, restriction)
        or may_miss_some(snapshot, restriction, window),
        gap_ms=gap_ms(snapshot, window),
        client_errors=counts["s4xx"],
        consumers_folded=consumers_folded,
        addresses_folded=addresses_folded,
    )


def tells_of_traffic(snapshot: Snapshot) -> bool:
    """Whether any sender tells about requests that were not refused: only then is a ratio one."""
    return bool(
        snapshot.value("SELECT EXISTS (SELECT 1 FROM sources WHERE requests > 0 OR way = 'http-log')")
    )


def _last_change_ms(snapshot: Snapshot, window: Window) -> int | None:
    found: int | None = snapshot.value(
        "SELECT max(at_ms) FROM events INDEXED BY events_by_kind"
        " WHERE kind = ? AND kind > 1 AND at_ms >= ? AND at_ms < ?",
        (KIND_CODES[Kind.CRUD], window.from_ms, window.to_ms),
    )
    return found


def _has_inexact(snapshot: Snapshot, window: Window, restriction: Restriction) -> bool:
    """Whether a counted report comes from a sender that drops repeats."""
    condition, bound = restriction.clause("inexact_events")
    found = snapshot.row(
        f"SELECT count(*), max(CASE WHEN counted = 1 AND {condition} THEN 1 ELSE 0 END) FROM ("
        "SELECT * FROM events INDEXED BY events_inexact WHERE inexact = 1 AND at_ms >= ? AND at_ms < ?"
        f" LIMIT {INEXACT_LOOKED_AT}) inexact_events",
        (*bound, window.from_ms, window.to_ms),
    )
    return found is not None and (bool(found[1]) or found[0] >= INEXACT_LOOKED_AT)
