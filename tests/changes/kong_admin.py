"""An Admin API to test against: the routes, answers and errors of Kong 3.9.3 over a `KongStore`.

An ASGI application: in one process through httpx, or under uvicorn on a real socket. Knows services, routes,
consumers, plugins, upstreams, targets, key-auth, basic-auth and acls, Enterprise's /audit/requests when told
to, and DB-less mode. What it is sent is kept in `calls`.
"""

from __future__ import annotations

import base64
import itertools
import json
from typing import Any
from urllib.parse import parse_qs, unquote
from uuid import UUID

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from tests.changes.kong_schemas import SCHEMAS
from tests.changes.kong_store import Entity, KongError, KongStore

_BY_PATH = {(s.path or s.name): s.name for s in SCHEMAS.values()}
_NESTED = {(s.nested_path or s.path or s.name): s.name for s in SCHEMAS.values()}
_VERBS = {"POST": "create", "PUT": "create or update", "PATCH": "update", "DELETE": "delete"}


class KongAdmin:
    """One Kong's Admin API.

    Args:
        token: What `Kong-Admin-Token` must say; none is asked for when empty.
        dbless: Runs without a database, so that nothing can be written.
        enterprise: Has /audit/requests.
    """

    def __init__(self, *, token: str = "", dbless: bool = False, enterprise: bool = False) -> None:
        self.token = token
        self.dbless = dbless
        self.enterprise = enterprise
        self.now_s = 1_795_384_700.0
        self._ids = itertools.count(1)
        self.store = KongStore(self._tick, self._new_id)
        self.calls: list[tuple[str, str, Any]] = []
        self.audit: list[Entity] = []
        self.crash_after: set[str] = set()
        """Methods whose next call is carried out and then never answered."""
        self.fail_with: dict[str, int] = {}
        """Method -> status of the next answer, instead of doing it."""

    def _tick(self) -> float:
        self.now_s += 0.001
        return self.now_s

    def _new_id(self) -> str:
        return str(UUID(int=next(self._ids) + (4 << 76) + (8 << 60)))

    @property
    def writes(self) -> list[tuple[str, str, Any]]:
        """The calls that change something, oldest first."""
        return [c for c in self.calls if c[0] != "GET"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        assert scope["type"] == "http"
        request = Request(scope, receive)
        raw = await request.body()
        body = json.loads(raw) if raw else {}
        self.calls.append((request.method, request.url.path, body or None))
        status = self.fail_with.pop(request.method, None)
        if status is not None:
            response: Response = JSONResponse({"message": "An unexpected error occurred"}, status)
        else:
            response = self._answer(request, body)
        if request.method in self.crash_after:
            self.crash_after.discard(request.method)
            raise ConnectionResetError("the connection broke after the request was carried out")
        await response(scope, receive, send)

    def _answer(self, request: Request, body: Any) -> Response:
        if self.token and request.headers.get("kong-admin-token") != self.token:
            message = "Invalid credentials. Token or User credentials required"
            return JSONResponse({"message": message}, 401)
        parts = [unquote(p) for p in request.url.path.split("/") if p]
        try:
            return self._route(request, parts, body)
        except KongError as error:
            return JSONResponse(error.body, error.status)

    def _route(self, request: Request, parts: list[str], body: Entity) -> Response:
        if not parts:
            return JSONResponse(self._about())
        if parts == ["audit", "requests"] and self.enterprise:
            return JSONResponse(self._page(self.audit, request, "/audit/requests"))
        name = _BY_PATH.get(parts[0])
        return _not_found() if name is None else self._route_to(request, name, parts, body)

    def _route_to(self, request: Request, name: str, parts: list[str], body: Entity) -> Response:
        if self.dbless and request.method in _VERBS:
            message = f"cannot {_VERBS[request.method]} '{name}' entities when not using a database"
            return JSONResponse({"code": 12, "name": "operation unsupported", "message": message}, 405)
        if len(parts) == 1:
            return self._collection(request, name, body, {}, "/" + parts[0])
        if len(parts) == 2:
            return self._entity(request, name, parts[1], body)
        return self._nested(request, name, parts[1], parts[2:], body)

    def _about(self) -> Entity:
        return {
            "version": "3.9.3",
            "node_id": "6f4b7c68-36d8-4c4b-9e4c-9c51d7fa7fca",
            "hostname": "gw-1",
            "configuration": {"database": "off" if self.dbless else "postgres", "role": "traditional"},
        }

    def _collection(
        self, request: Request, name: str, body: Entity, owner: dict[str, Entity], path: str
    ) -> Response:
        if request.method == "GET":
            rows = [
                self.store.shown(name, r)
                for r in self.store.rows[name].values()
                if all(r.get(k) == v for k, v in owner.items())
            ]
            return JSONResponse(self._page(rows, request, path))
        if request.method == "POST":
            row = self.store.insert(name, {**body, **owner})
            return JSONResponse(self.store.shown(name, row), 201)
        return JSONResponse({"message": "Method not allowed"}, 405)

    def _entity(self, request: Request, name: str, key: str, body: Entity) -> Response:
        row = self.store.find(name, key)
        if request.method == "PUT":
            return JSONResponse(self.store.shown(name, self.store.upsert(name, key, body)))
        if request.method == "DELETE":
            if row is not None:
                self.store.delete(name, row["id"])
            return Response(status_code=204)
        if row is None:
            return _not_found()
        if request.method == "PATCH":
            row = self.store.update(name, row["id"], body)
        elif request.method != "GET":
            return JSONResponse({"message": "Method not allowed"}, 405)
        return JSONResponse(self.store.shown(name, row))

    def _nested(
        self, request: Request, owner_name: str, owner_key: str, rest: list[str], body: Entity
    ) -> Response:
        owner = self.store.find(owner_name, owner_key)
        name = _NESTED.get(rest[0])
        if owner is None or name is None or len(rest) > 2:
            return _not_found()
        field = next((k for k, f in SCHEMAS[name].fields.items() if f.reference == owner_name), None)
        if field is None:
            return _not_found()
        reference = {field: {"id": owner["id"]}}
        if len(rest) == 1:
            return self._collection(request, name, body, reference, f"/{owner_name}/{owner_key}/{rest[0]}")
        return self._owned(request, name, rest[1], {**body, **reference} if body else {}, reference)

    def _owned(
        self, request: Request, name: str, key: str, body: Entity, reference: dict[str, Entity]
    ) -> Response:
        row = self.store.find(name, key)
        if row is not None and any(row.get(k) != v for k, v in reference.items()):
            row = None
        if name == "targets" and request.method == "PUT":
            if row is None:
                return _not_found()
            return JSONResponse(self.store.shown(name, self.store.update(name, row["id"], body)))
        if request.method == "PUT":
            return JSONResponse(self.store.shown(name, self.store.upsert(name, key, body)))
        if row is None:
            return _not_found()
        return self._entity(request, name, row["id"], body)

    def _page(self, rows: list[Entity], request: Request, path: str) -> Entity:
        query = parse_qs(request.url.query)
        size = min(int(query.get("size", ["100"])[0]), 1000)
        start = int(base64.b64decode(query["offset"][0])) if "offset" in query else 0
        page = rows[start : start + size]
        found: Entity = {"data": page, "next": None}
        if start + size < len(rows):
            offset = base64.b64encode(str(start + size).encode()).decode()
            found |= {"offset": offset, "next": f"{path}?offset={offset}"}
        return found


def _not_found() -> Response:
    return JSONResponse({"message": "Not found"}, 404)
