"""Who is told what: receivers and subscriptions from a TOML file, read once and checked.

Secrets stand in files of their own (`secret_file`, `password_file`, `url_file`), mode 600, and nowhere else.
docs/notifications.md has an example of every kind.
"""

from __future__ import annotations

import stat
import tomllib
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec

from domain.detectors.findings import Severity
from settings import SettingValueError

Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,59}$")]
PerHour = Annotated[int, msgspec.Meta(ge=1, le=100_000)]
KINDS = ("email", "slack", "webhook", "apprise", "file")


class Receiver(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody or something that is told."""

    kind: str
    severity: Severity = Severity.NOTICE
    """It is told of incidents from this on."""
    teams: tuple[str, ...] = ()
    """Only of rules of these teams; empty for all."""
    incidents: bool = True
    """False: only what subscriptions send it."""
    per_hour: PerHour = 60
    """More than this in an hour become one line that says how many."""
    host: str = ""
    port: int = 587
    tls: str = "starttls"
    """`starttls`, `tls` or `none` (e-mail)."""
    sender: str = ""
    to: tuple[str, ...] = ()
    user: str = ""
    password_file: str = ""
    url: str = ""
    url_file: str = ""
    """A file with the URL, where the URL is a secret (chat webhooks, Apprise)."""
    secret_file: str = ""
    """Lines `whsec_...`: the first signs, further ones sign as well while receivers change over."""
    allow_private: bool = False
    """Whether it may be on this machine or in a private network."""
    ca_file: str = ""
    path: str = ""
    """Of the file to append to."""


class Subscription(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Events that a receiver gets as they come, besides incidents."""

    receiver: str
    events: tuple[str, ...]
    """`services.updated`, `consumers.created`; `services.*` and `*` for many."""

    def wants(self, event: str) -> bool:
        """Whether an event is for it."""
        collection, _, _ = event.rpartition(".")
        return any(wanted in {"*", event, f"{collection}.*"} for wanted in self.events)


class DeadMan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A URL outside that expects to hear from us; it raises the alarm when it does not."""

    url_file: str
    every_s: Annotated[int, msgspec.Meta(ge=10, le=86_400)] = 60
    allow_private: bool = False
    ca_file: str = ""


class Routes(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file."""

    receivers: dict[Name, Receiver] = msgspec.field(default_factory=dict)
    subscriptions: dict[Name, Subscription] = msgspec.field(default_factory=dict)
    dead_man: DeadMan | None = None

    def receivers_of(self, severity: Severity, team: str) -> list[str]:
        """Who is told of an incident."""
        return [
            name
            for name, receiver in self.receivers.items()
            if receiver.incidents
            and severity.at_least(receiver.severity)
            and (not receiver.teams or team in receiver.teams)
        ]


def read_routes(path: str) -> Routes:
    """The routes of a file; none without one.

    Raises:
        SettingValueError: It cannot be read, or something in it cannot be used.
    """
    if not path:
        return Routes()
    try:
        value = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise SettingValueError(f"notify_file {path}: {error}") from error
    try:
        routes = msgspec.convert(value, Routes)
    except msgspec.ValidationError as error:
        text = str(error)
        raise SettingValueError(f"notify_file {path}: {text[:1].lower()}{text[1:]}") from None
    for problem in _problems(routes):
        raise SettingValueError(f"notify_file {path}: {problem}")
    return routes


def _problems(routes: Routes) -> list[str]:
    found = []
    for name, receiver in routes.receivers.items():
        fault = _fault(receiver)
        if fault is not None:
            found.append(f"receivers.{name}: {fault}")
    for name, subscription in routes.subscriptions.items():
        if subscription.receiver not in routes.receivers:
            found.append(f"subscriptions.{name}: there is no receiver {subscription.receiver!r}")
        if not subscription.events:
            found.append(f"subscriptions.{name}: events is empty, expected at least one such as services.*")
    return found


def _fault(receiver: Receiver) -> str | None:
    needs: dict[str, tuple[str, ...]] = {
        "email": ("host", "sender", "to"),
        "slack": ("url_file",),
        "webhook": ("url", "secret_file"),
        "apprise": ("url_file",),
        "file": ("path",),
    }
    if receiver.kind not in needs:
        return f"kind is {receiver.kind!r}, expected one of {', '.join(KINDS)}"
    missing = [field for field in needs[receiver.kind] if not getattr(receiver, field)]
    if missing:
        return f"{receiver.kind} needs {', '.join(missing)}"
    if receiver.tls not in {"starttls", "tls", "none"}:
        return f"tls is {receiver.tls!r}, expected starttls, tls or none"
    if receiver.kind == "webhook" and "@" in urlsplit(receiver.url).netloc:
        return "url holds a password; requests are signed instead"
    return None


def read_secret(path: str, what: str) -> str:
    """The text of a secret file.

    Raises:
        SettingValueError: It cannot be read, is empty, or others may read it.
    """
    try:
        file = Path(path)
        mode = file.stat().st_mode
        text = file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SettingValueError(f"{what} {path} cannot be read: {error.strerror}") from error
    if mode & (stat.S_IRGRP | stat.S_IROTH):
        raise SettingValueError(f"{what} {path} can be read by others: chmod 600 {path}")
    if not text:
        raise SettingValueError(f"{what} {path} is empty")
    return text


def shown(receiver: Receiver) -> str:
    """Where a receiver is, without secrets."""
    if receiver.kind == "email":
        return f"{', '.join(receiver.to)} by {receiver.host}:{receiver.port}"
    if receiver.kind == "file":
        return receiver.path
    if receiver.url:
        parts = urlsplit(receiver.url)
        return f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}"
    return f"as {receiver.url_file} says"


def as_json(value: Any) -> str:
    """JSON text."""
    return msgspec.json.encode(value).decode()
