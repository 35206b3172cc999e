"""Plans of blocks, carried out on a Kong in memory and judged by what would then run for each request."""

from __future__ import annotations

import copy
import ipaddress
import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.admin_requests import Plan, Refused
from domain.block_plans import plan_block, plan_undo
from domain.blocks import Block, BlockScope, Touched
from domain.events import PluginSeen
from domain.plugins import plugins_in_force
from tests.changes.kong_store import KongStore

NOW = 1_795_384_800_000
SERVICE_OF = {"r1": "s1", "r2": "s1", "r3": "s2"}
ROUTES, CONSUMERS = tuple(SERVICE_OF), (None, "c1", "c2")
BAD, OTHER = "203.0.113.7", "198.51.100.1"
IDS = {
    n: f"00000000-0000-4000-8000-{i:012d}" for i, n in enumerate(["s1", "s2", "r1", "r2", "r3", "c1", "c2"])
}
NEW = "00000000-0000-4000-8000-00000000ffff"
NAMES = {v: k for k, v in IDS.items()}


def names(_collection: str, entity_id: str) -> str | None:
    return NAMES.get(entity_id)


def service_of(route_id: str) -> str | None:
    return IDS.get(SERVICE_OF.get(NAMES.get(route_id, ""), ""))


def kong() -> KongStore:
    counter = itertools.count(1)
    store = KongStore(lambda: 1_795_384_800.0, lambda: f"00000000-0000-4000-9000-{next(counter):012d}")
    for service in ("s1", "s2"):
        store.insert("services", {"id": IDS[service], "name": service, "host": "h"})
    for route, service in SERVICE_OF.items():
        store.insert("routes", {"id": IDS[route], "paths": ["/"], "service": {"id": IDS[service]}})
    for consumer in ("c1", "c2"):
        store.insert("consumers", {"id": IDS[consumer], "username": consumer})
    return store


def restriction(store: KongStore, *, enabled: bool = True, **where: str) -> str:
    body: dict[str, Any] = {"name": "ip-restriction", "enabled": enabled}
    body |= {k: {"id": IDS[v]} for k, v in where.items() if k in {"service", "route", "consumer"}}
    config = {k: v.split() for k, v in where.items() if k in {"allow", "deny"}}
    return str(store.insert("plugins", {**body, "config": config or {"deny": ["192.0.2.1"]}})["id"])


def wanted(subject: str = BAD, scope: BlockScope | None = None, **more: Any) -> Block:
    fields: dict[str, Any] = {
        "block_id": "b", "state": "requested", "subject_type": "address", "subject": subject,
        "label": subject, "scope": scope or BlockScope(), "reason": "r", "asked_by": "ana", "asked_ms": NOW,
        "duration_ms": 60_000,
    }  # fmt: skip
    return Block(**{**fields, **more})


def shown(store: KongStore) -> list[dict[str, Any]]:
    return [store.shown("plugins", row) for row in store.rows["plugins"].values()]


def planned(store: KongStore, block: Block, new_id: str = NEW) -> tuple[Plan, tuple[Touched, ...]]:
    found = plan_block(block, shown(store), service_of, names, new_id)
    assert not isinstance(found, Refused), found
    return found


def carry_out(store: KongStore, plan: Plan) -> None:
    for step in plan.steps:
        plugin_id = step.request.path.rpartition("/")[2]
        if step.request.method == "PUT":
            store.upsert("plugins", plugin_id, step.request.body or {})
        elif step.request.method == "PATCH":
            store.update("plugins", plugin_id, step.request.body or {})
        else:
            store.delete("plugins", plugin_id)


def undone(store: KongStore, block: Block, touched: tuple[Touched, ...], *others: Block) -> Plan:
    on = wanted(touched=touched, scope=block.scope, subject=block.subject)
    still = {(t.plugin_id, a) for o in others for t in o.touched for a in t.added}
    made = {t.plugin_id: t.carried for b in (on, *others) for t in b.touched if t.is_ours}
    plan = plan_undo(on, lambda i: store.find("plugins", i), still, made, names)
    carry_out(store, plan)
    return plan


def lets_in(store: KongStore, ip: str, route: str, consumer: str | None) -> bool:
    """What Kong 3.9.3 would answer: the most specific instance alone decides."""
    seen = [
        PluginSeen(
            plugin_id=p["id"], name=p["name"], enabled=p["enabled"], at_ms=0, config=p["config"],
            route_id=(p["route"] or {}).get("id"), service_id=(p["service"] or {}).get("id"),
            consumer_id=(p["consumer"] or {}).get("id"),
        )
        for p in store.rows["plugins"].values()
    ]  # fmt: skip
    runs = plugins_in_force(
        seen,
        route_id=IDS[route],
        service_id=IDS[SERVICE_OF[route]],
        consumer_id=IDS[consumer] if consumer else None,
    )
    for plugin in runs:
        if plugin.name == "request-termination":
            return False
        if plugin.name == "ip-restriction":
            deny, allow = plugin.config.get("deny") or [], plugin.config.get("allow") or []
            if _within(ip, deny) or (allow and not _within(ip, allow)):
                return False
    return True


def _within(ip: str, entries: list[str]) -> bool:
    address = ipaddress.ip_address(ip)
    networks = [ipaddress.ip_network(entry) for entry in entries]
    return any(address.version == n.version and address in n for n in networks)


def everything(store: KongStore, ip: str) -> dict[tuple[str, str | None], bool]:
    return {(r, c): lets_in(store, ip, r, c) for r in ROUTES for c in CONSUMERS}


def config_of(store: KongStore) -> dict[str, Any]:
    rows = copy.deepcopy(store.rows["plugins"])
    return {i: {k: v for k, v in row.items() if k != "updated_at"} for i, row in rows.items()}


def test_where_there_is_no_restriction_one_is_made_under_a_known_id() -> None:
    store = kong()

    plan, touched = planned(store, wanted())

    [step] = plan.steps
    assert (step.request.method, step.request.path) == ("PUT", f"/plugins/{NEW}")
    assert step.request.body == {
        "name": "ip-restriction", "enabled": True, "tags": ["gatewatch-block"],
        "config": {"status": 403, "deny": [BAD]},
    }  # fmt: skip
    assert touched == (Touched(plugin_id=NEW, added=(BAD,), is_ours=True),)


def test_an_existing_list_is_kept_and_lengthened() -> None:
    store = kong()
    held = restriction(store, deny="192.0.2.1 192.0.2.2")

    plan, touched = planned(store, wanted())

    [step] = plan.steps
    assert step.request.body == {"config": {"deny": ["192.0.2.1", "192.0.2.2", BAD]}}
    assert touched == (Touched(plugin_id=held, added=(BAD,)),)
    carry_out(store, plan)
    undone(store, wanted(), touched)
    assert store.rows["plugins"][held]["config"]["deny"] == ["192.0.2.1", "192.0.2.2"]


def test_a_list_of_a_consumers_own_would_go_before_and_is_lengthened_too() -> None:
    """The precedence trap: a global deny list is not looked at for that consumer."""
    store = kong()
    restriction(store, consumer="c1", deny="192.0.2.9")

    plan, _ = planned(store, wanted())
    carry_out(store, plan)

    assert len(plan.steps) == 2
    assert not any(everything(store, BAD).values())


def test_a_new_list_for_a_service_takes_over_the_one_it_goes_before() -> None:
    store = kong()
    restriction(store, deny="192.0.2.1", allow="198.51.100.0/24")
    before = everything(store, "192.0.2.1"), everything(store, OTHER)

    plan, touched = planned(store, wanted(scope=BlockScope(service_id=IDS["s1"])))
    carry_out(store, plan)

    assert (everything(store, "192.0.2.1"), everything(store, OTHER)) == before
    assert "takes over the lists" in plan.warnings[0]
    assert touched[0].carried == ("192.0.2.1",)


def test_a_restriction_that_is_switched_off_is_not_switched_on() -> None:
    store = kong()
    restriction(store, enabled=False, deny="192.0.2.1")

    found = plan_block(wanted(), shown(store), service_of, names, NEW)

    assert isinstance(found, Refused)
    assert "switched off" in found.why


def test_what_is_denied_already_needs_no_plan() -> None:
    store = kong()
    restriction(store, deny=BAD)

    assert isinstance(plan_block(wanted(), shown(store), service_of, names, NEW), Refused)


def test_an_allow_list_of_kongs_own_is_pointed_out() -> None:
    store = kong()
    restriction(store, allow=f"{BAD} 192.0.2.1")

    plan, _ = planned(store, wanted())

    assert f"allows {BAD}" in plan.warnings[0]


def test_a_block_that_ends_leaves_what_another_still_wants() -> None:
    store = kong()
    plan, first = planned(store, wanted())
    carry_out(store, plan)
    plan, second = planned(store, wanted(subject=OTHER))
    carry_out(store, plan)
    still_on = wanted(subject=OTHER, touched=second)

    undone(store, wanted(), first, still_on)

    assert everything(store, BAD) == dict.fromkeys(everything(store, BAD), True)
    assert not any(everything(store, OTHER).values())


def test_the_last_block_takes_a_plugin_that_blocks_made_with_it() -> None:
    store = kong()
    plan, first = planned(store, wanted())
    carry_out(store, plan)
    plan, second = planned(store, wanted(subject=OTHER))
    carry_out(store, plan)
    undone(store, wanted(), first, wanted(subject=OTHER, touched=second))

    ours = wanted(touched=first)  # it has ended, and is still known to have made the plugin
    plan = plan_undo(
        wanted(subject=OTHER, touched=second), lambda i: store.find("plugins", i), set(),
        {t.plugin_id: t.carried for t in ours.touched}, names,
    )  # fmt: skip
    carry_out(store, plan)

    assert store.rows["plugins"] == {}


def test_what_others_put_beside_a_block_stays() -> None:
    store = kong()
    plan, touched = planned(store, wanted())
    carry_out(store, plan)
    store.update("plugins", NEW, {"config": {"deny": [BAD, "192.0.2.77"]}})

    undone(store, wanted(), touched)

    assert store.rows["plugins"][NEW]["config"]["deny"] == ["192.0.2.77"]


def test_a_list_of_others_that_would_be_left_empty_is_switched_off() -> None:
    """Kong refuses a restriction without any entry."""
    store = kong()
    held = restriction(store, deny="192.0.2.1")
    plan, touched = planned(store, wanted())
    carry_out(store, plan)
    store.update("plugins", held, {"config": {"deny": [BAD]}})

    undone(store, wanted(), touched)

    assert store.rows["plugins"][held]["enabled"] is False


def test_a_plugin_that_is_gone_needs_no_undoing_and_is_told_of() -> None:
    store = kong()
    plan, touched = planned(store, wanted())
    carry_out(store, plan)
    store.delete("plugins", NEW)

    plan = undone(store, wanted(), touched)

    assert plan.steps == ()
    assert "gone already" in plan.warnings[0]


def test_a_consumer_is_stopped_and_let_go() -> None:
    store = kong()
    block = wanted(subject=IDS["c1"], subject_type="consumer", label="acme")
    plan, touched = planned(store, block)
    carry_out(store, plan)

    assert {k for k, ok in everything(store, OTHER).items() if not ok} == {(r, "c1") for r in ROUTES}
    undone(store, block, touched)
    assert all(everything(store, OTHER).values())


def test_a_consumer_who_is_stopped_already_is_not_stopped_twice() -> None:
    store = kong()
    block = wanted(subject=IDS["c1"], subject_type="consumer", label="acme")
    plan, _ = planned(store, block)
    carry_out(store, plan)

    assert isinstance(plan_block(block, shown(store), service_of, names, NEW), Refused)


places = st.sampled_from(
    [{}, {"service": "s1"}, {"service": "s2"}, {"route": "r1"}, {"route": "r2"}, {"route": "r3"},
     {"consumer": "c1"}, {"service": "s1", "consumer": "c1"}, {"route": "r1", "consumer": "c2"},
     {"route": "r1", "service": "s1"}]
)  # fmt: skip
entries = st.sampled_from(["192.0.2.1", "198.51.100.1", "198.51.100.0/24", "203.0.113.0/24"])
lists = st.fixed_dictionaries({}, optional={"deny": entries, "allow": entries})
scopes = st.sampled_from(
    [BlockScope(), BlockScope(service_id=IDS["s1"]), BlockScope(route_id=IDS["r1"])]
)  # fmt: skip


@given(st.lists(st.tuples(places, lists, st.booleans()), max_size=5, unique_by=lambda r: str(r[0])), scopes)
def test_in_any_configuration_a_block_holds_in_its_scope_changes_nothing_else_and_is_undone(
    held: list[tuple[dict[str, str], dict[str, str], bool]], scope: BlockScope
) -> None:
    store = kong()
    for where, config, enabled in held:
        restriction(store, enabled=enabled, **where, **config)
    configured = config_of(store)
    before = {ip: everything(store, ip) for ip in (BAD, OTHER, "192.0.2.1")}
    found = plan_block(wanted(scope=scope), shown(store), service_of, names, NEW)
    if isinstance(found, Refused):
        return
    plan, touched = found
    carry_out(store, plan)

    in_scope = {
        (r, c)
        for r, c in before[BAD]
        if scope.is_everywhere or scope.route_id == IDS[r] or scope.service_id == IDS[SERVICE_OF[r]]
    }
    after = {ip: everything(store, ip) for ip in before}
    assert not any(after[BAD][key] for key in in_scope)
    assert {ip: found for ip, found in after.items() if ip != BAD} == {
        ip: found for ip, found in before.items() if ip != BAD
    }

    undone(store, wanted(scope=scope), touched)
    assert config_of(store) == configured


@pytest.mark.parametrize("scope", [BlockScope(), BlockScope(route_id=IDS["r1"])])
def test_a_range_is_denied_as_one_entry(scope: BlockScope) -> None:
    store = kong()

    plan, _ = planned(store, wanted("203.0.113.0/24", scope, subject_type="range"))
    carry_out(store, plan)

    assert not lets_in(store, BAD, "r1", None)
