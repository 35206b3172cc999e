"""Incidents: what became of findings, one per rule and entity. States, and who may move between them.

| state | means |
|---|---|
| open | somebody should look |
| acknowledged | somebody does |
| silenced | nobody is told, on purpose and with an end |
| unknown | the feed it rests on is silent: neither on nor over |
| resolved | over, with the reason |

One table and `next_state`; whoever moves an incident says which state it was in, and loses if it was not.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from domain.detectors.findings import Severity
from domain.errors import GatewatchError


class State(StrEnum):
    """Where an incident stands."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    SILENCED = "silenced"
    UNKNOWN = "unknown"
    RESOLVED = "resolved"


class Act(StrEnum):
    """What moves an incident."""

    ACKNOWLEDGE = "acknowledge"
    GIVE_BACK = "give back"
    """The one who acknowledged it no longer looks."""
    SILENCE = "silence"
    END_SILENCE = "end silence"
    ESCALATE = "escalate"
    """It became worse: whoever knew of it must hear again."""
    LOSE_FEED = "lose feed"
    REGAIN_FEED = "regain feed"
    RESOLVE = "resolve"
    REOPEN = "reopen"


class IllegalMove(GatewatchError):  # noqa: N818 - reads as what it is
    """An act that a state does not allow."""

    def __init__(self, state: State, act: Act) -> None:
        self.state = state
        self.act = act
        super().__init__(f"an incident that is {state} cannot {act}; it can {', '.join(_acts(state))}")


_TABLE: dict[tuple[State, Act], State] = {
    (State.OPEN, Act.ACKNOWLEDGE): State.ACKNOWLEDGED,
    (State.OPEN, Act.SILENCE): State.SILENCED,
    (State.OPEN, Act.ESCALATE): State.OPEN,
    (State.OPEN, Act.LOSE_FEED): State.UNKNOWN,
    (State.OPEN, Act.RESOLVE): State.RESOLVED,
    (State.ACKNOWLEDGED, Act.GIVE_BACK): State.OPEN,
    (State.ACKNOWLEDGED, Act.SILENCE): State.SILENCED,
    (State.ACKNOWLEDGED, Act.ESCALATE): State.OPEN,
    (State.ACKNOWLEDGED, Act.LOSE_FEED): State.UNKNOWN,
    (State.ACKNOWLEDGED, Act.RESOLVE): State.RESOLVED,
    (State.SILENCED, Act.END_SILENCE): State.OPEN,
    (State.SILENCED, Act.ACKNOWLEDGE): State.ACKNOWLEDGED,
    (State.SILENCED, Act.ESCALATE): State.SILENCED,
    (State.SILENCED, Act.LOSE_FEED): State.UNKNOWN,
    (State.SILENCED, Act.RESOLVE): State.RESOLVED,
    (State.UNKNOWN, Act.REGAIN_FEED): State.OPEN,
    (State.UNKNOWN, Act.ACKNOWLEDGE): State.UNKNOWN,
    (State.UNKNOWN, Act.ESCALATE): State.OPEN,
    (State.UNKNOWN, Act.SILENCE): State.UNKNOWN,
    (State.UNKNOWN, Act.END_SILENCE): State.UNKNOWN,
    (State.UNKNOWN, Act.RESOLVE): State.RESOLVED,
    (State.RESOLVED, Act.REOPEN): State.OPEN,
}
"""(state, act) -> state. Regaining a feed leads to where the incident was before, see `next_state`."""


def next_state(state: State, act: Act, before: State | None = None) -> State:
    """Where an act leads.

    Args:
        state: Where the incident stands.
        act: What moves it.
        before: Of an unknown incident: where it stood when its feed was lost.

    Raises:
        IllegalMove: The state does not allow it.
    """
    found = _TABLE.get((state, act))
    if found is None:
        raise IllegalMove(state, act)
    if act is Act.REGAIN_FEED and before in {State.ACKNOWLEDGED, State.SILENCED}:
        return before
    return found


def may(state: State, act: Act) -> bool:
    """Whether a state allows an act."""
    return (state, act) in _TABLE


def _acts(state: State) -> list[str]:
    return [act.value for held, act in _TABLE if held is state]


class Verdict(StrEnum):
    """What it was, as the one who closes it says: the labels that tuning learns from."""

    REAL = "real"
    BENIGN = "benign"
    FALSE = "false"
    TEST = "test"


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """One incident, as it stands now."""

    fingerprint: str
    rule: str
    detector: str
    shape: str
    severity: Severity
    entity_type: str
    entity_id: str
    entity: str
    opened_ms: int
    """When we said so."""
    from_ms: int
    """When what it is about began."""
    last_ms: int
    """When it was seen last."""
    count: int
    """How many at least."""
    why: str
    state: State = State.OPEN
    before: State | None = None
    """Of an unknown one: where it stood before."""
    resolved_ms: int | None = None
    reason: str = ""
    """Why it is over, or silenced, or unknown."""
    assignee: str | None = None
    actors: tuple[tuple[str, str], ...] = ()
    covers: frozenset[tuple[str, str]] = frozenset()
    muted: int = 0
    """Findings that were left out because this one explains them."""
    reopened: int = 0
    closed_by: str | None = None
    """The person who closed it; None where it ended by itself."""
    team: str = ""
    facts: dict[str, Any] = msgspec.field(default_factory=dict)

    @property
    def is_live(self) -> bool:
        """Whether it is not over."""
        return self.state is not State.RESOLVED


def fingerprint(rule: str, entity_type: str, entity_id: str) -> str:
    """What makes two findings the same incident."""
    return f"{rule}|{entity_type}|{entity_id}"
