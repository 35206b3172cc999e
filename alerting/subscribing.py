"""Subscriptions: events go to receivers as they come, each once, in the order they came.

How far a subscription has gone moves in the transaction that puts its messages into the outbox. Before
and after of a change are told with secrets masked, as they are stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from alerting.outgoing import MOST_TITLE_CHARS, Outgoing, plain
from alerting.receivers import Routes, Subscription, as_json
from domain.changes import Change, sentence
from storage.alert_book import NewMessage
from storage.alert_reads import AlertReads
from storage.outbox_book import OutboxBook
from storage.reading.alert_feed import MOST_RARE, RareEvent

MOST_EVENTS = MOST_RARE // 10
CRUD = 4


class Subscriptions:
    """Feeds the outbox from events.

    Args:
        reads: Where events come from.
        book: The outbox.
        routes: Subscriptions as configured.
        to_change: Makes a change of an event.
        now_ms: The wall clock.
    """

    def __init__(
        self,
        reads: AlertReads,
        book: OutboxBook,
        routes: Routes,
        to_change: Callable[[RareEvent], Change],
        now_ms: Callable[[], int],
    ) -> None:
        self._reads = reads
        self._book = book
        self._routes = routes
        self._to_change = to_change
        self._now_ms = now_ms
        named = [(name, s.receiver, ", ".join(s.events)) for name, s in routes.subscriptions.items()]
        self._places = book.set_subscriptions(named, reads.last_seq(), now_ms())

    def turn(self) -> int:
        """Put what is new into the outbox; returns how many messages."""
        if not self._places:
            return 0
        last = self._reads.last_seq()
        count = 0
        for name, subscription in self._routes.subscriptions.items():
            if self._places.get(name, last) < last:
                count += self._feed(name, subscription, last)
        return count

    def _feed(self, name: str, subscription: Subscription, last: int) -> int:
        after = self._places[name]
        upto = min(last, after + MOST_EVENTS)
        events = [
            e for e in self._reads.rare_after(after, upto) if e.kind == CRUD and subscription.wants(e.event)
        ]
        messages = list(self._messages(name, subscription, events))
        newest = max((e.at_ms for e in events), default=None)
        self._book.feed_subscription(name, upto, newest, messages)
        self._places[name] = upto
        return len(messages)

    def _messages(
        self, name: str, subscription: Subscription, events: Iterable[RareEvent]
    ) -> Iterable[NewMessage]:
        names = self._reads.entity_names() if events else {}
        for event in events:
            change = self._to_change(event)
            told = sentence(change, lambda kind, entity_id: names.get((kind, entity_id)))
            message = Outgoing(
                kind=f"change.{event.event}",
                at_ms=event.at_ms,
                title=plain(told, MOST_TITLE_CHARS),
                lines=(plain(f"by {event.actor}" if event.actor else "by somebody that Kong does not name"),),
                data=_data(event, change),
            )
            yield NewMessage(
                message_id=f"msg_{name}_{event.seq}",
                receiver=subscription.receiver,
                kind=message.kind,
                body=as_json(message),
                due_ms=self._now_ms(),
                subscription=name,
            )


def _data(event: RareEvent, change: Change) -> dict[str, Any]:
    return {
        "seq": event.seq,
        "at_ms": event.at_ms,
        "event": event.event,
        "entity_type": change.entity_type,
        "entity_id": change.entity_id,
        "entity_name": change.entity_name,
        "operation": change.operation,
        "actor": event.actor,
        "node": event.node,
        "before": change.before,
        "after": change.after,
    }
