"""What we sign, checked by the verifiers of Standard Webhooks: the Python one and the JavaScript one."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from alerting.notifiers.webhook import WebhookNotifier, body_of, parse_secret, signature
from alerting.outgoing import Outgoing
from alerting.receivers import Receiver
from tests.alerting.receiving import receiving
from tests.naughty_strings import naughty_strings

ROOT = Path(__file__).resolve().parents[3]
VERIFIER = ROOT / "tests/fixtures/suites/standardwebhooks"
VECTOR = ("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
SIGNED = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
"""The specification's own example (libraries/python/tests, libraries/javascript/src/webhook.test.ts)."""
OTHER = "whsec_C2FVsBQIhrscChlQIMV0YWtFY3VyaXR5S2V5MTIz"
Case = tuple[str, dict[str, str], bytes]
Verdict = tuple[str, Any]
VERIFIED = "verified"


def by_python(cases: list[Case]) -> list[Verdict]:
    """What PyPI's `standardwebhooks` says of (secret, headers, body)."""
    found: list[Verdict] = []
    for secret, headers, body in cases:
        try:
            found.append((VERIFIED, Webhook(secret).verify(body, headers)))
        except WebhookVerificationError as error:
            found.append(("WebhookVerificationError", str(error)))
    return found


def by_javascript(cases: list[Case]) -> list[Verdict]:
    """What npm's `standardwebhooks` says of them."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node on this machine, and the JavaScript verifier runs in nothing else")
    told = [
        {"secret": secret, "headers": headers, "body": base64.b64encode(body).decode()}
        for secret, headers, body in cases
    ]
    done = subprocess.run(
        [node, VERIFIER / "verify.js"],
        input=json.dumps(told).encode(),
        capture_output=True,
        env={"NODE_PATH": str(VERIFIER)},
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return [(verdict, value) for verdict, value in json.loads(done.stdout)]


VERIFIERS = {"python": by_python, "javascript": by_javascript}
Verifier = Callable[[list[Case]], list[Verdict]]


@pytest.fixture(params=VERIFIERS)
def verify(request: pytest.FixtureRequest) -> Verifier:
    """One of the two."""
    return VERIFIERS[request.param]


def now_s() -> int:
    """The verifiers look at the clock."""
    return int(time.time_ns() // 1_000_000_000)


def signed(message: Outgoing, at_s: int, *secrets: str) -> tuple[dict[str, str], bytes]:
    """Headers and body as the notifier makes them."""
    body = body_of(message)
    signatures = [signature(parse_secret(secret), "msg_1", at_s, body) for secret in secrets]
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(at_s),
        "webhook-signature": " ".join(signatures),
    }
    return headers, body


def message(**fields: Any) -> Outgoing:
    """Something to tell."""
    told: dict[str, Any] = {
        "kind": "incident.opened",
        "at_ms": 1_800_000_000_000,
        "title": "t",
        "lines": ("w",),
    }
    return Outgoing(**(told | fields))


def test_the_specifications_vector() -> None:
    assert signature(parse_secret(KEY), *VECTOR) == SIGNED


@pytest.mark.parametrize("cut", [1, 2])
def test_a_secret_without_its_padding_is_the_same_secret(cut: int) -> None:
    """Both verifiers take one, so receivers hand them out."""
    padded = "whsec_" + base64.b64encode(bytes(range(24 + 3 - cut))).decode()
    unpadded = padded.rstrip("=")
    headers, body = signed(message(), now_s(), unpadded)

    assert len(padded) - len(unpadded) == cut
    assert parse_secret(unpadded) == parse_secret(padded)
    assert by_python([(unpadded, headers, body)])[0][0] == VERIFIED


def test_what_the_notifier_posts_verifies(tmp_path: Path, verify: Verifier) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{KEY}\n{OTHER}\n")
    file.chmod(0o600)
    with receiving() as other:
        notifier = WebhookNotifier(
            Receiver(kind="webhook", url=other.url, secret_file=str(file), allow_private=True)
        )
        notifier.send("msg_1", message(data={"count": 3}), now_s() * 1000)
        ((headers, body),) = other.got

    verdicts = verify([(KEY, headers, body), (OTHER, headers, body)])

    assert [verdict for verdict, _ in verdicts] == [VERIFIED, VERIFIED]
    assert all(value["data"]["count"] == 3 for _, value in verdicts)


def test_what_must_not_verify_does_not(verify: Verifier) -> None:
    headers, body = signed(message(), now_s(), KEY)
    old, old_body = signed(message(), now_s() - 330, KEY)
    new, new_body = signed(message(), now_s() + 330, KEY)
    cases = {
        "another secret": (OTHER, headers, body),
        "a body that was touched": (KEY, headers, body.replace(b'"t"', b'"u"')),
        "another id": (KEY, headers | {"webhook-id": "msg_2"}, body),
        "another time": (KEY, headers | {"webhook-timestamp": str(now_s() - 5)}, body),
        "an old time": (KEY, old, old_body),
        "a time to come": (KEY, new, new_body),
        "no id": (KEY, {k: v for k, v in headers.items() if k != "webhook-id"}, body),
        "another version": (
            KEY,
            headers | {"webhook-signature": headers["webhook-signature"].replace("v1,", "v2,")},
            body,
        ),
    }

    verdicts = verify(list(cases.values()))

    assert {verdict for verdict, _ in verdicts} == {"WebhookVerificationError"}
    assert len(verdicts) == len(cases)


def test_every_naughty_string_arrives_as_it_was(verify: Verifier) -> None:
    """In the title, the text and as data: what is signed is what is read, byte by byte."""
    strings = naughty_strings()
    at_s = now_s()
    told = [message(title=text, lines=(text,), data={"consumer": text, text: 1}) for text in strings]

    verdicts = verify([(KEY, *signed(one, at_s, KEY)) for one in told])

    assert {verdict for verdict, _ in verdicts} == {VERIFIED}
    read = [(value["data"]["title"], value["data"]["consumer"]) for _, value in verdicts]
    assert read == [(text, text) for text in strings]
