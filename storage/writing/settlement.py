"""Judging again: what looked like a refusal, by the plugins that were configured for its request.

The verdict always starts from what the entry itself showed (`judgements`), so that it does not depend on the
order in which plugins became known. `meta.judged_seq` says how far everything is judged by what is known now.
"""

from __future__ import annotations

from typing import NamedTuple

from domain.events import Certainty
from domain.plugins import plugins_in_force
from domain.violations import Judgement, settle
from storage.codes import BLOCK_BITS, CERTAIN, CERTAINTIES, CERTAINTY_CODES, FIRST_KEY, PROBABLE, Dim
from storage.engine import Connection
from storage.writing.alike import outcome_of
from storage.writing.hooks import HookBook
from storage.writing.keys import KeyBook
from storage.writing.plugins import PluginBook
from storage.writing.rollups import Rollups

_CERTAINTIES = {code: Certainty(word) for code, word in CERTAINTIES.items() if word is not None}
_ROWS = """
SELECT j.seq, j.at_ms, j.certainty AS came_as, j.status AS came_status, j.answer_bytes,
    j.limit_key AS came_limit, j.evidence AS came_evidence,
    e.certainty, e.flags, e.status, e.counted, e.evidence,
    e.consumer, e.ip, e.service, e.route, e.node, e.limit_key
FROM judgements j JOIN events e USING (seq) WHERE j.seq > ? ORDER BY j.seq LIMIT ?"""


class _Row(NamedTuple):
    seq: int
    at_ms: int
    came_as: int
    came_status: int
    answer_bytes: int | None
    came_limit: int
    came_evidence: int | None
    certainty: int
    flags: int
    status: int | None
    counted: int
    evidence: int | None
    consumer: int
    ip: int
    service: int
    route: int
    node: int
    limit_key: int


class Settlement:
    """Judges in the transaction that is open."""

    def __init__(
        self,
        connection: Connection,
        keys: KeyBook,
        plugins: PluginBook,
        rollups: Rollups,
        hooks: HookBook,
    ) -> None:
        self._connection = connection
        self._keys = keys
        self._plugins = plugins
        self._rollups = rollups
        self._hooks = hooks
        self._ids: dict[int, str | None] = {}
        self._verdicts: dict[tuple[int | None, ...], Judgement] = {}

    def forget(self) -> None:
        """Drop everything remembered: other plugins are known now, or it may have been rolled back."""
        self._ids.clear()
        self._verdicts.clear()

    def rewind(self, from_ms: int) -> None:
        """Have everything from a moment on judged again."""
        row = self._connection.execute(
            "SELECT min(block) FROM event_blocks WHERE max_at_ms >= ?", (from_ms,)
        ).fetchone()
        if row[0] is not None:
            self._connection.execute(
                "UPDATE meta SET value = min(value, ?) WHERE name = 'judged_seq'",
                ((row[0] << BLOCK_BITS) - 1,),
            )

    def has_work(self) -> bool:
        """Whether anything waits to be judged."""
        if not self._plugins.is_known():
            return False
        found = self._connection.execute(
            "SELECT 1 FROM judgements WHERE seq > ? LIMIT 1", (self._judged_seq(),)
        ).fetchone()
        return found is not None

    def judge_some(self, most: int) -> int:
        """Judge at most so many, oldest first; returns how many changed."""
        rows = [_Row(*row) for row in self._connection.execute(_ROWS, (self._judged_seq(), most))]
        changed = sum(self._apply(row, self._verdict(row)) for row in rows)
        (last,) = self._connection.execute("SELECT coalesce(max(seq), 0) FROM judgements").fetchone()
        self._connection.execute(
            "INSERT INTO meta VALUES ('judged_seq', ?)"
            " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (rows[-1].seq if rows else last,),
        )
        return changed

    def _judged_seq(self) -> int:
        row = self._connection.execute("SELECT value FROM meta WHERE name = 'judged_seq'").fetchone()
        return row[0] if row else 0

    def _verdict(self, row: _Row) -> Judgement:
        """The same question is asked for thousands of requests: it is answered once."""
        interval = self._plugins.interval_at(row.at_ms)
        question = (
            interval, row.route, row.service, row.consumer, row.came_as, row.came_status, row.answer_bytes
        )  # fmt: skip
        found = self._verdicts.get(question)
        if found is None:
            plugins = plugins_in_force(
                self._plugins.configured_in(interval),
                route_id=self._id(row.route),
                service_id=self._id(row.service),
                consumer_id=self._id(row.consumer),
            )
            certainty = _CERTAINTIES[row.came_as]
            found = self._verdicts[question] = settle(certainty, row.came_status, row.answer_bytes, plugins)
        return found

    def _id(self, key: int) -> str | None:
        """Kong's id of an entity; None when there is none, or only a name was known."""
        if key < FIRST_KEY:
            return None
        if key not in self._ids:
            row = self._connection.execute(
                "SELECT CASE WHEN k.is_name = 1 THEN s.value ELSE k.value END"
                " FROM keys k LEFT JOIN keys s ON s.key_id = k.same_as WHERE k.key_id = ?",
                (key,),
            ).fetchone()
            self._ids[key] = row[0] if row else None
        return self._ids[key]

    def _apply(self, row: _Row, verdict: Judgement) -> bool:
        certainty = CERTAINTY_CODES[verdict.certainty]
        if verdict.evidence is None:
            limit, evidence = row.came_limit, row.came_evidence
        else:
            limit = self._keys.limit(verdict.limit_name, verdict.limit_value, verdict.window_s)
            limit = limit or row.came_limit
            evidence = self._keys.key(Dim.TEXT, verdict.evidence)
        if (certainty, limit, evidence) == (row.certainty, row.limit_key, row.evidence):
            return False
        counted = certainty in {CERTAIN, PROBABLE}
        self._connection.execute(
            "UPDATE events SET certainty = ?, limit_key = ?, evidence = ?, counted = ? WHERE seq = ?",
            (certainty, limit, evidence, int(counted), row.seq),
        )
        self._recount(row, row.certainty, row.limit_key, -1)
        self._recount(row, certainty, limit, 1)
        if counted != bool(row.counted):
            self._hooks.changed(row.at_ms, row.consumer, row.ip, row.service)
        return certainty != row.certainty

    def _recount(self, row: _Row, certainty: int, limit: int, n: int) -> None:
        outcome = outcome_of(certainty, row.flags, row.status)
        if outcome is not None:
            combo = (row.consumer, row.ip, row.service, row.route, row.node, limit, outcome)
            self._rollups.add(row.at_ms, combo, n)
