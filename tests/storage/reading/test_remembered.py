"""What is remembered is bounded, and the oldest goes first."""

from __future__ import annotations

import dataclasses

from storage.reading.remembered import Remembered


@dataclasses.dataclass
class Thing:
    """So many bytes."""

    nbytes: int


def test_a_thing_is_made_once() -> None:
    remembered = Remembered(100)

    first = remembered.get("a", lambda: Thing(10))

    assert remembered.get("a", lambda: Thing(20)) is first


def test_what_was_used_longest_ago_goes_when_there_is_too_much() -> None:
    remembered = Remembered(100)
    first = remembered.get("a", lambda: Thing(50))
    second = remembered.get("b", lambda: Thing(40))
    remembered.get("a", lambda: Thing(0))

    second.nbytes = 60
    remembered.trim()

    assert remembered.get("a", lambda: Thing(0)) is first
    assert remembered.get("b", lambda: Thing(0)) is not second


def test_a_thing_too_large_for_all_of_it_is_not_kept() -> None:
    remembered = Remembered(100)
    large = remembered.get("a", lambda: Thing(101))

    remembered.trim()

    assert remembered.get("a", lambda: Thing(1)) is not large
