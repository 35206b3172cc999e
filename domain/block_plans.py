"""A block as requests to Kong's Admin API, and what undoes it.

Addresses go into `ip-restriction` (kong/plugins/ip-restriction/handler.lua, 3.9.3: `deny` is looked at before
`allow`). Per request only the most specific instance of a plugin runs (kong/runloop/plugins_iterator.lua
`lookup_cfg`), so a deny list that is to hold everywhere goes into every instance that goes before it; and a
new instance that goes before an older one takes over that one's lists: it would switch them off there.

Consumers are stopped by `request-termination`, which runs after authentication and after the limits.

Plugins that we make have an id that the plan names, so that a crash never leaves one that nobody knows.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from domain.admin_requests import AdminRequest, Plan, Refused, State, Step
from domain.blocks import STATUS, TAG, Block, BlockScope, SubjectType, Touched, overlap
from domain.changes import Names, place_of
from domain.kong_entities import NEVER_SENT, plain, reference
from domain.rollback import merged

IP_RESTRICTION, TERMINATION = "ip-restriction", "request-termination"
Plugin = Mapping[str, Any]


def plan_block(
    block: Block,
    plugins: Iterable[Plugin],
    service_of_route: Callable[[str], str | None],
    names: Names,
    new_id: str,
) -> tuple[Plan, tuple[Touched, ...]] | Refused:
    """The requests that turn a subject away, and the plugins that will carry it.

    Args:
        block: What is wanted.
        plugins: All plugins of that Kong as its Admin API shows them.
        service_of_route: Route id -> id of its service.
        names: For words.
        new_id: The id of the plugin to be made, where one is needed.
    """
    if block.subject_type == SubjectType.CONSUMER:
        return _stop_consumer(block, list(plugins), names, new_id)
    found = [p for p in plugins if p.get("name") == IP_RESTRICTION]
    return _deny_address(block, found, service_of_route, names, new_id)


# ---- addresses


def _deny_address(
    block: Block,
    found: Sequence[Plugin],
    service_of_route: Callable[[str], str | None],
    names: Names,
    new_id: str,
) -> tuple[Plan, tuple[Touched, ...]] | Refused:
    scope = block.scope
    own = next((p for p in found if _is_at(p, scope)), None)
    if own is not None and own.get("enabled") is False:
        return Refused(
            why=f"{IP_RESTRICTION} {place_of(own, names)} exists and is switched off: switching it on would"
            " bring back the rest of its lists",
            instead="delete it, or block in a narrower or wider place",
        )
    live = [p for p in found if p.get("enabled") is not False]
    carriers = [p for p in live if p is own or _goes_before(p, scope, service_of_route)]
    steps, touched, warnings = [], [], []
    for plugin in carriers:
        warnings += _warnings(block, plugin, names)
        if block.subject not in _deny(plugin):
            steps.append(_denied(block.subject, plugin, names))
            touched.append(Touched(plugin_id=str(plugin["id"]), added=(block.subject,)))
    if own is None:
        shadowed = _shadowed(live, scope, service_of_route)
        steps.append(_made(block, shadowed, names, new_id))
        added = () if block.subject in _deny(shadowed or {}) else (block.subject,)
        carried = tuple(_deny(shadowed or {}))
        touched.append(Touched(plugin_id=new_id, added=added, is_ours=True, carried=carried))
        if shadowed is not None:
            warnings.append(
                f"takes over the lists of {IP_RESTRICTION} {place_of(shadowed, names)}, which it goes before:"
                " later changes there do not reach this place until the block ends"
            )
    if not steps:
        return Refused(why=f"{block.subject} is denied there already")
    return Plan(steps=tuple(steps), warnings=tuple(dict.fromkeys(warnings))), tuple(touched)


def _is_at(plugin: Plugin, scope: BlockScope) -> bool:
    """Whether a plugin applies exactly there."""
    return (
        reference(plugin, "consumer") is None
        and reference(plugin, "consumer_group") is None
        and reference(plugin, "route") == scope.route_id
        and (reference(plugin, "service") == scope.service_id or scope.route_id is not None)
        and (scope.route_id is None or reference(plugin, "service") is None)
    )


def _goes_before(plugin: Plugin, scope: BlockScope, service_of_route: Callable[[str], str | None]) -> bool:
    """Whether, for some request in the scope, a plugin runs instead of one that applies exactly there."""
    route, service = reference(plugin, "route"), reference(plugin, "service")
    by_consumer = reference(plugin, "consumer") or reference(plugin, "consumer_group")
    if route is None and service is None and by_consumer is None:
        return False
    if scope.route_id is not None:
        in_route = route in {None, scope.route_id} and service in {None, service_of_route(scope.route_id)}
        return in_route and (by_consumer is not None or (route is not None and service is not None))
    if scope.service_id is not None:
        if service not in {None, scope.service_id}:
            return False
        in_route = route is None or service_of_route(route) == scope.service_id
        return in_route and (route is not None or by_consumer is not None)
    return True


def _shadowed(
    live: Sequence[Plugin], scope: BlockScope, service_of_route: Callable[[str], str | None]
) -> Plugin | None:
    """The plugin that ran in the scope until now, and that a new one there will go before."""
    if scope.is_everywhere:
        return None
    places = [BlockScope()]
    service = scope.service_id or service_of_route(scope.route_id or "")
    if scope.route_id is not None and service is not None:
        places.insert(0, BlockScope(service_id=service))
    for place in places:
        for plugin in live:
            if _is_at(plugin, place):
                return plugin
    return None


def _denied(subject: str, plugin: Plugin, names: Names) -> Step:
    where = f"{IP_RESTRICTION} {place_of(plugin, names)}"
    deny = [*_deny(plugin), subject]
    says = f"deny {subject} in {where}, beside {_counted(_deny(plugin))}"
    return _patched(plugin, {"config": {"deny": deny}}, says)


def _made(block: Block, shadowed: Plugin | None, names: Names, new_id: str) -> Step:
    config: dict[str, Any] = dict(_comparable(shadowed)["config"]) if shadowed else {"status": STATUS}
    if block.subject not in _deny(shadowed or {}):
        config["deny"] = [*_deny(shadowed or {}), block.subject]
    body: dict[str, Any] = {"name": IP_RESTRICTION, "enabled": True, "config": config, "tags": [TAG]}
    return _make(body, block.scope, new_id, f"deny {block.subject} by a new {IP_RESTRICTION}", names)


def _warnings(block: Block, plugin: Plugin, names: Names) -> list[str]:
    found = []
    allow = (plugin.get("config") or {}).get("allow") or []
    if any(overlap(str(entry), block.subject) for entry in allow):
        found.append(
            f"{IP_RESTRICTION} {place_of(plugin, names)} allows {block.subject}: the block goes first"
        )
    consumer = reference(plugin, "consumer")
    if consumer is not None and not block.scope.is_everywhere and reference(plugin, "service") is None:
        found.append(
            f"for consumer {names('consumers', consumer) or consumer}, who has a list of their own, it holds"
            f" {place_of(plugin, names)}"
        )
    return found


def _deny(plugin: Plugin) -> list[str]:
    return [str(entry) for entry in (plugin.get("config") or {}).get("deny") or []]


# ---- consumers


def _stop_consumer(
    block: Block, plugins: Sequence[Plugin], names: Names, new_id: str
) -> tuple[Plan, tuple[Touched, ...]] | Refused:
    scope = block.scope
    warnings = []
    for plugin in plugins:
        if plugin.get("name") != TERMINATION or reference(plugin, "consumer") != block.subject:
            continue
        same = (reference(plugin, "service"), reference(plugin, "route"))
        if same == (scope.service_id, scope.route_id):
            state = "switched off" if plugin.get("enabled") is False else "on"
            return Refused(
                why=f"{TERMINATION} {place_of(plugin, names)} exists already, {state}",
                instead="change or delete that one",
            )
        if (plugin.get("config") or {}).get("trigger") and plugin.get("enabled") is not False:
            warnings.append(f"{TERMINATION} {place_of(plugin, names)} goes before it, and lets requests pass")
    config = {"status_code": STATUS, "message": "blocked for a time"}
    body: dict[str, Any] = {
        "name": TERMINATION,
        "enabled": True,
        "consumer": {"id": block.subject},
        "config": config,
        "tags": [TAG],
    }
    step = _make(body, scope, new_id, f"answer consumer {block.label} with {STATUS}", names)
    return Plan(steps=(step,), warnings=tuple(warnings)), (Touched(plugin_id=new_id, is_ours=True),)


def _make(body: dict[str, Any], scope: BlockScope, new_id: str, says: str, names: Names) -> Step:
    if scope.service_id is not None and scope.route_id is None:
        body["service"] = {"id": scope.service_id}
    if scope.route_id is not None:
        body["route"] = {"id": scope.route_id}
    path = f"/plugins/{new_id}"
    return Step(
        says=f"{says} {place_of(body, names)}",
        entity_type="plugins",
        request=AdminRequest(method="PUT", path=path, body=body),
        before=State(path=path, entity=None),
        after=State(path=path, entity={"id": new_id, **body}, is_whole=False),
    )


# ---- undoing


def plan_undo(
    block: Block,
    live_of: Callable[[str], Plugin | None],
    still_wanted: Collection[tuple[str, str]],
    carried: Mapping[str, Collection[str]],
    names: Names,
) -> Plan:
    """The requests that end a block; none where nothing is left of it.

    Only what the block itself added goes. What others put beside it stays, and so does an address that
    another block still wants.

    Args:
        block: Which.
        live_of: Plugin id -> the plugin as it is now, None when it is gone.
        still_wanted: (plugin id, address) of other blocks that are on.
        carried: Id of every plugin that a block made -> what it took over when it was made.
        names: For words.
    """
    steps, warnings = [], []
    for touched in block.touched:
        plugin = live_of(touched.plugin_id)
        if plugin is None:
            warnings.append(f"plugin {touched.plugin_id} is gone already")
        elif plugin.get("name") == TERMINATION:
            steps.append(_removed(plugin, names))
        else:
            steps += _undenied(touched, plugin, still_wanted, carried, names)
    return Plan(steps=tuple(steps), warnings=tuple(warnings))


def _undenied(
    touched: Touched,
    plugin: Plugin,
    still_wanted: Collection[tuple[str, str]],
    carried: Mapping[str, Collection[str]],
    names: Names,
) -> list[Step]:
    """Take a block's addresses out of a deny list; a plugin that blocks made goes with the last of them."""
    going = {a for a in touched.added if (touched.plugin_id, a) not in still_wanted}
    deny = _deny(plugin)
    left = [a for a in deny if a not in going]
    is_needed = any(plugin_id == touched.plugin_id for plugin_id, _ in still_wanted)
    ours = carried.get(touched.plugin_id)
    if ours is not None and not is_needed and set(left) <= set(ours):
        return [_removed(plugin, names)]
    if left == deny:
        return []
    where, listed = f"{IP_RESTRICTION} {place_of(plugin, names)}", ", ".join(sorted(going))
    if not left and not (plugin.get("config") or {}).get("allow"):
        return [_patched(plugin, {"enabled": False}, f"switch off {where}: {listed} is all that it denies")]
    return [_patched(plugin, {"config": {"deny": left or None}}, f"take {listed} out of {where}")]


def _patched(plugin: Plugin, body: dict[str, Any], says: str) -> Step:
    path, before = f"/plugins/{plugin['id']}", _comparable(plugin)
    return Step(
        says=says,
        entity_type="plugins",
        request=AdminRequest(method="PATCH", path=path, body=body),
        before=State(path=path, entity=before),
        after=State(path=path, entity=merged(before, body)),
    )


def _removed(plugin: Plugin, names: Names) -> Step:
    path = f"/plugins/{plugin['id']}"
    return Step(
        says=f"delete {plugin.get('name')} {place_of(plugin, names)}, which the block made",
        entity_type="plugins",
        request=AdminRequest(method="DELETE", path=path),
        before=State(path=path, entity=_comparable(plugin)),
        after=State(path=path, entity=None),
    )


def _comparable(plugin: Plugin) -> dict[str, Any]:
    return {k: v for k, v in plain(plugin).items() if k not in NEVER_SENT and k != "created_at"}


def _counted(values: Sequence[str]) -> str:
    return f"{len(values)} other{'s' if len(values) != 1 else ''}" if values else "nothing else yet"
