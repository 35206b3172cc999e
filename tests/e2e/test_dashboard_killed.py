"""The dashboard is killed under its viewers: the collector goes on, pages say so, the next one takes over."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Dashboard, answers, running_dashboard, wait_for
from tests.e2e.load import Load, health, lost_and_doubled, measured
from tests.storage.filling import one, rows

pytestmark = pytest.mark.slow

VIEWERS = 3
KILLS = 3


def collectors(database: Path) -> list[str]:
    """The processes that write a database."""
    found = subprocess.run(
        ["pgrep", "-f", f"collector.*{database}"], check=False, capture_output=True, text=True
    )
    return found.stdout.split()


@pytest.fixture
def pages(browser: Any) -> Iterator[list[Any]]:
    found = [browser.new_page(viewport={"width": 1440, "height": 900}) for _ in range(VIEWERS)]
    yield found
    for page in found:
        page.close()


def is_current(page: Any) -> bool:
    return bool(page.locator(".push").inner_text() == "")


def kill(dashboard: Dashboard) -> None:
    dashboard.process.kill()
    dashboard.process.wait(5)


@pytest.mark.timeout(300)
def test_a_dashboard_killed_again_and_again_harms_no_collector_and_leaves_none(
    tmp_path: Path, pages: list[Any]
) -> None:
    database = tmp_path / "gatewatch.db"
    with running_dashboard(tmp_path, database) as first:
        ports = {
            "GATEWATCH_WS_LISTEN": first.ws.removeprefix("ws://").removesuffix("/v1/stream"),
            "GATEWATCH_HTTP_LISTEN": first.http.removeprefix("http://"),
        }
        port = int(first.url.rsplit(":", 1)[1])
        load = Load(ports["GATEWATCH_WS_LISTEN"], 500)
        for page in pages:
            page.goto(first.url)
            page.locator(".gw-board").wait_for(timeout=30_000)
        for page in pages:
            # before it has heard anything it has no number that it could call old
            page.locator(".strip .age").filter(has_text="ago").wait_for(timeout=30_000)
        (collector,) = collectors(database)
        kill(first)
        said_s, back_s = [], []
        for turn in range(KILLS):
            since_s = time.monotonic()
            for page in pages:
                page.get_by_text("Not connected").wait_for(timeout=20_000)
                assert page.locator("[data-trusted=no]").count() == 1
            said_s.append(time.monotonic() - since_s)
            assert collectors(database) == [collector]
            assert health(ports["GATEWATCH_HTTP_LISTEN"])[1]["state"] == "ok"
            with running_dashboard(tmp_path, database, port=port, **ports) as again:
                since_s = time.monotonic()
                wait_for(lambda: all(is_current(page) for page in pages), "the connections", 40)
                back_s.append(time.monotonic() - since_s)
                assert collectors(database) == [collector]
                if turn < KILLS - 1:
                    kill(again)
                else:
                    load.stop()
    measured(
        f"{KILLS} kills under {VIEWERS} viewers and {load.total} events: said within {max(said_s):.1f} s, "
        f"connected again at most {max(back_s):.1f} s after the dashboard's return, longest without an "
        f"acknowledgement {load.longest_silence_s:.1f} s"
    )

    wait_for(lambda: collectors(database) == [], "the end of the collector with its last dashboard", 10)
    assert (load.unacked, *lost_and_doubled(database, load.sent)) == (0, 0, 0)
    assert load.longest_silence_s < 3.0
    assert load.connects == len(load.sent)
    assert rows(database, "SELECT * FROM gaps") == []
    assert one(database, "PRAGMA quick_check") == "ok"


@pytest.mark.timeout(120)
def test_a_collector_that_somebody_started_by_hand_outlives_every_dashboard(tmp_path: Path) -> None:
    with running_dashboard(tmp_path) as first:
        ports = {
            "GATEWATCH_WS_LISTEN": first.ws.removeprefix("ws://").removesuffix("/v1/stream"),
            "GATEWATCH_HTTP_LISTEN": first.http.removeprefix("http://"),
        }
        (collector,) = collectors(first.database)
        with running_dashboard(tmp_path, first.database, None, **ports) as second:
            assert answers(second.http + "/healthz")

        assert collectors(first.database) == [collector]
        assert answers(first.http + "/healthz")
