"""What was asked for -> the exact requests, against how Kong is at this moment."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from changes.admin_api import AdminApi
from changes.asked import fragment_plan
from domain.admin_requests import MAX_STEPS, Plan, Refused, Step
from domain.block_plans import plan_block, plan_undo
from domain.blocks import MAX_PER_HOUR, Block, BlockState, Protected, Touched, refusal
from domain.changes import CASCADE_MS, Change, Names, Operation, cascades, sentence
from domain.declarative import depth
from domain.diff import FieldChange, quiet_diff
from domain.kong_entities import collection_of, entity_path, name_of
from domain.limit_plans import WantedLimit, plan_limit
from domain.proposals import Kind, Proposal
from domain.redaction import redact
from domain.rollback import fragment_for, parents_of, plan_rollback
from domain.windows import Window
from storage.block_book import asked_since, blocks_in, blocks_that_made, get_block
from storage.change_book import ChangeBook
from storage.changes_reader import ChangesReader

CHILDREN = {
    "services": ("routes", "plugins"),
    "routes": ("plugins",),
    "consumers": ("plugins", "key-auth", "basic-auth", "hmac-auth", "jwt", "oauth2", "acls"),
    "upstreams": ("targets",),
}
"""What belongs to an entity, by the path under its own."""
_COLLECTION_AT = {
    "key-auth": "keyauth_credentials",
    "basic-auth": "basicauth_credentials",
    "hmac-auth": "hmacauth_credentials",
    "jwt": "jwt_secrets",
    "oauth2": "oauth2_credentials",
}


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """A plan and what has to be remembered with it."""

    plan: Plan
    shown: list[dict[str, Any]]
    touched: tuple[Touched, ...] = ()
    """Of a block."""
    duration_ms: int | None = None
    """Of a block."""


class Planner:
    """Makes plans. Reads Kong, writes nothing.

    Args:
        api: The Admin API that plans are for.
        reader: What is known of changes.
        protected: Those who are never blocked, as of now.
        new_id: Gives ids for plugins that are made.
        now_ms: The time.
    """

    def __init__(
        self,
        api: AdminApi,
        reader: ChangesReader,
        protected: Callable[[], Iterable[Protected]],
        new_id: Callable[[], str],
        now_ms: Callable[[], int],
    ) -> None:
        self._api = api
        self._reader = reader
        self._protected = protected
        self._new_id = new_id
        self._now_ms = now_ms

    async def plan(self, proposal: Proposal, book: ChangeBook) -> Planned | Refused:
        """The plan for what was asked, or why there is none.

        Raises:
            Unreachable: Kong does not answer: it can be tried again.
        """
        makers = {
            Kind.ROLLBACK: self._rollback,
            Kind.BLOCK: self._block,
            Kind.LIFT: self._lift,
            Kind.LIMIT: self._limit,
            Kind.FRAGMENT: self._fragment,
        }
        maker = makers.get(Kind(proposal.kind)) if proposal.kind in set(Kind) else None
        if maker is None:
            return Refused(why=f"nothing is known of proposals of kind {proposal.kind!r}")
        found = await maker(proposal, book)
        if isinstance(found, Refused):
            return found
        if len(found.plan.steps) > MAX_STEPS:
            return Refused(
                why=f"{len(found.plan.steps)} requests: more than {MAX_STEPS} are no plan to be read"
            )
        return found

    # ---- rollback

    async def _rollback(self, proposal: Proposal, _book: ChangeBook) -> Planned | Refused:
        row = self._reader.change(int(proposal.ask.get("change", 0)))
        if row is None:
            return Refused(why="that change is not stored any more")
        change = row.change
        if not await self._api.has_database():
            return fragment_for(change)
        if change.operation == Operation.DELETE and (missing := await self._missing_parent(change)):
            return missing
        found = await self._undo(change)
        if isinstance(found, Refused):
            return found
        if change.operation == Operation.DELETE:
            found = await self._with_children(change, found)
        shown = shown_steps(found.steps)
        names = self._reader.names_in([change])
        told = sentence(change, lambda collection, entity_id: names.get((collection, entity_id)))
        shown[0]["says"] = f"undo: {told}"
        return Planned(plan=found, shown=shown)

    async def _undo(self, change: Change) -> Plan | Refused:
        path = entity_path(change.entity_type, change.entity_id or "", change.entity)
        live = None if path is None or change.entity_id is None else await self._api.entity(path)
        dependents: list[tuple[str, str]] = []
        if path is not None and live is not None and change.operation == Operation.CREATE:
            dependents = await self._dependents(change.entity_type, path)
        return plan_rollback(change, live, dependents)

    async def _dependents(self, entity_type: str, path: str) -> list[tuple[str, str]]:
        found = []
        for child in CHILDREN.get(entity_type, ()):
            name = _COLLECTION_AT.get(child, child)
            rows = await self._api.entities(f"{path}/{child}") or []
            found += [(name, name_of(name, row) or str(row.get("id"))) for row in rows]
        return found

    async def _missing_parent(self, change: Change) -> Refused | None:
        for collection, parent_id in parents_of(change.entity_type, change.entity):
            path = f"/{collection_of(collection).path}/{parent_id}"
            if await self._api.entity(path) is None:
                name = self._reader.names([(collection, parent_id)]).get((collection, parent_id), parent_id)
                noun = collection_of(collection).noun
                return Refused(
                    why=f"it belonged to {noun} {name}, which is gone as well",
                    instead=f"restore {noun} {name}: what went with it comes with it",
                )
        return None

    async def _with_children(self, change: Change, found: Plan) -> Plan:
        """What Kong deleted together with an entity is restored after it."""
        around = Window(change.at_ms - CASCADE_MS, change.at_ms + CASCADE_MS + 1)
        near = [row.change for row in self._reader.changes(around)]
        parent_of = cascades(near)
        steps, cannot = list(found.steps), list(found.cannot)
        children = [c for c in near if _descends(c.seq, change.seq, parent_of)]
        for child in sorted(children, key=lambda c: (depth(c.entity_type), c.seq)):
            noun = collection_of(child.entity_type).noun
            plan = await self._undo(child)
            if isinstance(plan, Refused):
                cannot.append(f"{noun} {child.entity_name or child.entity_id}: {plan.why}")
            else:
                steps += plan.steps
        return Plan(steps=tuple(steps), cannot=tuple(cannot), warnings=found.warnings)

    # ---- blocks

    async def _block(self, proposal: Proposal, book: ChangeBook) -> Planned | Refused:
        try:
            block = get_block(book, str(proposal.ask.get("block")))
        except KeyError:
            return Refused(why="that block is not stored any more")
        why = refusal_of(block, book, self._protected(), self._now_ms())
        if why is not None:
            return Refused(why=why)
        if not await self._api.has_database():
            return Refused(
                why="this Kong runs without a database: its Admin API cannot write",
                instead="put an ip-restriction or a request-termination into its declarative configuration",
            )
        plugins = await self._api.entities("/plugins") or []
        routes = {str(r.get("id")): r for r in await self._api.entities("/routes") or []}
        names = self._names(plugins)

        def service_of(route_id: str) -> str | None:
            service = routes.get(route_id, {}).get("service")
            return str(service["id"]) if isinstance(service, dict) and "id" in service else None

        found = plan_block(block, plugins, service_of, names, self._new_id())
        if isinstance(found, Refused):
            return found
        plan, touched = found
        return Planned(
            plan=plan, shown=shown_steps(plan.steps), touched=touched, duration_ms=block.duration_ms
        )

    async def _lift(self, proposal: Proposal, book: ChangeBook) -> Planned | Refused:
        try:
            block = get_block(book, str(proposal.ask.get("block")))
        except KeyError:
            return Refused(why="that block is not stored any more")
        if block.state != BlockState.ACTIVE:
            return Refused(why=f"the block is not on: it is {block.state}")
        plan = await self.undo_of(block, book)
        if not plan.steps:
            return Refused(why="nothing of the block is left in Kong", instead="it ends by itself")
        return Planned(plan=plan, shown=shown_steps(plan.steps))

    async def undo_of(self, block: Block, book: ChangeBook) -> Plan:
        """The requests that end a block as things are now.

        Raises:
            Unreachable: Kong does not answer.
        """
        live = {t.plugin_id: await self._api.entity(f"/plugins/{t.plugin_id}") for t in block.touched}
        others = [b for b in blocks_in(book, [BlockState.ACTIVE]) if b.block_id != block.block_id]
        still = {(t.plugin_id, address) for b in others for t in b.touched for address in t.added}
        made = {t.plugin_id: t.carried for b in blocks_that_made(book) for t in b.touched if t.is_ours}
        names = self._names([p for p in live.values() if p is not None])
        return plan_undo(block, live.get, still, made, names)

    # ---- limits and fragments

    async def _limit(self, proposal: Proposal, _book: ChangeBook) -> Planned | Refused:
        try:
            wanted = msgspec.convert(proposal.ask.get("limit"), WantedLimit)
        except msgspec.ValidationError as error:
            return Refused(why=f"the limit cannot be read: {error}")
        if not await self._api.has_database():
            return Refused(
                why="this Kong runs without a database: its Admin API cannot write",
                instead="change rate-limiting in its declarative configuration",
            )
        plugins = await self._api.entities("/plugins") or []
        found = plan_limit(wanted, plugins, self._names([wanted.place(), *plugins]), self._new_id())
        if isinstance(found, Refused):
            return found
        return Planned(plan=found, shown=shown_steps(found.steps))

    async def _fragment(self, proposal: Proposal, _book: ChangeBook) -> Planned | Refused:
        if not await self._api.has_database():
            return Refused(
                why="this Kong runs without a database: its Admin API cannot write",
                instead="apply the fragment to its declarative configuration by hand",
            )
        found = await fragment_plan(self._api, str(proposal.ask.get("fragment", "")), self._new_id)
        return found if isinstance(found, Refused) else Planned(plan=found, shown=shown_steps(found.steps))

    def _names(self, plugins: Iterable[Any]) -> Names:
        wanted = {
            (collection, str(reference["id"]))
            for plugin in plugins
            for field, collection in collection_of("plugins").parents
            if isinstance(reference := plugin.get(field), dict) and "id" in reference
        }
        known = self._reader.names(wanted)
        return lambda collection, entity_id: known.get((collection, entity_id))


def refusal_of(block: Block, book: ChangeBook, protected: Iterable[Protected], now_ms: int) -> str | None:
    """Why a block may not be, as things are now; None when it may."""
    if asked_since(book, now_ms) > MAX_PER_HOUR:
        return f"more than {MAX_PER_HOUR} blocks were asked for within an hour: that is no decision of people"
    return refusal(
        block.subject_type,
        block.subject,
        protected=protected,
        now_ms=now_ms,
        label=block.label,
        private_allowed=block.private_allowed,
    )


def _descends(seq: int, from_seq: int, parent_of: dict[int, int]) -> bool:
    """Whether a deletion came, through however many others, with another."""
    seen = set()
    while seq in parent_of and seq not in seen:
        seen.add(seq)
        seq = parent_of[seq]
        if seq == from_seq:
            return True
    return False


def shown_steps(steps: Iterable[Step]) -> list[dict[str, Any]]:
    """The steps for those who approve: what differs, and the request itself, secrets masked."""
    found = []
    for step in steps:
        before = step.before.entity if step.before else None
        after = step.after.entity if step.after else None
        fields = quiet_diff(step.entity_type, before, after)
        found.append(
            {
                "says": step.says,
                "method": step.request.method,
                "path": step.request.path,
                "body": redact(step.request.body),
                "fields": [_shown_field(field) for field in fields],
            }
        )
    return found


def _shown_field(field: FieldChange) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(field)
    return found
