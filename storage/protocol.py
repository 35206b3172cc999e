"""The contract between those who write, those who read, and the engine that stores.

SQLite implements it (`storage.sqlite_store.SqliteStore`, `storage.sqlite_reader.SqliteReader`); the suite in
tests/contracts holds any implementation to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from domain.events import PluginSeen
from domain.filters import Dimension, Filters
from domain.windows import Window
from storage.batches import Batch, CollectorStatus, Gap, SourceBeat, Written
from storage.node_rows import CachePast, ChurnRow, KindSeries, Nodes, Push, StateSpan, Targets
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


class Store(Protocol):
    """The one writer. Not safe for use from several threads at once."""

    def write(self, batches: Sequence[Batch], beats: Sequence[SourceBeat] = ()) -> list[Written]:
        """Store all batches in ONE durable transaction and return, per batch, what it came to.

        Raises:
            StoreBusy: Locked or full; nothing was written; the same call may work later.
            StoreCorrupt: The file is damaged.
        """

    def cursor(self, source: str, epoch: str) -> int:
        """The highest acknowledged sequence number of (source, epoch); 0 when it is new."""

    def beat(self, at_ms: int, status: CollectorStatus) -> None:
        """Record that the collector is alive."""

    def settle(self) -> int:
        """Judge probable (and ruled-out) events again by what is now known of their routes' plugins.

        Returns how many changed; the totals are corrected in the same transaction.
        """

    def prune(self, now_ms: int, max_rows: int) -> int:
        """Remove at most `max_rows` rows past their retention; returns how many went."""

    def pack(self, now_ms: int, max_rows: int) -> int:
        """Make ready for long windows what is over, about `max_rows` rows at most; returns how many were.

        Answers are the same without it, and slower.
        """

    def pseudonymise(self, now_ms: int, max_rows: int) -> int:
        """Replace addresses that nothing new refers to by pseudonyms, about `max_rows` rows looked at.

        Returns how many were; fewer when this hour's round is over. Numbers stay as they are.
        """

    def checkpoint(self) -> None:
        """Fold the write-ahead log into the file if no reader holds it."""

    def close(self) -> None:
        """Release the file. The store cannot be used afterwards."""


class Reader(Protocol):
    """Read-only questions, each with a deadline; safe to share between threads.

    Every method raises `DeadlineExceeded` past its time and `StoreError` when the file cannot be read.
    A database that does not exist yet answers like an empty one.
    """

    def data_version(self) -> int:
        """A number that changes when another connection has committed. Cheap: meant to be polled."""

    def freshness(self) -> Freshness:
        """How current the store is, and every source."""

    def totals(self, window: Window, filters: Filters) -> Totals:
        """The number row."""

    def series(
        self, window: Window, filters: Filters, group_by: Dimension | None, bucket_ms: int, top: int = 5
    ) -> Series:
        """Violations per bucket, stacked by the `top` largest of a dimension and Other."""

    def top(self, dimension: Dimension, window: Window, filters: Filters, limit: int = 10) -> Top:
        """The largest of a dimension by violations."""

    def resolve(self, dimension: Dimension, text: str) -> Entity | None:
        """The entity that a token, id or (former) name stands for; None when nothing is known."""

    def search(self, text: str, limit: int = 20) -> tuple[Entity, ...]:
        """Consumers, addresses, services and routes whose name, id or address starts with or holds `text`."""

    def breakdown(
        self, of: Dimension, window: Window, filters: Filters, limit: int = 100
    ) -> tuple[CellRow, ...]:
        """Totals by `of` under filters, most violations first, then most requests."""

    def pairs(
        self, of: Dimension, by: Dimension, window: Window, filters: Filters, limit: int = 100
    ) -> tuple[PairRow, ...]:
        """Totals by two dimensions at once, most violations first, then most requests.

        Without filters everything is gone through: name a consumer, an address or a route.
        """

    def spread(
        self, of: Dimension, by: Dimension, tokens: tuple[str, ...], window: Window, filters: Filters
    ) -> dict[str, int]:
        """For some tokens of `of`: with how many different `by` each had a violation."""

    def plugins(self) -> tuple[PluginSeen, ...]:
        """Kong's plugins over time: every sighting that said something new, oldest first."""

    def width_ms(self, window: Window, wanted_ms: int) -> int:
        """The width of buckets nearest above `wanted_ms` that the whole of a window can be answered in.

        Wider than wanted where finer totals are kept no more; `activity` and `series` then use it too.
        """

    def activity(
        self, window: Window, dimension: Dimension, token: str, bucket_ms: int
    ) -> tuple[tuple[int, int, int, int], ...]:
        """One key's past: (bucket start, requests, limited, probable), oldest first, no empty buckets."""

    def tail(self, query: EventQuery, after_seq: int, limit: int = 200) -> tuple[EventRow, ...]:
        """Matching events that arrived after `after_seq`, newest first."""

    def events(self, query: EventQuery, before_seq: int | None = None, limit: int = 100) -> EventPage:
        """Matching events, newest arrival first."""

    def event(self, seq: int) -> EventDetail | None:
        """One event with its payload."""

    def stream_events(self, query: EventQuery) -> Iterator[EventRow]:
        """All matching events, newest first, without limit and without holding a read open: for exports."""

    def markers(self, window: Window) -> tuple[Marker, ...]:
        """Changes, node events and gaps in a window, oldest first, at most 500."""

    def kind_counts(self, window: Window) -> tuple[tuple[str, str, int], ...]:
        """(kind, event, how many) in a window, most first."""

    def quarantine(self, window: Window, limit: int = 200) -> tuple[QuarantineRow, ...]:
        """What could not be read, newest first."""

    def gaps(self, window: Window, limit: int = 200) -> tuple[Gap, ...]:
        """Known gaps that touch a window, newest first."""

    def nodes(self, now_ms: int) -> Nodes:
        """Every node as it is known now, the worst first. Where nobody watches, nobody is live."""

    def node_history(self, window: Window, now_ms: int) -> tuple[StateSpan, ...]:
        """The states of every node in a window, by node and time; no span before it was known."""

    def target_health(self, window: Window) -> Targets:
        """The health of upstream targets now, and how it changed in a window."""

    def kind_series(
        self, window: Window, bucket_ms: int, kind: str, by: str, event: str | None = None
    ) -> KindSeries:
        """Events of one kind per bucket, split by `entity_type` or `node`."""

    def cache_past(self, window: Window) -> CachePast:
        """What happened to caches in a window, one by one, and the changes around it."""

    def churned_keys(self, window: Window, limit: int = 20) -> tuple[ChurnRow, ...]:
        """Cache keys that were dropped again and again, most often first."""

    def config_pushes(self, window: Window) -> tuple[Push, ...]:
        """Configurations that nodes without a database took as a whole, newest first, at most 500."""

    def health(self) -> StoreHealth:
        """The store about itself. Costs no full scan."""

    def close(self) -> None:
        """Release the file."""
