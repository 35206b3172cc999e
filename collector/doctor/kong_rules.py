"""What a Kong's configuration means for what we can see. Pure: what it said in, findings out.

Facts: kong/plugins/{rate-limiting,response-ratelimiting,http-log}, kong/templates/kong_defaults.lua, 3.9;
event hooks: Kong's documentation "Event Hooks".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from collector.doctor.findings import Finding, missing, note, risk
from collector.doctor.looking import Looked

OUR_PLUGIN = "gatewatch"
INTAKE = "/intake/http-log"
HOOK_INTAKE = "/intake/event-hooks"
LIMITERS = ("rate-limiting", "rate-limiting-advanced", "response-ratelimiting", "service-protection")
CLOCK_RISK_MS = 5_000
CLOCK_BAD_MS = 30_000
RETRY_GOOD_S = 300
CERTIFICATE_MS = 30 * 86_400_000
SILENT_ROW_MS = 90_000
EVERYWHERE = "0.0.0.0/0"
SHOWN = 3

Rule = Callable[[Sequence[Looked]], Iterable[Finding]]
Entity = Mapping[str, Any]


def examine(looked: Sequence[Looked], now_ms: int) -> Iterator[Finding]:
    """Everything that the configurations tell."""
    for one in looked:
        yield from _of_one(one, now_ms)
    answered = [one for one in looked if one.about is not None]
    for cluster in _clusters(answered).values():
        for rule in CLUSTER_RULES:
            yield from rule(cluster)


def _clusters(looked: Sequence[Looked]) -> dict[str, list[Looked]]:
    found: dict[str, list[Looked]] = defaultdict(list)
    for one in looked:
        found[one.cluster].append(one)
    return found


# ---- one address


def _of_one(one: Looked, now_ms: int) -> Iterator[Finding]:
    if one.silence is not None:
        do = "check the address, and that this machine may reach Kong's Admin API (admin_listen)"
        if one.silence.status in {401, 403}:
            do = "give a token that may read, in a file: GATEWATCH_ADMIN_TOKEN_FILE"
        why = "neither the node nor its limits, names and targets can be seen"
        yield missing(f"{one.address} tells nothing: {one.silence.why}", why, do)
        return
    off_ms = one.clock_off_ms or 0
    if abs(off_ms) >= CLOCK_RISK_MS:
        ahead = "ahead of" if off_ms > 0 else "behind"
        what = f"the clock of {one.address} is {abs(off_ms) / 1000:.0f} s {ahead} this machine's"
        why = "its events land in the wrong minute; joining changes to refusals gets unsure"
        finding = missing if abs(off_ms) >= CLOCK_BAD_MS else risk
        yield finding(what, why, "run NTP on both")
    if one.status is not None and one.status.database_reachable is False:
        why = "it serves what it has in its caches, and takes no change"
        yield missing(f"{one.address} cannot reach its database", why, "look at its error.log and PostgreSQL")
    if one.plugins is None:
        why = "a 429 without limit headers stays `probable`: the plugins in force decide"
        yield missing(f"{one.address} does not give its list of plugins", why, "let the token read /plugins")
    yield from _of_addresses(one)
    yield from _of_data_planes(one, now_ms)


def _of_addresses(one: Looked) -> Iterator[Finding]:
    """Whose address Kong takes a request's to be (kong.conf `trusted_ips`, `real_ip_header`)."""
    if one.about is None or one.role == "control_plane":
        return
    trusted = one.about.configuration.get("trusted_ips")
    listed = [item for item in trusted if isinstance(item, str)] if isinstance(trusted, list) else []
    if not listed:
        yield note(
            f"{one.address} trusts no proxy (trusted_ips is empty)",
            "right where clients connect to Kong directly; behind a balancer every address is the balancer's",
            "behind a balancer: set trusted_ips to its range, real_ip_header = X-Forwarded-For, "
            "real_ip_recursive = on",
        )
    elif EVERYWHERE in listed or "::/0" in listed:
        yield risk(
            f"{one.address} trusts everybody (trusted_ips has {EVERYWHERE})",
            "anyone can claim any address with a header, and get another one blocked",
            "list only your own proxies in trusted_ips",
        )
    elif one.about.configuration.get("real_ip_header") == "X-Real-IP" and len(listed) > 0:
        yield note(
            f"{one.address} takes addresses from X-Real-IP, Kong's default",
            "most balancers send X-Forwarded-For; then every address stays the balancer's",
            "if yours does: real_ip_header = X-Forwarded-For, real_ip_recursive = on",
        )


def _of_data_planes(one: Looked, now_ms: int) -> Iterator[Finding]:
    silent = [dp for dp in one.data_planes if now_ms - dp.at_ms > SILENT_ROW_MS]
    if silent:
        names = _names(dp.hostname or dp.node or "?" for dp in silent)
        yield note(
            f"{len(silent)} of {len(one.data_planes)} data planes of {one.address} are silent: {names}",
            "Kong keeps rows for 14 days with the state they had; data planes gone for good are fine",
        )
    ending = [
        dp
        for dp in one.data_planes
        if dp not in silent
        and dp.certificate_expires_ms is not None
        and dp.certificate_expires_ms - now_ms < CERTIFICATE_MS
    ]
    if ending:
        names = _names(dp.hostname or dp.node or "?" for dp in ending)
        why = "without it a data plane cannot connect to its control plane any more"
        yield risk(f"certificates end within 30 days on: {names}", why, "renew them")


# ---- one cluster


def _plugins(cluster: Sequence[Looked]) -> list[dict[str, Any]]:
    """Its plugins that are on: nodes of one cluster have the same."""
    listed = next((one.plugins for one in cluster if one.plugins is not None), [])
    return [plugin for plugin in listed if plugin.get("enabled") is not False]


def _config(plugin: Entity) -> Mapping[str, Any]:
    found = plugin.get("config")
    return found if isinstance(found, dict) else {}


def _scope(plugin: Entity) -> tuple[str | None, str | None, str | None]:
    """Ids of (route, service, consumer)."""
    ids = [plugin.get(name) for name in ("route", "service", "consumer")]
    route, service, consumer = (found.get("id") if isinstance(found, dict) else None for found in ids)
    return route, service, consumer


def _where(plugin: Entity) -> str:
    names = zip(("route", "service", "consumer"), _scope(plugin), strict=True)
    return ", ".join(f"{name} {found}" for name, found in names if found) or "everywhere"


def _label(cluster: Sequence[Looked]) -> str:
    return _names(one.address for one in cluster)


def _names(names: Iterable[str]) -> str:
    found = list(names)
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return ", ".join(found[:SHOWN]) + more


def _reporters(cluster: Sequence[Looked]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(http-log instances that send here, instances of our plugin)."""
    plugins = _plugins(cluster)
    logs = [
        plugin
        for plugin in plugins
        if plugin.get("name") == "http-log"
        and urlsplit(str(_config(plugin).get("http_endpoint"))).path.rstrip("/") == INTAKE
    ]
    return logs, [plugin for plugin in plugins if plugin.get("name") == OUR_PLUGIN]


def _of_reporting(cluster: Sequence[Looked]) -> Iterator[Finding]:
    """Whether refusals get here at all, from everywhere, and once."""
    if all(one.plugins is None for one in cluster):
        return
    logs, ours = _reporters(cluster)
    where = _label(cluster)
    if not logs and not ours:
        yield missing(
            f"nothing in {where} reports requests: no http-log plugin with {INTAKE}, no plugin {OUR_PLUGIN}",
            "no refusal is seen, whatever Kong refuses",
            "enable http-log as docs/connect-kong.md shows, or our plugin",
        )
        return
    uncovered = [
        plugin
        for plugin in _plugins(cluster)
        if plugin.get("name") in LIMITERS
        and not any(_covers(reporter, plugin) for reporter in (*logs, *ours))
    ]
    if uncovered:
        yield missing(
            f"limits whose refusals nothing reports: {_names(_where(plugin) for plugin in uncovered)}",
            "what they refuse is not seen",
            f"enable http-log (or {OUR_PLUGIN}) there too, or once for everything",
        )
    if logs and ours and any(_config(plugin).get("totals") is not False for plugin in ours):
        yield risk(
            f"{where} reports by http-log and by our plugin, and the plugin counts requests too",
            "requests that were not refused are counted twice; refusals are not",
            f"set totals: false in the configuration of {OUR_PLUGIN}, or remove http-log",
        )


def _covers(reporter: Entity, limiter: Entity) -> bool:
    """Whether a reporting plugin runs for every request that a limit may refuse."""
    return all(
        wanted is None or wanted == actual
        for wanted, actual in zip(_scope(reporter), _scope(limiter), strict=True)
    )


def _of_http_log(cluster: Sequence[Looked]) -> Iterator[Finding]:
    """How stock http-log is set."""
    logs, _ = _reporters(cluster)
    for plugin in logs:
        config, where = _config(plugin), f"http-log ({_where(plugin)})"
        queue = config.get("queue")
        queue = queue if isinstance(queue, dict) else {}
        if _scope(plugin) == (None, None, None):
            yield note(
                f"{where} logs every request",
                "that is how refusal ratios are known; it costs one entry per request",
                "to see refusals only: scope it to the routes with limits, or use our plugin",
            )
        if queue.get("max_batch_size", 1) == 1:
            why = "every request costs a POST of its own; a busy Kong falls behind and drops entries"
            yield risk(f"{where} sends one entry per POST (queue.max_batch_size is 1)", why, "set it to 200")
        retry_s = queue.get("max_retry_time", 60)
        if isinstance(retry_s, int | float) and 0 <= retry_s < RETRY_GOOD_S:
            yield risk(
                f"{where} gives up after {retry_s:g} s (queue.max_retry_time)",
                "entries are lost when the collector is away for longer",
                f"set it to {RETRY_GOOD_S}",
            )
        host = urlsplit(str(config.get("http_endpoint"))).hostname or ""
        if str(config.get("http_endpoint")).startswith("http://") and not _is_local(host):
            why = "entries hold consumers, addresses and API keys in headers, in clear on the wire"
            yield risk(f"{where} sends to {host} without TLS", why, "use https://, or a private network")
        fields = config.get("custom_fields_by_lua")
        if len(cluster) > 1 and not (
            isinstance(fields, dict) and any("node" in str(name) for name in fields)
        ):
            yield note(
                f"{where} does not say which node an entry is of",
                "refusals cannot be told apart by node",
                'custom_fields_by_lua: {"node_id": "return kong.node.get_id()"}',
            )


def _is_local(host: str) -> bool:
    return host in {"localhost", "127.0.0.1", "::1"}


def _of_limits(cluster: Sequence[Looked]) -> Iterator[Finding]:
    """What the limits themselves make hard to see."""
    limits = [plugin for plugin in _plugins(cluster) if plugin.get("name") in LIMITERS]
    nodes = sum(one.role != "control_plane" for one in cluster)  # a control plane takes no requests
    nodes += sum(len(one.data_planes) for one in cluster)
    local = [plugin for plugin in limits if _config(plugin).get("policy") == "local"]
    if local and nodes > 1:
        yield risk(
            f"limits that count on each of {nodes} nodes by itself (policy: local): "
            f"{_names(_where(plugin) for plugin in local)}",
            f"a consumer may get up to {nodes} times its limit before anything is refused",
            "use policy: redis or cluster, or divide the limit by the number of nodes",
        )
    hidden = [plugin for plugin in limits if _config(plugin).get("hide_client_headers") is True]
    if hidden:
        yield note(
            f"limits that hide their headers: {_names(_where(plugin) for plugin in hidden)}",
            "their refusals come as `probable`; the list of plugins settles them, where the collector polls "
            "this Admin API",
            "run the collector with --admin-url, or set hide_client_headers: false",
        )
    coded = [p for p in limits if _config(p).get("error_code") not in {None, 429}]
    if coded:
        yield note(
            f"limits that answer with another status than 429: {_names(_where(p) for p in coded)}",
            "we go by headers and the source of the answer, not by 429, and count them all the same",
        )
    stored = [p for p in limits if _config(p).get("policy") in {"redis", "cluster"}]
    tolerant = [p for p in stored if _config(p).get("fault_tolerant") is True]
    if tolerant:
        yield note(
            f"limits that let all through when their store fails: {_names(_where(p) for p in tolerant)}",
            "no event tells of it: traffic goes on, refusals stop",
            "watch for refusals that stop while traffic does not",
        )
    if any(p.get("name") == "request-termination" for p in _plugins(cluster)):
        yield note(
            "request-termination is in use",
            "its 429 looks like a limit's with hidden headers; the list of plugins tells them apart",
        )


def _of_our_plugin(cluster: Sequence[Looked]) -> Iterator[Finding]:
    """Whether our plugin is where it must be."""
    loaded = [one for one in cluster if one.about is not None and OUR_PLUGIN in one.about.plugins_available]
    without = [one for one in cluster if one not in loaded]
    if loaded and without:
        yield missing(
            f"the plugin {OUR_PLUGIN} is loaded on {_label(loaded)}, but not on {_label(without)}",
            "changes taken there, invalidations there and the heartbeat of those nodes are not seen",
            f"add it to plugins in their kong.conf: plugins = bundled,{OUR_PLUGIN}",
        )
    if not loaded:
        yield note(
            f"our plugin is not loaded in {_label(cluster)}",
            "configuration changes (open-source Kong), cache invalidations, target health as it happens and "
            "heartbeats are not seen",
            "see kong-plugin/README.md",
        )
    elif not _reporters(cluster)[1]:
        yield note(
            f"the plugin {OUR_PLUGIN} is loaded and enabled nowhere",
            "it tells of changes, caches and health, but sees no request",
            "POST /plugins name=gatewatch, unless http-log reports requests",
        )


def _of_hooks(cluster: Sequence[Looked]) -> Iterator[Finding]:
    """Enterprise event hooks: which of them drop repeats, and how they are secured."""
    hooks = next((one.hooks for one in cluster if one.hooks), [])
    ours = [hook for hook in hooks if HOOK_INTAKE in str(_config(hook).get("url"))]
    for hook in ours:
        name = f"the event hook {hook.get('source')}/{hook.get('event') or 'every event'}"
        if hook.get("on_change") is True or (isinstance(hook.get("snooze"), int) and hook["snooze"] > 0):
            yield risk(
                f"{name} drops repeats (on_change, snooze)",
                "its counts are lower bounds, and are shown as `at least`",
                "set on_change: false and snooze: 0",
            )
        if hook.get("source") == "rate-limiting-advanced":
            yield note(
                f"{name} sends at most one event per consumer, address and service in 5 s",
                "counts from it alone are lower bounds; with http-log beside it they are exact",
            )
        if hook.get("source") == "crud" and not hook.get("event"):
            why = "each change comes as `services` and as `services:create`; it is stored once"
            yield note(f"{name} sends every change twice", why, "use the source dao:crud")
        if not _config(hook).get("secret"):
            why = "anybody who reaches the collector can make up its events"
            do = "set config.secret, and give it to the collector: GATEWATCH_EVENT_HOOK_SECRET_FILE"
            yield risk(f"{name} is not signed", why, do)


def _of_versions(cluster: Sequence[Looked]) -> Iterator[Finding]:
    versions = sorted({one.about.node.version or "unknown" for one in cluster if one.about is not None})
    if len(versions) > 1:
        why = "nodes of one database must run one minor version, but during an upgrade"
        yield risk(
            f"{_label(cluster)} run different versions: {', '.join(versions)}", why, "finish the upgrade"
        )
    old = [version for version in versions if _minor(version) is not None and (_minor(version) or 0) < 306]  # noqa: PLR2004 - 3.6
    if old:
        yield note(
            f"Kong {', '.join(old)} does not say in its log who answered (`source`, from 3.6 on)",
            "we go by what is absent instead: no upstream was tried",
        )


def _minor(version: str) -> int | None:
    parts = version.split(".")
    if len(parts) < 2 or not (parts[0].isdecimal() and parts[1].isdecimal()):  # noqa: PLR2004 - major and minor
        return None
    return int(parts[0]) * 100 + int(parts[1])


CLUSTER_RULES: tuple[Rule, ...] = (
    _of_reporting,
    _of_http_log,
    _of_limits,
    _of_our_plugin,
    _of_hooks,
    _of_versions,
)
