"""Load far above the usual: kills under it, ten times of it, a million names in it."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from domain.filters import Dimension, Filters
from domain.windows import Window
from storage.codes import Dim
from storage.sqlite_reader import SqliteReader
from tests.e2e.conftest import running_dashboard
from tests.e2e.load import Load, health, lost_and_doubled, measured, now_ms, resident_mib
from tests.e2e.visiting import DRAWN, settled
from tests.kong_plugin.processes import Collector, wait_for
from tests.storage.filling import one, rows

KILLS = 40
RATE = 4_000
NAMES = 1_000_000
FAMILIAR = 100
NAMES_LIMIT_S = 120.0
GROWTH_MIB = 64
READ_LIMIT_S = 3.0

pytestmark = pytest.mark.slow


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    """A running collector with an empty database."""
    found = Collector(tmp_path)
    found.start()
    yield found
    found.kill()


@pytest.mark.timeout(600)
def test_forty_kills_under_three_senders_lose_nothing_and_double_nothing(collector: Collector) -> None:
    load = Load(collector.ws, RATE)
    since_s = time.monotonic()
    for _ in range(KILLS):
        time.sleep(0.8)
        collector.kill()
        collector.start()
    took_s = time.monotonic() - since_s
    before = acknowledged(collector)
    wait_for(lambda: acknowledged(collector) > before, "events are stored again", 20)
    resumed_s = time.monotonic() - since_s - took_s
    load.stop()
    lost, doubled = lost_and_doubled(collector.database, load.sent)
    measured(
        f"{KILLS} kills in {took_s:.0f} s, {load.total} events, stored again after {resumed_s:.1f} s, "
        f"{load.connects} connections, {load.unacked} unacknowledged, {lost=} {doubled=}"
    )

    assert load.total > KILLS * RATE / 4
    assert (load.unacked, lost, doubled) == (0, 0, 0)
    assert resumed_s < 5.0
    assert one(collector.database, "PRAGMA quick_check") == "ok"


def acknowledged(collector: Collector) -> int:
    """The sum of all senders' durable cursors."""
    return int(one(collector.database, "SELECT coalesce(sum(acked), 0) FROM cursors"))


@pytest.mark.timeout(180)
def test_ten_times_the_load_for_ten_seconds_is_taken_in(collector: Collector) -> None:
    load = Load(collector.ws, 2_000)
    time.sleep(3.0)
    usual, since_s = load.total, time.monotonic()
    load.rate = 20_000
    time.sleep(10.0)
    burst_s, burst = time.monotonic() - since_s, load.total - usual
    drained_s = load.stop()
    lost, doubled = lost_and_doubled(collector.database, load.sent)
    measured(
        f"{burst / burst_s:.0f} events/s for {burst_s:.0f} s after 2,000/s, all stored {drained_s:.1f} s "
        f"later, acknowledged within {load.p99_s():.1f} s (p99), {lost=} {doubled=}"
    )

    assert (load.unacked, lost, doubled) == (0, 0, 0)
    assert drained_s < 10.0


def stranger(source: str, number: int) -> dict[str, Any]:
    """A refusal of a consumer and an address that nobody has seen before."""
    return refusal(int(source.rpartition("-")[2]) << 22 | number)


def familiar(_source: str, number: int) -> dict[str, Any]:
    """The same of one of a hundred consumers and addresses, whom no stranger is."""
    return refusal(3 << 22 | number % FAMILIAR) | {"id": uuid.uuid4().hex}


def refusal(of: int) -> dict[str, Any]:
    """A refusal of one of many."""
    return {
        "kind": "rate-limiting",
        "event": "exceeded",
        "id": f"stranger-{of}",
        "at_ms": now_ms(),
        "consumer": f"stranger-{of}",
        "ip": f"{16 + (of >> 24)}.{of >> 16 & 255}.{of >> 8 & 255}.{of & 255}",
        "service": "orders",
        "route": "orders.read",
        "status": 429,
        "limit_name": "minute",
        "limit_value": 20,
        "window_s": 60,
    }


@pytest.mark.timeout(420)
def test_a_million_names_take_bounded_memory_and_leave_pages_quick(
    collector: Collector, browser: Any, tmp_path: Path
) -> None:
    assert collector.process is not None
    pid = collector.process.pid
    usual = Load(collector.ws, NAMES / 60, 2, familiar)
    before_mib = 0.0
    for _ in range(60):
        time.sleep(0.5)
        before_mib = max(before_mib, resident_mib(pid))
    usual.stop()
    usual_s, _ = visit(browser, collector, tmp_path)
    most_mib = before_mib
    load = Load(collector.ws, NAMES / 60, 2, stranger)
    since_s = time.monotonic()
    while load.total < NAMES and time.monotonic() - since_s < NAMES_LIMIT_S:
        time.sleep(0.2)
        most_mib = max(most_mib, resident_mib(pid))
    took_s = time.monotonic() - since_s
    load.stop()
    most_mib = max(most_mib, resident_mib(pid))
    prefix = one(collector.database, "SELECT min(value) FROM keys WHERE name LIKE 'rest of 16.%'")
    opened_s, shown = visit(browser, collector, tmp_path, f"/addresses?of={prefix}")
    said = shown["health"].partition("More addresses than are told apart")[2][:70]
    most_mib = max(most_mib, resident_mib(pid))
    read_s = reads(collector.database)
    words = one(collector.database, "SELECT count(*) FROM keys")
    measured(
        f"{load.total} new consumers and addresses in {took_s:.0f} s, {load.unacked} unacknowledged, "
        f"acknowledged within {load.p99_s():.1f} s (p99), {words} words kept; at most {before_mib:.0f} MiB "
        f"under such a load of 100 names, then {most_mib:.0f} MiB; pages opened in {usual_s} s before and in "
        f"{opened_s} s after; reads took { {name: round(s, 2) for name, s in read_s.items()} } s; Health "
        f"said{said}"
    )

    assert health(collector.http)[1]["state"] == "ok"
    assert load.unacked == usual.unacked == 0
    assert one(collector.database, "SELECT count(*) FROM events") == load.total + usual.total
    assert by_prefix(collector.database) == expected_by_prefix(load, usual)
    assert said
    assert "at least: too many to name" in shown["live"]
    assert f"rest of {prefix}" in shown["range"]
    assert most_mib - before_mib < GROWTH_MIB
    assert max(read_s.values()) < READ_LIMIT_S
    assert all(opened_s[name] < max(READ_LIMIT_S, 2 * usual_s[name]) for name in PAGES)


def by_prefix(database: Path) -> dict[str, int]:
    """Refusals by /24, as the totals of the days hold them."""
    query = (
        "SELECT k.value, sum(a.limited) FROM activity a JOIN keys k ON k.key_id = a.key"
        " WHERE a.res = 3 AND a.dim = ? GROUP BY 1"
    )
    return dict(rows(database, query, Dim.PREFIX))


def expected_by_prefix(load: Load, usual: Load) -> dict[str, int]:
    """The same, from what was sent."""
    found: Counter[str] = Counter()
    for make, sent in ((stranger, load.sent), (familiar, usual.sent)):
        for source, count in sent.items():
            found.update(make(source, number)["ip"].rpartition(".")[0] + ".0/24" for number in range(count))
    return dict(found)


PAGES = {"live": "/", "addresses": "/addresses", "consumers": "/consumers", "health": "/health"}


def visit(
    browser: Any, collector: Collector, folder: Path, of_range: str = "/addresses?of=16.0.0.0/24"
) -> tuple[dict[str, float], dict[str, str]]:
    """Seconds until each page had drawn everything, and what it said; the first visit ever is not timed."""
    names = {"GATEWATCH_WS_LISTEN": collector.ws, "GATEWATCH_HTTP_LISTEN": collector.http}
    with running_dashboard(
        folder, collector.database, None, GATEWATCH_START_COLLECTOR="false", **names
    ) as found:
        page = browser.new_page()
        took, shown = {}, {}
        pages = PAGES | {"range": of_range}
        for name in ("live", *pages):
            since_s = time.monotonic()
            page.goto(found.url + pages[name])
            wait_for(lambda: settled(page) and page.evaluate(DRAWN), f"{name} is there", 60)
            took[name] = round(time.monotonic() - since_s, 1)
            shown[name] = page.evaluate(ALL_TEXT)
        page.close()
    return took, shown


ALL_TEXT = """() => {
  const text = root => [...root.childNodes].map(n =>
    n.nodeType === 3 ? n.textContent : n.nodeType === 1 && !['STYLE', 'SCRIPT'].includes(n.tagName)
      ? text(n) + (n.shadowRoot ? text(n.shadowRoot) : '') : '').join(' ')
  return text(document.querySelector('[data-testid=stMain]')).replace(/\\s+/g, ' ')
}"""
"""Everything that stands on a page, in components too."""


def reads(database: Path) -> dict[str, float]:
    """Seconds that the questions of Consumers, Addresses and Live take."""
    reader = SqliteReader(database, 30_000)
    window = Window(now_ms() - 3_600_000, now_ms())
    took = {}
    for dimension in (Dimension.CONSUMER, Dimension.IP):
        since_s = time.monotonic()
        found = reader.top(dimension, window, Filters(), 50)
        took[f"top {dimension.value}"] = time.monotonic() - since_s
        assert found.rows
    since_s = time.monotonic()
    reader.totals(window, Filters())
    took["totals"] = time.monotonic() - since_s
    reader.close()
    return took
