"""What one live view shows. Equal subscriptions share one computation, whoever watches them."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any

import orjson

from domain.filters import Dimension, Filters
from domain.windows import Window, bucket_width_ms, ceil_ms, floor_ms


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A window that moves with time (`range_ms`) or stands still (`from_ms`, `to_ms`), and what is in it."""

    range_ms: int | None
    from_ms: int = 0
    to_ms: int = 0
    filters: Filters = dataclasses.field(default_factory=Filters)
    group: Dimension = Dimension.CONSUMER
    sample: bool = False

    @property
    def bucket_ms(self) -> int:
        """Width of a bar of its chart."""
        length_ms = self.to_ms - self.from_ms if self.range_ms is None else self.range_ms
        return bucket_width_ms(Window(0, length_ms))

    def window(self, now_ms: int) -> Window:
        """Whole buckets, so that bars add up to totals; the last is unfinished where the window moves."""
        width_ms = self.bucket_ms
        if self.range_ms is None:
            return Window(self.from_ms, max(self.to_ms, self.from_ms + 1)).aligned(width_ms)
        buckets = max(1, ceil_ms(self.range_ms, width_ms) // width_ms)
        end_ms = floor_ms(now_ms, width_ms) + width_ms
        return Window(end_ms - buckets * width_ms, end_ms)

    def previous(self, now_ms: int) -> Window:
        """As much time as has passed of the window, one window's length earlier."""
        window = self.window(now_ms)
        end_ms = min(window.to_ms, max(now_ms, window.from_ms))
        return Window(window.from_ms - window.length_ms, end_ms - window.length_ms)

    def is_past(self, now_ms: int) -> bool:
        """The window stands still and is over."""
        return self.range_ms is None and self.to_ms < now_ms

    def to_json(self) -> dict[str, Any]:
        """For a ticket."""
        return {
            "range_ms": self.range_ms,
            "from_ms": self.from_ms,
            "to_ms": self.to_ms,
            "include": [[str(dim), value] for dim, value in self.filters.include],
            "exclude": [[str(dim), value] for dim, value in self.filters.exclude],
            "group": str(self.group),
            "sample": self.sample,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Subscription:
        """Read what `to_json` wrote and a ticket vouched for."""
        filters = Filters(
            tuple((Dimension(dim), text) for dim, text in value["include"]),
            tuple((Dimension(dim), text) for dim, text in value["exclude"]),
        )
        return cls(
            range_ms=value["range_ms"],
            from_ms=value["from_ms"],
            to_ms=value["to_ms"],
            filters=filters,
            group=Dimension(value["group"]),
            sample=value["sample"],
        )

    @property
    def view_id(self) -> str:
        """The same for equal views; stands in their messages, so that a browser can leave out late ones."""
        text = orjson.dumps(self.canonical().to_json())
        return hashlib.blake2s(text, digest_size=8).hexdigest()

    def canonical(self) -> Subscription:
        """With filters in a fixed order, so that the same filters set in another order are shared."""
        filters = Filters(tuple(sorted(self.filters.include)), tuple(sorted(self.filters.exclude)))
        return dataclasses.replace(self, filters=filters)
