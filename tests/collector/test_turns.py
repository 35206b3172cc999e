"""How often threads take turns."""

from __future__ import annotations

import sys

import pytest

from collector.turns import TURN_S, take_short_turns


def test_turns_are_short_from_then_on() -> None:
    before_s = sys.getswitchinterval()
    try:
        sys.setswitchinterval(0.005)
        take_short_turns()

        assert sys.getswitchinterval() == pytest.approx(TURN_S)
    finally:
        sys.setswitchinterval(before_s)
