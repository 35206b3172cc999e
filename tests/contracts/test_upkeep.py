"""Retention, packing and judging again change no sum."""

from __future__ import annotations

from typing import Any

from domain.events import Event
from domain.filters import Dimension
from domain.windows import DAY_MS, HOUR_MS, MINUTE_MS, Window
from storage.rows import EventQuery
from tests.contracts.asking import HOUR, NOTHING, only, violations, without
from tests.contracts.conftest import Opened
from tests.storage.filling import NOW_MS, put, refusal


def test_sums_stay_exact_when_the_finest_totals_are_gone(opened: Opened) -> None:
    """Seconds are kept for two days and minutes for ninety: older windows are widened, never cut."""
    old_ms = NOW_MS - 10 * DAY_MS
    put(opened.store, refusal(1, at_ms=old_ms + 5_000), refusal(2, at_ms=old_ms + 25_000), refusal(3))
    while opened.store.prune(NOW_MS + HOUR_MS, 1_000):
        pass
    reader = opened.reader

    assert reader.totals(Window(old_ms, old_ms + 10_000), NOTHING).limited == 2
    assert reader.totals(Window(old_ms, NOW_MS + 10_000), NOTHING).limited == 3
    series = reader.series(Window(old_ms, old_ms + 30_000), NOTHING, None, 10_000)
    assert (series.bucket_ms, [group.values for group in series.groups]) == (MINUTE_MS, [(2,)])
    assert reader.width_ms(Window(old_ms, old_ms + 30_000), 10_000) == MINUTE_MS


def test_totals_outlive_their_events_and_nobody_is_told_to_look_for_them(opened: Opened) -> None:
    old_ms = NOW_MS - 100 * DAY_MS
    put(opened.store, *(refusal(number, at_ms=old_ms + number) for number in range(1, 6)))
    put(opened.store, refusal(6))
    put(opened.store, *(refusal(number) for number in range(10, 1_100)))
    while opened.store.prune(NOW_MS, 10_000):
        pass
    window = Window(old_ms - old_ms % DAY_MS, NOW_MS + HOUR_MS)

    page = opened.reader.events(violations(window), limit=5_000)

    assert opened.reader.totals(window, NOTHING).limited == 1_096
    assert page.total in {None, len(page.rows)}
    assert page.next_seq is None


def test_what_comes_late_is_counted_wherever_it_belongs(opened: Opened) -> None:
    day = Window(NOW_MS - NOW_MS % DAY_MS, NOW_MS - NOW_MS % DAY_MS + DAY_MS)
    put(opened.store, refusal(1))
    opened.store.pack(NOW_MS + 3 * DAY_MS, 1_000)
    before = opened.reader.totals(day, NOTHING).limited
    put(opened.store, refusal(2, consumer_id="c-2", consumer="late"), received_ms=NOW_MS + 3 * DAY_MS)

    assert before == 1
    assert opened.reader.totals(day, NOTHING).limited == 2
    assert opened.reader.totals(day, only(Dimension.CONSUMER, "late")).limited == 1
    opened.store.pack(NOW_MS + 3 * DAY_MS, 1_000)
    assert opened.reader.totals(day, only(Dimension.CONSUMER, "late")).limited == 1


def test_answers_are_the_same_before_and_after_packing(opened: Opened) -> None:
    put(opened.store, *(refusal(n, at_ms=NOW_MS - n * HOUR_MS, ip=f"10.0.0.{n % 7}") for n in range(1, 100)))
    window = Window(NOW_MS - 6 * DAY_MS, NOW_MS)

    def answers() -> list[object]:
        reader = opened.reader
        return [
            reader.totals(window, NOTHING),
            reader.totals(window, only(Dimension.IP, "10.0.0.3")),
            reader.breakdown(Dimension.IP, window, without(Dimension.IP, "10.0.0.3")),
            reader.series(window, NOTHING, Dimension.IP, HOUR_MS),
            reader.events(violations(window, filters=only(Dimension.IP, "10.0.0.3"))),
        ]

    before = answers()
    packed = opened.store.pack(NOW_MS + DAY_MS, 10_000)

    assert packed
    assert opened.store.pack(NOW_MS + DAY_MS, 10_000) == 0
    assert _without_places(answers()) == _without_places(before)


def _without_places(answers: list[Any]) -> list[Any]:
    """First and last are told by the bucket that answers, which packing may make narrower."""
    rows = [(row.token, row.requests, row.limited) for row in answers[2]]
    return [*answers[:2], rows, *answers[3:]]


def test_an_event_of_our_own_making_round_trips(opened: Opened) -> None:
    event = Event(id="a/b c\u2603", kind="plugin", event="x", at_ms=NOW_MS, at_suspect=True, status=503)
    put(opened.store, event)

    (row,) = opened.reader.events(EventQuery(window=HOUR)).rows

    assert (row.id, row.status, row.received_ms, row.counted) == ("a/b c\u2603", 503, NOW_MS, False)
