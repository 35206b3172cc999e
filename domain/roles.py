"""Who may do what: four roles, one table. Everybody has every role whose list names them, or holds `*`."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from enum import StrEnum

from domain.errors import GatewatchError
from domain.proposals import same_name

EVERYBODY = "*"
"""In a list of names: whoever has logged in."""


class Role(StrEnum):
    """What somebody is here."""

    VIEWER = "viewer"
    ANALYST = "analyst"
    APPROVER = "approver"
    ADMIN = "admin"


class Act(StrEnum):
    """What can be done, as a refusal words it."""

    LOOK = "look at pages"
    EXPORT = "export"
    HANDLE = "handle alerts"
    PROPOSE = "propose changes and blocks"
    APPROVE = "approve or reject"
    CONFIGURE = "change rules, receivers and lists"


_WORKING = frozenset({Role.ANALYST, Role.APPROVER, Role.ADMIN})
MAY: dict[Act, frozenset[Role]] = {
    Act.LOOK: frozenset(Role),
    Act.EXPORT: _WORKING,
    Act.HANDLE: _WORKING,
    Act.PROPOSE: _WORKING,
    Act.APPROVE: frozenset({Role.APPROVER, Role.ADMIN}),
    Act.CONFIGURE: frozenset({Role.ADMIN}),
}
"""Act -> the roles that may do it. That nobody approves what they proposed is another rule, and stays."""


class NotPermitted(GatewatchError):  # noqa: N818 - reads as what happened
    """The person may not do this; the message says why, and what would have to change."""


def roles_of(name: str, lists: Mapping[Role, Collection[str]]) -> frozenset[Role]:
    """The roles of somebody by the name that a login vouches for; letter case makes no difference."""
    if not name:
        return frozenset()
    return frozenset(
        role
        for role, names in lists.items()
        if any(listed == EVERYBODY or same_name(listed) == same_name(name) for listed in names)
    )


def refusal(act: Act, roles: Collection[Role], lists: Mapping[Role, Collection[str]]) -> str | None:
    """Why somebody with these roles may not do this, and what would have to change; None when they may.

    Args:
        act: What they want to do.
        roles: Theirs.
        lists: Everybody's: where nobody may do this yet, that is what is said.
    """
    if not MAY[act].isdisjoint(roles):
        return None
    able = [role for role in Role if role in MAY[act]]
    mine = ", ".join(role for role in Role if role in roles) or "none"
    said = f"To {act} one has to be {' or '.join(able)}; your roles here: {mine}."
    if any(lists.get(role) for role in able):
        return f"{said} Settings say who is what."
    named = " or ".join(f"{role}s" for role in able)
    return f"{said} Nobody is yet: name people in the setting {named} (docs/serving.md)."


def has_ended(expires_s: object, now_ms: int) -> bool:
    """Whether a login's time is over.

    Args:
        expires_s: `exp` of its token (RFC 7519, 4.1.4): seconds since 1970; None where the login tells none.
            What is no number tells of a broken token, whose time is over.
        now_ms: Now.
    """
    if expires_s is None:
        return False
    if isinstance(expires_s, bool) or not isinstance(expires_s, int | float | str):
        return True
    try:
        ends_s = float(expires_s)
    except ValueError:
        return True
    return not (math.isfinite(ends_s) and now_ms < ends_s * 1000)
