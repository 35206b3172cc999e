"""Takes batches into the transaction that is open: names, plugins, events, traffic, signs of life, cursors.

What a value of a kind that no column holds ends in is caught event by event: it goes to quarantine, and the
rest of its batch is stored. With at-least-once delivery it would come again for ever otherwise.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from domain.events import Decoded, EntitySeen, Event
from domain.request_marks import mark_of_request
from storage.batches import Batch, Dead, SourceBeat, Written
from storage.codes import META_EVENTS, META_FOLDED, META_FOLDED_CONSUMERS, Dim
from storage.writing.alike import Prepared
from storage.writing.books import Books
from storage.writing.event_rows import answer_bytes_in, try_pack
from storage.writing.nodes import OWN_SOURCE
from storage.writing.sources import clean

POISON = (ValueError, TypeError, AttributeError, OverflowError, RecursionError)


class Intake:
    """Puts together what the books can do."""

    def __init__(self, books: Books) -> None:
        self._books = books

    def write(self, batches: Sequence[Batch], beats: Sequence[SourceBeat]) -> list[Written]:
        """Take in batches and signs of life, and what follows from both; returns what each batch came to."""
        follows = self._hear(batches, beats)
        written = [self._write(batch) for batch in batches]
        for beat in beats:
            self._beat(beat)
        follows += self._changed_targets(batches)
        self.tell(follows)
        return written

    def tell(self, events: Sequence[Event]) -> None:
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
        gaps = self._books.sources.add_gaps(batch.gaps)
        self._books.sources.received(batch, written, gaps)
        written.last_seq = self._books.rows.last_seq
        return written

    def _is_acknowledged(self, batch: Batch) -> bool:
        """Whether all of a batch was stored before; a part of one is told by the ids of its events."""
        return self._books.cursors.is_stored(batch)

    def _take_in(self, batch: Batch, written: Written) -> None:
        decoded = batch.decoded
        self._take_context(batch, decoded, written)
        self._take_events(batch, decoded.events, written)
        for traffic in decoded.traffic:
            try:
                new = self._books.traffic.fold(traffic)
            except POISON as error:
                self._refuse(batch, written, f"a request's totals: {told(error)}", repr(traffic))
                continue
            written.traffic += new
            written.duplicates += 0 if new else traffic.count
        for bad in decoded.quarantined:
            self._books.sources.quarantine(batch.source, batch.received_ms, bad.why, bad.raw)
            written.quarantined += 1
        self._books.cursors.advance(batch)

    def _take_context(self, batch: Batch, decoded: Decoded, written: Written) -> None:
        """Names and plugins first: the events of the same message are read by them."""
        source = clean(batch.source) or ""
        for entity in decoded.entities:
            try:
                self._books.entities.saw(entity)
            except POISON as error:
                self._refuse(batch, written, f"an entity: {told(error)}", repr(entity))
        for plugin in decoded.plugins:
            try:
                self._books.plugins.saw(plugin, source)
            except POISON as error:
                self._refuse(batch, written, f"a plugin: {told(error)}", repr(plugin))
        if decoded.plugins_complete:
            self._books.plugins.saw_all(decoded.plugins, source, batch.received_ms)

    def _take_events(self, batch: Batch, events: Sequence[Event], written: Written) -> None:
        if not events:
            return
        books = self._books
        source = books.keys.key(Dim.SOURCE, clean(batch.source))
        packed_ids = [try_pack(event.id) for event in events]
        known = books.rows.known_ids(packed_ids)
        is_own = batch.source == OWN_SOURCE
        dead: list[Dead] = []
        for index, (untold, packed) in enumerate(zip(events, packed_ids, strict=True)):
            if packed in known:
                written.duplicates += 1
                continue
            event = books.targets.named(untold)
            try:
                if packed is None:
                    raise ValueError("the id cannot be stored")
                ready = books.rows.prepare(event, packed, source, batch.received_ms)
                if not (is_own or self._is_news(event)):
                    written.duplicates += 1
                    continue
            except POISON as error:
                dead.append(Dead(index=index, why=told(error)))
                self._refuse(batch, written, f"an event: {told(error)}", event.payload or repr(event))
                continue
            known.add(packed)
            self._add(packed, ready, event, written)
        written.dead = tuple(dead)

    def _is_news(self, event: Event) -> bool:
        return self._books.nodes.is_news(event) and self._books.targets.is_news(event)

    def _add(self, packed: bytes, ready: Prepared, event: Event, written: Written) -> None:
        books = self._books
        if ready.is_request and event.request_id is not None:
            mark = mark_of_request(event.request_id)
            if books.resends.is_known(mark):
                ready.set_aside()
            else:
                books.resends.add(mark)
        alike, at_ms = ready.alike, ready.at_ms
        counted = books.hooks.counts(ready)
        answer_bytes = answer_bytes_in(event.payload) if alike.is_open else None
        books.rows.add(packed, ready, counted=counted, answer_bytes=answer_bytes)
        combo_keys, combo = alike.combo_keys, ready.combo
        books.rollups.add_kind(at_ms, alike.type_id, alike.entity_type, combo_keys[4])
        if combo is not None and (counted or not alike.is_violation):
            books.rollups.add(at_ms, combo, 1)
        if alike.is_violation and alike.is_exact:
            books.hooks.changed(at_ms, combo_keys[0], combo_keys[1], combo_keys[2])
        written.events += 1
        written.violations += counted
        counters = books.sources.counters
        counters[META_EVENTS] += 1
        if alike.is_rest:
            counters[META_FOLDED] += 1
        if alike.is_other:
            counters[META_FOLDED_CONSUMERS] += 1

    def _refuse(self, batch: Batch, written: Written, why: str, raw: bytes | str) -> None:
        if isinstance(raw, str):
            raw = raw.encode("utf-8", "backslashreplace")
        self._books.sources.quarantine(batch.source, batch.received_ms, f"cannot be stored: {why}", raw)
        written.quarantined += 1

    # ---- signs of life, nodes and targets

    def _beat(self, beat: SourceBeat) -> None:
        self._books.sources.beat(beat)
        if beat.node_id is None:
            return
        with contextlib.suppress(*POISON):  # a name that cannot be stored is none; the beat itself stays
            self._books.entities.node(beat.node_id)
            self._books.entities.saw(
                EntitySeen(entity_type="nodes", entity_id=beat.node_id, name=beat.hostname, at_ms=beat.at_ms)
            )

    def _hear(self, batches: Sequence[Batch], beats: Sequence[SourceBeat]) -> list[Event]:
        """Signs of life of everything that came, in order of time; returns the events that follow."""
        nodes = self._books.nodes
        for batch in batches:
            if not self._is_acknowledged(batch):
                try:
                    nodes.take(batch)
                except POISON as error:
                    self._refuse(
                        batch, Written(), f"a sign of life: {told(error)}", repr(batch.decoded.nodes)
                    )
        for beat in beats:
            with contextlib.suppress(*POISON):  # a name that cannot be stored is none; the beat itself stays
                nodes.take_beat(beat)
        return nodes.hear()

    def _changed_targets(self, batches: Sequence[Batch]) -> list[Event]:
        """Changes of targets' health that polls found, after the events that tell of them exactly."""
        targets = self._books.targets
        found: list[Event] = []
        seen_by = [(seen, batch) for batch in batches for seen in batch.decoded.targets]
        for seen, batch in sorted(seen_by, key=lambda pair: pair[0].at_ms):
            try:
                event = targets.saw(seen)
            except POISON as error:
                self._refuse(batch, Written(), f"a target's health: {told(error)}", repr(seen))
                continue
            found += [event] if event is not None else []
        for node, upstream, at_ms in {(seen.node, seen.upstream, seen.at_ms) for seen, _ in seen_by}:
            with contextlib.suppress(*POISON):  # it was refused above
                targets.saw_all(node, upstream, at_ms)
        return found


def told(error: BaseException) -> str:
    """What was wrong, in words for people."""
    if isinstance(error, UnicodeEncodeError):
        return "a text holds half a character (a lone surrogate)"
    return str(error) or type(error).__name__
