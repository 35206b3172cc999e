"""A recording of a Kong cluster in memory: each request with its label, events, polls, labelled scenarios."""

from __future__ import annotations

import csv
import dataclasses
import gzip
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from bench.ranges.scenario_table import Scenario, scenario_of

BACKGROUND = "background"
FILES = ("kong-events", "admin-polls", "http-log")
REFUSED = (420, 429)


@dataclasses.dataclass(slots=True)
class Request:
    """One request as the gateway logged it."""

    at_ms: int
    label: str
    node: str
    entry: dict[str, Any]
    late_ms: int = 40
    """From its start until its log entry arrived, besides what it took."""
    was_limited: bool = False
    is_patient: bool = False
    """Its sender waits as long as `Retry-After` says, and does everything later from then on."""

    @property
    def consumer_id(self) -> str | None:
        """Kong's id; None when nobody was logged in."""
        found: str | None = (self.entry.get("consumer") or {}).get("id")
        return found


@dataclasses.dataclass
class Trace:
    """All of one recording."""

    requests: list[Request]
    events: list[dict[str, Any]]
    polls: list[dict[str, Any]]
    scenarios: list[Scenario]

    @property
    def start_ms(self) -> int:
        """When the first request started."""
        return min(r.at_ms for r in self.requests)

    def write(self, folder: Path) -> list[Path]:
        """As three files that `collector replay` reads, in order of arrival."""
        lines = sorted(
            ((r.at_ms + r.late_ms) / 1000 + r.entry["latencies"]["request"] / 1000, i)
            for i, r in enumerate(self.requests)
        )
        posts = ({"received_at": at_s, "body": self.requests[i].entry} for at_s, i in lines)
        paths = []
        for name, values in zip(FILES, (self.events, self.polls, posts), strict=True):
            path = folder / f"{name}.jsonl"
            with path.open("wb") as file:
                file.writelines(orjson.dumps(value) + b"\n" for value in values)
            if path.stat().st_size:
                paths.append(path)
        return paths


def load(folder: Path) -> Trace:
    """Read a recording; of an entry that came more than once, the first."""
    truth = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    labels = {}
    with gzip.open(folder / "truth-requests.csv.gz", "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            labels[row["request_id"]] = row
    requests, seen = [], set()
    refused = Counter(
        ((row["consumer_id"], row["route_id"]), row["scenario"])
        for row in labels.values()
        if row["limited_by_kong"] == "1" and row["scenario"] != BACKGROUND
    )
    by_place = {place: label for (place, label), _ in reversed(refused.most_common())}
    for line in _lines(folder, "http-log"):
        body = line["body"]
        for entry in body if isinstance(body, list) else [body]:
            request_id = entry["request"]["id"]
            if request_id in seen:
                continue
            seen.add(request_id)
            known = labels.get(request_id)
            is_broken = known is None and entry["response"]["status"] in REFUSED and entry["tries"]
            place = ((entry.get("consumer") or {}).get("id", ""), entry.get("route", {}).get("id", ""))
            label = by_place.get(place, BACKGROUND) if is_broken else BACKGROUND
            requests.append(
                Request(
                    at_ms=entry["started_at"],
                    label=known["scenario"] if known else label,
                    node=known["node"] if known else "a",
                    entry=entry,
                    was_limited=bool(is_broken) or (known is not None and known["limited_by_kong"] == "1"),
                )
            )
    return Trace(
        sorted(requests, key=lambda r: r.at_ms),
        list(_lines(folder, "kong-events")),
        list(_lines(folder, "admin-polls")),
        [scenario_of(s) for s in truth["scenarios"]],
    )


def _lines(folder: Path, name: str) -> Iterator[dict[str, Any]]:
    with gzip.open(folder / f"{name}.jsonl.gz", "rb") as file:
        for line in file:
            yield orjson.loads(line)
