"""One client or many: what may be said of an address."""

from __future__ import annotations

import pytest

from domain.egress import Behind, Egress, judge_egress, network_of, private_network, range_of
from domain.filters import UNKNOWN_TOKEN


def one(token: str, requests: int | None, violations: int = 0, unauthorized: int = 0) -> Behind:
    return Behind(token=token, requests=requests, violations=violations, unauthorized=unauthorized)


CROWD = [one(f"c{i}", 100, 2) for i in range(8)]


@pytest.mark.parametrize(
    ("ip", "behind", "egress"),
    [
        pytest.param("10.1.2.3", CROWD, Egress.OWN_NETWORK, id="our own load balancer"),
        pytest.param("fd00::1", CROWD, Egress.OWN_NETWORK, id="a unique local address"),
        pytest.param("100.64.9.9", CROWD, Egress.OWN_NETWORK, id="a carrier's shared range"),
        pytest.param("10.1.2.3", CROWD[:1], Egress.SINGLE, id="a client in our own network"),
        pytest.param("104.16.1.1", CROWD, Egress.PROXY, id="a known proxy"),
        pytest.param("2606:4700::1", [], Egress.PROXY, id="a known proxy, IPv6"),
        pytest.param("203.0.113.7", CROWD, Egress.SHARED, id="many, all well-behaved"),
        pytest.param(
            "203.0.113.7",
            [one(f"c{i}", 100, 60) for i in range(8)],
            Egress.MIXED,
            id="many, and most of them refused",
        ),
        pytest.param(
            "203.0.113.7",
            [one(UNKNOWN_TOKEN, 246, 0, 171), one("a", 3)],
            Egress.GUESSING,
            id="mostly wrong keys",
        ),
        pytest.param("203.0.113.7", [one("a", 500, 400)], Egress.SINGLE, id="one consumer"),
        pytest.param(
            "203.0.113.7",
            [one("a", 500), one("b", 9), one("c", 2)],
            Egress.SINGLE,
            id="one of three dominates",
        ),
        pytest.param("203.0.113.7", [one("a", 50), one("b", 50)], Egress.UNKNOWN, id="two alike say nothing"),
        pytest.param("203.0.113.7", [], Egress.UNKNOWN, id="nobody"),
        pytest.param(
            "203.0.113.7",
            [one(f"c{i}", None, 3) for i in range(6)],
            Egress.MIXED,
            id="without a log of traffic nobody can be called well-behaved",
        ),
        pytest.param("<script>", CROWD, Egress.SHARED, id="no address at all is judged by who is behind it"),
        pytest.param("10.0.0.0/16", CROWD, Egress.OWN_NETWORK, id="a range inside a private one"),
        pytest.param("0.0.0.0/0", [], Egress.UNKNOWN, id="everything is nobody's range"),
    ],
)
def test_an_address_is_judged_by_its_range_and_by_who_is_behind_it(
    ip: str, behind: list[Behind], egress: Egress
) -> None:
    assert judge_egress(ip, behind).egress == egress


def test_the_reasons_are_given_in_numbers() -> None:
    hint = judge_egress("203.0.113.7", [*CROWD, one(UNKNOWN_TOKEN, 200, 0, 100)])

    assert (hint.consumers, hint.steady, hint.requests) == (8, 8, 1000)
    assert hint.unauthorized_ratio == pytest.approx(0.1)
    assert hint.dominant is None


@pytest.mark.parametrize(
    ("ip", "words"),
    [
        ("192.168.1.1", "a private network (RFC 1918)"),
        ("127.0.0.1", "this machine itself"),
        ("203.0.113.7", ""),
        ("2001:db8::1", ""),
    ],
)
def test_a_range_for_private_use_is_named(ip: str, words: str) -> None:
    """Ranges for documentation are public to us: no gateway sees them but in examples."""
    assert private_network(ip) == words


def test_who_dominates_is_named() -> None:
    assert judge_egress("203.0.113.7", [one("a", 70), one("b", 30)]).dominant == "a"


@pytest.mark.parametrize(
    ("ip", "network"),
    [
        ("203.0.113.7", "203.0.113.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("localhost", None),
        ("203.0.113.0/24", None),
    ],
)
def test_the_neighbourhood_of_an_address(ip: str, network: str | None) -> None:
    assert network_of(ip) == network


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("203.0.113.7/24", "203.0.113.0/24"),
        (" 2001:DB8::1/48 ", "2001:db8::/48"),
        ("203.0.113.7", None),
        ("a/b", None),
    ],
)
def test_a_range_is_read_in_its_plain_form(text: str, found: str | None) -> None:
    assert range_of(text) == found
