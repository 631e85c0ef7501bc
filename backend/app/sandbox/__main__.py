"""``python -m app.sandbox``: the sandbox exchange alone."""

from __future__ import annotations

import argparse
import sys
from datetime import datetime
from pathlib import Path

from app.errors import QuantLabError
from app.sandbox.faults import MEANING, SITES
from app.sandbox.server import DEFAULT_PORT, DEFAULT_SEED, serve

_KINDS = "\n".join(f"  {kind:<15} {meaning}" for kind, meaning in MEANING.items())
_EXAMPLES = f"""\
examples:
  python -m app.sandbox
  python -m app.sandbox --port 8901 --seed 7
  python -m app.sandbox --replay panel.parquet --now 2024-07-01T18:00
  python -m app.sandbox --fault twse/MI_INDEX:429:3:10 --fault tpex:ban-page:always

faults:
{_KINDS}
  sites: {", ".join(SITES)}, or * for all; TIMES is 1 unless given, or "always";
  SECONDS is the delay of slow and the Retry-After of 429.
  While it runs: POST, GET or DELETE /_faults; GET or DELETE /_requests; GET /_health.
"""


def main(arguments: list[str] | None = None) -> int:
    """Serve until interrupted; 0 at a clean end, 2 where the arguments do not allow it."""
    parser = argparse.ArgumentParser(
        prog="python -m app.sandbox",
        description="A local server that speaks the exchanges' wire formats. Its prices are synthetic or replayed.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="port to listen on (%(default)s)")
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, help="seed of the synthetic prices (%(default)s)")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="serve this Parquet panel instead")
    parser.add_argument(
        "--now", type=datetime.fromisoformat, metavar="TIME", help="let the clock stand at this Taipei time"
    )
    parser.add_argument(
        "--fault", action="append", default=[], metavar="SITE[/PATH]:FAULT[:TIMES[:SECONDS]]", help="start with a fault"
    )
    asked = parser.parse_args(arguments)
    try:
        serve(host=asked.host, port=asked.port, seed=asked.seed, replay=asked.replay, now=asked.now, faults=asked.fault)
    except QuantLabError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
