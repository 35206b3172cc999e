"""How often a rule would have fired, from the stored history, before anybody saves it."""

from __future__ import annotations

from typing import Any

from alerting.episodes import episodes
from alerting.history import History
from domain.rules import Rule
from storage.alert_reads import AlertReads

DAY_MS = 86_400_000
MOST_SHOWN = 200


def backtest(reads: AlertReads, rule: Rule, days: int, now_ms: int) -> dict[str, Any]:
    """What a rule by itself would have raised.

    Returns:
        `from_ms`, `to_ms` of the history that was there, `fired` how often, `by_day` (start of day, count),
        `entities` (name, count) most first, `episodes` (opened, resolved or None, severity, entity, why), at
        most 200, and `failure` when the rule failed.
    """
    from_ms = now_ms - days * DAY_MS
    history = History(reads, [rule])
    found = sorted(episodes(history.moves(from_ms, now_ms)), key=lambda e: e.opened_ms)
    extent = reads.extent(60_000)
    by_day: dict[int, int] = {}
    entities: dict[str, int] = {}
    for episode in found:
        day = episode.opened_ms - episode.opened_ms % DAY_MS
        by_day[day] = by_day.get(day, 0) + 1
        name = f"{episode.entity_type} {episode.entity}"
        entities[name] = entities.get(name, 0) + 1
    failures = history.evaluator.failures if history.evaluator is not None else {}
    return {
        "from_ms": max(from_ms, extent[0]) if extent else from_ms,
        "to_ms": now_ms,
        "fired": len(found),
        "by_day": sorted(by_day.items()),
        "entities": sorted(entities.items(), key=lambda item: -item[1])[:MOST_SHOWN],
        "episodes": [
            [e.opened_ms, e.resolved_ms, e.severity, f"{e.entity_type} {e.entity}", e.why]
            for e in found[-MOST_SHOWN:]
        ],
        "failure": next(iter(failures.values()), None),
    }
