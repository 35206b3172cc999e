"""Slack's incoming webhooks, which Mattermost, Rocket.Chat and others take as well: `{"text": ...}`.

Slack gives `&`, `<` and `>` a meaning (api.slack.com/reference/surfaces/formatting), so they are escaped, and
makes links of bare addresses, so they are parted: no name can mention a channel or make a link. Nor is
anything fetched for a preview, because who owns the address would see that somebody looks. The URL is the
secret, so it is read from a file.
"""

from __future__ import annotations

import json

from alerting.guarded_http import Place, post
from alerting.outgoing import Outgoing
from alerting.receivers import Receiver, read_secret

GAP = "\u200b"
_SIGNS = {"critical": "\u2b22", "high": "\u25b2", "notice": "\u25cf"}


def escaped(text: str) -> str:
    """Text that Slack shows as it is."""
    shown = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    # marks of bold, italics, code and quotes: a zero-width space keeps them what they are
    parted = "".join(f"{GAP}{c}" if c in "*_~`" else c for c in shown)
    return parted.replace("@", f"@{GAP}").replace("://", f":{GAP}//")


class SlackNotifier:
    """Posts to one webhook."""

    def __init__(self, receiver: Receiver) -> None:
        url = read_secret(receiver.url_file, "url_file")
        self._place = Place(url=url, allow_private=receiver.allow_private, ca_file=receiver.ca_file)

    def send(self, message_id: str, message: Outgoing, _now_ms: int) -> int | None:
        """Post it; its id stands in the text, because Slack has no header for it."""
        sign = _SIGNS.get(message.severity, "")
        lines = [f"{sign} {escaped(message.title)}".strip(), *map(escaped, message.lines)]
        if message.link:
            lines.append(f"<{message.link}|Open in Gatewatch>")
        lines.append(f"_{message_id}_")
        told = {"text": "\n".join(lines), "unfurl_links": False, "unfurl_media": False}
        body = json.dumps(told).encode()
        return post(self._place, body, {"Content-Type": "application/json; charset=utf-8"})
