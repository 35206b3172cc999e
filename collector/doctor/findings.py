"""What the doctor says: one fact, why it matters, and what to do next."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from enum import StrEnum


class Severity(StrEnum):
    """How bad it is, the worst first."""

    MISSING = "missing"
    """Something cannot be seen, or is not there."""
    RISK = "risk"
    """What is seen may be wrong or may be lost."""
    NOTE = "note"
    """Worth knowing; nothing to be done."""


SIGNS = {Severity.MISSING: "✕", Severity.RISK: "▲", Severity.NOTE: "·"}


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found."""

    severity: Severity
    what: str
    """The fact, with names and numbers. May hold text from Kong: shown escaped."""
    why: str
    """What it means for what we see."""
    do: str = ""
    """What to do next; empty for notes that need nothing."""


def missing(what: str, why: str, do: str) -> Finding:
    """Something cannot be seen."""
    return Finding(Severity.MISSING, what, why, do)


def risk(what: str, why: str, do: str) -> Finding:
    """Something may be wrong."""
    return Finding(Severity.RISK, what, why, do)


def note(what: str, why: str, do: str = "") -> Finding:
    """Worth knowing."""
    return Finding(Severity.NOTE, what, why, do)


def ranked(findings: Iterable[Finding]) -> list[Finding]:
    """The worst first; of one kind in the order found, each once."""
    order = list(Severity)
    return sorted(dict.fromkeys(findings), key=lambda finding: order.index(finding.severity))


def summary(findings: Sequence[Finding]) -> str:
    """The last line: `2 missing, 1 risk, 3 notes`."""
    counts = {severity: sum(f.severity is severity for f in findings) for severity in Severity}
    if not counts[Severity.MISSING] and not counts[Severity.RISK]:
        return f"nothing missing, nothing risky ({_counted(counts[Severity.NOTE], 'note')})"
    return ", ".join(
        (
            f"{counts[Severity.MISSING]} missing",
            _counted(counts[Severity.RISK], "risk"),
            _counted(counts[Severity.NOTE], "note"),
        )
    )


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def exit_status(findings: Iterable[Finding]) -> int:
    """0 when nothing is missing and nothing risky, else 1."""
    return int(any(finding.severity is not Severity.NOTE for finding in findings))
