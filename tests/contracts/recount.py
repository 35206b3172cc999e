"""Answers every question about sums and events the slow and plain way: by going through all records.

It knows no buckets, packs or numbers for words: a record matches or it does not.
"""

from __future__ import annotations

import dataclasses
import ipaddress
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator

from domain.events import Event, Traffic
from domain.filters import OTHER_TOKEN, UNKNOWN_TOKEN, Dimension, Filters
from domain.windows import Window

TEN_S = 10_000
Record = Event | Traffic


@dataclasses.dataclass(frozen=True)
class Counted:
    """What one record adds."""

    requests: int = 0
    limited: int = 0
    probable: int = 0
    unauthorized: int = 0
    upstream_limited: int = 0
    server_errors: int = 0

    @property
    def violations(self) -> int:
        """Both kinds."""
        return self.limited + self.probable


def counted(record: Record) -> Counted:
    """How a record counts: as one refusal, or as so many answers of a status."""
    if isinstance(record, Event):
        requests = int(record.is_request)
        if record.certainty == "certain":
            return Counted(requests=requests, limited=1)
        if record.certainty == "probable":
            return Counted(requests=requests, probable=1)
        upstream_limited, status, n = False, record.status or 0, requests
    else:
        upstream_limited, status, n = record.upstream_limited, record.status, record.count
    if upstream_limited:
        return Counted(requests=n, upstream_limited=n)
    return Counted(requests=n, unauthorized=n * (status == 401), server_errors=n * (status >= 500))


def token(record: Record, dimension: Dimension) -> str:
    """What a record is called in a dimension. Names here mean one thing only."""
    if dimension == Dimension.LIMIT:
        if isinstance(record, Traffic) or record.limit_value is None:
            return UNKNOWN_TOKEN
        return f"{record.limit_value}/{record.limit_name}"
    if dimension in (Dimension.IP, Dimension.NODE):
        return getattr(record, dimension.value) or UNKNOWN_TOKEN
    return getattr(record, dimension.value) or getattr(record, f"{dimension.value}_id") or UNKNOWN_TOKEN


def matches(record: Record, filters: Filters) -> bool:
    """Whether a record passes: every dimension by any of its values, and by none that is left out."""
    for dimension in Dimension:
        kept = filters.values(dimension)
        if kept and not any(_is(record, dimension, value) for value in kept):
            return False
        if any(_is(record, dimension, value) for value in filters.values(dimension, excluded=True)):
            return False
    return True


def _is(record: Record, dimension: Dimension, value: str) -> bool:
    found = token(record, dimension)
    if dimension == Dimension.IP and "/" in value:
        return found != UNKNOWN_TOKEN and ipaddress.ip_address(found) in ipaddress.ip_network(value, False)
    return found == value


class Recount:
    """All records, in the order in which they arrived."""

    def __init__(self, records: Iterable[Record]) -> None:
        self.records = list(records)

    def within(self, window: Window, filters: Filters) -> Iterator[tuple[Record, Counted]]:
        """What is counted in a window widened to whole tens of seconds."""
        wide = window.aligned(TEN_S)
        for record in self.records:
            if wide.from_ms <= record.at_ms < wide.to_ms and matches(record, filters):
                yield record, counted(record)

    def totals(self, window: Window, filters: Filters) -> dict[str, int | None]:
        """The number row, as far as it comes from requests."""
        found = list(self.within(window, filters))
        sums = {f.name: sum(getattr(n, f.name) for _, n in found) for f in dataclasses.fields(Counted)}
        refused = [record for record, n in found if n.violations]
        requests = sums.pop("requests")
        is_told = requests >= sums["limited"] + sums["probable"] and not filters.values(Dimension.LIMIT)
        return {
            **sums,
            "requests": requests if is_told else None,
            "consumers": len({token(r, Dimension.CONSUMER) for r in refused} - {UNKNOWN_TOKEN}),
            "addresses": len({token(r, Dimension.IP) for r in refused} - {UNKNOWN_TOKEN}),
        }

    def by(self, dimension: Dimension, window: Window, filters: Filters) -> dict[str, Counted]:
        """Sums per name."""
        sums: dict[str, Counter[str]] = defaultdict(Counter)
        for record, n in self.within(window, filters):
            sums[token(record, dimension)].update(dataclasses.asdict(n))
        return {name: Counted(**counts) for name, counts in sums.items()}

    def ranked(
        self, sums: dict[str, Counted], key: Callable[[Counted], tuple[int, ...]]
    ) -> list[tuple[str, Counted]]:
        """The largest first, ties by name."""
        return sorted(sums.items(), key=lambda item: (*(-n for n in key(item[1])), item[0]))

    def series(
        self, window: Window, filters: Filters, dimension: Dimension, bucket_ms: int, top: int
    ) -> tuple[dict[str, list[int]], list[int]]:
        """Violations per bucket of the largest and the rest, and all requests."""
        whole = window.aligned(bucket_ms)
        count = whole.length_ms // bucket_ms
        sums = {n: c for n, c in self.by(dimension, whole, filters).items() if c.violations}
        named = [name for name, _ in self.ranked(sums, lambda c: (c.violations,))[:top]]
        lines = {name: [0] * count for name in [*named, OTHER_TOKEN]}
        requests = [0] * count
        for record, n in self.within(whole, filters):
            place = (record.at_ms - whole.from_ms) // bucket_ms
            name = token(record, dimension)
            lines[name if name in lines else OTHER_TOKEN][place] += n.violations
            requests[place] += n.requests
        if not any(lines[OTHER_TOKEN]):
            del lines[OTHER_TOKEN]
        return lines, requests
