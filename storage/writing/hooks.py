"""Reports that are not exact: which of them count.

Kong Enterprise sends one event hook per consumer, address and service in five seconds, however many requests
were refused (kong/enterprise_edition/event_hooks.lua). Where a log told of the refusals one by one, a hook
says nothing new: it is kept, and does not count.
"""

from __future__ import annotations

from storage.codes import BLOCK_BITS, CERTAIN, NONE_KEY, PROBABLE
from storage.engine import Connection
from storage.writing.alike import Prepared, outcome_of
from storage.writing.event_rows import EventRows
from storage.writing.rollups import Rollups

NEAR_MS = 10_000
"""Twice the five seconds of a hook, for clocks that differ."""

_EXACT = """
SELECT 1 FROM event_blocks b CROSS JOIN events e NOT INDEXED
    ON e.seq >= b.block << {bits} AND e.seq < (b.block + 1) << {bits}
WHERE b.max_at_ms >= :from_ms AND b.min_at_ms <= :to_ms AND e.at_ms BETWEEN :from_ms AND :to_ms
    AND e.inexact = 0 AND e.certainty IN (1, 2) AND {who}
LIMIT 1"""
_INEXACT = """
SELECT seq, at_ms, certainty, flags, status, consumer, ip, service, route, node, limit_key, counted
FROM events INDEXED BY events_inexact
WHERE inexact = 1 AND at_ms BETWEEN ? AND ? AND certainty IN (1, 2)
    AND consumer IN (0, ?) AND ip IN (0, ?) AND service IN (0, ?)"""


class HookBook:
    """Decides, whenever an exact or an inexact violation comes or goes."""

    def __init__(self, connection: Connection, rows: EventRows, rollups: Rollups) -> None:
        self._connection = connection
        self._rows = rows
        self._rollups = rollups
        self._has_inexact: bool | None = None

    def forget(self) -> None:
        """Look again, with the next use, whether there are inexact events at all: usually there are none."""
        self._has_inexact = None

    def counts(self, event: Prepared) -> bool:
        """Whether a violation counts, before it is added."""
        alike = event.alike
        if not alike.is_violation:
            return False
        if alike.is_exact:
            return True
        self._has_inexact = True
        consumer, ip, service = alike.combo_keys[:3]
        self._rows.flush()
        return not self._has_exact(event.at_ms, consumer, ip, service)

    def changed(self, at_ms: int, consumer: int, ip: int, service: int) -> int:
        """An exact violation came or went: count the inexact ones near it anew; returns how many changed."""
        if self._has_inexact is None:
            self._has_inexact = bool(
                self._connection.execute(
                    "SELECT 1 FROM events INDEXED BY events_inexact WHERE inexact = 1 LIMIT 1"
                ).fetchone()
            )
        if not self._has_inexact:
            return 0
        self._rows.flush()
        near = self._connection.execute(
            _INEXACT, (at_ms - NEAR_MS, at_ms + NEAR_MS, consumer, ip, service)
        ).fetchall()
        return sum(self._recount(row) for row in near)

    def _recount(self, row: tuple[int, ...]) -> bool:
        seq, at_ms, certainty, flags, status, *keys, counted = row
        consumer, ip, service, route, node, limit = keys
        should = not self._has_exact(at_ms, consumer, ip, service)
        if should == bool(counted):
            return False
        self._connection.execute("UPDATE events SET counted = ? WHERE seq = ?", (int(should), seq))
        outcome = outcome_of(certainty, flags, status)
        if outcome is not None and certainty in {CERTAIN, PROBABLE}:
            combo = (consumer, ip, service, route, node, limit, outcome)
            self._rollups.add(at_ms, combo, 1 if should else -1)
        return True

    def _has_exact(self, at_ms: int, consumer: int, ip: int, service: int) -> bool:
        """Whether an exact violation of the same is near; what an inexact one does not say matches all."""
        if consumer == NONE_KEY and ip == NONE_KEY:
            return False
        who = " AND ".join(
            f"e.{name} = {int(key)}"
            for name, key in (("consumer", consumer), ("ip", ip), ("service", service))
            if key != NONE_KEY
        )
        found = self._connection.execute(
            _EXACT.format(bits=BLOCK_BITS, who=who), {"from_ms": at_ms - NEAR_MS, "to_ms": at_ms + NEAR_MS}
        ).fetchone()
        return found is not None
