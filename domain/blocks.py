"""Blocks: whom to turn away, where, for how long, and who may never be.

A block is for a time, with a reason, and ends by itself. Allow lists, never-block lists, the addresses that
the Admin API is called from, and private addresses always win: attackers can forge where they come from to
make us block ourselves.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from enum import StrEnum
from typing import Any

import msgspec

from domain.egress import private_network
from domain.proposals import same_name
from domain.windows import DAY_MS, HOUR_MS, MINUTE_MS

DEFAULT_MS = HOUR_MS
SHORTEST_MS = MINUTE_MS
LONGEST_MS = 7 * DAY_MS
"""No block is for ever: what must stay belongs into Kong's own configuration."""
MAX_PER_HOUR = 20
"""More blocks than this in an hour are no longer decisions of people."""
WIDEST_BITS = {4: 24, 6: 48}
"""The largest range that one block may turn away: a /24, or a /48 of IPv6 (one customer's usual share)."""
STATUS = 403
TAG = "gatewatch-block"
"""Marks the plugins that blocks made."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class SubjectType(StrEnum):
    """What is blocked."""

    ADDRESS = "address"
    RANGE = "range"
    CONSUMER = "consumer"


class BlockState(StrEnum):
    """Where a block is."""

    REQUESTED = "requested"
    """Waits for its plan, its approval, or to be sent."""
    ACTIVE = "active"
    EXPIRED = "expired"
    """Undone by itself when its time was over."""
    LIFTED = "lifted"
    """Undone before its time."""
    FAILED = "failed"
    REFUSED = "refused"
    """Not planned, not approved, or not sent in time."""
    DRY_RUN = "dry run"
    """Nothing is sent: it counts what it would have refused."""
    DRY_RUN_ENDED = "dry run ended"


ON = frozenset([BlockState.ACTIVE, BlockState.DRY_RUN])


class BlockScope(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a block holds; everywhere when neither is given."""

    service_id: str | None = None
    service: str | None = None
    """Its name, for people."""
    route_id: str | None = None
    route: str | None = None

    @property
    def is_everywhere(self) -> bool:
        """Whether it holds for all requests."""
        return self.service_id is None and self.route_id is None


class Touched(msgspec.Struct, frozen=True, kw_only=True):
    """A plugin that carries a block."""

    plugin_id: str
    added: tuple[str, ...] = ()
    """Addresses that were put into its deny list and were not there before."""
    is_ours: bool = False
    """The block made it."""
    carried: tuple[str, ...] = ()
    """Of a plugin that the block made: what it took over from the one that it goes before."""


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """One block as it is stored."""

    block_id: str
    state: str
    subject_type: str
    subject: str
    """An address or range in its plain form, or a consumer's id."""
    label: str
    """What people call it."""
    scope: BlockScope
    reason: str
    asked_by: str
    asked_ms: int
    duration_ms: int
    is_dry_run: bool = False
    private_allowed: bool = False
    """A private address was asked for expressly."""
    proposal_id: str | None = None
    applied_ms: int | None = None
    expires_ms: int | None = None
    touched: tuple[Touched, ...] = ()
    ended_ms: int | None = None
    ended_why: str | None = None
    lift_id: str | None = None

    def is_on(self, at_ms: int) -> bool:
        """Whether it was turning the subject away at an instant."""
        return self.applied_ms is not None and self.applied_ms <= at_ms < (self.ended_ms or at_ms + 1)


class Protected(msgspec.Struct, frozen=True, kw_only=True):
    """What is never blocked."""

    subject_type: str
    """`range` also stands for single addresses; `consumer`."""
    subject: str
    note: str
    """Why; shown to whoever wanted to block it."""
    expires_ms: int | None = None


def parse_subject(text: str) -> tuple[SubjectType, str]:
    """An address or a range in its plain form; anything else is taken for a consumer's name or id.

    IPv4 addresses written within IPv6 (`::ffff:203.0.113.7`) become IPv4: Kong matches them as such.

    Raises:
        ValueError: It is empty, or is a range that is too wide.
    """
    stripped = text.strip()
    if not stripped:
        raise ValueError(
            "nothing to block: expected an address, a range such as 203.0.113.0/24, or a consumer"
        )
    try:
        network = ipaddress.ip_network(stripped, strict=False)
    except ValueError:
        return SubjectType.CONSUMER, stripped
    network = _without_mapping(network)
    if network.num_addresses == 1:
        return SubjectType.ADDRESS, str(network.network_address)
    if network.prefixlen < WIDEST_BITS[network.version]:
        widest = WIDEST_BITS[network.version]
        raise ValueError(f"{network} is too wide: the widest range that can be blocked is a /{widest}")
    return SubjectType.RANGE, str(network)


def _without_mapping(network: Network) -> Network:
    if isinstance(network, ipaddress.IPv6Network) and network.prefixlen >= 96:  # noqa: PLR2004 - ::ffff:0:0/96
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return ipaddress.ip_network((mapped, network.prefixlen - 96))
    return network


def _is_within(inner: Network, outer: Network) -> bool:
    if isinstance(inner, ipaddress.IPv4Network) and isinstance(outer, ipaddress.IPv4Network):
        return inner.subnet_of(outer)
    if isinstance(inner, ipaddress.IPv6Network) and isinstance(outer, ipaddress.IPv6Network):
        return inner.subnet_of(outer)
    return False


def refusal(
    subject_type: str,
    subject: str,
    *,
    protected: Iterable[Protected],
    now_ms: int,
    label: str = "",
    private_allowed: bool = False,
) -> str | None:
    """Why a subject may not be blocked, in words; None when it may.

    Args:
        subject_type: One of `SubjectType`.
        subject: As `parse_subject` gives it; for a consumer its id.
        protected: Everything that is never blocked: settings, lists, callers of the Admin API.
        now_ms: Entries that have expired protect nobody.
        label: A consumer's name, which lists may use instead of the id.
        private_allowed: The person asked to block a private address all the same.
    """
    shown = subject if subject_type != SubjectType.CONSUMER else label or subject
    for entry in protected:
        is_over = entry.expires_ms is not None and now_ms >= entry.expires_ms
        if not is_over and _is_met(entry, subject_type, subject, label):
            return f"{shown} is never blocked: {entry.note}"
    if subject_type == SubjectType.CONSUMER:
        return None
    network = ipaddress.ip_network(subject)
    if network.is_loopback or network.is_unspecified or network.is_multicast or network.is_link_local:
        return f"{subject} is an address that no client on another computer has"
    private = private_network(subject)
    if private and not private_allowed:
        return f"{subject} is of {private}: behind it may be a proxy of your own, and everybody with it"
    return None


def _is_met(entry: Protected, subject_type: str, subject: str, label: str) -> bool:
    if (entry.subject_type == SubjectType.CONSUMER) != (subject_type == SubjectType.CONSUMER):
        return False
    if subject_type == SubjectType.CONSUMER:
        return same_name(entry.subject) in {same_name(subject), same_name(label)} - {""}
    return overlap(entry.subject, subject)


def overlap(one: str, other: str) -> bool:
    """Whether two addresses or ranges have an address in common; False for what is neither."""
    try:
        a, b = (_without_mapping(ipaddress.ip_network(text, strict=False)) for text in (one, other))
    except ValueError:
        return False
    return a.version == b.version and a.overlaps(b)


def check_duration(duration_ms: int) -> None:
    """Refuse a block that is too short or too long.

    Raises:
        ValueError: With what is allowed.
    """
    if not SHORTEST_MS <= duration_ms <= LONGEST_MS:
        raise ValueError(
            f"a block lasts from one minute to seven days, found {duration_ms / MINUTE_MS:g} minutes"
        )


def never_blocked(addresses: Iterable[str]) -> list[Protected]:
    """The setting `never_block` as entries.

    Raises:
        ValueError: One is no address and no range.
    """
    found = []
    for text in addresses:
        try:
            network = ipaddress.ip_network(text, strict=False)
        except ValueError as error:
            raise ValueError(f"never_block: {text!r} is no address and no range") from error
        found.append(
            Protected(
                subject_type=SubjectType.RANGE, subject=str(network), note="the setting never_block names it"
            )
        )
    return found


# ---- whether it works


class Working(StrEnum):
    """What is seen of a block that was applied."""

    UNTESTED = "no request since"
    SEEN = "seen working"
    LEAKING = "not working"
    UNKNOWN = "unknown"


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """Requests of the blocked subject, within its scope, since the block was applied."""

    refused: int
    """Answered 4xx by status; a block answers 403."""
    passed: int
    """Answered otherwise."""
    is_known: bool = True
    """False where no log tells about traffic."""


SETTLE_MS = 10_000
"""Nodes learn of a change within seconds (`db_update_frequency` is 5 s); before that nothing is judged."""


def judge_working(seen: Seen) -> Working:
    """Whether a block is seen to work: from requests after every node had time to learn of it."""
    if not seen.is_known:
        return Working.UNKNOWN
    if seen.passed:
        return Working.LEAKING
    return Working.SEEN if seen.refused else Working.UNTESTED


def scope_of_json(value: Any) -> BlockScope:
    """A scope as it is stored."""
    return msgspec.convert(value, BlockScope)


class Blocked:
    """Everybody who is turned away at an instant: what is refused to them is of our own making.

    Asked as `"203.0.113.7" in blocked` or `consumer_id in blocked`.
    """

    __slots__ = ("_ranges", "_subjects")

    def __init__(self, blocks: Iterable[Block], at_ms: int) -> None:
        on = [b for b in blocks if not b.is_dry_run and b.is_on(at_ms)]
        self._subjects = {b.subject for b in on}
        self._ranges = [
            _without_mapping(ipaddress.ip_network(b.subject))
            for b in on
            if b.subject_type == SubjectType.RANGE
        ]

    def __contains__(self, subject: object) -> bool:
        """Whether an address, a range or a consumer's id is blocked."""
        if subject in self._subjects:
            return True
        try:
            asked = _without_mapping(ipaddress.ip_network(str(subject))) if self._ranges else None
        except ValueError:
            return False
        return asked is not None and any(_is_within(asked, held) for held in self._ranges)

    def __bool__(self) -> bool:
        """Whether anybody is."""
        return bool(self._subjects)
