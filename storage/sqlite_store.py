"""The one writer: `storage.protocol.Store` on a SQLite file.

Everything that one call of `write` was given goes into one transaction: events, totals, names, cursors and
what was refused. The books in `storage/writing` remember what is committed; after a rollback all forget.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from domain.events import Decoded, EntitySeen, Event
from settings import Settings
from storage.batches import Batch, CollectorStatus, Dead, SourceBeat, Written
from storage.codes import ASIDE, IS_REQUEST, META_EVENTS, META_FOLDED, META_LAST_SEQ, Dim, meta_distinct
from storage.connection import mapped_errors, open_writer, transaction
from storage.keeping import keep_before_upgrade
from storage.schema import prepare
from storage.writing.entities import EntityBook
from storage.writing.event_rows import EventRows, Prepared, answer_bytes_in, combo_of, outcome_of, try_pack
from storage.writing.hooks import HookBook
from storage.writing.keys import KeyBook
from storage.writing.nodes import OWN_SOURCE, NodeBook
from storage.writing.packs import PackBook
from storage.writing.plugins import PluginBook
from storage.writing.resends import ResendMemory, mark_of_request
from storage.writing.retention import Retention
from storage.writing.rollups import Rollups
from storage.writing.settlement import Settlement
from storage.writing.sources import SourceBook, clean
from storage.writing.targets import TargetBook
from storage.writing.traffic import TrafficFolder

SETTLE_ROWS = 2_000
"""Judged again in one transaction: about 20 ms when every one of them changes."""
_POISON = (ValueError, TypeError, AttributeError, OverflowError, RecursionError)
"""What a value of a kind that no column holds ends in."""


class SqliteStore:
    """Opens, and where needed makes or upgrades, a file.

    Raises:
        StoreBusy: It cannot be opened now.
        StoreCorrupt: It is damaged.
        StoreForeign: It belongs to another program, or a newer version of this one made it.
    """

    def __init__(self, path: str | Path, settings: Settings) -> None:
        self._path = Path(path)
        self._connection = open_writer(self._path)
        try:
            with mapped_errors(self._path):
                keep_before_upgrade(self._connection, self._path)
                prepare(self._connection, self._path)
                self._make_books(settings)
        except BaseException:
            self._connection.close()
            raise

    def _make_books(self, settings: Settings) -> None:
        db = self._connection
        self._keys = KeyBook(db)
        self._entities = EntityBook(db, self._keys)
        self._rollups = Rollups(db, self._keys)
        self._rows = EventRows(db, self._keys, self._entities)
        self._rows.last_seq = self._last_seq = _stored_last_seq(db)
        self._hooks = HookBook(db, self._rows, self._rollups)
        self._resends = ResendMemory(db, settings.resend_memory_entries)
        self._traffic = TrafficFolder(
            db, self._keys, self._entities, self._rollups, self._resends, settings.max_addresses_per_minute
        )
        self._sources = SourceBook(db)
        self._plugins = PluginBook(db)
        self._settlement = Settlement(db, self._keys, self._plugins, self._rollups, self._hooks)
        self._nodes = NodeBook(db, settings.events_days)
        self._targets = TargetBook(db)
        self._retention = Retention(db, settings)
        self._packs = PackBook(db)

    # ---- the contract

    def write(self, batches: Sequence[Batch], beats: Sequence[SourceBeat] = ()) -> list[Written]:
        """Store all batches in one durable transaction and return, per batch, what it came to.

        Raises:
            StoreBusy: Locked or full; nothing was written; the same call may work later.
            StoreCorrupt: The file is damaged.
        """
        with self._one_transaction():
            follows = self._hear(batches, beats)
            written = [self._write(batch) for batch in batches]
            for beat in beats:
                self._beat(beat)
            follows += self._changed_targets(batches)
            self._tell(follows)
        return written

    def cursor(self, source: str, epoch: str) -> int:
        """The highest acknowledged sequence number of (source, epoch); 0 when it is new."""
        with mapped_errors(self._path):
            return self._sources.cursor(source, epoch)

    def beat(self, at_ms: int, status: CollectorStatus) -> None:
        """Record that the collector is alive."""
        with self._one_transaction():
            follows = self._nodes.watch(at_ms)
            self._sources.status(msgspec.structs.replace(status, beat_ms=at_ms))
            self._tell(follows)

    def settle(self) -> int:
        """Judge again what looked like a refusal, by what is now known of plugins; returns how many changed.

        Done in transactions of 2,000; each corrects the totals of what it changes.
        """
        changed = 0
        while self._has_open_cases():
            with self._one_transaction():
                changed += self._settlement.judge_some(SETTLE_ROWS)
        return changed

    def _has_open_cases(self) -> bool:
        with mapped_errors(self._path):
            return self._settlement.has_work()

    def prune(self, now_ms: int, max_rows: int) -> int:
        """Remove at most `max_rows` rows past their retention; returns how many went."""
        with self._one_transaction():
            gone = self._retention.prune(now_ms, max_rows)
            return gone + self._nodes.prune(now_ms, max_rows - gone)

    def pack(self, now_ms: int, max_rows: int) -> int:
        """Pack the totals of hours and days that are over, about `max_rows` rows; returns how many."""
        with self._one_transaction():
            return self._packs.make(now_ms, max_rows)

    def checkpoint(self) -> None:
        """Fold the write-ahead log into the file if no reader holds it."""
        with mapped_errors(self._path):
            (patience_ms,) = self._connection.execute("PRAGMA busy_timeout").fetchone()
            self._connection.execute("PRAGMA busy_timeout=0").fetchall()
            try:
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            finally:
                self._connection.execute(f"PRAGMA busy_timeout={int(patience_ms)}").fetchall()

    def close(self) -> None:
        """Release the file. The store cannot be used afterwards."""
        with mapped_errors(self._path):
            self._connection.close()

    # ---- one transaction

    @contextlib.contextmanager
    def _one_transaction(self) -> Iterator[None]:
        try:
            with mapped_errors(self._path), transaction(self._connection):
                yield
                self._flush()
        except BaseException:
            self._forget()
            raise
        self._committed()

    def _flush(self) -> None:
        self._rows.finish()
        self._targets.flush()
        self._rollups.flush()
        self._resends.flush()
        counters = self._sources.counters
        counters[META_FOLDED] += self._traffic.folded
        counters[META_LAST_SEQ] += self._rows.last_seq - self._last_seq
        for dim, n in self._keys.added.items():
            counters[meta_distinct(dim)] += n
        if self._plugins.changed_ms is not None:
            self._settlement.rewind(self._plugins.changed_ms)
        self._sources.flush()

    def _committed(self) -> None:
        self._last_seq = self._rows.last_seq
        self._resends.committed()
        self._traffic.finish()
        self._keys.added.clear()
        if self._plugins.changed_ms is not None:
            self._settlement.forget()
        self._plugins.committed()

    def _forget(self) -> None:
        """Back to what is on disk."""
        self._keys.forget()
        self._entities.forget()
        self._rollups.forget()
        self._rows.forget()
        self._rows.last_seq = self._last_seq
        self._resends.forget_fresh()
        self._traffic.forget()
        self._sources.forget()
        self._settlement.forget()
        self._hooks.forget()
        self._nodes.forget()
        self._targets.forget()
        self._plugins.forget()

    # ---- nodes and targets

    def _hear(self, batches: Sequence[Batch], beats: Sequence[SourceBeat]) -> list[Event]:
        """Signs of life of everything that came, in order of time; returns the events that follow."""
        for batch in batches:
            if not self._is_acknowledged(batch):
                try:
                    self._nodes.take(batch)
                except _POISON as error:
                    self._refuse(
                        batch, Written(), f"a sign of life: {_told(error)}", repr(batch.decoded.nodes)
                    )
        for beat in beats:
            with contextlib.suppress(*_POISON):  # a name that cannot be stored is none; the beat itself stays
                self._nodes.take_beat(beat)
        return self._nodes.hear()

    def _changed_targets(self, batches: Sequence[Batch]) -> list[Event]:
        """Changes of targets' health that polls found, after the events that tell of them exactly."""
        found: list[Event] = []
        seen_by = [(seen, batch) for batch in batches for seen in batch.decoded.targets]
        for seen, batch in sorted(seen_by, key=lambda pair: pair[0].at_ms):
            try:
                event = self._targets.saw(seen)
            except _POISON as error:
                self._refuse(batch, Written(), f"a target's health: {_told(error)}", repr(seen))
                continue
            found += [event] if event is not None else []
        for node, upstream, at_ms in {(seen.node, seen.upstream, seen.at_ms) for seen, _ in seen_by}:
            with contextlib.suppress(*_POISON):  # it was refused above
                self._targets.saw_all(node, upstream, at_ms)
        return found

    def _tell(self, events: Sequence[Event]) -> None:
        """Store what nobody told us of, but what follows from what we heard, or did not hear."""
        if events:
            at_ms = max(event.at_ms for event in events)
            own = Batch(source=OWN_SOURCE, way="admin-api", received_ms=at_ms, decoded=Decoded())
            self._take_events(own, events, Written())

    # ---- one batch

    def _write(self, batch: Batch) -> Written:
        written = Written()
        if self._is_acknowledged(batch):
            written.duplicates = len(batch.decoded.events) + sum(t.count for t in batch.decoded.traffic)
        else:
            self._take_in(batch, written)
        gaps = self._sources.add_gaps(batch.gaps)
        self._sources.received(batch, written, gaps)
        written.last_seq = self._rows.last_seq
        return written

    def _is_acknowledged(self, batch: Batch) -> bool:
        """Whether all of a batch was stored before; a part of one is told by the ids of its events."""
        if batch.epoch is None or batch.upto is None:
            return False
        return batch.upto <= self._sources.cursor(batch.source, batch.epoch)

    def _beat(self, beat: SourceBeat) -> None:
        self._sources.beat(beat)
        if beat.node_id is None:
            return
        with contextlib.suppress(*_POISON):  # a name that cannot be stored is none; the beat itself stays
            self._entities.node(beat.node_id)
            self._entities.saw(
                EntitySeen(entity_type="nodes", entity_id=beat.node_id, name=beat.hostname, at_ms=beat.at_ms)
            )

    def _take_in(self, batch: Batch, written: Written) -> None:
        decoded = batch.decoded
        self._take_context(batch, decoded, written)
        self._take_events(batch, decoded.events, written)
        for traffic in decoded.traffic:
            try:
                new = self._traffic.fold(traffic)
            except _POISON as error:
                self._refuse(batch, written, f"a request's totals: {_told(error)}", repr(traffic))
                continue
            written.traffic += new
            written.duplicates += 0 if new else traffic.count
        for bad in decoded.quarantined:
            self._sources.quarantine(batch.source, batch.received_ms, bad.why, bad.raw)
            written.quarantined += 1
        if batch.epoch is not None and batch.upto is not None:
            self._sources.advance(batch.source, batch.epoch, batch.upto, batch.received_ms)

    def _take_context(self, batch: Batch, decoded: Decoded, written: Written) -> None:
        """Names and plugins first: the events of the same message are read by them."""
        source = clean(batch.source) or ""
        for entity in decoded.entities:
            try:
                self._entities.saw(entity)
            except _POISON as error:
                self._refuse(batch, written, f"an entity: {_told(error)}", repr(entity))
        for plugin in decoded.plugins:
            try:
                self._plugins.saw(plugin, source)
            except _POISON as error:
                self._refuse(batch, written, f"a plugin: {_told(error)}", repr(plugin))
        if decoded.plugins_complete:
            self._plugins.saw_all(decoded.plugins, source, batch.received_ms)

    def _take_events(self, batch: Batch, events: Sequence[Event], written: Written) -> None:
        if not events:
            return
        known = self._rows.known_ids(events)
        source = self._keys.key(Dim.SOURCE, clean(batch.source))
        dead: list[Dead] = []
        for index, told in enumerate(events):
            event = self._targets.named(told)
            packed = try_pack(event.id)
            if packed is not None and packed in known:
                written.duplicates += 1
                continue
            try:
                ready = self._rows.prepare(event, source, batch.received_ms)
                if packed is None:
                    raise ValueError("the id cannot be stored")
                if not (batch.source == OWN_SOURCE or self._is_news(event)):
                    written.duplicates += 1
                    continue
            except _POISON as error:
                why = _told(error)
                dead.append(Dead(index=index, why=why))
                self._refuse(batch, written, f"an event: {why}", event.payload or repr(event))
                continue
            known.add(packed)
            self._add(packed, ready, event, written)
        written.dead = tuple(dead)

    def _is_news(self, event: Event) -> bool:
        return self._nodes.is_news(event) and self._targets.is_news(event)

    def _add(self, packed: bytes | str, ready: Prepared, event: Event, written: Written) -> None:
        if ready.flags & IS_REQUEST and event.request_id is not None:
            mark = mark_of_request(event.request_id)
            if self._resends.is_known(mark):
                ready = ready._replace(flags=ready.flags | ASIDE)
            else:
                self._resends.add(mark)
        counted = self._hooks.counts(ready)
        answer_bytes = answer_bytes_in(event.payload) if ready.is_open else None
        self._rows.add(packed, ready, counted=counted, answer_bytes=answer_bytes)
        node = ready.combo_keys[4]
        self._rollups.add_kind(ready.at_ms, ready.type_id, ready.entity_type, node)
        outcome = outcome_of(ready.certainty, ready.flags, ready.status)
        if outcome is not None and (counted or not ready.is_violation):
            self._rollups.add(ready.at_ms, combo_of(ready.combo_keys, outcome), 1)
        if ready.is_violation and ready.is_exact:
            consumer, ip, service = ready.combo_keys[:3]
            self._hooks.changed(ready.at_ms, consumer, ip, service)
        written.events += 1
        written.violations += counted
        self._sources.counters[META_EVENTS] += 1

    def _refuse(self, batch: Batch, written: Written, why: str, raw: bytes | str) -> None:
        if isinstance(raw, str):
            raw = raw.encode("utf-8", "backslashreplace")
        self._sources.quarantine(batch.source, batch.received_ms, f"cannot be stored: {why}", raw)
        written.quarantined += 1


def _told(error: BaseException) -> str:
    if isinstance(error, UnicodeEncodeError):
        return "a text holds half a character (a lone surrogate)"
    return str(error) or type(error).__name__


def _stored_last_seq(connection: sqlite3.Connection) -> int:
    """The newest arrival number ever given, also when retention has removed its event."""
    row = connection.execute(
        "SELECT max(coalesce((SELECT value FROM meta WHERE name = ?), 0),"
        " coalesce((SELECT max(seq) FROM events), 0))",
        (META_LAST_SEQ,),
    ).fetchone()
    return int(row[0])
