"""E-mail by SMTP. `Message-ID` is made from the message's id: a mail program shows a repeat once.

Subjects and names hold text from the wire. `EmailMessage` refuses line breaks in headers, and they are gone
already; the body is plain text, so nothing in it can act.
"""

from __future__ import annotations

import email.utils
import smtplib
import ssl
from email.message import EmailMessage

from alerting.notifier import DeliveryFailed
from alerting.outgoing import Outgoing
from alerting.receivers import Receiver, read_secret

TIMEOUT_S = 15.0
PERMANENT = 500
"""From here on an SMTP answer is final (RFC 5321, 4.2.1)."""


def mail_of(receiver: Receiver, message_id: str, message: Outgoing) -> EmailMessage:
    """The mail."""
    mail = EmailMessage()
    domain = receiver.sender.rpartition("@")[2] or "gatewatch"
    mail["Message-ID"] = f"<{message_id}@{domain}>"
    mail["Date"] = email.utils.formatdate(message.at_ms / 1000)
    mail["From"] = receiver.sender
    mail["To"] = ", ".join(receiver.to)
    mail["Subject"] = f"[Gatewatch] {message.title}"
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Gatewatch-Kind"] = message.kind
    mail.set_content("\n\n".join([*message.lines, *([message.link] if message.link else [])]) + "\n")
    return mail


class EmailNotifier:
    """Sends by one server."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._password = (
            read_secret(receiver.password_file, "password_file") if receiver.password_file else ""
        )

    def send(self, message_id: str, message: Outgoing, _now_ms: int) -> int | None:
        """Send it to everybody it is for."""
        receiver = self._receiver
        try:
            with self._connected() as server:
                if receiver.tls == "starttls":
                    server.starttls(context=self._context())
                if receiver.user:
                    server.login(receiver.user, self._password)
                refused = server.send_message(mail_of(receiver, message_id, message))
        except smtplib.SMTPResponseException as error:
            final = error.smtp_code >= PERMANENT
            why = f"{receiver.host} answered {error.smtp_code}"
            raise DeliveryFailed(why, permanent=final, code=error.smtp_code) from error
        except smtplib.SMTPRecipientsRefused as error:
            code = max(code for code, _ in error.recipients.values())
            final = code >= PERMANENT
            raise DeliveryFailed(
                f"{receiver.host} refused every address ({code})", permanent=final, code=code
            ) from error
        except smtplib.SMTPException as error:
            why = f"{receiver.host} cannot be used: {type(error).__name__}"
            raise DeliveryFailed(why, permanent=isinstance(error, smtplib.SMTPNotSupportedError)) from error
        except OSError as error:
            raise DeliveryFailed(f"{receiver.host} cannot be reached: {type(error).__name__}") from error
        if refused:
            raise DeliveryFailed(
                f"{receiver.host} refused {len(refused)} of {len(receiver.to)} addresses", permanent=True
            )
        return 250

    def _connected(self) -> smtplib.SMTP:
        receiver = self._receiver
        if receiver.tls == "tls":
            return smtplib.SMTP_SSL(receiver.host, receiver.port, timeout=TIMEOUT_S, context=self._context())
        return smtplib.SMTP(receiver.host, receiver.port, timeout=TIMEOUT_S)

    def _context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self._receiver.ca_file or None)
