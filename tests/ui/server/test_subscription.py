from __future__ import annotations

import pytest

from domain.filters import Dimension, Filters
from domain.windows import DAY_MS, HOUR_MS, MINUTE_MS, Window
from ui.server.subscription import Subscription

NOW_MS = 1_795_384_803_210


def test_a_moving_window_is_made_of_whole_buckets_and_holds_now() -> None:
    window = Subscription(range_ms=15 * MINUTE_MS).window(NOW_MS)

    assert window.length_ms == 15 * MINUTE_MS
    assert window.from_ms % 10_000 == window.to_ms % 10_000 == 0
    assert window.from_ms < NOW_MS < window.to_ms <= NOW_MS + 10_000


def test_a_fixed_window_is_widened_to_whole_buckets() -> None:
    sub = Subscription(range_ms=None, from_ms=1_003_000, to_ms=1_004_000)

    assert sub.window(NOW_MS) == Window(1_000_000, 1_010_000)
    assert sub.window(NOW_MS + DAY_MS) == sub.window(NOW_MS)


def test_the_span_before_is_as_long_as_what_has_passed_of_this_one() -> None:
    sub = Subscription(range_ms=HOUR_MS)
    window = sub.window(NOW_MS)

    assert sub.previous(NOW_MS) == Window(window.from_ms - HOUR_MS, NOW_MS - HOUR_MS)


@pytest.mark.parametrize(("to_ms", "expected"), [(NOW_MS - 1, True), (NOW_MS, False), (NOW_MS + 1, False)])
def test_only_a_fixed_window_that_is_over_is_past(to_ms: int, *, expected: bool) -> None:
    assert Subscription(range_ms=None, from_ms=0, to_ms=to_ms).is_past(NOW_MS) is expected
    assert not Subscription(range_ms=HOUR_MS).is_past(NOW_MS)


def test_it_comes_back_from_json() -> None:
    sub = Subscription(
        range_ms=None,
        from_ms=5,
        to_ms=9,
        filters=Filters(((Dimension.IP, "10.0.0.0/8"),), ((Dimension.CONSUMER, "a"),)),
        group=Dimension.SERVICE,
        sample=True,
    )

    assert Subscription.from_json(sub.to_json()) == sub


def test_the_same_filters_in_another_order_are_the_same_view() -> None:
    a, b = (Dimension.IP, "1"), (Dimension.CONSUMER, "x")
    one = Subscription(range_ms=5, filters=Filters((a, b)))
    two = Subscription(range_ms=5, filters=Filters((b, a)))

    assert one.canonical() == two.canonical()
    assert one.view_id == two.view_id
    assert one.view_id != Subscription(range_ms=5, filters=Filters((a,), (b,))).view_id
