from __future__ import annotations

from typing import Any

import pytest

from domain.filters import Dimension, Filters
from storage.rows import Freshness
from tests.ui.scripted_reader import (
    NO_FRESHNESS,
    NOW_MS,
    collector_status,
    live_freshness,
    source_state,
)
from ui.live_state import (
    Cause,
    Feed,
    FeedState,
    Screen,
    decide_screen,
    judge_feed,
    listening_since_ms,
)

FILTERS = Filters(((Dimension.CONSUMER, "acme"),))


def heard(age_ms: int, **source: Any) -> Freshness:
    """Everything was last heard of so long ago; the collector is well."""
    at_ms = NOW_MS - age_ms
    silent = source_state(last_received_ms=at_ms, last_beat_ms=at_ms, **source)
    return live_freshness(last_received_ms=at_ms, last_beat_ms=at_ms, sources=(silent,))


@pytest.mark.parametrize(
    ("freshness", "state", "cause"),
    [
        (NO_FRESHNESS, FeedState.WAITING, Cause.NO_COLLECTOR),
        (live_freshness(last_received_ms=None, sources=()), FeedState.WAITING, Cause.NONE),
        (live_freshness(), FeedState.LIVE, Cause.NONE),
        (heard(4_999, connected=None), FeedState.LIVE, Cause.NONE),
        (heard(5_000, connected=None), FeedState.DELAYED, Cause.NOTHING_ARRIVES),
        (heard(30_000, connected=None), FeedState.DELAYED, Cause.NOTHING_ARRIVES),
        (heard(30_001, connected=None), FeedState.STALE, Cause.NOTHING_ARRIVES),
        (heard(60_000, connected=False), FeedState.DISCONNECTED, Cause.SENDERS_GONE),
        (
            live_freshness(collector=collector_status(beat_ms=NOW_MS - 30_001)),
            FeedState.DISCONNECTED,
            Cause.COLLECTOR_SILENT,
        ),
        (live_freshness(collector=None), FeedState.DISCONNECTED, Cause.NO_COLLECTOR),
        (
            live_freshness(collector=collector_status(state="degraded", detail="the disk is full")),
            FeedState.DELAYED,
            Cause.CANNOT_STORE,
        ),
    ],
    ids=[
        "nothing ever",
        "collector up, nothing received",
        "all well",
        "just live",
        "just delayed",
        "still delayed",
        "http only, silent",
        "streams gone",
        "collector gone",
        "no collector row",
        "collector cannot store",
    ],
)
def test_a_feed_is_judged_by_what_really_arrived(
    freshness: Freshness, state: FeedState, cause: Cause
) -> None:
    feed = judge_feed(freshness, NOW_MS)

    assert (feed.state, feed.cause) == (state, cause)


def test_an_open_stream_vouches_for_silence() -> None:
    """Nothing happened for an hour, and the collector knows that the stream is open: that is live."""
    quiet = live_freshness(
        last_received_ms=NOW_MS - 3_600_000,
        sources=(source_state(last_received_ms=NOW_MS - 3_600_000),),
    )

    feed = judge_feed(quiet, NOW_MS)

    assert feed.state == FeedState.LIVE
    assert feed.as_of_ms == NOW_MS - 500


def test_a_stream_that_stopped_beating_vouches_for_nothing() -> None:
    dead = live_freshness(
        last_received_ms=NOW_MS - 60_000,
        sources=(source_state(last_received_ms=NOW_MS - 60_000, last_beat_ms=NOW_MS - 60_000),),
    )

    assert judge_feed(dead, NOW_MS).state == FeedState.STALE


def test_a_stream_that_never_sent_anything_does_not_make_an_empty_store_live() -> None:
    connected = live_freshness(last_received_ms=None, sources=(source_state(last_received_ms=None),))

    assert judge_feed(connected, NOW_MS).state == FeedState.WAITING


def test_the_collector_says_why_in_its_own_words() -> None:
    full = live_freshness(collector=collector_status(state="degraded", detail="the disk is full"))

    assert judge_feed(full, NOW_MS).detail == "the disk is full"


def feed(state: FeedState) -> Feed:
    return Feed(state=state, as_of_ms=NOW_MS, age_ms=0)


@pytest.mark.parametrize(
    ("state", "filters", "violations", "unfiltered", "is_past", "screen"),
    [
        (FeedState.WAITING, Filters(), 0, None, False, Screen.EMPTY),
        (FeedState.WAITING, FILTERS, 0, 0, False, Screen.EMPTY),
        (FeedState.DISCONNECTED, Filters(), 5, None, False, Screen.BLIND),
        (FeedState.DISCONNECTED, Filters(), 5, None, True, Screen.NORMAL),
        (FeedState.STALE, Filters(), 0, None, False, Screen.STALE),
        (FeedState.STALE, FILTERS, 0, 9, False, Screen.STALE),
        (FeedState.STALE, Filters(), 0, None, True, Screen.QUIET),
        (FeedState.LIVE, Filters(), 5, None, False, Screen.NORMAL),
        (FeedState.DELAYED, Filters(), 0, None, False, Screen.QUIET),
        (FeedState.LIVE, FILTERS, 0, 9, False, Screen.FILTERED),
        (FeedState.LIVE, FILTERS, 0, 0, False, Screen.QUIET),
        (FeedState.LIVE, FILTERS, 1, 9, False, Screen.NORMAL),
    ],
)
def test_five_situations_have_five_screens(
    state: FeedState,
    filters: Filters,
    violations: int,
    unfiltered: int | None,
    is_past: bool,  # noqa: FBT001 - a column of the table
    screen: Screen,
) -> None:
    assert decide_screen(feed(state), filters, violations, unfiltered, is_past=is_past) == screen


def test_a_past_that_nobody_heard_is_unknown_and_not_quiet() -> None:
    silent = feed(FeedState.STALE)

    assert decide_screen(silent, Filters(), 0, None, is_past=True, is_heard=False) == Screen.UNHEARD
    assert decide_screen(silent, FILTERS, 0, 9, is_past=True, is_heard=False) == Screen.FILTERED
    assert decide_screen(silent, Filters(), 3, None, is_past=True, is_heard=False) == Screen.NORMAL


def test_calm_is_never_shown_for_what_cannot_be_seen() -> None:
    """Whatever the numbers say, a feed that is not trusted gives neither the quiet nor the normal screen."""
    for state in set(FeedState) - {FeedState.LIVE, FeedState.DELAYED}:
        for violations in (0, 7):
            found = decide_screen(feed(state), Filters(), violations, None)
            assert found not in (Screen.QUIET, Screen.NORMAL), (state, violations)


def test_silence_counts_from_the_first_arrival_or_the_oldest_event() -> None:
    assert listening_since_ms(NO_FRESHNESS, None, NOW_MS) == NOW_MS
    first_ms = live_freshness().sources[0].first_received_ms
    assert listening_since_ms(live_freshness(), None, NOW_MS) == first_ms
    assert listening_since_ms(live_freshness(), first_ms - 5, NOW_MS) == first_ms - 5


def test_an_admin_api_that_answers_does_not_make_a_silent_feed_live() -> None:
    """With polling something always arrives, also when Kong has stopped reporting requests."""
    polled = source_state(source="admin-api x", way="admin-api", connected=None)
    silent = source_state(source="http-log", way="http-log", connected=None, last_received_ms=NOW_MS - 60_000)

    feed = judge_feed(live_freshness(sources=(polled, silent)), NOW_MS)
    alone = judge_feed(live_freshness(sources=(polled,)), NOW_MS)

    assert (feed.state, feed.as_of_ms) == (FeedState.STALE, NOW_MS - 60_000)
    assert (alone.state, alone.as_of_ms) == (FeedState.WAITING, None)
