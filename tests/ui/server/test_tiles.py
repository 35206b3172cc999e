from __future__ import annotations

from typing import Any

from domain.windows import MINUTE_MS
from tests.ui.scripted_reader import live_freshness, source_state, totals
from ui.server.tiles import Hearing, Numbers, tiles

HTTP_ONLY = live_freshness(sources=(source_state(way="http-log", connected=None),))


def shown(**changes: Any) -> dict[str, dict[str, Any]]:
    values: dict[str, Any] = {
        "now": totals(limited=40, probable=2, requests=1_000, consumers=14, addresses=61),
        "before": totals(limited=20, requests=1_000, consumers=14),
        "spark": (totals(limited=1, requests=10), None),
        "freshness": live_freshness(),
        "hearing": Hearing.WHOLE,
        "is_filtered": False,
        "length_ms": 15 * MINUTE_MS,
    }
    return {tile["key"]: tile for tile in tiles(Numbers(**(values | changes)))}


def test_violations_are_sure_and_probable_together_and_say_so() -> None:
    tile = shown()["violations"]

    assert (tile["value"], tile["note"], tile["change"]) == ("42", "2 probable", "+110 % vs 15 min before")
    assert tile["spark"] == [1, None]


def test_a_number_that_may_be_too_low_says_so() -> None:
    found = shown(now=totals(limited=40, requests=1_000, at_least=True, gap_ms=60_000))

    assert found["violations"]["note"] == "at least"
    assert "1 min of this window are missing" in found["violations"]["title"]
    assert found["consumers"]["note"] == "at least"


def test_without_a_log_of_all_requests_there_is_no_ratio() -> None:
    tile = shown(now=totals(limited=40, requests=None))["ratio"]

    assert (tile["value"], tile["known"], tile["note"]) == ("unknown", False, "no log tells of all requests")


def test_a_ratio_says_of_how_many() -> None:
    tile = shown()["ratio"]

    assert (tile["value"], tile["note"]) == ("4.2 %", "of 1,000 requests")


def test_zero_is_only_zero_when_someone_would_have_told_us() -> None:
    http = shown(freshness=HTTP_ONLY)

    for key in ("cache", "changes"):
        assert http[key]["value"] == "unknown", key
        assert http[key]["spark"] == [], key
        assert shown()[key]["value"] == "0", key


def test_what_was_told_is_shown_whoever_told_it() -> None:
    told = totals(cache_invalidations=3, config_changes=2, last_change_ms=5_000)

    found = shown(freshness=HTTP_ONLY, now=told)

    assert found["cache"]["value"] == "3"
    assert (found["changes"]["value"], found["changes"]["note"]) == ("2", "last {at:5000}")


def test_counts_that_filters_cannot_reach_say_so() -> None:
    found = shown(is_filtered=True)

    assert found["cache"]["note"] == found["changes"]["note"] == "filters do not apply"


def test_a_span_in_which_nobody_listened_has_no_numbers() -> None:
    found = shown(now=totals(), before=None, hearing=Hearing.NONE)

    assert {tile["value"] for tile in found.values()} == {"unknown"}
    assert {tile["note"] for tile in found.values()} == {"nothing received in this span"}
    assert {tile["change"] for tile in found.values()} == {""}


def test_what_came_in_late_is_a_lower_bound() -> None:
    found = shown(now=totals(limited=3, requests=9, consumers=1), before=None, hearing=Hearing.NONE)

    assert (found["violations"]["value"], found["violations"]["note"]) == ("3", "at least")
    assert found["addresses"]["value"] == "unknown"


def test_counts_of_a_span_heard_in_part_are_lower_bounds() -> None:
    found = shown(before=None, hearing=Hearing.PART)

    for key in ("violations", "consumers", "addresses", "cache", "changes"):
        assert found[key]["note"].startswith("at least"), key


def test_names_that_were_too_many_are_said_by_their_own_count_alone() -> None:
    found = shown(now=totals(limited=900, consumers=4, addresses=20_000, addresses_folded=True))

    assert found["addresses"]["note"] == "at least: too many to name"
    assert "" == found["violations"]["note"] == found["consumers"]["note"]


def test_there_is_nothing_to_compare_with_before_anyone_listened() -> None:
    assert {tile["change"] for tile in shown(before=None).values()} == {""}
