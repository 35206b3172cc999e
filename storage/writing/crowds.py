"""Names beyond those that are told apart in a minute: what a flood of new ones costs is bounded.

A name costs a number, a row in every total of its minute, hour and day, and combinations with all others. A
spray from a million addresses would make a million of each, and more in the next minute. So of each minute so
many consumers and addresses are told apart, a quarter of them new ones: whoever is known keeps the name. The
rest counts all the same: a consumer under `~other`, an address under the rest of its /24 or /64, which is a
word of its own among the addresses, and under `~other` only where the prefixes are too many themselves. Sums
over everything, and over prefixes, stay exact.
"""

from __future__ import annotations

import math
from collections import Counter, OrderedDict

from domain.windows import MINUTE_MS
from storage.codes import FIRST_KEY, NONE_KEY, OTHER_KEY, Dim, meta_crowd, meta_crowd_from, meta_crowd_upto
from storage.engine import Connection
from storage.packing import prefix_of
from storage.writing.keys import KeyBook, check_text

MAX_MINUTES = 6
"""Minutes held in memory, 3 MB each at 20,000 names; of others it is read again who was told apart."""
NEW_SHARE = 4
"""One of so many may be new, and one of so many more may be the rest of a prefix."""
REGISTERS_BITS = 12
"""4,096 registers: an estimate is within 1.6 % (standard error), and takes 4 KB."""


class Sketch:
    """About how many different texts there were: HyperLogLog (Flajolet et al. 2007) over Python's own hash.

    That hash differs from process to process, so a sketch is not to be stored.
    """

    def __init__(self) -> None:
        self._registers = bytearray(1 << REGISTERS_BITS)

    def add(self, text: str) -> None:
        """Take in one text."""
        digits = hash(text) & (1 << 64) - 1
        place = digits & (1 << REGISTERS_BITS) - 1
        rank = 65 - REGISTERS_BITS - (digits >> REGISTERS_BITS).bit_length()
        self._registers[place] = max(self._registers[place], rank)

    def estimate(self) -> int:
        """How many there were; exact enough for a few, within 1.6 % for many."""
        size = len(self._registers)
        found = 0.7213 / (1 + 1.079 / size) * size * size / sum(2.0**-rank for rank in self._registers)
        empty = self._registers.count(0)
        if found <= 2.5 * size and empty:
            found = size * math.log(size / empty)
        return round(found)


class _Minute:
    """Who was told apart in one minute."""

    def __init__(self, told: dict[Dim, set[int]]) -> None:
        self.told = told
        self.new: Counter[Dim] = Counter()
        self.rests: set[int] = set()
        self.sketches: dict[Dim, Sketch] = {}


class Crowds:
    """Decides who is told apart, in the transaction that is open.

    Args:
        connection: The writer's.
        keys: Its words.
        most: Consumers, and addresses, told apart per minute.
    """

    def __init__(self, connection: Connection, keys: KeyBook, most: int) -> None:
        self._connection = connection
        self._keys = keys
        self._most = most
        self._most_new = max(1, most // NEW_SHARE)
        self._minutes: OrderedDict[int, _Minute] = OrderedDict()
        self._touched: dict[Dim, set[int]] = {}

    def forget(self) -> None:
        """Drop everything remembered: it may have been rolled back."""
        self._minutes.clear()
        self._touched.clear()

    def admits(self, dim: Dim, key: int | None, name: str, at_ms: int) -> bool:
        """Whether a name is told apart in its minute; `joined` must follow where it is new and gets a number.

        Args:
            dim: Consumers or addresses.
            key: Its number; None when it has none yet.
            name: What it is, for the estimate of how many there were.
            at_ms: When it did something.
        """
        minute = self._minute(at_ms)
        told = minute.told[dim]
        if key is not None and key in told:
            return True
        if len(told) < self._most and (key is not None or minute.new[dim] < self._most_new):
            if key is None:
                minute.new[dim] += 1
            else:
                told.add(key)
            return True
        sketch = minute.sketches.get(dim)
        if sketch is None:
            sketch = minute.sketches[dim] = Sketch()
        sketch.add(name)
        self._touched.setdefault(dim, set()).add(at_ms // MINUTE_MS)
        return False

    def joined(self, dim: Dim, key: int, at_ms: int) -> None:
        """A new name got its number."""
        self._minute(at_ms).told[dim].add(key)

    def address(self, ip: str | None, at_ms: int) -> int:
        """The number that an address counts under, `NONE_KEY` for None.

        Raises:
            ValueError: It cannot be stored.
        """
        if ip is None:
            return NONE_KEY
        check_text(ip)
        key = self._keys.find(Dim.IP, ip)
        if not self.admits(Dim.IP, key, ip, at_ms):
            return self.rest_of(ip, at_ms)
        if key is None:
            key = self._keys.add(Dim.IP, ip)
            self.joined(Dim.IP, key, at_ms)
        return key

    def rest_of(self, ip: str, at_ms: int) -> int:
        """The number of those of an address's prefix that are not told apart."""
        prefix = prefix_of(ip)
        if prefix is None:
            return OTHER_KEY
        rests = self._minute(at_ms).rests
        key = self._keys.find(Dim.IP, prefix)
        if key not in rests and len(rests) >= self._most_new:
            return OTHER_KEY
        if key is None:
            key = self._keys.add_rest(prefix)
        rests.add(key)
        return key

    def is_rest(self, key: int) -> bool:
        """Whether a number stands for addresses that were not told apart; asked of what was just counted."""
        return key == OTHER_KEY or any(key in minute.rests for minute in self._minutes.values())

    def flush(self) -> None:
        """Write down when names were not told apart, and about how many there were in the newest minute."""
        for dim, minutes in self._touched.items():
            newest = max(minutes)
            self._tell(meta_crowd_from(dim), min(minutes) * MINUTE_MS, "min")
            self._tell(meta_crowd_upto(dim), (newest + 1) * MINUTE_MS, "max")
            found = self._minutes.get(newest)
            if found is not None and dim in found.sketches:
                self._tell(meta_crowd(dim), found.sketches[dim].estimate(), "")
        self._touched.clear()

    def _tell(self, name: str, value: int, keep: str) -> None:
        """Keep the smaller (`min`), the larger (`max`), or else the newer of two values."""
        better = {"min": " WHERE excluded.value < meta.value", "max": " WHERE excluded.value > meta.value"}
        self._connection.execute(
            "INSERT INTO meta VALUES (?, ?)"
            f" ON CONFLICT (name) DO UPDATE SET value = excluded.value{better.get(keep, '')}",
            (name, value),
        )

    def _minute(self, at_ms: int) -> _Minute:
        number = at_ms // MINUTE_MS
        found = self._minutes.get(number)
        if found is None:
            found = _Minute({dim: self._told_before(dim, number) for dim in (Dim.CONSUMER, Dim.IP)})
            self._minutes[number] = found
            if len(self._minutes) > MAX_MINUTES:
                self._minutes.popitem(last=False)
        return found

    def _told_before(self, dim: Dim, minute: int) -> set[int]:
        rows = self._connection.execute(
            "SELECT key FROM activity WHERE res = 1 AND dim = ? AND bucket_s = ? AND key >= ? LIMIT ?",
            (dim, minute * 60, FIRST_KEY, self._most),
        )
        return {key for (key,) in rows}
