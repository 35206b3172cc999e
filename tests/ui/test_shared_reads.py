"""Answers that viewers share."""

from __future__ import annotations

import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from domain.errors import DeadlineExceeded
from domain.filters import Dimension, Filters
from domain.windows import HOUR_MS, MINUTE_MS, Window
from storage.protocol import Reader
from tests.ui.scripted_reader import NOW_MS, ScriptedReader, totals
from ui.shared_reads import KEEP_OVER_S, KEEP_S, SHARED, SharedAnswers, SharedReader, shared

NOW = Window(NOW_MS - HOUR_MS, NOW_MS)
OVER = Window(NOW_MS - HOUR_MS, NOW_MS - 3 * MINUTE_MS)


class ManualClock:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        """The time."""
        return self.now_s


def made(**answers: Any) -> tuple[ScriptedReader, Any, ManualClock]:
    reader, clock = ScriptedReader(**answers), ManualClock()
    return reader, SharedReader(reader, SharedAnswers(clock), lambda: NOW_MS), clock


def test_the_same_question_is_asked_once() -> None:
    reader, shared_reader, _ = made(totals=totals(limited=3))

    answers = [shared_reader.totals(NOW, Filters()) for _ in range(5)]

    assert [answer.limited for answer in answers] == [3] * 5
    assert len(reader.asked) == 1


def test_another_window_filter_or_limit_is_another_question() -> None:
    reader, shared_reader, _ = made()

    shared_reader.totals(NOW, Filters())
    shared_reader.totals(OVER, Filters())
    shared_reader.totals(NOW, Filters(((Dimension.IP, "192.0.2.1"),)))
    shared_reader.breakdown(Dimension.IP, NOW, Filters(), limit=10)
    shared_reader.breakdown(Dimension.IP, NOW, Filters(), limit=20)

    assert len(reader.asked) == 5


@pytest.mark.parametrize(
    ("window", "keep_s"),
    [
        pytest.param(NOW, KEEP_S, id="a span up to now"),
        pytest.param(OVER, KEEP_OVER_S, id="a span that is over"),
    ],
)
def test_an_answer_serves_for_a_moment(window: Window, keep_s: float) -> None:
    reader, shared_reader, clock = made()

    shared_reader.totals(window, Filters())
    clock.now_s += keep_s - 0.1
    shared_reader.totals(window, Filters())
    before = len(reader.asked)
    clock.now_s += 0.2
    shared_reader.totals(window, Filters())

    assert (before, len(reader.asked)) == (1, 2)


def test_many_viewers_wait_for_one_answer() -> None:
    started, finish = threading.Event(), threading.Event()

    def slow(*_: object) -> object:
        started.set()
        assert finish.wait(5)
        return totals(limited=1)

    reader, shared_reader, _ = made(totals=slow)
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(shared_reader.totals, NOW, Filters()) for _ in range(8)]
        assert started.wait(5)
        finish.set()

        assert [answer.result(5).limited for answer in asked] == [1] * 8
    assert len(reader.asked) == 1


def test_a_failure_goes_through_and_is_not_kept() -> None:
    reader, shared_reader, _ = made(totals=DeadlineExceeded(2_000))

    for _ in range(2):
        with pytest.raises(DeadlineExceeded):
            shared_reader.totals(NOW, Filters())

    assert len(reader.asked) == 2


def test_the_answer_that_was_used_longest_ago_makes_room() -> None:
    answers, asked = SharedAnswers(ManualClock(), max_answers=2), []

    def ask(question: str) -> None:
        answers.answer(question, 10, lambda: asked.append(question))

    for question in ("a", "b", "a", "c", "a", "b"):
        ask(question)

    assert asked == ["a", "b", "c", "b"]


def test_what_must_be_new_goes_straight_through() -> None:
    reader, shared_reader, _ = made(data_version=7)

    assert (shared_reader.data_version(), shared_reader.data_version()) == (7, 7)
    assert len(reader.asked) == 2


def test_pages_share_per_reader_without_keeping_it_open() -> None:
    reader: Any = ScriptedReader()
    gone = weakref.ref(reader)

    assert shared(reader, lambda: NOW_MS) is shared(reader, lambda: NOW_MS)
    assert shared(ScriptedReader(), lambda: NOW_MS) is not shared(reader, lambda: NOW_MS)  # type: ignore[arg-type]
    del reader
    gc.collect()

    assert gone() is None


def test_only_questions_of_the_contract_are_shared() -> None:
    assert set(dir(Reader)) >= SHARED
