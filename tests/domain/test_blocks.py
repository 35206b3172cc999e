from __future__ import annotations

from typing import Any

import pytest

from domain.blast_radius import Counted, Radius, measure, narrower, sentences
from domain.blocks import (
    Block,
    Blocked,
    BlockScope,
    Protected,
    Seen,
    SubjectType,
    Working,
    check_duration,
    judge_working,
    never_blocked,
    overlap,
    parse_subject,
    refusal,
)

NOW = 1_795_384_800_000


def protected(subject: str, note: str = "n", **more: Any) -> Protected:
    kind = SubjectType.RANGE if any(c in subject for c in ".:") else SubjectType.CONSUMER
    return Protected(subject_type=kind, subject=subject, note=note, **more)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("203.0.113.7", (SubjectType.ADDRESS, "203.0.113.7")),
        (" 203.0.113.7/32 ", (SubjectType.ADDRESS, "203.0.113.7")),
        ("203.0.113.9/24", (SubjectType.RANGE, "203.0.113.0/24")),
        ("2001:DB8::1", (SubjectType.ADDRESS, "2001:db8::1")),
        ("2001:db8:bad:1::/64", (SubjectType.RANGE, "2001:db8:bad:1::/64")),
        ("::ffff:203.0.113.7", (SubjectType.ADDRESS, "203.0.113.7")),
        ("acme-mobile", (SubjectType.CONSUMER, "acme-mobile")),
        ("0x7f.1", (SubjectType.CONSUMER, "0x7f.1")),
        ("2130706433", (SubjectType.CONSUMER, "2130706433")),
    ],
)
def test_a_subject_is_read_in_its_plain_form(text: str, expected: tuple[SubjectType, str]) -> None:
    assert parse_subject(text) == expected


@pytest.mark.parametrize("text", ["203.0.0.0/23", "0.0.0.0/0", "::/0", "2001:db8::/47", ""])
def test_a_range_that_is_too_wide_and_nothing_at_all_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"too wide|nothing to block"):
        parse_subject(text)


REFUSED: list[tuple[str, str, str, list[Protected], str]] = [
    ("on the list", "address", "203.0.113.7", [protected("203.0.113.0/24", "our partner")], "our partner"),
    ("a range that holds one on the list", "range", "203.0.113.0/24", [protected("203.0.113.7", "lb")], "lb"),
    ("IPv4 within IPv6 on the list", "address", "203.0.113.7", [protected("::ffff:203.0.113.7", "lb")], "lb"),
    ("a consumer by name", "consumer", "c1", [protected("Acme", "pays us")], "pays us"),
    ("a consumer by id", "consumer", "c1", [protected("c1", "pays us")], "pays us"),
    ("private", "address", "10.1.2.3", [], "private network"),
    ("carrier", "address", "100.64.0.9", [], "carrier"),
    ("this machine", "address", "127.0.0.1", [], "no client on another computer"),
    ("multicast", "address", "224.0.0.1", [], "no client on another computer"),
]


@pytest.mark.parametrize(("label", "kind", "subject", "lists", "words"), REFUSED, ids=[r[0] for r in REFUSED])
def test_those_who_are_never_blocked(
    label: str, kind: str, subject: str, lists: list[Protected], words: str
) -> None:
    why = refusal(kind, subject, protected=lists, now_ms=NOW, label="acme")

    assert why is not None, label
    assert words in why


def test_private_addresses_may_be_blocked_when_asked_and_listed_ones_never() -> None:
    assert refusal("address", "10.1.2.3", protected=[], now_ms=NOW, private_allowed=True) is None
    listed = [protected("10.0.0.0/8", "the load balancers")]
    assert refusal("address", "10.1.2.3", protected=listed, now_ms=NOW, private_allowed=True)


def test_an_expired_entry_protects_nobody() -> None:
    entry = protected("203.0.113.7", expires_ms=NOW)

    assert refusal("address", "203.0.113.7", protected=[entry], now_ms=NOW - 1)
    assert refusal("address", "203.0.113.7", protected=[entry], now_ms=NOW) is None


def test_an_entry_for_a_consumer_protects_no_address_and_the_other_way_round() -> None:
    assert refusal("address", "203.0.113.7", protected=[protected("acme")], now_ms=NOW) is None
    assert refusal("consumer", "c1", protected=[protected("203.0.113.7")], now_ms=NOW) is None


def test_the_setting_is_read_and_a_mistake_in_it_is_named() -> None:
    [entry] = never_blocked(["203.0.113.7"])

    assert entry.subject == "203.0.113.7/32"
    with pytest.raises(ValueError, match=r"'example\.org' is no address"):
        never_blocked(["example.org"])


@pytest.mark.parametrize("minutes", [0, 0.5, 7 * 24 * 60 + 1])
def test_a_block_is_never_for_ever(minutes: float) -> None:
    with pytest.raises(ValueError, match="one minute to seven days"):
        check_duration(int(minutes * 60_000))


def test_addresses_of_two_families_do_not_overlap() -> None:
    assert not overlap("203.0.113.7", "2001:db8::1")
    assert not overlap("nonsense", "203.0.113.7")


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (Seen(refused=0, passed=0), Working.UNTESTED),
        (Seen(refused=9, passed=0), Working.SEEN),
        (Seen(refused=9, passed=1), Working.LEAKING),
        (Seen(refused=0, passed=0, is_known=False), Working.UNKNOWN),
    ],
)
def test_a_block_works_when_requests_are_seen_to_be_refused(seen: Seen, expected: Working) -> None:
    assert judge_working(seen) is expected


def block(**given: Any) -> Block:
    fields: dict[str, Any] = {
        "block_id": "b", "state": "active", "subject_type": "address", "subject": "203.0.113.7", "label": "x",
        "scope": BlockScope(), "reason": "r", "asked_by": "ana", "asked_ms": NOW, "duration_ms": 60_000,
        "applied_ms": NOW,
    }  # fmt: skip
    return Block(**{**fields, **given})


def test_refusals_of_our_own_making_are_told_apart_by_subject_and_time() -> None:
    blocks = [
        block(ended_ms=NOW + 60_000),
        block(subject_type="consumer", subject="c1"),
        block(subject="192.0.2.0/28", subject_type="range"),
        block(subject="198.51.100.0/24", subject_type="range", is_dry_run=True),
    ]
    before, during, later = (Blocked(blocks, NOW + ms) for ms in (-1, 1, 60_000))

    assert [bool(b) for b in (before, during, later)] == [False, True, True]
    assert [("203.0.113.7" in b) for b in (before, during, later)] == [False, True, False]
    assert "c1" in during
    assert "192.0.2.9" in during
    assert "192.0.2.0/24" not in during, "most of it is not"
    assert "192.0.2.99" not in during
    assert "198.51.100.9" not in during, "a dry run blocks nobody"


# ---- blast radius


def counted(label: str, requests: int | None, violations: int = 0, unauthorized: int = 0) -> Counted:
    return Counted(
        token=label, label=label, requests=requests, violations=violations, unauthorized=unauthorized
    )


def radius(*consumers: Counted, subject: str | None = "198.51.100.10", all_good: int | None = 1000) -> Radius:
    return measure(subject, consumers, [counted("orders", 9)], all_good)


def test_a_shared_address_warns_with_the_consumers_behind_it() -> None:
    found = radius(*[counted(f"c{n}", 100, 1 if n < 3 else 0) for n in range(20)])

    told = sentences(found, "198.51.100.10")

    assert told[0].startswith("20 consumers come from 198.51.100.10; 17 of them were never refused")
    assert "many well-behaved consumers share it" in told[1]
    assert "2,000 requests" in told[2]
    assert found.share_of_good == pytest.approx(1.997)


def test_one_client_has_no_warning_of_others() -> None:
    told = sentences(radius(counted("acme", 500, 480)), "203.0.113.7")

    assert told[0] == (
        "it would have stopped 500 requests in the last 24 hours: 20 good ones (2.0 % of all good traffic),"
        " 480 that limits refused"
    )


def test_unknown_traffic_is_said_to_be_unknown() -> None:
    found = radius(counted("acme", None, 480))

    assert found.good is None
    assert found.share_of_good is None
    assert "unknown" in " ".join(sentences(found, "203.0.113.7"))


def test_a_narrower_choice_is_offered_where_one_consumer_makes_the_refusals() -> None:
    found = radius(counted("bad", 500, 480), counted("good", 900, 0), counted("fine", 10, 1))

    best = narrower(found)

    assert best is not None
    assert best.label == "bad"
    assert narrower(radius(counted("a", 9, 5), counted("b", 9, 5))) is None


def test_nobody_there_is_said_so() -> None:
    assert "no request of 203.0.113.7 was seen" in sentences(radius(), "203.0.113.7")[0]
