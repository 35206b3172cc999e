"""Numbers that stand for words in the file. Never renumber: files keep them."""

from __future__ import annotations

from enum import IntEnum

from domain.events import Certainty, Kind
from domain.filters import Dimension
from domain.windows import RESOLUTIONS_MS

NONE_KEY = 0
"""The key for "no value", such as the consumer of an anonymous request."""
OTHER_KEY = 1
"""The key for names folded together."""
FIRST_KEY = 2


class Dim(IntEnum):
    """What a row of `keys` names, and what `activity` is told apart by."""

    ALL = 0
    CONSUMER = 1
    IP = 2
    PREFIX = 3
    """The /24 of an IPv4 address, the /64 of an IPv6 one."""
    SERVICE = 4
    ROUTE = 5
    NODE = 6
    LIMIT = 7
    SOURCE = 8
    TEXT = 9
    """Words that repeat: evidence, former names, actors, caches, targets, ..."""


DIM_OF = {
    Dimension.CONSUMER: Dim.CONSUMER,
    Dimension.IP: Dim.IP,
    Dimension.SERVICE: Dim.SERVICE,
    Dimension.ROUTE: Dim.ROUTE,
    Dimension.NODE: Dim.NODE,
    Dimension.LIMIT: Dim.LIMIT,
}
COLUMN_OF = {
    Dim.CONSUMER: "consumer",
    Dim.IP: "ip",
    Dim.SERVICE: "service",
    Dim.ROUTE: "route",
    Dim.NODE: "node",
    Dim.LIMIT: "limit_key",
}
"""The column of `events` and of `combos` that holds a dimension's key."""
ENTITY_TYPE_OF = {
    Dim.CONSUMER: "consumers",
    Dim.SERVICE: "services",
    Dim.ROUTE: "routes",
    Dim.NODE: "nodes",
}
DIM_OF_ENTITY_TYPE = {name: dim for dim, name in ENTITY_TYPE_OF.items()}


class Outcome(IntEnum):
    """How a request ended, as the totals count it."""

    LIMITED = 1
    PROBABLE = 2
    LIMITED_ASIDE = 3
    """A violation that is not, or is already, counted as a request."""
    PROBABLE_ASIDE = 4
    SUCCESS = 5
    REDIRECT = 6
    UNAUTHORIZED = 7
    CLIENT_ERROR = 8
    SERVER_ERROR = 9
    UPSTREAM_LIMITED = 10
    ANOTHER = 11


MEASURES = (
    "requests",
    "limited",
    "probable",
    "s2xx",
    "s3xx",
    "s401",
    "s4xx",
    "s5xx",
    "upstream_429",
)
"""The counting columns of `activity`."""
MEASURES_OF: dict[int, tuple[int, ...]] = {
    Outcome.LIMITED: (0, 1),
    Outcome.PROBABLE: (0, 2),
    Outcome.LIMITED_ASIDE: (1,),
    Outcome.PROBABLE_ASIDE: (2,),
    Outcome.SUCCESS: (0, 3),
    Outcome.REDIRECT: (0, 4),
    Outcome.UNAUTHORIZED: (0, 5),
    Outcome.CLIENT_ERROR: (0, 6),
    Outcome.SERVER_ERROR: (0, 7),
    Outcome.UPSTREAM_LIMITED: (0, 8),
    Outcome.ANOTHER: (0,),
}
"""Outcome -> places in `MEASURES` that it adds to."""
VIOLATIONS = (Outcome.LIMITED, Outcome.PROBABLE, Outcome.LIMITED_ASIDE, Outcome.PROBABLE_ASIDE)
MAX_VIOLATION = Outcome.PROBABLE_ASIDE

CERTAINTY_CODES: dict[str | None, int] = {
    None: 0,
    Certainty.CERTAIN.value: 1,
    Certainty.PROBABLE.value: 2,
    Certainty.RULED_OUT.value: 3,
}
CERTAINTIES: dict[int, str | None] = {code: word for word, code in CERTAINTY_CODES.items()}
CERTAIN, PROBABLE, RULED_OUT = 1, 2, 3

KIND_CODES: dict[str, int] = {
    Kind.RATE_LIMITING.value: 1,
    Kind.CLUSTER.value: 2,
    Kind.CACHE.value: 3,
    Kind.CRUD.value: 4,
    Kind.PLUGIN.value: 5,
}
UNKNOWN_KIND = 6
"""Any other kind; its word stands in `event_types`."""

RES_CODES = {width_ms: code for code, width_ms in enumerate(RESOLUTIONS_MS)}
"""Width of a bucket -> `res`: 0 is 10 s, 1 a minute, 2 an hour, 3 a day."""
WIDTHS_S = tuple(width_ms // 1000 for width_ms in RESOLUTIONS_MS)

AT_SUSPECT, IS_REQUEST, ASIDE, NAMED_ONLY = 1, 2, 4, 8
"""Bits of `events.flags`: clock out of bounds; is one request; its request was counted as traffic already;
the consumer came without an id."""

COLLECTOR_GONE_MS = 30_000
"""A collector that has not said that it lives for this long is not there: it does every two seconds."""
META_EVENTS, META_FOLDED, META_LAST_SEQ = "events", "folded", "last_seq"
META_FOLDED_CONSUMERS = "folded_consumers"
META_QUARANTINED, META_GAPS, META_LAST_RECEIVED = "quarantined", "gaps", "last_received_ms"
META_EVENTS_FROM = "events_from_ms"
"""Names in `meta`: events ever stored, requests and refusals whose address was folded, the newest arrival
number, those whose consumer was folded, things
ever quarantined, gaps ever recorded, the newest arrival of anything, since when no event was cleared away."""


def meta_distinct(dim: int) -> str:
    """The name in `meta` of how many words of a dimension were ever seen: `distinct.consumer`."""
    return f"distinct.{Dim(dim).name.lower()}"


def meta_crowd(dim: int) -> str:
    """The name in `meta` of about how many names were not told apart in the newest such minute."""
    return f"crowd.{Dim(dim).name.lower()}"


def meta_crowd_from(dim: int) -> str:
    """The name in `meta` of the first moment at which names of a dimension were not told apart."""
    return f"crowd_from_ms.{Dim(dim).name.lower()}"


def meta_crowd_upto(dim: int) -> str:
    """The name in `meta` of the end of the newest minute in which names were not told apart."""
    return f"crowd_upto_ms.{Dim(dim).name.lower()}"


def meta_kept_from(res: int) -> str:
    """The name in `meta` of the first second since 1970 from which on a resolution's totals are whole."""
    return f"kept_from.{res}"


BLOCK_BITS = 10
"""Events are summed up in blocks of 1,024 arrival numbers, so that a time is found without an index."""


def outcome_of_status(status: int, *, upstream_limited: bool = False) -> int:
    """How a request counts that broke no limit."""
    if upstream_limited:
        return Outcome.UPSTREAM_LIMITED
    if 200 <= status < 300:  # noqa: PLR2004 - classes of status
        return Outcome.SUCCESS
    if status == 401:  # noqa: PLR2004
        return Outcome.UNAUTHORIZED
    if 400 <= status < 500:  # noqa: PLR2004
        return Outcome.CLIENT_ERROR
    if 300 <= status < 400:  # noqa: PLR2004
        return Outcome.REDIRECT
    return Outcome.SERVER_ERROR if status >= 500 else Outcome.ANOTHER  # noqa: PLR2004
