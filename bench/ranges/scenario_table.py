"""Incidents against labelled scenarios: who was found by what, how late, and what rang without a reason."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

from domain.detectors import DETECTORS
from domain.detectors.networks import site_of

HARMLESS = ("_no_alarm", "_no_attack")
DETECTOR_OF = {
    "single_consumer_burst": "burst_or_sustained",
    "single_ip_flood_429_without_ratelimit_headers": "burst_or_sustained",
    "micro_bursts_second_window_status_420": "burst_or_sustained",
    "retry_loop_ignoring_retry_after": "retry_disregard",
    "obeys_retry_after_no_alarm": "retry_disregard",
    "one_key_many_addresses": "shared_or_leaked_key",
    "one_address_many_credentials": "credential_stuffing",
    "distributed_low_and_slow_no_429": "low_and_slow",
    "ipv6_rotation_within_64_no_429": "low_and_slow",
    "shared_proxy_no_attack": "heavy_hitter",
    "response_ratelimiting_quota_exceeded": "quota_exhausted",
    "hour_window_long_retry_after": "quota_exhausted",
    "violations_jump_after_config_change_many_consumers": "surge",
    "503_all_targets_unhealthy": "upstream_down",
}
"""Which detector should find a shape, for counting what it missed."""


@dataclasses.dataclass(frozen=True)
class Scenario:
    """One labelled span: who did what, as the ground truth says."""

    name: str
    shape: str
    entity: str
    entity_type: str | None
    from_ms: int
    to_ms: int

    @property
    def is_harmless(self) -> bool:
        """Whether nothing above information may be said of it."""
        return self.shape.endswith(HARMLESS)

    def is_about(self, incident: dict[str, Any]) -> bool:
        """Whether an incident is about its actor."""
        kind_fits = self.entity_type in (None, incident["entity_type"])
        return kind_fits and incident["entity"] == self.entity


def scenario_of(truth: dict[str, Any]) -> Scenario:
    """A scenario of the ground truth; its actor is `service x`, `upstream x`, a range, or a plain name."""
    actor, entity_type = str(truth["actor"]), None
    for word in ("service", "upstream"):
        if actor.startswith(f"{word} "):
            entity_type, actor = word, actor.removeprefix(f"{word} ")
    if ".." in actor:
        entity_type, actor = "prefix", site_of(actor.partition("..")[0])
    return Scenario(
        name=truth["name"],
        shape=truth["expected_shape"],
        entity=actor,
        entity_type=entity_type,
        from_ms=round(truth["start"] * 1000),
        to_ms=round(truth["end"] * 1000),
    )


@dataclasses.dataclass(frozen=True)
class Row:
    """What became of one scenario."""

    scenario: Scenario
    found: dict[str, Any] | None
    late_s: float | None
    stayed_unsaid: bool = False
    """It is harmless, and nothing above information was said of its actor."""

    @property
    def is_right(self) -> bool:
        """Found with the right shape on the right actor in time; a harmless one may also stay unsaid."""
        return self.found is not None or self.stayed_unsaid


def table(scenarios: Iterable[Scenario], incidents: Sequence[dict[str, Any]]) -> list[Row]:
    """For each scenario its first incident, until its detector's delay after its end."""
    rows = []
    for scenario in scenarios:
        hits = [
            i
            for i in incidents
            if scenario.is_about(i)
            and i["shape"] == scenario.shape
            and scenario.from_ms <= i["opened_ms"] <= scenario.to_ms + 1000 * DETECTORS[i["rule"]].delay_s
        ]
        found = min(hits, key=lambda i: i["opened_ms"], default=None)
        late_s = None if found is None else (found["opened_ms"] - scenario.from_ms) / 1000
        loud = [i for i in incidents if scenario.is_about(i) and i["severity"] != "information"]
        rows.append(Row(scenario, found, late_s, stayed_unsaid=scenario.is_harmless and not loud))
    return rows


def false_alarms(scenarios: Sequence[Scenario], incidents: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Incidents above information that no scenario accounts for, or that are on a harmless actor."""
    harmful = [s for s in scenarios if not s.is_harmless]
    return [
        i
        for i in incidents
        if i["severity"] != "information"
        and not any(s.is_about(i) and i["shape"] == s.shape for s in harmful)
    ]


def shown(rows: Sequence[Row], alarms: Sequence[dict[str, Any]]) -> str:
    """The table as text: scenario by detector, then precision and recall of each detector."""
    lines = [f"{'scenario':24} {'detector':22} {'severity':12} {'said after':>10}  shape"]
    for row in rows:
        if row.found is None:
            lines.append(f"{row.scenario.name:24} {'-':22} {'-':12} {'-':>10}  MISSED {row.scenario.shape}")
        else:
            found = row.found
            after = f"{row.late_s:.0f} s"
            who = f"{row.scenario.name:24} {found['rule']:22} {found['severity']:12}"
            lines.append(f"{who} {after:>10}  {found['shape']}")
    lines += ["", f"{'detector':24} {'true':>5} {'false':>6} {'missed':>7} {'precision':>10} {'recall':>7}"]
    for name in DETECTORS:
        true = sum(1 for r in rows if r.found is not None and r.found["rule"] == name)
        false = sum(1 for i in alarms if i["rule"] == name)
        missed = sum(1 for r in rows if r.found is None and DETECTOR_OF.get(r.scenario.shape) == name)
        if true or false or missed:
            lines.append(_line(name, true, false, missed))
    true, missed = sum(1 for r in rows if r.found), sum(1 for r in rows if r.found is None)
    lines.append(_line("all", true, len(alarms), missed))
    return "\n".join(lines)


def _line(name: str, true: int, false: int, missed: int) -> str:
    precision = f"{true / (true + false):.2f}" if true + false else "-"
    recall = f"{true / (true + missed):.2f}" if true + missed else "-"
    return f"{name:24} {true:5} {false:6} {missed:7} {precision:>10} {recall:>7}"
