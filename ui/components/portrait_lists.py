"""What the lists on the page of one consumer or address are read from."""

from __future__ import annotations

import dataclasses

from domain.filters import Dimension
from domain.limits_in_force import Pair
from domain.windows import DAY_MS, HOUR_MS, MINUTE_MS, RESOLUTIONS_MS, Window, pieces
from storage.protocol import Reader
from storage.rows import CellRow, Marker, PairRow
from ui import store
from ui import wording_portrait as words
from ui.components.page_frame import Frame
from ui.live_state import heard_span, listening_since_ms
from ui.portrait import Portrait
from ui.shared_reads import shared
from ui.unheard import unheard
from ui.zones import Zone

MAX_LIST = 12
"""Rows of a list on the page of one; the rest is counted."""
MAX_PAIRS = 60


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Lists:
    """What the lists of the page are made of."""

    others: tuple[CellRow, ...]
    """A consumer's addresses, an address's consumers."""
    services: tuple[CellRow, ...]
    limits: tuple[CellRow, ...]
    places: tuple[PairRow, ...]
    """Services with their routes."""


def shared_reader(frame: Frame) -> Reader:
    """The page's reader, with answers that viewers share."""
    return shared(frame.reader, store.now_ms)


def silences_in(frame: Frame, window: Window) -> list[Marker]:
    """Where the window lies before the first arrival, or after the last sign of life: unknown, not zero."""
    return unheard(window, heard_in(frame), frame.now_ms)


def heard_in(frame: Frame) -> Window:
    """From the first arrival to the last sign of life: where silence means that nothing happened."""
    oldest_ms = shared_reader(frame).health().oldest_event_ms
    since_ms = listening_since_ms(frame.freshness, oldest_ms, frame.now_ms)
    return heard_span(frame.feed, since_ms, frame.now_ms)


def last_heard_ms(frame: Frame) -> int | None:
    """When the feed fell silent; None while it has not."""
    return None if frame.feed.is_trusted else heard_in(frame).to_ms


def is_none_known(frame: Frame, window: Window) -> bool:
    """Whether none seen in the window is none."""
    return not silences_in(frame, window) and (frame.is_past or frame.feed.is_trusted)


def read_lists(frame: Frame, portrait: Portrait) -> Lists:
    """Read them."""
    reader, window, filters = shared_reader(frame), portrait.window, portrait.filters
    return Lists(
        others=reader.breakdown(words.OTHER_SIDE[portrait.dimension], window, filters, MAX_PAIRS),
        services=reader.breakdown(Dimension.SERVICE, window, filters, MAX_LIST),
        limits=reader.breakdown(Dimension.LIMIT, window, filters, MAX_LIST),
        places=reader.pairs(Dimension.SERVICE, Dimension.ROUTE, window, filters, MAX_PAIRS),
    )


def seen_at(at_ms: int, window: Window, zone: Zone) -> str:
    """When somebody was last seen, no more precise than the totals that tell it: `2026-01-13 14-15 h`.

    Long spans are answered from totals per hour or day, and those know the bucket alone.
    """
    widths = [p.resolution_ms for p in pieces(window) if p.from_ms <= at_ms < p.to_ms]
    width_ms = max(widths, default=RESOLUTIONS_MS[0])
    if width_ms >= DAY_MS:
        return f"{zone.moment(at_ms):%Y-%m-%d}"
    if width_ms >= HOUR_MS:
        hour = zone.moment(at_ms)
        return f"{hour:%Y-%m-%d %H}-{(hour.hour + 1) % 24:02} h"
    return (
        f"{zone.moment(at_ms):%Y-%m-%d %H:%M}"
        if width_ms >= MINUTE_MS
        else f"{zone.moment(at_ms):%Y-%m-%d %H:%M:%S}"
    )


def asked_pairs(lists: Lists) -> list[Pair]:
    """(service id, route id) of where its requests went."""
    return list(dict.fromkeys((place.id, place.by_id) for place in lists.places))


def names_of(lists: Lists) -> dict[str, str]:
    """Kong's ids -> `service orders`, `route orders-list`."""
    names = {place.id: f"service {place.label}" for place in lists.places if place.id}
    return names | {place.by_id: f"route {place.by_label}" for place in lists.places if place.by_id}


def scope_words(
    names: dict[str, str], route_id: str | None, service_id: str | None, consumer_id: str | None
) -> str:
    """What a plugin is set on: `service orders`, `this consumer, route orders-list`, `everywhere`."""
    parts = ["this consumer"] if consumer_id else []
    parts += [names.get(found, found) for found in (service_id, route_id) if found]
    return ", ".join(parts) or "everywhere"
