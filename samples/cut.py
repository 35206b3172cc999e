"""Cut a sample out of a recorded trace: what a collector saw in a span of time, secrets out.

    python samples/cut.py TRACE_FOLDER FROM_S TO_S OUT.jsonl.gz

Takes `http-log.jsonl.gz`, `kong-events.jsonl.gz` and `admin-polls.jsonl.gz` of the folder. The plugin and
name lists polled before the span go first, so that what was known then is known again. Lines keep their
shape; secrets are replaced by our own redaction, so that the sample can be passed on.
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

KEPT_POLLS = ("/services", "/routes", "/consumers", "/plugins", "/upstreams")


def lines_of(path: Path) -> Iterator[dict[str, Any]]:
    """Every line of a recorded file, decoded."""
    with gzip.open(path, "rb") as stream:
        for line in stream:
            yield orjson.loads(line)


def cut(folder: Path, from_s: float, to_s: float) -> list[tuple[float, dict[str, Any]]]:
    """(seconds since 1970, line) of the span, in order of time."""
    found: list[tuple[float, dict[str, Any]]] = []
    for line in lines_of(folder / "admin-polls.jsonl.gz"):
        is_list = str(line["path"]).startswith(KEPT_POLLS) and "health" not in line["path"]
        if is_list and line["ts"] < to_s:
            found.append((min(line["ts"], from_s), {**line, "ts": min(line["ts"], from_s)}))
        elif from_s <= line["ts"] < to_s and "health" in line["path"]:
            found.append((line["ts"], line))
    for name, key in (("http-log.jsonl.gz", "received_at"), ("kong-events.jsonl.gz", "ts")):
        found += [(line[key], line) for line in lines_of(folder / name) if from_s <= line[key] < to_s]
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
