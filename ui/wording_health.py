"""Sentences of the Health page that are not about a problem; those stand with the checks."""

from __future__ import annotations

from pathlib import Path

from settings import Settings
from storage.location import Location
from ui.server.status import ChildState
from ui.wording import size

CHILD_STATES = {
    ChildState.OFF: "○ not started here",
    ChildState.STARTING: "◐ starting",
    ChildState.RUNNING: "● running, started here",
    ChildState.EXTERNAL: "● running, started elsewhere",
    ChildState.CONFLICT: "✕ its address is taken",
    ChildState.RESTARTING: "◐ starting again",
}
COLLECTOR_STATES = {"ok": "● ok", "degraded": "✕ cannot store", "stopping": "◐ stopping"}

WAYS = {
    "stream": "stream",
    "http-log": "Kong's http-log",
    "event-hooks": "event hooks",
    "events": "generic intake",
    "admin-api": "Admin API",
    "replay": "replayed file",
}
"""How a sender reaches us."""

AT_LEAST = (
    "**At least** stands before a number when something is known to be missing (a gap, a sender that had to "
    "drop) or when a sender reports repeats only once (Kong's event hooks)."
)
UNKNOWN = "**Unknown** is never zero: it means that nobody told us. Zero means that somebody would have."
FOLDED = (
    "**Rest of** a prefix, and **Other**, hold names beyond the number told apart per minute: they count in "
    "every total, under one name. How many there were is then a lower bound."
)
DUPLICATES = (
    "**Duplicates** are normal: Kong repeats what it got no answer for, and two ways in may tell of the same "
    "refusal. Each is stored once."
)
EXPLANATIONS = (AT_LEAST, UNKNOWN, FOLDED, DUPLICATES)

NO_SENDERS = "No sender is known yet."


def retention(settings: Settings) -> tuple[tuple[str, str, str], ...]:
    """(what, how long, setting): what is kept, longest last."""
    return (
        ("Totals per 10 seconds", _days(settings.seconds_rollup_days), "seconds_rollup_days"),
        ("Events one by one, with their JSON", _days(settings.events_days), "events_days"),
        ("Totals per minute", _days(settings.minutes_rollup_days), "minutes_rollup_days"),
        ("Totals per hour", _days(settings.hours_rollup_days), "hours_rollup_days"),
        ("Totals per day, names over time", "for ever", ""),
    )


def _days(days: int) -> str:
    return "1 day" if days == 1 else f"{days:,} days"


SERVERS_DISK = "the server's disk is not seen from here"


def database_and_log(database: Location) -> str:
    """Which database is meant, and where the log of the collector that we started is."""
    where = "is beside it" if isinstance(database, Path) else "is beside the recorded sample"
    return f"Database {database}; the collector's log {where}."


def write_ahead_log(number: int | None) -> str:
    """Its bytes; a server keeps its own."""
    return "kept by the server" if number is None else size(number)
