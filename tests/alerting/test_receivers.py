from __future__ import annotations

from pathlib import Path

import pytest

from alerting.receivers import Subscription, read_routes, read_secret
from domain.detectors.findings import Severity
from settings import SettingValueError

GOOD = """
[receivers.soc]
kind = "email"
host = "smtp.example.com"
sender = "gw@example.com"
to = ["soc@example.com"]
severity = "high"
[receivers.payments]
kind = "webhook"
url = "https://hooks.example.com/x"
secret_file = "/run/secret"
teams = ["payments"]
[receivers.log]
kind = "file"
path = "/var/log/consumers.jsonl"
incidents = false
[subscriptions.consumers]
receiver = "log"
events = ["consumers.created"]
"""


def routes(folder: Path, text: str):  # noqa: ANN201 - of the module under test
    file = folder / "notify.toml"
    file.write_text(text)
    return read_routes(str(file))


def test_who_is_told_depends_on_severity_and_team(tmp_path: Path) -> None:
    found = routes(tmp_path, GOOD)

    assert found.receivers_of(Severity.CRITICAL, "payments") == ["soc", "payments"]
    assert found.receivers_of(Severity.NOTICE, "payments") == ["payments"]
    assert found.receivers_of(Severity.CRITICAL, "") == ["soc"]


def test_without_a_file_nobody_is_told() -> None:
    assert read_routes("").receivers == {}


FAULTS = {
    "no such kind": (
        '[receivers.x]\nkind = "pigeon"',
        "receivers.x: kind is 'pigeon', expected one of email",
    ),
    "a mail without a server": ('[receivers.x]\nkind = "email"\nto = ["a@b"]', "email needs host, sender"),
    "a password in the URL": (
        '[receivers.x]\nkind = "webhook"\nurl = "https://u:p@h/"\nsecret_file = "s"',
        "url holds a password; requests are signed instead",
    ),
    "a typing error": ('[receivers.x]\nkind = "file"\npaht = "x"', "contains unknown field `paht`"),
    "a severity that is none": (
        '[receivers.x]\nkind = "file"\npath="x"\nseverity = "loud"',
        "invalid enum value",
    ),
    "a subscription to nobody": (
        '[subscriptions.s]\nreceiver = "ghost"\nevents = ["*"]',
        "subscriptions.s: there is no receiver 'ghost'",
    ),
    "no TOML": ("receivers = [", "notify.toml"),
}


@pytest.mark.parametrize("label", FAULTS)
def test_a_fault_stops_the_start_and_says_what_was_expected(label: str, tmp_path: Path) -> None:
    text, message = FAULTS[label]

    with pytest.raises(SettingValueError) as caught:
        routes(tmp_path, text)

    assert message in str(caught.value)


def test_a_secret_that_others_can_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("whsec_x")
    file.chmod(0o644)

    with pytest.raises(SettingValueError, match="can be read by others: chmod 600"):
        read_secret(str(file), "secret_file")


WANTS = {
    ("services.updated", "services.updated"): True,
    ("services.*", "services.deleted"): True,
    ("services.*", "routes.deleted"): False,
    ("*", "anything.at_all"): True,
    ("consumers.created", "consumers.deleted"): False,
}


@pytest.mark.parametrize(("wanted", "event"), WANTS)
def test_a_subscription_takes_what_it_names(wanted: str, event: str) -> None:
    assert Subscription(receiver="x", events=(wanted,)).wants(event) is WANTS[wanted, event]
