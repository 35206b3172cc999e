"""A Kong node's Admin API to poll, in the shapes of Kong 3.9.3: an ASGI application.

In one process through httpx, or as a process: `python -m tests.collector.poller.kong_node PORT NODE_ID`.
"""

from __future__ import annotations

import json
import sys
from typing import Any
from urllib.parse import parse_qs

Entity = dict[str, Any]


class KongNode:
    """One node. Change its fields to change its answers.

    Args:
        node_id: Its id; a restart gives it another one.
        token: What `Kong-Admin-Token` must say; nothing is asked for when empty.
    """

    def __init__(self, node_id: str = "n-1", *, token: str = "") -> None:
        self.node_id = node_id
        self.token = token
        self.hostname = "gw-1"
        self.version = "3.9.3"
        self.configuration: dict[str, Any] = {
            "role": "traditional",
            "database": "postgres",
            "pg_host": "db",
            "pg_port": 5432,
            "pg_database": "kong",
            "pg_password": "******",
            "trusted_ips": [],
            "real_ip_header": "X-Real-IP",
        }
        self.plugins_available = ["http-log", "key-auth", "rate-limiting"]
        self.config_hash: str | None = None
        self.is_database_reachable = True
        self.lists: dict[str, list[Entity]] = {
            name: [] for name in ("services", "routes", "consumers", "plugins", "upstreams")
        }
        self.health: dict[str, dict[str, str]] = {}
        """Upstream -> target -> Kong's word for its health."""
        self.data_planes: list[Entity] = []
        self.page_size = 1_000
        self.status_of: dict[str, int] = {}
        """Path -> the status it answers with instead."""
        self.headers: list[tuple[bytes, bytes]] = []
        self.raw: dict[str, bytes] = {}
        """Path -> the body it answers with instead."""
        self.calls: list[str] = []

    async def __call__(self, scope: dict[str, Any], _receive: Any, send: Any) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        path, query = scope["path"], parse_qs(scope["query_string"].decode())
        self.calls.append(path)
        status, body = self._answer(path, query, dict(scope["headers"]))
        raw = self.raw.get(path)
        data = json.dumps(body).encode() if raw is None else raw
        headers = [(b"content-type", b"application/json; charset=utf-8"), *self.headers]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": data})

    def _answer(self, path: str, query: dict[str, list[str]], headers: dict[bytes, bytes]) -> tuple[int, Any]:
        if self.token and headers.get(b"kong-admin-token", b"").decode() != self.token:
            return 401, {"message": "Invalid credentials. Token or User credentials required"}
        if path in self.status_of:
            return self.status_of[path], {"message": "as told"}
        parts = path.strip("/").split("/")
        simple = {"": self._about, "status": self._status}
        found: tuple[int, Any] = (404, {"message": "Not found"})
        if path.strip("/") in simple:
            found = 200, simple[path.strip("/")]()
        elif path == "/clustering/data-planes":
            found = self._data_planes()
        elif len(parts) == 3 and parts[0] == "upstreams" and parts[2] == "health":
            found = self._targets(parts[1])
        elif path.strip("/") in self.lists:
            found = 200, self._page(path.strip("/"), query)
        return found

    def _data_planes(self) -> tuple[int, Any]:
        if self.configuration["role"] != "control_plane":
            return 400, {"message": "this endpoint is only available on a control plane node"}
        return 200, {"data": self.data_planes, "next": None}

    def _about(self) -> Entity:
        enabled = sorted({plugin["name"] for plugin in self.lists["plugins"]})
        return {
            "node_id": self.node_id,
            "hostname": self.hostname,
            "version": self.version,
            "tagline": "Welcome to kong",
            "lua_version": "LuaJIT 2.1.0-20231117",
            "pids": {"master": 1, "workers": [10, 11]},
            "timers": {"running": 0, "pending": 8},
            "plugins": {
                "available_on_server": {
                    name: {"version": self.version, "priority": 1} for name in self.plugins_available
                },
                "enabled_in_cluster": enabled,
            },
            "configuration": self.configuration,
        }

    def _status(self) -> Entity:
        found: Entity = {
            "memory": {
                "workers_lua_vms": [{"pid": 10, "http_allocated_gc": "40 MiB"}],
                "lua_shared_dicts": {},
            },
            "server": {"total_requests": 7, "connections_active": 1},
        }
        if self.configuration["database"] == "postgres":
            found["database"] = {"reachable": self.is_database_reachable}
        if self.config_hash is not None:
            found["configuration_hash"] = self.config_hash
        return found

    def _targets(self, upstream: str) -> tuple[int, Any]:
        if upstream not in self.health:
            return 404, {"message": "Not found"}
        data = [
            {
                "id": f"t-{target}",
                "target": target,
                "weight": 100,
                "health": health,
                "data": {"addresses": []},
            }
            for target, health in self.health[upstream].items()
        ]
        return 200, {"data": data, "next": None, "node_id": self.node_id}

    def _page(self, name: str, query: dict[str, list[str]]) -> Entity:
        start = int(query.get("offset", ["0"])[0])
        size = min(self.page_size, int(query.get("size", ["100"])[0]))
        items = self.lists[name]
        following = f"/{name}?offset={start + size}" if start + size < len(items) else None
        return {"data": items[start : start + size], "next": following}


def upstream(name: str, *, interval: int = 1) -> Entity:
    """An upstream, with active health checks unless the interval is 0."""
    checks = {"active": {"healthy": {"interval": interval}, "unhealthy": {"interval": interval}}}
    return {"id": f"u-{name}", "name": name, "healthchecks": checks}


def limit_plugin(plugin_id: str = "p-1", **config: Any) -> Entity:
    """A rate-limiting plugin, everywhere."""
    return {
        "id": plugin_id,
        "name": "rate-limiting",
        "enabled": True,
        "route": None,
        "service": None,
        "consumer": None,
        "config": {"minute": 5, "policy": "local", "limit_by": "consumer", **config},
    }


def main() -> None:
    """Serve one node on a port of loopback."""
    import uvicorn  # noqa: PLC0415 - only where it is a process

    node = KongNode(sys.argv[2])
    node.lists["upstreams"] = [upstream("orders")]
    node.health = {"orders": {"10.0.0.1:80": "HEALTHY"}}
    uvicorn.run(node, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", lifespan="off")  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
