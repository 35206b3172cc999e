"""The number row of a window, and what may make its numbers too low."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from domain.events import Kind
from domain.windows import Window
from storage.codes import KIND_CODES, Dim
from storage.reading.connections import Snapshot
from storage.reading.kinds import count_kind
from storage.reading.restriction import Restriction
from storage.reading.spans import Span
from storage.reading.sums import KeySums, is_real, read_activity, read_cells
from storage.reading.trouble import gap_ms, has_gap
from storage.rows import Totals

INEXACT_LOOKED_AT = 10_000
"""Reports that drop repeats, looked at for one that a filter leaves; where there are more, one is assumed."""


class WindowSums(NamedTuple):
    """Everything that was counted in a window under filters, three times over."""

    everything: KeySums
    consumers: KeySums
    addresses: KeySums


def read_window(
    snapshot: Snapshot, spans: Sequence[Span], restriction: Restriction, merged: dict[int, int]
) -> WindowSums:
    """Sum a window."""
    if restriction.dims:
        cells = read_cells(snapshot, spans, restriction)
        return WindowSums(*(cells.by(dim, merged) for dim in (Dim.ALL, Dim.CONSUMER, Dim.IP)))
    return WindowSums(
        *(read_activity(snapshot, spans, dim, restriction, merged) for dim in (Dim.ALL, Dim.CONSUMER, Dim.IP))
    )


def read_totals(
    snapshot: Snapshot, window: Window, spans: Sequence[Span], restriction: Restriction, sums: WindowSums
) -> Totals:
    """The number row. Cache and configuration have no consumer or address: filters do not apply to them."""
    everything = sums.everything
    limited, probable = everything.total("limited"), everything.total("probable")
    requests = everything.total("requests")
    is_told = tells_of_traffic(snapshot) and not any(dim == Dim.LIMIT for dim, _ in restriction.include)
    return Totals(
        requests=requests if is_told and requests >= limited + probable else None,
        limited=limited,
        probable=probable,
        unauthorized=everything.total("s401"),
        upstream_limited=everything.total("upstream_429"),
        server_errors=everything.total("s5xx"),
        consumers=_refused(sums.consumers),
        addresses=_refused(sums.addresses),
        cache_invalidations=count_kind(snapshot, spans, Kind.CACHE),
        config_changes=count_kind(snapshot, spans, Kind.CRUD),
        last_change_ms=_last_change_ms(snapshot, window),
        at_least=has_gap(snapshot, window) or _has_inexact(snapshot, window, restriction),
        gap_ms=gap_ms(snapshot, window),
    )


def tells_of_traffic(snapshot: Snapshot) -> bool:
    """Whether any sender tells about requests that were not refused: only then is a ratio one."""
    return bool(
        snapshot.value("SELECT EXISTS (SELECT 1 FROM sources WHERE requests > 0 OR way = 'http-log')")
    )


def _refused(sums: KeySums) -> int:
    return int((is_real(sums) & (sums.violations > 0)).sum())


def _last_change_ms(snapshot: Snapshot, window: Window) -> int | None:
    found: int | None = snapshot.value(
        "SELECT max(at_ms) FROM events INDEXED BY events_by_kind"
        " WHERE kind = ? AND kind > 1 AND at_ms >= ? AND at_ms < ?",
        (KIND_CODES[Kind.CRUD], window.from_ms, window.to_ms),
    )
    return found


def _has_inexact(snapshot: Snapshot, window: Window, restriction: Restriction) -> bool:
    """Whether a counted report comes from a sender that drops repeats."""
    condition, bound = restriction.clause("e")
    found = snapshot.row(
        f"SELECT count(*), max(counted = 1 AND {condition}) FROM ("
        "SELECT * FROM events INDEXED BY events_inexact WHERE inexact = 1 AND at_ms >= ? AND at_ms < ?"
        f" LIMIT {INEXACT_LOOKED_AT}) e",
        (*bound, window.from_ms, window.to_ms),
    )
    return found is not None and (bool(found[1]) or found[0] >= INEXACT_LOOKED_AT)
