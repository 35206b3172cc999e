"""Detectors on a recording that is changed in many ways: other names, networks, moments, rates, limits.

Rules that were tuned on one recording may fit nothing else. So the recording is varied, its limiters answer
anew where who asks what has changed, and the real replay and evaluation judge each variation. Then attacks
and harmless actors are drawn at random on top of the recording's background. A scenario that is about
refusals counts where the variation leaves it at least 20; what is above information and no scenario's is
false.

    python -m bench variations -- --trace FOLDER --draws 10 --write docs/detection.md
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any

from bench.ranges import changed
from bench.ranges.families import ATTACKS, drawn
from bench.ranges.harmless import HARMLESS
from bench.ranges.limiter import answered
from bench.ranges.scenario_table import Scenario
from bench.ranges.scoring import Score, judged
from bench.ranges.trace import Trace, load

Config = dict[str, Any]
PATIENT = ("well_behaved",)
TEMPORARY = ("temporary_consumer",)
LEAST_REFUSED = 20
START = "<!-- figures of python -m bench variations -->"
END = "<!-- end of figures of python -m bench variations -->"


def scaled(factor: float) -> Callable[[str, Config], Config]:
    """Every limit so many times as high, at least 1."""

    def change(name: str, config: Config) -> Config:
        def times(windows: Config) -> Config:
            return {
                w: max(1, round(n * factor)) if n and w in {"second", "minute", "hour"} else n
                for w, n in windows.items()
            }

        if name == "rate-limiting":
            return times(config)
        return {**config, "limits": {key: times(windows) for key, windows in config["limits"].items()}}

    return change


def by_day(_name: str, config: Config) -> Config:
    """Limits by the hour alone are limits by the day."""
    if not config.get("hour") or config.get("minute"):
        return config
    return {**{k: v for k, v in config.items() if k != "hour"}, "day": config["hour"]}


def in_days(trace: Trace) -> Trace:
    """The hour's quota is a day's, and so is what should be said of it."""
    shapes = [dataclasses.replace(s, shape=s.shape.replace("hour_", "day_")) for s in trace.scenarios]
    return dataclasses.replace(changed.limited(trace, by_day), scenarios=shapes)


def cluster(_name: str, config: Config) -> Config:
    """All nodes share their counters."""
    return {**config, "policy": "cluster"}


def with_harmless(trace: Trace) -> Trace:
    """A second background besides: jobs, phones, an office, a fleet."""
    return drawn(trace, 11, HARMLESS)


VARIATIONS: Mapping[str, Callable[[Trace], Trace]] = {
    "as recorded": lambda t: t,
    "answers made anew": answered,
    "other names and ids": lambda t: changed.renamed(t, 5),
    "other networks": lambda t: changed.renumbered(t, 5),
    "IPv6 networks only": lambda t: changed.renumbered(t, 5, to_ipv6=True),
    "no polls": lambda t: changed.without(t, polls=True),
    "arrival up to 5 s late, in any order": lambda t: changed.late(t, 5_000, 3),
    **{f"{s} s later": lambda t, s=s: answered(changed.shifted(t, s)) for s in (3, 11, 17, 29, 53, 1_801)},
    "one node": lambda t: answered(changed.on_nodes(t, 1, 1)),
    "three nodes": lambda t: answered(changed.on_nodes(t, 3, 1)),
    "five nodes": lambda t: answered(changed.on_nodes(t, 5, 1)),
    "counters of the cluster": lambda t: answered(changed.limited(t, cluster)),
    "limits x 0.5": lambda t: answered(changed.limited(t, scaled(0.5))),
    "limits x 2": lambda t: answered(changed.limited(t, scaled(2))),
    "a day's quota": lambda t: answered(in_days(t)),
    "twice as fast": lambda t: answered(changed.stretched(t, 0.5)),
    "half as fast": lambda t: answered(changed.stretched(t, 2)),
    "attacks x 0.5": lambda t: answered(changed.thickened(t, 0.5, 1)),
    "attacks x 2": lambda t: answered(changed.thickened(t, 2, 1)),
    "attacks x 3": lambda t: answered(changed.thickened(t, 3, 1)),
    "background x 0.5": lambda t: answered(changed.thickened(t, 0.5, 1, ["background"])),
    "background x 2": lambda t: answered(changed.thickened(t, 2, 1, ["background"])),
    "a second harmless background": lambda t: answered(with_harmless(t)),
}
"""By name; each from the recording."""
ALONE = "alone: "
"""With a scenario's name: its requests and nothing else, neither events nor polls nor any past."""


def random_cluster(trace: Trace, seed: int) -> Trace:
    """Attacks and harmless actors drawn at random, with other limits, nodes and hour."""
    random = Random(seed)  # noqa: S311 - made-up traffic
    gone = [s.name for s in trace.scenarios if s.name not in changed.TOLD]
    background = changed.lacking(trace, [*gone, *TEMPORARY])

    def change(name: str, config: Config) -> Config:
        known = [str(config.get(key)) for key in ("limit_by", "error_code", "hide_client_headers")]
        own = Random(f"{seed} {name} {known}")  # noqa: S311 - made-up traffic
        found = scaled(own.uniform(0.6, 1.8))(name, config)
        return cluster(name, found) if own.random() < 0.2 else found

    found = changed.limited(drawn(background, seed, ATTACKS + HARMLESS), change)
    found = changed.on_nodes(found, random.choice((1, 2, 2, 3)), seed)
    return answered(changed.shifted(found, random.randrange(3_600)))


def shown_of(trace: Trace) -> list[Scenario]:
    """The scenarios but those that hardly refuse anybody any more."""
    refused = Counter(r.label for r in trace.requests if r.was_limited)
    present = {r.label for r in trace.requests}
    quiet = ("_no_429", "_no_alarm", "_no_attack", "_many_credentials")

    def is_shown(name: str, shape: str) -> bool:
        if name in changed.TOLD:
            return True
        return name in present and (shape.endswith(quiet) or refused[name] >= LEAST_REFUSED)

    return [s for s in trace.scenarios if is_shown(s.name, s.shape)]


def line(name: str, score: Score) -> str:
    """One row of the table."""
    late = [row.late_s for row in score.rows if row.late_s is not None and not row.scenario.is_harmless]
    longest = f"{max(late):.0f} s" if late else "-"
    missed = [row.scenario.name for row in score.rows if not row.is_right]
    false = [f"{i['shape']} on {i['entity'][:24]}" for i in score.alarms]
    return (
        f"| {name} | {score.found} of {len(score.rows)} | {score.recall:.2f} | {score.precision:.2f} |"
        f" {longest} | {', '.join(missed) or '-'} | {', '.join(false) or '-'} |"
    )


HEAD = [
    "| variation | found | recall | precision | longest delay | missed | false |",
    "|---|---|---|---|---|---|---|",
]


def total(name: str, scores: list[Score]) -> str:
    """The row that sums up."""
    found, rows = sum(s.found for s in scores), sum(len(s.rows) for s in scores)
    alarms = sum(len(s.alarms) for s in scores)
    precision = found / (found + alarms) if found + alarms else 1.0
    return f"| **{name}** | {found} of {rows} | {found / max(1, rows):.2f} | {precision:.2f} | | | {alarms} |"


def main(arguments: list[str]) -> None:
    """Vary, judge, print; with --write also into a page, between its marks."""
    parser = argparse.ArgumentParser(prog="python -m bench variations")
    parser.add_argument("--trace", type=Path, required=True, help="a folder with a recording and its truth")
    parser.add_argument("--draws", type=int, default=10, help="clusters drawn at random")
    parser.add_argument("--only", action="append", default=[], help="variations whose names contain this")
    parser.add_argument("--write", metavar="FILE")
    options = parser.parse_args(arguments)
    trace = changed.patient(load(options.trace), PATIENT)
    makers: dict[str, Callable[[], Trace]] = {
        name: lambda vary=vary: vary(trace) for name, vary in VARIATIONS.items()
    }
    for scenario in trace.scenarios:
        if scenario.name not in changed.TOLD:
            makers[ALONE + scenario.name] = lambda n=scenario.name: changed.only(trace, n, background=False)
    for seed in range(options.draws):
        makers[f"drawn at random, {seed}"] = lambda s=seed: random_cluster(trace, s)
    lines, varied, random = list(HEAD), [], []
    for name, make in makers.items():
        if options.only and not any(part in name for part in options.only):
            continue
        made = make()
        score = judged(made, shown_of(made))
        (random if name.startswith("drawn") else varied).append(score)
        lines.append(line(name, score))
        sys.stderr.write(lines[-1] + "\n")
    lines += [total(n, s) for n, s in (("all variations", varied), ("all drawn", random)) if s]
    text = "\n".join(lines)
    print(text)
    if options.write:
        page = Path(options.write)
        before, _, rest = page.read_text(encoding="utf-8").partition(START)
        after = rest.partition(END)[2]
        page.write_text(f"{before}{START}\n\n{text}\n\n{END}{after}", encoding="utf-8")
