"""Answers of the store that all viewers of a page share for a moment.

Every page that is looked at runs again every few seconds, mostly with questions that others just asked. The
same question is asked once at a time, whoever waits for it, and its answer serves for `KEEP_S`; an answer
about a span that is over serves for `KEEP_OVER_S`. Answers are immutable, so sharing them costs no copy.
Failures are not kept.
"""

from __future__ import annotations

import functools
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar, cast

from domain.windows import MINUTE_MS, Window
from storage.protocol import Reader

T = TypeVar("T")

KEEP_S = 3.0
"""Pages run again every 10 s, so that nobody is shown anything much older than the page says."""
KEEP_OVER_S = 60.0
"""Spans that ended change only through what arrives late."""
OVER_AFTER_MS = 2 * MINUTE_MS
MAX_ANSWERS = 400
"""The largest are breakdowns of a hundred rows, about 30 kB."""
SHARED = frozenset(
    {
        "freshness",
        "totals",
        "series",
        "top",
        "resolve",
        "search",
        "breakdown",
        "pairs",
        "spread",
        "width_ms",
        "activity",
        "events",
        "event",
        "markers",
        "kind_counts",
        "quarantine",
        "gaps",
        "health",
        "plugins",
        "nodes",
        "node_history",
        "target_health",
        "kind_series",
        "cache_past",
        "churned_keys",
        "config_pushes",
    }
)
"""Questions whose answers are immutable and small."""


class SharedAnswers:
    """Answers by question: bounded, short-lived, each asked for once at a time.

    Args:
        clock_s: A clock that never goes back.
        max_answers: More than this, and the one that was used longest ago goes.
    """

    def __init__(self, clock_s: Callable[[], float], max_answers: int = MAX_ANSWERS) -> None:
        self._clock_s = clock_s
        self._max = max_answers
        self._lock = threading.Lock()
        self._answers: OrderedDict[Hashable, tuple[float, Any]] = OrderedDict()
        self._asking: dict[Hashable, threading.Lock] = {}

    def answer(self, question: Hashable, keep_s: float, ask: Callable[[], T]) -> T:
        """The answer that is kept, or a new one from `ask`; what `ask` raises goes through."""
        with self._lock:
            found = self._fresh(question)
            if found is not None:
                return cast("T", found[1])
            asking = self._asking.setdefault(question, threading.Lock())
        with asking:
            with self._lock:
                found = self._fresh(question)
            if found is not None:
                return cast("T", found[1])
            try:
                answer = ask()
            finally:
                with self._lock:
                    self._asking.pop(question, None)
            with self._lock:
                self._answers[question] = (self._clock_s() + keep_s, answer)
                self._answers.move_to_end(question)
                while len(self._answers) > self._max:
                    self._answers.popitem(last=False)
            return answer

    def _fresh(self, question: Hashable) -> tuple[float, Any] | None:
        found = self._answers.get(question)
        if found is None or found[0] <= self._clock_s():
            return None
        self._answers.move_to_end(question)
        return found


class SharedReader:
    """A `Reader` whose answers are shared. `tail`, `data_version` and exports go straight through."""

    def __init__(self, reader: Reader, answers: SharedAnswers, now_ms: Callable[[], int]) -> None:
        self._reader = reader
        self._answers = answers
        self._now_ms = now_ms

    def __getattr__(self, name: str) -> Any:
        asked = getattr(self._reader, name)
        return functools.partial(self._ask, name, asked) if name in SHARED else asked

    def _ask(self, name: str, asked: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        question = (name, arguments, tuple(sorted(named.items())))
        return self._answers.answer(
            question, self._keep_s(arguments), functools.partial(asked, *arguments, **named)
        )

    def _keep_s(self, arguments: tuple[Any, ...]) -> float:
        spans = [given for given in arguments if isinstance(given, Window)]
        is_over = bool(spans) and all(span.to_ms + OVER_AFTER_MS < self._now_ms() for span in spans)
        return KEEP_OVER_S if is_over else KEEP_S


_shared: weakref.WeakKeyDictionary[Any, SharedReader] = weakref.WeakKeyDictionary()
_lock = threading.Lock()


def shared(reader: Reader, now_ms: Callable[[], int]) -> Reader:
    """The reader through which all pages share the answers of `reader`."""
    with _lock:
        found = _shared.get(reader)
        if found is None:
            found = _shared[reader] = SharedReader(_Borrowed(reader), SharedAnswers(time.monotonic), now_ms)
        return cast("Reader", found)


class _Borrowed:
    """The reader by a weak reference, so that sharing its answers does not keep it open."""

    def __init__(self, reader: Reader) -> None:
        self._reader = weakref.ref(reader)

    def __getattr__(self, name: str) -> Any:
        reader = self._reader()
        if reader is None:
            raise ReferenceError("the reader is gone")
        return getattr(reader, name)
