"""Every page of a dashboard on a real PostgreSQL, in a real browser; and while that is not there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.e2e.conftest import ROOT, Dashboard, browser, running_dashboard, wait_for
from tests.e2e.visiting import DRAWN, settled
from tests.postgres import Server, running
from ui.navigation import LANDING, PAGES

__all__ = ["browser"]
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

SPAN = "from=2026-11-22T21:50:00Z&to=2026-11-22T22:10:00Z"
"""Holds the whole recording."""
BROKEN = re.compile(r"cannot be read|did not answer within|Traceback|no such table", re.IGNORECASE)
LISTED = 50
"""Addresses of the first page of a list."""
SECRET = "not-to-be-shown"  # noqa: S105 - the server lets everybody in; what matters is where it turns up


class Served(NamedTuple):
    """A dashboard, and the server that it reads from."""

    dashboard: Dashboard
    server: Server


@pytest.fixture(scope="module")
def served(alpha: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The recording, played into PostgreSQL by the real command, and a dashboard with its collector."""
    folder = tmp_path_factory.mktemp("served")
    with running() as server:
        url = server.url().replace("postgres@", f"postgres:{SECRET}@")
        files = [str(alpha / f"{name}.jsonl.gz") for name in ("http-log", "kong-events", "admin-polls")]
        environ = {**os.environ, "GATEWATCH_DATABASE": url}  # noqa: TID251 - of a process of its own
        command = [sys.executable, "-m", "collector", "replay", *files]
        done = subprocess.run(command, cwd=ROOT, env=environ, check=True, timeout=300, capture_output=True)
        assert b"2375 violations" in done.stdout
        with running_dashboard(folder, GATEWATCH_DATABASE=url) as dashboard:
            yield Served(dashboard, server)


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    yield context.new_page()
    context.close()


def show(page: Any, url: str) -> str:
    """All that a page says once it is drawn."""
    page.goto(url)
    page.wait_for_timeout(400)
    wait_for(lambda: settled(page) and page.evaluate(DRAWN), url)
    return str(page.locator("[data-testid=stMainBlockContainer]").inner_text())


def test_every_page_is_drawn_without_an_error(served: Served, page: Any) -> None:
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    for entry in PAGES:
        path = "" if entry.name == LANDING else entry.name
        said = show(page, f"{served.dashboard.url}/{path}?{SPAN}")

        assert not BROKEN.search(said), (entry.name, BROKEN.search(said))
        assert page.locator("[data-testid=stException]").count() == 0, said
        assert SECRET not in page.content()
    assert problems == []
    log = served.dashboard.log.read_text(encoding="utf-8", errors="replace")
    assert "Traceback" not in log, log
    assert SECRET not in log


def test_the_numbers_of_the_list_are_those_that_clients_saw(served: Served, page: Any, alpha: Path) -> None:
    truth = json.loads((alpha / "truth.json").read_text(encoding="utf-8"))
    expected = {row["ip"]: row["total"] for row in truth["limited_by_kong"]["by_ip"]}
    for ip, (_, logged) in truth["http_log_check"]["differences_truth_vs_log"]["ip"].items():
        expected[ip] = logged
    show(page, f"{served.dashboard.url}/addresses?{SPAN}")
    shown = {}
    for row in page.locator(".st-key-gw-overview tbody tr").all():
        name, count = (row.locator("td").nth(place).locator(".text").inner_text() for place in (0, 1))
        shown[name] = int(count.replace(",", ""))

    most = sorted(expected.values(), reverse=True)[: len(shown)]
    assert len(shown) >= LISTED
    assert sorted(shown.values(), reverse=True) == most
    assert shown.items() <= expected.items()


def test_live_shows_what_arrives_without_being_asked_again(served: Served, page: Any) -> None:
    show(page, f"{served.dashboard.url}/")
    told = {"event_type": "rate_limit_exceeded", "consumer": "just-now", "ip": "198.51.100.77"}
    body = json.dumps({**told, "timestamp": time.time_ns() // 1_000_000_000}).encode()
    headers = {"content-type": "application/json"}
    asked = urllib.request.Request(f"{served.dashboard.http}/intake/events", body, headers)
    with urllib.request.urlopen(asked, timeout=20) as answer:
        assert answer.status == 200

    wait_for(lambda: page.get_by_text("just-now").count() > 0, "Live shows it")


def test_one_consumer_one_address_and_one_event_have_their_pages(served: Served, page: Any) -> None:
    for path in (
        f"consumers?{SPAN}&of=legacy-erp",
        f"addresses?{SPAN}&of=203.0.113.66",
        f"events?{SPAN}&event=40",
    ):
        said = show(page, f"{served.dashboard.url}/{path}")

        assert not BROKEN.search(said), path
        assert page.locator("[data-testid=stException]").count() == 0, said


def test_the_password_is_in_no_argument_of_any_process(served: Served) -> None:
    assert served.dashboard.process.poll() is None
    told = subprocess.run(["ps", "-eo", "args"], check=True, capture_output=True, text=True).stdout

    assert "collector" in told
    assert SECRET not in told


def test_a_server_that_is_gone_is_said_so_and_never_shown_as_calm(served: Served, page: Any) -> None:
    url = f"{served.dashboard.url}/consumers?{SPAN}"
    show(page, url)
    served.server.stop()

    said = show(page, url)

    assert re.search(r"The database cannot be read: postgresql://.*Connection refused", said), said
    assert "legacy-erp" not in said
    served.server.start()
    wait_for(lambda: "legacy-erp" in show(page, url), "the page shows what it did before")
