"""Delivery: what is due in the outbox goes out, and how it went is written down, in that order.

A crash in between sends it again under the same id. Each receiver has a cap per hour: what is over it becomes
one line that says how many. A receiver that answers 410 is switched off and shown so; what waits for it,
waits.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping

import msgspec

from alerting.backoff import delay_s, is_given_up
from alerting.guarded_http import Place, post
from alerting.notifiers import DeliveryFailed, Notifier, open_notifier
from alerting.outgoing import Outgoing, held_back_message, trial_message
from alerting.receivers import Receiver, Routes, as_json, read_secret, shown
from settings import SettingValueError
from storage.alert_book import NewMessage
from storage.alert_rows import OutboxRow
from storage.outbox_book import Attempt, OutboxBook

log = logging.getLogger("gatewatch.delivery")

HOUR_MS = 3_600_000
MOST_HELD = 5_000
Clock = Callable[[], int]


class Sender:
    """Sends what is due.

    Args:
        book: The outbox.
        routes: Receivers as configured.
        now_ms: The wall clock.
        chance: A number from 0 up to 1, for the jitter.
        make_id: A new message id.
        open_one: Makes notifiers.
        may_act: Whether delivery is still this process's; asked before every message.
    """

    def __init__(
        self,
        book: OutboxBook,
        routes: Routes,
        now_ms: Clock,
        chance: Callable[[], float],
        make_id: Callable[[], str],
        open_one: Callable[[Receiver], Notifier] = open_notifier,
        may_act: Callable[[], bool] = lambda: True,
    ) -> None:
        self._may_act = may_act
        self._book = book
        self._routes = routes
        self._now_ms = now_ms
        self._chance = chance
        self._make_id = make_id
        self._notifiers: dict[str, Notifier] = {}
        self._faults: dict[str, str] = {}
        for name, receiver in routes.receivers.items():
            try:
                self._notifiers[name] = open_one(receiver)
            except SettingValueError as error:
                self._faults[name] = str(error)
                log.warning("receiver %s cannot be used: %s", name, error)
        book.set_receivers(
            [(name, receiver.kind, shown(receiver)) for name, receiver in routes.receivers.items()], now_ms()
        )
        self._beat_due_ms = 0
        self.dead_man_error = ""

    def turn(self) -> int:
        """Send everything that is due now; returns how many attempts were made."""
        self._trials()
        attempts = 0
        for row in self._book.due(self._now_ms()):
            if not self._may_act():
                break
            if self._is_over_cap(row):
                continue
            self._book.record(self._try(row))
            attempts += 1
        return attempts

    # ---- one message

    def _try(self, row: OutboxRow) -> Attempt:
        notifier = self._notifiers.get(row.receiver)
        if notifier is None:
            why = self._faults.get(row.receiver, "no such receiver is configured any more")
            return self._failed(row, DeliveryFailed(why, permanent=row.receiver not in self._faults), 0)
        started_s = time.monotonic()
        try:
            code = notifier.send(row.message_id, outgoing_of(row), self._now_ms())
        except DeliveryFailed as failure:
            return self._failed(row, failure, started_s)
        except Exception as error:
            log.exception("sending by receiver %s failed", row.receiver)
            return self._failed(row, DeliveryFailed(f"unexpected: {type(error).__name__}"), started_s)
        return Attempt(
            message_id=row.message_id,
            receiver=row.receiver,
            at_ms=self._now_ms(),
            outcome="sent",
            code=code,
            took_ms=round(1000 * (time.monotonic() - started_s)),
        )

    def _failed(self, row: OutboxRow, failure: DeliveryFailed, started_s: float) -> Attempt:
        now_ms = self._now_ms()
        took_ms = round(1000 * (time.monotonic() - started_s)) if started_s else 0
        is_dead = (failure.permanent and not failure.gone) or is_given_up(row.made_ms, now_ms)
        wait_s = delay_s(row.attempts + 1, self._chance(), failure.retry_after_s)
        log.warning("receiver %s: %s%s", row.receiver, failure.why, "; given up" if is_dead else "")
        return Attempt(
            message_id=row.message_id,
            receiver=row.receiver,
            at_ms=now_ms,
            outcome="dead" if is_dead else "retry",
            code=failure.code,
            took_ms=took_ms,
            detail=failure.why[:300],
            due_ms=None if is_dead else now_ms + round(1000 * wait_s),
            switch_off=failure.why[:300] if failure.gone else None,
        )

    # ---- floods

    def _is_over_cap(self, row: OutboxRow) -> bool:
        receiver = self._routes.receivers.get(row.receiver)
        if receiver is None or row.kind == "flood" or row.subscription is not None:
            return False
        now_ms = self._now_ms()
        if self._book.sent_lately(row.receiver, now_ms - HOUR_MS) < receiver.per_hour:
            return False
        held = [
            w.message_id
            for w in self._book.waiting_of(row.receiver, MOST_HELD)
            if w.kind != "flood" and w.subscription is None
        ]
        if not held:
            return True  # this one went with the others just now
        summary = held_back_message(row.receiver, len(held), row.made_ms, now_ms)
        message = NewMessage(
            message_id=self._make_id(),
            receiver=row.receiver,
            kind=summary.kind,
            body=as_json(summary),
            due_ms=now_ms,
        )
        self._book.drop(held, message, now_ms, f"more than {receiver.per_hour} in an hour")
        log.warning("receiver %s: %d messages held back", row.receiver, len(held))
        return True

    # ---- the test button, the dead man's switch

    def _trials(self) -> None:
        for request in self._book.open_requests("test"):
            now_ms = self._now_ms()
            receiver = str(request.body.get("receiver"))
            if receiver not in self._routes.receivers:
                self._book.answer(request.request_id, {"error": f"there is no receiver {receiver}"}, now_ms)
                continue
            message = trial_message(receiver, request.asked_by, now_ms)
            row = OutboxRow(
                message_id=self._make_id(),
                receiver=receiver,
                kind="test",
                incident_id=None,
                subscription=None,
                made_ms=now_ms,
                due_ms=now_ms,
                attempts=0,
                state="waiting",
                ended_ms=None,
                error=None,
                body={},
            )
            self._book.add(
                NewMessage(
                    message_id=row.message_id,
                    receiver=receiver,
                    kind="test",
                    body=as_json(message),
                    due_ms=now_ms,
                )
            )
            attempt = self._try(_with_body(row, message))
            self._book.record(attempt)
            answer = {"outcome": attempt.outcome, "detail": attempt.detail, "code": attempt.code}
            self._book.answer(request.request_id, answer, self._now_ms())

    def beat(self, *, is_well: bool) -> None:
        """Tell the dead man's switch that we live, when it is due; say nothing when we are not well."""
        switch = self._routes.dead_man
        if switch is None or not is_well or self._now_ms() < self._beat_due_ms:
            return
        self._beat_due_ms = self._now_ms() + 1000 * switch.every_s
        try:
            url = read_secret(switch.url_file, "url_file")
            post(Place(url=url, allow_private=switch.allow_private, ca_file=switch.ca_file), b"", {})
            self.dead_man_error = ""
        except (DeliveryFailed, SettingValueError) as error:
            if not self.dead_man_error:
                log.warning("the dead man's switch does not take our sign of life: %s", error)
            self.dead_man_error = str(error)


def outgoing_of(row: OutboxRow) -> Outgoing:
    """What a stored message says."""
    return msgspec.convert(row.body, Outgoing)


def _with_body(row: OutboxRow, message: Outgoing) -> OutboxRow:
    body: Mapping[str, object] = msgspec.to_builtins(message)
    return msgspec.structs.replace(row, body=dict(body))
