"""One file per way of telling people. A new way is a file and a line in `_KINDS`.

Each has one method, `send`, that returns when the other side has taken the message and raises
`DeliveryFailed` otherwise, saying whether trying again can help.
"""

from __future__ import annotations

from collections.abc import Callable

from alerting.notifier import DeliveryFailed, Notifier
from alerting.notifiers import append, email, others, slack, webhook
from alerting.receivers import Receiver

_KINDS: dict[str, Callable[[Receiver], Notifier]] = {
    "email": email.EmailNotifier,
    "slack": slack.SlackNotifier,
    "webhook": webhook.WebhookNotifier,
    "apprise": others.AppriseNotifier,
    "file": append.FileNotifier,
}


def open_notifier(receiver: Receiver) -> Notifier:
    """The notifier of a receiver.

    Raises:
        SettingValueError: A file of its cannot be used.
    """
    return _KINDS[receiver.kind](receiver)


__all__ = ["DeliveryFailed", "Notifier", "open_notifier"]
