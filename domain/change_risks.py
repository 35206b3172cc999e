"""What a security team wants to know of a change at once: does it weaken a defence?

Each rule looks at one change and says in a sentence what became weaker, with MITRE ATT&CK's number of it:
T1562 Impair Defenses, T1562.008 Disable Cloud Logs, T1098 Account Manipulation for added credentials.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any

import msgspec

from domain.change_effects import allowed_in
from domain.changes import (
    AUTHENTICATION,
    LIMITERS,
    LOGGERS,
    RESTRICTIONS,
    Change,
    Names,
    Operation,
    is_in_force,
    limits_before_and_after,
    place_of,
    plugin_name,
    shown_limit,
    subject_of,
)
from domain.kong_entities import CREDENTIALS, reference
from domain.limits import Limit

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Risk(StrEnum):
    """What kind of weakening."""

    LIMIT_RAISED = "limit raised"
    WINDOW_WIDENED = "window widened"
    LIMIT_REMOVED = "limit removed"
    LIMIT_WEAKENED = "limit weakened"
    PLUGIN_REMOVED = "plugin removed"
    PLUGIN_DISABLED = "plugin disabled"
    AUTHENTICATION_REMOVED = "authentication removed"
    AUTHENTICATION_WEAKENED = "authentication weakened"
    RESTRICTION_WIDENED = "restriction widened"
    CREDENTIAL_ADDED = "credential added"
    LOGGING_REMOVED = "logging removed"
    TLS_WEAKENED = "TLS weakened"


class Flag(msgspec.Struct, frozen=True, kw_only=True):
    """One weakening, in words. The sentence holds names from Kong's configuration: escape it."""

    risk: Risk
    sentence: str
    technique: str | None = None
    """MITRE ATT&CK id."""


IMPAIR = "T1562"
ACCOUNT = "T1098"
LOGGING = "T1562.008"


def flags_of(change: Change, names: Names) -> tuple[Flag, ...]:
    """Everything risky about a change, most telling first; empty when nothing is."""
    return tuple(flag for rule in _RULES for flag in rule(change, names))


# ---- plugins that went


def _gone(change: Change, names: Names) -> Iterator[Flag]:
    """A defending plugin that ran before and does not now."""
    name = plugin_name(change)
    if name is None or not is_in_force(change.before) or is_in_force(change.after):
        return
    deleted = change.operation == Operation.DELETE
    how = "deleted" if deleted else "disabled"
    what = subject_of(change, names)
    if name in AUTHENTICATION:
        risk, text = Risk.AUTHENTICATION_REMOVED, f"{what} was {how}: requests there need no credential of it"
    elif name in LOGGERS:
        risk, text = Risk.LOGGING_REMOVED, f"{what} was {how}: what happens there is no longer reported by it"
    elif name in LIMITERS:
        limits = ", ".join(shown_limit(limit) for limit in limits_before_and_after(change)[0])
        risk = Risk.LIMIT_REMOVED
        text = f"{what} was {how}: {limits or 'its limits'} no longer enforced"
    elif name in RESTRICTIONS:
        risk, text = Risk.RESTRICTION_WIDENED, f"{what} was {how}: nobody is turned away by it any more"
    else:
        risk = Risk.PLUGIN_REMOVED if deleted else Risk.PLUGIN_DISABLED
        text = f"{what} was {how}"
    yield Flag(risk=risk, sentence=text, technique=LOGGING if risk is Risk.LOGGING_REMOVED else IMPAIR)


# ---- limits


def _limits(change: Change, names: Names) -> Iterator[Flag]:
    if plugin_name(change) not in LIMITERS or not (is_in_force(change.before) and is_in_force(change.after)):
        return
    before, after = limits_before_and_after(change)
    where = place_of(change.entity, names)
    held = {limit.name: limit for limit in before}
    kept = {limit.name: limit for limit in after}
    for name, old in held.items():
        new = kept.get(name)
        if new is None:
            if _weaker_at(old.window_s, before, after):
                yield _removed(old, after, where)
        elif (new.value or 0) > (old.value or 0):
            yield Flag(
                risk=Risk.LIMIT_RAISED,
                sentence=f"limit {where} raised from {old.value} to {shown_limit(new)}",
                technique=IMPAIR,
            )
    yield from _weaker_counting(change, where)


def _removed(old: Limit, after: Iterable[Limit], where: str) -> Flag:
    """A window's limit that is gone: widened where a longer window still has one."""
    longer = [new for new in after if (new.window_s or 0) > (old.window_s or 0)]
    if longer:
        widest = max(longer, key=lambda limit: limit.value or 0)
        text = f"window {where} widened from {shown_limit(old)} to {shown_limit(widest)}"
        return Flag(
            risk=Risk.WINDOW_WIDENED,
            sentence=f"{text}: up to {widest.value} at once are let through",
            technique=IMPAIR,
        )
    return Flag(
        risk=Risk.LIMIT_REMOVED, sentence=f"limit of {shown_limit(old)} {where} removed", technique=IMPAIR
    )


def _weaker_at(window_s: int | None, before: Iterable[Limit], after: Iterable[Limit]) -> bool:
    """Whether more can pass within a window of this length than could before."""
    if window_s is None:
        return True
    had, has = allowed_in(window_s, before), allowed_in(window_s, after)
    return has is None or (had is not None and has > had)


def _weaker_counting(change: Change, where: str) -> Iterator[Flag]:
    old, new = _config(change.before), _config(change.after)
    if old.get("policy") in {"cluster", "redis"} and new.get("policy") == "local":
        text = f"counting {where} moved from {old['policy']} to local: each node counts alone"
        yield Flag(
            risk=Risk.LIMIT_WEAKENED,
            sentence=f"{text}, so up to the limit passes through every node",
            technique=IMPAIR,
        )
    if old.get("fault_tolerant") is False and new.get("fault_tolerant") is True:
        text = f"limit {where} now fails open: when its counters cannot be reached everything passes"
        yield Flag(risk=Risk.LIMIT_WEAKENED, sentence=text, technique=IMPAIR)


# ---- restrictions


def _restrictions(change: Change, names: Names) -> Iterator[Flag]:
    name = plugin_name(change)
    if not (is_in_force(change.before) and is_in_force(change.after)):
        return
    old, new, where = _config(change.before), _config(change.after), place_of(change.entity, names)
    if name == "ip-restriction":
        yield from _addresses(old, new, where)
    elif name == "acl":
        yield from _groups(old, new, where)


def _addresses(old: Mapping[str, Any], new: Mapping[str, Any], where: str) -> Iterator[Flag]:
    no_longer = _not_covered(_networks(old.get("deny")), _networks(new.get("deny")))
    if no_longer:
        yield _widened(f"ip-restriction {where} no longer denies {_listed(no_longer)}")
    had, has = _networks(old.get("allow")), _networks(new.get("allow"))
    if had and not has:
        yield _widened(f"ip-restriction {where} lost its allow list: every address may enter")
    elif had and (more := _not_covered(has, had)):
        yield _widened(f"ip-restriction {where} now also allows {_listed(more)}")


def _groups(old: Mapping[str, Any], new: Mapping[str, Any], where: str) -> Iterator[Flag]:
    had, has = set(_texts(old.get("deny"))), set(_texts(new.get("deny")))
    if had - has:
        yield _widened(f"acl {where} no longer denies {_listed(sorted(had - has))}")
    had, has = set(_texts(old.get("allow"))), set(_texts(new.get("allow")))
    if had and has - had:
        yield _widened(f"acl {where} now also allows {_listed(sorted(has - had))}")


def _widened(text: str) -> Flag:
    return Flag(risk=Risk.RESTRICTION_WIDENED, sentence=text, technique=IMPAIR)


def _networks(values: Any) -> list[Network]:
    found = []
    for text in _texts(values):
        try:
            found.append(ipaddress.ip_network(text, strict=False))
        except ValueError:
            continue  # not an address: Kong would have refused it, and it denies nobody
    return found


def _not_covered(these: Iterable[Network], by: Iterable[Network]) -> list[str]:
    """Ranges of `these` that are not wholly within `by`, as text."""
    held = list(by)
    v4 = list(ipaddress.collapse_addresses(n for n in held if isinstance(n, ipaddress.IPv4Network)))
    v6 = list(ipaddress.collapse_addresses(n for n in held if isinstance(n, ipaddress.IPv6Network)))

    def is_covered(network: Network) -> bool:
        if isinstance(network, ipaddress.IPv4Network):
            return any(network.subnet_of(n) for n in v4)
        return any(network.subnet_of(n) for n in v6)

    return [str(network) for network in these if not is_covered(network)]


# ---- credentials, authentication, TLS


def _credentials(change: Change, names: Names) -> Iterator[Flag]:
    if change.entity_type in CREDENTIALS and change.operation == Operation.CREATE:
        text = f"{subject_of(change, names)} added"
        yield Flag(risk=Risk.CREDENTIAL_ADDED, sentence=text, technique=ACCOUNT)


def _authentication(change: Change, names: Names) -> Iterator[Flag]:
    if plugin_name(change) not in AUTHENTICATION or change.operation != Operation.UPDATE:
        return
    what, old, new = subject_of(change, names), _config(change.before), _config(change.after)
    if not old.get("anonymous") and new.get("anonymous"):
        text = f"{what} now lets requests without a credential in, as an anonymous consumer"
        yield Flag(risk=Risk.AUTHENTICATION_WEAKENED, sentence=text, technique=IMPAIR)
    if old.get("run_on_preflight") is True and new.get("run_on_preflight") is False:
        text = f"{what} no longer asks preflight (OPTIONS) requests for a credential"
        yield Flag(risk=Risk.AUTHENTICATION_WEAKENED, sentence=text, technique=IMPAIR)


def _tls(change: Change, names: Names) -> Iterator[Flag]:
    before, after = change.before or {}, change.after or {}
    what = subject_of(change, names)
    if change.entity_type == "services" and before.get("tls_verify") is True and not after.get("tls_verify"):
        if change.operation == Operation.UPDATE:
            text = f"{what} no longer verifies its upstream's certificate"
            yield Flag(risk=Risk.TLS_WEAKENED, sentence=text, technique=IMPAIR)
    elif change.entity_type == "routes" and change.operation == Operation.UPDATE:
        had, has = set(_texts(before.get("protocols"))), set(_texts(after.get("protocols")))
        if had and "http" in has - had:
            text = f"{what} now takes plain HTTP"
            yield Flag(risk=Risk.TLS_WEAKENED, sentence=text, technique=IMPAIR)


def _moved(change: Change, names: Names) -> Iterator[Flag]:
    """A defending plugin that was given a narrower or another place."""
    name = plugin_name(change)
    if name not in AUTHENTICATION | LIMITERS | RESTRICTIONS or not (change.before and change.after):
        return
    fields = ("route", "service", "consumer", "consumer_group")
    old = tuple(reference(change.before, field) for field in fields)
    new = tuple(reference(change.after, field) for field in fields)
    if old != new and any(now is not None and now != was for was, now in zip(old, new, strict=True)):
        text = f"{name} moved: it applied {place_of(change.before, names)}"
        yield Flag(
            risk=Risk.PLUGIN_REMOVED,
            sentence=f"{text}, now {place_of(change.after, names)}",
            technique=IMPAIR,
        )


def _config(entity: Mapping[str, Any] | None) -> Mapping[str, Any]:
    config = (entity or {}).get("config")
    return config if isinstance(config, Mapping) else {}


def _texts(values: Any) -> list[str]:
    return [v for v in values if isinstance(v, str)] if isinstance(values, list) else []


def _listed(values: list[str], most: int = 4) -> str:
    more = f" and {len(values) - most} more" if len(values) > most else ""
    return ", ".join(values[:most]) + more


_RULES: tuple[Callable[[Change, Names], Iterator[Flag]], ...] = (
    _gone,
    _limits,
    _restrictions,
    _authentication,
    _tls,
    _moved,
    _credentials,
)
