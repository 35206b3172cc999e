"""The hundred other services, through Apprise (github.com/caronc/apprise).

Its URLs hold secrets, so they are read from a file, one a line. Apprise answers only yes or no, so a
failure is always worth another try.
"""

from __future__ import annotations

from alerting.notifier import DeliveryFailed
from alerting.outgoing import Outgoing
from alerting.receivers import Receiver, read_secret
from settings import SettingValueError

_TYPES = {"critical": "failure", "high": "warning", "notice": "warning"}
"""Severity -> Apprise's type of a message."""


class AppriseNotifier:
    """Tells every service of one file.

    Raises:
        SettingValueError: The file cannot be read, or Apprise does not know a URL in it.
    """

    def __init__(self, receiver: Receiver) -> None:
        import apprise  # noqa: PLC0415 - a hundred services, only for those who use one

        self._services = apprise.Apprise()
        for number, line in enumerate(read_secret(receiver.url_file, "url_file").splitlines(), start=1):
            if line.strip() and not self._services.add(line.strip()):
                raise SettingValueError(
                    f"url_file {receiver.url_file}: Apprise does not know the URL in line {number}"
                )

    def send(self, message_id: str, message: Outgoing, _now_ms: int) -> int | None:
        """Tell all of them."""
        lines = [*message.lines, *([message.link] if message.link else []), message_id]
        taken = self._services.notify(
            title=message.title,
            body="\n".join(lines),
            notify_type=_TYPES.get(message.severity, "info"),
            body_format="text",
        )
        if not taken:
            raise DeliveryFailed("a service did not take it (Apprise does not say why)")
        return None
