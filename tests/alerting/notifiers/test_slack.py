from __future__ import annotations

import json
from pathlib import Path

from alerting.notifiers.slack import SlackNotifier, escaped
from alerting.outgoing import Outgoing
from alerting.receivers import Receiver
from tests.alerting.receiving import receiving


def test_the_text_names_what_and_leads_to_the_page(tmp_path: Path) -> None:
    with receiving() as other:
        file = tmp_path / "url"
        file.write_text(other.url)
        file.chmod(0o600)
        message = Outgoing(
            kind="incident.opened", at_ms=0, title="CRITICAL acme", lines=("why",), severity="critical",
            link="https://dash.example.com/alerts?of=7",
        )  # fmt: skip

        SlackNotifier(Receiver(kind="slack", url_file=str(file), allow_private=True)).send(
            "msg_1", message, 0
        )

        ((_, body),) = other.got
    told = json.loads(body)
    text = told["text"]
    assert (told["unfurl_links"], told["unfurl_media"]) == (False, False)
    assert "CRITICAL acme\nwhy\n" in text
    assert "<https://dash.example.com/alerts?of=7|Open in Gatewatch>" in text
    assert "msg_1" in text


def test_a_name_calls_nobody_and_links_nowhere() -> None:
    shown = escaped("<!channel> <https://evil.example|click> @here *bold*")

    assert "<" not in shown
    assert "@here" not in shown
    assert "*bold*" not in shown
    assert "://" not in shown
