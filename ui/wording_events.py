"""Sentences about stored events: what one was, and what the Events page says."""

from __future__ import annotations

from domain.events import Kind
from storage.rows import EventRow
from ui import wording as words

KINDS = {
    Kind.RATE_LIMITING: "rate limiting",
    Kind.CLUSTER: "cluster",
    Kind.CACHE: "cache",
    Kind.CRUD: "configuration",
    Kind.PLUGIN: "plugin",
}
"""What people read for a kind; one that is unknown to us stands as it came."""
OPERATIONS = {"create": "created", "update": "updated", "delete": "deleted"}

ARRIVAL_HINT = (
    "When it happened, as its sender tells. The list is in the order of arrival, the latest first: what a "
    "sender held back and sent late stands where it came in."
)

QUARANTINE_HELP = (
    "What could not be read, with the reason. It was acknowledged, so that the sender goes on; nothing of it "
    "is in any count."
)
GAPS_HELP = (
    "Spans for which something is known to be missing. Every chart hatches them, and counts over them say "
    "“at least”."
)
NO_QUARANTINE = "✓ Everything that arrived in this span could be read."
NO_GAPS = "✓ No gap is known in this span."
NOT_KEPT = (
    "No event with this number is kept. If there was one, it is past its time; the totals still count it."
)
FOLDED = (
    "Kong's ordinary requests are not events: they are folded into totals, and only refusals are kept whole."
)


def kind(name: str) -> str:
    """What people read for a kind."""
    return KINDS.get(name, name)  # type: ignore[call-overload, no-any-return]


def what(row: EventRow) -> str:
    """One line that says what an event was, for any kind."""
    if row.kind == Kind.RATE_LIMITING:
        return _refusal(row)
    if row.kind == Kind.CRUD:
        return _change(row)
    if row.kind == Kind.CACHE:
        parts = (row.event, row.cache, row.key_masked)
        return " · ".join(part for part in parts if part)
    if row.target or row.upstream:
        target = " ".join(part for part in (row.target, row.upstream and f"of {row.upstream}") if part)
        return f"{row.event.replace('_', ' ')}: {target}" + (f", {row.health}" if row.health else "")
    return row.event.replace("_", " ")


def _refusal(row: EventRow) -> str:
    limit = words.limit(row.limit_value, row.limit_name, row.window_s)
    if row.status is None:
        return f"{row.event}: {limit}" if limit else row.event
    return f"{row.status} by {limit}" if limit else f"answered {row.status}"


def _change(row: EventRow) -> str:
    noun = (row.entity_type or row.event.partition(".")[0]).replace("_", " ").removesuffix("s")
    name = row.entity_name or row.entity_id or ""
    operation = OPERATIONS.get(row.operation or "", row.operation or row.event.rpartition(".")[2])
    said = " ".join(part for part in (noun, name, operation) if part)
    return f"{said} by {row.actor}" if row.actor else said


def certainty(row: EventRow) -> str:
    """Icon and word; empty for what is no refusal."""
    return words.CERTAINTIES.get(row.certainty or "", row.certainty or "")


def why(row: EventRow) -> str:
    """Why it was judged as it was, and whether it counts."""
    said = row.evidence or ""
    if row.certainty in ("certain", "probable") and not row.counted:
        said += "; not counted, because the same refusal was told more exactly by another sender"
    return said


def matching(shown: int, total: int | None, *, has_more: bool, at_least: bool) -> str:
    """How many match: `100 of 2,474 events, latest arrival first`.

    `The 100 events that arrived last` where nobody has counted.
    """
    if total is None and has_more:
        return "The event that arrived last" if shown == 1 else f"The {shown:,} events that arrived last"
    known = shown if total is None else total
    said = words.counted(known, "event", at_least=at_least)
    said = said if shown >= known else f"{shown:,} of {said}"
    return f"{said}, latest arrival first" if shown > 1 else said
