"""Addresses into networks, and the rests of networks, which are no addresses."""

from __future__ import annotations

import pytest

from domain.detectors.networks import is_rest, provider_of, site_of


@pytest.mark.parametrize(
    ("address", "site", "provider", "rest"),
    [
        ("203.0.113.7", "203.0.113.0/24", "203.0.0.0/16", False),
        ("203.0.113.0/24", "203.0.113.0/24", "203.0.0.0/16", True),
        ("2001:db8:1:2::7", "2001:db8:1:2::/64", "2001:db8::/32", False),
        ("2001:db8:1:2::/64", "2001:db8:1:2::/64", "2001:db8::/32", True),
        ("unix:", "unix:", "unix:", False),
    ],
)
def test_an_address_and_the_rest_of_its_network_have_the_same_site_and_provider(
    address: str, site: str, provider: str, *, rest: bool
) -> None:
    assert (site_of(address), provider_of(address), is_rest(address)) == (site, provider, rest)
