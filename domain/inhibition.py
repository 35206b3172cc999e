"""What explains what: a finding that says more about the same one mutes those that say less.

A leaked key runs into limits, asks again, and is over every threshold: one thing happened, not four. What is
muted is counted on the incident that explains it, and never lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from domain.detectors.findings import Finding, Severity

_PLAIN = frozenset({"threshold", "heavy_hitter", "first_seen", "surge"})
_SHAPES = _PLAIN | {"burst_or_sustained"}
_ALL = _SHAPES | {"retry_disregard", "quota_exhausted", "low_and_slow"}

SAME_ENTITY: Mapping[str, frozenset[str]] = {
    "shared_or_leaked_key": _ALL,
    "credential_stuffing": _ALL,
    "quota_exhausted": _SHAPES | {"retry_disregard", "low_and_slow"},
    "retry_disregard": _SHAPES | {"low_and_slow"},
    "low_and_slow": _PLAIN,
    "burst_or_sustained": _PLAIN,
    "absence": frozenset({"drift_and_certificate"}),
    "heavy_hitter": frozenset({"threshold"}),
    "surge": frozenset({"distributed_spray", "threshold"}),
}
"""Detector -> detectors whose findings about the same entity it explains."""

COVERED: Mapping[str, frozenset[str]] = {
    "shared_or_leaked_key": _ALL,
    "distributed_spray": _ALL | {"credential_stuffing"},
    "surge": _SHAPES | {"low_and_slow"},
    "heavy_hitter": _ALL - {"heavy_hitter"},
}
"""Detector -> detectors whose findings about the entities it covers it explains."""


def explains(one: Finding, other: Finding) -> bool:
    """Whether `one` says more about what `other` is about."""
    if one.severity is Severity.INFORMATION and one.shape not in _GUARDS:
        return False
    if (one.entity_type, one.entity_id) == (other.entity_type, other.entity_id):
        return other.detector in SAME_ENTITY.get(one.detector, ())
    key = (other.entity_type.value, other.entity_id)
    return other.detector in COVERED.get(one.detector, ()) and key in one.covers


_GUARDS = frozenset({"proxy_collapse", "shared_proxy_no_attack"})
"""Findings that are information, and say why something else is no alarm."""


def explained_by(finding: Finding, others: Iterable[Finding]) -> Finding | None:
    """The finding that explains this one; None when none does."""
    return next((other for other in others if other is not finding and explains(other, finding)), None)
