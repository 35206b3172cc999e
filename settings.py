"""Settings: one row each, read once by the composition roots, frozen, passed down.

A value comes from the command line, else the environment (`GATEWATCH_<NAME>`), else the TOML file
named by `GATEWATCH_CONFIG` (default `gatewatch.toml` where it exists), else the default here.
Knows no component of ours.
"""

from __future__ import annotations

import dataclasses
import os
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

ENVIRONMENT_PREFIX = "GATEWATCH_"


class SettingValueError(ValueError):
    """A setting has a value that cannot be used; the message names it, the value and what is allowed."""


@dataclasses.dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its name, its default, its unit and one line of help."""

    name: str
    default: Any
    unit: str
    help: str
    minimum: int | None = None
    maximum: int | None = None


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "database",
        "data/gatewatch.db",
        "path or URL",
        "the SQLite file that the collector writes and the dashboard reads; or a PostgreSQL database,"
        " `postgresql://HOST,HOST/NAME`, which needs requirements-cluster.txt",
    ),
    Setting(
        "sample_database",
        "data/sample.db",
        "path",
        "where the recorded sample trace is played, apart from your own data",
    ),
    Setting(
        "bus",
        (),
        "URLs",
        "`nats://HOST:PORT` of each node, or one `redis://`: collectors fill it, writers store it",
    ),
    Setting("bus_login_file", "", "path", "its `user:password`, mode 600; or a NATS file, `*.creds`"),
    Setting("bus_ca_file", "", "path", "PEM certificates that its own are checked against, for `tls://`"),
    Setting("bus_monitor_url", (), "URLs", "its nodes' monitoring: asked whether they write to disk first"),
    Setting(
        "bus_bytes", 8_589_934_592, "bytes", "most that may wait on the bus; then senders wait", 16_777_216
    ),
    Setting("bus_spool", "data/spool", "path", "where a collector keeps what the bus does not take now"),
    Setting("bus_spool_bytes", 1_073_741_824, "bytes", "most that it keeps there; with 0 senders wait", 0),
    Setting(
        "ws_listen",
        "127.0.0.1:8765",
        "host:port",
        "where the collector takes the WebSocket stream; port 0 picks a free one",
    ),
    Setting(
        "http_listen",
        "127.0.0.1:8766",
        "host:port",
        "where the collector takes HTTP intakes, /healthz and /metrics",
    ),
    Setting("admin_url", (), "URLs", "Kong Admin API addresses to poll, comma-separated"),
    Setting("admin_token_file", "", "path", "the `Kong-Admin-Token` for them, mode 600; read-only is enough"),
    Setting("admin_ca_file", "", "path", "PEM certificates that theirs are checked against"),
    Setting(
        "admin_poll_s",
        5,
        "seconds",
        "how often each node is asked for a sign of life; above 5 it is late and lost that much later",
        1,
        60,
    ),
    Setting(
        "admin_requests_per_minute",
        120,
        "requests",
        "most requests to one Admin API in a minute; signs of life go first, lists wait",
        20,
        6_000,
    ),
    Setting("token_file", "", "path", "lines `source:token`; without it only loopback may connect"),
    Setting(
        "event_hook_secret_file",
        "",
        "path",
        "the secret of Kong's event hooks; without it unsigned hooks are taken on loopback only",
    ),
    Setting(
        "tls_cert_file",
        "",
        "path",
        "PEM certificate chain: the collector then takes wss:// and https:// only",
    ),
    Setting("tls_key_file", "", "path", "PEM key of that certificate, mode 600, without a password"),
    Setting(
        "max_message_bytes", 1_048_576, "bytes", "longest stream message and HTTP body", 1_024, 16_777_216
    ),
    Setting(
        "window_events",
        2_000,
        "events",
        "how many events a stream sender may have unacknowledged",
        1,
        100_000,
    ),
    Setting("max_batch_events", 500, "events", "most events in one stream message", 1, 10_000),
    Setting(
        "queue_batches",
        64,
        "batches",
        "decoded batches waiting for the writer; full means senders wait",
        1,
        4_096,
    ),
    Setting(
        "keepalive_s", 5, "seconds", "how often a stream acknowledges even when nothing was stored", 1, 60
    ),
    Setting("hello_timeout_s", 5, "seconds", "how long a new stream has to say hello", 1, 60),
    Setting(
        "resend_memory_entries",
        1_000_000,
        "entries",
        "log entries remembered so that Kong's resends count once",
        1_000,
        20_000_000,
    ),
    Setting(
        "max_addresses_per_minute",
        5_000,
        "addresses",
        "traffic addresses told apart per minute; the rest count by /24 or /64",
        100,
        1_000_000,
    ),
    Setting(
        "max_names_per_minute",
        20_000,
        "names",
        "consumers, and refused addresses, told apart per minute, a quarter of them new; the rest is counted",
        100,
        1_000_000,
    ),
    Setting("events_days", 90, "days", "how long events are kept one by one", 1, 3_650),
    Setting("seconds_rollup_days", 2, "days", "how long the 10-second totals are kept", 1, 30),
    Setting("minutes_rollup_days", 90, "days", "how long the per-minute totals are kept", 1, 3_650),
    Setting(
        "hours_rollup_days",
        730,
        "days",
        "how long the per-hour totals are kept; per-day totals stay",
        1,
        36_500,
    ),
    Setting(
        "pseudonymise_addresses_days",
        0,
        "days",
        "addresses that nothing newer refers to are replaced by pseudonyms, old payloads removed; 0 is never",
        0,
        3_650,
    ),
    Setting(
        "pseudonym_key_file",
        "",
        "path",
        "the key of the pseudonyms where the database is PostgreSQL, made where there is none; the same on"
        " every machine that writes. A SQLite file has its key beside it",
    ),
    Setting(
        "change_url",
        "",
        "URL",
        "the Kong Admin API that approved changes are sent to; without it nothing is ever sent to Kong",
    ),
    Setting("change_token_file", "", "path", "the `Kong-Admin-Token` for it, mode 600"),
    Setting(
        "approve_own_changes",
        False,
        "true or false",
        "whether people may approve what they proposed themselves: only where one person works alone",
    ),
    Setting(
        "never_block",
        (),
        "addresses",
        "addresses and ranges that are never blocked, comma-separated: your own, load balancers, monitors",
    ),
    Setting(
        "drift_check_s",
        300,
        "seconds",
        "how often Kong's configuration is read and compared with the changes that were seen",
        10,
        86_400,
    ),
    Setting(
        "notify_file",
        "",
        "path",
        "TOML file of receivers and subscriptions (docs/notifications.md); without it nobody is told",
    ),
    Setting("dashboard_url", "", "URL", "where people reach the dashboard, for links in messages"),
    Setting(
        "viewers",
        ("*",),
        "names",
        "who may look, comma-separated, as their login names them; `*` is whoever has logged in",
    ),
    Setting(
        "analysts", (), "names", "who may also handle alerts, propose changes and export; nobody until named"
    ),
    Setting("approvers", (), "names", "who may also approve what others proposed; nobody until named"),
    Setting("admins", (), "names", "who may also change rules, receivers and lists; nobody until named"),
    Setting(
        "query_deadline_ms",
        2_000,
        "milliseconds",
        "longest that one read of the dashboard may take",
        50,
        60_000,
    ),
    Setting("hub_poll_ms", 200, "milliseconds", "how often the dashboard looks for new commits", 50, 5_000),
    Setting(
        "start_collector", True, "true or false", "whether the dashboard starts a collector when none answers"
    ),
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every setting with its value. Field names are those of `SETTINGS`; a test holds the two together."""

    database: str
    sample_database: str
    bus: tuple[str, ...]
    bus_login_file: str
    bus_ca_file: str
    bus_monitor_url: tuple[str, ...]
    bus_bytes: int
    bus_spool: str
    bus_spool_bytes: int
    ws_listen: str
    http_listen: str
    admin_url: tuple[str, ...]
    admin_token_file: str
    admin_ca_file: str
    admin_poll_s: int
    admin_requests_per_minute: int
    token_file: str
    event_hook_secret_file: str
    tls_cert_file: str
    tls_key_file: str
    max_message_bytes: int
    window_events: int
    max_batch_events: int
    queue_batches: int
    keepalive_s: int
    hello_timeout_s: int
    resend_memory_entries: int
    max_addresses_per_minute: int
    max_names_per_minute: int
    events_days: int
    seconds_rollup_days: int
    minutes_rollup_days: int
    hours_rollup_days: int
    pseudonymise_addresses_days: int
    pseudonym_key_file: str
    change_url: str
    change_token_file: str
    approve_own_changes: bool
    never_block: tuple[str, ...]
    drift_check_s: int
    notify_file: str
    dashboard_url: str
    viewers: tuple[str, ...]
    analysts: tuple[str, ...]
    approvers: tuple[str, ...]
    admins: tuple[str, ...]
    query_deadline_ms: int
    hub_poll_ms: int
    start_collector: bool


def load_settings(
    overrides: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """Read every setting once.

    Args:
        overrides: From the command line; None values are left out.
        environ: The environment; the process's own when None.

    Raises:
        SettingValueError: A value is of the wrong type or out of bounds, the file cannot be read, or it
            names a setting that does not exist.
    """
    env = os.environ if environ is None else environ  # noqa: TID251 - the one place that reads it
    file_values = _read_file(env)
    given = {k: v for k, v in (overrides or {}).items() if v is not None}
    values = {}
    for setting in SETTINGS:
        variable = ENVIRONMENT_PREFIX + setting.name.upper()
        if setting.name in given:
            values[setting.name] = _checked(setting, given[setting.name], f"option {setting.name}")
        elif variable in env:
            values[setting.name] = _checked(setting, env[variable], variable)
        elif setting.name in file_values:
            values[setting.name] = _checked(
                setting, file_values[setting.name], f"config file: {setting.name}"
            )
        else:
            values[setting.name] = setting.default
    return Settings(**values)


def _read_file(env: Mapping[str, str]) -> dict[str, Any]:
    named = env.get(ENVIRONMENT_PREFIX + "CONFIG")
    path = Path(named or "gatewatch.toml")
    if not named and not path.exists():
        return {}
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise SettingValueError(f"config file {path}: {error}") from error
    unknown = sorted(values.keys() - {s.name for s in SETTINGS})
    if unknown:
        raise SettingValueError(
            f"config file {path}: no setting is called {unknown[0]!r}; docs/settings.md lists them"
        )
    return values


def _checked(setting: Setting, value: Any, where: str) -> Any:
    parse: Callable[[Setting, Any, str], Any] = {
        bool: _boolean,
        int: _integer,
        tuple: _texts,
        str: _text,
    }[type(setting.default)]
    return parse(setting, value, where)


def _boolean(_setting: Setting, value: Any, where: str) -> bool:
    known = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    found = known.get(str(value).lower())
    if found is None:
        raise SettingValueError(f"{where} is {value!r}, expected true or false")
    return found


def _integer(setting: Setting, value: Any, where: str) -> int:
    bounds = f"{setting.minimum} to {setting.maximum} {setting.unit}"
    try:
        number = int(str(value))
    except ValueError as error:
        raise SettingValueError(f"{where} is {value!r}, expected a whole number, {bounds}") from error
    if not (setting.minimum or 0) <= number <= (setting.maximum or number):
        raise SettingValueError(f"{where} is {number}, expected {bounds}")
    return number


def _texts(_setting: Setting, value: Any, _where: str) -> tuple[str, ...]:
    parts = value.split(",") if isinstance(value, str) else list(value)
    return tuple(str(p).strip() for p in parts if str(p).strip())


def _text(_setting: Setting, value: Any, _where: str) -> str:
    return str(value)
