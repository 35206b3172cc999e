"""What the collector counts about itself, as Prometheus text (exposition format 0.0.4, OpenMetrics names).

Labels have few values by construction: ways in, kinds, reasons. No source, no consumer, no address.
"""

from __future__ import annotations

import bisect
import dataclasses
from collections.abc import Mapping

COMMIT_BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclasses.dataclass(frozen=True, slots=True)
class Family:
    """One metric: name, type, help."""

    name: str
    type: str
    help: str


FAMILIES = {
    family.name: family
    for family in (
        Family("gatewatch_build_info", "gauge", "The version that runs; always 1."),
        Family("gatewatch_start_time_seconds", "gauge", "When the collector started, seconds since 1970."),
        Family("gatewatch_degraded", "gauge", "1 while nothing can be stored, else 0."),
        Family("gatewatch_entries_total", "counter", "Things received: log entries, events, good and bad."),
        Family("gatewatch_events_total", "counter", "Events received, resent ones included, by kind."),
        Family("gatewatch_stored_events_total", "counter", "New events stored."),
        Family("gatewatch_requests_total", "counter", "Requests newly folded into totals."),
        Family("gatewatch_violations_total", "counter", "Violations among the new events, as first judged."),
        Family("gatewatch_duplicates_total", "counter", "Events and requests that were there already."),
        Family("gatewatch_quarantined_total", "counter", "Things kept that could not be read."),
        Family("gatewatch_gaps_total", "counter", "Known gaps in what senders sent."),
        Family("gatewatch_commit_seconds", "histogram", "How long one transaction took."),
        Family("gatewatch_commits_total", "counter", "Transactions committed."),
        Family("gatewatch_store_errors_total", "counter", "Writes that failed, by reason."),
        Family("gatewatch_queue_batches", "gauge", "Batches waiting for the writer or being written."),
        Family("gatewatch_queue_capacity_batches", "gauge", "How many may wait before senders wait."),
        Family("gatewatch_connected_sources", "gauge", "Stream senders connected now."),
        Family("gatewatch_open_connections", "gauge", "Connections open now, of all ways in."),
        Family("gatewatch_rejected_connections_total", "counter", "Connections and requests turned away."),
        Family("gatewatch_closed_streams_total", "counter", "Streams we closed, by close code."),
        Family("gatewatch_last_commit_timestamp_seconds", "gauge", "When something was last stored."),
        Family("gatewatch_settled_events_total", "counter", "Events judged anew once plugins were known."),
        Family("gatewatch_admin_requests_total", "counter", "Requests to Admin APIs, by outcome."),
        Family("gatewatch_bus_published_total", "counter", "Messages that the bus acknowledged."),
        Family("gatewatch_bus_publish_failures_total", "counter", "Messages it did not acknowledge in time."),
        Family("gatewatch_bus_spooled_total", "counter", "Messages put on this disk instead."),
        Family("gatewatch_bus_spool_messages", "gauge", "Messages on this disk now."),
        Family("gatewatch_bus_spool_bytes", "gauge", "Bytes of them."),
        Family("gatewatch_bus_stored_total", "counter", "Messages stored, and gone from the bus."),
        Family("gatewatch_bus_redelivered_total", "counter", "Messages that came again."),
        Family("gatewatch_bus_laid_aside_total", "counter", "Messages that nothing could be made of."),
        Family("gatewatch_bus_connected", "gauge", "1 while the bus answers, else 0."),
        Family("gatewatch_bus_waiting_messages", "gauge", "Messages on the bus that no writer has taken."),
        Family("gatewatch_bus_in_hand_messages", "gauge", "Messages that writers have and have not stored."),
        Family("gatewatch_bus_dead_messages", "gauge", "Messages laid aside, and still there."),
        Family("gatewatch_bus_replicas", "gauge", "How often the bus holds each message."),
        Family("gatewatch_bus_replicas_current", "gauge", "Of these, how many have all of it."),
        Family(
            "gatewatch_bus_synced", "gauge", "1 when every node writes to disk first, 0 when one does not."
        ),
        Family("gatewatch_on_duty", "gauge", "1 where alerts and approved changes are done, else 0."),
        Family("gatewatch_pruned_rows_total", "counter", "Rows removed past their retention."),
    )
}


class Histogram:
    """Counts by upper bound, cumulative when shown."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self._counts[bisect.bisect_left(self.bounds, value)] += 1
        self._sum += value

    def lines(self, name: str) -> list[str]:
        """Its samples as text."""
        shown, running = [], 0
        for bound, count in zip((*map(repr, self.bounds), "+Inf"), self._counts, strict=True):
            running += count
            shown.append(f'{name}_bucket{{le="{bound}"}} {running}')
        return [*shown, f"{name}_sum {self._sum!r}", f"{name}_count {running}"]

    def quantile(self, q: float) -> float | None:
        """The upper bound of the bucket that holds the quantile; None when nothing was counted."""
        total = sum(self._counts)
        running = 0
        for bound, count in zip((*self.bounds, self.bounds[-1]), self._counts, strict=True):
            running += count
            if total and running >= q * total:
                return bound
        return None


class Metrics:
    """All counters. Not safe for use from several threads: count in the event loop."""

    def __init__(self) -> None:
        self.commit_s = Histogram(COMMIT_BOUNDS_S)
        self._values: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}

    def count(self, name: str, by: float = 1, **labels: str) -> None:
        """Add to a counter; a family that is not listed raises KeyError."""
        key = (FAMILIES[name].name, tuple(sorted(labels.items())))
        self._values[key] = self._values.get(key, 0) + by

    def value(self, name: str, **labels: str) -> float:
        """A counter's value, summed over the labels not named."""
        wanted = set(labels.items())
        rows = list(self._values.items())  # one step: the writer thread asks too
        return sum(v for (n, have), v in rows if n == name and wanted <= set(have))

    def text(self, gauges: Mapping[str, float], build: Mapping[str, str]) -> str:
        """Everything as Prometheus text; `gauges` are measured when asked."""
        samples: dict[str, list[str]] = {}
        for (name, labels), value in sorted(self._values.items()):
            samples.setdefault(name, []).append(_sample(name, labels, value))
        for name, value in gauges.items():
            samples[name] = [_sample(name, (), value)]
        samples["gatewatch_build_info"] = [_sample("gatewatch_build_info", tuple(build.items()), 1)]
        samples["gatewatch_commit_seconds"] = self.commit_s.lines("gatewatch_commit_seconds")
        lines: list[str] = []
        for family in FAMILIES.values():
            lines += [f"# HELP {family.name} {family.help}", f"# TYPE {family.name} {family.type}"]
            lines += samples.get(family.name, [])
        return "\n".join(lines) + "\n"


def _sample(name: str, labels: tuple[tuple[str, str], ...], value: float) -> str:
    inside = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels)
    shown = int(value) if float(value).is_integer() else value
    return f"{name}{{{inside}}} {shown}" if inside else f"{name} {shown}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
