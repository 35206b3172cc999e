"""Who else a block would hit: consumers, services, and good traffic of the last 24 hours.

A block of a shared address stops everybody behind it. That is said before it is asked for, with numbers, and
with a narrower choice where one would stop most of what is wanted.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from domain.egress import Behind, Egress, EgressHint, judge_egress
from domain.filters import OTHER_TOKEN, UNKNOWN_TOKEN
from domain.windows import DAY_MS

LOOK_BACK_MS = DAY_MS
MANY_CONSUMERS = 2
"""From this many consumers on, an address is not one client."""
NARROW_SHARE = 0.95
"""A narrower choice is offered when it covers at least this much of the refusals."""


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """One consumer, service or route behind what is to be blocked."""

    token: str
    label: str
    requests: int | None
    """None where no log tells about traffic."""
    violations: int
    unauthorized: int = 0

    @property
    def good(self) -> int | None:
        """Requests that nothing refused: neither a limit nor a missing key."""
        if self.requests is None:
            return None
        return max(0, self.requests - self.violations - self.unauthorized)


class Radius(msgspec.Struct, frozen=True, kw_only=True):
    """What a block would have hit in the last 24 hours."""

    requests: int | None
    good: int | None
    """None is unknown, not none."""
    all_good: int | None
    """Good requests of everybody, within the same scope."""
    violations: int
    consumers: tuple[Counted, ...]
    """Named ones, most good requests first."""
    innocent: int
    """Of those, with no refusal at all."""
    services: tuple[Counted, ...]
    hint: EgressHint | None
    """What an address most likely is; None for a consumer."""
    at_least: bool = False

    @property
    def share_of_good(self) -> float | None:
        """Of all good traffic, how much the block would stop; None when unknown."""
        if self.good is None or not self.all_good:
            return None
        return self.good / self.all_good

    @property
    def hits_many(self) -> bool:
        """Whether it would hit more than the one who is meant."""
        return len(self.consumers) >= MANY_CONSUMERS


def measure(
    subject: str | None,
    consumers: Sequence[Counted],
    services: Sequence[Counted],
    all_good: int | None,
    *,
    at_least: bool = False,
) -> Radius:
    """Put numbers together.

    Args:
        subject: The address or range; None when a consumer is to be blocked.
        consumers: Everyone behind it, the anonymous ones under `~none`.
        services: What they call.
        all_good: Good requests of everybody in the same scope; None where no log tells about traffic.
        at_least: Something is known to be missing from the numbers.
    """
    known = [c.requests for c in consumers]
    requests = None if any(n is None for n in known) else sum(n or 0 for n in known)
    named = [c for c in consumers if c.token not in (UNKNOWN_TOKEN, OTHER_TOKEN)]
    good = None if requests is None else sum(c.good or 0 for c in consumers)
    behind = [
        Behind(token=c.token, requests=c.requests, violations=c.violations, unauthorized=c.unauthorized)
        for c in consumers
    ]
    return Radius(
        requests=requests,
        good=good,
        all_good=all_good,
        violations=sum(c.violations for c in consumers),
        consumers=tuple(sorted(named, key=lambda c: (-(c.good or 0), c.label))),
        innocent=sum(1 for c in named if not c.violations and not c.unauthorized),
        services=tuple(sorted(services, key=lambda c: (-(c.requests or 0), c.label))),
        hint=None if subject is None else judge_egress(subject, behind),
        at_least=at_least,
    )


def sentences(radius: Radius, shown: str) -> tuple[str, ...]:
    """What a block would hit, in words, gravest first. Names are hostile text: escape where shown.

    Args:
        radius: The numbers.
        shown: What is to be blocked, as people call it.
    """
    found = []
    prefix = "at least " if radius.at_least else ""
    if radius.hint is not None and radius.hits_many:
        n = len(radius.consumers)
        text = f"{prefix}{n} consumers come from {shown}; {radius.innocent} of them were never refused"
        found.append(f"{text} in the last 24 hours: {_listed([c.label for c in radius.consumers])}")
    if radius.hint is not None and radius.hint.egress in {Egress.PROXY, Egress.OWN_NETWORK, Egress.SHARED}:
        found.append(
            _WHAT_IT_IS[radius.hint.egress].format(network=radius.hint.network or "a shared network")
        )
    if radius.requests is None:
        found.append("how much good traffic comes from there is unknown: no log tells about requests")
    elif not radius.requests:
        found.append(f"no request of {shown} was seen in the last 24 hours")
    else:
        share = radius.share_of_good
        part = "" if share is None else f" ({100 * share:.1f} % of all good traffic)"
        found.append(
            f"it would have stopped {prefix}{radius.requests:,} requests in the last 24 hours:"
            f" {radius.good:,} good ones{part}, {radius.violations:,} that limits refused"
        )
    if radius.services:
        found.append(f"calls {_listed([s.label for s in radius.services])}")
    return tuple(found)


_WHAT_IT_IS = {
    Egress.PROXY: "it is an address of {network}: Kong most likely sees its proxy instead of clients",
    Egress.OWN_NETWORK: "it is in {network}: Kong most likely sees a proxy of your own instead of clients",
    Egress.SHARED: "many well-behaved consumers share it, as an office or a carrier does",
}


def narrower(radius: Radius) -> Counted | None:
    """A consumer who alone makes nearly all refusals behind an address: blocking them hits nobody else."""
    if not radius.hits_many or not radius.violations:
        return None
    worst = max(radius.consumers, key=lambda c: c.violations)
    return worst if worst.violations >= NARROW_SHARE * radius.violations else None


def _listed(names: Sequence[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
