"""Requests that broke no limit: each counts once, in totals only."""

from __future__ import annotations

from collections import OrderedDict

from domain.events import Traffic
from domain.windows import MINUTE_MS
from storage.codes import NONE_KEY, OTHER_KEY, Dim, outcome_of_status
from storage.engine import Connection
from storage.writing.crowds import Crowds
from storage.writing.keys import KeyBook, check_instant, check_integer, check_text
from storage.writing.places import Place, PlaceBook
from storage.writing.resends import ResendMemory
from storage.writing.rollups import Combo, Rollups

MAX_COUNT = 1_000_000_000
"""Requests in one item: sums of any number of them stay within 64 bits."""
MAX_KEPT = 40_000
"""Ways to count a request, remembered with the places of their minutes: about 10 MB."""
MAX_MINUTES = 16
"""Minutes whose addresses are held in memory; others are read again from the totals."""


class TrafficFolder:
    """Folds requests into the totals of the transaction that is open.

    Args:
        crowds: Takes in those that are not told apart.
        most_addresses: Addresses told apart per minute; the rest count by their prefix.
    """

    def __init__(
        self,
        connection: Connection,
        keys: KeyBook,
        places: PlaceBook,
        rollups: Rollups,
        resends: ResendMemory,
        crowds: Crowds,
        most_addresses: int,
    ) -> None:
        self._connection = connection
        self._keys = keys
        self._places = places
        self._rollups = rollups
        self._resends = resends
        self._crowds = crowds
        self._most_addresses = most_addresses
        self._addresses: OrderedDict[int, set[str]] = OrderedDict()
        self._kept = 0
        self.folded = 0
        """Requests of this transaction whose address was not told apart."""
        self.folded_consumers = 0

    def forget(self) -> None:
        """Drop everything remembered: it may have been rolled back."""
        self._addresses.clear()
        self.finish()

    def finish(self) -> None:
        """The transaction is over."""
        self.folded = self.folded_consumers = 0

    def fold(self, traffic: Traffic) -> int:
        """Count one item; returns how many requests were new (0 when it came before).

        Raises:
            ValueError: It cannot be stored.
        """
        mark, at_ms, count = traffic.fingerprint, traffic.at_ms, traffic.count
        check_integer(mark, "fingerprint")
        check_instant(at_ms, "at_ms")
        if not 0 < count <= MAX_COUNT:
            raise ValueError(f"count is {count}, expected 1 to {MAX_COUNT}")
        if self._resends.is_known(mark):
            return 0
        place = self._places.of(traffic)
        what = (traffic.ip, traffic.status, traffic.upstream_limited)
        combo = place.outcomes.get(what)
        if combo is None:
            combo = self._combo(place, traffic)
            if self._kept >= MAX_KEPT:
                self._places.forget()
                self._kept = 0
            place.outcomes[what] = combo
            self._kept += 1
        self._rollups.add(at_ms, combo, count)
        self._resends.add(mark)
        if self._crowds.is_rest(combo[1]):
            self.folded += count
        if combo[0] == OTHER_KEY:
            self.folded_consumers += count
        return count

    def _combo(self, place: Place, traffic: Traffic) -> Combo:
        return (
            place.consumer,
            self._address(traffic.ip, traffic.at_ms),
            place.service,
            place.route,
            place.node,
            NONE_KEY,
            outcome_of_status(traffic.status, upstream_limited=traffic.upstream_limited),
        )

    def _address(self, ip: str | None, at_ms: int) -> int:
        if ip is None:
            return NONE_KEY
        seen = self._seen_in(at_ms // MINUTE_MS)
        if ip not in seen:
            if len(seen) >= self._most_addresses:
                check_text(ip)
                return self._crowds.rest_of(ip, at_ms)
            seen.add(ip)
        return self._keys.key(Dim.IP, ip)

    def _seen_in(self, minute: int) -> set[str]:
        seen = self._addresses.get(minute)
        if seen is None:
            rows = self._connection.execute(
                "SELECT k.value FROM activity a JOIN keys k ON k.key_id = a.key"
                " WHERE a.res = 1 AND a.dim = ? AND a.bucket_s = ? AND a.key > 1",
                (Dim.IP, minute * 60),
            )
            seen = self._addresses[minute] = {value for (value,) in rows}
            if len(self._addresses) > MAX_MINUTES:
                self._addresses.popitem(last=False)
        return seen
