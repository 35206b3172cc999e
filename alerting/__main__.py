"""`python -m alerting`: rules over what is stored already. See `--help`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

import msgspec

from alerting.episodes import Episode, episodes
from alerting.history import History
from domain.errors import DeadlineExceeded, StoreError
from domain.rules import default_rules
from settings import SettingValueError, load_settings
from storage.alert_reads import AlertReads
from storage.location import located

CANNOT = 2
DEADLINE_MS = 60_000
"""Of one read; nobody waits for it on a screen."""
QUIET_S = 2.0
"""Progress is told when a run takes longer than this."""
HELP = """\
Evaluates every rule over the stored history in event time, as if it had watched, and prints one JSON object a
line for each incident, in the order they opened:
  rule, shape, severity, entity_type, entity, opened_ms, resolved_ms, count, why
Nothing is written to the database. Incidents that were still going on at the end have resolved_ms null.
"""


def main(arguments: list[str]) -> int:
    """Run one command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m alerting", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True)
    replay = commands.add_parser(
        "replay",
        help="evaluate every rule over the stored history",
        description=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    replay.add_argument(
        "--database", metavar="PATH", help="the file or PostgreSQL URL to read (data/gatewatch.db)"
    )
    options = parser.parse_args(arguments)
    try:
        settings = load_settings({"database": options.database})
        return print_history(settings.database, sys.stdout, sys.stderr)
    except (SettingValueError, StoreError, DeadlineExceeded) as error:
        print(f"alerting: {error}", file=sys.stderr)  # noqa: T201 - for the operator
        return CANNOT


def print_history(database: str | Path, out: TextIO, progress: TextIO) -> int:
    """Print one line per incident.

    Raises:
        SettingValueError: There is no such file.
        StoreError: It cannot be read.
    """
    location = located(database)
    if isinstance(location, Path) and not location.exists():
        raise SettingValueError(f"database {location} does not exist; name another with --database")
    reads = AlertReads(database, DEADLINE_MS)
    try:
        history = History(reads, default_rules(), on_progress=teller(progress))
        found = sorted(replayed(history), key=lambda episode: episode.opened_ms)
        out.writelines(msgspec.json.encode(episode).decode() + "\n" for episode in found)
    finally:
        reads.close()
    out.flush()
    return 0


def replayed(history: History) -> Iterator[Episode]:
    """The episodes of a pass; a rule that failed makes it fail, in the end."""
    yield from episodes(history.moves())
    evaluator = history.evaluator
    if evaluator is not None and evaluator.failures:
        rule, why = next(iter(evaluator.failures.items()))
        raise StoreError(f"rule {rule} failed: {why}")


def teller(stream: TextIO) -> Callable[[int, int], None]:
    """Says on a terminal how far a long run is, at each whole percent."""
    import time  # noqa: PLC0415 - only here

    started_s, said = time.monotonic(), -1

    def tell(done: int, total: int) -> None:
        nonlocal said
        percent = min(100, 100 * done // max(1, total))
        if percent == said or time.monotonic() - started_s < QUIET_S:
            return
        said = percent
        stream.write(f"evaluated {percent} % of the history\n")
        stream.flush()

    return tell


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
