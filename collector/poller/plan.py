"""What to ask a node next: how often each thing, in which order, within a budget. Pure: clocks are passed in.

| what | how often | why |
|---|---|---|
| `/` | every round | the sign of life, and which node it is; never waits for the budget |
| `/status` | every second round | database, configuration hash |
| `/clustering/data-planes` | every second round, control planes only | their data planes |
| `/upstreams/{u}/health` | every round, those with health checks | target health as this node sees it |
| `/plugins`, `/routes`, `/services`, `/upstreams` | every minute | limits in force, names |
| `/consumers` | every five minutes | names |
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from enum import IntEnum

STATUS_ROUNDS = 2
LISTS_EVERY_S = 60.0
CONSUMERS_EVERY_S = 300.0
SLOW_TARGETS_EVERY_S = 60.0
"""Upstreams without health checks have nothing that changes by itself."""
JITTER = 0.1
"""Of each interval, both ways: many collectors and many nodes do not ask in step."""
BURST_S = 15.0
"""So many seconds' worth of the budget may be spent at once."""


class Line(IntEnum):
    """Questions that wait for each other; a long list must not hold up the sign of life."""

    PULSE = 0
    SURVEY = 1


class Kind(IntEnum):
    """What may be asked, the most important first."""

    ABOUT = 0
    STATUS = 1
    DATA_PLANES = 2
    TARGETS = 3
    LIST = 4

    @property
    def line(self) -> Line:
        """Which line it stands in."""
        return Line.SURVEY if self >= Kind.TARGETS else Line.PULSE


@dataclasses.dataclass(frozen=True, slots=True)
class Ask:
    """One question."""

    kind: Kind
    name: str = ""
    """Of a list: Kong's name of the collection. Of targets: the upstream's."""


@dataclasses.dataclass(slots=True)
class _Due:
    at_s: float
    every_s: float


LISTS = {
    "plugins": LISTS_EVERY_S,
    "routes": LISTS_EVERY_S,
    "services": LISTS_EVERY_S,
    "upstreams": LISTS_EVERY_S,
    "consumers": CONSUMERS_EVERY_S,
}


class Plan:
    """Of one address.

    Args:
        now_s: A monotonic clock's seconds.
        round_s: Seconds between two signs of life.
        per_minute: The budget, requests in a minute.
        random: Gives numbers from 0 up to but not including 1.
    """

    def __init__(self, now_s: float, round_s: float, per_minute: int, random: Callable[[], float]) -> None:
        self._round_s = round_s
        self._per_s = per_minute / 60
        self._burst = max(1.0, self._per_s * BURST_S)
        self._left = self._burst
        self._filled_s = now_s
        self._random = random
        self._due: dict[Ask, _Due] = {}
        self._add(Ask(Kind.ABOUT), now_s, round_s)
        self.is_answering = False
        """While nobody answers, only the sign of life is asked for."""

    # ---- what is worth asking

    def answered(self, now_s: float, *, is_control_plane: bool, lists: bool) -> None:
        """The node is there: the rest is worth asking, lists only of the node that is chosen for them."""
        self.is_answering = True
        slow_s = STATUS_ROUNDS * self._round_s
        self._want(Ask(Kind.STATUS), now_s, slow_s, wanted=True)
        self._want(Ask(Kind.DATA_PLANES), now_s, slow_s, wanted=is_control_plane)
        for name, every_s in LISTS.items():
            self._want(Ask(Kind.LIST, name), now_s, every_s, wanted=lists)

    def unanswered(self) -> None:
        """Nobody answers."""
        self.is_answering = False

    def forget(self, ask: Ask) -> None:
        """A question that this node has no answer for."""
        self._due.pop(ask, None)

    def list_again(self, now_s: float) -> None:
        """Something has changed: lists are due."""
        for ask, due in self._due.items():
            if ask.kind is Kind.LIST:
                due.at_s = min(due.at_s, now_s)

    def watch_targets(self, checked: Iterable[str], unchecked: Iterable[str], now_s: float) -> None:
        """Which upstreams there are, with and without health checks."""
        wanted = {Ask(Kind.TARGETS, name): SLOW_TARGETS_EVERY_S for name in unchecked}
        wanted |= {Ask(Kind.TARGETS, name): self._round_s for name in checked}
        for ask in [ask for ask in self._due if ask.kind is Kind.TARGETS and ask not in wanted]:
            del self._due[ask]
        for ask, every_s in wanted.items():
            self._add(ask, now_s, every_s)

    # ---- what to do now

    def take(self, now_s: float, line: Line) -> Ask | None:
        """The question to ask now in a line; None when nothing is due, or the budget is spent."""
        self._fill(now_s)
        ready = [
            (ask.kind, due.at_s, ask)
            for ask, due in self._due.items()
            if ask.kind.line is line and due.at_s <= now_s and (self.is_answering or ask.kind is Kind.ABOUT)
        ]
        if not ready:
            return None
        _, _, ask = min(ready, key=lambda item: item[:2])
        if ask.kind is not Kind.ABOUT and self._left < 1:
            return None
        self.spend(now_s)
        due = self._due[ask]
        due.at_s = now_s + due.every_s * (1 - JITTER + 2 * JITTER * self._random())
        return ask

    def spend(self, now_s: float) -> None:
        """One request is made."""
        self._fill(now_s)
        self._left = max(-self._burst, self._left - 1)

    def wait_s(self, now_s: float, line: Line) -> float:
        """Seconds until `take` may give something in a line, at most a round."""
        about_s = self._due[Ask(Kind.ABOUT)].at_s - now_s if line is Line.PULSE else self._round_s
        waits = [due.at_s - now_s for ask, due in self._due.items() if ask.kind.line is line]
        if not self.is_answering or not waits:
            return max(0.0, about_s)
        return max(0.0, min(about_s, max(min(waits), self.budget_wait_s(now_s))))

    def budget_wait_s(self, now_s: float) -> float:
        """Seconds until one more request fits the budget."""
        self._fill(now_s)
        return 0.0 if self._left >= 1 else (1 - self._left) / self._per_s

    # ---- inside

    def _fill(self, now_s: float) -> None:
        self._left = min(self._burst, self._left + (now_s - self._filled_s) * self._per_s)
        self._filled_s = now_s

    def _want(self, ask: Ask, now_s: float, every_s: float, *, wanted: bool) -> None:
        if wanted:
            self._add(ask, now_s, every_s)
        else:
            self._due.pop(ask, None)

    def _add(self, ask: Ask, now_s: float, every_s: float) -> None:
        due = self._due.get(ask)
        if due is None:
            self._due[ask] = _Due(now_s, every_s)
        else:
            due.every_s = every_s
