from __future__ import annotations

from typing import Any

import pytest

from domain.change_risks import Risk, flags_of
from domain.changes import Change


def nobody(_collection: str, _entity_id: str) -> str | None:
    return None


def change(
    before: dict[str, Any] | None, after: dict[str, Any] | None, entity_type: str = "plugins"
) -> Change:
    operation = "update" if before and after else "create" if after else "delete"
    return Change(
        seq=1,
        at_ms=0,
        entity_type=entity_type,
        entity_id="x",
        entity_name=None,
        operation=operation,
        before=before,
        after=after,
    )


def plugin(name: str, config: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"name": name, "enabled": True, "config": config or {}, **more}


def rl(**config: Any) -> dict[str, Any]:
    return plugin("rate-limiting", config)


def ipr(**config: Any) -> dict[str, Any]:
    return plugin("ip-restriction", config)


OFF: dict[str, Any] = {"enabled": False}
RISKY: list[tuple[str, dict[str, Any] | None, dict[str, Any] | None, list[Risk], str]] = [
    ("limit raised", rl(minute=60), rl(minute=600), [Risk.LIMIT_RAISED], "from 60 to 600 per minute"),
    ("one of two raised", rl(minute=60, hour=90), rl(minute=60, hour=99), [Risk.LIMIT_RAISED],
     "90 to 99 per hour"),
    ("window widened", rl(second=10), rl(minute=600), [Risk.WINDOW_WIDENED], "up to 600 at once"),
    ("window dropped", rl(second=5, minute=60), rl(minute=60), [Risk.WINDOW_WIDENED], "from 5 per second"),
    ("only longer dropped", rl(minute=60, hour=100), rl(minute=60), [Risk.LIMIT_REMOVED], "100 per hour"),
    ("counting per node", rl(minute=9, policy="redis"), rl(minute=9, policy="local"),
     [Risk.LIMIT_WEAKENED], "local"),
    ("fails open", rl(minute=9, fault_tolerant=False), rl(minute=9, fault_tolerant=True),
     [Risk.LIMIT_WEAKENED], "fails open"),
    ("limiter deleted", rl(minute=60), None, [Risk.LIMIT_REMOVED], "60 per minute no longer enforced"),
    ("limiter disabled", rl(minute=60), {**rl(minute=60), **OFF}, [Risk.LIMIT_REMOVED], "was disabled"),
    ("named limit raised", plugin("response-ratelimiting", {"limits": {"sms": {"minute": 1}}}),
     plugin("response-ratelimiting", {"limits": {"sms": {"minute": 2}}}), [Risk.LIMIT_RAISED], "sms/minute"),
    ("auth deleted", plugin("key-auth"), None, [Risk.AUTHENTICATION_REMOVED], "need no credential"),
    ("auth disabled", plugin("jwt"), plugin("jwt", **OFF), [Risk.AUTHENTICATION_REMOVED], "was disabled"),
    ("anonymous let in", plugin("key-auth"), plugin("key-auth", {"anonymous": "guest"}),
     [Risk.AUTHENTICATION_WEAKENED], "without a credential"),
    ("deny shortened", ipr(deny=["10.0.0.1", "10.0.0.2"]), ipr(deny=["10.0.0.1"]),
     [Risk.RESTRICTION_WIDENED], "no longer denies 10.0.0.2"),
    ("deny narrowed", ipr(deny=["10.0.0.0/8"]), ipr(deny=["10.0.0.0/16"]), [Risk.RESTRICTION_WIDENED],
     "10.0.0.0/8"),
    ("allow lengthened", ipr(allow=["10.0.0.1"]), ipr(allow=["10.0.0.1", "2001:db8::/32"]),
     [Risk.RESTRICTION_WIDENED], "now also allows 2001:db8::/32"),
    ("allow list lost", ipr(allow=["10.0.0.1"]), ipr(deny=["1.2.3.4"]), [Risk.RESTRICTION_WIDENED],
     "every address may enter"),
    ("restriction deleted", ipr(deny=["1.2.3.4"]), None, [Risk.RESTRICTION_WIDENED], "nobody is turned away"),
    ("acl group allowed", plugin("acl", {"allow": ["a"]}), plugin("acl", {"allow": ["a", "b"]}),
     [Risk.RESTRICTION_WIDENED], "now also allows b"),
    ("logging removed", plugin("http-log"), None, [Risk.LOGGING_REMOVED], "no longer reported"),
    ("other plugin", plugin("cors"), None, [Risk.PLUGIN_REMOVED], "was deleted"),
    ("other plugin disabled", plugin("cors"), plugin("cors", **OFF), [Risk.PLUGIN_DISABLED], "was disabled"),
    ("limiter moved to a route", plugin("rate-limiting", {"minute": 1}, service={"id": "s"}),
     plugin("rate-limiting", {"minute": 1}, route={"id": "r"}), [Risk.PLUGIN_REMOVED],
     "it applied on service s"),
]  # fmt: skip


@pytest.mark.parametrize(("label", "before", "after", "risks", "words"), RISKY, ids=[row[0] for row in RISKY])
def test_a_weakened_defence_is_flagged_in_a_sentence(
    label: str,
    before: dict[str, Any] | None,
    after: dict[str, Any] | None,
    risks: list[Risk],
    words: str,
) -> None:
    flags = flags_of(change(before, after), nobody)

    assert [f.risk for f in flags] == risks, label
    assert words in flags[0].sentence


HARMLESS: list[tuple[str, dict[str, Any] | None, dict[str, Any] | None]] = [
    ("limit lowered", rl(minute=60), rl(minute=5)),
    ("limit added", None, rl(minute=5)),
    ("window narrowed to the same rate", rl(minute=600), rl(second=10)),
    ("a longer window that never bound", rl(minute=60, hour=100_000), rl(minute=60, hour=3_600)),
    ("limiter that was off deleted", {**rl(minute=60), **OFF}, None),
    ("enabled", {**rl(minute=60), **OFF}, rl(minute=60)),
    ("deny rewritten as a wider range", ipr(deny=["10.0.0.1"]), ipr(deny=["10.0.0.0/24"])),
    ("deny split without a hole", ipr(deny=["10.0.0.0/23"]), ipr(deny=["10.0.0.0/24", "10.0.1.0/24"])),
    ("allow shortened", ipr(allow=["10.0.0.1", "10.0.0.2"]), ipr(allow=["10.0.0.1"])),
    ("allow list begun", ipr(deny=["1.2.3.4"]), ipr(deny=["1.2.3.4"], allow=["10.0.0.0/8"])),
    ("counting shared", rl(minute=9, policy="local"), rl(minute=9, policy="redis")),
]


@pytest.mark.parametrize(("label", "before", "after"), HARMLESS, ids=[row[0] for row in HARMLESS])
def test_a_change_that_weakens_nothing_is_not_flagged(
    label: str, before: dict[str, Any] | None, after: dict[str, Any] | None
) -> None:
    assert flags_of(change(before, after), nobody) == (), label


def test_a_new_credential_is_flagged_and_a_removed_one_is_not() -> None:
    key = {"id": "k", "key": "[redacted:1]", "consumer": {"id": "c1"}}

    [flag] = flags_of(change(None, key, "keyauth_credentials"), nobody)

    assert (flag.risk, flag.technique) == (Risk.CREDENTIAL_ADDED, "T1098")
    assert flags_of(change(key, None, "keyauth_credentials"), nobody) == ()


def test_plain_http_and_unverified_certificates_are_flagged() -> None:
    route = change({"protocols": ["https"]}, {"protocols": ["http", "https"]}, "routes")
    service = change({"tls_verify": True}, {"tls_verify": False}, "services")

    assert [f.risk for f in flags_of(route, nobody)] == [Risk.TLS_WEAKENED]
    assert [f.risk for f in flags_of(service, nobody)] == [Risk.TLS_WEAKENED]


def test_nothing_in_a_configuration_makes_a_rule_fail() -> None:
    """Plugins of others may have anything under these names."""
    odd: list[Any] = [None, 1, "x", [], [1, None], {"a": 1}, True]
    for name in ("ip-restriction", "acl", "rate-limiting", "key-auth", "rate-limiting-advanced"):
        for value in odd:
            before = {"name": name, "config": dict.fromkeys(("allow", "deny", "minute", "limit"), value)}
            after = {"name": name, "config": value, "service": value}
            flags_of(change(before, after), nobody)
            flags_of(change(after, before), nobody)
