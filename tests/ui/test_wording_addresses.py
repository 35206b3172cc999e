"""Sentences about an address."""

from __future__ import annotations

import pytest

from domain.egress import Egress, EgressHint
from ui import wording_addresses as words


def hint(egress: Egress, network: str = "", requests: int = 100) -> EgressHint:
    return EgressHint(
        egress=egress,
        consumers=8,
        steady=7,
        requests=requests,
        unauthorized_ratio=0.84,
        dominant=None,
        network=network,
    )


@pytest.mark.parametrize("egress", list(Egress))
def test_every_judgement_has_its_sentence_and_its_icon(egress: Egress) -> None:
    sentence = words.egress(hint(egress, network="Cloudflare" if egress == Egress.PROXY else ""), "acme")

    assert sentence.endswith(".")
    assert words.EGRESS_ICONS[egress].startswith(":material/")


def test_a_private_network_is_named_before_the_judgement() -> None:
    sentence = words.egress(hint(Egress.SINGLE, network="a private network (RFC 1918)"), "acme")

    assert sentence == (
        "In a private network (RFC 1918). Stands for one client: acme makes nearly all of its requests."
    )


def test_a_proxy_is_named_once() -> None:
    assert words.egress(hint(Egress.PROXY, network="Fastly"), "").count("Fastly") == 1


def test_nothing_seen_is_not_too_little_to_say() -> None:
    assert words.egress(hint(Egress.UNKNOWN, requests=0), "") == "Nothing was seen behind it in this span."
    assert "too little to say" in words.egress(hint(Egress.UNKNOWN), "")


@pytest.mark.parametrize(
    ("others", "refused", "violations", "expected"),
    [
        (0, 0, 0, "No other address of 192.0.2.0/24 was seen in this span."),
        (3, 0, 0, "3 other addresses of 192.0.2.0/24 seen, none refused."),
        (1, 1, 5, "1 other address of 192.0.2.0/24 seen, all refused: 5 violations together."),
        (3, 2, 1, "3 other addresses of 192.0.2.0/24 seen, 2 of them refused: 1 violation together."),
    ],
)
def test_neighbours_are_counted(others: int, refused: int, violations: int, expected: str) -> None:
    assert words.neighbours("192.0.2.0/24", others, refused, violations) == expected
