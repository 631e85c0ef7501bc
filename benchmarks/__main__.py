"""``python -m benchmarks [name …]``: all benchmarks, or the named ones."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

ALL = ("ingest", "keys", "ledger", "day", "backfill", "reads", "export", "runs", "console")
PROJECT = Path(__file__).resolve().parents[1]


def main(names: list[str]) -> int:
    # `make bench` starts this from any folder, and the package `app` need not be installed.
    sys.path[:0] = [str(PROJECT), str(PROJECT / "backend")]
    unknown = sorted(set(names) - set(ALL))
    if unknown:
        print(f"There is no benchmark {', '.join(unknown)}; there are {', '.join(ALL)}.", file=sys.stderr)
        return 2
    missed = 0
    for name in names or ALL:
        missed += importlib.import_module(f"benchmarks.{name}").main()
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
