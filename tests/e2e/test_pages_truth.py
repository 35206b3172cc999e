"""Numbers on the pages of a real browser against what the clients of a recorded Kong cluster saw."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import ROOT, Dashboard, running_dashboard, wait_for
from tests.e2e.visiting import DRAWN, settled

pytestmark = pytest.mark.e2e

SPAN = "from=2026-11-22T21:50:00Z&to=2026-11-22T22:10:00Z"
"""Holds the whole recording."""
TOTAL = 2_375
"""By the recording's README: 2,283 that clients could read and 96 that they could not, without four of those
that Kong lost with a killed node."""
BARS = """() => {
  const plot = [...document.querySelectorAll('.st-key-gw-history *')]
    .map(e => e.shadowRoot?.querySelector('.js-plotly-plot')).find(Boolean)
  const bars = plot.data.filter(t => t.type === 'bar' && t.yaxis !== 'y2' && !t.name.startsWith('usual'))
  return bars.flatMap(t => Array.from(t.y)).reduce((a, b) => a + (b ?? 0), 0)
}"""
"""All that the history's bars show together, without the band of what is usual and without gaps."""


@pytest.fixture(scope="module")
def expected(alpha: Path) -> dict[str, dict[str, int]]:
    """Violations by name of the consumer, and by address."""
    found = json.loads((alpha / "truth.json").read_text(encoding="utf-8"))
    names: dict[str | None, str] = {}
    counts: dict[str | None, int] = {}
    for row in found["limited_by_kong"]["by_consumer"]:
        consumer_id = row["consumer_id"]
        named = row.get("renamed_to") or row["username"] or row.get("custom_id")
        names[consumer_id] = "no consumer" if consumer_id is None else named
        counts[consumer_id] = row["total"]
    differences = found["http_log_check"]["differences_truth_vs_log"]
    for consumer_id, (_, logged) in differences["consumer"].items():
        counts[consumer_id] = logged
    addresses = {row["ip"]: row["total"] for row in found["limited_by_kong"]["by_ip"]}
    addresses |= {ip: logged for ip, (_, logged) in differences["ip"].items()}
    return {
        "consumers": {names[consumer_id]: n for consumer_id, n in counts.items() if n},
        "addresses": {ip: n for ip, n in addresses.items() if n},
    }


@pytest.fixture(scope="module")
def recorded(alpha: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """A dashboard on the whole recording."""
    folder = tmp_path_factory.mktemp("truth")
    database = folder / "gatewatch.db"
    files = [str(alpha / f"{name}.jsonl.gz") for name in ("http-log", "kong-events", "admin-polls")]
    command = [sys.executable, "-m", "collector", "replay", "--database", str(database), *files]
    subprocess.run(command, cwd=ROOT, check=True, timeout=300, capture_output=True)
    with running_dashboard(folder, database) as dashboard:
        yield dashboard


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, accept_downloads=True)
    yield context.new_page()
    context.close()


def show(page: Any, url: str) -> None:
    page.goto(url)
    page.wait_for_timeout(400)
    wait_for(lambda: settled(page) and page.evaluate(DRAWN), url)


def shown_rows(page: Any, key: str) -> dict[str, int]:
    """Name -> violations, as the table shows them."""
    rows = page.locator(f".st-key-{key} tbody tr")
    found = {}
    for row in rows.all():
        cells = row.locator("td")
        name, count = (cells.nth(place).locator(".text").inner_text() for place in (0, 1))
        found[str(name)] = int(count.replace(",", ""))
    return found


def test_the_list_of_consumers_shows_what_each_of_them_was_refused(
    recorded: Dashboard, page: Any, expected: dict[str, dict[str, int]]
) -> None:
    show(page, f"{recorded.url}/consumers?{SPAN}")
    shown = {name: n for name, n in shown_rows(page, "gw-overview").items() if n}

    assert shown == expected["consumers"]
    assert sum(shown.values()) == TOTAL


@pytest.mark.parametrize("what", ["consumers", "addresses"])
def test_the_download_holds_what_each_was_refused(
    recorded: Dashboard, page: Any, expected: dict[str, dict[str, int]], what: str
) -> None:
    show(page, f"{recorded.url}/{what}?{SPAN}")
    with page.expect_download() as waiting:
        page.get_by_role("link", name="CSV").click()
    rows = csv.DictReader(io.StringIO(waiting.value.path().read_text(encoding="utf-8")))
    found = {row["name"].removeprefix("'"): int(row["violations"]) for row in rows}
    if "~none" in found:
        found["no consumer"] = found.pop("~none")

    assert {name: n for name, n in found.items() if n} == expected[what]


def test_one_consumers_page_shows_its_total_wherever_it_is_counted(
    recorded: Dashboard, page: Any, expected: dict[str, dict[str, int]]
) -> None:
    """In the sentence, in the numbers, in the bars, and over its addresses."""
    for name in ("legacy-erp", "mobile-app-v2", "<b>x</b>"):
        show(page, f"{recorded.url}/consumers?{SPAN}&of={name.replace('<', '%3C').replace('>', '%3E')}")
        count = expected["consumers"][name]
        bars = page.evaluate(BARS)
        numbers = page.locator(".st-key-gw-numbers .value").first.inner_text()

        assert f"was refused {count:,} times" in page.locator("h4").first.inner_text()
        assert numbers == f"{count:,}"
        assert bars == count


def test_a_renamed_consumer_is_found_by_its_former_name(recorded: Dashboard, page: Any, alpha: Path) -> None:
    found = json.loads((alpha / "truth.json").read_text(encoding="utf-8"))
    renamed = next(row for row in found["limited_by_kong"]["by_consumer"] if row.get("renamed_to"))

    show(page, f"{recorded.url}/consumers?{SPAN}&of={renamed['username']}")

    assert f"{renamed['renamed_to']} was refused" in page.locator("h4").first.inner_text()
    assert f"formerly {renamed['username']}" in page.locator("[data-testid=stMain]").inner_text()


def test_a_lowered_limit_stands_among_what_changed_around_its_consumers(
    recorded: Dashboard, page: Any
) -> None:
    show(page, f"{recorded.url}/consumers?{SPAN}&of=data-export")
    changes = page.locator(".st-key-gw-changes table").inner_text()

    assert "rate-limiting on service orders: 60 / minute and 3,000 / hour became 5 / minute" in changes


def test_no_refusal_of_the_upstream_is_counted_as_one_of_kongs(
    recorded: Dashboard, page: Any, alpha: Path
) -> None:
    found = json.loads((alpha / "truth.json").read_text(encoding="utf-8"))
    show(page, f"{recorded.url}/events?{SPAN}&kind=rate-limiting&certainty=ruled-out")
    ruled_out = page.locator("h4").first.inner_text()

    show(page, f"{recorded.url}/health")

    assert found["totals"]["by_kind"]["request_termination_429"] == 99
    assert ruled_out.startswith(("99 events", "The 99 events", "The 100 events"))
