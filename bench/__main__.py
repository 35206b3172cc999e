"""List the benches, or run some: `python -m bench [NAME...] [-- OPTIONS]`."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from pathlib import Path


def names() -> dict[str, str]:
    """Every bench with the first line of what it says about itself."""
    found = {}
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if module.name != "__main__" and not module.ispkg:
            doc = importlib.import_module(f"bench.{module.name}").__doc__ or ""
            found[module.name] = doc.strip().splitlines()[0] if doc.strip() else ""
    return found


def main(arguments: list[str]) -> int:
    """Run the named benches one after the other; without names, say which there are."""
    split = arguments.index("--") if "--" in arguments else len(arguments)
    wanted, options = arguments[:split], arguments[split + 1 :]
    known = names()
    unknown = [name for name in wanted if name not in known]
    if unknown:
        print(f"bench: no bench is called {unknown[0]!r}; there are: {', '.join(known)}", file=sys.stderr)
        return 2
    if not wanted:
        for name, about in known.items():
            print(f"python -m bench {name:16} {about}")
        return 0
    for name in wanted:
        importlib.import_module(f"bench.{name}").main(options)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
