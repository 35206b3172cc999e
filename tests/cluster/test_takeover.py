"""Alerts and approved changes are done by one process at a time; another goes on when it dies or hangs."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from domain.blocks import Block, BlockScope
from domain.proposals import Answer
from storage.block_book import ask_block
from storage.change_book import ChangeBook
from storage.opening import open_reader
from tests import postgres
from tests.cluster.processes import Process, running, wait_for
from tests.cluster.senders import Senders, refusal_of
from tests.e2e.load import measured
from tests.e2e.test_changes import BAD, Served

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]
TAKEOVER_LIMIT_S = 10.0


@pytest.fixture
def served() -> Iterator[Served]:
    found = Served()
    server = uvicorn.Server(
        uvicorn.Config(found, port=found.port, log_level="error", lifespan="off", ws="none")
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_for(lambda: server.started, "the Admin API's start", 10)
    yield found
    found.release.set()
    server.should_exit = True
    thread.join(5)


@pytest.fixture
def url() -> Iterator[str]:
    found = postgres.fresh_database()
    yield found
    postgres.give_back(found)


@pytest.fixture
def pair(tmp_path: Path, url: str, served: Served) -> Iterator[list[Process]]:
    (tmp_path / "notify.toml").write_text(
        f'[receivers.log]\nkind = "file"\npath = "{tmp_path}/told.jsonl"\nseverity = "notice"\n'
    )
    environ = {
        "GATEWATCH_DATABASE": url,
        "GATEWATCH_CHANGE_URL": f"http://127.0.0.1:{served.port}",
        "GATEWATCH_NOTIFY_FILE": str(tmp_path / "notify.toml"),
    }
    found = [Process(tmp_path, name, **environ) for name in ("one", "two")]
    with running(*found):
        yield found


def on_duty(processes: list[Process]) -> list[Process]:
    return [process for process in processes if process.health()["on_duty"]]


def holder(processes: list[Process]) -> tuple[Process, Process]:
    """Whoever has the duties, and the other."""
    wait_for(lambda: on_duty(processes), "somebody's turn", 20)
    (found,) = on_duty(processes)
    return found, next(process for process in processes if process is not found)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def burst(number: int) -> dict[str, Any]:
    return refusal_of(number) | {"at_ms": now_ms(), "consumer": "acme-mobile"}


def told(folder: Path) -> list[dict[str, Any]]:
    path = folder / "told.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def state(url: str) -> str:
    with ChangeBook(url) as book:
        return book.get("p1").state


def ask_and_approve(url: str) -> None:
    block = Block(
        block_id="b1", state="requested", subject_type="address", subject=BAD, label=BAD, scope=BlockScope(),
        reason="floods", asked_by="ana", asked_ms=now_ms(), duration_ms=3_600_000, proposal_id="p1",
    )  # fmt: skip
    with ChangeBook(url) as book:
        ask_block(book, block, now_ms())
    wait_for(lambda: state(url) == "proposed", "the plan", 15)
    with ChangeBook(url) as book:
        found = book.get("p1")
        given = book.approve("p1", "bob", found.plan_hash or "", now_ms(), own_allowed=False)
    assert given is Answer.GIVEN


def test_another_takes_over_from_one_that_is_killed_without_a_second_message_or_change(
    tmp_path: Path, url: str, served: Served, pair: list[Process]
) -> None:
    first, second = holder(pair)
    Senders([first.url, second.url], 2_000, sources=2, make=burst).wait(60)
    wait_for(lambda: told(tmp_path), "the first message", 30)
    served.hold_writes = True
    ask_and_approve(url)
    assert served.done.wait(15)

    first.kill()
    took_s = wait_for(lambda: second.health()["on_duty"], "the takeover", 20)
    served.hold_writes = False
    served.release.set()
    wait_for(lambda: state(url) == "applied", "what became of the change", 60)
    first.start()
    time.sleep(8)  # whatever would be told or done twice is done now

    assert took_s < TAKEOVER_LIMIT_S
    measured(f"taken over {took_s:.1f} s after kill -9")
    assert on_duty(pair) == [second]
    assert [method for method, _, _ in served.kong.writes] == ["PUT"]
    assert [n for n in Counter(message["id"] for message in told(tmp_path)).values() if n > 1] == []
    reader = open_reader(url, 10_000)
    members = {member.member.rpartition(":")[2]: member for member in reader.freshness().members}
    reader.close()
    assert members[str(second.pid)].is_on_duty
    assert not members[str(first.pid)].is_on_duty


def test_one_that_hangs_loses_its_turn_and_does_nothing_when_it_wakes(
    tmp_path: Path, pair: list[Process]
) -> None:
    first, second = holder(pair)
    Senders([first.url], 500, sources=1, make=burst).wait(60)
    os.kill(first.pid, signal.SIGSTOP)
    try:
        took_s = wait_for(lambda: second.health()["on_duty"], "the takeover", 30)
        Senders([second.url], 2_000, sources=1, make=lambda n: burst(10_000 + n)).wait(60)
        wait_for(lambda: told(tmp_path), "a message", 30)
    finally:
        os.kill(first.pid, signal.SIGCONT)
    wait_for(lambda: on_duty(pair) == [second], "one turn at a time", 15)
    time.sleep(5)

    assert took_s < TAKEOVER_LIMIT_S
    measured(f"taken over {took_s:.1f} s after it hung")
    assert on_duty(pair) == [second]
    assert [n for n in Counter(message["id"] for message in told(tmp_path)).values() if n > 1] == []
