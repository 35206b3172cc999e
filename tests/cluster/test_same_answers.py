"""One recording, one simulation, in a SQLite file and in PostgreSQL: every answer is the same, cell by cell.

Alerts, messages, decisions, changes and blocks are written into both by the books that write them, and read
back by everything that reads them: pages, evaluation, the audit trail, evidence packs, exports. What the two
may tell differently is only where they are and what they take there (`questions.PLACE`).
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from collector.simulate.scenarios import SCENARIOS
from collector.simulate.traffic import Plan, items
from domain.filters import Dimension, Filters
from domain.windows import DAY_MS, HOUR_MS, MINUTE_MS, Window
from storage.alert_reads import AlertReads
from storage.alerts_reader import AlertsReader
from storage.audit_trail import verify
from storage.changes_reader import ChangesReader
from storage.limit_counts import LimitCounts
from storage.location import located
from storage.opening import open_reader
from storage.rows import EventQuery
from tests.cluster.both_engines import DEADLINE_MS, Both, fill, moves_of, readers
from tests.cluster.decided import write_all
from tests.cluster.questions import questions
from tests.postgres import fresh_database
from ui.evidence_pack import Sources, make_pack
from ui.server.exports import csv_rows, jsonl_rows
from ui.server.name_exports import name_lines

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

SIMULATED_MS = 1_795_384_800_000
SIMULATED = 12_000


def recorded(alpha: Path, _folder: Path) -> list[Path]:
    """The recorded cluster: what a proxy, its nodes and its Admin API said."""
    return [alpha / f"{name}.jsonl.gz" for name in ("kong-events", "admin-polls", "http-log")]


def simulated(_alpha: Path, folder: Path) -> list[Path]:
    """Made-up traffic with every attack in it."""
    plan = Plan(seed=11, start_ms=SIMULATED_MS, rate=20, scenarios=tuple(SCENARIOS))
    path = folder / "simulated.jsonl"
    with path.open("wb") as lines:
        for at_ms, item in itertools.islice(items(plan), SIMULATED):
            lines.write(orjson.dumps({**item, "at_ms": item.get("at_ms", at_ms)}) + b"\n")
    return [path]


@pytest.fixture(scope="module", params=[recorded, simulated], ids=["recorded", "simulated"])
def both(
    request: pytest.FixtureRequest, alpha: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Both]:
    """Filled with the same, and the same decided on it."""
    folder = tmp_path_factory.mktemp("both")
    file, url = folder / "g.db", fresh_database()
    fill(file, url, request.param(alpha, folder), now_ms=SIMULATED_MS + DAY_MS)
    with readers(file, url) as found:
        yield found


@pytest.fixture(scope="module")
def decided(both: Both) -> Both:
    """The same, with something of everything that is written beside events; it has to be answered alike."""
    moves = {engine: moves_of(database) for engine, database in both.databases.items()}
    assert moves["sqlite"] == moves["postgres"]
    assert moves["sqlite"]
    with contextlib.closing(ChangesReader(both.file, DEADLINE_MS)) as reads:
        seqs = [row.change.seq for row in reads.changes(both.window)]
    now_ms = both.window.to_ms + MINUTE_MS
    told = {
        engine: write_all(database, moves[engine], seqs, now_ms)
        for engine, database in both.databases.items()
    }
    assert told["postgres"] == told["sqlite"]
    return both


def test_every_question_of_a_page_is_answered_alike(both: Both) -> None:
    asked = 0
    for question in questions(both.sqlite, both.window):
        expected = question.ask(both.sqlite)
        assert question.ask(both.postgres) == expected, question.label
        asked += 1

    assert asked > 1_000


def test_what_the_answers_hold_is_not_nothing(both: Both) -> None:
    """Two empty stores would agree about everything."""
    totals = both.postgres.totals(both.window, Filters())
    assert totals.violations > 100
    assert totals.requests is not None
    assert totals.requests > totals.violations
    assert both.postgres.health().events == both.sqlite.health().events > 1_000
    assert both.postgres.nodes(both.window.to_ms).rows
    assert both.postgres.top(Dimension.CONSUMER, both.window, Filters()).rows


def test_alerts_are_read_alike_by_pages(decided: Both) -> None:
    answers: dict[str, list[Any]] = {}
    for engine, database in decided.databases.items():
        with contextlib.closing(AlertsReader(database, DEADLINE_MS)) as alerts:
            incidents = alerts.between(0, decided.window.to_ms + DAY_MS)
            entities = {(found.incident.entity_type, found.incident.entity_id) for found in incidents}
            answers[engine] = [
                incidents, alerts.live(), alerts.open_counts(), alerts.rules(),
                alerts.silences(decided.window.to_ms), alerts.noise(0), alerts.receivers(),
                alerts.subscriptions(), alerts.outbox(["waiting", "dead", "sent", "dropped"]),
                alerts.outbox([]), alerts.deliveries(), alerts.request("request-1"), alerts.status(),
                [alerts.history(found.incident_id) for found in incidents],
                [alerts.evidence(found.incident_id) for found in incidents],
                [alerts.incident(found.incident_id) for found in incidents],
                [alerts.of_entity(kind, [name, "no one"]) for kind, name in sorted(entities)],
                [alerts.rule_versions(rule.rule_id) for rule in alerts.rules()],
            ]  # fmt: skip

    assert answers["postgres"] == answers["sqlite"]
    assert len(answers["postgres"][0]) > 3


def test_changes_and_blocks_are_read_alike_by_pages(decided: Both) -> None:
    answers: dict[str, list[Any]] = {}
    window = Window(decided.window.from_ms, decided.window.to_ms + DAY_MS)
    for engine, database in decided.databases.items():
        with contextlib.closing(ChangesReader(database, DEADLINE_MS)) as reads:
            rows = reads.changes(window)
            entities = {
                (row.change.entity_type, row.change.entity_id) for row in rows if row.change.entity_id
            }
            answers[engine] = [
                rows, [reads.change(row.change.seq) for row in rows],
                [reads.history(kind, str(name)) for kind, name in sorted(entities, key=str)],
                reads.unjudged(0), reads.unattributed(0), reads.names_in(row.change for row in rows),
                reads.admin_calls(window), reads.logged_calls(0), reads.admin_callers(0),
                reads.drifts(window), reads.proposals(), reads.proposal("p1"), reads.steps("p1"),
                reads.log(), reads.log("p1"), reads.blocks(), reads.blocks_between(window),
                reads.never_block_list(window.to_ms), reads.nodes_told(window.from_ms, window.to_ms),
                [reads.service_of_route(str(name)) for kind, name in sorted(entities) if kind == "routes"],
            ]  # fmt: skip

    assert answers["postgres"] == answers["sqlite"]
    assert len(answers["postgres"][0]) > 3


def test_rules_are_evaluated_on_the_same_numbers(decided: Both) -> None:
    answers: dict[str, list[Any]] = {}
    window = decided.window
    for engine, database in decided.databases.items():
        with contextlib.closing(AlertReads(database, DEADLINE_MS)) as reads:
            consumers = decided.sqlite.breakdown(Dimension.CONSUMER, window, Filters(), 5)
            addresses = [row.token for row in decided.sqlite.breakdown(Dimension.IP, window, Filters(), 5)]
            known = [decided.sqlite.resolve(Dimension.CONSUMER, row.token) for row in consumers]
            keys = [reads.key_of("consumers", found.id) for found in known if found is not None]
            answers[engine] = [
                keys, reads.extent(HOUR_MS), reads.bucket_marks(MINUTE_MS, window.from_ms, window.to_ms),
                reads.rare_after(0, reads.last_seq()), reads.node_states(), reads.node_facts(),
                reads.targets(), reads.arrivals(), reads.entity_names(),
                reads.blocks(0, window.to_ms + DAY_MS),
                reads.gaps(0, window.to_ms), reads.words(range(40)), reads.limits(range(400)),
                [reads.hourly("consumer", key, window.from_ms, window.to_ms) for key in keys if key],
                [reads.quarters("consumer", key, window.to_ms) for key in keys if key],
                [reads.known_addresses(key, addresses, window.to_ms + HOUR_MS) for key in keys if key],
                [reads.sample("ip", ip, window.from_ms, window.to_ms, 20) for ip in addresses],
                [reads.sample("consumer", row.token, window.from_ms, window.to_ms) for row in consumers],
                reads.cells(HOUR_MS, window.from_ms // HOUR_MS * HOUR_MS, -1, 5_000),
            ]  # fmt: skip

    assert answers["postgres"] == answers["sqlite"]


def test_what_a_limit_would_do_is_computed_from_the_same_counts(both: Both) -> None:
    answers: dict[str, list[Any]] = {}
    for engine, database in both.databases.items():
        with contextlib.closing(LimitCounts(database, DEADLINE_MS)) as counts:
            answers[engine] = [
                counts.read(both.window, Filters(), per, gap_ms=0)
                for per in (Dimension.CONSUMER, Dimension.IP)
            ]

    assert answers["postgres"] == answers["sqlite"]
    assert answers["postgres"][0].by


def test_both_audit_trails_are_one_chain_with_one_end(decided: Both) -> None:
    chains = {engine: verify(database) for engine, database in decided.databases.items()}

    assert chains["postgres"] == chains["sqlite"]
    assert all(chain.entries > 5 and not chain.problem for chain in chains["postgres"])


def test_an_evidence_pack_and_every_export_are_the_same_to_the_byte(decided: Both) -> None:
    window = Window(decided.window.from_ms, decided.window.to_ms + HOUR_MS)
    found: dict[str, list[Any]] = {}
    for engine, database in decided.databases.items():
        reader = open_reader(database, DEADLINE_MS)
        with (
            contextlib.closing(reader),
            contextlib.closing(ChangesReader(database, DEADLINE_MS)) as changes,
            contextlib.closing(AlertsReader(database, DEADLINE_MS)) as alerts,
        ):
            sources = Sources(reader=reader, changes=changes, alerts=alerts)
            pack = make_pack(sources, window, Filters(), "ana", window.to_ms)
            query = EventQuery(window=window, violations_only=True)
            found[engine] = [
                pack.head, pack.entries, "".join(csv_rows(reader.stream_events(query))),
                "".join(jsonl_rows(reader.stream_events(query))),
                "".join(name_lines(reader, "consumers", window, Filters(), "csv")),
                "".join(name_lines(reader, "addresses", window, Filters(), "jsonl")),
            ]  # fmt: skip

    assert found["postgres"] == found["sqlite"]
    assert found["postgres"][1] > 10


def run(database: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command of ours as people start it, the database named by the setting."""
    environ = {**os.environ, "GATEWATCH_DATABASE": database}  # noqa: TID251 - of a process of its own
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        check=False,
        capture_output=True,
        text=True,
        env=environ,
        timeout=300,
    )


def test_commands_say_the_same_on_both(decided: Both) -> None:
    said: dict[str, list[Any]] = {}
    for engine, database in decided.databases.items():
        replayed = run(database, "alerting", "replay")
        verified = run(database, "collector", "verify")
        checked = run(database, "collector", "check", "--quick")
        examined = run(database, "collector", "doctor", "--json")
        assert (replayed.returncode, verified.returncode, checked.returncode) == (0, 0, 0), checked.stderr
        told = examined.stdout.replace(str(located(database)), "THE STORE")
        said[engine] = [replayed.stdout, verified.stdout, json.loads(told)["summary"], examined.returncode]

    assert said["postgres"] == said["sqlite"]
    assert said["postgres"][0].count("\n") > 3


def test_the_recorded_clients_saw_exactly_what_postgres_counts(both: Both, alpha: Path) -> None:
    """The truth is the clients' own, with what Kong lost and what they could not read (its README)."""
    truth = json.loads((alpha / "truth.json").read_text(encoding="utf-8"))
    check = truth["http_log_check"]
    rows = list(both.postgres.stream_events(EventQuery(window=both.window, violations_only=True)))
    if not any(row.source.startswith("replay") for row in rows) or both.window.from_ms >= SIMULATED_MS:
        pytest.skip("made-up traffic has no clients who told")
    by = {"consumer": "consumer_id", "ip": "ip", "service": "service"}
    for dimension, column in by.items():
        counts = {row[column]: row["total"] for row in truth["limited_by_kong"][f"by_{dimension}"]}
        for name, (_, logged) in check["differences_truth_vs_log"][dimension].items():
            counts[name] = logged
        seen = Counter(getattr(row, column) for row in rows)
        assert seen == {name: n for name, n in counts.items() if n}
    assert len(rows) == check["limited_in_log"]
    hours = Window(both.window.from_ms - HOUR_MS, both.window.to_ms + HOUR_MS)
    assert both.postgres.totals(hours, Filters()).requests == check["unique_request_ids"]
