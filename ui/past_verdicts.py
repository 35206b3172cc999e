"""What people said of past incidents, as a limit can learn from it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from domain.detectors.findings import EntityType
from domain.incidents import Verdict
from domain.what_if import Counts, Judged
from storage.alert_rows import StoredIncident

COUNTED = {"consumer": EntityType.CONSUMER.value, "ip": EntityType.IP.value}
"""What a limit counts by -> incidents that name exactly that."""
PLACES = {EntityType.SERVICE.value: "service_id", EntityType.ROUTE.value: "route_id"}


def judged(
    incidents: Iterable[StoredIncident], counts: Counts, per: str, scope: Mapping[str, str]
) -> tuple[Judged, ...]:
    """Incidents with a verdict that say something about those whom a limit counts.

    Args:
        incidents: Those of the span.
        counts: Who is counted.
        per: `consumer` or `ip`.
        scope: Ids of the limit's place.
    """
    by_label = {label: who for who, label in counts.labels.items()}
    found = []
    for stored in incidents:
        incident = stored.incident
        if stored.verdict not in {Verdict.REAL, Verdict.BENIGN, Verdict.FALSE}:
            continue
        who: str | None = None
        if incident.entity_type == COUNTED[per]:
            who = incident.entity_id if incident.entity_id in counts.by else by_label.get(incident.entity)
            if who is None:
                continue
        elif scope.get(PLACES.get(incident.entity_type, "")) != incident.entity_id:
            continue
        found.append(
            Judged(
                who=who,
                from_ms=incident.from_ms,
                to_ms=max(incident.last_ms, incident.from_ms + 1),
                is_real=stored.verdict == Verdict.REAL,
            )
        )
    return tuple(found)
