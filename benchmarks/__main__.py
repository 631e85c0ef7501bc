"""``python -m benchmarks [name …] [--keep | --guard]``: all benchmarks, or the named ones.

Each prints what it measured and then its claims, each beside its bar; the exit code is 1 when a bar is missed.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

ALL = ("ingest", "keys", "ledger", "day", "backfill", "reads", "load", "export", "runs", "console", "start")
PROJECT = Path(__file__).resolve().parents[1]
# `make bench` starts this from any folder, and the package `app` need not be installed.
sys.path[:0] = [str(PROJECT), str(PROJECT / "backend")]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure the performance claims.")
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(ALL)}; all when left out")
    parser.add_argument("--keep", action="store_true", help="keep the values, in docs/reference/performance.md")
    parser.add_argument("--guard", action="store_true", help="fail only where a value is far worse than the one kept")
    asked = parser.parse_args(arguments)
    if unknown := sorted(set(asked.names) - set(ALL)):
        parser.error(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(ALL)}")
    kept = importlib.import_module("benchmarks.kept")
    found = {}
    for name in asked.names or ALL:
        claims = importlib.import_module(f"benchmarks.{name}").main()
        print(*claims, sep="\n", flush=True)
        found[name] = claims
    if asked.keep:
        kept.keep(found)
    if asked.guard:
        worse = kept.far_worse(found)
        print(*worse, sep="\n", file=sys.stderr)
        return bool(worse)
    return any(not claim.met for claims in found.values() for claim in claims)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
