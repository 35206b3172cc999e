"""Every page as people see it: two sizes, light and dark, nine days of data, checked and kept as pictures.

The pictures land in artifacts/screenshots. The checks catch what a picture shows at a glance: text that is
cut, a page wider than its window, an axis without unit or zone, an error box, a part that did not load.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from domain.windows import HOUR_MS
from tests.e2e.conftest import Dashboard, running_dashboard, wait_for
from tests.e2e.history import history
from tests.e2e.stream_sender import sending
from tests.e2e.visiting import DRAWN, settled
from ui.navigation import existing, path

ROOT = Path(__file__).resolve().parent.parent.parent
OUT = ROOT / "artifacts" / "screenshots"
VIEWS = (
    (1440, 900, "light"),
    (1024, 768, "dark"),
    pytest.param(1440, 900, "dark", marks=pytest.mark.slow),
    pytest.param(1024, 768, "light", marks=pytest.mark.slow),
)
"""Every size and both themes; the other two of the four are left to `make screenshots`."""
MORE = {
    "live-filtered": "/?consumer=acme-mobile&not_service=catalog&group=ip&range=6h",
    "live-nothing": "/?consumer=nobody",
    "consumer": "/consumers?of=acme-mobile",
    "address": "/addresses?of=203.0.113.97",
    "events-changes": "/events?kind=crud&range=7d",
    "alerts-rules": "/alerts?part=rules",
    "node": "/nodes?of=gw-1",
    "consumers-local": "/consumers?zone=local&range=7d",
}
"""States of pages beside their landing state."""

PROBLEMS = """() => {
  const all = root => [...root.querySelectorAll('*')].flatMap(
    e => [e, ...(e.shadowRoot ? all(e.shadowRoot) : [])])
  const found = []
  const elements = all(document)
  for (const e of elements) {
    if (e.matches('[data-testid=stException], .gw-trouble:not([hidden]), .trouble:not([hidden])'))
      found.push('box: ' + e.textContent)
    if (e.childElementCount === 0 && e.textContent.startsWith('A part of this page could not be loaded'))
      found.push('a part did not load')
    if (e.matches('.tile .value, h2, .strip > *') && e.clientWidth && e.scrollWidth > e.clientWidth + 1)
      found.push('cut: ' + e.textContent)
    if (!e.classList.contains('js-plotly-plot') || !e.layout) continue
    for (const axis of ['xaxis', 'yaxis']) {
      const made = e.layout[axis]
      const isMeasured = made && made.visible !== false && made.type !== 'category' && !made.ticktext
      if (isMeasured && !made.title?.text) found.push('no title on an ' + axis)
      const isTime = made?.type === 'date'
      if (isTime && !/\\(.+\\)/.test(made.title?.text ?? '')) found.push('no zone on a time axis')
    }
  }
  for (const e of [document.documentElement, document.querySelector('[data-testid=stMain]')])
    if (e.scrollWidth > e.clientWidth) found.push(`${e.scrollWidth - e.clientWidth} px wider than the window`)
  return found
}"""

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """A dashboard with a past, and traffic that goes on."""
    with running_dashboard(tmp_path_factory.mktemp("shots")) as dashboard:
        with sending(dashboard.ws, source="gw-1") as sender:
            items = history(time.time_ns() // 1_000_000)
            while batch := list(itertools.islice(items, 500)):
                sender.send(*batch)
                sender.wait_stored()
        command = [
            sys.executable,
            "-m",
            "collector",
            "simulate",
            "--to",
            dashboard.ws,
            "--rate",
            "15",
            "--seed",
            "3",
        ]
        traffic = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
        try:
            yield dashboard
        finally:
            traffic.terminate()
            traffic.wait(10)


def places() -> dict[str, str]:
    """Name of a picture -> address."""
    now_ms = time.time_ns() // 1_000_000
    span = f"?from={now_ms - 26 * HOUR_MS}&to={now_ms - 25 * HOUR_MS}"
    past = {f"{name}-past": path(name) + span for name in ("live", "consumers", "nodes", "cache")}
    return {entry.name: path(entry.name) for entry in existing()} | MORE | past


@pytest.mark.parametrize(("width", "height", "scheme"), VIEWS)
def test_every_page_is_whole_at_every_size_and_in_both_themes(
    filled: Dashboard, browser: Any, width: int, height: int, scheme: str
) -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, timezone_id="Europe/Rome"
    )
    page = context.new_page()
    problems: list[str] = []
    titles: dict[str, str] = {}
    page.on("pageerror", lambda error: problems.append(f"script: {error}"))

    for name, address in places().items():
        page.goto(filled.url + address)
        wait_for(lambda: settled(page), f"page {name}", 30)
        wait_for(lambda: page.evaluate(DRAWN), f"the charts of {name}", 15)
        page.wait_for_timeout(700)
        page.screenshot(path=str(OUT / f"{name}-{width}-{scheme}.png"))
        tall = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
        if tall > height:
            page.set_viewport_size({"width": width, "height": min(tall, 6_000)})
            page.wait_for_timeout(500)
            page.screenshot(path=str(OUT / f"{name}-{width}-{scheme}-whole.png"))
            page.set_viewport_size({"width": width, "height": height})
        problems += [f"{name}: {problem}" for problem in page.evaluate(PROBLEMS)]
        titles[name] = page.title()
    context.close()

    assert problems == [], "\n".join(problems)
    assert titles["consumer"] == "acme-mobile · Gatewatch"
    pages = [titles[entry.name] for entry in existing()]
    assert len(set(pages)) == len(pages), "two pages have the same title in the browser's tab"
