"""Addresses into networks: who is a neighbour of whom. No look-ups, only the digits.

Where there are too many addresses to tell apart, the store counts the rest of a /24 or /64 under the name of
the network: such a rest is somebody, from somewhere, but nobody's address.

An address says little: a phone changes it, an attacker rents a hundred. Without an AS register the network is
the best stand-in: /24 and /64 are about one site, /16 and /32 about one provider.
"""

from __future__ import annotations

import ipaddress
import re

_V4 = 4


def site_of(address: str) -> str:
    """The /24 or /64 of an address; the text itself when it is no address."""
    found = _IPV4.fullmatch(address)
    if found is not None:
        return f"{found[1]}.0/24"
    return _network(address, 24, 64)


def provider_of(address: str) -> str:
    """The /16 or /32 of an address: a stand-in for its provider."""
    found = _IPV4.fullmatch(address)
    if found is not None:
        return f"{found[2]}.0.0/16"
    return _network(address, 16, 32)


_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = re.compile(rf"(({_OCTET}\.{_OCTET})\.{_OCTET})\.{_OCTET}")
"""Nine of ten addresses, a tenth of the time that `ipaddress` takes."""


def is_rest(address: str) -> bool:
    """Whether it stands for all addresses of a network that could not be told apart."""
    return "/" in address


def _network(address: str, bits4: int, bits6: int) -> str:
    try:
        ip = ipaddress.ip_address(address.partition("/")[0])
    except ValueError:
        return address
    if ip.version == _V4:
        kept = ip.packed[: bits4 // 8] + bytes(4 - bits4 // 8)
        return f"{ipaddress.IPv4Address(kept)}/{bits4}"
    kept = ip.packed[: bits6 // 8] + bytes(16 - bits6 // 8)
    return f"{ipaddress.IPv6Address(kept)}/{bits6}"
