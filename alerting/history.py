"""Evaluation over what is stored already, in event time, from the first bucket to the last.

Where totals per ten seconds are kept they are used; before that those per minute, with which short shapes are
coarser. Spans in which nothing happened are stepped over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from alerting.evaluation import Evaluator
from domain.incident_flow import Desk, Move
from domain.rules import Rule
from domain.windows import HOUR_MS, MINUTE_MS
from storage.alert_reads import AlertReads
from storage.reading.alert_feed import RareEvent

FINE_MS = 10_000
CHUNK_MS = 6 * HOUR_MS
"""Rare events and marks are read for so long at a time."""
READ_ROWS = 20_000
LONGEST_TAIL_MS = 15 * MINUTE_MS
"""So long after the last request what nodes tell is still looked at; a wrong clock may name any year."""
WORTH_A_PASS_MS = 2 * MINUTE_MS
"""History older than the ten-second totals by more than this is evaluated by the minute; less is the minute
in which they begin."""


class History:
    """A pass over a store.

    Args:
        reads: The store.
        rules: The rules to evaluate.
        desk: Where incidents gather; a new one by default.
        on_progress: Called with (done, of how many) milliseconds of history.
    """

    def __init__(
        self,
        reads: AlertReads,
        rules: Iterable[Rule],
        desk: Desk | None = None,
        on_progress: Callable[[int, int], None] = lambda *_: None,
    ) -> None:
        self._reads = reads
        self._rules = tuple(rules)
        self._desk = Desk() if desk is None else desk
        self._on_progress = on_progress
        self.evaluator: Evaluator | None = None

    def moves(self, from_ms: int | None = None, to_ms: int | None = None) -> Iterator[Move]:
        """Everything that moved, in order of time."""
        whole = self._reads.extent(MINUTE_MS)
        if whole is None:
            return
        fine = self._reads.extent(FINE_MS)
        last_ms = self._end(whole[1])
        start, end = max(whole[0], from_ms or 0), min(last_ms, to_ms or last_ms)
        total = max(1, end - start)
        began = whole[0]
        if fine is None:
            yield from self._pass(MINUTE_MS, start, end, began, start, total)
            return
        if fine[0] - start > WORTH_A_PASS_MS:
            yield from self._pass(MINUTE_MS, start, min(fine[0], end), began, start, total)
            start = fine[0]
        yield from self._pass(FINE_MS, start, end, began, end - total, total)

    def _end(self, end_ms: int) -> int:
        """The end of what was told: of the last request, or of what nodes told in the minutes after it."""
        rare_ms = self._reads.last_rare_ms() or 0
        return max(end_ms, min(rare_ms - rare_ms % MINUTE_MS + MINUTE_MS, end_ms + LONGEST_TAIL_MS))

    def _pass(
        self, width_ms: int, from_ms: int, to_ms: int, began_ms: int, zero_ms: int, total_ms: int
    ) -> Iterator[Move]:
        from_ms = from_ms - from_ms % width_ms
        evaluator = Evaluator(self._reads, self._rules, self._desk, width_ms, began_ms)
        self.evaluator = evaluator
        evaluator.gaps = self._reads.gaps(from_ms, to_ms)
        evaluator.blocks = self._reads.blocks(from_ms, to_ms)
        before = self._reads.rare_between(from_ms - 24 * HOUR_MS, from_ms)
        evaluator.take(before)
        chunk_ms = from_ms
        while chunk_ms < to_ms:
            until_ms = min(chunk_ms + CHUNK_MS, to_ms)
            yield from self._chunk(evaluator, width_ms, chunk_ms, until_ms)
            chunk_ms = until_ms
            self._on_progress(chunk_ms - zero_ms, total_ms)

    def _chunk(self, evaluator: Evaluator, width_ms: int, from_ms: int, to_ms: int) -> Iterator[Move]:
        marks = self._reads.bucket_marks(width_ms, from_ms, to_ms)
        events = self._reads.rare_between(from_ms, to_ms)
        place = 0
        quiet_since = from_ms
        for start_ms in range(from_ms, to_ms, width_ms):
            end_ms = start_ms + width_ms
            first = place
            while place < len(events) and events[place].at_ms < end_ms:
                place += 1
            self._fold(evaluator, width_ms, start_ms, events[first:place], filled=start_ms in marks)
            if start_ms in marks or place > first:
                quiet_since = end_ms
            if end_ms - quiet_since > HOUR_MS and not self._desk.live:
                continue
            yield from evaluator.tick(end_ms)

    def _fold(
        self, evaluator: Evaluator, width_ms: int, start_ms: int, events: list[RareEvent], *, filled: bool
    ) -> None:
        if events:
            evaluator.take(events)
        if not filled:
            return
        slot, after = evaluator.ledger.slot_of(start_ms), 0
        while rows := self._reads.cells(width_ms, start_ms, after, READ_ROWS):
            evaluator.fold(slot, rows)
            after = rows[-1][0]
            if len(rows) < READ_ROWS:
                break
