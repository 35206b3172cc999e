"""A recorded Kong cluster through all three ways in: exactly the violations that its clients saw, each time.

Expected numbers come from the clients' side (truth.json), corrected by what the recording's README names: 17
entries that Kong lost with a killed node, and 96 answers that clients could not read but that were refusals.
"""

from __future__ import annotations

import csv
import gzip
import http.client
import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import orjson
import pytest

from tests.kong_plugin.processes import ROOT, Collector, wait_for
from tests.storage.filling import rows

pytestmark = [pytest.mark.e2e, pytest.mark.shown, pytest.mark.timeout(300)]

DIMENSIONS = {"consumer": "consumer_id", "ip": "ip", "service": "service"}
SENDERS = 8


class Way(NamedTuple):
    """One way in, gone twice."""

    name: str
    database: Path
    certain_at_first: set[str]
    """As judged from the log alone."""
    first: set[str]
    second: list[str]
    """Violations after everything was sent a second time."""
    requests: tuple[int, int]
    """All requests counted, after the first and after the second time."""


class Truth(NamedTuple):
    """What has to come out."""

    total: int
    by: dict[str, dict[str, int]]
    not_limits: set[str]
    """Requests answered 429 by the upstream or by request-termination."""
    requests: int


@pytest.fixture(scope="module")
def truth(alpha: Path) -> Truth:
    found = json.loads((alpha / "truth.json").read_text(encoding="utf-8"))
    by: dict[str, dict[str, int]] = {}
    for dimension, key in DIMENSIONS.items():
        counts = {row[key]: row["total"] for row in found["limited_by_kong"][f"by_{dimension}"]}
        for name, (_, logged) in found["http_log_check"]["differences_truth_vs_log"][dimension].items():
            counts[name] = logged
        by[dimension] = {name: n for name, n in counts.items() if n}
    with gzip.open(alpha / "truth-requests.csv.gz", "rt") as lines:
        kinds = {row["request_id"]: row["kind"] for row in csv.DictReader(lines)}
    return Truth(
        found["http_log_check"]["limited_in_log"],
        by,
        {key for key, kind in kinds.items() if kind in ("upstream_429", "request_termination_429")},
        found["http_log_check"]["unique_request_ids"],
    )


def run(*arguments: str) -> str:
    """The last line that a command of the collector's prints."""
    done = subprocess.run(
        [sys.executable, "-m", "collector", *arguments], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return done.stdout.strip().splitlines()[-1]


def violations(database: Path, certainty: str = "") -> list[str]:
    """The request ids of stored violations, each as often as it is there."""
    where = f" WHERE certainty = '{certainty}'" if certainty else ""
    return [str(key) for (key,) in rows(database, f"SELECT request_id FROM violations{where}")]


def requests(database: Path) -> int:
    """How many requests the totals hold."""
    return int(rows(database, "SELECT sum(requests) FROM activity WHERE res = 2 AND dim = 0")[0][0])


def by_replay(alpha: Path, folder: Path) -> Way:
    database = folder / "g.db"
    log, polls = str(alpha / "http-log.jsonl.gz"), str(alpha / "admin-polls.jsonl.gz")
    line = run("replay", "--database", str(database), log)
    assert line == "replayed 18794 entries: 2474 events, 2375 violations, 354 duplicates, 0 quarantined"
    certain = set(violations(database, "certain"))
    run("replay", "--database", str(database), polls)
    first, counted = set(violations(database)), requests(database)
    line = run("replay", "--database", str(database), log, polls)
    assert line == "replayed 0 entries: 0 events, 0 violations, 0 duplicates, 0 quarantined"
    return Way("replay", database, certain, first, violations(database), (counted, requests(database)))


def by_post(alpha: Path, folder: Path) -> Way:
    with running(folder) as collector:
        post_all(collector, alpha)
        certain = set(violations(collector.database, "certain"))
        run("replay", "--to", f"ws://{collector.ws}/v1/stream", str(alpha / "admin-polls.jsonl.gz"))
        wait_until_settled(collector)
        first, counted = set(violations(collector.database)), requests(collector.database)
        post_all(collector, alpha)
        second = violations(collector.database)
        return Way(
            "http-log", collector.database, certain, first, second, (counted, requests(collector.database))
        )


def by_stream(alpha: Path, folder: Path) -> Way:
    with running(folder) as collector:
        to = ("replay", "--to", f"ws://{collector.ws}/v1/stream")
        log, polls = str(alpha / "http-log.jsonl.gz"), str(alpha / "admin-polls.jsonl.gz")
        line = run(*to, log)
        assert line == "replayed 18794 entries: 2474 events, 2375 violations, 354 duplicates, 0 quarantined"
        certain = set(violations(collector.database, "certain"))
        run(*to, polls)
        wait_until_settled(collector)
        first, counted = set(violations(collector.database)), requests(collector.database)
        run(*to, log, polls)
        second = violations(collector.database)
        return Way(
            "stream", collector.database, certain, first, second, (counted, requests(collector.database))
        )


class running:  # noqa: N801 - reads as what it does
    """A collector that ends with the block."""

    def __init__(self, folder: Path) -> None:
        self.collector = Collector(folder)

    def __enter__(self) -> Collector:
        self.collector.start()
        return self.collector

    def __exit__(self, *_: object) -> None:
        self.collector.kill()


def wait_until_settled(collector: Collector) -> None:
    """Wait until nothing is merely probable any more: the writer judges again between transactions."""
    wait_for(lambda: not violations(collector.database, "probable"), "every judgement is settled")


def post_all(collector: Collector, alpha: Path) -> None:
    """POST every recorded body, a few at a time as Kong's workers do; each has to be acknowledged."""
    with gzip.open(alpha / "http-log.jsonl.gz") as lines:
        bodies = [orjson.dumps(orjson.loads(line)["body"]) for line in lines]
    feed, lock, failures = iter(bodies), threading.Lock(), []

    def send() -> None:
        connection = http.client.HTTPConnection(collector.http, timeout=20)
        while (body := _next(feed, lock)) is not None:
            connection.request("POST", "/intake/http-log", body, {"content-type": "application/json"})
            answer = connection.getresponse()
            if answer.status != 200:
                failures.append((answer.status, answer.read()))
            answer.read()
        connection.close()

    threads = [threading.Thread(target=send) for _ in range(SENDERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
    assert failures == []


def _next(feed: Iterator[bytes], lock: threading.Lock) -> bytes | None:
    with lock:
        return next(feed, None)


WAYS: list[Callable[[Path, Path], Way]] = [by_replay, by_post, by_stream]


@pytest.fixture(scope="module", params=WAYS, ids=["replay", "http-log", "stream"])
def way(request: pytest.FixtureRequest, alpha: Path, tmp_path_factory: pytest.TempPathFactory) -> Way:
    """Everything sent twice by one way."""
    found: Way = request.param(alpha, tmp_path_factory.mktemp("alpha"))
    return found


def test_exactly_the_refusals_that_clients_saw_are_violations(
    way: Way, truth: Truth, capsys: pytest.CaptureFixture[str]
) -> None:
    found = {
        dimension: dict(rows(way.database, f"SELECT {key}, count(*) FROM violations GROUP BY 1"))
        for dimension, key in DIMENSIONS.items()
    }
    wrong = {dimension: differing(found[dimension], truth.by[dimension]) for dimension in DIMENSIONS}
    with capsys.disabled():
        print(f"\n{way.name:12} {'expected':>9} {'found':>9}  differing")  # noqa: T201 - asked for
        print(f"{'violations':12} {truth.total:9,} {len(way.first):9,}")  # noqa: T201
        print(f"{'sent again':12} {truth.total:9,} {len(way.second):9,}")  # noqa: T201
        for name in DIMENSIONS:
            numbers = f"{len(truth.by[name]):9,} {len(found[name]):9,}"
            print(f"{'by ' + name:12} {numbers}  {wrong[name] or 'none'}")  # noqa: T201
        print(f"{'requests':12} {truth.requests:9,} {way.requests[0]:9,}")  # noqa: T201

    assert len(way.first) == truth.total
    assert wrong == {dimension: {} for dimension in DIMENSIONS}


def differing(found: dict[str, int], expected: dict[str, int]) -> dict[str, tuple[int, int]]:
    """(expected, found) of every name whose numbers differ; anonymous requests are under None."""
    return {
        name: (expected.get(name, 0), found.get(name, 0))
        for name in expected.keys() | found.keys()
        if expected.get(name, 0) != found.get(name, 0)
    }


def test_nothing_that_was_no_limit_is_certain_or_counts(way: Way, truth: Truth) -> None:
    assert len(truth.not_limits) == 124 + 99
    assert not truth.not_limits & way.certain_at_first
    assert not truth.not_limits & way.first


def test_what_the_log_leaves_in_doubt_is_settled_by_the_polled_plugins(way: Way, truth: Truth) -> None:
    certain = set(violations(way.database, "certain"))

    assert len(way.certain_at_first) == 2_041
    assert len(certain) == truth.total


def test_every_request_counts_once(way: Way, truth: Truth) -> None:
    assert way.requests == (truth.requests, truth.requests)


def test_sending_everything_again_adds_nothing(way: Way) -> None:
    assert Counter(way.second) == Counter(way.first)


def test_nothing_went_to_quarantine(way: Way) -> None:
    assert rows(way.database, "SELECT count(*) FROM quarantine") == [(0,)]
