from __future__ import annotations

import pytest

from domain.cache_storms import Storm, find_storms

MINUTE = 60_000


@pytest.mark.parametrize(
    ("label", "counts", "found"),
    [
        ("nothing", [0] * 10, []),
        ("as always", [20, 30, 20, 25, 20, 30], []),
        ("five times the usual, but few", [4, 5, 4, 5, 4, 40], []),
        ("many, and as always", [100] * 10, []),
        ("many, and five times the usual", [20] * 9 + [100], [(9, 10, 100, 20.0)]),
        ("a little less", [20] * 9 + [99], []),
        ("two in a row are one", [20] * 8 + [150, 250], [(8, 10, 400, 20.0)]),
        ("two apart, newest first", [200, *[20] * 8, 300], [(9, 10, 300, 20.0), (0, 1, 200, 20.0)]),
        ("a quiet night before makes no storm of a morning", [0] * 90 + [70] * 6, []),
        ("too few to say what is usual", [0, 0, 0, 80], [(3, 4, 80, 0.0)]),
    ],
)
def test_storms(label: str, counts: list[int], found: list[tuple[int, int, int, float]]) -> None:
    expected = [Storm(a * MINUTE, b * MINUTE, count, usual) for a, b, count, usual in found]

    assert find_storms(counts, 0, MINUTE) == expected, label


def test_a_key_a_second_is_the_least_whatever_the_width_of_a_bucket() -> None:
    assert find_storms([299], 0, 5 * MINUTE) == []
    assert [storm.count for storm in find_storms([300], 0, 5 * MINUTE)] == [300]
