"""Rules as data: which detector, with which numbers, for whom, how loud. Validated, versioned, compared.

A rule is plain JSON. What it leaves out has the detector's start value, so a rule says only what somebody
decided, and a better start value of a later version reaches everybody who decided nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from domain.detectors import DETECTORS
from domain.detectors.findings import EntityType, Finding, Severity
from domain.errors import GatewatchError

_SLUG = re.compile(r"[a-z][a-z0-9_]{1,59}")
MOST_EXCEPTIONS = 200
MOST_SECONDS = 86_400
MOST_TITLE_CHARS = 120
MOST_TEXT_CHARS = 4_000


class RuleError(GatewatchError):
    """A rule cannot be used; `problems` has one sentence per fault."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        self.problems = problems
        super().__init__("; ".join(problems))


class Who(msgspec.Struct, frozen=True):
    """An entity that a rule is, or is not, for."""

    entity_type: str
    value: str
    """Its name or Kong's id, an address, or a network as `10.0.0.0/8`."""


class Rule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One rule."""

    id: str
    """Stays the same through all versions: `shared_or_leaked_key`."""
    detector: str
    title: str
    enabled: bool = True
    severity: Severity | None = None
    """Instead of the detector's own judgement; never lifts what is only information."""
    values: dict[str, float] = msgspec.field(default_factory=dict)
    """Parameters that differ from the detector's start values."""
    exceptions: tuple[Who, ...] = ()
    """Whom it leaves alone: fleets, monitors, partners' gateways."""
    only: tuple[Who, ...] = ()
    """Whom alone it looks at; empty for everybody."""
    hold_s: int = 0
    """It must be seen for so long before an incident opens."""
    quiet_s: int = 300
    """Nothing seen for so long resolves the incident."""
    reopen_s: int = 14_400
    """Seen again within so long after that, the same incident opens again instead of a new one."""
    team: str = ""
    """Who is told; empty for everybody who takes its severity."""
    runbook: str = ""
    """A link, or a sentence for the one who is woken."""

    def all_values(self) -> dict[str, float]:
        """Every parameter, start values included.

        Raises:
            KeyError: Its detector does not exist.
        """
        return {**DETECTORS[self.detector].defaults(), **self.values}

    def applies_to(self, finding: Finding) -> bool:
        """Whether a finding is for this rule, by whom it is about."""
        if any(_is_same(who, finding) for who in self.exceptions):
            return False
        return not self.only or any(_is_same(who, finding) for who in self.only)

    def severity_of(self, finding: Finding) -> Severity:
        """How bad a finding is under this rule."""
        if self.severity is None or finding.severity is Severity.INFORMATION:
            return finding.severity
        return self.severity


def _is_same(who: Who, finding: Finding) -> bool:
    if who.entity_type != finding.entity_type:
        return False
    return who.value in {finding.entity_id, finding.entity} or _holds(who.value, finding.entity)


def _holds(network: str, entity: str) -> bool:
    """Whether an address lies in a network."""
    import ipaddress  # noqa: PLC0415 - only rules with exceptions by network need it

    if "/" not in network:
        return False
    try:
        held = ipaddress.ip_network(network, strict=False)
        inner = ipaddress.ip_network(entity, strict=False)
    except ValueError:
        return False
    return held.version == inner.version and inner.subnet_of(held)  # type: ignore[arg-type]


# ---- validation


def parse_rule(value: Any) -> Rule:
    """A rule from JSON.

    Raises:
        RuleError: It is no rule, or a number is out of bounds; all faults at once.
    """
    try:
        rule = msgspec.convert(value, Rule)
    except msgspec.ValidationError as error:
        text = str(error)
        raise RuleError((f"rule: {text[:1].lower()}{text[1:]}",)) from None
    found = problems(rule)
    if found:
        raise RuleError(found)
    return rule


def problems(rule: Rule) -> tuple[str, ...]:
    """What is wrong with a rule, one sentence each; empty when it can be used."""
    found: list[str] = []
    if not _SLUG.fullmatch(rule.id):
        found.append(f"id is {rule.id!r}, expected 2 to 60 lower-case letters, digits and _, a letter first")
    if not rule.title.strip() or len(rule.title) > MOST_TITLE_CHARS:
        found.append(f"title has {len(rule.title)} characters, expected 1 to {MOST_TITLE_CHARS}")
    if len(rule.runbook) > MOST_TEXT_CHARS:
        found.append(f"runbook has {len(rule.runbook)} characters, expected at most {MOST_TEXT_CHARS}")
    for name in ("hold_s", "quiet_s", "reopen_s"):
        value = getattr(rule, name)
        if not 0 <= value <= MOST_SECONDS:
            found.append(f"{name} is {value}, expected 0 to {MOST_SECONDS} seconds")
    found += _value_problems(rule)
    for name, listed in (("exceptions", rule.exceptions), ("only", rule.only)):
        found += _who_problems(name, listed)
    return tuple(found)


def _value_problems(rule: Rule) -> list[str]:
    detector = DETECTORS.get(rule.detector)
    if detector is None:
        return [f"detector is {rule.detector!r}, expected one of {', '.join(DETECTORS)}"]
    known = {p.name: p for p in detector.parameters}
    found: list[str] = []
    for name, value in rule.values.items():
        parameter = known.get(name)
        if parameter is None:
            found.append(f"{rule.detector} has no parameter {name!r}; it has {', '.join(known) or 'none'}")
        elif not parameter.minimum <= value <= parameter.maximum:
            bounds = f"{parameter.minimum:g} to {parameter.maximum:g} {parameter.unit}"
            found.append(f"{name} is {value:g}, expected {bounds}")
    return found


def _who_problems(name: str, listed: tuple[Who, ...]) -> list[str]:
    found = []
    if len(listed) > MOST_EXCEPTIONS:
        found.append(f"{name} has {len(listed)} entries, expected at most {MOST_EXCEPTIONS}")
    types = {t.value for t in EntityType}
    for who in listed:
        if who.entity_type not in types:
            found.append(f"{name}: {who.entity_type!r} is no kind of entity; there are {', '.join(types)}")
        elif not who.value.strip():
            found.append(f"{name}: a {who.entity_type} without a name")
    return found


# ---- comparing


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that two versions of a rule differ in."""

    field: str
    before: str
    after: str
    loosens: bool | None = None
    """Whether fewer things fire afterwards; None where that cannot be said."""


def differences(before: Rule | None, after: Rule) -> tuple[Difference, ...]:
    """What changed, field by field; everything for a new rule."""
    found: list[Difference] = []
    for name in ("title", "enabled", "severity", "hold_s", "quiet_s", "reopen_s", "team", "runbook"):
        old = None if before is None else getattr(before, name)
        new = getattr(after, name)
        if old != new:
            loosens = {"enabled": old is True, "hold_s": isinstance(old, int) and new > old}.get(name)
            found.append(Difference(field=name, before=_shown(old), after=_shown(new), loosens=loosens))
    old_values = {} if before is None else before.all_values()
    for name, new_value in after.all_values().items():
        if old_values.get(name) != new_value:
            found.append(Difference(field=name, before=_shown(old_values.get(name)), after=_shown(new_value)))
    for name in ("exceptions", "only"):
        old_list = () if before is None else getattr(before, name)
        if old_list != getattr(after, name):
            found.append(
                Difference(
                    field=name,
                    before=_listed(old_list),
                    after=_listed(getattr(after, name)),
                    loosens=len(getattr(after, name)) > len(old_list) if name == "exceptions" else None,
                )
            )
    return tuple(found)


def _shown(value: Any) -> str:
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _listed(listed: Iterable[Who]) -> str:
    return ", ".join(f"{who.entity_type} {who.value}" for who in listed) or "nobody"


# ---- what we ship

_HOLD_S: Mapping[str, int] = {"threshold": 60}
"""A plain number waits a minute for a detector that can say what it is."""
_QUIET_S: Mapping[str, int] = {"absence": 60, "drift_and_certificate": 60, "upstream_down": 60}


def default_rules() -> tuple[Rule, ...]:
    """One rule for each detector, with its start values."""
    return tuple(
        Rule(
            id=name,
            detector=name,
            title=detector.title,
            hold_s=_HOLD_S.get(name, 0),
            quiet_s=_QUIET_S.get(name, 300),
        )
        for name, detector in DETECTORS.items()
    )
