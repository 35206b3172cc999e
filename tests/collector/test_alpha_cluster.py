"""A recorded cluster played in order of time shows what its ground truth says of nodes and targets."""

from __future__ import annotations

import contextlib
import gzip
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from domain.cache_stories import Cause, Dropped, tell_stories
from domain.windows import Window
from storage.sqlite_reader import SqliteReader
from tests.storage.filling import rows

A, B, B2 = (
    "6f4b7c68-36d8-4c4b-9e4c-9c51d7fa7fca",
    "d2f29ce1-30b4-43ad-9695-a51fee88c4b0",
    "2445a92a-05c6-43d9-a8df-f22f8b80559a",
)
POLL_S = 5.0
pytestmark = pytest.mark.e2e
FILES = ("admin-polls.jsonl.gz", "kong-events.jsonl.gz")


@pytest.fixture(scope="module", params=["polls first", "events first"])
def database(request: pytest.FixtureRequest, alpha: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both recordings in a database, whichever is named first."""
    path = tmp_path_factory.mktemp("alpha") / "g.db"
    files = [str(alpha / name) for name in FILES]
    if request.param == "events first":
        files.reverse()
    command = [sys.executable, "-m", "collector", "replay", "--database", str(path), *files]
    subprocess.run(command, check=True, capture_output=True)
    return path


@pytest.fixture(scope="module")
def truth(alpha: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((alpha / "truth.json").read_text(encoding="utf-8"))
    return found


def states_of(database: Path, node: str) -> list[tuple[float, str]]:
    found = rows(database, "SELECT at_ms, state FROM node_states WHERE node = ? ORDER BY at_ms", node)
    return [(at_ms / 1000, state) for at_ms, state in found]


def state_at(database: Path, node: str, at_s: float) -> str | None:
    before = [state for since_s, state in states_of(database, node) if since_s <= at_s]
    return before[-1] if before else None


def show(title: str, table: list[tuple[Any, ...]]) -> None:
    """Print a table; pytest shows it with -s and when the test fails."""
    print(f"\n{title}")  # noqa: T201 - asked for
    for line in table:
        print("  " + "  ".join(f"{cell!s:>12}" for cell in line))  # noqa: T201


def test_every_node_is_up_and_down_when_the_truth_says(database: Path, truth: dict[str, Any]) -> None:
    found = []
    for entry in truth["nodes_timeline"]:
        node, at_s = entry["node_id"], entry.get("ready_ts", entry["ts"])
        if entry["event"].startswith("up"):
            live_s = next(since_s for since_s, state in states_of(database, node) if state == "live")
            found.append((entry["node"], entry["event"], node[:8], at_s, live_s, round(live_s - at_s, 2)))
        elif entry["event"] == "down":
            (last_ms,) = rows(database, "SELECT last_seen_ms FROM nodes WHERE node = ?", node)[0]
            found.append(
                (entry["node"], "down", node[:8], at_s, last_ms / 1000, round(last_ms / 1000 - at_s, 2))
            )
    show("node, what, id, truth, seen, difference in s", found)

    assert [(row[0], row[2]) for row in found] == [("a", A[:8]), ("b", B[:8]), ("b", B[:8]), ("b", B2[:8])]
    assert all(abs(row[-1]) <= POLL_S for row in found)


def test_the_killed_node_is_late_after_15_s_and_lost_when_its_successor_speaks(
    database: Path, truth: dict[str, Any]
) -> None:
    (last_ms,) = rows(database, "SELECT last_seen_ms FROM nodes WHERE node = ?", B)[0]
    after_death = [(since_s, state) for since_s, state in states_of(database, B) if since_s * 1000 > last_ms]

    assert [state for _, state in after_death] == ["late", "lost"]
    assert after_death[0][0] == pytest.approx(last_ms / 1000 + 15.0)
    (up,) = [e for e in truth["nodes_timeline"] if e["event"] == "up"]
    assert up["ts"] < after_death[1][0] < up["ready_ts"]


def test_the_node_that_stayed_is_live_throughout_and_its_reload_is_no_restart(
    database: Path, truth: dict[str, Any]
) -> None:
    assert [state for _, state in states_of(database, A)] == ["unknown", "live"]
    assert state_at(database, A, truth["end"]) == "live"


def test_each_node_event_happens_once(database: Path) -> None:
    found = rows(
        database,
        "SELECT t.event, k.value, count(*) FROM events e JOIN event_types t USING (type_id)"
        " JOIN keys k ON k.key_id = e.node WHERE t.event LIKE 'node_%' GROUP BY 1, 2 ORDER BY 1, 2",
    )

    assert found == [("node_lost", B, 1)] + [("node_started", node, 1) for node in sorted((A, B, B2))]


PLANNED = [
    (742.09, "127.0.0.1:19001", "unhealthy", (A, B)),
    (756.09, "127.0.0.1:19002", "unhealthy", (A, B)),
    (767.089, "127.0.0.1:19002", "healthy", (A, B)),
    (781.089, "127.0.0.1:19001", "healthy", (A, B)),
    (905.09, "127.0.0.1:19002", "unhealthy", (A, B2)),
    (905.09, "127.0.0.1:19002", "healthy", (A, B2)),
    (913.111, "127.0.0.1:19003", "unhealthy", (A, B2)),
]
"""Seconds after 1,795,384,000, the target, its health then, and the nodes that see it. The health set by hand
at 905 is undone by the active check within a second; nothing listens on the target added at 913."""


def test_every_planned_change_of_a_target_is_there_once_per_node(
    database: Path, truth: dict[str, Any]
) -> None:
    notes = {round(e["ts"] - 1_795_384_000, 3) for e in truth["admin_timeline"]}
    assert {at_s for at_s, *_ in PLANNED} <= notes
    found = []
    for at_s, target, health, nodes in PLANNED:
        for node in nodes:
            times = rows(
                database,
                "SELECT at_ms FROM target_health WHERE target = ? AND health = ? AND node = ?"
                " AND at_ms BETWEEN ? AND ?",
                target, health, node, (1_795_384_000 + at_s) * 1000, (1_795_384_000 + at_s + 4) * 1000,
            )  # fmt: skip
            delays = [round(ms / 1000 - 1_795_384_000 - at_s, 2) for (ms,) in times]
            found.append((at_s, target, health, node[:8], delays))
    show("planned at, target, health, node, seen after s", found)

    assert all(len(row[-1]) == 1 for row in found)


def test_no_node_tells_the_same_health_of_a_target_twice_in_a_row(database: Path) -> None:
    last: dict[tuple[str, str], str] = {}
    query = "SELECT node, target, health FROM target_health WHERE target IS NOT NULL ORDER BY at_ms"
    for node, target, health in rows(database, query):
        assert last.get((node, target)) != health
        last[node, target] = health

    assert last


def test_an_invalidation_is_there_once_per_node_not_once_per_worker(database: Path, alpha: Path) -> None:
    """Node a has two workers, and each recorded every invalidation of its node."""
    found = rows(database, "SELECT node, count(*) FROM cache_invalidations GROUP BY node")
    with gzip.open(alpha / "kong-events.jsonl.gz", "rt", encoding="utf-8") as lines:
        recorded = [json.loads(line) for line in lines]

    of_worker_0 = Counter(e["node"] for e in recorded if e.get("source") == "mlcache" and e["worker"] == 0)
    show("node, invalidations and purges", found)
    assert dict(found) == of_worker_0
    assert sum(of_worker_0.values()) == 502


def test_every_change_reached_the_caches_of_every_node_that_was_there(database: Path) -> None:
    window = Window(1_795_384_600_000, 1_795_384_970_000)
    with contextlib.closing(SqliteReader(database, 5_000)) as reader:
        past = reader.cache_past(window)
        spans = reader.node_history(window, window.to_ms)
    present: dict[str, list[tuple[int, int]]] = {}
    for span in spans:
        if span.state == "live":
            present.setdefault(span.node, []).append((span.from_ms, span.to_ms))
    dropped = [Dropped(e.at_ms, e.node or "", e.entity_type or "", e.key_masked or "") for e in past.events]
    causes = [
        Cause(c.at_ms, c.node, c.entity_type, c.entity_id, c.entity_name, c.scope) for c in past.changes
    ]

    stories, rest = tell_stories(dropped, causes, present, window.to_ms)

    show("changes, seen by, of", sorted(Counter((s.seen, s.expected) for s in stories).items()))
    assert len(stories) == 151
    assert all(story.is_complete and story.seen == 2 for story in stories)
    assert max(delay for story in stories for delay in story.delays_ms.values()) < 5_000
    assert {(burst.entity_types, burst.is_purge) for burst in rest} == {
        (("admin",), False),
        (("consumers",), False),
        ((), True),
    }


def test_a_deleted_target_has_no_health_any_more(database: Path) -> None:
    assert not rows(database, "SELECT 1 FROM known_targets WHERE target = '127.0.0.1:19003'")
