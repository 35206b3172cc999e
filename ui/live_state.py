"""Which of its screens Live shows, and how far its numbers can be trusted: one pure decision.

The five screens that are not the normal one must never be mistaken for each other: "nothing is wrong" and
"we cannot see" look the same in numbers and mean the opposite.
"""

from __future__ import annotations

import dataclasses
from enum import StrEnum

from domain.filters import Filters
from domain.windows import Window
from storage.batches import CollectorStatus
from storage.rows import Freshness, SourceState

LIVE_MS = 5_000
STALE_MS = 30_000
POLLED = "admin-api"
"""The way of what we asked for ourselves."""
COLLECTOR_SILENT_MS = 30_000
"""A collector overwrites its row every 2 s; fifteen missed ones are no hiccup."""
BEAT_HOLDS_MS = 15_000
"""A connected stream is vouched for every 5 s; three missed ones count as gone."""


class FeedState(StrEnum):
    """How current what we show is."""

    WAITING = "waiting"
    """Nothing was ever received."""
    LIVE = "live"
    DELAYED = "delayed"
    STALE = "stale"
    DISCONNECTED = "disconnected"


class Cause(StrEnum):
    """Why a feed is not live."""

    NONE = ""
    NO_COLLECTOR = "no-collector"
    """No collector ever wrote to this database."""
    COLLECTOR_SILENT = "collector-silent"
    CANNOT_STORE = "cannot-store"
    SENDERS_GONE = "senders-gone"
    """Every stream that we know is disconnected, and nothing comes by HTTP."""
    NOTHING_ARRIVES = "nothing-arrives"


class Screen(StrEnum):
    """What Live shows."""

    EMPTY = "empty"
    """Nothing was ever received: how to connect Kong."""
    QUIET = "quiet"
    """We can see, and nothing was refused."""
    BLIND = "blind"
    """The collector or every sender is gone."""
    STALE = "stale"
    UNHEARD = "unheard"
    """The span is over, nothing was refused as far as we know, and nothing was heard in some of it."""
    FILTERED = "filtered"
    """There are violations, and the filters leave none."""
    NORMAL = "normal"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """How current what we show is, and since when."""

    state: FeedState
    as_of_ms: int | None
    """Until when we know what happened; None when nothing was ever received."""
    age_ms: int | None
    cause: Cause = Cause.NONE
    detail: str = ""
    """The collector's own words, where it has any."""

    @property
    def is_trusted(self) -> bool:
        """Whether numbers may be read as the present."""
        return self.state in (FeedState.LIVE, FeedState.DELAYED)


def judge_feed(freshness: Freshness, now_ms: int) -> Feed:
    """Judge by what really arrived: events and requests, and the collector's word on open streams."""
    heard_ms = _heard_ms(freshness)
    collector = freshness.collector
    detail = collector.detail if collector else ""
    age_ms = None if heard_ms is None else max(0, now_ms - heard_ms)
    if collector is None or is_silent(collector, now_ms):
        cause = Cause.NO_COLLECTOR if collector is None else Cause.COLLECTOR_SILENT
        state = FeedState.WAITING if heard_ms is None else FeedState.DISCONNECTED
        return Feed(state=state, as_of_ms=heard_ms, age_ms=age_ms, cause=cause)
    if age_ms is None:
        return Feed(state=FeedState.WAITING, as_of_ms=None, age_ms=None, detail=detail)
    if collector.state == "degraded":
        state = FeedState.DELAYED if age_ms <= STALE_MS else FeedState.STALE
        return Feed(state=state, as_of_ms=heard_ms, age_ms=age_ms, cause=Cause.CANNOT_STORE, detail=detail)
    state, cause = _by_age(freshness, age_ms)
    return Feed(state=state, as_of_ms=heard_ms, age_ms=age_ms, cause=cause, detail=detail)


def _by_age(freshness: Freshness, age_ms: int) -> tuple[FeedState, Cause]:
    if age_ms < LIVE_MS:
        return FeedState.LIVE, Cause.NONE
    if age_ms <= STALE_MS:
        return FeedState.DELAYED, Cause.NOTHING_ARRIVES
    streams = [s for s in freshness.sources if s.connected is not None]
    if streams and not any(s.connected for s in streams):
        return FeedState.DISCONNECTED, Cause.SENDERS_GONE
    return FeedState.STALE, Cause.NOTHING_ARRIVES


def _heard_ms(freshness: Freshness) -> int | None:
    """The newest instant up to which silence means that nothing happened.

    Answers to our own questions do not count: a Kong whose Admin API answers may have stopped reporting.
    """
    heard = [freshness.last_received_ms]
    if any(source.way == POLLED for source in freshness.sources):
        heard = [source.last_received_ms for source in freshness.sources if source.way != POLLED]
    collector = freshness.collector
    if collector is not None and any(
        is_connected(s, collector.beat_ms) for s in freshness.sources if s.last_received_ms is not None
    ):
        heard.append(collector.beat_ms)
    known = [at_ms for at_ms in heard if at_ms is not None]
    return max(known) if known else None


def listening_since_ms(freshness: Freshness, oldest_event_ms: int | None, now_ms: int) -> int:
    """Since when silence means that nothing happened; the present when nothing was ever received."""
    since = [source.first_received_ms for source in freshness.sources if source.way != POLLED]
    if oldest_event_ms is not None:
        since.append(oldest_event_ms)
    return min(since, default=now_ms)


def heard_span(feed: Feed, since_ms: int, now_ms: int) -> Window:
    """The span in which silence means that nothing happened: from the first arrival to the last sign of life.

    A feed that is trusted vouches for the present.
    """
    until_ms = now_ms if feed.is_trusted or feed.as_of_ms is None else min(feed.as_of_ms, now_ms)
    return Window(min(since_ms, until_ms), until_ms)


def is_silent(collector: CollectorStatus, now_ms: int) -> bool:
    """Whether a collector has said nothing for so long that it cannot be running."""
    return now_ms - collector.beat_ms > COLLECTOR_SILENT_MS


def is_connected(source: SourceState, at_ms: int) -> bool:
    """Whether its stream was open at that time, by the collector's word."""
    beat_ms = source.last_beat_ms
    return bool(source.connected) and beat_ms is not None and at_ms - beat_ms <= BEAT_HOLDS_MS


def decide_screen(
    feed: Feed,
    filters: Filters,
    violations: int,
    unfiltered: int | None,
    *,
    is_past: bool = False,
    is_heard: bool = True,
) -> Screen:
    """Choose the screen; the first that applies wins, in the order of the code.

    Args:
        feed: How current the store is.
        filters: What the page is restricted to.
        violations: In the window, under the filters.
        unfiltered: In the window without filters; None when it was not asked for.
        is_past: The window is fixed and over, so that the present does not matter to it.
        is_heard: We can vouch for the whole window, so that none is none.
    """
    if feed.state == FeedState.WAITING:
        return Screen.EMPTY
    if not is_past and feed.state == FeedState.DISCONNECTED:
        return Screen.BLIND
    if not is_past and feed.state == FeedState.STALE:
        return Screen.STALE
    if violations:
        return Screen.NORMAL
    if filters and unfiltered:
        return Screen.FILTERED
    return Screen.QUIET if is_heard or not is_past else Screen.UNHEARD
