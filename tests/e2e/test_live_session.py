"""Ten minutes of Live under traffic: no chart leaves the document; zoom, hidden series and selection stay."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Dashboard, wait_for
from tests.e2e.stream_sender import sending, violation

ROOT = Path(__file__).resolve().parent.parent.parent
MINUTES = float(os.environ.get("GATEWATCH_SESSION_MINUTES", "10"))  # noqa: TID251 - tests are their own root
WATCH = """() => {
  const deep = (root, selector) => root.querySelector(selector)
    ?? [...root.querySelectorAll('*')].map(e => e.shadowRoot && deep(e.shadowRoot, selector)).find(Boolean)
  const plot = deep(document, '.js-plotly-plot')
  const top = deep(document, '.tops li .name')
  const counts = window.session = { removed: 0, redrawn: 0, longTasks: 0, plot, top, deep }
  const isPlot = node => node === plot || node.contains?.(plot)
  const watch = new MutationObserver(changes => changes.forEach(c => c.removedNodes.forEach(
    node => { if (isPlot(node)) counts.removed += 1 })))
  for (const root of [plot.getRootNode(), document]) watch.observe(root, { childList: true, subtree: true })
  plot.on('plotly_afterplot', () => { counts.redrawn += 1 })
  new PerformanceObserver(list => { counts.longTasks += list.getEntries().length })
    .observe({ type: 'longtask' })
  getSelection().selectAllChildren(top)
}"""
NOW = """() => {
  const { removed, redrawn, longTasks, plot, top, deep } = window.session
  return {
    removed, redrawn, longTasks,
    same: plot.isConnected && deep(document, '.js-plotly-plot') === plot,
    range: plot.layout.xaxis.range.map(v => Math.round(
      (typeof v === 'number' ? v : Date.parse(v.replace(' ', 'T') + 'Z')) / 1000)),
    hidden: plot.data.filter(t => t.visible === 'legendonly').map(t => t.uid),
    selected: String(getSelection()), name: top.textContent, inPlace: top.isConnected,
    heap: performance.memory?.usedJSHeapSize ?? 0,
  }
}"""

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(1_800)]


def refuse(dashboard: Dashboard, **counts: int) -> None:
    """So many violations of each of these consumers, so that they stay among the largest."""
    with sending(dashboard.ws) as sender:
        for name, count in counts.items():
            sender.send(*(violation(consumer=name) for _ in range(count)))
            sender.wait_stored()


def test_ten_minutes_of_live_keep_what_somebody_set_up(dashboard: Dashboard, browser: Any) -> None:
    traffic = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "collector",
            "simulate",
            "--to",
            dashboard.ws,
            "--rate",
            "30",
            "--seed",
            "7",
            "--scenario",
            "all",
        ],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    try:
        refuse(dashboard, keeper=500, other=400)
        page.goto(f"{dashboard.url}/?range=1h")
        page.locator(".tops li", has_text="keeper").first.wait_for(timeout=30_000)
        page.locator(".legendtoggle").nth(1).click()
        page.wait_for_timeout(1_000)
        box = page.locator(".plot").bounding_box()
        page.mouse.move(box["x"] + box["width"] - 200, box["y"] + 150)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] - 30, box["y"] + 150, steps=6)
        page.mouse.up()
        page.mouse.move(700, 60)
        page.wait_for_timeout(1_500)
        page.evaluate(WATCH)
        before = page.evaluate(NOW)

        ends = time.monotonic() + MINUTES * 60
        while time.monotonic() < ends:
            refuse(dashboard, keeper=200, other=150)
            page.wait_for_timeout(15_000)
            after = page.evaluate(NOW)
            assert after["same"], "the chart left the document"
        wait_for(lambda: page.locator(".push").inner_text() == "", "an unbroken connection", 5)
    finally:
        traffic.terminate()
        traffic.wait(10)
    page.close()

    print(  # noqa: T201 - what was measured
        f"\n{MINUTES:g} minutes: {after['redrawn']} redraws, {after['removed']} removals, "
        f"{after['longTasks']} long tasks, heap {before['heap'] / 1e6:.0f} -> {after['heap'] / 1e6:.0f} MB"
    )
    assert problems == []
    assert after["removed"] == 0
    assert after["redrawn"] > MINUTES * 4
    assert (after["range"], after["hidden"]) == (before["range"], before["hidden"])
    assert after["inPlace"]
    assert after["selected"] == before["selected"] == before["name"]
