from __future__ import annotations

import json
from pathlib import Path

import pytest

from alerting.notifier import DeliveryFailed
from alerting.notifiers.others import AppriseNotifier
from alerting.outgoing import Outgoing
from alerting.receivers import Receiver
from settings import SettingValueError
from tests.alerting.receiving import receiving

# one of its services imports a module that Python 3.13 drops
pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")

MESSAGE = Outgoing(kind="incident.opened", at_ms=0, title="HIGH acme", lines=("why",), severity="high")


def receiver(folder: Path, text: str) -> Receiver:
    file = folder / "urls"
    file.write_text(text)
    file.chmod(0o600)
    return Receiver(kind="apprise", url_file=str(file))


def test_every_service_of_the_file_is_told(tmp_path: Path) -> None:
    with receiving() as one, receiving() as two:
        urls = "\n".join(r.url.replace("http://", "json://") for r in (one, two))

        AppriseNotifier(receiver(tmp_path, urls)).send("msg_1", MESSAGE, 0)

        told = [json.loads(body) for r in (one, two) for _, body in r.got]
    assert [t["title"] for t in told] == ["HIGH acme", "HIGH acme"]
    assert all("msg_1" in t["message"] for t in told)


def test_a_service_that_does_not_take_it_is_tried_again(tmp_path: Path) -> None:
    with receiving() as other:
        other.answer = lambda _: (500, {})
        notifier = AppriseNotifier(receiver(tmp_path, other.url.replace("http://", "json://")))

        with pytest.raises(DeliveryFailed) as caught:
            notifier.send("msg_1", MESSAGE, 0)

    assert not caught.value.permanent


def test_an_unknown_service_is_named_by_its_line_and_never_shown(tmp_path: Path) -> None:
    with pytest.raises(SettingValueError, match="does not know the URL in line 1") as caught:
        AppriseNotifier(receiver(tmp_path, "carrierpigeon://secret"))

    assert "secret" not in str(caught.value)
