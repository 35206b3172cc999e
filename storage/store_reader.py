"""`storage.protocol.Reader` on either engine: each question is one short read transaction with a deadline."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from domain.events import PluginSeen
from domain.filters import Dimension, Filters
from domain.windows import Window
from storage.batches import Gap
from storage.codes import DIM_OF, Dim
from storage.node_rows import CachePast, ChurnRow, KindSeries, Nodes, Push, StateSpan, Targets
from storage.packs import REFUSED
from storage.reading import (
    caches,
    entities,
    event_pages,
    event_rows,
    event_search,
    health,
    kinds,
    markers,
    nodes,
    trouble,
)
from storage.reading.entries import read_entries
from storage.reading.freshness import last_seq, read_freshness
from storage.reading.health import Place
from storage.reading.key_sums import KeySums
from storage.reading.pairs import read_pairs, read_spread, spread
from storage.reading.plugins import read_plugins
from storage.reading.restriction import read_restriction
from storage.reading.series import read_past, read_series
from storage.reading.snapshot import Snapshot, Snapshots
from storage.reading.spans import buckets, read_kept, spans
from storage.reading.sums import read_ranking, read_requests
from storage.reading.tops import breakdown, top
from storage.reading.totals import read_totals, tells_of_traffic
from storage.reading.words import keys_of, read_merged
from storage.rows import (
    CellRow,
    Entity,
    EventDetail,
    EventPage,
    EventQuery,
    EventRow,
    Freshness,
    Marker,
    PairRow,
    QuarantineRow,
    Series,
    StoreHealth,
    Top,
    Totals,
)

MAX_PAGE = 5_000
EXPORT_PAGE = 2_000
"""Events of an export read at once: 20 ms or so, in which the write-ahead log cannot be folded in."""


class StoreReader:
    """Read-only; safe to share between threads. Nothing is opened before the first question.

    Args:
        connections: To the store.
        read_place: Where it is and what it takes, which each engine tells in its own way.
    """

    def __init__(self, connections: Snapshots, read_place: Callable[[Snapshot], Place]) -> None:
        self._connections = connections
        self._read_place = read_place

    # ---- how current

    def data_version(self) -> int:
        """A number that changes when another connection has committed, or the store is another one."""
        return self._connections.data_version()

    def freshness(self) -> Freshness:
        """How current the store is, and every source."""
        with self._connections.snapshot() as snapshot:
            return read_freshness(snapshot)

    # ---- sums

    def totals(self, window: Window, filters: Filters) -> Totals:
        """The number row."""
        with self._connections.snapshot() as snapshot:
            restriction = read_restriction(snapshot, filters)
            wanted = spans(window, read_kept(snapshot))
            return read_totals(snapshot, window, wanted, restriction, read_merged(snapshot))

    def series(
        self, window: Window, filters: Filters, group_by: Dimension | None, bucket_ms: int, top: int = 5
    ) -> Series:
        """Violations per bucket, stacked by the `top` largest of a dimension and Other."""
        with self._connections.snapshot() as snapshot:
            kept = read_kept(snapshot)
            shape = buckets(window, bucket_ms, kept)
            restriction, merged = read_restriction(snapshot, filters), read_merged(snapshot)
            dim = None if group_by is None else DIM_OF[group_by]
            ranking = None
            if dim is not None:
                wanted = spans(Window(shape.from_ms, shape.to_ms), kept)
                ranking = read_ranking(snapshot, wanted, dim, restriction, merged, refused_only=True)
            tells = tells_of_traffic(snapshot)
            return read_series(snapshot, shape, dim, ranking, restriction, merged, top, tells=tells)

    def top(self, dimension: Dimension, window: Window, filters: Filters, limit: int = 10) -> Top:
        """The largest of a dimension by violations."""
        with self._connections.snapshot() as snapshot:
            dim, wanted = DIM_OF[dimension], spans(window, read_kept(snapshot))
            restriction, merged = read_restriction(snapshot, filters), read_merged(snapshot)
            refused = read_ranking(snapshot, wanted, dim, restriction, merged, refused_only=True)

            def requests_of(listed: KeySums) -> dict[int, int]:
                return read_requests(snapshot, wanted, dim, listed, restriction, merged)

            tells = tells_of_traffic(snapshot)
            return top(snapshot, dimension, refused, limit, requests_of if tells else None)

    def breakdown(
        self, of: Dimension, window: Window, filters: Filters, limit: int = 100
    ) -> tuple[CellRow, ...]:
        """Totals by `of` under filters, most violations first, then most requests."""
        with self._connections.snapshot() as snapshot:
            dim, wanted = DIM_OF[of], spans(window, read_kept(snapshot))
            restriction, merged = read_restriction(snapshot, filters), read_merged(snapshot)
            only = dim == Dim.LIMIT
            ranking = read_ranking(snapshot, wanted, dim, restriction, merged, refused_only=only)
            if only:
                ranking = ranking.only(ranking.violations > 0)
            return breakdown(snapshot, of, ranking, limit, tells=tells_of_traffic(snapshot))

    def pairs(
        self, of: Dimension, by: Dimension, window: Window, filters: Filters, limit: int = 100
    ) -> tuple[PairRow, ...]:
        """Totals by two dimensions at once, most violations first, then most requests."""
        with self._connections.snapshot() as snapshot:
            wanted = spans(window, read_kept(snapshot))
            dims = DIM_OF[of], DIM_OF[by]
            entries = read_entries(snapshot, wanted, read_restriction(snapshot, filters), dims)
            return read_pairs(snapshot, entries, *dims, read_merged(snapshot), limit)

    def spread(
        self, of: Dimension, by: Dimension, tokens: tuple[str, ...], window: Window, filters: Filters
    ) -> dict[str, int]:
        """For some tokens of `of`: with how many different `by` each had a violation."""
        with self._connections.snapshot() as snapshot:
            dim, merged = DIM_OF[of], read_merged(snapshot)
            only = filters.only(of, tokens)
            wanted = spans(window, read_kept(snapshot))
            restriction = read_restriction(snapshot, only)
            if filters or restriction.is_impossible:
                refused = read_entries(snapshot, wanted, restriction, (dim, DIM_OF[by]), (REFUSED,))
                counts = spread(refused, dim, DIM_OF[by], merged)
            else:
                counts = read_spread(snapshot, wanted, dim, DIM_OF[by], restriction, merged)
            return {token: _most(counts, keys_of(snapshot, dim, token)) for token in tokens}

    def plugins(self) -> tuple[PluginSeen, ...]:
        """Kong's plugins as they were configured over time, oldest first."""
        with self._connections.snapshot() as snapshot:
            return read_plugins(snapshot)

    def width_ms(self, window: Window, wanted_ms: int) -> int:
        """The width of buckets nearest above `wanted_ms` that the whole of a window can be answered in."""
        with self._connections.snapshot() as snapshot:
            return buckets(window, wanted_ms, read_kept(snapshot)).width_ms

    def activity(
        self, window: Window, dimension: Dimension, token: str, bucket_ms: int
    ) -> tuple[tuple[int, int, int, int], ...]:
        """One key's past: (bucket start, requests, limited, probable), oldest first, no empty buckets."""
        with self._connections.snapshot() as snapshot:
            shape = buckets(window, bucket_ms, read_kept(snapshot))
            dim = DIM_OF[dimension]
            return read_past(snapshot, shape, dim, keys_of(snapshot, dim, token))

    # ---- names

    def resolve(self, dimension: Dimension, text: str) -> Entity | None:
        """The entity that a token, id or (former) name stands for; None when nothing is known."""
        with self._connections.snapshot() as snapshot:
            return entities.resolve(snapshot, dimension, text)

    def search(self, text: str, limit: int = 20) -> tuple[Entity, ...]:
        """Consumers, addresses, services and routes whose name, id or address starts with or holds `text`."""
        with self._connections.snapshot() as snapshot:
            return entities.search(snapshot, text, limit)

    # ---- events

    def tail(self, query: EventQuery, after_seq: int, limit: int = 200) -> tuple[EventRow, ...]:
        """Matching events that arrived after `after_seq`, newest first."""
        with self._connections.snapshot() as snapshot:
            if last_seq(snapshot) <= after_seq:
                return ()
            search = event_search.read_search(snapshot, query)
            walked = event_pages.walk(snapshot, search, after_seq + 1, None, min(limit, MAX_PAGE))
            return event_rows.to_records(snapshot, walked.rows)

    def events(self, query: EventQuery, before_seq: int | None = None, limit: int = 100) -> EventPage:
        """Matching events, newest arrival first. A page with fewer than `limit` need not be the last."""
        with self._connections.snapshot() as snapshot:
            search = event_search.read_search(snapshot, query)
            total = event_search.count(snapshot, search)
            if total == 0:
                return EventPage(rows=(), next_seq=None, total=0)
            walked = event_pages.walk(snapshot, search, 0, before_seq, max(1, min(limit, MAX_PAGE)))
            rows = event_rows.to_records(snapshot, walked.rows)
            is_all = before_seq is None and len(rows) == total
            return EventPage(rows=rows, next_seq=None if is_all else walked.floor, total=total)

    def event(self, seq: int) -> EventDetail | None:
        """One event with its payload."""
        with self._connections.snapshot() as snapshot:
            return event_rows.read_event(snapshot, seq)

    def stream_events(self, query: EventQuery) -> Iterator[EventRow]:
        """All matching events, newest first, without limit and without holding a read open: for exports."""
        before_seq: int | None = None
        while True:
            with self._connections.snapshot() as snapshot:
                search = event_search.read_search(snapshot, query)
                walked = event_pages.walk(snapshot, search, 0, before_seq, EXPORT_PAGE)
                rows = event_rows.to_records(snapshot, walked.rows)
            yield from rows
            if walked.floor is None:
                return
            before_seq = walked.floor

    # ---- nodes, targets, caches

    def nodes(self, now_ms: int) -> Nodes:
        """Every node as it is known now, the worst first."""
        with self._connections.snapshot() as snapshot:
            return nodes.read_nodes(snapshot, now_ms)

    def node_history(self, window: Window, now_ms: int) -> tuple[StateSpan, ...]:
        """The states of every node in a window, by node and time."""
        with self._connections.snapshot() as snapshot:
            return nodes.read_node_history(snapshot, window, now_ms)

    def target_health(self, window: Window) -> Targets:
        """The health of upstream targets now, and how it changed in a window."""
        with self._connections.snapshot() as snapshot:
            return nodes.read_targets(snapshot, window)

    def kind_series(
        self, window: Window, bucket_ms: int, kind: str, by: str, event: str | None = None
    ) -> KindSeries:
        """Events of one kind per bucket, split by `entity_type` or `node`."""
        with self._connections.snapshot() as snapshot:
            kept = read_kept(snapshot)
            return caches.read_kind_series(snapshot, window, kept, bucket_ms, kind, by, event)

    def cache_past(self, window: Window) -> CachePast:
        """What happened to caches in a window, one by one, and the changes around it."""
        with self._connections.snapshot() as snapshot:
            return caches.read_cache_past(snapshot, window)

    def churned_keys(self, window: Window, limit: int = 20) -> tuple[ChurnRow, ...]:
        """Cache keys that were dropped again and again, most often first."""
        with self._connections.snapshot() as snapshot:
            return caches.read_churn(snapshot, window, limit)

    def config_pushes(self, window: Window) -> tuple[Push, ...]:
        """Configurations that nodes without a database took as a whole, newest first, at most 500."""
        with self._connections.snapshot() as snapshot:
            return caches.read_pushes(snapshot, window)

    # ---- everything else

    def markers(self, window: Window) -> tuple[Marker, ...]:
        """Changes, node events and gaps in a window, oldest first, at most 500."""
        with self._connections.snapshot() as snapshot:
            return markers.read_markers(snapshot, window)

    def kind_counts(self, window: Window) -> tuple[tuple[str, str, int], ...]:
        """(kind, event, how many) in a window, most first."""
        with self._connections.snapshot() as snapshot:
            return kinds.read_kind_counts(snapshot, spans(window, read_kept(snapshot)))

    def quarantine(self, window: Window, limit: int = 200) -> tuple[QuarantineRow, ...]:
        """What could not be read, newest first."""
        with self._connections.snapshot() as snapshot:
            return trouble.read_quarantine(snapshot, window, limit)

    def gaps(self, window: Window, limit: int = 200) -> tuple[Gap, ...]:
        """Known gaps that touch a window, newest first."""
        with self._connections.snapshot() as snapshot:
            return trouble.read_gaps(snapshot, window, limit)

    def health(self) -> StoreHealth:
        """The store about itself. Costs no full scan."""
        with self._connections.snapshot() as snapshot:
            return health.read_health(snapshot, self._read_place(snapshot))

    def close(self) -> None:
        """Release the store."""
        self._connections.close()


def _most(counts: dict[int, int], keys: tuple[int, ...]) -> int:
    """The count of a name that may stand for several numbers, of which all but one were joined with it."""
    return max((counts.get(key, 0) for key in keys), default=0)
