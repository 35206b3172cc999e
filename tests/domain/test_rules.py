from __future__ import annotations

import msgspec
import pytest

from domain.detectors import DETECTORS
from domain.detectors.findings import EntityType, Finding, Severity
from domain.rules import Rule, RuleError, Who, default_rules, differences, parse_rule, problems

GOOD = {"id": "leaked", "detector": "shared_or_leaked_key", "title": "Leaked keys"}


def finding(
    entity_type: EntityType = EntityType.IP,
    entity: str = "10.1.2.3",
    severity: Severity = Severity.HIGH,
) -> Finding:
    return Finding(
        detector="threshold",
        shape="over_threshold",
        severity=severity,
        entity_type=entity_type,
        entity_id=f"id of {entity}",
        entity=entity,
        from_ms=0,
        to_ms=1,
        count=1,
        why="",
    )


def test_the_shipped_rules_are_one_for_each_detector_and_can_be_used() -> None:
    rules = default_rules()

    assert [r.detector for r in rules] == list(DETECTORS)
    assert [problems(r) for r in rules] == [()] * len(rules)


def test_a_rule_says_only_what_somebody_decided() -> None:
    rule = parse_rule({**GOOD, "values": {"addresses": 7}})

    assert msgspec.json.decode(msgspec.json.encode(rule)) == {**GOOD, "values": {"addresses": 7.0}}
    assert rule.all_values()["addresses"] == 7
    assert rule.all_values()["requests"] == 10


FAULTS = {
    "no detector": ({"id": "x1", "title": "t"}, "rule: object missing required field `detector`"),
    "an id with a space": ({**GOOD, "id": "my rule"}, "id is 'my rule', expected 2 to 60 lower-case"),
    "an unknown detector": (
        {**GOOD, "detector": "crystal_ball"},
        "detector is 'crystal_ball', expected one of threshold, first_seen",
    ),
    "an unknown parameter": (
        {**GOOD, "values": {"adresses": 5}},
        "shared_or_leaked_key has no parameter 'adresses'; it has addresses, requests",
    ),
    "a number out of bounds": (
        {**GOOD, "values": {"addresses": 1}},
        "addresses is 1, expected 2 to 1000 addresses",
    ),
    "a negative wait": ({**GOOD, "hold_s": -1}, "hold_s is -1, expected 0 to 86400 seconds"),
    "no title": ({**GOOD, "title": " "}, "title has 1 characters, expected 1 to 120"),
    "an exception of no kind": (
        {**GOOD, "exceptions": [["planet", "mars"]]},
        "rule: expected `object`, got `array` - at `$.exceptions[0]`",
    ),
    "an exception for no kind of entity": (
        {**GOOD, "exceptions": [{"entity_type": "planet", "value": "mars"}]},
        "exceptions: 'planet' is no kind of entity",
    ),
    "a severity that does not exist": ({**GOOD, "severity": "fatal"}, "rule: invalid enum value 'fatal'"),
}


@pytest.mark.parametrize("label", FAULTS)
def test_a_rule_that_cannot_be_used_is_refused_with_what_was_expected(label: str) -> None:
    value, message = FAULTS[label]

    with pytest.raises(RuleError) as caught:
        parse_rule(value)

    assert str(caught.value).startswith(message)


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(RuleError) as caught:
        parse_rule({**GOOD, "id": "A", "quiet_s": -5, "values": {"addresses": 0, "nope": 1}})

    assert len(caught.value.problems) == 4


WHO = {
    "its name": (Who("ip", "10.1.2.3"), True),
    "its id": (Who("ip", "id of 10.1.2.3"), True),
    "its network": (Who("ip", "10.0.0.0/8"), True),
    "another network": (Who("ip", "192.0.2.0/24"), False),
    "an IPv6 network": (Who("ip", "2001:db8::/32"), False),
    "another kind": (Who("consumer", "10.1.2.3"), False),
}


@pytest.mark.parametrize("label", WHO)
def test_exceptions_are_by_name_id_or_network(label: str) -> None:
    who, is_meant = WHO[label]

    assert (
        Rule(id="r1", detector="threshold", title="t", exceptions=(who,)).applies_to(finding())
        is not is_meant
    )
    assert Rule(id="r1", detector="threshold", title="t", only=(who,)).applies_to(finding()) is is_meant


def test_a_rules_severity_lifts_nothing_that_is_only_information() -> None:
    rule = Rule(id="r1", detector="threshold", title="t", severity=Severity.CRITICAL)

    assert rule.severity_of(finding()) is Severity.CRITICAL
    assert rule.severity_of(finding(severity=Severity.INFORMATION)) is Severity.INFORMATION


def test_two_versions_differ_in_what_was_changed_and_nothing_else() -> None:
    before = parse_rule({**GOOD, "values": {"addresses": 7}})
    after = parse_rule(
        {
            **GOOD,
            "enabled": False,
            "values": {"addresses": 12},
            "exceptions": [{"entity_type": "consumer", "value": "fleet"}],
        }
    )

    found = {d.field: (d.before, d.after, d.loosens) for d in differences(before, after)}

    assert found == {
        "enabled": ("on", "off", True),
        "addresses": ("7", "12", None),
        "exceptions": ("nobody", "consumer fleet", True),
    }


def test_a_start_value_that_is_written_out_is_no_difference() -> None:
    assert differences(parse_rule(GOOD), parse_rule({**GOOD, "values": {"addresses": 5}})) == ()
