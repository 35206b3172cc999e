"""Decoded items -> one batch, and waiting batches -> one transaction. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

import msgspec

from collector.wire.items import add_item
from collector.wire.json_bytes import INT64_MAX, load_json
from collector.wire.parties import Reading
from domain.errors import excerpt
from domain.events import Decoded, Event
from storage.batches import Batch, Dead, Gap

T = TypeVar("T")

MAX_GROUP_ITEMS = 5_000
"""Most items in one transaction. More would make the first batch of a group wait for the others."""
SHED_EVENTS = ("sender_shed", "sender.shed")
"""How a sender says that it had to drop something."""


@dataclasses.dataclass(frozen=True, slots=True)
class Gathered:
    """Several decoded items as one, and which item everything came from."""

    decoded: Decoded
    owners: list[int]
    """For each of `decoded.events`, the place of its item, from 0."""
    unreadable: list[tuple[int, str]]
    """(place of the item, why) for everything in `decoded.quarantined`."""


@dataclasses.dataclass(frozen=True, slots=True)
class Taken:
    """A batch of a stream that was not handed on yet, and what its items came to."""

    batch: Batch
    gathered: Gathered

    @property
    def items(self) -> int:
        """How many numbers of the stream it stands for."""
        return (self.batch.upto or 0) - (self.batch.first or 0) + 1

    def join(self, later: Taken) -> None:
        """Append the batch that follows in the stream: one that waits takes the others in."""
        batch, more = self.batch, later.batch
        offset = (more.first or 0) - (batch.first or 0)
        self.gathered.owners.extend(offset + place for place in later.gathered.owners)
        self.gathered.unreadable.extend((offset + place, why) for place, why in later.gathered.unreadable)
        batch.decoded.take(more.decoded)
        batch.upto, batch.received_ms = more.upto, more.received_ms
        batch.gaps += more.gaps


def gather(items: Iterable[Decoded]) -> Gathered:
    """Put the items of one message together, in their order."""
    whole = Decoded()
    owners: list[int] = []
    unreadable: list[tuple[int, str]] = []
    for place, item in enumerate(items):
        owners += [place] * len(item.events)
        unreadable += [(place, bad.why) for bad in item.quarantined]
        add(whole, item)
    return Gathered(whole, owners, unreadable)


def read_batch(items: Iterable[Any], *, received_ms: int) -> Gathered:
    """Read the items of a stream batch, all into one: with a `Decoded` for each it took 3 us an item more.

    Args:
        items: Their JSON, or the values.
        received_ms: When the batch arrived.
    """
    whole = Decoded()
    reading = Reading(whole, received_ms)
    events, bad = whole.events, whole.quarantined
    owners: list[int] = []
    unreadable: list[tuple[int, str]] = []
    for place, item in enumerate(items):
        add_item(reading, item, place)
        while len(owners) < len(events):
            owners.append(place)
        while len(unreadable) < len(bad):
            unreadable.append((place, bad[len(unreadable)].why))
    return Gathered(whole, owners, unreadable)


def add(whole: Decoded, item: Decoded) -> None:
    """Append everything of `item` to `whole`."""
    whole.take(item)


def dead_items(gathered: Gathered, refused: Sequence[Dead]) -> list[tuple[int, str]]:
    """(place of the item, why) of everything that went to quarantine, in order, each item once."""
    found = dict(gathered.unreadable)
    for dead in refused:
        found.setdefault(gathered.owners[dead.index], dead.why)
    return sorted(found.items())


def weight(batch: Batch) -> int:
    """How many rows a batch is worth, at least 1."""
    decoded = batch.decoded
    parts = (
        decoded.events,
        decoded.traffic,
        decoded.entities,
        decoded.plugins,
        decoded.nodes,
        decoded.targets,
        decoded.quarantined,
    )
    return max(1, sum(len(part) for part in parts))


def runs(items: Sequence[T], sizes: Sequence[int], most_items: int, most_bytes: int) -> Iterator[Sequence[T]]:
    """Cut items, in their order, into runs of at most so many items and bytes; a longer one is alone."""
    start, held = 0, 0
    for place, size in enumerate(sizes):
        if place > start and (place - start >= most_items or held + size > most_bytes):
            yield items[start:place]
            start, held = place, 0
        held += size
    yield items[start:]


def group_length(weights: Sequence[int], most: int = MAX_GROUP_ITEMS) -> int:
    """How many of the waiting batches go into the next transaction: as many as fit, at least one."""
    total = 0
    for length, one in enumerate(weights):
        total += one
        if length and total > most:
            return length
    return len(weights)


def may_settle(decoded: Decoded) -> bool:
    """Whether events may be judged anew because of this: plugins became known, or something is not sure."""
    return bool(decoded.plugins) or decoded.plugins_complete or any(map(_is_open, decoded.events))


def _is_open(event: Event) -> bool:
    return event.certainty is not None and event.certainty != "certain"


def shed_gaps(
    source: str, gathered: Gathered, items: Sequence[msgspec.Raw], received_ms: int
) -> tuple[Gap, ...]:
    """The gaps that a sender tells of in `sender_shed` events: `from_ms`, `to_ms` and counts by class.

    Args:
        source: The sender.
        gathered: What its items came to.
        items: Their JSON.
        received_ms: When they arrived.
    """
    return tuple(
        _shed_gap(source, load_json(bytes(items[place]), "stream item"), received_ms)
        for place, event in zip(gathered.owners, gathered.decoded.events, strict=True)
        if event.event in SHED_EVENTS
    )


def _shed_gap(source: str, item: dict[str, Any], received_ms: int) -> Gap:
    to_ms = _instant(item.get("to_ms"), _instant(item.get("at_ms"), received_ms))
    from_ms = min(to_ms, _instant(item.get("from_ms"), to_ms))
    counts = item.get("shed")
    if not isinstance(counts, dict):
        counts = item.get("by_kind")
    return Gap(source=source, from_ms=from_ms, to_ms=to_ms, cause=f"the sender dropped {_counted(counts)}")


def _counted(counts: Any) -> str:
    if not isinstance(counts, dict) or not counts:
        return "an unknown number of events"
    shown = [f"{n} {excerpt(str(name))[:40]}" for name, n in list(counts.items())[:6] if isinstance(n, int)]
    return ", ".join(shown) or "an unknown number of events"


def _instant(value: Any, otherwise: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < INT64_MAX:
        return otherwise
    return int(value)
