"""Every page as people see it: two sizes, light and dark, with real data, checked and kept as pictures.

The pictures land in artifacts/screenshots. The checks catch what a picture shows at a glance: text that is
cut, a page wider than its window, an axis without unit or zone, an error box.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Dashboard, running_dashboard, wait_for

ROOT = Path(__file__).resolve().parent.parent.parent
OUT = ROOT / "artifacts" / "screenshots"
SIZES = ((1440, 900), (1024, 768))
PAGES = ("live", "consumers", "addresses", "events", "health")
QUERIES = {
    "live": "",
    "consumers": "?range=1h",
    "consumer": "?range=1h&consumer=",
    "addresses": "?range=1h",
    "events": "?range=1h",
    "health": "",
}

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """A dashboard with ten minutes of recorded traffic, moved so that it ends about now."""
    with running_dashboard(tmp_path_factory.mktemp("shots")) as dashboard:
        sample = next((ROOT / "samples").glob("*.jsonl.gz"))
        command = [
            sys.executable,
            "-m",
            "collector",
            "replay",
            "--to",
            dashboard.ws,
            "--shift-to-now",
            str(sample),
        ]
        subprocess.run(command, cwd=ROOT, check=True, timeout=120, capture_output=True)
        yield dashboard


def settled(page: Any) -> bool:
    """Whether Streamlit has finished its run and the page shows something."""
    return bool(
        page.evaluate(
            "() => document.querySelector('[data-testid=stApp]')?.dataset.testScriptState === 'notRunning'"
            " && document.querySelectorAll('[data-testid=stSkeleton]').length === 0"
        )
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_whole_at_every_size_and_in_both_themes(
    filled: Dashboard, browser: Any, name: str, width: int, height: int, scheme: str
) -> None:
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    page = context.new_page()
    page.goto(f"{filled.url}/{'' if name == 'live' else name}{QUERIES[name]}")
    wait_for(lambda: settled(page), f"page {name}")
    page.wait_for_timeout(2500)
    OUT.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=str(OUT / f"{name}-{width}-{scheme}.png"))
    page.screenshot(path=str(OUT / f"{name}-{width}-{scheme}-full.png"), full_page=True)

    problems = page.locator("[data-testid=stException], [data-testid=stAlertContentError]").all_inner_texts()
    overflow = page.evaluate(
        "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    untitled = page.evaluate(
        "() => [...document.querySelectorAll('.js-plotly-plot')].filter(p =>"
        " ['xaxis', 'yaxis'].some(a => p.layout[a] && p.layout[a].visible !== false"
        " && !(p.layout[a].title && p.layout[a].title.text))).length"
    )

    context.close()
    assert problems == []
    assert overflow <= 0, f"{overflow} px wider than the window"
    assert untitled == 0, f"{untitled} charts have an axis without a title"
