"""Prometheus: one counter for each combination of labels, scraped.

A scrape costs by series, not by requests, so each round is one scrape of every series as it stands then.
"""

from __future__ import annotations

import http.server
import json
import shutil
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

from bench.engines.contest import (
    MissingError,
    Portion,
    answers,
    end,
    folder_size,
    free_port,
    process_cpu_s,
    wait_until,
)

LABELS = ("consumer", "address", "service", "route", "status")
CONFIG = """
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs: [{{job_name: gateway, static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}]
"""


class Prometheus:
    """A server of its own, which scrapes a page of counters once a second."""

    name = "Prometheus"

    def __init__(self, folder: Path) -> None:
        found = shutil.which("prometheus")
        if found is None:
            raise MissingError("prometheus is not installed: apt-get install prometheus")
        said = subprocess.run([found, "--version"], check=True, capture_output=True, text=True)
        self.version = (said.stdout or said.stderr).split()[2]
        self._folder = folder
        self._counts: Counter[tuple[str, ...]] = Counter()
        self._page = b""
        self._given = threading.Event()
        self._exporter = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self._exporter.serve_forever, daemon=True).start()
        config = folder / "prometheus.yml"
        config.write_text(CONFIG.format(port=self._exporter.server_address[1]), encoding="utf-8")
        self._url = f"http://127.0.0.1:{free_port()}"
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    found,
                    f"--config.file={config}",
                    f"--storage.tsdb.path={folder / 'tsdb'}",
                    f"--web.listen-address={self._url.removeprefix('http://')}",
                ],
                stdout=log,
                stderr=log,
            )
        wait_until(lambda: answers(f"{self._url}/-/ready"), "prometheus")

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        engine = self

        class Page(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = engine._page
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                if body:
                    engine._given.set()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
                """Say nothing."""

        return Page

    def prepare(self, portion: Portion) -> None:
        """Count on."""
        self._counts.update(map(_labels, portion.entries))

    def feed(self) -> None:
        """Show the counters, and wait until they were scraped and can be asked for."""
        wanted = sum(self._counts.values())
        self._page = b"".join(
            b"requests_total{%b} %d\n"
            % (",".join(f'{n}="{v}"' for n, v in zip(LABELS, key, strict=True)).encode(), count)
            for key, count in self._counts.items()
        )
        self._given.clear()
        self._given.wait(10)
        until = time.monotonic() + 10
        while self.stored() < wanted and time.monotonic() < until:
            time.sleep(0.02)

    @property
    def series(self) -> int:
        """How many counters there are."""
        return len(self._counts)

    def cpu_s(self) -> float:
        """The server's."""
        return process_cpu_s(self._process.pid)

    def stored(self) -> int:
        """The sum of all counters, as the server answers it."""
        query = urllib.parse.urlencode({"query": "sum(requests_total)"})
        with urllib.request.urlopen(f"{self._url}/api/v1/query?{query}", timeout=10) as got:
            result = json.load(got)["data"]["result"]
        return int(result[0]["value"][1]) if result else 0

    def size(self) -> int:
        """Its store, write-ahead log included."""
        return folder_size(self._folder / "tsdb")

    def stop(self) -> None:
        """End the server and the page."""
        end(self._process)
        self._exporter.shutdown()


def _labels(entry: dict[str, Any]) -> tuple[str, ...]:
    def name(field: str) -> str:
        found = entry.get(field) or {}
        text = found.get("username") or found.get("name") or found.get("id") or ""
        return str(text).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")

    address, status = str(entry["client_ip"]), str(entry["response"]["status"])
    return name("consumer"), address, name("service"), name("route"), status
