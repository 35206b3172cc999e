"""Rows of the store as the JSON that the live board draws; the board never reads texts as markup."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domain.filters import OTHER_TOKEN, Dimension, Filters
from storage.batches import CollectorStatus
from storage.rows import EventRow, Freshness, Top
from ui import wording
from ui import wording_live as words
from ui.live_state import Feed, Screen, is_connected, is_silent, judge_feed
from ui.safe_text import visible

TOPS = (Dimension.CONSUMER, Dimension.IP, Dimension.SERVICE, Dimension.LIMIT)
TOP_ROWS = 6


def feed_json(feed: Feed, freshness: Freshness, now_ms: int) -> dict[str, Any]:
    """The status strip. A collector that is silent vouches for nothing: its streams are unknown then."""
    icon, word = words.FEED_WORDS[feed.state]
    streams = [s for s in freshness.sources if s.connected is not None]
    collector = freshness.collector
    is_heard = collector is not None and not is_silent(collector, now_ms)
    open_now = [s for s in streams if is_heard and is_connected(s, now_ms)]
    return {
        "state": str(feed.state),
        "icon": icon,
        "word": word,
        "as_of_ms": feed.as_of_ms,
        "why": feed.detail or words.CAUSES[feed.cause],
        "trusted": feed.is_trusted,
        "collector": _collector_state(collector, is_heard=is_heard),
        "collector_since_ms": collector and (collector.started_ms if is_heard else collector.beat_ms),
        "streams": len(streams),
        "streams_open": len(open_now) if is_heard else None,
        "senders": [
            {
                "name": visible(s.hostname or s.source),
                "way": visible(s.way),
                "open": s in open_now if is_heard and s.connected is not None else None,
                "last_ms": max(filter(None, (s.last_received_ms, s.last_beat_ms)), default=None),
            }
            for s in freshness.sources[:50]
        ],
    }


def _collector_state(collector: CollectorStatus | None, *, is_heard: bool) -> str | None:
    if collector is None:
        return None
    return collector.state if is_heard else "silent"


def screen_json(
    screen: Screen,
    feed: Feed,
    filters: Filters,
    unfiltered: int | None,
    length_ms: int,
    http: str,
    heard_from_ms: int | None,
) -> dict[str, Any]:
    """What to show instead of, or above, the numbers."""
    found: dict[str, Any] = {
        "kind": str(screen),
        "sentence": words.screen_sentence(screen, feed, unfiltered, length_ms, heard_from_ms),
    }
    if screen == Screen.FILTERED:
        found["remove"] = [
            {"text": visible(text), "dimension": str(dim), "value": value, "excluded": excluded}
            for text, dim, value, excluded in wording.filter_words(filters)
        ]
    if screen == Screen.EMPTY:
        found |= {
            "title": words.EMPTY_TITLE,
            "steps": list(words.EMPTY_STEPS),
            "snippet": words.HTTP_LOG_SNIPPET.replace("ADDRESS", http),
            "play": words.PLAY_SAMPLE,
        }
    return found


def top_json(dimension: Dimension, top: Top, colours: Mapping[str, str]) -> dict[str, Any]:
    """One top list. Its heading counts what the list leaves out."""
    most = max((row.violations for row in top.rows), default=0)
    distinct = f"at least {top.distinct:,}" if top.at_least else f"{top.distinct:,}"
    return {
        "dimension": str(dimension),
        "title": f"Top {wording.PLURALS[dimension]}",
        "distinct": distinct,
        "rest": f"{top.rest:,}" if top.rest else "",
        "rows": [
            {
                "token": row.token,
                "label": visible(wording.label(dimension, row.token, row.label)),
                "count": f"{row.violations:,}",
                "probable": f"{row.probable:,}" if row.probable else "",
                "requests": None if row.requests is None else f"{row.requests:,}",
                "share": row.violations / most if most else 0,
                "colour": colours.get(row.token, ""),
                "last_ms": row.last_ms,
                "can_filter": row.token != OTHER_TOKEN,
            }
            for row in top.rows
        ],
    }


def tail_json(row: EventRow) -> dict[str, Any]:
    """One row of the tail. What is not known is null."""
    return {
        "seq": row.seq,
        "at_ms": row.at_ms,
        **{name: _shown(getattr(row, name)) for name in ("consumer", "ip", "service", "route")},
        "tokens": {name: getattr(row, name) for name in ("consumer", "ip", "service", "route")},
        "status": row.status,
        "limit": visible(wording.limit(row.limit_value, row.limit_name, row.window_s)),
        "certainty": wording.CERTAINTIES.get(row.certainty or "", ""),
        "evidence": _shown(row.evidence),
    }


def _shown(text: str | None) -> str | None:
    return None if text is None else visible(text)


def feed_now(freshness: Freshness, now_ms: int) -> tuple[Feed, dict[str, Any]]:
    """The feed judged, and its JSON."""
    feed = judge_feed(freshness, now_ms)
    return feed, feed_json(feed, freshness, now_ms)
