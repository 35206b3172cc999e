"""What a page is restricted to: values to keep and values to leave out, by dimension.

In a URL it is plain text: `?consumer=acme&not_ip=203.0.113.7&ip=10.0.0.0/8`. A value is what the
store's rows call `token`: a name where it is unambiguous, else Kong's id; for addresses also a CIDR range.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from enum import StrEnum

MAX_VALUES = 50
"""Values per dimension and direction; a URL with more is cut, and the page says so."""
MAX_VALUE_CHARS = 300


class Dimension(StrEnum):
    """What violations can be grouped and filtered by. The value is the URL parameter's name."""

    CONSUMER = "consumer"
    IP = "ip"
    SERVICE = "service"
    ROUTE = "route"
    NODE = "node"
    LIMIT = "limit"


UNKNOWN_TOKEN = "~none"  # noqa: S105 - not a secret: the token for "no value", such as an anonymous request
OTHER_TOKEN = "~other"  # noqa: S105 - the token for names folded together when there were too many


@dataclasses.dataclass(frozen=True, slots=True)
class Filters:
    """Keep rows that match every `include` and no `exclude`; hashable, so reads can be shared."""

    include: tuple[tuple[Dimension, str], ...] = ()
    exclude: tuple[tuple[Dimension, str], ...] = ()

    def __bool__(self) -> bool:
        """True when anything is restricted."""
        return bool(self.include or self.exclude)

    def values(self, dimension: Dimension, *, excluded: bool = False) -> tuple[str, ...]:
        """The tokens kept (or left out) for one dimension; any one of them matches."""
        return tuple(value for dim, value in (self.exclude if excluded else self.include) if dim == dimension)

    def adding(self, dimension: Dimension, value: str, *, excluded: bool = False) -> Filters:
        """With one more value, removing its opposite; adding what is there already changes nothing."""
        item = (dimension, value[:MAX_VALUE_CHARS])
        include = tuple(i for i in self.include if i != item)
        exclude = tuple(i for i in self.exclude if i != item)
        if excluded:
            return Filters(include, (*exclude, item))
        return Filters((*include, item), exclude)

    def without(self, dimension: Dimension, value: str | None = None) -> Filters:
        """With one value, or a whole dimension, removed in both directions."""

        def stays(item: tuple[Dimension, str]) -> bool:
            return item[0] != dimension or (value is not None and item[1] != value)

        return Filters(tuple(filter(stays, self.include)), tuple(filter(stays, self.exclude)))

    def only(self, dimension: Dimension, values: Iterable[str]) -> Filters:
        """With just these values kept of a dimension, whatever was kept of it before."""
        others = tuple(item for item in self.include if item[0] != dimension)
        return Filters((*others, *((dimension, value[:MAX_VALUE_CHARS]) for value in values)), self.exclude)

    def to_params(self) -> dict[str, list[str]]:
        """URL parameters, in a fixed order so that equal filters give equal links."""
        params: dict[str, list[str]] = {}
        for dim, value in sorted(self.include):
            params.setdefault(dim.value, []).append(value)
        for dim, value in sorted(self.exclude):
            params.setdefault(f"not_{dim.value}", []).append(value)
        return params

    @classmethod
    def from_params(cls, params: Mapping[str, Iterable[str]]) -> Filters:
        """Read URL parameters; unknown names and empty values are ignored, excess is cut."""

        def read(prefix: str) -> tuple[tuple[Dimension, str], ...]:
            found: list[tuple[Dimension, str]] = []
            for dim in Dimension:
                values = [v[:MAX_VALUE_CHARS] for v in params.get(prefix + dim.value, ()) if v]
                found += [(dim, v) for v in dict.fromkeys(values[:MAX_VALUES])]
            return tuple(found)

        return cls(read(""), read("not_"))
