"""Evaluation beside the collector: each second it reads what came, in bounded bites, and every rule looks.

A bucket of ten seconds is judged two seconds after it is over; what comes later than that changes the
counts of the ledger as long as the bucket is still held. After a restart the last quarter of an hour is
read again, and every instant since the last one that was judged is judged, as if nobody had been away.
"""

from __future__ import annotations

import logging
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec
from msgspec.structs import replace

from alerting.clock_steps import ClockSteps
from alerting.evaluation import Evaluator
from alerting.outgoing import incident_message, silence_message
from alerting.receivers import Routes, as_json
from domain.detectors.findings import Severity
from domain.detectors.scene import Quiet
from domain.incident_flow import Desk, Move, What, is_worth_telling
from domain.incidents import Incident
from domain.rules import Rule, RuleError, default_rules, parse_rule
from domain.silences import Silence
from storage.alert_book import AlertBook, Applied, NewMessage
from storage.alert_reads import AlertReads
from storage.alert_rows import StoredSilence
from storage.reading.alert_feed import CellRow

log = logging.getLogger("gatewatch.alerting")

SLOT_MS = 10_000
GRACE_MS = 2_000
"""A gateway's own log batches come up to a second late, and storing takes some of the next."""
HELD_BUCKETS = 12
BIG_BUCKET = 5_000
HELD_BIG = 3
ROWS_PER_BITE = 6_000
"""Rows read and folded at once, about 50 ms; ten bites are more than a bucket of 5,000 a second holds."""
BITES_PER_TURN = 1
LOOK_S = 0.03
"""A look at a slot goes on for so long in a turn; at 5,000 refusals a second it takes five turns."""
MOST_BEHIND_MS = 2 * SLOT_MS
"""Further behind than this, as after a restart, it catches up without pausing."""
EVIDENCE_PER_LOOK = 10
"""Incidents of one look whose events are noted by number, 10 ms each; filter and span show the rest."""
WARM_MS = 15 * 60_000
LONGEST_CATCH_UP_MS = 6 * 3_600_000
RECENT_MS = 86_400_000
MINUTE_MS = 60_000
STATUS_EVERY_S = 5.0
RENEW_EVERY_S = 30.0
KEEP_SENT_MS = 90 * 86_400_000
UNLIVE_WAYS = frozenset({"replay"})
RECORDINGS = "replay:"
"""How sources of recordings that are played into a stream are called: they end, and nobody is missing."""


class Live:
    """The evaluation of one database.

    Args:
        reads: Read-only questions.
        book: Where incidents are written.
        routes: Who is told.
        dashboard_url: For links; empty for none.
        now_ms: The wall clock.
        make_id: A new message id.
        monotonic: A clock that is never set, seconds.
    """

    def __init__(
        self,
        reads: AlertReads,
        book: AlertBook,
        routes: Routes,
        dashboard_url: str,
        now_ms: Callable[[], int],
        make_id: Callable[[], str],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._monotonic = monotonic
        self._reads = reads
        self._book = book
        self._routes = routes
        self._url = dashboard_url
        self._now_ms = now_ms
        self._make_id = make_id
        self._held: OrderedDict[int, dict[int, int]] = OrderedDict()
        """Bucket -> combination -> what was counted of it already."""
        self._marks: dict[int, int] = {}
        self._reading: tuple[int, int] | None = None
        """(bucket, last combination) of a bucket that is only read in part."""
        self._first: int | None = None
        """The bucket that is being read for the first time."""
        self._entry = 0
        self._rule_texts: tuple[str, ...] = ()
        self._silences: Sequence[Silence] = ()
        self._gaps_ms: dict[str, float] = {}
        self._last_ms: dict[str, int] = {}
        self._evidence_left = 0
        self._steps = ClockSteps()
        self._status_due_s = 0.0
        self._renew_due_s = 0.0
        self.took_ms: list[float] = []
        """How long the last turns took."""
        self._start()

    def _start(self) -> None:
        now_ms = self._now_ms()
        shipped = [(rule.id, as_json(rule)) for rule in default_rules()]
        self._book.ship_rules(shipped, now_ms)
        extent = self._reads.extent(MINUTE_MS)
        began_ms = extent[0] if extent is not None else now_ms
        done_ms = self._book.remembered("evaluated_ms")
        end_ms = self._closed(now_ms)
        if done_ms is None or end_ms - done_ms > LONGEST_CATCH_UP_MS or done_ms > end_ms:
            done_ms = end_ms
        self._done_ms = done_ms - done_ms % SLOT_MS
        held = [stored.incident for stored in self._book.recent(now_ms - RECENT_MS)]
        desk = Desk(replace(one, last_ms=self._steps.heard_ms(one.last_ms, now_ms)) for one in held)
        self._entry, _ = self._book.people_moved(1 << 62)
        self.evaluator = Evaluator(self._reads, (), desk, SLOT_MS, began_ms)
        self._take_rules()
        self._seq = self._reads.last_seq()
        self.evaluator.take(self._reads.rare_between(now_ms - RECENT_MS, now_ms + MINUTE_MS))
        marks = self._reads.bucket_marks(SLOT_MS, self._done_ms - WARM_MS, self._done_ms)
        for start_ms in sorted(marks):
            for rows in self._bites(start_ms):
                self.evaluator.fold(start_ms // SLOT_MS, rows)
        self._marks = marks

    def _bites(self, start_ms: int) -> Iterator[list[CellRow]]:
        after = 0
        while rows := self._reads.cells(SLOT_MS, start_ms, after, ROWS_PER_BITE):
            yield rows
            after = rows[-1][0]
            if len(rows) < ROWS_PER_BITE:
                return

    @staticmethod
    def _closed(now_ms: int) -> int:
        """The end of the newest bucket that is over, with its grace."""
        return (now_ms - GRACE_MS) // SLOT_MS * SLOT_MS

    def _begin_anew(self, now_ms: int) -> None:
        """The clock was set: hours that did not pass are not judged, and none is judged twice."""
        self._book.remember({"evaluated_ms": self._closed(now_ms)})
        self._held.clear()
        self._last_ms.clear()
        self._reading, self._first, self._rule_texts = None, None, ()
        desk = self.evaluator.desk
        self._start()
        self.evaluator.desk.go_on_from(desk)

    def turn(self) -> list[Applied]:
        """Read what came, look, store what moved."""
        started_s = time.monotonic()
        now_ms = self._now_ms()
        if step_s := self._steps.step_s(now_ms, self._monotonic()):
            log.warning("the clock was set by %+.0f s: judging goes on from its new time", step_s)
            self._begin_anew(now_ms)
        self._take_people()
        self._take_rules()
        self._silences = [stored.silence for stored in self._book.silences(now_ms)]
        self._book.warn_of_silences(now_ms, self._silence_messages)
        self._renew(started_s, now_ms)
        self._take_rare()
        is_whole = self._take_traffic(now_ms)
        applied = self._look_at_slots(now_ms, is_whole=is_whole)
        since_ms = min(now_ms - GRACE_MS - self._done_ms, SLOT_MS - 1)
        if self.evaluator.looking_at_ms is None and not applied and since_ms > 0:
            moves = self.evaluator.tick(self._done_ms + since_ms, self._silences)
            applied += self._store(moves, is_turn_of_slot=False)
        self.took_ms = [*self.took_ms[-99:], 1000 * (time.monotonic() - started_s)]
        self._tell_status(started_s, now_ms)
        return applied

    def _look_at_slots(self, now_ms: int, *, is_whole: bool) -> list[Applied]:
        """Look at each slot that is over and read, oldest first; the newest over several turns."""
        applied: list[Applied] = []
        is_behind = self._closed(now_ms) - self._done_ms > MOST_BEHIND_MS
        until_s = time.monotonic() + (math.inf if is_behind else LOOK_S)
        while (left_s := until_s - time.monotonic()) > 0:
            if self.evaluator.looking_at_ms is None:
                if self._done_ms >= self._closed(now_ms) or not (is_whole or self._is_read(self._done_ms)):
                    break
                self._done_ms += SLOT_MS
                self.evaluator.begin(self._done_ms)
            if self.evaluator.go_on(left_s):
                applied += self._store(self.evaluator.finish(self._silences), is_turn_of_slot=True)
        return applied

    def _store(self, moves: Sequence[Move], *, is_turn_of_slot: bool) -> list[Applied]:
        """Write down what moved, with its messages, in one transaction."""
        wanted = [m for m in moves if is_turn_of_slot or m.what is not What.UPDATED]
        if not wanted and not is_turn_of_slot:
            return []
        state = {"evaluated_ms": self._done_ms}
        self._evidence_left = EVIDENCE_PER_LOOK
        if not wanted:
            self._book.remember(state)
            return []
        done = self._book.apply(wanted, self._messages, self._evidence, state)
        lost = [a for a in done if not a.is_done]
        if lost:
            log.info("%d incidents were moved by people meanwhile", len(lost))
            self._adopt_again(lost)
        return done

    def _adopt_again(self, lost: Iterable[Applied]) -> None:
        numbers = {a.incident_id for a in lost}
        for stored in self._book.recent(self._now_ms() - RECENT_MS):
            if stored.incident_id in numbers:
                self.evaluator.desk.adopt(stored.incident)

    # ---- reading

    def _take_people(self) -> None:
        self._entry, moved = self._book.people_moved(self._entry)
        for stored in moved:
            self.evaluator.desk.adopt(stored.incident)

    def _take_rules(self) -> None:
        texts = tuple(sorted(self._book.rules()))
        if texts == self._rule_texts:
            return
        self._rule_texts = texts
        rules: list[Rule] = []
        for text in texts:
            try:
                rules.append(parse_rule(msgspec.json.decode(text)))
            except RuleError as error:
                log.warning("a stored rule cannot be used and is left out: %s", error)
        self.evaluator.set_rules(rules)

    def _take_rare(self) -> None:
        last = self._reads.last_seq()
        if last > self._seq:
            self.evaluator.take(self._reads.rare_after(self._seq, last))
            self._seq = last

    def _take_traffic(self, now_ms: int) -> bool:
        """Fold what changed in the held buckets; False when there is more than fits into a turn."""
        from_ms = min(self._done_ms, self._closed(now_ms)) - HELD_BUCKETS * SLOT_MS
        marks = self._reads.bucket_marks(SLOT_MS, from_ms, self._closed(now_ms))
        changed = sorted(start for start, mark in marks.items() if self._marks.get(start) != mark)
        bites = 0
        for start_ms in changed:
            if start_ms < self._done_ms and start_ms not in self._held:
                self._marks[start_ms] = marks[start_ms]
                continue  # warmed up or too late: it counts in totals, no longer here
            while bites < BITES_PER_TURN or len(changed) > HELD_BUCKETS:
                bites += 1
                if self._bite(start_ms):
                    self._marks[start_ms] = marks[start_ms]
                    break
            else:
                return False
        for old in [start for start in self._marks if start < from_ms]:
            del self._marks[old]
        return True

    def _bite(self, start_ms: int) -> bool:
        """Read one bite of a bucket and fold what is new in it; True when that was the last."""
        after = self._reading[1] if self._reading is not None and self._reading[0] == start_ms else 0
        rows = self._reads.cells(SLOT_MS, start_ms, after, ROWS_PER_BITE)
        if start_ms not in self._held:
            self._first = start_ms
        held = self._held.setdefault(start_ms, {})
        if self._first == start_ms:  # read for the first time: all of it is new
            held.update([(row[0], row[7]) for row in rows])
            new = rows
        else:
            new = []
            for row in rows:
                before = held.get(row[0], 0)
                if row[7] != before:
                    held[row[0]] = row[7]
                    new.append((*row[:7], row[7] - before))
        self.evaluator.fold(start_ms // SLOT_MS, new)
        is_last = len(rows) < ROWS_PER_BITE
        self._reading = None if is_last else (start_ms, rows[-1][0])
        if is_last:
            self._first = None
            self._drop_held()
        return is_last

    def _drop_held(self) -> None:
        big = [start for start, held in self._held.items() if len(held) > BIG_BUCKET]
        for start in sorted(big)[:-HELD_BIG]:
            del self._held[start]
        for start in sorted(self._held)[:-HELD_BUCKETS]:
            del self._held[start]

    def _is_read(self, start_ms: int) -> bool:
        """Whether a bucket has been folded as it stood when it was over."""
        return start_ms in self._marks and (self._reading is None or self._reading[0] > start_ms)

    def _renew(self, now_s: float, now_ms: int) -> None:
        if now_s < self._renew_due_s:
            return
        self._renew_due_s = now_s + RENEW_EVERY_S / 6
        evaluator = self.evaluator
        evaluator.renew()
        evaluator.gaps = self._reads.gaps(now_ms - RECENT_MS, now_ms)
        evaluator.blocks = self._reads.blocks(now_ms - RECENT_MS, now_ms + MINUTE_MS)
        self._take_arrivals(now_ms)
        if now_ms % MINUTE_MS < RENEW_EVERY_S * 1000:
            self._book.prune(now_ms - KEEP_SENT_MS)

    def _take_arrivals(self, now_ms: int) -> None:
        quiet, beats = [], []
        for source, way, is_connected, received_ms, beat_ms in self._reads.arrivals():
            last_ms = self._steps.heard_ms(max(received_ms or 0, beat_ms or 0), now_ms)
            if way in UNLIVE_WAYS or source.startswith(RECORDINGS) or now_ms - last_ms > RECENT_MS:
                continue
            if is_connected and beat_ms is not None:
                beats.append(self._steps.heard_ms(beat_ms, now_ms))
            before = self._last_ms.get(source)
            self._last_ms[source] = last_ms
            if before is not None and last_ms > before:
                gap = self._gaps_ms.get(source, float(last_ms - before))
                self._gaps_ms[source] = gap + (last_ms - before - gap) / 10
            if source in self._gaps_ms:
                quiet.append(Quiet(source=source, last_ms=last_ms, usual_gap_ms=round(self._gaps_ms[source])))
        self.evaluator.quiet = quiet
        self.evaluator.beat_ms = max(beats, default=None)

    # ---- what is told

    def _messages(self, applied: Sequence[Applied]) -> Iterator[NewMessage]:
        for done in applied:
            move = done.move
            if not done.is_done or not is_worth_telling(move):
                continue
            for receiver in self._routes.receivers_of(_worst(move), move.after.team):
                message = incident_message(move, done.incident_id, self._url)
                yield NewMessage(
                    message_id=self._make_id(),
                    receiver=receiver,
                    kind=message.kind,
                    body=as_json(message),
                    due_ms=self._now_ms(),
                    incident_id=done.incident_id,
                )

    def _silence_messages(self, stored: StoredSilence) -> Iterator[NewMessage]:
        now_ms = self._now_ms()
        message = silence_message(stored.silence, now_ms)
        for receiver in self._routes.receivers_of(Severity.NOTICE, ""):
            yield NewMessage(
                message_id=self._make_id(),
                receiver=receiver,
                kind=message.kind,
                body=as_json(message),
                due_ms=now_ms,
            )

    def _evidence(self, incident: Incident) -> Sequence[int]:
        if self._evidence_left <= 0:
            return ()
        self._evidence_left -= 1
        rows = self._reads.sample(
            incident.entity_type, incident.entity_id, incident.from_ms, incident.last_ms, limit=100
        )
        return [row.seq for row in rows]

    def _tell_status(self, now_s: float, now_ms: int) -> None:
        if now_s < self._status_due_s:
            return
        self._status_due_s = now_s + STATUS_EVERY_S
        evaluator = self.evaluator
        self._book.remember(
            {},
            {
                "at_ms": now_ms,
                "evaluated_ms": self._done_ms,
                "turn_ms": round(max(self.took_ms, default=0.0), 1),
                "failures": dict(evaluator.failures),
                "left_out": dict(evaluator.desk.left_out),
                "rules": sum(1 for rule in evaluator.rules.values() if rule.enabled),
                "is_feed_dead": evaluator.is_feed_dead(now_ms),
                "tracked": {
                    "consumers": len(evaluator.ledger.consumers),
                    "addresses": len(evaluator.ledger.addresses),
                },
            },
        )


def _worst(move: Move) -> Severity:
    """What decides who is told: the worse of before and after, so that who heard of it hears of its end."""
    if move.before is not None and move.before.severity.at_least(move.after.severity):
        return move.before.severity
    return move.after.severity
