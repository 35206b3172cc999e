"""Checks an evidence pack: `python verify.py PACK.zip [--head HASH]`. Needs Python 3.9 and nothing else.

Every line of `timeline.jsonl` carries a hash over itself and the line before, and `manifest.json` the last of
them, the head. A line that was altered, left out, added or moved breaks the chain. Whoever can make a whole
new pack can make a whole new chain: compare the head with the one that Gatewatch's log of decisions recorded
when the pack was made.

This file goes into every pack as `verify.py`, as it is.
"""

from __future__ import annotations

import hashlib
import json
import sys
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

FORMAT = "gatewatch-evidence/1"
FIRST = "0" * 64
TIMELINE, MANIFEST = "timeline.jsonl", "manifest.json"
BAD_PACK, NO_PACK = 1, 2
MOST_SHOWN = 20


def chain_of(previous: str, entry: dict[str, Any]) -> str:
    """The hash of an entry, given that of the one before."""
    plain = {name: value for name, value in entry.items() if name != "chain"}
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(f"{previous}\n{text}".encode()).hexdigest()


def chained(entries: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Entries with their number and their hash."""
    previous = FIRST
    for number, entry in enumerate(entries, 1):
        numbered = {**entry, "n": number}
        previous = chain_of(previous, numbered)
        yield {**numbered, "chain": previous}


def problems(timeline: bytes, manifest: bytes, head: str | None = None) -> list[str]:
    """What is wrong with a pack, in words; empty when nothing is.

    Args:
        timeline: The file of entries.
        manifest: The file that says what there is.
        head: The head as recorded elsewhere, to compare with.
    """
    try:
        told = json.loads(manifest)
        if told["format"] != FORMAT:
            return [f"the manifest is of format {told['format']}, this checks {FORMAT}"]
        expected, count = str(told["head"]), int(told["entries"])
    except (ValueError, KeyError, TypeError):
        return ["the manifest cannot be read"]
    found, previous, number = [], FIRST, 0
    for number, line in enumerate(timeline.splitlines(), 1):
        try:
            entry = json.loads(line)
            is_whole = entry["chain"] == chain_of(previous, entry) and entry["n"] == number
            previous = str(entry["chain"])
        except (ValueError, KeyError, TypeError):
            found.append(f"line {number} cannot be read")
            continue
        if not is_whole:
            found.append(f"line {number} is not what followed the line before when the pack was made")
    if number != count:
        found.append(f"there are {number} entries, the manifest says {count}")
    if previous != expected:
        found.append("the last entry is not the one that the manifest names")
    if head is not None and head != expected:
        found.append(f"the head is {expected}, and not the one that was recorded: this is another pack")
    return found


def main(arguments: list[str]) -> int:
    """Check a pack; returns the exit status: 0 whole, 1 not whole, 2 no pack."""
    head = None
    if len(arguments) == 3 and arguments[1] == "--head":  # noqa: PLR2004
        head = arguments[2]
    elif len(arguments) != 1:
        sys.stderr.write("usage: python verify.py PACK.zip [--head HASH]\n")
        return NO_PACK
    try:
        with zipfile.ZipFile(Path(arguments[0])) as pack:
            timeline, manifest = pack.read(TIMELINE), pack.read(MANIFEST)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        sys.stderr.write(f"{arguments[0]} is no evidence pack: {error}\n")
        return NO_PACK
    found = problems(timeline, manifest, head)
    for text in found[:MOST_SHOWN]:
        sys.stdout.write(f"NOT WHOLE: {text}\n")
    if not found:
        told = json.loads(manifest)
        more = "" if head else "; compare the head with the log of decisions"
        sys.stdout.write(f"whole: {told['entries']} entries, head {told['head']}{more}\n")
    return BAD_PACK if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
