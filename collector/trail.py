"""`python -m collector verify`: whether the audit trail is as it was written (docs/runbook.md)."""

from __future__ import annotations

import sys

from collector.copies import find_database
from collector.options import verify_parser
from domain.errors import StoreError
from settings import SettingValueError
from storage.audit_trail import verify

PROBLEMS = 1


def verify_command(arguments: list[str]) -> int:
    """Recompute every chain, and say where one is broken; returns the exit status.

    Raises:
        SettingValueError: There is no database, or it cannot be read at all.
    """
    database = find_database(verify_parser().parse_args(arguments).database)
    try:
        chains = verify(database)
    except StoreError as error:
        raise SettingValueError(f"not verified: {error}") from error
    for chain in chains:
        told = chain.problem or f"{chain.entries} entries are as they were written, the last is {chain.head}"
        print(f"{chain.table}: {told}", flush=True, file=sys.stdout)  # noqa: T201 - its output
    return PROBLEMS if any(chain.problem for chain in chains) else 0
