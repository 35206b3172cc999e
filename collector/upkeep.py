"""What the writer does between transactions: judge anew, say that it is alive, clear away, fold the log.

Times are a monotonic clock's seconds, passed in.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Sequence

from collector.batching import may_settle
from domain.errors import StoreBusy
from storage.batches import Batch, CollectorStatus
from storage.protocol import Store

log = logging.getLogger("gatewatch.writer")

SETTLE_AFTER_S = 1.0
"""Plugins and probable events come in bursts: one judgement for all of a burst."""
SETTLE_EVERY_S = 5.0
STATUS_EVERY_S = 2.0
CLEAR_EVERY_S = 60.0
CLEAR_ROWS = 5_000
"""Removing 5,000 rows measured 26 ms at worst, the longest that a batch waits for it."""
PACK_ROWS = 5_000
"""Packing 5,000 rows takes about 10 ms; a whole day, done at once, is longer the more it holds."""
PSEUDONYM_ROWS = 1_000
"""Looking at 1,000 rows, and replacing all of them, takes about as long as clearing 5,000."""
CLEAR_BUSY_EVERY_S = 0.5
"""Under load without a pause: 10,000 rows a second go, more than can come."""
POSTPONE_S = 5.0


@dataclasses.dataclass(slots=True)
class Done:
    """What one round came to."""

    settled: int = 0
    pruned: int = 0
    is_alive: bool = False
    """The status was stored."""
    busy: str = ""
    """Why the status could not be stored."""


class Upkeep:
    """When which chore is due."""

    def __init__(
        self,
        now_s: float,
        now_ms: Callable[[], int],
        status: Callable[[], CollectorStatus],
    ) -> None:
        self._now_ms = now_ms
        self._status = status
        self._settle_at_s: float | None = now_s
        self._settled_at_s = now_s - SETTLE_EVERY_S
        self._status_at_s = now_s
        self._clear_at_s = now_s + CLEAR_EVERY_S
        self._cleared_at_s = now_s
        self._has_written = True

    def wrote(self, batches: Sequence[Batch], now_s: float) -> None:
        """Note what a transaction held."""
        self._has_written = True
        if self._settle_at_s is None and any(may_settle(batch.decoded) for batch in batches):
            self._settle_at_s = max(now_s + SETTLE_AFTER_S, self._settled_at_s + SETTLE_EVERY_S)

    def due_in_s(self, now_s: float) -> float:
        """Seconds until something is due, 0 when it is."""
        due = [self._status_at_s, self._clear_at_s]
        if self._settle_at_s is not None:
            due.append(self._settle_at_s)
        return max(0.0, min(due) - now_s)

    def run(self, store: Store, now_s: float, *, idle: bool) -> Done:
        """Do what is due; clearing away piece after piece while nothing else waits, else now and then.

        A store that is busy is left alone for a while: nothing here is lost by waiting.
        """
        done = Done()
        try:
            self._tell(store, now_s, done)
            if self._settle_at_s is not None and now_s >= self._settle_at_s:
                self._settle_at_s, self._settled_at_s = None, now_s
                done.settled = store.settle()
            if now_s >= self._clear_at_s and (idle or now_s >= self._cleared_at_s + CLEAR_BUSY_EVERY_S):
                self._cleared_at_s = now_s
                done.pruned = self._clear(store, now_s)
        except StoreBusy as error:
            log.warning("upkeep waits: %s", error)
            self._settle_at_s = now_s + POSTPONE_S
            self._clear_at_s = max(self._clear_at_s, now_s + POSTPONE_S)
        return done

    def _tell(self, store: Store, now_s: float, done: Done) -> None:
        if now_s < self._status_at_s:
            return
        self._status_at_s = now_s + STATUS_EVERY_S
        try:
            store.beat(self._now_ms(), self._status())
            done.is_alive = True
        except StoreBusy as error:
            done.busy = str(error)

    def _clear(self, store: Store, now_s: float) -> int:
        pruned = store.prune(self._now_ms(), CLEAR_ROWS)
        packed = store.pack(self._now_ms(), PACK_ROWS)
        replaced = store.pseudonymise(self._now_ms(), PSEUDONYM_ROWS)
        if pruned < CLEAR_ROWS and packed < PACK_ROWS and replaced < PSEUDONYM_ROWS:
            self._clear_at_s = now_s + CLEAR_EVERY_S
            if self._has_written:
                store.checkpoint()
                self._has_written = False
        return pruned
