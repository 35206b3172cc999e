"""What is wrong, and that every kind of wrong is said with what to do."""

from __future__ import annotations

from typing import Any

import pytest

from domain.filters import Dimension
from domain.windows import DAY_MS, HOUR_MS, MINUTE_MS
from settings import load_settings
from storage.batches import Gap
from storage.rows import Crowd, SourceState
from tests.ui.scripted_reader import (
    NO_FRESHNESS,
    NOW_MS,
    collector_status,
    live_freshness,
    source_state,
    store_health,
)
from ui.health_checks import CHECKS, PASSED, Checked, Severity, passed, problems, verdict
from ui.health_checks import source_state as state_of
from ui.live_state import Cause, Feed, FeedState, judge_feed
from ui.server.status import ChildState, ChildStatus

SETTINGS = load_settings({}, {})
MB = 1_000_000


def checked(**changes: Any) -> Checked:
    freshness = changes.pop("freshness", live_freshness())
    given: dict[str, Any] = {
        "freshness": freshness,
        "feed": judge_feed(freshness, NOW_MS),
        "health": store_health(),
        "settings": SETTINGS,
        "child": ChildStatus(state=ChildState.RUNNING),
        "gaps": (),
        "quarantined": 0,
        "now_ms": NOW_MS,
    }
    return Checked(**(given | changes))


def silent(age_ms: int, **changes: Any) -> SourceState:
    given = {"connected": None, "way": "http-log", "last_beat_ms": None, "last_received_ms": NOW_MS - age_ms}
    return source_state(**(given | changes))


def collector(**changes: Any) -> Any:
    return live_freshness(collector=collector_status(**changes))


def test_when_everything_is_well_nothing_is_found() -> None:
    found = problems(checked())

    assert found == []
    assert verdict(found, checked().feed) == "✓ All is well: what you see is all there is."


def test_every_check_has_its_word_for_having_passed() -> None:
    assert len(PASSED) >= len(CHECKS) - 1


def test_before_anything_arrived_nobody_says_that_something_has() -> None:
    waiting = Feed(state=FeedState.WAITING, as_of_ms=None, age_ms=None, cause=Cause.NOTHING_ARRIVES)

    assert passed(checked().feed) == PASSED
    assert set(PASSED) - set(passed(waiting)) == {"something arrived lately"}


def crowd(dimension: Dimension, upto_ms: int) -> Crowd:
    return Crowd(dimension=dimension, from_ms=upto_ms - 600_000, upto_ms=upto_ms, about=8_500)


@pytest.mark.parametrize(
    ("changes", "severity", "words"),
    [
        pytest.param(
            {"freshness": NO_FRESHNESS}, Severity.CRITICAL, "No collector has ever written", id="no collector"
        ),
        pytest.param(
            {"freshness": collector(beat_ms=NOW_MS - 31_000)},
            Severity.CRITICAL,
            "The collector was last heard 31 s ago.",
            id="a collector that went silent",
        ),
        pytest.param(
            {"freshness": collector(state="degraded", detail="the disk is full")},
            Severity.CRITICAL,
            "cannot store: the disk is full",
            id="a collector that cannot store",
        ),
        pytest.param(
            {"freshness": collector(state="stopping")},
            Severity.HIGH,
            "is stopping",
            id="a collector that stops",
        ),
        pytest.param(
            {"child": ChildStatus(state=ChildState.CONFLICT, detail="port 8766 answers as another")},
            Severity.CRITICAL,
            "address is taken: port 8766 answers as another",
            id="an address that is taken",
        ),
        pytest.param(
            {
                "freshness": live_freshness(
                    sources=(source_state(), source_state(source="b", connected=False))
                )
            },
            Severity.HIGH,
            "The stream of gw-1 is closed",
            id="a stream that closed",
        ),
        pytest.param(
            {
                "freshness": live_freshness(
                    sources=(source_state(), source_state(source="b", last_beat_ms=NOW_MS - MINUTE_MS))
                )
            },
            Severity.HIGH,
            "is closed; last heard",
            id="a stream that nobody vouches for",
        ),
        pytest.param(
            {"freshness": live_freshness(sources=(source_state(), silent(20 * MINUTE_MS, source="b")))},
            Severity.NOTICE,
            "gw-1 (http-log) sent nothing for 20 min.",
            id="an http sender that went silent",
        ),
        pytest.param(
            {
                "freshness": live_freshness(
                    last_received_ms=NOW_MS - HOUR_MS, last_beat_ms=None, sources=(silent(HOUR_MS),)
                )
            },
            Severity.HIGH,
            "Nothing has arrived for 1 h.",
            id="nothing at all arrives",
        ),
        pytest.param(
            {
                "freshness": live_freshness(
                    last_received_ms=NOW_MS - MINUTE_MS, last_beat_ms=None, sources=(silent(MINUTE_MS),)
                )
            },
            Severity.NOTICE,
            "Nothing has arrived for 1 min.",
            id="nothing arrived for a minute",
        ),
        pytest.param(
            {"gaps": (Gap(source="a", from_ms=0, to_ms=90_000, cause="dropped 12"),)},
            Severity.HIGH,
            "1 gap in this span, 1 min 30 s together: dropped 12.",
            id="a gap",
        ),
        pytest.param(
            {"quarantined": 3}, Severity.HIGH, "3 messages of this span could not be read", id="unreadable"
        ),
        pytest.param(
            {"health": store_health(free_disk_bytes=1_500 * MB)},
            Severity.HIGH,
            "1.5 GB of disk",
            id="little disk",
        ),
        pytest.param(
            {"health": store_health(free_disk_bytes=200 * MB)},
            Severity.CRITICAL,
            "200.0 MB of disk",
            id="no disk",
        ),
        pytest.param(
            {"health": store_health(wal_bytes=300 * MB)},
            Severity.NOTICE,
            "write-ahead log is 300.0 MB",
            id="wal",
        ),
        pytest.param(
            {"freshness": collector(commit_p99_ms=900.0)},
            Severity.HIGH,
            "longer than 900 ms",
            id="slow commits",
        ),
        pytest.param(
            {"freshness": collector(queue_batches=60)},
            Severity.HIGH,
            "queue to the store is full",
            id="a full queue",
        ),
        pytest.param(
            {"freshness": collector(rejected_connections=2)},
            Severity.NOTICE,
            "2 connections and requests were turned away",
            id="strangers",
        ),
        pytest.param(
            {"freshness": collector(beat_ms=NOW_MS + 90_000)},
            Severity.HIGH,
            "clock is 1 min 30 s ahead",
            id="clocks that differ",
        ),
        pytest.param(
            {"health": store_health(folded=7)}, Severity.NOTICE, "7 requests came from addresses", id="folded"
        ),
        pytest.param(
            {"health": store_health(folded=9_000, crowds=(crowd(Dimension.IP, NOW_MS - 60_000),))},
            Severity.HIGH,
            "More addresses than are told apart: about 8,500 too many in the newest such minute, 9,000 req",
            id="a flood of addresses",
        ),
        pytest.param(
            {
                "health": store_health(
                    folded_consumers=9_000, crowds=(crowd(Dimension.CONSUMER, NOW_MS - 7_200_000),)
                )
            },
            Severity.NOTICE,
            "More consumers than are told apart until",
            id="a flood of consumers that is over",
        ),
    ],
)
def test_what_is_wrong_is_found_once_and_says_what_to_do(
    changes: dict[str, Any], severity: Severity, words: str
) -> None:
    found = problems(checked(**changes))

    matching = [problem for problem in found if words in problem.what]

    assert [problem.severity for problem in matching] == [severity]
    assert all(problem.so and problem.do for problem in found)


def test_the_worst_stands_first_and_the_verdict_counts_what_matters() -> None:
    freshness = collector(rejected_connections=2, state="degraded", detail="locked")
    everything = checked(freshness=freshness, quarantined=1)
    found = problems(everything)

    assert [problem.severity for problem in found] == [Severity.CRITICAL, Severity.HIGH, Severity.NOTICE]
    assert verdict(found, everything.feed).startswith("2 things are wrong.")
    assert verdict(found[2:], everything.feed) == "✓ What you see is all there is. 1 thing to know:"


def test_nothing_received_is_not_called_well() -> None:
    waiting = live_freshness(last_received_ms=None, last_beat_ms=None, sources=())

    assert verdict([], judge_feed(waiting, NOW_MS)) == (
        "Nothing has been received yet; the collector is ready."
    )


def test_a_sender_of_last_month_is_history_and_no_trouble() -> None:
    old = source_state(source="b", connected=False, last_received_ms=NOW_MS - 9 * DAY_MS, last_beat_ms=None)

    assert problems(checked(freshness=live_freshness(sources=(source_state(), old)))) == []


def test_a_replayed_file_is_not_expected_to_go_on() -> None:
    replayed = silent(HOUR_MS, way="replay", source="replay:x")

    assert problems(checked(freshness=live_freshness(sources=(source_state(), replayed)))) == []


@pytest.mark.parametrize(
    ("source", "state"),
    [
        (source_state(), ("● connected", "")),
        (source_state(connected=False), ("✕ closed", "critical")),
        (source_state(connected=True, last_beat_ms=NOW_MS - HOUR_MS), ("✕ closed", "critical")),
        (silent(1_000), ("● sending", "")),
        (silent(HOUR_MS), ("◐ silent", "high")),
        (silent(1_000, last_received_ms=None), ("○ never heard", "unknown")),
        (silent(HOUR_MS, way="replay"), ("○ replayed", "faint")),
    ],
)
def test_a_sender_has_a_state_with_icon_and_word(source: SourceState, state: tuple[str, str]) -> None:
    assert state_of(source, live_freshness(), NOW_MS) == state


@pytest.mark.parametrize(
    ("child", "words"),
    [
        (None, "Start it with python -m collector"),
        (ChildStatus(state=ChildState.OFF), "Start it with python -m collector"),
        (ChildStatus(state=ChildState.RESTARTING, detail="port taken"), "starting it. It says: port taken"),
        (ChildStatus(state=ChildState.RUNNING), "does not write to this database"),
    ],
)
def test_what_to_do_about_a_missing_collector_depends_on_who_looks_after_it(
    child: ChildStatus | None, words: str
) -> None:
    assert words in problems(checked(freshness=NO_FRESHNESS, child=child))[0].do
