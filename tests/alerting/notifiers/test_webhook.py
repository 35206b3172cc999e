from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from alerting.notifier import DeliveryFailed
from alerting.notifiers.webhook import WebhookNotifier, parse_secret
from alerting.outgoing import Outgoing
from alerting.receivers import Receiver
from settings import SettingValueError
from tests.alerting.receiving import receiving

NEW = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwAAAAAAAA"
OLD = "whsec_C2FVsBQIhrscChlQIMV0YWtFY3VyaXR5S2V5MTIz"
MESSAGE = Outgoing(
    kind="incident.opened", at_ms=1_800_000_000_000, title="one key \u2603", lines=("why",), data={"count": 3}
)


def now_ms() -> int:
    """The library refuses signatures older than five minutes."""
    return time.time_ns() // 1_000_000


def notifier(url: str, folder: Path, *secrets: str, private: bool = True) -> WebhookNotifier:
    file = folder / "secret"
    file.write_text("\n".join(secrets))
    file.chmod(0o600)
    return WebhookNotifier(Receiver(kind="webhook", url=url, secret_file=str(file), allow_private=private))


def test_what_is_sent_verifies_with_the_reference_library(tmp_path: Path) -> None:
    with receiving() as other:
        assert notifier(other.url, tmp_path, NEW).send("msg_1", MESSAGE, now_ms()) == 204
        ((headers, body),) = other.got

    assert Webhook(NEW).verify(body, headers)["data"]["count"] == 3
    assert headers["webhook-id"] == "msg_1"
    assert json.loads(body) | {"data": None} == {
        "type": "incident.opened",
        "timestamp": "2027-01-15T08:00:00Z",
        "data": None,
    }


def test_while_keys_change_both_verify_and_a_third_does_not(tmp_path: Path) -> None:
    with receiving() as other:
        notifier(other.url, tmp_path, NEW, OLD).send("msg_1", MESSAGE, now_ms())
        ((headers, body),) = other.got

    Webhook(NEW).verify(body, headers)
    Webhook(OLD).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + "A" * 44).verify(body, headers)


def test_a_body_that_was_touched_does_not_verify(tmp_path: Path) -> None:
    with receiving() as other:
        notifier(other.url, tmp_path, NEW).send("msg_1", MESSAGE, now_ms())
        ((headers, body),) = other.got

    with pytest.raises(WebhookVerificationError):
        Webhook(NEW).verify(body.replace(b'"count":3', b'"count":4'), headers)


ANSWERS = {
    "429 with a wait": (429, {"Retry-After": "7"}, {"permanent": False, "retry_after_s": 7.0, "gone": False}),
    "503": (503, {}, {"permanent": False, "retry_after_s": None, "gone": False}),
    "400": (400, {}, {"permanent": True, "retry_after_s": None, "gone": False}),
    "410": (410, {}, {"permanent": True, "retry_after_s": None, "gone": True}),
    "a redirect": (
        302,
        {"Location": "http://127.0.0.1/"},
        {"permanent": True, "retry_after_s": None, "gone": False},
    ),
}


@pytest.mark.parametrize("label", ANSWERS)
def test_an_answer_says_whether_trying_again_can_help(label: str, tmp_path: Path) -> None:
    status, headers, expected = ANSWERS[label]
    with receiving() as other:
        other.answer = lambda _: (status, headers)

        with pytest.raises(DeliveryFailed) as caught:
            notifier(other.url, tmp_path, NEW).send("msg_1", MESSAGE, now_ms())

        assert len(other.got) == 1
    failure = caught.value
    found = {"permanent": failure.permanent, "retry_after_s": failure.retry_after_s, "gone": failure.gone}
    assert (found, failure.code) == (expected, status)


def test_nobody_there_is_worth_another_try(tmp_path: Path) -> None:
    with receiving() as other:
        url = other.url

    with pytest.raises(DeliveryFailed, match=r"127\.0\.0\.1 cannot be reached") as caught:
        notifier(url, tmp_path, NEW).send("msg_1", MESSAGE, now_ms())

    assert not caught.value.permanent


def test_this_machine_is_out_of_bounds_unless_it_is_allowed(tmp_path: Path) -> None:
    with receiving() as other:
        with pytest.raises(DeliveryFailed, match="not a public address") as caught:
            notifier(other.url, tmp_path, NEW, private=False).send("msg_1", MESSAGE, now_ms())

        assert other.got == []
    assert caught.value.permanent


@pytest.mark.parametrize(
    "text", ["secret", "whsec_", "whsec_c2hvcnQ=", "whsec_not base64 at all, really not"]
)
def test_a_weak_or_broken_secret_is_refused(text: str) -> None:
    with pytest.raises(SettingValueError, match="a webhook secret must be whsec_"):
        parse_secret(text)
