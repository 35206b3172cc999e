"""Whether an address stands for one client or for many: what is known of the range, and who is behind it.

A limit by address, or a block, hits everyone behind a shared egress. Nothing here is sure but the reserved
ranges; every answer comes with its reasons, and says what to look at next.
"""

from __future__ import annotations

import dataclasses
import ipaddress
from collections.abc import Sequence
from enum import StrEnum

from domain.filters import OTHER_TOKEN, UNKNOWN_TOKEN

SHARED_CONSUMERS = 5
"""So many consumers from one address are seldom one client."""
STEADY_RATIO = 0.2
"""Behind a shared egress most consumers are well-behaved: refused no more often than this."""
STEADY_SHARE = 0.8
"""So large a part of the consumers has to be."""
DOMINANT_SHARE = 0.6
"""One consumer with more of the requests is who the address belongs to, whoever else was seen."""
GUESSING_RATIO = 0.5
"""More of the requests refused as 401 is no egress but somebody who tries keys."""
MIN_REQUESTS = 20

AddressOrNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


def _networks(text: str) -> tuple[AddressOrNetwork, ...]:
    return tuple(ipaddress.ip_network(part) for part in text.split())


OWN_NETWORKS: tuple[tuple[str, tuple[AddressOrNetwork, ...]], ...] = (
    ("this machine itself", _networks("127.0.0.0/8 ::1/128")),
    ("a private network (RFC 1918)", _networks("10.0.0.0/8 172.16.0.0/12 192.168.0.0/16")),
    ("a private network (RFC 4193)", _networks("fc00::/7")),
    ("a link-local address", _networks("169.254.0.0/16 fe80::/10")),
    ("a carrier's shared address (RFC 6598)", _networks("100.64.0.0/10")),
)
"""Ranges that no client on the internet has; IANA's special-purpose registries."""
PROXY_NETWORKS: tuple[tuple[str, tuple[AddressOrNetwork, ...]], ...] = (
    (
        "Cloudflare",
        _networks(
            "173.245.48.0/20 103.21.244.0/22 103.22.200.0/22 103.31.4.0/22 141.101.64.0/18 108.162.192.0/18"
            " 190.93.240.0/20 188.114.96.0/20 197.234.240.0/22 198.41.128.0/17 162.158.0.0/15 104.16.0.0/13"
            " 104.24.0.0/14 172.64.0.0/13 131.0.72.0/22 2400:cb00::/32 2606:4700::/32 2803:f800::/32"
            " 2405:b500::/32 2405:8100::/32 2a06:98c0::/29 2c0f:f248::/32"
        ),
    ),
    (
        "Fastly",
        _networks(
            "23.235.32.0/20 43.249.72.0/22 103.244.50.0/24 103.245.222.0/23 103.245.224.0/24 104.156.80.0/20"
            " 140.248.64.0/18 140.248.128.0/17 146.75.0.0/17 151.101.0.0/16 157.52.64.0/18 167.82.0.0/17"
            " 167.82.128.0/20 167.82.160.0/20 167.82.224.0/20 172.111.64.0/18 185.31.16.0/22 199.27.72.0/21"
            " 199.232.0.0/16 2a04:4e40::/32 2a04:4e42::/32"
        ),
    ),
)
"""Their published lists (www.cloudflare.com/ips, api.fastly.com/public-ip-list); they change seldom."""


class Egress(StrEnum):
    """What an address most likely is."""

    OWN_NETWORK = "own-network"
    """Many consumers from a private address: most likely the gateway saw a proxy of ours instead of them."""
    PROXY = "proxy"
    """A known proxy's: the same, unless its customers really call from there."""
    SHARED = "shared"
    """Many well-behaved consumers: an office, a carrier, a cloud's NAT."""
    GUESSING = "guessing"
    """Many consumers, or none, and mostly wrong keys."""
    MIXED = "mixed"
    """Many consumers and many refusals: look before you block."""
    SINGLE = "single"
    """One consumer makes nearly all of it."""
    UNKNOWN = "unknown"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Behind:
    """One consumer as seen from one address."""

    token: str
    requests: int | None
    """None where no log tells about traffic."""
    violations: int
    unauthorized: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class EgressHint:
    """What an address most likely is, and why."""

    egress: Egress
    consumers: int
    """Named ones that were seen behind it."""
    steady: int
    """Of those, refused seldom."""
    requests: int
    unauthorized_ratio: float
    dominant: str | None
    """Token of the consumer that makes most of the requests, where one does."""
    network: str = ""
    """Whose range it is, where that is known."""


def network_of(ip: str) -> str | None:
    """The neighbourhood of an address: its /24, or its /64 where it is IPv6; None for what is no address."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return None
    bits = 24 if address.version == 4 else 64  # noqa: PLR2004 - IP version
    return str(ipaddress.ip_network((address, bits), strict=False))


def range_of(text: str) -> str | None:
    """A range of addresses in its plain form, `203.0.113.0/24`; None for one address or anything else."""
    if "/" not in text:
        return None
    try:
        return str(ipaddress.ip_network(text.strip(), strict=False))
    except ValueError:
        return None


def judge_egress(ip: str, behind: Sequence[Behind]) -> EgressHint:
    """What an address, or a range, most likely is.

    Args:
        ip: The address or range.
        behind: Everyone seen behind it, the anonymous ones under `~none`.
    """
    named = [one for one in behind if one.token not in (UNKNOWN_TOKEN, OTHER_TOKEN)]
    requests = sum(_weight(one) for one in behind)
    unauthorized = sum(one.unauthorized for one in behind)
    largest = max(named, key=_weight, default=None)
    is_dominant = largest is not None and requests > 0 and _weight(largest) > DOMINANT_SHARE * requests
    reserved, proxy = private_network(ip), _owner(ip, PROXY_NETWORKS)
    hint = EgressHint(
        egress=Egress.UNKNOWN,
        consumers=len(named),
        steady=sum(1 for one in named if _is_steady(one)),
        requests=requests,
        unauthorized_ratio=unauthorized / requests if requests else 0.0,
        dominant=largest.token if largest is not None and is_dominant else None,
        network=reserved or proxy,
    )
    return dataclasses.replace(hint, egress=_kind(hint, is_reserved=bool(reserved), is_proxy=bool(proxy)))


def private_network(ip: str) -> str:
    """What a range that no client on the internet has is for; empty for any other."""
    return _owner(ip, OWN_NETWORKS)


def _kind(hint: EgressHint, *, is_reserved: bool, is_proxy: bool) -> Egress:
    if is_proxy:
        return Egress.PROXY
    if is_reserved and hint.consumers >= SHARED_CONSUMERS:
        return Egress.OWN_NETWORK
    if hint.requests >= MIN_REQUESTS and hint.unauthorized_ratio > GUESSING_RATIO:
        return Egress.GUESSING
    if hint.consumers >= SHARED_CONSUMERS:
        is_steady = hint.steady >= STEADY_SHARE * hint.consumers
        return Egress.SHARED if is_steady else Egress.MIXED
    return Egress.SINGLE if hint.consumers == 1 or hint.dominant is not None else Egress.UNKNOWN


def _weight(one: Behind) -> int:
    """Requests; where no log tells about traffic, at least the violations were some."""
    return one.violations if one.requests is None else one.requests


def _is_steady(one: Behind) -> bool:
    return one.requests is not None and one.violations <= STEADY_RATIO * one.requests


def _owner(ip: str, owners: tuple[tuple[str, tuple[AddressOrNetwork, ...]], ...]) -> str:
    try:
        asked = ipaddress.ip_network(ip, strict=False)
    except ValueError:
        return ""
    for name, networks in owners:
        if any(asked.version == net.version and asked.subnet_of(net) for net in networks):  # type: ignore[arg-type]
            return name
    return ""
