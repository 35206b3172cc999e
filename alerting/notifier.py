"""What a notifier is, and how one fails."""

from __future__ import annotations

from typing import Protocol

from alerting.outgoing import Outgoing
from domain.errors import GatewatchError


class DeliveryFailed(GatewatchError):  # noqa: N818 - reads as what happened
    """A message was not taken.

    Args:
        why: One sentence, without secrets and URLs.
        permanent: Trying again cannot help.
        code: The answer's status, where there was one.
        retry_after_s: What the other side asked for.
        gone: The other side does not exist any more: switch it off.
    """

    def __init__(
        self,
        why: str,
        *,
        permanent: bool = False,
        code: int | None = None,
        retry_after_s: float | None = None,
        gone: bool = False,
    ) -> None:
        self.why = why
        self.permanent = permanent
        self.code = code
        self.retry_after_s = retry_after_s
        self.gone = gone
        super().__init__(why)


class Notifier(Protocol):
    """One way to one receiver."""

    def send(self, message_id: str, message: Outgoing, now_ms: int) -> int | None:
        """Tell; returns the answer's status where there is one.

        Raises:
            DeliveryFailed: It was not taken.
        """
