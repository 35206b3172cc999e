"""Senders, sessions and the real store against a model: late frames, half-open links, deaths at any moment.

`sources/test_session_model.py` has a perfect disk and one connection at a time. Here the disk is a database
file, frames and acknowledgements are under way for as long as they like, a new connection comes while the old
one is still read from, senders start again with what they had on disk, and some events cannot be read at all.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from collector.batching import dead_items, gather
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
from collector.wire.generic import decode_generic
from collector.wire.stream import (
    Ack,
    DeadSeq,
    Hello,
    Welcome,
    decode_server_frame,
    decode_stream_items,
    encode_hello,
)
from domain.events import Decoded
from domain.windows import Window
from storage.batches import Batch, Gap, Written
from storage.rows import EventQuery
from storage.sqlite_reader import SqliteReader
from tests.e2e.load import measured
from tests.storage.filling import NOW_MS, opened

LIMITS = Limits(window=8, max_batch=4, max_bytes=4_000)
SOURCES = ("gw-1", "gw-2")
WINDOW = Window(NOW_MS - 60_000, NOW_MS + 60_000)


def event_id(source: str, number: int) -> str:
    """Of the number-th thing that happened at a gateway, whichever sender tells of it."""
    return f"{source}-{number}"


def item(source: str, number: int) -> bytes:
    """What a sender makes of it; every fifth cannot be read."""
    told = {"kind": "plugin", "event": "e", "id": event_id(source, number), "at_ms": NOW_MS}
    if number % 5 == 0:
        del told["event"]
    return json.dumps(told).encode()


def readable(ids: set[str]) -> set[str]:
    """Those of which the collector can make an event."""
    return {found for found in ids if int(found.rpartition("-")[2]) % 5}


class Sender:
    """One gateway's sender; what it holds may be on its own disk, and then it survives a restart."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.buffer = SendBuffer()
        self.epoch = 0
        self.happened = 0
        self.ids: dict[int, str] = {}
        """Of this epoch: number -> id."""
        self.acked: set[str] = set()
        """What it was told is on disk."""
        self.lost: set[str] = set()
        """What it forgot by itself."""

    def push(self, number: int) -> None:
        """Hold one thing that happened."""
        self.ids[self.buffer.push(item(self.source, number))] = event_id(self.source, number)

    def held(self) -> list[str]:
        """What it would send again."""
        return [self.ids[number] for number in range(self.buffer.oldest, self.buffer.next)]

    def hear_upto(self, upto: int) -> None:
        """Everything up to a number is on disk."""
        self.acked |= {self.ids[number] for number in range(1, upto + 1) if number in self.ids}

    def restart(self, *, with_spool: bool) -> None:
        """A new process counts anew; without a spool what it held is gone."""
        held = self.held()
        self.epoch, self.buffer, self.ids = self.epoch + 1, SendBuffer(), {}
        if with_spool:
            for found in held:
                self.push(int(found.rpartition("-")[2]))
        else:
            self.lost |= set(held)


class Connection:
    """Both ends of one connection, and what is under way between them."""

    def __init__(self, sender: Sender) -> None:
        self.sender: Sender | None = sender
        """None once that end is gone."""
        self.session = Session(None, LIMITS)
        self.to_collector: list[str] = []
        self.to_sender: list[str] = []


class Taken:
    """A batch that the collector took in and has not written."""

    def __init__(self, connection: Connection, batch: Batch, command: Store, decoded: list[Decoded]) -> None:
        self.connection, self.batch, self.command = connection, batch, command
        self.gathered = gather(decoded)


class Delivery(RuleBasedStateMachine):
    """Two senders and a collector with a real database."""

    def __init__(self) -> None:
        super().__init__()
        self.held = contextlib.ExitStack()
        self.path = Path(self.held.enter_context(tempfile.TemporaryDirectory())) / "g.db"
        self.store = self.held.enter_context(opened(self.path))
        self.reader = SqliteReader(self.path, 60_000)
        self.senders = {source: Sender(source) for source in SOURCES}
        self.connections: dict[str, Connection] = {}
        """Of each source, the one that the collector reads from."""
        self.waiting: list[Taken] = []
        self.told_by_http: set[str] = set()

    def teardown(self) -> None:
        """Once everything works again, everything that anybody held arrives, once."""
        for source, sender in self.senders.items():
            self._connect(source)
            for _ in range(200):
                if not sender.buffer.unacked:
                    break
                self._send(source)
                self._settle()
            assert sender.buffer.unacked == 0
        self.what_was_acknowledged_is_on_disk_once()
        self.reader.close()
        self.held.close()

    # ---- the collector

    def _read(self, connection: Connection) -> None:
        """The collector takes the next frame of a connection."""
        self._perform(connection, connection.session.receive(connection.to_collector.pop(0)))

    def _perform(self, connection: Connection, commands: list[Command]) -> None:
        session = connection.session
        for command in commands:
            if isinstance(command, Send):
                connection.to_sender.append(command.frame)
            elif isinstance(command, FindCursor):
                self._open(connection, command)
            elif isinstance(command, StoreGap):
                gap = Gap(source=session.source, from_ms=NOW_MS, to_ms=NOW_MS, cause="lost")
                self._write([self._batch(session, Decoded(), command.first, command.upto, (gap,))])
                self._perform(connection, session.gap_stored(command.upto))
            elif isinstance(command, Store):
                decoded = decode_stream_items(command.items, received_ms=NOW_MS)
                batch = self._batch(session, gather(decoded).decoded, command.first, command.upto)
                self.waiting.append(Taken(connection, batch, command, decoded))
            else:
                assert not isinstance(command, Close), "nobody here breaks the protocol"

    def _open(self, connection: Connection, command: FindCursor) -> None:
        """As a link does: an older one of the source is closed, and the writer answers in its turn."""
        older = self.connections.get(command.source)
        if older is not None and older is not connection:
            older.session.supersede()
        self.connections[command.source] = connection
        self._commit(len(self.waiting))
        self._perform(
            connection, connection.session.know_cursor(self.store.cursor(command.source, command.epoch))
        )

    @staticmethod
    def _batch(
        session: Session, decoded: Decoded, first: int, upto: int, gaps: tuple[Gap, ...] = ()
    ) -> Batch:
        return Batch(
            source=session.source, way="stream", received_ms=NOW_MS, decoded=decoded, epoch=session.epoch,
            first=first, upto=upto, gaps=gaps,
        )  # fmt: skip

    def _write(self, batches: list[Batch]) -> list[Written]:
        return self.store.write(batches)

    def _commit(self, n: int) -> None:
        """One transaction of the n oldest batches."""
        group, self.waiting = self.waiting[:n], self.waiting[n:]
        if not group:
            return
        for taken, written in zip(group, self._write([t.batch for t in group]), strict=True):
            dead = dead_items(taken.gathered, written.dead)
            taken.connection.session.stored(
                taken.command.upto, [DeadSeq(seq=taken.command.first + place, why=why) for place, why in dead]
            )

    def _settle(self) -> None:
        """Everything that is under way arrives."""
        for connection in self.connections.values():
            while connection.to_collector:
                self._read(connection)
        self._commit(len(self.waiting))
        for connection in self.connections.values():
            self._perform(connection, connection.session.acknowledge())
            while connection.to_sender:
                self._hear(connection)

    # ---- the senders

    def _hear(self, connection: Connection) -> None:
        frame = decode_server_frame(connection.to_sender.pop(0))
        sender = connection.sender
        if sender is None:
            return
        if isinstance(frame, Welcome):
            sender.hear_upto(frame.acked)
            sender.buffer.welcome(frame.acked)
        elif isinstance(frame, Ack):
            sender.hear_upto(frame.upto)
            sender.buffer.ack(frame.upto)
            assert all(int(sender.ids[dead.seq].rpartition("-")[2]) % 5 == 0 for dead in frame.dead)

    def _connect(self, source: str) -> None:
        """Say hello and wait for welcome; an older connection ends at the sender's side only."""
        sender, older = self.senders[source], self.connections.get(source)
        if older is not None:
            older.sender = None
        connection = Connection(sender)
        buffer = sender.buffer
        hello = Hello(source=source, epoch=str(sender.epoch), oldest=buffer.oldest, next=buffer.next)
        self._perform(connection, connection.session.receive(encode_hello(hello).decode()))
        self._hear(connection)

    def _send(self, source: str) -> None:
        connection = self.connections[source]
        frame = self.senders[source].buffer.next_frame(LIMITS.window, LIMITS.max_batch, LIMITS.max_bytes)
        if frame is not None:
            connection.to_collector.append(frame.decode())

    def _is_open(self, source: str) -> bool:
        connection = self.connections.get(source)
        return connection is not None and connection.sender is self.senders[source]

    # ---- what happens

    @rule(source=st.sampled_from(SOURCES), n=st.integers(1, 6))
    def something_happens_at_a_gateway(self, source: str, n: int) -> None:
        """Its sender holds it."""
        sender = self.senders[source]
        for _ in range(n):
            sender.happened += 1
            sender.push(sender.happened)

    @rule(source=st.sampled_from(SOURCES))
    def a_sender_connects(self, source: str) -> None:
        """Also while the collector has not noticed that the last connection is gone."""
        self._connect(source)

    @rule(source=st.sampled_from(SOURCES))
    def a_sender_sends(self, source: str) -> None:
        """One batch, where there is something to send and room in the window."""
        if self._is_open(source):
            self._send(source)

    @rule(source=st.sampled_from(SOURCES))
    def the_collector_reads(self, source: str) -> None:
        """One frame, also of a sender that is gone."""
        connection = self.connections.get(source)
        if connection is not None and connection.to_collector:
            self._read(connection)

    @precondition(lambda self: self.waiting)
    @rule(n=st.integers(1, 3))
    def the_writer_commits(self, n: int) -> None:
        """Some of what waits, of whichever source, in one transaction."""
        self._commit(n)

    @rule(source=st.sampled_from(SOURCES))
    def the_collector_acknowledges(self, source: str) -> None:
        """It is under way from now on."""
        connection = self.connections.get(source)
        if connection is not None and connection.session.phase is Phase.STREAMING:
            self._perform(connection, connection.session.acknowledge())

    @rule(source=st.sampled_from(SOURCES))
    def an_acknowledgement_arrives(self, source: str) -> None:
        """The oldest one that is under way, however old."""
        connection = self.connections.get(source)
        if connection is not None and connection.to_sender:
            self._hear(connection)

    @rule(source=st.sampled_from(SOURCES), with_spool=st.booleans())
    def a_sender_starts_again(self, source: str, with_spool: bool) -> None:  # noqa: FBT001 - drawn
        """What it had sent may be read all the same."""
        if source in self.connections:
            self.connections[source].sender = None
        self.senders[source].restart(with_spool=with_spool)

    @rule()
    def the_collector_is_killed(self) -> None:
        """What was not committed is gone, and so is everything under way; the file is opened again."""
        self.connections, self.waiting = {}, []
        self.store.close()
        self.store = self.held.enter_context(opened(self.path))

    @rule(source=st.sampled_from(SOURCES), back=st.integers(0, 9))
    def the_same_thing_is_told_by_http_as_well(self, source: str, back: int) -> None:
        """It is the same event, whichever way it comes first."""
        number = self.senders[source].happened - back
        if number < 1 or number % 5 == 0:
            return
        decoded = decode_generic(item(source, number), received_ms=NOW_MS)
        self._write([Batch(source="events", way="events", received_ms=NOW_MS, decoded=decoded)])
        self.told_by_http.add(event_id(source, number))

    # ---- what is always true

    @invariant()
    def what_was_acknowledged_is_on_disk_once(self) -> None:
        """And nothing is there that never happened; an event that cannot be read is kept as it came."""
        query = EventQuery(window=WINDOW)
        stored = Counter(row.id for row in self.reader.stream_events(query))
        kept = {json.loads(row.raw)["id"] for row in self.reader.quarantine(WINDOW, 1_000)}
        acked = set().union(*(sender.acked for sender in self.senders.values()))

        assert set(stored.values()) <= {1}
        assert readable(acked) | self.told_by_http <= set(stored)
        assert acked - readable(acked) <= kept
        happened = {
            event_id(s, n) for s, sender in self.senders.items() for n in range(1, sender.happened + 1)
        }
        assert set(stored) | kept <= happened

    @invariant()
    def a_sender_forgets_only_what_is_on_disk_or_what_died_with_it(self) -> None:
        """What happened is held, acknowledged or lost by the sender itself."""
        for source, sender in self.senders.items():
            happened = {event_id(source, number) for number in range(1, sender.happened + 1)}
            assert happened == set(sender.held()) | sender.acked | sender.lost


def test_what_was_acknowledged_is_on_disk_once_whatever_happens() -> None:
    """Eight runs of 40 steps, always the same."""
    run_state_machine_as_test(Delivery, settings=settings(stateful_step_count=40, max_examples=8))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_was_acknowledged_is_on_disk_once_in_hundreds_of_new_runs() -> None:
    """Three hundred, other ones every time: a failure prints its steps."""
    run_state_machine_as_test(
        Delivery, settings=settings(stateful_step_count=50, max_examples=300, derandomize=False)
    )
    measured("300 runs of up to 50 steps")


def test_the_model_notices_a_promise_before_the_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that could not fail would prove nothing."""

    def hasty(self: Session) -> list[Command]:
        self.acked = self.taken
        return truthful(self)

    truthful = Session.acknowledge
    monkeypatch.setattr(Session, "acknowledge", hasty)
    machine = Delivery()
    machine.something_happens_at_a_gateway("gw-1", 3)
    machine.a_sender_connects("gw-1")
    machine.a_sender_sends("gw-1")
    machine.the_collector_reads("gw-1")
    machine.the_collector_acknowledges("gw-1")
    machine.what_was_acknowledged_is_on_disk_once()

    machine.an_acknowledgement_arrives("gw-1")

    with pytest.raises(AssertionError):
        machine.what_was_acknowledged_is_on_disk_once()
    machine.reader.close()
    machine.held.close()
