"""The page of alerts by keyboard, two people in two browsers: a decision lands, or is refused in words."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import TimeoutError as NotSeen

from domain.detectors.findings import Severity
from domain.incident_flow import Move, What
from domain.incidents import Incident, State, Verdict
from settings import load_settings
from storage.alert_book import AlertBook
from storage.alert_rows import StoredIncident
from storage.alerts_reader import AlertsReader
from storage.sqlite_store import SqliteStore
from tests.e2e.conftest import Dashboard, running_dashboard, wait_for
from tests.e2e.stream_sender import sending, violation
from tests.e2e.visiting import DRAWN, settled

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

STEP_MS = 400
"""Until Streamlit has noticed a key."""
NAMES = ("acme", "billing", "crawler", "depot")
"""The worst first: acme is critical, and of the others the newest."""


def incident(name: str, severity: Severity, opened_ms: int, now_ms: int) -> Incident:
    return Incident(
        fingerprint=f"shared_or_leaked_key|consumer|{name}", rule="shared_or_leaked_key",
        detector="shared_or_leaked_key", shape="one_key_many_addresses", severity=severity,
        entity_type="consumer", entity_id=f"id-{name}", entity=name, opened_ms=opened_ms,
        from_ms=opened_ms - 10_000, last_ms=now_ms, count=417,
        why=f"{name}'s key was used 417 times from 12 addresses new to it",
        actors=(("consumer", f"id-{name}"),),
    )  # fmt: skip


def fill(database: Path) -> None:
    """Four alerts that a collector raised just now, and that its evaluation finds at its start."""
    SqliteStore(database, load_settings({}, {})).close()
    now_ms = time.time_ns() // 1_000_000
    found = [
        incident(name, Severity.HIGH if place else Severity.CRITICAL, now_ms - 60_000 - 5_000 * place, now_ms)
        for place, name in enumerate(NAMES)
    ]
    book = AlertBook(database)
    book.apply([Move(What.OPENED, i.opened_ms, None, i) for i in found], lambda _: (), lambda _: (), {})
    book.close()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Dashboard]:
    """A dashboard behind a proxy that says who is who."""
    database = tmp_path / "g.db"
    fill(database)
    headers, people = json.dumps({"X-Forwarded-Email": "email"}), "ana@example.com,ben@example.com"
    with (
        running_dashboard(
            tmp_path, database, STREAMLIT_SERVER_TRUSTED_USER_HEADERS=headers, GATEWATCH_ANALYSTS=people
        ) as dashboard,
        sending(dashboard.ws, source="gw-1") as sender,
    ):
        sender.send(*(violation(consumer=name, consumer_id=f"id-{name}") for name in NAMES))
        sender.wait_stored()
        yield dashboard


class Person:
    """Somebody with a browser, let in under a name, who looks at one alert."""

    def __init__(self, browser: Any, dashboard: Dashboard, name: str) -> None:
        self._dashboard = dashboard
        context = browser.new_context(
            viewport={"width": 1440, "height": 900}, extra_http_headers={"X-Forwarded-Email": name}
        )
        self.page = context.new_page()

    def open(self, address: str) -> None:
        self.page.goto(self._dashboard.url + address)
        self.ready()

    def ready(self) -> None:
        self.page.wait_for_timeout(STEP_MS)
        wait_for(lambda: settled(self.page) and self.page.evaluate(DRAWN), self.page.url)

    def press(self, key: str) -> None:
        """A key, with nothing to type into."""
        self.page.evaluate("() => document.activeElement.blur()")
        self.page.keyboard.press(key)

    def go(self, key: str) -> None:
        """A key that leads elsewhere."""
        self.press(key)
        self.ready()

    def write(self, label: str, text: str) -> None:
        """Type into a field, and leave it as one does with a keyboard."""
        self.page.get_by_label(label, exact=True).fill(text)
        self.page.keyboard.press("Tab")
        self.ready()

    def open_popover(self, label: str) -> None:
        self.page.locator("[data-testid=stPopover]").filter(has_text=label).get_by_role("button").click()

    def button(self, key: str) -> Any:
        return self.page.locator(f".st-key-{key} button")

    def at(self) -> str:
        """Whom the alert is about that is shown."""
        return str(self.page.locator("h4").first.inner_text())

    def hears(self, text: str) -> None:
        """Wait until it is told what a decision led to, and the page is drawn anew."""
        told = self.page.locator("[data-testid=stToast]").filter(has_text=text).last
        try:
            told.wait_for(timeout=20_000)
        except NotSeen:
            shown = self.page.locator("[data-testid=stToast], [data-testid=stAlert]").all_inner_texts()
            pytest.fail(f"expected {text!r} to be told, seen {shown}")
        self.ready()

    def close(self) -> None:
        self.page.context.close()


class Stored:
    """What the database holds about alerts, asked as often as needed."""

    def __init__(self, dashboard: Dashboard) -> None:
        self._database = dashboard.database

    def of(self, name: str) -> StoredIncident:
        reader = AlertsReader(self._database, 10_000)
        try:
            rows = [reader.incident(number) for number in range(1, len(NAMES) + 1)]
        finally:
            reader.close()
        return next(row for row in rows if row is not None and row.incident.entity == name)

    def history(self, name: str) -> list[tuple[str, str]]:
        """(who, note) of what people did."""
        number = self.of(name).incident_id
        reader = AlertsReader(self._database, 10_000)
        try:
            return [(entry.who, entry.note) for entry in reader.history(number) if entry.who]
        finally:
            reader.close()

    def silences(self) -> list[tuple[str, str, tuple[str, ...]]]:
        reader = AlertsReader(self._database, 10_000)
        try:
            rows = reader.silences(time.time_ns() // 1_000_000)
        finally:
            reader.close()
        return [(r.silence.author, r.silence.reason, r.silence.rules) for r in rows]


def test_alerts_are_worked_through_by_key_and_who_is_too_late_is_told(
    served: Dashboard, browser: Any
) -> None:
    stored = Stored(served)
    ana, ben = Person(browser, served, "ana@example.com"), Person(browser, served, "ben@example.com")

    ana.open("/alerts")
    assert "acme" in ana.at()
    for key, name in (("j", "billing"), ("j", "crawler"), ("k", "billing"), ("k", "acme"), ("k", "acme")):
        ana.go(key)
        assert name in ana.at(), key

    ben.open(f"/alerts?of={stored.of('acme').incident_id}")
    ana.press("a")
    ana.hears("It is yours now.")
    assert (stored.of("acme").incident.state, stored.of("acme").incident.assignee) == (
        State.ACKNOWLEDGED,
        "ana@example.com",
    )
    ben.press("a")
    ben.hears("was open and is acknowledged now")
    assert stored.of("acme").incident.assignee == "ana@example.com"

    ana.go("j")
    ana.write("Note", "the owner is on holiday")
    ana.press("n")
    ana.hears("Noted.")
    assert ("ana@example.com", "the owner is on holiday") in stored.history("billing")
    assert ana.page.get_by_label("Note", exact=True).input_value() == ""

    ana.open_popover("Assign")
    ana.write("To whom", "ben@example.com")
    ana.button("gw-assign").click()
    ana.hears("Assigned to ben")
    assert stored.of("billing").incident.assignee == "ben@example.com"

    ana.open(f"/alerts?of={stored.of('crawler').incident_id}")
    ana.open_popover("Close with a verdict")
    assert ana.button("gw-verdict-go").is_disabled()
    ana.page.get_by_text("Benign: true, and harmless").click()
    ana.write("How do you know", "they moved to another cloud")
    ana.button("gw-verdict-go").click()
    ana.hears("Closed.")
    closed = stored.of("crawler").incident
    assert (closed.state, closed.closed_by) == (State.RESOLVED, "ana@example.com")
    assert (stored.of("crawler").verdict, stored.history("crawler")[-1]) == (
        Verdict.BENIGN,
        ("ana@example.com", "they moved to another cloud"),
    )

    ana.open(f"/alerts?of={stored.of('depot').incident_id}")
    ana.open_popover("Silence")
    ana.page.get_by_text("This rule for everybody").click()
    ana.page.get_by_text("Mutes 2 open alerts now.").wait_for()  # not acme's, which is critical
    ana.write("Why", "load test")
    ana.press("s")
    ana.hears("Silenced for 1 h.")
    assert stored.silences() == [("ana@example.com", "load test", ("shared_or_leaked_key",))]

    ana.close()
    ben.close()
