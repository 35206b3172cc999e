"""How current the store is."""

from __future__ import annotations

import msgspec

from storage.batches import CollectorStatus, Member
from storage.codes import META_LAST_RECEIVED, META_LAST_SEQ
from storage.reading.snapshot import Snapshot
from storage.rows import Freshness, SourceState

MAX_SOURCES = 1_000
MAX_MEMBERS = 100


def read_freshness(snapshot: Snapshot) -> Freshness:
    """From what really arrived; the newest senders first."""
    rows = snapshot.rows(
        "SELECT source, way, connected, peer, node_id, hostname, version, first_received_ms,"
        " last_received_ms, last_beat_ms, events, requests, duplicates, quarantined, gaps, acked FROM sources"
        " ORDER BY max(coalesce(last_received_ms, 0), coalesce(last_beat_ms, 0)) DESC, source"
        f" LIMIT {MAX_SOURCES}"
    )
    sources = tuple(
        SourceState(
            source=row[0],
            way=row[1],
            connected=None if row[2] is None else bool(row[2]),
            peer=row[3],
            node_id=row[4],
            hostname=row[5],
            version=row[6],
            first_received_ms=row[7],
            last_received_ms=row[8],
            last_beat_ms=row[9],
            events=row[10],
            requests=row[11],
            duplicates=row[12],
            quarantined=row[13],
            gaps=row[14],
            acked=row[15],
        )
        for row in rows
    )
    beats = [s.last_beat_ms for s in sources if s.connected and s.last_beat_ms is not None]
    status = snapshot.value("SELECT status FROM collector_status WHERE one = 1")
    return Freshness(
        last_seq=last_seq(snapshot),
        last_received_ms=snapshot.value("SELECT value FROM meta WHERE name = ?", (META_LAST_RECEIVED,)),
        last_beat_ms=max(beats, default=None),
        collector=None if status is None else msgspec.json.decode(status, type=CollectorStatus),
        sources=sources,
        members=tuple(
            msgspec.json.decode(row[0], type=Member)
            for row in snapshot.rows(f"SELECT body FROM members ORDER BY role, member LIMIT {MAX_MEMBERS}")
        ),
    )


def last_seq(snapshot: Snapshot) -> int:
    """The newest arrival number."""
    return max(
        snapshot.value("SELECT max(seq) FROM events") or 0,
        snapshot.value("SELECT value FROM meta WHERE name = ?", (META_LAST_SEQ,)) or 0,
    )
