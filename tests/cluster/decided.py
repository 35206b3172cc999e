"""What collectors and people write beside events: incidents, messages, decisions, changes, blocks, blame."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from domain.admin_requests import AdminRequest, Plan, State, Step, plan_hash
from domain.blocks import Block, BlockScope, BlockState, Protected
from domain.change_actors import Actor, AdminCall, How
from domain.change_verdict import Outcome, Verdict
from domain.incident_flow import Move, What
from domain.incidents import State as IncidentState
from domain.incidents import Verdict as IncidentVerdict
from domain.proposals import OPEN_MS, ProposalState
from domain.rules import default_rules
from domain.silences import Silence
from storage.alert_book import AlertBook, Applied, NewMessage
from storage.alert_rows import OutboxRow, StoredIncident
from storage.alerts_reader import AlertsReader
from storage.audit_trail import record, record_settings
from storage.block_book import add_protected, ask_block, asked_since, begun, ended, remove_protected
from storage.block_book import blocks_in as blocks_in_state
from storage.change_book import ChangeBook
from storage.change_facts import (
    known_states,
    newest_call_ms,
    record_actor,
    record_calls,
    record_states,
    record_verdict,
)
from storage.decisions import Decisions, Outrun
from storage.outbox_book import Attempt, OutboxBook

HOUR_MS = 3_600_000
RECEIVERS = [("mail", "smtp", "soc@example.com"), ("pager", "webhook", "https://pager.example")]
STEP = Step(
    says="delete consumer bob",
    entity_type="consumers",
    request=AdminRequest(method="DELETE", path="/consumers/c"),
    before=State(path="/consumers/c", entity={"id": "c"}),
    after=State(path="/consumers/c", entity=None),
)
PLAN = Plan(steps=(STEP,))
HASH = plan_hash(PLAN, "http://kong:8001")


def write_all(database: str, moves: Sequence[Move], seqs: Sequence[int], now_ms: int) -> list[Any]:
    """Write a bit of everything; returns what the books answered meanwhile.

    Args:
        database: The file, or the URL.
        moves: Of incidents, as rules found them.
        seqs: Arrival numbers of changes.
        now_ms: After all that was recorded.
    """
    told: list[Any] = [*_alerts(database, moves, now_ms), *_people(database, now_ms)]
    told += [*_sent(database, now_ms), *_changes(database, seqs, now_ms), *_blocks(database, now_ms)]
    record(database, now_ms, "ana", "exported", "events\x00.csv", "all of it")
    told.append(record_settings(database, now_ms, {"events_days": "30", "ws_listen": '"127.0.0.1:8765"'}))
    told.append(record_settings(database, now_ms + 1, {"events_days": "7", "ws_listen": '"127.0.0.1:8765"'}))
    return told


def _alerts(database: str, moves: Sequence[Move], now_ms: int) -> list[Any]:
    with contextlib.closing(AlertBook(database)) as book:
        book.ship_rules([(rule.id, f'{{"id":"{rule.id}"}}') for rule in default_rules()], now_ms)
        book.ship_rules([("overload", "{}")], now_ms)
        applied = book.apply(moves, _messages, lambda _: (5, 3, 3, 1), {"evaluated_ms": now_ms, "entry": 0})
        again = book.apply(moves[:3], _messages, lambda _: (7, 5), {"entry": 1})
        book.remember({"entry": 2}, {"state": "ok", "rules": 13})
        return [applied, again, book.remembered("entry"), book.remembered("none"), *_looked(book, now_ms)]


def _messages(applied: Sequence[Applied]) -> list[NewMessage]:
    return [
        NewMessage(
            message_id=f"{done.incident_id}:{done.move.what}:{done.move.at_ms}", receiver="mail",
            kind="incident",
            body=f'{{"why":"{done.move.what}"}}', due_ms=done.move.at_ms, incident_id=done.incident_id,
        )
        for done in applied
        if done.is_done and done.move.what in {What.OPENED, What.RESOLVED}
    ]  # fmt: skip


def _looked(book: AlertBook, now_ms: int) -> list[Any]:
    found: list[StoredIncident] = book.recent(0)
    return [found, book.people_moved(0), book.rules(), book.silences(now_ms), book.prune(1)]


def _people(database: str, now_ms: int) -> list[Any]:
    with contextlib.closing(AlertsReader(database, 60_000)) as alerts:
        live = [stored for stored in alerts.between(0, now_ms) if stored.incident.state is IncidentState.OPEN]
        ended_ones = alerts.between(0, now_ms)
    told: list[Any] = []
    with Decisions(database) as decisions:
        for stored in live[:2]:
            decisions.acknowledge(stored.incident_id, IncidentState.OPEN, "ana", now_ms, "looking")
            decisions.assign(stored.incident_id, "ben", "ana", now_ms + 1)
            try:
                decisions.acknowledge(stored.incident_id, IncidentState.OPEN, "ben", now_ms + 2)
            except Outrun as error:
                told.append(str(error))
        for stored in live[:1]:
            acknowledged = IncidentState.ACKNOWLEDGED
            verdict = IncidentVerdict.BENIGN
            decisions.close_incident(stored.incident_id, acknowledged, verdict, "ben", now_ms + 3, "a test")
        for stored in ended_ones[:3]:
            decisions.note(stored.incident_id, "ünïcödé ✓ 'quoted' 100 %", "ana", now_ms + 4)
        for number in range(3):
            silence = Silence(
                silence_id=0, from_ms=now_ms, until_ms=now_ms + HOUR_MS * (number + 1), author="ana",
                reason="maintenance",
            )  # fmt: skip
            told.append(decisions.silence(silence, now_ms))
        decisions.end_silence(2, "ben", now_ms + 5)
        rule = next(iter(default_rules()))
        told.append(decisions.save_rule(rule, 1, "ana", now_ms + 6, "quieter"))
        decisions.ask("request-1", "backtest", "ana", now_ms + 7, {"days": 7})
    return told


def _sent(database: str, now_ms: int) -> list[Any]:
    with contextlib.closing(OutboxBook(database)) as book:
        book.set_receivers(RECEIVERS, now_ms)
        first = book.set_subscriptions([("every change", "pager", "crud")], 5, now_ms)
        due: list[OutboxRow] = book.due(now_ms + 1)
        for number, row in enumerate(due[:6]):
            outcome = ("sent", "retry", "dead")[number % 3]
            book.record(
                Attempt(
                    message_id=row.message_id, receiver=row.receiver, at_ms=now_ms + number, outcome=outcome,
                    code=None if outcome == "sent" else 503, took_ms=12, detail="" if number else "ok",
                    due_ms=now_ms + HOUR_MS if outcome == "retry" else None,
                    switch_off="it said 410" if number == 5 else None,
                )
            )  # fmt: skip
        summary = NewMessage(message_id="s", receiver="mail", kind="summary", body="{}", due_ms=now_ms)
        book.drop([row.message_id for row in due[6:9]], summary, now_ms, "too many")
        book.feed_subscription("every change", 9, None, [])
        moved = [(*RECEIVERS[0][:2], "soc2@example.com"), RECEIVERS[1]]
        book.set_receivers(moved, now_ms + 9)
        second = book.set_subscriptions([("every change", "mail", "crud")], 0, now_ms + 9)
        waiting = book.waiting_of("mail", 10)
        asked = book.open_requests("backtest")
        book.answer("request-1", {"found": []}, now_ms + 10)
        return [first, due, second, waiting, asked, book.sent_lately("mail", 0), book.due(now_ms + 1)]


def _changes(database: str, seqs: Sequence[int], now_ms: int) -> list[Any]:
    told: list[Any] = []
    with ChangeBook(database) as book:
        for name in ("p1", "p2", "p3"):
            book.ask(name, "rollback", "ana", "too strict", {"change": 7}, now_ms)
        planned: dict[str, Any] = {
            "plan": PLAN,
            "plan_hash": HASH,
            "target": "http://kong:8001",
            "shown": [{"path": "minute"}],
        }
        until_ms = now_ms + OPEN_MS
        told += [
            book.planned(name, **planned, at_ms=now_ms + 1, expires_ms=until_ms) for name in ("p1", "p2")
        ]
        told.append(book.approve("p1", "ana", HASH, now_ms + 2, own_allowed=False))
        told.append(book.approve("p1", "ben", HASH, now_ms + 3, own_allowed=False))
        told.append(book.begin("p1", HASH, now_ms + 4))
        book.intend("p1", 0, now_ms + 5)
        book.sent("p1", 0, at_ms=now_ms + 6, status=204, answer="", verified=True, outcome="gone, as planned")
        told.append(book.finished("p1", ProposalState.APPLIED, "done", now_ms + 7))
        told += [book.reject("p2", "cid", "no", now_ms + 8), book.withdraw("p3", "ben", now_ms + 9)]
        told += [book.expire(now_ms + OPEN_MS + 1), book.steps_of("p1"), book.get("p1")]
        for seq in seqs:
            actor = Actor(
                name="ana", how=How.REQUEST_ID, why="the audit log", client_ip="192.0.2.7", call_id="c1"
            )
            record_actor(book, seq, Actor(name=None, how=How.UNKNOWN, why="nobody"))
            record_actor(book, seq, actor, "p1")
            judged = Verdict(outcome=Outcome.NO_EFFECT, sentence="nothing followed")
            record_verdict(book, seq, judged, now_ms, is_final=True)
            record_verdict(
                book, seq, Verdict(outcome=Outcome.COINCIDED, sentence="?"), now_ms, is_final=False
            )
        calls = [
            AdminCall(
                call_id=f"c{number}", at_ms=now_ms - number, source="audit", actor="ana", method="PATCH",
                path="/plugins/x", status=200, client_ip="192.0.2.7", request_id=None, workspace="default",
            )
            for number in range(3)
        ]  # fmt: skip
        told += [record_calls(book, calls), record_calls(book, calls), newest_call_ms(book, "audit")]
        states = {("services", "s1"): {"id": "s1", "name": "orders"}, ("routes", "r1"): None}
        record_states(book, states, now_ms)
        drift = ("services", "s1", "orders", "changed", now_ms - 5, {"port": 80}, {"port": 81})
        record_states(book, {("services", "s1"): {"id": "s1", "port": 81}}, now_ms + 1, [drift])
        told.append(known_states(book))
    return told


def _blocks(database: str, now_ms: int) -> list[Any]:
    block = Block(
        block_id="b1", state=BlockState.REQUESTED.value, subject_type="ip", subject="203.0.113.9",
        label="203.0.113.9", scope=BlockScope(), reason="credential stuffing", asked_by="ana",
        asked_ms=now_ms, duration_ms=HOUR_MS, proposal_id="b1-plan",
    )  # fmt: skip
    with ChangeBook(database) as book:
        ask_block(book, block, now_ms)
        begun(book, "b1", now_ms + 1)
        entry = Protected(subject_type="range", subject="10.0.0.0/8", note="ours")
        add_protected(book, "e1", entry, "ana", now_ms)
        add_protected(book, "e2", entry, "ana", now_ms)
        remove_protected(book, "e2", "ben", now_ms + 2)
        first = blocks_in_state(book, [BlockState.ACTIVE])
        done = ended(book, "b1", BlockState.ACTIVE, BlockState.EXPIRED, "its time was over", now_ms + HOUR_MS)
        return [first, done, asked_since(book, now_ms + 1)]
