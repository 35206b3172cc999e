"""What comes out of the store about changes and response. Instants are UTC milliseconds, `None` unknown."""

from __future__ import annotations

from typing import Any

import msgspec

from domain.blocks import Block, Protected
from domain.change_actors import Actor
from domain.change_verdict import Verdict
from domain.changes import Change


class ChangeRow(msgspec.Struct, frozen=True, kw_only=True):
    """One change with who made it and what followed, as far as that is known."""

    change: Change
    actor: Actor
    proposal_id: str | None = None
    """The proposal of ours that it carries out."""
    verdict: Verdict | None = None
    is_final: bool = False
    """The verdict will not change any more."""


class StepRow(msgspec.Struct, frozen=True, kw_only=True):
    """One request that was sent to Kong, or is about to be."""

    step: int
    intent_ms: int
    done_ms: int | None
    status: int | None
    answer: str | None
    verified: bool | None
    outcome: str | None


class LogEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the log of decisions."""

    entry: int
    at_ms: int
    who: str
    what: str
    subject: str
    detail: str
    chain: str


class DriftRow(msgspec.Struct, frozen=True, kw_only=True):
    """A difference between what Kong held and what events had told of it."""

    drift_id: int
    entity_type: str
    entity_id: str
    entity_name: str | None
    direction: str
    """`changed`, `appeared` or `vanished`, without an event."""
    from_ms: int
    """When it was last known to be as told."""
    found_ms: int
    before: Any
    after: Any


class ListEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the list of those who are never blocked."""

    entry_id: str
    protected: Protected
    added_by: str
    added_ms: int


class BlockRow(msgspec.Struct, frozen=True, kw_only=True):
    """One block with what is seen of it."""

    block: Block
    proposal_state: str | None
    """Of its proposal: `asked`, `proposed`, ..."""
    proposal_outcome: str | None
