"""What a change can do to refusals at all, from what it is: the other half of every verdict.

A renamed route that was followed by more refusals did not cause them. A lowered limit may have.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from domain.changes import (
    AUTHENTICATION,
    LIMITERS,
    LOGGERS,
    RESTRICTIONS,
    Change,
    Operation,
    field_changes,
    is_in_force,
    limits_before_and_after,
    plugin_name,
)
from domain.kong_entities import CREDENTIALS
from domain.limits import Limit


class Effect(StrEnum):
    """Which way a change can move the number of refusals by a limit."""

    MORE = "more"
    FEWER = "fewer"
    EITHER = "either"
    NONE = "none"


_COUNTING = frozenset(
    ["limit_by", "policy", "header_name", "path", "block_on_first_violation", "fault_tolerant", "sync_rate"]
)
"""Fields of a limiter that move who is counted, where, and what happens when counting fails."""
_PLUGIN_PLACE = frozenset(["route.id", "service.id", "consumer.id", "consumer_group.id", "protocols"])
_INNOCENT = frozenset(
    ["name", "tags", "retries", "connect_timeout", "read_timeout", "write_timeout", "client_certificate.id",
     "tls_verify", "tls_verify_depth", "ca_certificates", "https_redirect_status_code", "preserve_host",
     "request_buffering", "response_buffering", "host", "port", "path", "protocol", "custom_id", "username",
     "instance_name"]
)  # fmt: skip
"""Fields of services, routes and consumers that choose no other limit for any request."""
_BALANCING = frozenset(["targets", "upstreams", "certificates", "ca_certificates", "snis", "vaults"])


def effect_of(change: Change) -> Effect:
    """What a change can do to refusals by limits, within its scope."""
    if change.entity_type == "plugins":
        return _effect_of_plugin(change)
    if change.entity_type in _BALANCING:
        return Effect.NONE
    if change.entity_type in CREDENTIALS or change.operation != Operation.UPDATE:
        return Effect.EITHER
    fields = field_changes(change)
    return Effect.NONE if fields and all(f.path in _INNOCENT for f in fields) else Effect.EITHER


def _effect_of_plugin(change: Change) -> Effect:
    name = plugin_name(change)
    if name in LIMITERS:
        return _effect_of_limiter(change)
    if name in LOGGERS or not (is_in_force(change.before) or is_in_force(change.after)):
        return Effect.NONE
    if name in RESTRICTIONS and is_in_force(change.before) != is_in_force(change.after):
        return Effect.FEWER if is_in_force(change.after) else Effect.MORE
    if name not in AUTHENTICATION | RESTRICTIONS:
        return Effect.NONE
    moved = change.operation != Operation.UPDATE or any(
        f.path not in _INNOCENT for f in field_changes(change)
    )
    return Effect.EITHER if moved else Effect.NONE


def _effect_of_limiter(change: Change) -> Effect:
    before, after = limits_before_and_after(change)
    tighter, looser = _compared(before, after), _compared(after, before)
    moved = change.operation == Operation.UPDATE and any(
        f.path.removeprefix("config.") in _COUNTING or f.path in _PLUGIN_PLACE for f in field_changes(change)
    )
    if moved or (tighter and looser):
        return Effect.EITHER if is_in_force(change.before) or is_in_force(change.after) else Effect.NONE
    if tighter:
        return Effect.MORE
    return Effect.FEWER if looser else Effect.NONE


def _compared(before: Iterable[Limit], after: Iterable[Limit]) -> bool:
    """Whether `after` lets fewer pass than `before` in a window of some limit's length."""
    had, has = list(before), list(after)
    named = {limit.name for limit in had + has if limit.name and "/" in limit.name}
    groups = [*({n.split("/")[0] for n in named if n}), ""]
    return any(
        _lets_fewer(
            [limit for limit in had if _group(limit) == group],
            [limit for limit in has if _group(limit) == group],
        )
        for group in groups
    )


def _group(limit: Limit) -> str:
    """The name that a limit of response-ratelimiting counts under; empty for plain windows."""
    return limit.name.split("/")[0] if limit.name and "/" in limit.name else ""


def _lets_fewer(had: list[Limit], has: list[Limit]) -> bool:
    for span_s in {limit.window_s for limit in had + has if limit.window_s}:
        then, now = allowed_in(span_s, had), allowed_in(span_s, has)
        if now is not None and (then is None or now < then):
            return True
    return False


def allowed_in(span_s: int, limits: Iterable[Limit]) -> int | None:
    """The most requests that limits let pass in a span of this length; None when they set no bound."""
    bounds = [(limit.value or 0) * max(1, -(-span_s // limit.window_s)) for limit in limits if limit.window_s]
    return min(bounds) if bounds else None
