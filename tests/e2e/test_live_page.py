"""The Live page in a real browser: what it keeps while it is read, and what it says when something breaks."""

from __future__ import annotations

import contextlib
import datetime as dt
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Dashboard, answers, running_dashboard, wait_for
from tests.e2e.stream_sender import Sender, sending, violation

pytestmark = pytest.mark.e2e
FIGURE = """() => {
  const inside = root => root.querySelector('.js-plotly-plot')
    ?? [...root.querySelectorAll('*')].map(e => e.shadowRoot && inside(e.shadowRoot)).find(Boolean)
  const plot = inside(document)
  if (!plot?.layout) return null
  window.firstPlot ??= plot
  return {
    same: window.firstPlot === plot && plot.isConnected,
    range: plot.layout.xaxis.range.map(v => Math.round(
      (typeof v === 'number' ? v : Date.parse(v.replace(' ', 'T') + 'Z')) / 1000)),
    hidden: plot.data.filter(t => t.visible === 'legendonly').map(t => t.name),
    names: plot.data.filter(t => t.meta).map(t => t.name),
    total: plot.data.filter(t => t.meta).flatMap(t => [...t.y]).reduce((a, b) => a + b, 0),
  }
}"""


@pytest.fixture
def sender(dashboard: Dashboard) -> Iterator[Sender]:
    with sending(dashboard.ws) as opened:
        for name in ("acme-mobile", "mainframe", "batch-sync"):
            opened.send(*(violation(consumer=name) for _ in range(4)))
        opened.wait_stored()
        yield opened


@pytest.fixture
def page(dashboard: Dashboard, sender: Sender, browser: Any) -> Iterator[Any]:  # noqa: ARG001 - rows first
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    found = context.new_page()
    found.goto(dashboard.url)
    found.locator(".tail tbody tr").first.wait_for(timeout=30_000)
    wait_for(lambda: found.evaluate(FIGURE), "the chart")
    found.evaluate("window.neverReloaded = true")
    yield found
    context.close()


def rows(page: Any) -> int:
    return int(page.locator(".tail tbody tr").count())


def send(sender: Sender, count: int = 1, **fields: Any) -> None:
    sender.send(*(violation(**fields) for _ in range(count)))
    sender.wait_stored()


def test_rows_hold_still_while_they_are_read(page: Any, sender: Sender) -> None:
    before = rows(page)
    page.locator(".tail tbody tr").nth(2).hover()

    send(sender, 5)
    pill = page.locator(".pill")
    pill.wait_for(timeout=5_000)

    assert pill.inner_text() == "5 new ↑"
    assert rows(page) == before
    pill.click()
    wait_for(lambda: rows(page) == before + 5, "the rows behind the pill")
    assert pill.is_hidden()


def test_new_rows_come_by_themselves_when_nobody_reads(page: Any, sender: Sender) -> None:
    page.mouse.move(400, 60)

    send(sender, consumer="newcomer")

    page.locator(".tail tbody tr", has_text="newcomer").wait_for(timeout=5_000)


def test_pause_holds_everything_and_resume_catches_up(page: Any, sender: Sender) -> None:
    page.mouse.move(400, 60)
    value = page.locator(".tile .value").first
    assert value.inner_text() == "12"
    page.keyboard.press("p")
    page.get_by_text(re.compile("^paused at ")).wait_for(timeout=5_000)

    send(sender, 3)
    page.wait_for_timeout(2_500)
    held = value.inner_text(), rows(page)
    page.get_by_role("button", name="Hold everything still").click()

    assert held == ("12", 12)
    wait_for(lambda: value.inner_text() == "15" and rows(page) == 15, "catching up")


def test_a_name_can_be_kept_left_out_and_followed_without_a_reload(page: Any) -> None:
    def act(text: str) -> None:
        name = page.locator(".tops a.name", has_text="mainframe")
        name.hover()
        page.get_by_role("button", name=text).click()

    act("Show only this")
    page.get_by_text("4 of 12 violations").wait_for(timeout=10_000)
    assert "consumer=mainframe" in page.url
    act("Leave this out")
    page.get_by_text("8 of 12 violations").wait_for(timeout=10_000)
    assert "not_consumer=mainframe" in page.url

    page.locator(".tops a.name", has_text="acme-mobile").click()
    page.get_by_role("heading", name="acme-mobile", exact=True).wait_for(timeout=15_000)

    assert "/consumers" in page.url
    assert "of=acme-mobile" in page.url
    assert page.evaluate("window.neverReloaded")


def test_zoom_and_hidden_series_outlive_refreshes(page: Any, sender: Sender) -> None:
    box = page.locator(".plot").bounding_box()
    page.locator(".legendtoggle").nth(1).click()
    wait_for(lambda: page.evaluate(FIGURE)["hidden"], "the hidden series", 5)
    page.mouse.move(box["x"] + 300, box["y"] + 150)
    page.mouse.down()
    page.mouse.move(box["x"] + 500, box["y"] + 150, steps=6)
    page.mouse.up()
    page.mouse.move(700, 60)
    page.wait_for_timeout(1_000)
    before = page.evaluate(FIGURE)

    for _ in range(4):
        send(sender, 2, consumer="another-one")
        page.wait_for_timeout(1_200)
    after = page.evaluate(FIGURE)

    assert after["total"] == before["total"] + 8
    assert after["same"]
    assert (after["range"], after["hidden"]) == (before["range"], before["hidden"])
    assert page.get_by_role("button", name=re.compile("^Show .* to ")).is_visible()


def test_a_hidden_series_that_comes_back_is_still_hidden(page: Any, sender: Sender) -> None:
    """It falls out of the five largest, and Plotly forgets it meanwhile."""
    page.locator(".legendtoggle").nth(1).click()
    page.mouse.move(700, 60)
    wait_for(lambda: page.evaluate(FIGURE)["hidden"], "the hidden series", 5)
    (name,) = page.evaluate(FIGURE)["hidden"]

    for other in range(6):
        send(sender, 6, consumer=f"louder-{other}")
    wait_for(lambda: name not in page.evaluate(FIGURE)["names"], "its fall", 10)
    send(sender, 20, consumer=name)
    wait_for(lambda: name in page.evaluate(FIGURE)["names"], "its return", 10)

    assert page.evaluate(FIGURE)["hidden"] == [name]


def test_splitting_by_another_dimension_goes_into_the_url(page: Any) -> None:
    page.get_by_label("Split by").select_option("service")

    page.get_by_text(re.compile("by service")).wait_for(timeout=10_000)

    assert "group=service" in page.url


@pytest.mark.parametrize(("query", "hours"), [("", 0), ("?zone=local", 5.75)])
def test_the_chart_is_in_the_zone_that_its_axis_names(
    dashboard: Dashboard, sender: Sender, browser: Any, query: str, hours: float
) -> None:
    """Whatever the zone of the browser: Plotly would show bare numbers in that one."""
    context = browser.new_context(timezone_id="Asia/Kathmandu")
    page = context.new_page()
    send(sender)
    page.goto(f"{dashboard.url}/{query}")
    page.locator(".tail tbody tr").first.wait_for(timeout=30_000)
    wait_for(lambda: page.evaluate(FIGURE), "the chart")

    ticks = page.locator(".xtick text").all_text_contents()
    title = page.locator(".xtitle").text_content()
    clock = page.locator(".tail td.time").first.inner_text()
    context.close()

    now_s = time.time_ns() / 1e9 + hours * 3600
    near = {f"{dt.datetime.fromtimestamp(now_s - 60 * m, dt.UTC):%H:%M}" for m in range(-1, 5)}
    assert ticks[-1][:5] in near, (ticks, near)
    assert clock[:5] in near
    assert ("UTC+05:45)" if query else "time (UTC)") in title


def test_a_page_fits_into_its_window(page: Any) -> None:
    scroll = page.evaluate(
        "() => { const m = document.querySelector('[data-testid=stMain]');"
        " return [m.scrollHeight - m.clientHeight, m.scrollWidth - m.clientWidth] }"
    )

    assert scroll == [0, 0]


def test_the_first_screen_plays_the_sample_in_a_database_of_its_own(
    dashboard: Dashboard, browser: Any
) -> None:
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.goto(dashboard.url)
    page.get_by_role("heading", name="Nothing has been received yet").wait_for(timeout=30_000)
    assert "/intake/http-log" in page.locator(".snippet pre").inner_text()

    page.get_by_role("button", name="Play a recorded Kong trace").click()
    page.get_by_text("Recorded sample, not your Kong").wait_for(timeout=20_000)
    page.locator(".tail tbody tr").first.wait_for(timeout=60_000)
    assert "sample=1" in page.url
    page.get_by_role("link", name="Health").click()
    page.get_by_role("heading", name="Health", exact=True).wait_for(timeout=20_000)
    labelled = page.get_by_text("Recorded sample, not your Kong").is_visible()
    page.get_by_role("button", name="Back to your own data").click()
    page.get_by_text("Recorded sample, not your Kong").wait_for(state="hidden", timeout=20_000)
    page.close()

    assert labelled
    with contextlib.closing(sqlite3.connect(f"file:{dashboard.database}?mode=ro", uri=True)) as ours:  # noqa: TID251
        assert ours.execute("SELECT count(*) FROM violations").fetchone() == (0,)


def test_a_lost_server_is_said_and_found_again(tmp_path: Path, browser: Any) -> None:
    """The restarted server knows none of the old tickets: the page asks for a new one by itself."""
    database = tmp_path / "gatewatch.db"
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    with running_dashboard(tmp_path, database) as first:
        with sending(first.ws) as sender:
            send(sender, 3)
        page.goto(first.url)
        page.locator(".tail tbody tr").first.wait_for(timeout=30_000)
        port = int(first.url.rsplit(":", 1)[1])
    page.get_by_text("Not connected").wait_for(timeout=15_000)
    assert page.locator("[data-trusted=no]").count() == 1
    assert "no word from the dashboard" in page.locator(".push").inner_text()

    with running_dashboard(tmp_path, database, port=port):
        wait_for(lambda: page.locator(".push").inner_text() == "", "the connection", 40)

        assert page.locator(".tail tbody tr").count() == 3
    page.close()


def test_a_killed_collector_is_started_again_and_nothing_is_lost(dashboard: Dashboard, page: Any) -> None:
    page.mouse.move(400, 60)
    found = subprocess.run(
        ["pgrep", "-P", str(dashboard.process.pid)], check=True, capture_output=True, text=True
    )
    (child,) = found.stdout.split()

    subprocess.run(["kill", "-KILL", child], check=True)
    wait_for(lambda: not Path(f"/proc/{child}").exists(), "its end", 5)
    wait_for(lambda: answers(dashboard.http + "/healthz"), "its return", 20)
    with sending(dashboard.ws, source="another") as again:
        send(again, consumer="after-the-kill")

    page.locator(".tail tbody tr", has_text="after-the-kill").wait_for(timeout=10_000)
    assert rows(page) == 13


def test_no_process_stays_behind(tmp_path: Path) -> None:
    with running_dashboard(tmp_path) as running:
        found = subprocess.run(
            ["pgrep", "-P", str(running.process.pid)], check=True, capture_output=True, text=True
        )
        children = found.stdout.split()
        running.process.send_signal(signal.SIGTERM)
        running.process.wait(15)

    assert children
    assert not any(Path(f"/proc/{child}").exists() for child in children)


def test_beyond_loopback_it_is_not_served_without_a_login(root: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "streamlit", "run", "dashboard.py", "--server.address", "0.0.0.0"],  # noqa: S104
        cwd=root,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == 1
    assert "nobody has to log in" in ended.stderr
