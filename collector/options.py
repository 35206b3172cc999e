"""The command line: what `python -m collector` and its two other commands can be told."""

from __future__ import annotations

import argparse

from collector import VERSION

COLLECTOR_HELP = """\
Takes events from Kong gateways and stores them, each once, in one SQLite file.

ways in:
  ws://HOST:8765/v1/stream            the stream gatewatch.ingest.v1: our Kong plugin, other senders
  http://HOST:8766/intake/http-log    Kong's own http-log plugin
  http://HOST:8766/intake/event-hooks Kong Enterprise event hooks
  http://HOST:8766/intake/events      anything else that posts JSON
  http://HOST:8766/healthz, /metrics  how the collector is

When it can take events it prints one line:
  collector ready ws=HOST:PORT http=HOST:PORT database=PATH
SIGTERM or Ctrl-C: it stores what it has taken, acknowledges it, and ends within 5 seconds with status 0.

With GATEWATCH_BUS it stores nothing itself: it gives what it takes to the bus, and writers store it.

other commands:
  python -m collector writer --help    store what is on the bus
  python -m collector replay --help    play recorded files
  python -m collector simulate --help  stream made-up, labelled traffic
  python -m collector doctor --help    look at a Kong and at what has arrived: what is missing or risky
  python -m collector backup --help    copy the database while it is written
  python -m collector restore --help   put a copy back
  python -m collector check --help     look for damage
  python -m collector copy --help      copy the file into a PostgreSQL database
  python -m collector topology --help  which processes there are, and what is not well
  python -m collector put-back --help  give writers again what they laid aside
  python -m collector verify --help    whether the audit trail is as it was written
  python -m collector erase --help     erase all about one address or consumer
"""
COLLECTOR_MORE = """\
Every option can also be set in the environment (GATEWATCH_DATABASE, GATEWATCH_WS_LISTEN,
GATEWATCH_HTTP_LISTEN, GATEWATCH_ADMIN_URL, GATEWATCH_TOKEN_FILE) or in gatewatch.toml; an option wins.
docs/settings.md lists the rest.
Exit status: 0 after a stop, 2 when it cannot start, with the reason in one sentence.
"""
WRITER_HELP = """\
Stores what collectors have put on the bus (GATEWATCH_BUS), each event once, and takes it off the bus when it
is stored. Any number may write into one PostgreSQL database; one of them judges alerts and makes approved
changes, and another takes over when it dies.

When it can store it prints one line:
  writer ready http=HOST:PORT database=DATABASE
"""
WRITER_MORE = """\
Exit status: 0 after a stop, 2 when it cannot start, with the reason in one sentence.
docs/scale.md says when a writer is needed, and how many.
"""
REPLAY_HELP = """\
Plays recorded files: .jsonl or .jsonl.gz, one JSON value a line, of any form that a way in takes, recorded
POSTs {"received_at", "body"}, captured Kong events and Admin API answers; each line is recognised by its
shape.

Playing a file again adds nothing, and a run that was interrupted goes on where it stopped.
"""
REPLAY_MORE = """\
examples:
  python -m collector replay --database data/history.db http-log.jsonl.gz
  python -m collector replay --to ws://127.0.0.1:8765/v1/stream --pace 1 --shift-to-now sample.jsonl.gz

The last line says what came of it:
  replayed N entries: E events, V violations, D duplicates, Q quarantined
With --to the collector does the storing, and E and V are what was sent.
"""
BACKUP_HELP = """\
Copies the database as it is at one moment, while a collector writes it. The copy is one file, checked and on
disk before it has its name. docs/runbook.md says how to keep copies, and for how long.
"""
RESTORE_HELP = """\
Puts a copy in the place of the database. No collector may be running on it. The database that was there is
kept beside it as <name>.replaced-<time>. Senders then send again what they still hold; what they no longer
hold shows as a gap.
"""
COPY_HELP = """\
Copies a SQLite file into an empty PostgreSQL database, and compares the two row by row. It goes on where it
stopped when it is run again. The file stays as it is.
"""
COPY_MORE = "Exit status: 0 when the copy is whole, 1 when something differs, 2 when it could not be made.\n"
TOPOLOGY_HELP = """\
Shows the processes of a deployment as they told about themselves in the last hour, the bus as it is seen from
here, and the database, and says what keeps it from being able to lose a machine.
"""
TOPOLOGY_MORE = "Exit status: 0 when all is well, 1 when something is not, 2 when it could not look.\n"
PUT_BACK_HELP = """\
Puts the messages that writers laid aside back on the bus, the oldest first: after an upgrade of the writers,
or after what they died over is mended. Each event is stored once, however often it is put back; what still
cannot be stored is laid aside again.
"""
PUT_BACK_MORE = "Exit status: 0 when all are on the bus again, 2 when they are not: run it again.\n"
CHECK_HELP = """\
Looks for damage while everything runs: the structure of the file, every index, and whether totals agree with
each other. A file of 8 GB takes minutes.
"""
CHECK_MORE = "Exit status: 0 when all is well, 1 when something was found, 2 when it could not look.\n"
VERIFY_HELP = """\
Recomputes the chain of hashes of the audit trail and of the log of changes, while everything runs, and says
which entry was altered or taken out. Write down the last hash elsewhere: who may write the file could make a
new chain.
"""
VERIFY_MORE = "Exit status: 0 when all is well, 1 when something is not, 2 when it could not look.\n"
ERASE_HELP = """\
Erases everything about one address or one consumer: events, payloads, names, mentions in alerts and changes.
Totals stay, under a marker. The file is then written anew and its log emptied, so that no byte is left; that
needs twice the file's room. No collector may be running on it. Without --yes it says what would go.
"""
ERASE_MORE = "Exit status: 0 when it was erased, 1 when it was only shown, 2 when it could not be done.\n"
DOCTOR_HELP = """\
Looks at Kong through its Admin API, and at what has arrived in the database, and says in plain words what is
missing or risky, and what to do next. It only reads: a handful of GETs per Admin API.
"""
DOCTOR_MORE = """\
example:
  python -m collector doctor --admin-url http://gw-1:8001 --admin-url http://gw-2:8001

A token for Kong Enterprise is read from the file that GATEWATCH_ADMIN_TOKEN_FILE names.
Exit status: 0 when nothing is missing and nothing risky, 1 when something is, 2 when it could not look.
"""
SIMULATE_HELP = """\
Streams made-up gateway traffic with attacks in it over the real stream protocol. Each log entry carries its
label in the field gatewatch_scenario; addresses are of the ranges kept for documentation (RFC 5737, 3849).
"""


def collector_parser() -> argparse.ArgumentParser:
    """Options of `python -m collector`."""
    parser = _parser("python -m collector", COLLECTOR_HELP, COLLECTOR_MORE)
    _add_database(parser, "the SQLite file or the PostgreSQL URL to write (data/gatewatch.db)")
    parser.add_argument(
        "--ws-listen", metavar="HOST:PORT", help="where to take streams; port 0 picks one (127.0.0.1:8765)"
    )
    parser.add_argument(
        "--http-listen",
        metavar="HOST:PORT",
        help="where to take POSTs and serve /healthz, /metrics (127.0.0.1:8766)",
    )
    parser.add_argument(
        "--admin-url", metavar="URL", action="append", help="a Kong Admin API to poll; may be given again"
    )
    _add_token_file(
        parser, "lines `source:token`, mode 600; without it only programs on this machine may send"
    )
    parser.add_argument("--version", action="version", version=f"gatewatch collector {VERSION}")
    return parser


def writer_parser() -> argparse.ArgumentParser:
    """Options of `python -m collector writer`."""
    parser = _parser("python -m collector writer", WRITER_HELP, WRITER_MORE)
    _add_database(parser, "the PostgreSQL database to write, or a SQLite file that has no other writer")
    parser.add_argument(
        "--http-listen", metavar="HOST:PORT", help="where to serve /healthz, /metrics (127.0.0.1:8766)"
    )
    return parser


def replay_parser() -> argparse.ArgumentParser:
    """Options of `python -m collector replay`."""
    parser = _parser("python -m collector replay", REPLAY_HELP, REPLAY_MORE)
    parser.add_argument("files", metavar="FILE", nargs="+", help="a recorded file, .jsonl or .jsonl.gz")
    target = parser.add_mutually_exclusive_group()
    _add_database(
        target,
        "write into this SQLite file (data/gatewatch.db), on which no collector may run; or a PostgreSQL URL",
    )
    target.add_argument("--to", metavar="URL", help="send to a running collector: ws://HOST:8765/v1/stream")
    parser.add_argument(
        "--pace",
        type=_positive,
        metavar="X",
        help="play as it happened, X times faster; without it as fast as it can be stored",
    )
    parser.add_argument(
        "--shift-to-now",
        action="store_true",
        help="move all times so that the first entry happens now, with new request ids: every run is new "
        "traffic; plays as it happened unless --pace says faster",
    )
    _add_token_file(parser, "with --to: a file whose first line is source:token")
    return parser


def doctor_parser() -> argparse.ArgumentParser:
    """Options of `python -m collector doctor`."""
    parser = _parser("python -m collector doctor", DOCTOR_HELP, DOCTOR_MORE)
    _add_database(parser, "the file or the PostgreSQL URL to look at (data/gatewatch.db); nothing is written")
    parser.add_argument(
        "--admin-url",
        metavar="URL",
        action="append",
        help="a Kong Admin API to look at; may be given again, once per node",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    return parser


def simulate_parser(scenarios: dict[str, str]) -> argparse.ArgumentParser:
    """Options of `python -m collector simulate`; `scenarios` are names with one line of help each."""
    listed = "\n".join(f"  {name:14} {about}" for name, about in scenarios.items())
    parser = _parser("python -m collector simulate", SIMULATE_HELP, f"scenarios:\n{listed}\n")
    parser.add_argument("--to", metavar="URL", required=True, help="the collector: ws://HOST:8765/v1/stream")
    parser.add_argument(
        "--rate", type=_positive, default=20.0, metavar="N", help="requests a second at noon, on average (20)"
    )
    parser.add_argument("--seed", type=int, metavar="N", help="the same seed makes the same traffic, ids too")
    parser.add_argument(
        "--scenario",
        action="append",
        choices=[*scenarios, "all"],
        metavar="NAME",
        help="an attack to mix in, again and again; may be given again; `all` for every one",
    )
    parser.add_argument(
        "--duration",
        type=_positive,
        metavar="S",
        help="stop after so many seconds of traffic; without it never",
    )
    parser.add_argument(
        "--history",
        type=_positive,
        default=0.0,
        metavar="S",
        help="begin so many seconds ago: the past goes as fast as the collector takes it",
    )
    parser.add_argument(
        "--labels",
        metavar="FILE",
        help="write a JSON line for every request of an attack: request_id, at_ms, scenario, episode, ...",
    )
    _add_token_file(parser, "a file whose first line is source:token")
    return parser


def backup_parser() -> argparse.ArgumentParser:
    """Options of `python -m collector backup`."""
    parser = _parser("python -m collector backup", BACKUP_HELP, "")
    _add_database(parser, "the SQLite file to copy (data/gatewatch.db)")
    parser.add_argument("target", metavar="TO", help="the copy; nothing is overwritten")
    return parser


def restore_parser() -> argparse.ArgumentParser:
    """Options of `python -m collector restore`."""
    parser = _parser("python -m collector restore", RESTORE_HELP, "")
    _add_database(parser, "the SQLite file to replace (data/gatewatch.db)")
    parser.add_argument("backup", metavar="FROM", help="the copy")
    return parser


def copy_parser() -> argparse.ArgumentParser:
    """Options of `python -m collector copy`."""
    parser = _parser("python -m collector copy", COPY_HELP, COPY_MORE)
    _add_database(parser, "the SQLite file to copy (data/gatewatch.db); no collector may run on it")
    parser.add_argument(
        "--to", metavar="URL", required=True, help="an empty database: postgresql://HOST/NAME"
    )
    return parser


def topology_parser() -> argparse.ArgumentParser:
    """Options of `python -m collector topology`."""
    parser = _parser("python -m collector topology", TOPOLOGY_HELP, TOPOLOGY_MORE)
    _add_database(parser, "the database of the deployment")
    return parser


def put_back_parser() -> argparse.ArgumentParser:
    """Options of `python -m collector put-back`: none, the settings name the bus."""
    return _parser("python -m collector put-back", PUT_BACK_HELP, PUT_BACK_MORE)


def check_parser() -> argparse.ArgumentParser:
    """Options of `python -m collector check`."""
    parser = _parser("python -m collector check", CHECK_HELP, CHECK_MORE)
    _add_database(parser, "the file or the PostgreSQL URL to look at (data/gatewatch.db)")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="leave out whether indexes agree with their tables: 4 times faster",
    )
    return parser


def verify_parser() -> argparse.ArgumentParser:
    """Options of `python -m collector verify`."""
    parser = _parser("python -m collector verify", VERIFY_HELP, VERIFY_MORE)
    _add_database(parser, "the file or the PostgreSQL URL to look at (data/gatewatch.db)")
    return parser


def erase_parser() -> argparse.ArgumentParser:
    """Options of `python -m collector erase`."""
    parser = _parser("python -m collector erase", ERASE_HELP, ERASE_MORE)
    _add_database(parser, "the file or the PostgreSQL URL to erase from (data/gatewatch.db)")
    subject = parser.add_mutually_exclusive_group(required=True)
    subject.add_argument("--ip", metavar="ADDRESS", help="a client's address")
    subject.add_argument(
        "--consumer", metavar="ID", help="a consumer's id, or its name where only one has it"
    )
    parser.add_argument("--yes", action="store_true", help="do it; without it nothing is changed")
    return parser


def _parser(name: str, text: str, more: str) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(
        prog=name,
        description=text,
        epilog=more,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def _add_database(parser: argparse._ActionsContainer, text: str) -> None:
    parser.add_argument("--database", metavar="PATH", help=text)


def _add_token_file(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument("--token-file", metavar="FILE", help=text)


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not more than 0")
    return number
