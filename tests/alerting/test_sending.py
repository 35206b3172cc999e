"""Delivery against a real database, receivers that answer as told, and a clock that is moved by hand."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from alerting.notifier import DeliveryFailed
from alerting.outgoing import Outgoing
from alerting.receivers import Receiver, Routes, as_json
from alerting.sending import HOUR_MS, Sender
from storage.alert_book import NewMessage
from storage.alerts_reader import AlertsReader
from storage.decisions import Decisions
from storage.outbox_book import OutboxBook

START_MS = 1_800_000_000_000
MINUTE_MS = 60_000


class Scripted:
    """A notifier that fails as told, and keeps what it took."""

    def __init__(self) -> None:
        self.took: list[str] = []
        self.failure: DeliveryFailed | None = None

    def send(self, message_id: str, _message: Outgoing, _now_ms: int) -> int | None:
        """Take it, or fail."""
        if self.failure is not None:
            raise self.failure
        self.took.append(message_id)
        return 200


class Post:
    """An outbox, one receiver, a clock."""

    def __init__(self, path: Path, per_hour: int = 60) -> None:
        self.path = path
        self.now_ms = START_MS
        self.other = Scripted()
        self.book = OutboxBook(path)
        ids = itertools.count()
        receiver = Receiver(kind="file", path="x", per_hour=per_hour)
        self.sender = Sender(
            self.book,
            Routes(receivers={"soc": receiver}),
            lambda: self.now_ms,
            lambda: 0.5,
            lambda: f"made_{next(ids)}",
            lambda _: self.other,
        )
        self.alerts = AlertsReader(path, 5_000)

    def put(self, *ids: str) -> None:
        """Messages that are due now."""
        for message_id in ids:
            body = as_json(Outgoing(kind="incident.opened", at_ms=self.now_ms, title=message_id))
            self.book.add(
                NewMessage(
                    message_id=message_id,
                    receiver="soc",
                    kind="incident.opened",
                    body=body,
                    due_ms=self.now_ms,
                )
            )

    def pass_time(self, ms: int) -> None:
        """Move the clock."""
        self.now_ms += ms


@pytest.fixture
def post(tmp_path: Path) -> Iterator[Post]:
    found = Post(tmp_path / "g.db")
    yield found
    found.book.close()
    found.alerts.close()


def test_what_is_due_is_sent_once_and_logged(post: Post) -> None:
    post.put("m1", "m2")

    assert (post.sender.turn(), post.sender.turn()) == (2, 0)

    assert post.other.took == ["m1", "m2"]
    assert [(d.outcome, d.code) for d in post.alerts.deliveries()] == [("sent", 200), ("sent", 200)]


def test_a_receiver_that_is_down_for_ten_minutes_gets_everything(post: Post) -> None:
    post.other.failure = DeliveryFailed("soc cannot be reached")
    for minute in range(10):
        post.put(f"m{minute}")
        post.sender.turn()
        post.pass_time(MINUTE_MS)
    post.other.failure = None

    for _ in range(20):
        post.sender.turn()
        post.pass_time(MINUTE_MS)

    assert sorted(post.other.took) == sorted(f"m{minute}" for minute in range(10))
    (receiver,) = post.alerts.receivers()
    assert receiver.last_success_ms is not None
    assert receiver.last_error == "soc cannot be reached"


def test_nobody_is_tried_before_what_it_asked_for(post: Post) -> None:
    post.other.failure = DeliveryFailed("soc answered 429", code=429, retry_after_s=120)
    post.put("m1")
    post.sender.turn()
    post.other.failure = None

    post.pass_time(119_000)
    early = post.sender.turn()
    post.pass_time(3_000)
    late = post.sender.turn()

    assert (early, late) == (0, 1)


def test_what_cannot_be_helped_is_a_dead_letter_that_people_can_send_again(post: Post) -> None:
    post.other.failure = DeliveryFailed("soc answered 400", permanent=True, code=400)
    post.put("m1")
    post.sender.turn()
    (dead,) = post.alerts.outbox(["dead"])
    post.other.failure = None

    with Decisions(post.path) as decisions:
        decisions.redeliver("m1", post.now_ms)
    post.sender.turn()

    assert (dead.error, dead.attempts) == ("soc answered 400", 1)
    assert post.other.took == ["m1"]


def test_a_message_that_failed_for_a_day_is_given_up(post: Post) -> None:
    post.other.failure = DeliveryFailed("soc cannot be reached")
    post.put("m1")
    post.sender.turn()
    post.pass_time(24 * HOUR_MS)

    post.sender.turn()

    assert [m.message_id for m in post.alerts.outbox(["dead"])] == ["m1"]


def test_410_switches_a_receiver_off_and_shows_it_and_nothing_is_lost(post: Post) -> None:
    post.other.failure = DeliveryFailed("soc answered 410 Gone", permanent=True, code=410, gone=True)
    post.put("m1")
    post.sender.turn()
    post.other.failure = None
    post.pass_time(HOUR_MS)
    while_off = post.sender.turn()
    (off,) = post.alerts.receivers()

    with Decisions(post.path) as decisions:
        decisions.switch_on("soc")
    post.sender.turn()

    assert (while_off, off.is_on, off.off_reason) == (0, False, "soc answered 410 Gone")
    assert post.other.took == ["m1"]


def test_a_flood_becomes_one_line_that_says_how_many(tmp_path: Path) -> None:
    post = Post(tmp_path / "flood.db", per_hour=5)
    post.put(*(f"m{n:02}" for n in range(30)))

    for _ in range(3):
        post.sender.turn()
        post.pass_time(1_000)

    (summary,) = post.other.took[5:]
    assert post.other.took[:5] == ["m00", "m01", "m02", "m03", "m04"]
    assert [m.body["title"] for m in post.alerts.outbox(["sent"]) if m.message_id == summary] == [
        "Gatewatch holds back 25 more messages"
    ]
    assert len(post.alerts.outbox(["dropped"])) == 25
    post.book.close()
    post.alerts.close()


def test_the_test_button_sends_and_answers(post: Post) -> None:
    with Decisions(post.path) as decisions:
        decisions.ask("r1", "test", "ana", post.now_ms, {"receiver": "soc"})
        decisions.ask("r2", "test", "ana", post.now_ms, {"receiver": "ghost"})

    post.sender.turn()

    one, two = post.alerts.request("r1"), post.alerts.request("r2")
    assert one is not None
    assert two is not None
    assert (one.answer["outcome"], two.answer) == ("sent", {"error": "there is no receiver ghost"})
    assert len(post.other.took) == 1


def test_a_receiver_whose_file_is_missing_is_told_and_tried_again(tmp_path: Path) -> None:
    book = OutboxBook(tmp_path / "g.db")
    routes = Routes(receivers={"chat": Receiver(kind="slack", url_file=str(tmp_path / "nowhere"))})
    sender = Sender(book, routes, lambda: START_MS, lambda: 0.5, lambda: "id")
    book.add(NewMessage(message_id="m1", receiver="chat", kind="x", body="{}", due_ms=START_MS))

    sender.turn()

    reader = AlertsReader(tmp_path / "g.db", 5_000)
    (message,) = reader.outbox(["waiting"])
    assert "cannot be read" in (message.error or "")
    reader.close()
    book.close()
