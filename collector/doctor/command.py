"""The command itself: gather, examine, print.

Exit status: 0 when nothing is missing and nothing risky, 1 when something is, 2 when it could not look.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Sequence

import httpx

from collector.doctor import arrival_rules, kong_rules
from collector.doctor.arrival_rules import Arrived
from collector.doctor.findings import SIGNS, Finding, exit_status, missing, ranked, summary
from collector.doctor.looking import Looked, look
from collector.options import doctor_parser
from collector.poller.address import AdminAddress, parse_admin_urls
from collector.poller.client import open_client
from collector.poller.poller import read_admin_token
from domain.errors import DeadlineExceeded, StoreError
from domain.filters import UNKNOWN_TOKEN, Dimension, Filters
from domain.windows import DAY_MS, Window
from settings import Settings, load_settings
from storage.location import located
from storage.opening import open_reader
from storage.rows import CellRow, Totals

READ_LIMIT_MS = 20_000
"""A doctor may take its time; a page may not."""
MOST_AT_ONCE = 8
MANY = 500


def main(arguments: list[str]) -> int:
    """Run the command; returns the exit status.

    Raises:
        SettingValueError: An option or a setting cannot be used.
    """
    options = doctor_parser().parse_args(arguments)
    settings = load_settings({"database": options.database, "admin_url": options.admin_url})
    now_ms = time.time_ns() // 1_000_000
    addresses = parse_admin_urls(settings.admin_url)
    client = open_client(read_admin_token(settings), settings.admin_ca_file) if addresses else None
    looked = asyncio.run(_look_at_all(client, addresses)) if client else []
    findings = ranked(_examined(settings, looked, now_ms))
    print(_as_json(findings) if options.json else _as_text(settings, addresses, findings))  # noqa: T201 - its output
    return exit_status(findings)


async def _look_at_all(client: httpx.AsyncClient, addresses: Sequence[AdminAddress]) -> list[Looked]:
    gate = asyncio.Semaphore(MOST_AT_ONCE)

    async def one(address: AdminAddress) -> Looked:
        async with gate:
            return await look(client, address, lambda: time.time_ns() // 1_000_000)

    async with client:
        return list(await asyncio.gather(*(one(address) for address in addresses)))


def _examined(settings: Settings, looked: Sequence[Looked], now_ms: int) -> list[Finding]:
    found = list(kong_rules.examine(looked, now_ms))
    if not looked:
        found.append(
            missing(
                "no Admin API was looked at",
                "Kong's own configuration is not known: limits, names, node and target states",
                "name one per node: --admin-url http://GATEWAY:8001, or GATEWATCH_ADMIN_URL",
            )
        )
    try:
        arrived = read_arrived(settings.database, now_ms)
    except (StoreError, DeadlineExceeded) as error:
        what, why = (
            f"{located(settings.database)} cannot be read: {error}",
            "what has arrived cannot be looked at",
        )
        return [*found, missing(what, why, "see docs/runbook.md")]
    return found + list(arrival_rules.examine(arrived, looked, now_ms))


def read_arrived(database: str, now_ms: int) -> Arrived:
    """What the store holds; a database that does not exist holds nothing.

    Raises:
        StoreError: It cannot be read.
        DeadlineExceeded: It took too long.
    """
    window, everything = Window(now_ms - DAY_MS, now_ms), Filters()
    with contextlib.closing(open_reader(database, READ_LIMIT_MS)) as reader:
        totals = reader.totals(window, everything)
        by_node = reader.breakdown(Dimension.NODE, window, everything, MANY)
        quarantine = reader.quarantine(window, MANY)
        top, share, of = _top_address(reader.breakdown(Dimension.IP, window, everything, MANY), totals)
        return Arrived(
            path=str(located(database)),
            freshness=reader.freshness(),
            health=reader.health(),
            nodes=reader.nodes(now_ms),
            totals=totals,
            top_address=top,
            top_share=share,
            top_of=of,
            plugins=len(reader.plugins()),
            gaps=len(reader.gaps(window, MANY)),
            quarantined=len(quarantine),
            why_quarantined=quarantine[0].why if quarantine else "",
            nameless_refusals=sum(
                row.limited + row.probable for row in by_node if row.token == UNKNOWN_TOKEN
            ),
        )


def _top_address(rows: Sequence[CellRow], totals: Totals) -> tuple[str | None, float, int]:
    """(address, share, of how many): by requests where they are known, else by refusals."""
    if totals.requests:
        top = max(rows, key=lambda row: row.requests or 0, default=None)
        n, whole = (top.requests or 0) if top else 0, totals.requests
    else:
        top = max(rows, key=lambda row: row.limited + row.probable, default=None)
        n, whole = (top.limited + top.probable) if top else 0, totals.violations
    if top is None or not whole or top.token == UNKNOWN_TOKEN:
        return None, 0.0, 0
    return top.label, n / whole, whole


def _as_text(settings: Settings, addresses: Sequence[AdminAddress], findings: Sequence[Finding]) -> str:
    looked_at = ", ".join(address.label for address in addresses) or "no Admin API"
    lines = [f"looked at {located(settings.database)} and {looked_at}", ""]
    for finding in findings:
        lines.append(f"{SIGNS[finding.severity]} {finding.severity}: {_printable(finding.what)}")
        lines.append(f"    {_printable(finding.why)}")
        if finding.do:
            lines.append(f"    do: {finding.do}")
    return "\n".join([*lines, "", summary(findings)])


def _printable(text: str) -> str:
    """Names come from Kong: nothing in them may steer the terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def _as_json(findings: Sequence[Finding]) -> str:
    told = [{"severity": str(f.severity), "what": f.what, "why": f.why, "do": f.do} for f in findings]
    return json.dumps({"findings": told, "summary": summary(findings)}, indent=2)
