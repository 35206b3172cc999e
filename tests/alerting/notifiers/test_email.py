from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from alerting.notifier import DeliveryFailed
from alerting.notifiers.email import EmailNotifier, mail_of
from alerting.outgoing import Outgoing, plain
from alerting.receivers import Receiver

MESSAGE = Outgoing(
    kind="incident.opened",
    at_ms=1_800_000_000_000,
    title="CRITICAL one key, many addresses: consumer s\u00f8ren",
    lines=("refused 417 times", "- look at the chart"),
    link="https://dash.example.com/alerts?of=7",
)


class Mailbox:
    """Keeps mail, or refuses it."""

    def __init__(self) -> None:
        self.mails: list[Envelope] = []
        self.answer = "250 taken"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Called by the server."""
        if self.answer.startswith("250"):
            self.mails.append(envelope)
        return self.answer


@pytest.fixture
def mailbox() -> Iterator[tuple[Mailbox, Receiver]]:
    box = Mailbox()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    receiver = Receiver(
        kind="email", host="127.0.0.1", port=port, tls="none", sender="gw@example.com",
        to=("soc@example.com", "night@example.com"),
    )  # fmt: skip
    try:
        yield box, receiver
    finally:
        controller.stop()


def test_a_mail_goes_to_everybody_with_its_id_and_its_link(mailbox: tuple[Mailbox, Receiver]) -> None:
    box, receiver = mailbox

    EmailNotifier(receiver).send("msg_1", MESSAGE, 0)

    (mail,) = box.mails
    content = mail.content or b""
    text = content.decode() if isinstance(content, bytes) else content
    assert mail.rcpt_tos == ["soc@example.com", "night@example.com"]
    assert "Message-ID: <msg_1@example.com>" in text
    assert "refused 417 times" in text
    assert "https://dash.example.com/alerts?of=7" in text


REFUSALS = {"for now": ("451 busy", False), "for good": ("554 no", True)}


@pytest.mark.parametrize("label", REFUSALS)
def test_a_refusal_says_whether_it_is_for_good(label: str, mailbox: tuple[Mailbox, Receiver]) -> None:
    box, receiver = mailbox
    box.answer, permanent = REFUSALS[label]

    with pytest.raises(DeliveryFailed) as caught:
        EmailNotifier(receiver).send("msg_1", MESSAGE, 0)

    assert caught.value.permanent is permanent


def test_nobody_there_is_worth_another_try() -> None:
    receiver = Receiver(kind="email", host="127.0.0.1", port=1, tls="none", sender="a@b", to=("c@d",))

    with pytest.raises(DeliveryFailed, match="cannot be reached") as caught:
        EmailNotifier(receiver).send("msg_1", MESSAGE, 0)

    assert not caught.value.permanent


def test_a_name_from_the_wire_makes_no_header() -> None:
    receiver = Receiver(kind="email", host="h", sender="gw@example.com", to=("soc@example.com",))
    title = plain("acme\r\nBcc: everybody@example.com")

    mail = mail_of(receiver, "msg_1", Outgoing(kind="test", at_ms=0, title=title))

    assert mail["Bcc"] is None
    assert mail["Subject"] == "[Gatewatch] acme  Bcc: everybody@example.com"
