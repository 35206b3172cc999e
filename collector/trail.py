"""The audit trail: what a start adds to it, and `python -m collector verify` (docs/runbook.md)."""

from __future__ import annotations

import dataclasses
import json
import logging
import sys

from collector.copies import find_store
from collector.options import verify_parser
from domain.errors import StoreError
from domain.redaction import redact_text
from settings import Settings, SettingValueError
from storage.audit_trail import record_settings, verify
from storage.location import located

log = logging.getLogger("gatewatch.audit")

PROBLEMS = 1


def note_settings(settings: Settings, at_ms: int) -> None:
    """Record which settings differ from those of the start before. Of secrets there is only the file's path.

    A trail that cannot be written now does not keep the collector from taking events: the log says so, and
    the next start tells the difference.
    """
    values = {
        name: redact_text(json.dumps(value, ensure_ascii=False))
        for name, value in dataclasses.asdict(settings).items()
    }
    values["database"] = json.dumps(str(located(settings.database)), ensure_ascii=False)
    try:
        changed = record_settings(settings.database, at_ms, values)
    except StoreError as error:
        log.warning("changed settings could not be recorded: %s", error)
    else:
        if changed:
            log.info("settings that changed since the last start: %s", ", ".join(changed))


def verify_command(arguments: list[str]) -> int:
    """Recompute every chain, and say where one is broken; returns the exit status.

    Raises:
        SettingValueError: There is no database, or it cannot be read at all.
    """
    place = find_store(verify_parser().parse_args(arguments).database)
    try:
        chains = verify(place)
    except StoreError as error:
        raise SettingValueError(f"not verified: {error}") from error
    for chain in chains:
        told = chain.problem or f"{chain.entries} entries are as they were written, the last is {chain.head}"
        print(f"{chain.table}: {told}", flush=True, file=sys.stdout)  # noqa: T201 - its output
    return PROBLEMS if any(chain.problem for chain in chains) else 0
