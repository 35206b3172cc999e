"""Whose request it was and where it went, as numbers. Worked out once a minute for each combination.

Of 100 events of one batch most are of a few consumers, services and routes: without this memory the look-ups
and the bookkeeping of names took 8 us an event, with it 1 us.
"""

from __future__ import annotations

from typing import Any

import msgspec

from domain.events import Event, Traffic
from domain.windows import MINUTE_MS
from storage.codes import NONE_KEY, OTHER_KEY, Dim
from storage.writing.crowds import Crowds
from storage.writing.entities import EntityBook
from storage.writing.rollups import Combo

MAX_CACHED = 10_000
"""About 5 MB. When full all are forgotten: the combinations of this minute come again at once."""


class Place(msgspec.Struct, eq=False):
    """Keys; a name's key is None where it is the first name of its entity."""

    consumer: int
    service: int
    route: int
    node: int
    consumer_name: int | None
    service_name: int | None
    route_name: int | None
    is_bare: bool
    """The consumer came without an id."""
    from_ms: int
    """The first moment of which it was worked out: an earlier one may begin a name anew."""
    names_version: int
    outcomes: dict[tuple[str | None, int, bool], Combo] = msgspec.field(default_factory=dict)
    """(address, status, whether the upstream limited) -> how a request counts."""
    alike: dict[tuple[object, ...], Any] = msgspec.field(default_factory=dict)
    """What else events here have in common: `storage.writing.alike` keeps it."""


class PlaceBook:
    """Remembers places for as long as no name changes."""

    def __init__(self, entities: EntityBook, crowds: Crowds) -> None:
        self._entities = entities
        self._crowds = crowds
        self._places: dict[tuple[object, ...], Place] = {}

    def forget(self) -> None:
        """Drop everything remembered: it may have been rolled back."""
        self._places.clear()

    def of(self, item: Event | Traffic) -> Place:
        """The place of an event or a request.

        Raises:
            ValueError: A text cannot be stored; also `TypeError` for values of a wrong type.
        """
        at_ms = item.at_ms
        what = (
            at_ms // MINUTE_MS,
            item.consumer_id,
            item.consumer,
            item.route_id,
            item.route,
            item.service_id,
            item.service,
            item.node,
        )
        place = self._places.get(what)
        if (
            place is not None
            and place.from_ms <= at_ms
            and place.names_version == self._entities.names_version
        ):
            return place
        place = self._work_out(item)
        if len(self._places) >= MAX_CACHED:
            self._places.clear()
        if not self._may_return(item) and place.consumer != OTHER_KEY:
            self._places[what] = place
        return place

    def _may_return(self, item: Event | Traffic) -> bool:
        is_deleted = self._entities.is_deleted
        return (
            is_deleted(Dim.CONSUMER, item.consumer_id)
            or is_deleted(Dim.SERVICE, item.service_id)
            or is_deleted(Dim.ROUTE, item.route_id)
        )

    def _consumer(
        self, consumer_id: str | None, name: str | None, at_ms: int
    ) -> tuple[int, int | None, bool]:
        """As `EntityBook.who`; `OTHER_KEY` where there are too many to be told apart."""
        told = consumer_id if consumer_id is not None else name
        if told is None:
            return NONE_KEY, None, False
        key = self._entities.find(Dim.CONSUMER, consumer_id, name)
        if not self._crowds.admits(Dim.CONSUMER, key, told, at_ms):
            return OTHER_KEY, None, False
        found = self._entities.who(Dim.CONSUMER, consumer_id, name, at_ms)
        if key is None:
            self._crowds.joined(Dim.CONSUMER, found[0], at_ms)
        return found

    def _work_out(self, item: Event | Traffic) -> Place:
        who, at_ms = self._entities.who, item.at_ms
        consumer, consumer_name, is_bare = self._consumer(item.consumer_id, item.consumer, at_ms)
        service, service_name, _ = who(Dim.SERVICE, item.service_id, item.service, at_ms)
        route, route_name, _ = who(Dim.ROUTE, item.route_id, item.route, at_ms)
        node = self._entities.node(item.node)
        return Place(
            consumer=consumer,
            service=service,
            route=route,
            node=node,
            consumer_name=consumer_name,
            service_name=service_name,
            route_name=route_name,
            is_bare=is_bare,
            from_ms=at_ms,
            names_version=self._entities.names_version,
        )
