"""Sender, session and store against a model, while connections break and collectors die at every moment."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from collector.send_buffer import SendBuffer
from collector.sources.session import (
    Close,
    Command,
    FindCursor,
    Limits,
    Phase,
    Send,
    Session,
    Store,
    StoreGap,
)
from collector.wire.stream import Ack, Hello, Welcome, decode_server_frame, encode_hello

LIMITS = Limits(window=8, max_batch=4, max_bytes=4_000)
SOURCE, EPOCH = "gw-1", "1"


def as_text(frame: bytes | str) -> str:
    """A frame as it travels."""
    return frame.decode() if isinstance(frame, bytes) else frame


class Disk:
    """What survives the collector: items, gaps and the cursor change in one step, or not at all."""

    def __init__(self) -> None:
        self.items: list[int] = []
        self.gaps: list[tuple[int, int]] = []
        self.cursor = 0

    def store(self, command: Store) -> None:
        """Commit one batch."""
        self.items += [json.loads(bytes(item))["n"] for item in command.items]
        self.cursor = command.upto

    def store_gap(self, command: StoreGap) -> None:
        """Commit that something is lost."""
        self.gaps.append((command.first, command.upto))
        self.cursor = command.upto


class Delivery(RuleBasedStateMachine):
    """One sender, one collector, and everything that can come between them."""

    def __init__(self) -> None:
        super().__init__()
        self.disk = Disk()
        self.buffer = SendBuffer()
        self.session: Session | None = None
        self.writes: list[Store] = []
        """Taken in, and not yet committed."""
        self.closed_with: list[int] = []
        self.lost_by_sender: set[int] = set()

    # ---- the collector's side of one connection

    def perform(self, commands: list[Command]) -> list[str]:
        """Do what a session says, as a link does; returns the frames for the sender."""
        frames: list[str] = []
        waiting = list(commands)
        session = self.session
        assert session is not None
        while waiting:
            command = waiting.pop(0)
            if isinstance(command, Send):
                frames.append(command.frame)
            elif isinstance(command, FindCursor):
                self.commit_all()  # the writer answers in its turn, after what was taken in before
                waiting += session.know_cursor(self.disk.cursor)
            elif isinstance(command, StoreGap):
                self.disk.store_gap(command)
                waiting += session.gap_stored(command.upto)
            elif isinstance(command, Store):
                self.writes.append(command)
            elif isinstance(command, Close):
                self.closed_with.append(command.code)
                self.session = None
        return frames

    def commit_all(self) -> None:
        """The writer finishes everything that waits, whoever sent it."""
        for write in self.writes:
            self.disk.store(write)
        self.writes = []

    def hear(self, frames: list[str]) -> None:
        """The sender reads what the collector sent."""
        for frame in map(decode_server_frame, frames):
            if isinstance(frame, Welcome):
                self.buffer.welcome(frame.acked)
            elif isinstance(frame, Ack):
                self.buffer.ack(frame.upto)

    # ---- what happens

    @initialize()
    def begin(self) -> None:
        """Nothing was ever sent."""
        assert self.buffer.next == 1

    @rule(n=st.integers(1, 5))
    def something_happens_at_the_gateway(self, n: int) -> None:
        """The sender holds some more items."""
        for _ in range(n):
            self.buffer.push(json.dumps({"n": self.buffer.next}).encode())

    @precondition(lambda self: self.session is None)
    @rule()
    def the_sender_connects(self) -> None:
        """Hello, cursor, welcome."""
        self.session = Session(None, LIMITS)
        hello = Hello(source=SOURCE, epoch=EPOCH, oldest=self.buffer.oldest, next=self.buffer.next)
        self.hear(self.perform(self.session.receive(encode_hello(hello).decode())))

    @precondition(lambda self: self.session is not None)
    @rule()
    def the_sender_sends(self) -> None:
        """One batch, if there is something to send and room in the window."""
        assert self.session is not None
        frame = self.buffer.next_frame(LIMITS.window, LIMITS.max_batch, LIMITS.max_bytes)
        if frame is not None:
            self.hear(self.perform(self.session.receive(as_text(frame))))

    @precondition(lambda self: self.session is not None and self.writes)
    @rule()
    def the_writer_commits(self) -> None:
        """The oldest batch that waits is on disk."""
        assert self.session is not None
        write = self.writes.pop(0)
        self.disk.store(write)
        self.session.stored(write.upto)

    @precondition(lambda self: self.session is not None)
    @rule(arrives=st.booleans())
    def the_collector_acknowledges(self, arrives: bool) -> None:  # noqa: FBT001 - drawn
        """An acknowledgement, which may be lost on its way."""
        assert self.session is not None
        frames = self.perform(self.session.acknowledge())
        if arrives:
            self.hear(frames)

    @precondition(lambda self: self.session is not None)
    @rule()
    def the_connection_breaks(self) -> None:
        """What was taken in is committed all the same, sooner or later."""
        self.session = None

    @rule()
    def the_collector_is_killed(self) -> None:
        """What was not committed is gone."""
        self.session = None
        self.writes = []

    @precondition(lambda self: self.session is None and self.buffer.unacked > 0)
    @rule(n=st.integers(1, 3))
    def the_sender_loses_its_oldest_items(self, n: int) -> None:
        """Its memory was full; it says so with its next hello."""
        kept = SendBuffer()
        lost = min(n, self.buffer.unacked)
        self.lost_by_sender |= set(range(self.buffer.oldest, self.buffer.oldest + lost))
        kept.oldest = kept.cursor = self.buffer.oldest + lost
        for number in range(kept.oldest, self.buffer.next):
            kept.push(json.dumps({"n": number}).encode())
        self.buffer = kept

    @precondition(lambda self: self.session is not None and self.session.phase is Phase.STREAMING)
    @rule(back=st.integers(0, 6), n=st.integers(1, 4))
    def old_items_are_sent_again(self, back: int, n: int) -> None:
        """A sender that is not sure sends what it sent before; it must not be stored twice."""
        assert self.session is not None
        first = max(1, self.session.taken - back)
        events = [{"n": number} for number in range(first, min(first + n, self.buffer.next))]
        if events and first <= self.session.taken + 1:
            frame = json.dumps({"t": "batch", "first": first, "events": events})
            self.hear(self.perform(self.session.receive(as_text(frame))))
            self.buffer.cursor = max(self.buffer.cursor, min(first + len(events), self.buffer.next))

    @precondition(lambda self: self.session is not None)
    @rule(
        message=st.sampled_from(
            [
                "", "{", "[]", "null", b"binary", '{"t":"hello","source":"gw-1","epoch":"1"}',
                '{"t":"batch","first":1000000,"events":[{"n":1}]}', '{"t":"batch","first":1,"events":{}}',
                '{"t":"ack","upto":9,"window":9}', "x" * 5_000,
                '{"t":"batch","first":1,"events":[1,2,3,4,5,6]}',
            ]
        )
    )  # fmt: skip
    def nonsense_arrives(self, message: str | bytes) -> None:
        """It closes the connection, and changes nothing on disk."""
        assert self.session is not None
        session, before = self.session, (list(self.disk.items), self.disk.cursor, list(self.writes))

        self.perform(session.receive(message))

        assert session.phase is Phase.CLOSED
        assert 4400 <= self.closed_with[-1] < 4500
        assert session.receive('{"t":"batch","first":1,"events":[{"n":1}]}') == []
        assert session.acknowledge() == []
        assert (list(self.disk.items), self.disk.cursor, list(self.writes)) == before

    # ---- what is always true

    @invariant()
    def nothing_is_stored_twice_or_out_of_order(self) -> None:
        """Each number at most once, in the sender's order."""
        assert all(
            before < after for before, after in zip(self.disk.items, self.disk.items[1:], strict=False)
        )

    @invariant()
    def everything_up_to_the_cursor_is_there_or_known_to_be_lost(self) -> None:
        """And what is known to be lost, the sender had lost."""
        lost = {number for first, upto in self.disk.gaps for number in range(first, upto + 1)}
        assert set(self.disk.items) | lost == set(range(1, self.disk.cursor + 1))
        assert lost <= self.lost_by_sender
        assert not lost & set(self.disk.items)

    @invariant()
    def the_sender_forgets_only_what_is_on_disk_or_what_it_lost(self) -> None:
        """An acknowledgement is a promise."""
        forgotten = set(range(1, self.buffer.oldest))
        assert forgotten <= set(self.disk.items) | self.lost_by_sender

    @invariant()
    def no_more_is_under_way_than_the_window(self) -> None:
        """Memory is bounded by what welcome said."""
        if self.session is not None:
            assert self.session.acked <= self.session.taken
            assert self.session.taken - self.session.acked <= LIMITS.window
            assert self.session.acked <= self.disk.cursor

    def teardown(self) -> None:
        """Once everything works again, everything that is held arrives."""
        self.session = None
        self.the_sender_connects()
        for _ in range(1_000):
            if not self.buffer.unacked:
                break
            self.the_sender_sends()
            while self.writes:
                self.the_writer_commits()
            self.the_collector_acknowledges(arrives=True)

        assert self.buffer.unacked == 0
        held = set(range(1, self.buffer.next)) - self.lost_by_sender
        assert held <= set(self.disk.items)


TestDelivery = Delivery.TestCase
TestDelivery.settings = settings(stateful_step_count=40)


def test_the_model_notices_a_session_that_stores_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that could not fail would prove nothing."""

    def forgetful(self: Session, frame: Any) -> list[Command]:
        self.taken = max(self.taken, frame.first + len(frame.events) - 1)
        return [Store(frame.first, frame.events)]

    monkeypatch.setattr(Session, "_batch", forgetful)
    machine = Delivery()
    machine.something_happens_at_the_gateway(n=3)
    machine.the_sender_connects()
    machine.the_sender_sends()
    machine.the_writer_commits()
    machine.old_items_are_sent_again(back=2, n=2)
    machine.the_writer_commits()

    with pytest.raises(AssertionError):
        machine.nothing_is_stored_twice_or_out_of_order()
