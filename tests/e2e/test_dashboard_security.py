"""The running dashboard as a stranger on the network sees it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from tests.e2e.conftest import Dashboard, running_dashboard, wait_for
from tests.e2e.visiting import settled
from ui.navigation import existing, path

pytestmark = pytest.mark.e2e
PATHS = ("/", "/consumers", "/_stcore/health", "/gatewatch/healthz", "/gatewatch/plotly.js", "/nowhere")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    with running_dashboard(tmp_path_factory.mktemp("security")) as running:
        yield running


@pytest.mark.parametrize("place", PATHS)
def test_every_answer_has_the_headers_and_no_other_name_is_served(served: Dashboard, place: str) -> None:
    ours = httpx.get(served.url + place, trust_env=False)
    theirs = httpx.get(served.url + place, headers={"host": "evil.example"}, trust_env=False)

    for answer in (ours, theirs):
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
    assert theirs.status_code == 421


@pytest.mark.parametrize("origin", ["https://evil.example", "http://127.0.0.1:1", None])
def test_pages_of_other_sites_get_no_socket(served: Dashboard, origin: str | None) -> None:
    socket = served.url.replace("http", "ws")
    given = None if origin is None else Origin(origin)

    live = connect(f"{socket}/gatewatch/live", origin=given, proxy=None)
    with live, pytest.raises(ConnectionClosed) as closed:
        live.recv(timeout=5)
    assert closed.value.rcvd
    assert closed.value.rcvd.code == 4403

    if origin is not None:
        protocols = [Subprotocol("streamlit")]
        with pytest.raises(InvalidStatus, match="403"):
            connect(f"{socket}/_stcore/stream", origin=given, subprotocols=protocols, proxy=None)


def test_nothing_is_exported_without_a_ticket(served: Dashboard) -> None:
    answer = httpx.get(f"{served.url}/gatewatch/export/events.csv?from=0&to=1", trust_env=False)

    assert answer.status_code == 403


def test_no_page_breaks_its_own_policy_or_asks_another_site(served: Dashboard, browser: Any) -> None:
    page = browser.new_page()
    broken: list[str] = []
    page.on("console", lambda m: broken.append(m.text) if "Content Security Policy" in m.text else None)
    page.on(
        "request",
        lambda r: None if r.url.startswith((served.url, "data:", "blob:")) else broken.append(r.url),
    )

    for entry in existing():
        page.goto(served.url + path(entry.name))
        wait_for(lambda: settled(page), entry.name, 30)
        page.wait_for_timeout(300)
    page.close()

    assert broken == []


def test_behind_a_proxy_only_those_whom_it_names_see_anything(tmp_path: Path, browser: Any) -> None:
    headers = '{"X-Forwarded-Email": "email"}'
    with running_dashboard(tmp_path, STREAMLIT_SERVER_TRUSTED_USER_HEADERS=headers) as running:
        stranger = browser.new_context()
        page = stranger.new_page()
        page.goto(running.url)
        page.get_by_text("did not say who you are").wait_for(timeout=30_000)
        seen = page.locator(".st-key-gw-nav").count()
        stranger.close()

        named = browser.new_context(extra_http_headers={"X-Forwarded-Email": "ana@example.com"})
        page = named.new_page()
        page.goto(running.url)
        page.locator(".st-key-gw-nav").wait_for(timeout=30_000)
        named.close()

    assert seen == 0
