"""What events have in common that differ in id, moment and payload only: worked out once a minute for each.

A limit refuses the same client on the same route again and again. Of the 20 us that an event took beside
SQLite's own work, half went into the same look-ups and the same columns.
"""

from __future__ import annotations

import msgspec

from domain.events import Event
from storage.codes import (
    ASIDE,
    AT_SUSPECT,
    CERTAIN,
    CERTAINTY_CODES,
    IS_REQUEST,
    KIND_CODES,
    NAMED_ONLY,
    OTHER_KEY,
    PROBABLE,
    RULED_OUT,
    UNKNOWN_KIND,
    Dim,
    Outcome,
    outcome_of_status,
)
from storage.writing.crowds import Crowds
from storage.writing.details import Details
from storage.writing.keys import KeyBook, check_integer
from storage.writing.places import Place, PlaceBook
from storage.writing.rollups import Combo

MAX_KEPT = 20_000
"""About 12 MB, with the places of their minutes."""


class Alike(msgspec.Struct, frozen=True):
    """The part of their rows that is the same for all, every word replaced by its number."""

    kind: int
    type_id: int
    flags: int
    certainty: int
    status: int | None
    evidence: int | None
    entity_type: int
    is_exact: bool
    combo_keys: tuple[int, int, int, int, int, int]
    """consumer, ip, service, route, node, limit"""
    columns: tuple[int | None, ...]
    """Of `events`, from `certainty` to `route_name`."""
    is_violation: bool
    """Whether it says that a limit refused, surely or probably."""
    is_open: bool
    """Whether the plugins of its route may tell more than the entry did."""
    is_rest: bool
    """Its address is not told apart."""
    is_other: bool
    """Its consumer is not told apart."""
    combo: Combo | None
    """How it counts in the totals; None when it does not."""
    combo_aside: Combo | None
    """The same where its request was counted as traffic already."""


class Prepared(msgspec.Struct):
    """One event, ready to be gathered."""

    alike: Alike
    at_ms: int
    lag_ms: int
    request_id: str | None
    payload: bytes | None
    details: Details | None
    is_aside: bool = False

    @property
    def is_request(self) -> bool:
        """Whether it is one request, which then counts in the traffic totals too."""
        return bool(self.alike.flags & IS_REQUEST)

    def set_aside(self) -> None:
        """Its request was counted as traffic already."""
        self.is_aside = True

    @property
    def flags(self) -> int:
        """As the column holds them."""
        return self.alike.flags | ASIDE if self.is_aside else self.alike.flags

    @property
    def combo(self) -> Combo | None:
        """How it counts in the totals; None when it does not."""
        return self.alike.combo_aside if self.is_aside else self.alike.combo


def outcome_of(certainty: int, flags: int, status: int | None) -> int | None:
    """How an event counts in the totals; None when it does not."""
    is_new_request = flags & IS_REQUEST and not flags & ASIDE
    if certainty == CERTAIN:
        return Outcome.LIMITED if is_new_request else Outcome.LIMITED_ASIDE
    if certainty == PROBABLE:
        return Outcome.PROBABLE if is_new_request else Outcome.PROBABLE_ASIDE
    return outcome_of_status(status or 0) if is_new_request else None


class AlikeBook:
    """Remembers, in the places of the minute, what events there had in common."""

    def __init__(self, keys: KeyBook, places: PlaceBook, crowds: Crowds) -> None:
        self._keys = keys
        self._places = places
        self._crowds = crowds
        self._kept = 0

    def of(self, event: Event, type_id: int, source: int) -> Alike:
        """What an event has in common with others; what it tells is checked.

        Args:
            event: The event; its `at_ms` has been checked.
            type_id: The number of its kind and name.
            source: The number of who sent it.

        Raises:
            ValueError: It cannot be stored; also `TypeError` for values of a wrong type.
        """
        place = self._places.of(event)
        what = (
            type_id,
            source,
            event.kind,
            event.ip,
            event.status,
            event.certainty,
            event.evidence,
            event.limit_name,
            event.limit_value,
            event.window_s,
            event.at_suspect,
            event.exact,
            event.is_request,
            event.entity_type,
        )
        alike = place.alike.get(what)
        if alike is None:
            alike = self._make(event, place, type_id, source)
            if not (alike.is_rest or alike.is_other):  # of those each one is taken note of
                if self._kept >= MAX_KEPT:
                    self._places.forget()
                    self._kept = 0
                place.alike[what] = alike
                self._kept += 1
        return alike

    def _make(self, event: Event, place: Place, type_id: int, source: int) -> Alike:
        keys = self._keys
        if event.status is not None:
            check_integer(event.status, "status")
        certainty = CERTAINTY_CODES.get(event.certainty, 0)
        flags = IS_REQUEST if event.is_request else 0
        if event.at_suspect:
            flags |= AT_SUSPECT
        if place.is_bare:
            flags |= NAMED_ONLY
        ip = self._crowds.address(event.ip, event.at_ms)
        limit = keys.limit(event.limit_name, event.limit_value, event.window_s)
        combo_keys = (place.consumer, ip, place.service, place.route, place.node, limit)
        evidence = None if event.evidence is None else keys.key(Dim.TEXT, event.evidence)
        is_exact = bool(event.exact)
        outcome = outcome_of(certainty, flags, event.status)
        aside = outcome_of(certainty, flags | ASIDE, event.status)
        return Alike(
            kind=KIND_CODES.get(event.kind, UNKNOWN_KIND),
            type_id=type_id,
            flags=flags,
            certainty=certainty,
            status=event.status,
            evidence=evidence,
            entity_type=0 if event.entity_type is None else keys.key(Dim.TEXT, event.entity_type),
            is_exact=is_exact,
            combo_keys=combo_keys,
            columns=(
                certainty, source, place.node, place.consumer, ip, place.service, place.route, limit,
                event.status, evidence, place.consumer_name, place.service_name, place.route_name,
            ),
            is_violation=certainty in {CERTAIN, PROBABLE},
            is_open=certainty in {PROBABLE, RULED_OUT}
            and is_exact
            and bool(flags & IS_REQUEST)
            and event.status is not None,
            is_rest=self._crowds.is_rest(ip),
            is_other=place.consumer == OTHER_KEY,
            combo=None if outcome is None else (*combo_keys, outcome),
            combo_aside=None if aside is None else (*combo_keys, aside),
        )  # fmt: skip
