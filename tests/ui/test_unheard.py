"""What nobody heard is unknown, not zero."""

from __future__ import annotations

import pytest

from domain.windows import Window
from storage.rows import Marker
from ui.unheard import heard_values, unheard, unheard_ms

SHOWN = Window(100, 200)


@pytest.mark.parametrize(
    ("label", "heard", "now_ms", "spans"),
    [
        ("all of it", Window(0, 300), 300, []),
        ("from its middle on", Window(150, 300), 300, [(100, 150)]),
        ("to its middle", Window(0, 150), 300, [(150, 200)]),
        ("only within", Window(120, 150), 300, [(100, 120), (150, 200)]),
        ("nothing, it came later", Window(250, 300), 300, [(100, 200)]),
        ("nothing, it came before", Window(0, 50), 300, [(100, 200)]),
        ("the future is not silent", Window(0, 150), 160, [(150, 160)]),
    ],
)
def test_what_lies_before_the_first_arrival_and_after_the_last_is_a_gap(
    label: str, heard: Window, now_ms: int, spans: list[tuple[int, int]]
) -> None:
    found = unheard(SHOWN, heard, now_ms)

    assert [(marker.at_ms, marker.to_ms) for marker in found] == spans, label
    assert {marker.kind for marker in found} <= {"gap"}
    assert unheard_ms(found) == sum(b - a for a, b in spans)


def test_a_zero_is_unknown_only_where_its_whole_bucket_was_not_heard() -> None:
    silence = [Marker(at_ms=125, to_ms=160, kind="gap", text="")]

    assert heard_values((0, 0, 0, 0, 7), 110, 10, silence) == (0, 0, None, None, 7)
    assert heard_values((0, 3), 130, 10, silence) == (None, 3)
