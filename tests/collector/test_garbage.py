"""How often Python looks for garbage."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from collector.garbage import YOUNG_OBJECTS, look_rarely


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    threshold = gc.get_threshold()
    yield
    gc.set_threshold(*threshold)
    gc.unfreeze()


def test_the_start_is_left_alone_and_looks_are_rare() -> None:
    look_rarely()

    assert gc.get_threshold()[0] == YOUNG_OBJECTS
    assert gc.get_freeze_count() > 0


def test_cycles_are_found_all_the_same() -> None:
    class Cycle:
        """Holds itself."""

        def __init__(self) -> None:
            self.itself = self

    look_rarely()
    gone = weakref.ref(Cycle())

    filler = [[n] for n in range(2 * YOUNG_OBJECTS)]

    assert gone() is None
    assert filler
