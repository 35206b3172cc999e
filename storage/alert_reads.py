"""Reads for the evaluation of rules: each call is one short read transaction with a deadline.

It keeps a connection pool of its own, so that a slow page never makes an alert late, nor the other way round.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from domain.blocks import Block
from storage.block_rows import read_blocks_between
from storage.codes import NONE_KEY, RES_CODES, Dim
from storage.reading import alert_feed as feed
from storage.reading.choosing import open_snapshots
from storage.reading.words import Word, read_merged, read_words

_DIM_OF_ENTITY = {"consumer": Dim.CONSUMER, "ip": Dim.IP, "service": Dim.SERVICE, "everything": Dim.ALL}
_DIM_OF_COLLECTION = {"consumers": Dim.CONSUMER, "services": Dim.SERVICE, "routes": Dim.ROUTE}
_HOUR_S, _QUARTER_S, _MINUTE_S = 3_600, 900, 60
_RES_MINUTE, _RES_HOUR = 1, 2
QUARTERS = 16


class AlertReads:
    """Read-only; safe to share between threads.

    Args:
        database: The file, or the URL. While it does not exist it answers like an empty one.
        deadline_ms: Longest that one question may take.
    """

    def __init__(self, database: str | Path, deadline_ms: int) -> None:
        self._connections = open_snapshots(database, deadline_ms)

    def close(self) -> None:
        """Release the file."""
        self._connections.close()

    def data_version(self) -> int:
        """A number that changes when another connection has committed."""
        return self._connections.data_version()

    # ---- the feed

    def extent(self, width_ms: int) -> tuple[int, int] | None:
        """From the start of the first to the end of the last bucket of a width that holds anything, in ms."""
        with self._connections.snapshot() as snapshot:
            found = feed.read_extent(snapshot, RES_CODES[width_ms])
        return None if found is None else (found[0] * 1000, found[1] * 1000 + width_ms)

    def bucket_marks(self, width_ms: int, from_ms: int, to_ms: int) -> dict[int, int]:
        """Start of bucket in ms -> a number that changes when anything in it was counted."""
        with self._connections.snapshot() as snapshot:
            found = feed.read_bucket_totals(snapshot, RES_CODES[width_ms], from_ms // 1000, to_ms // 1000)
        return {start_s * 1000: mark for start_s, mark in found.items()}

    def cells(self, width_ms: int, bucket_ms: int, after: int, limit: int) -> list[feed.CellRow]:
        """Combinations of one bucket after number `after`; a name joined with an id is that id."""
        with self._connections.snapshot() as snapshot:
            rows = feed.read_cells(snapshot, RES_CODES[width_ms], bucket_ms // 1000, after, limit)
            merged = read_merged(snapshot)
        outcome_of = feed.OUTCOME_OF
        return [
            (combo, merged.get(consumer, consumer), ip, merged.get(service, service), route, limit_key,
             outcome_of[outcome], n)
            for combo, consumer, ip, service, route, limit_key, outcome, n in rows
        ]  # fmt: skip

    def last_seq(self) -> int:
        """The arrival number of the newest event."""
        with self._connections.snapshot() as snapshot:
            return feed.read_last_seq(snapshot)

    def last_rare_ms(self) -> int | None:
        """When the newest change, sign of health or invalidation happened; None without any."""
        with self._connections.snapshot() as snapshot:
            return feed.read_last_rare_ms(snapshot)

    def rare_after(self, seq: int, upto: int) -> list[feed.RareEvent]:
        """Changes, targets' health and invalidations by arrival, after `seq` up to `upto`."""
        with self._connections.snapshot() as snapshot:
            return feed.read_rare_after(snapshot, seq, upto)

    def rare_between(self, from_ms: int, to_ms: int) -> list[feed.RareEvent]:
        """The same by when they happened."""
        with self._connections.snapshot() as snapshot:
            return feed.read_rare_between(snapshot, from_ms, to_ms)

    # ---- what is known besides

    def node_states(self) -> list[tuple[str, int, str, str]]:
        """(node, since, state, reason), oldest first."""
        with self._connections.snapshot() as snapshot:
            return feed.read_states(snapshot)

    def node_facts(self) -> dict[str, tuple[str, str | None, int | None]]:
        """Node -> (its name, the node that took its place, when its certificate ends)."""
        with self._connections.snapshot() as snapshot:
            return feed.read_node_facts(snapshot)

    def targets(self) -> list[tuple[str, str, int]]:
        """(upstream, target, when a node first told of it)."""
        with self._connections.snapshot() as snapshot:
            return feed.read_target_names(snapshot)

    def gaps(self, from_ms: int, to_ms: int) -> list[tuple[int, int]]:
        """Known gaps that touch a span."""
        with self._connections.snapshot() as snapshot:
            return feed.read_gaps(snapshot, from_ms, to_ms)

    def blocks(self, from_ms: int, to_ms: int) -> list[Block]:
        """Our own blocks that were on at some time of a span."""
        with self._connections.snapshot() as snapshot:
            return read_blocks_between(snapshot, from_ms, to_ms)

    def arrivals(self) -> list[tuple[str, str, bool | None, int | None, int | None]]:
        """(source, way, whether it is connected, last received, last sign of life) of every source."""
        with self._connections.snapshot() as snapshot:
            rows = snapshot.rows(
                "SELECT source, way, connected, last_received_ms, last_beat_ms FROM sources"
                " ORDER BY source LIMIT 5000"
            )
        return [(row[0], row[1], None if row[2] is None else bool(row[2]), row[3], row[4]) for row in rows]

    def entity_names(self) -> dict[tuple[str, str], str]:
        """(collection, id) -> the latest name."""
        with self._connections.snapshot() as snapshot:
            return feed.read_entity_names(snapshot)

    def words(self, keys: Iterable[int]) -> dict[int, Word]:
        """What numbers stand for."""
        with self._connections.snapshot() as snapshot:
            return read_words(snapshot, keys)

    def limits(self, keys: Iterable[int]) -> dict[int, tuple[str | None, int | None, int | None]]:
        """Limit -> (name, value, window in seconds)."""
        with self._connections.snapshot() as snapshot:
            return feed.read_limits(snapshot, keys)

    def key_of(self, collection: str, entity_id: str) -> int | None:
        """The number of a consumer, service or route by Kong's id; None when no traffic named it."""
        dim = _DIM_OF_COLLECTION.get(collection)
        if dim is None:
            return None
        with self._connections.snapshot() as snapshot:
            return feed.read_key(snapshot, dim, entity_id)

    # ---- the past

    def hourly(
        self, entity_type: str, key: int | str, from_ms: int, to_ms: int
    ) -> list[tuple[int, int, int]]:
        """(start of hour in ms, requests, refusals) of whole hours, oldest first; empty ones left out."""
        found = self._activity(entity_type, key, _RES_HOUR, from_ms // 1000, to_ms // 1000)
        return [(start_s * 1000, requests, refused) for start_s, requests, refused in found]

    def quarters(self, entity_type: str, key: int | str, before_ms: int) -> list[int]:
        """Refusals of the sixteen quarters of an hour that end at or before an instant, oldest first."""
        end_s = before_ms // 1000 // _MINUTE_S * _MINUTE_S
        start_s = end_s - QUARTERS * _QUARTER_S
        sums = [0] * QUARTERS
        for at_s, _, refused in self._activity(entity_type, key, _RES_MINUTE, start_s, end_s):
            sums[(at_s - start_s) // _QUARTER_S] += refused
        return sums

    def known_addresses(self, consumer: int, addresses: Sequence[str], before_ms: int) -> frozenset[str]:
        """Which of these addresses a consumer used before."""
        with self._connections.snapshot() as snapshot:
            return feed.read_known_addresses(snapshot, consumer, addresses, before_ms // 1000)

    def was_refused(self, entity_type: str, key: int | str, from_ms: int, to_ms: int) -> bool:
        """Whether there was a refusal in a span of whole hours."""
        found = self._activity(entity_type, key, _RES_HOUR, from_ms // 1000, to_ms // 1000)
        return any(refused for _, _, refused in found)

    def sample(
        self, entity_type: str, value: str, from_ms: int, to_ms: int, limit: int = 50
    ) -> list[feed.SampleRow]:
        """Some refusals of a consumer (by Kong's id or name) or an address, newest first."""
        dim = _DIM_OF_ENTITY.get(entity_type)
        if dim not in {Dim.CONSUMER, Dim.IP}:
            return []
        with self._connections.snapshot() as snapshot:
            key = feed.read_key(snapshot, dim, value)
            if key is None:
                return []
            keys = [key, *(k for k, same in read_merged(snapshot).items() if same == key)]
            column = "consumer" if dim == Dim.CONSUMER else "ip"
            return feed.read_sample(snapshot, column, keys, from_ms, to_ms, limit)

    def _activity(
        self, entity_type: str, key: int | str, res: int, from_s: int, to_s: int
    ) -> list[tuple[int, int, int]]:
        dim = _DIM_OF_ENTITY.get(entity_type)
        if dim is None:
            return []
        with self._connections.snapshot() as snapshot:
            number = key if isinstance(key, int) else feed.read_key(snapshot, dim, key)
            if dim == Dim.ALL:
                number = NONE_KEY
            if number is None:
                return []
            return feed.read_activity(snapshot, res, dim, number, from_s, to_s)
