"""Cut a sample out of a recorded trace: what a collector saw in a span of time, secrets out.

    python samples/cut.py TRACE_FOLDER FROM_S TO_S OUT.jsonl.gz

Takes `http-log.jsonl.gz`, `kong-events.jsonl.gz` and `admin-polls.jsonl.gz` of the folder. The plugin and
name lists polled before the span go first, so that what was known then is known again. Lines keep their
shape; our own redaction takes secrets out, and fields that nobody reads are left out, so that the sample
is small and can be passed on.
"""

from __future__ import annotations

import argparse
import gzip
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from domain.redaction import redact

LISTS = ("/services", "/routes", "/consumers", "/plugins", "/upstreams")
OF_LINE = (
    "ts",
    "path",
    "node",
    "worker",
    "from_wid",
    "kind",
    "source",
    "event",
    "data",
    "http_status",
    "err",
    "body",
)
OF_ENTRY = ("client_ip", "started_at", "source", "upstream_status")
OF_REQUEST = ("id", "method", "uri")
OF_ENTITY = ("id", "name", "username", "custom_id")
OF_HEADERS = ("retry-after", "content-length", "content-type", "server", "user-agent", "host")
OF_ABOUT = ("node_id", "hostname", "version", "pids")
NO_EVENT = ("configure", "hc_subscriber", "cluster_event")
TOO_MANY_REQUESTS = 429


def picked(value: Any, names: tuple[str, ...]) -> dict[str, Any]:
    """Some fields of an object, those that are there."""
    return {name: value[name] for name in names if name in (value or {})}


def lean_entry(entry: dict[str, Any]) -> dict[str, Any]:
    """A log entry without what is not read; refusals keep their headers, as a person may look at them."""
    status, headers = entry["response"]["status"], entry["response"]["headers"]
    found = picked(entry, OF_ENTRY)
    found["request"] = picked(entry["request"], OF_REQUEST)
    found["response"] = {"status": status}
    if status == TOO_MANY_REQUESTS or "retry-after" in headers:
        limits = {name: value for name, value in headers.items() if "ratelimit" in name}
        found["response"]["headers"] = picked(headers, OF_HEADERS) | limits
        found["request"]["headers"] = picked(entry["request"]["headers"], OF_HEADERS)
        found["latencies"] = entry["latencies"]
    for name in ("consumer", "service", "route"):
        if name in entry:
            found[name] = picked(entry[name], OF_ENTITY)
    return found


def lean_post(line: dict[str, Any]) -> dict[str, Any]:
    """A recorded POST of log entries."""
    body = line["body"]
    lean = [lean_entry(entry) for entry in body] if isinstance(body, list) else lean_entry(body)
    return {"received_at": line["received_at"], "body": lean}


def lean_poll(line: dict[str, Any]) -> dict[str, Any] | None:
    """An Admin API answer, or its absence; None for answers that tell nothing.

    All nodes of a trace ran on one host; here each gets a host name of its own, as it would have elsewhere.
    """
    found = picked(line, OF_LINE)
    path = line["path"].partition("?")[0]
    if path == "/" and line["body"]:
        configuration = picked(line["body"]["configuration"], ("role", "database"))
        about = {**picked(line["body"], OF_ABOUT), "hostname": f"kong-{line['node']}"}
        found["body"] = {**about, "configuration": configuration}
    return found if path == "/" or path.startswith(LISTS) else None


def lines_of(path: Path) -> Iterator[dict[str, Any]]:
    """Every line of a recorded file, decoded."""
    with gzip.open(path, "rb") as stream:
        for line in stream:
            yield orjson.loads(line)


def cut(folder: Path, from_s: float, to_s: float) -> list[tuple[float, dict[str, Any]]]:
    """(seconds since 1970, line) of the span, in order of time."""
    found: list[tuple[float, dict[str, Any]]] = []
    for line in lines_of(folder / "admin-polls.jsonl.gz"):
        lean = lean_poll(line)
        is_list = line["path"].partition("?")[0] in LISTS
        if lean is not None and is_list and line["ts"] < to_s:
            found.append((min(line["ts"], from_s), {**lean, "ts": max(line["ts"], from_s)}))
        elif lean is not None and not is_list and from_s <= line["ts"] < to_s:
            found.append((line["ts"], lean))
    found += [
        (line["received_at"], lean_post(line))
        for line in lines_of(folder / "http-log.jsonl.gz")
        if from_s <= line["received_at"] < to_s
    ]
    found += [
        (line["ts"], picked(line, OF_LINE))
        for line in lines_of(folder / "kong-events.jsonl.gz")
        if from_s <= line["ts"] < to_s and line["kind"] not in NO_EVENT and line.get("source") != "crud"
    ]
    return sorted(found, key=lambda item: item[0])


def main() -> None:
    """Read the options, write the file, say what it holds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("from_s", type=float)
    parser.add_argument("to_s", type=float)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    found = cut(options.folder, options.from_s, options.to_s)
    with gzip.GzipFile(options.out, "wb", compresslevel=9, mtime=0) as stream:
        for _, line in found:
            stream.write(orjson.dumps(redact(line)) + b"\n")
    print(f"{options.out}: {len(found)} lines, {options.out.stat().st_size:,} bytes")  # noqa: T201 - its output


if __name__ == "__main__":
    main()
