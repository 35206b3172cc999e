"""What is sent to a Kong Admin API, exactly, and what must hold before and after.

A plan is what two people agree on: its hash is over every byte that matters. What is sent is what was hashed;
nothing is filled in later. Bodies hold no secrets: they are stored and shown.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import msgspec

from domain.diff import differing_fields, missing_fields
from domain.kong_entities import masked_paths

MAX_STEPS = 200
"""More requests than this are no plan that a person can read."""


class AdminRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One request that changes something."""

    method: str
    """`POST`, `PUT`, `PATCH` or `DELETE`."""
    path: str
    """Begins with `/`; no host, no query: the host comes from the settings alone."""
    body: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        """Refuse what is not one plain request.

        Raises:
            ValueError: Another method, a path that is not one, or a body with a mask in it.
        """
        if self.method not in {"POST", "PUT", "PATCH", "DELETE"}:
            raise ValueError(f"method {self.method!r}, expected POST, PUT, PATCH or DELETE")
        if not is_plain_path(self.path):
            raise ValueError(f"path {self.path!r}, expected one like /plugins/<id>")
        if self.body is not None and masked_paths(self.body):
            raise ValueError(f"{self.method} {self.path}: a masked secret cannot be sent")


def is_plain_path(path: str) -> bool:
    """True for a path of ordinary characters, without query, `..` or empty parts."""
    parts = path.split("/")
    return (
        path.startswith("/")
        and len(path) <= 1_000  # noqa: PLR2004 - more is no path of Kong's
        and all(32 < ord(c) < 127 and c not in '?#\\"<>^`{|}' for c in path)  # noqa: PLR2004 - printable ASCII
        and all(part not in {"", ".", ".."} for part in parts[1:])
    )


class State(msgspec.Struct, frozen=True, kw_only=True):
    """How one entity is, or must be. Its values may be masks, which stand for anything."""

    path: str
    entity: dict[str, Any] | None
    """None: there is none, and a GET says 404."""
    is_whole: bool = True
    """False: only the fields that are named must be so; Kong fills in the rest."""

    def differing(self, live: Mapping[str, Any] | None) -> tuple[str, ...]:
        """The fields in which the live entity is not this, sorted; `(all)` when one of them is not there."""
        if self.entity is None or live is None:
            return () if self.entity is None and live is None else ("(all)",)
        if self.is_whole:
            return differing_fields(self.entity, live)
        return missing_fields(self.entity, live)


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One request with what must hold before it is sent and what must be seen after."""

    says: str
    """In words, for those who approve."""
    entity_type: str
    request: AdminRequest
    before: State | None
    """Refused when the live entity is not this. None for what has no path yet (a POST)."""
    after: State | None
    """Read back afterwards; None where the answer of a POST gives the id."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Requests in the order they are sent. The first that fails ends it."""

    steps: tuple[Step, ...]
    cannot: tuple[str, ...] = ()
    """What it does not restore, in words; empty when it restores everything."""
    warnings: tuple[str, ...] = ()


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """Why there is no plan, and what can be done instead."""

    why: str
    instead: str = ""
    fragment: str = ""
    """Declarative configuration to apply by hand, where that is the way."""


def plan_hash(plan: Plan, target: str, lasts_ms: int | None = None) -> str:
    """64 hexadecimal digits over everything that is sent, to whom, and under which conditions.

    Args:
        plan: What is to be done.
        target: The Admin API it is for.
        lasts_ms: How long until it is undone by itself; None for what stays.
    """
    told = {"target": target, "lasts_ms": lasts_ms, "plan": msgspec.to_builtins(plan)}
    text = json.dumps(told, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
