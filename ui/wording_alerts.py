"""Sentences of the page of alerts. Nothing here escapes data, see `ui.safe_text`."""

from __future__ import annotations

from domain.detectors import DETECTORS
from domain.detectors.findings import Severity
from domain.incidents import Incident, State, Verdict
from domain.limits import WINDOWS_S
from ui import wording
from ui.zones import Zone

STATES = {
    State.OPEN: "● open",
    State.ACKNOWLEDGED: "◐ acknowledged",
    State.SILENCED: "○ silenced",
    State.UNKNOWN: "◌ unknown",
    State.RESOLVED: "✓ resolved",
}
"""Icon and word, always together."""
TONES = {Severity.CRITICAL: "critical", Severity.HIGH: "high"}
VERDICTS = {
    Verdict.REAL: "Real: it was what it looks like",
    Verdict.BENIGN: "Benign: true, and harmless",
    Verdict.FALSE: "False: it was not that",
    Verdict.TEST: "Test: we did it ourselves",
}
SHAPES = {
    "one_key_many_addresses": "one key, many addresses",
    "one_address_many_credentials": "one address, many credentials",
    "many_addresses_many_credentials": "many addresses, many credentials",
    "single_consumer_burst": "a burst of one consumer",
    "single_ip_burst": "a burst of one address",
    "single_consumer_sustained": "one consumer, on and on",
    "single_ip_flood": "a flood from one address",
    "micro_bursts_second_window": "small bursts against a limit per second",
    "retry_loop_ignoring_retry_after": "a retry loop that ignores Retry-After",
    "evasive_retry": "retries from ever new addresses",
    "obeys_retry_after_no_alarm": "obeys Retry-After",
    "shared_proxy_no_attack": "a shared gateway, no attack",
    "proxy_collapse": "your load balancer, taken for a client",
    "heavy_hitter": "one client with too large a part",
    "response_ratelimiting_quota_exceeded": "a named quota used up",
    "violations_jump_after_config_change_many_consumers": "many refused after a change",
    "violations_surge_many_consumers": "many refused at once",
    "violations_surge": "far more than usual",
    "distributed_low_and_slow": "many addresses sharing the work",
    "ipv6_rotation_within_64": "a new IPv6 address for each request",
    "ipv4_rotation_within_24": "a new address for each request",
    "low_and_slow_over_limit": "just over the limit, minute after minute",
    "low_and_slow_for_hours": "refused hour after hour",
    "503_all_targets_unhealthy": "no healthy target left",
    "node_lost": "a node is lost",
    "source_silent": "a source is silent",
    "config_drift": "another configuration than the others",
    "node_incompatible": "cannot take this configuration",
    "certificate_expiring": "a certificate runs out",
    "limiter_blind": "the limiter no longer limits",
    "invalidation_storm": "a storm of cache invalidations",
    "same_key_again_and_again": "the same cache key again and again",
    "first_violation": "refused for the first time",
    "over_threshold": "over the threshold",
}
EMPTY_QUEUE = "Nothing needs anybody"
EMPTY_PAST = "No alert was open"
SHADED = "Bars: violations. Shaded: this alert."
SHADED_WITH_REQUESTS = "Bars: violations, and requests paler behind them. Shaded: this alert."
NO_COLLECTOR = "The evaluation has not run on this database yet. It runs inside the collector."
SAMPLE = "This is a recording: alerts can be looked at, and nothing can be decided."
NOBODY = "Log in first: a decision needs a name."
LATE_MS = 30_000


def shape(name: str) -> str:
    """A shape as people say it; what is not known is told as it is, with spaces."""
    for known in sorted(SHAPES, key=len, reverse=True):
        if name.startswith(known):
            return SHAPES[known]
    window = name.partition("_window_long_retry_after")[0]
    if window in WINDOWS_S:
        return f"the quota per {window} used up"
    return name.replace("_", " ")


def severity(found: Severity) -> str:
    """Icon and word."""
    icon, word = wording.SEVERITIES[found.value]
    return f"{icon} {word}"


def age(incident: Incident, now_ms: int) -> str:
    """How long it is open, or was."""
    end_ms = incident.resolved_ms if incident.resolved_ms is not None else now_ms
    return wording.duration(max(0, end_ms - incident.opened_ms))


def mapping(detector: str) -> str:
    """The field's names for what a detector sees."""
    found = DETECTORS.get(detector)
    if found is None:
        return ""
    parts = [*found.owasp, *found.attack]
    sigma = f"Sigma {found.sigma}" if found.sigma else ""
    return " · ".join([*([sigma] if sigma else []), *parts])


def evaluated(status: dict[str, object], now_ms: int, zone: Zone) -> str:
    """How current the evaluation is; empty when it is."""
    at_ms = status.get("evaluated_ms")
    if not isinstance(at_ms, int):
        return NO_COLLECTOR
    if now_ms - at_ms <= LATE_MS:
        return ""
    return (
        f"Rules were evaluated last for {wording.moment(at_ms, zone)}, {wording.ago(at_ms, now_ms)}: what"
        " began since is not here yet."
    )


def would_mute(count: int) -> str:
    """The preview of a silence."""
    if not count:
        return "Mutes no open alert now; it mutes what matches until it ends."
    return f"Mutes {wording.counted(count, 'open alert')} now."
