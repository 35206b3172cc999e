"""A span as evidence: everything known of it in one timeline, as a file that shows when it was altered.

What is stored is redacted already; no secret comes into a pack.
"""

from __future__ import annotations

import dataclasses
import io
import json
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from domain.change_risks import flags_of
from domain.changes import sentence
from domain.filters import Filters
from domain.windows import Window
from storage.alerts_reader import AlertsReader
from storage.changes_reader import ChangesReader
from storage.protocol import Reader
from storage.rows import EventQuery, EventRow
from ui import evidence_check
from ui.components.change_list import names_of
from ui.server.export_files import iso

MAX_EVENTS = 50_000
MAX_CHANGES = 5_000
MOST_LOG = 10_000
Entry = dict[str, Any]

README = """\
An evidence pack of Gatewatch.

timeline.jsonl   what happened, oldest first: one JSON object a line; times are UTC
manifest.json    of which span, made by whom and when, what is left out, and the head of the chain
verify.py        python verify.py THIS.zip --head HASH   checks that nothing was altered since

The HASH is the head as Gatewatch's log of decisions recorded it (Changes, Proposals: "evidence exported").
The pack proves that it is as it was exported. It does not prove that what senders told was true.
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Pack:
    """A finished pack."""

    content: bytes
    head: str
    entries: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where a pack comes from."""

    reader: Reader
    changes: ChangesReader
    alerts: AlertsReader


def make_pack(sources: Sources, window: Window, filters: Filters, who: str, now_ms: int) -> Pack:
    """Gather a span into a pack.

    Raises:
        StoreError: The store cannot be read.
        DeadlineExceeded: It took too long.
    """
    left_out: list[str] = []
    entries = sorted(_entries(sources, window, filters, left_out), key=lambda entry: entry["at"])
    lines, head, count = [], evidence_check.FIRST, 0
    for entry in evidence_check.chained(entries):
        lines.append(json.dumps(entry, sort_keys=True, ensure_ascii=True))
        head, count = entry["chain"], entry["n"]
    manifest = {
        "format": evidence_check.FORMAT,
        "made_at": iso(now_ms),
        "made_by": who,
        "from": iso(window.from_ms),
        "to": iso(window.to_ms),
        "filters": filters.to_params(),
        "entries": count,
        "head": head,
        "left_out": left_out,
    }
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as pack:
        pack.writestr("README.txt", README)
        pack.writestr(evidence_check.MANIFEST, json.dumps(manifest, indent=2))
        pack.writestr(evidence_check.TIMELINE, "".join(f"{line}\n" for line in lines))
        pack.writestr("verify.py", Path(evidence_check.__file__).read_text(encoding="utf-8"))
    return Pack(content.getvalue(), head, count)


def _entries(sources: Sources, window: Window, filters: Filters, left_out: list[str]) -> Iterator[Entry]:
    yield from _changes(sources.changes, window, left_out)
    yield from _decisions(sources.changes, window)
    yield from _incidents(sources.alerts, window)
    for block in sources.changes.blocks_between(window):
        yield _entry(max(block.applied_ms or 0, window.from_ms), "block", f"{block.label} is blocked", block)
    for marker in sources.reader.markers(window):
        if marker.kind != "change":
            yield _entry(marker.at_ms, marker.kind, marker.text, marker)
    yield from _events(sources.reader, window, filters, left_out)


def _entry(at_ms: int, kind: str, says: str, data: Any) -> Entry:
    return {"at": iso(at_ms), "kind": kind, "says": says, "data": msgspec.to_builtins(data, str_keys=True)}


def _changes(reads: ChangesReader, window: Window, left_out: list[str]) -> Iterator[Entry]:
    rows = reads.changes(window, MAX_CHANGES)
    names = names_of(reads, [row.change for row in rows])
    for row in rows:
        told = {
            "change": row.change,
            "risks": flags_of(row.change, names),
            "actor": row.actor,
            "proposal": row.proposal_id,
            "verdict": row.verdict,
        }
        yield _entry(row.change.at_ms, "change", sentence(row.change, names), told)
    if len(rows) >= MAX_CHANGES:
        left_out.append(f"changes: only the newest {MAX_CHANGES:,} are in here")


def _decisions(reads: ChangesReader, window: Window) -> Iterator[Entry]:
    for entry in reads.log(limit=MOST_LOG):
        if window.from_ms <= entry.at_ms < window.to_ms:
            yield _entry(entry.at_ms, "decision", f"{entry.who}: {entry.what} {entry.subject}", entry)


def _incidents(alerts: AlertsReader, window: Window) -> Iterator[Entry]:
    for stored in alerts.between(window.from_ms, window.to_ms):
        yield _entry(max(stored.incident.opened_ms, 0), "incident", stored.incident.why, stored)


def _events(reader: Reader, window: Window, filters: Filters, left_out: list[str]) -> Iterator[Entry]:
    query = EventQuery(window=window, filters=filters)
    rows = _limited(reader.stream_events(query), left_out)
    for row in rows:
        if row.kind != "crud":
            yield _entry(row.at_ms, "event", f"{row.kind} {row.event}", row)


def _limited(rows: Iterable[EventRow], left_out: list[str]) -> Iterator[EventRow]:
    for number, row in enumerate(rows):
        if number >= MAX_EVENTS:
            left_out.append(f"events before {iso(row.at_ms)}: only the newest {MAX_EVENTS:,} are in here")
            return
        yield row
