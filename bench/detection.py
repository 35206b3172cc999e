"""Detectors on the labelled range: precision, recall and delay of each over 20 seeds of `simulate`.

Each run is ten minutes of ordinary traffic and then one episode of one attack, as `python -m collector
simulate
--scenario NAME --seed N` streams it, through the decoder, the store and `python -m alerting replay`. A
finding is true when it is of the right shape on the right actor from the episode's start until its
detector's stated delay after its end; anything else above information is false. Seeds without any attack
count false alarms only.

    python -m bench detection -- --seeds 20 --write docs/detection.md
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from alerting.episodes import Episode, episodes
from alerting.history import History
from collector.simulate.scenarios import SCENARIOS
from collector.simulate.traffic import Plan, items
from collector.wire.stream import decode_stream_items
from domain.detectors import DETECTORS
from domain.events import Decoded
from domain.rules import default_rules
from settings import load_settings
from storage.alert_reads import AlertReads
from storage.batches import Batch
from storage.sqlite_store import SqliteStore

START_MS = 1_800_000_000_000
WARM_MS = 600_000
RATE = 20.0
GROUP_MS = 2_000
LABEL = "gatewatch_scenario"
TAIL_MS = 150_000
LENGTH_S = {
    "burst": 20,
    "leaked-key": 60,
    "one-address-many-consumers": 60,
    "retry-loop": 90,
    "low-and-slow": 600,
}


class Expected(NamedTuple):
    """What should be said of an attack."""

    detector: str
    shapes: tuple[str, ...]
    entity_type: str


EXPECTED = {
    "burst": Expected("burst_or_sustained", ("single_consumer_burst",), "consumer"),
    "leaked-key": Expected("shared_or_leaked_key", ("one_key_many_addresses",), "consumer"),
    "one-address-many-consumers": Expected("credential_stuffing", ("one_address_many_credentials",), "ip"),
    "retry-loop": Expected(
        "retry_disregard", ("retry_loop_ignoring_retry_after", "hour_window_long_retry_after"), "consumer"
    ),
    "low-and-slow": Expected("low_and_slow", ("low_and_slow_over_limit",), "ip"),
}


class Run(NamedTuple):
    """One seed of one attack."""

    scenario: str | None
    seed: int
    delay_s: float | None
    """From the episode's start; None when it was missed."""
    by: str
    false: list[Episode]


def stream(scenario: str | None, seed: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """Ordinary traffic alone, then with the attack in it; the first episode only."""
    quiet = Plan(seed=seed, start_ms=START_MS, rate=RATE)
    for at_ms, item in items(quiet):
        if at_ms >= START_MS + WARM_MS:
            break
        yield at_ms, item
    start_ms = START_MS + WARM_MS
    length_ms = 1000 * LENGTH_S.get(scenario or "", 60) + TAIL_MS
    loud = Plan(seed=seed + 1, start_ms=start_ms, rate=RATE, scenarios=(scenario,) if scenario else ())
    for at_ms, item in items(loud):
        if at_ms >= start_ms + length_ms:
            return
        yield at_ms, item


def play(path: Path, scenario: str | None, seed: int) -> tuple[list[Episode], str, tuple[int, int]]:
    """Store one run and evaluate it; also who attacked, and from when until when."""
    store = SqliteStore(str(path), load_settings({"database": str(path)}, {}))
    actor, first_ms, last_ms = "", 0, 0
    waiting: list[dict[str, Any]] = []
    newest_ms = flushed_ms = START_MS
    truth: set[tuple[str, str]] = set()

    def flush() -> None:
        decoded = Decoded()
        for part in decode_stream_items(waiting, received_ms=newest_ms):
            decoded.events += part.events
            decoded.traffic += part.traffic
            decoded.entities += part.entities
            decoded.plugins += part.plugins
            decoded.nodes += part.nodes
            decoded.entries += part.entries
        store.write([Batch(source="simulate", way="stream", received_ms=newest_ms, decoded=decoded)])
        waiting.clear()

    for at_ms, item in stream(scenario, seed):
        newest_ms = at_ms
        if scenario is not None and item.get("entry", {}).get(LABEL) == scenario:
            first_ms, last_ms = first_ms or at_ms, at_ms
            by_consumer = EXPECTED[scenario].entity_type == "consumer"
            entry = item["entry"]
            actor = entry["consumer"]["username"] if by_consumer else entry["client_ip"]
        _note_truth(truth, item)
        waiting.append(item)
        if at_ms - flushed_ms >= GROUP_MS:
            flush()
            flushed_ms = at_ms
    flush()
    store.close()
    reads = AlertReads(path, 30_000)
    found = list(episodes(History(reads, default_rules()).moves()))
    reads.close()
    told = [e for e in found if (e.rule, e.shape) not in truth or e.severity == "information"]
    return told, actor, (first_ms, last_ms)


def _note_truth(truth: set[tuple[str, str]], item: dict[str, Any]) -> None:
    """What the simulated nodes really did besides: raised limits, and pools whose only target failed."""
    if item.get("event") == "target_unhealthy":
        truth.add(("upstream_down", "503_all_targets_unhealthy"))
    if item.get("event") == "plugins.updated":
        before, after = item["before"]["config"], item["after"]["config"]
        if any(after[window] > limit for window, limit in before.items()):
            truth.add(("defence_weakened", "limit_raised"))


def judge(scenario: str | None, seed: int, folder: Path) -> Run:
    """One run, judged."""
    found, actor, (first_ms, last_ms) = play(folder / f"{scenario}-{seed}.db", scenario, seed)
    loud = [e for e in found if e.severity != "information"]
    if scenario is None:
        return Run(None, seed, None, "", loud)
    expected = EXPECTED[scenario]
    true = [
        e
        for e in loud
        if e.entity == actor
        and e.shape in expected.shapes
        and first_ms <= e.opened_ms <= last_ms + 1000 * DETECTORS[e.rule].delay_s
    ]
    true.sort(key=lambda e: e.opened_ms)
    delay_s = (true[0].opened_ms - first_ms) / 1000 if true else None
    return Run(scenario, seed, delay_s, true[0].rule if true else "", [e for e in loud if e not in true])


def report(runs: list[Run], seeds: int) -> str:
    """The table, as Markdown."""
    lines = [
        "| attack | should be seen by | found | recall | median delay | longest delay | stated delay |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, expected in EXPECTED.items():
        mine = [r for r in runs if r.scenario == name]
        delays = sorted(r.delay_s for r in mine if r.delay_s is not None)
        middle = f"{delays[len(delays) // 2]:.0f} s" if delays else "-"
        longest = f"{delays[-1]:.0f} s" if delays else "-"
        stated = f"{DETECTORS[expected.detector].delay_s} s after it shows"
        lines.append(
            f"| `{name}` | `{expected.detector}` | {len(delays)} of {len(mine)} |"
            f" {len(delays) / max(1, len(mine)):.2f} | {middle} | {longest} | {stated} |"
        )
    lines += ["", "| detector | true | false | precision |", "|---|---|---|---|"]
    for detector in DETECTORS:
        true = sum(1 for r in runs if r.delay_s is not None and r.by == detector)
        false = sum(1 for r in runs for e in r.false if e.rule == detector)
        if true or false:
            lines.append(f"| `{detector}` | {true} | {false} | {true / (true + false):.2f} |")
    calm = [r for r in runs if r.scenario is None]
    alarms = sum(len(r.false) for r in calm)
    lines += ["", f"In {len(calm)} runs without any attack, {len(calm) * 13} minutes: {alarms} false alarms."]
    falsely = sorted({(e.rule, e.shape, f"{e.entity_type} {e.entity}") for r in runs for e in r.false})
    if falsely:
        lines += ["", "What was false:", ""]
        lines += [f"- `{rule}`: {shape}, {who}" for rule, shape, who in falsely[:20]]
    return "\n".join([f"{seeds} seeds for each attack.", "", *lines])


MARK = "<!-- figures of python -m bench detection -->"


def main(arguments: list[str]) -> None:
    """Play, judge, print; with --write also into a page, below its mark."""
    parser = argparse.ArgumentParser(prog="python -m bench detection")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--scenario", action="append", choices=[*SCENARIOS, "none"])
    parser.add_argument("--write", metavar="FILE")
    options = parser.parse_args(arguments)
    names: list[str | None] = [*EXPECTED, None]
    if options.scenario:
        names = [None if name == "none" else name for name in options.scenario]
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            for seed in range(options.seeds):
                runs.append(judge(name, 1000 * seed, Path(folder)))
                for old in Path(folder).iterdir():
                    old.unlink()
            sys.stderr.write(f"{name or 'no attack'}: done\n")
    text = report(runs, options.seeds)
    print(text)
    if options.write:
        page = Path(options.write)
        head = page.read_text(encoding="utf-8").partition(MARK)[0]
        page.write_text(f"{head}{MARK}\n\n{text}\n", encoding="utf-8")
