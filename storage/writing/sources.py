"""Who sent what: cursors, senders, gaps, quarantine, and the counters that health shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from storage.batches import Batch, CollectorStatus, Gap, Member, SourceBeat, Written
from storage.codes import META_GAPS, META_LAST_RECEIVED, META_QUARANTINED
from storage.engine import Connection

MAX_RAW_BYTES = 65_536
MAX_WORD_CHARS = 4_096
MEMBER_MS = 3_600_000
"""A process that was not heard of for an hour is shown no more."""
_WAYS_THAT_CONNECT = ("stream",)
_WAYS_WITH_NUMBERS = ("stream", "replay")
"""Those of others are a collector's own: docs/scale.md."""


def clean(text: str | None) -> str | None:
    """Text that can surely be stored: lone surrogates replaced, cut at 4,096 characters."""
    if text is None:
        return None
    text = text[:MAX_WORD_CHARS]
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


class _Heard:
    """What one transaction heard from a sender."""

    def __init__(self, first_ms: int) -> None:
        self.first_ms = self.last_ms = first_ms
        self._way: str | None = None
        self._connected: int | None = None
        self._acked: int | None = None
        self._counts = [0] * 5

    def add(self, batch: Batch, written: Written, gaps: int) -> None:
        """Take in one batch."""
        self._way = clean(batch.way)
        self._connected = 1 if batch.way in _WAYS_THAT_CONNECT else None
        self.last_ms = max(self.last_ms, batch.received_ms)
        new = (written.events, written.traffic, written.duplicates, written.quarantined, gaps)
        self._counts = [sum(pair) for pair in zip(self._counts, new, strict=True)]
        if batch.way in _WAYS_WITH_NUMBERS and batch.upto is not None:
            self._acked = batch.upto

    def row(self) -> tuple[object, ...]:
        """The columns of `sources` after its name."""
        return (self._way, self._connected, self.first_ms, self.last_ms, *self._counts, self._acked)


class SourceBook:
    """Rows about senders, in the transaction that is open."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.counters: Counter[str] = Counter()
        """What goes into `meta` when the transaction ends."""
        self._acked: dict[tuple[str, str], int] = {}
        self._moved: dict[tuple[str, str], int] = {}
        self._heard: dict[str, _Heard] = {}

    def forget(self) -> None:
        """The transaction was rolled back."""
        self.counters.clear()
        self._acked.clear()
        self._moved.clear()
        self._heard.clear()

    def acked(self, source: str, epoch: str) -> int:
        """The same as `cursor`, read once in a transaction."""
        found = self._acked.get((source, epoch))
        if found is None:
            found = self._acked[source, epoch] = self.cursor(source, epoch)
        return found

    def cursor(self, source: str, epoch: str) -> int:
        """The highest acknowledged number; 0 when there is none."""
        row = self._connection.execute(
            "SELECT acked FROM cursors WHERE source = ? AND epoch = ?", (clean(source), clean(epoch))
        ).fetchone()
        return row[0] if row else 0

    def advance(self, source: str, epoch: str, acked: int, now_ms: int) -> None:
        """Move the cursor forward; it is written when the transaction ends."""
        self._acked[source, epoch] = max(acked, self.acked(source, epoch))
        self._moved[source, epoch] = now_ms

    def quarantine(self, source: str, at_ms: int, why: str, raw: bytes) -> None:
        """Keep what could not be read."""
        self._connection.execute(
            "INSERT INTO quarantine_items (at_ms, source, why, raw) VALUES (?, ?, ?, ?)",
            (at_ms, clean(source), clean(why), bytes(raw[:MAX_RAW_BYTES])),
        )
        self.counters[META_QUARANTINED] += 1

    def add_gaps(self, gaps: Iterable[Gap]) -> int:
        """Record gaps; returns how many were not known."""
        new = 0
        for gap in gaps:
            new += self._connection.execute(
                "INSERT INTO known_gaps (from_ms, to_ms, source, cause) VALUES (?, ?, ?, ?)"
                " ON CONFLICT DO NOTHING",
                (gap.from_ms, max(gap.from_ms, gap.to_ms), clean(gap.source), clean(gap.cause)),
            ).rowcount
        self.counters[META_GAPS] += new
        return new

    def received(self, batch: Batch, written: Written, gaps: int) -> None:
        """Add a batch to what is known of its sender; it is written when the transaction ends."""
        source = clean(batch.source) or ""
        heard = self._heard.get(source)
        if heard is None:
            heard = self._heard[source] = _Heard(batch.received_ms)
        heard.add(batch, written, gaps)

    def _write_heard(self) -> None:
        if not self._heard:
            return
        self._connection.executemany(
            "INSERT INTO sources (source, way, connected, first_received_ms, last_received_ms,"
            " events, requests, duplicates, quarantined, gaps, acked)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (source) DO UPDATE SET way = excluded.way,"
            " last_received_ms = max(coalesce(sources.last_received_ms, 0), excluded.last_received_ms),"
            " events = sources.events + excluded.events, requests = sources.requests + excluded.requests,"
            " duplicates = sources.duplicates + excluded.duplicates,"
            " quarantined = sources.quarantined + excluded.quarantined,"
            " gaps = sources.gaps + excluded.gaps, acked = coalesce(excluded.acked, sources.acked)",
            [(source, *heard.row()) for source, heard in sorted(self._heard.items())],
        )
        self._connection.execute(
            "INSERT INTO meta VALUES (?, ?) ON CONFLICT (name) DO UPDATE"
            " SET value = max(meta.value, excluded.value)",
            (META_LAST_RECEIVED, max(heard.last_ms for heard in self._heard.values())),
        )
        self._heard.clear()

    def beat(self, beat: SourceBeat) -> None:
        """Record a sign of life."""
        self._write_heard()  # the newest word of its way of sending is the beat's
        self._connection.execute(
            "INSERT INTO sources (source, way, connected, peer, node_id, hostname, version,"
            " first_received_ms, last_beat_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (source) DO UPDATE SET way = excluded.way,"
            # beats can overtake each other on a bus
            " connected = CASE WHEN excluded.last_beat_ms >= coalesce(sources.last_beat_ms, 0)"
            " THEN excluded.connected ELSE sources.connected END,"
            " peer = coalesce(excluded.peer, sources.peer),"
            " node_id = coalesce(excluded.node_id, sources.node_id),"
            " hostname = coalesce(excluded.hostname, sources.hostname),"
            " version = coalesce(excluded.version, sources.version),"
            " last_beat_ms = max(coalesce(sources.last_beat_ms, 0), excluded.last_beat_ms)",
            (
                clean(beat.source),
                clean(beat.way),
                int(beat.connected),
                clean(beat.peer),
                clean(beat.node_id),
                clean(beat.hostname),
                clean(beat.version),
                beat.at_ms,
                beat.at_ms,
            ),
        )

    def status(self, status: CollectorStatus) -> None:
        """Overwrite what the collector says about itself, and what it knows of other processes."""
        for member in status.members:
            self._note_member(member)
        text = msgspec.json.encode(msgspec.structs.replace(status, members=())).decode("utf-8")
        self._connection.execute(
            "INSERT INTO collector_status VALUES (1, ?, ?)"
            " ON CONFLICT (one) DO UPDATE SET beat_ms = excluded.beat_ms, status = excluded.status",
            (status.beat_ms, text),
        )

    def _note_member(self, member: Member) -> None:
        self._connection.execute(
            "INSERT INTO members (member, role, beat_ms, body) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (member) DO UPDATE SET role = excluded.role, beat_ms = excluded.beat_ms,"
            " body = excluded.body WHERE excluded.beat_ms > members.beat_ms",
            (
                clean(member.member),
                clean(member.role),
                member.beat_ms,
                msgspec.json.encode(member).decode("utf-8"),
            ),
        )
        self._connection.execute("DELETE FROM members WHERE beat_ms < ?", (member.beat_ms - MEMBER_MS,))

    def flush(self) -> None:
        """Write what this transaction heard, and add its counters to the stored ones."""
        self._write_heard()
        self._connection.executemany(
            "INSERT INTO cursors VALUES (?, ?, ?, ?) ON CONFLICT (source, epoch) DO UPDATE"
            " SET acked = max(cursors.acked, excluded.acked), moved_ms = excluded.moved_ms",
            [
                (clean(source), clean(epoch), self._acked[source, epoch], now_ms)
                for (source, epoch), now_ms in self._moved.items()
            ],
        )
        self._moved.clear()
        self._connection.executemany(
            "INSERT INTO meta VALUES (?, ?)"
            " ON CONFLICT (name) DO UPDATE SET value = meta.value + excluded.value",
            [(name, n) for name, n in self.counters.items() if n],
        )
        self.counters.clear()
        self._acked.clear()
