"""A container's health check: ``python -m app.cli.alive FILE``. Standard library only: it is started often."""

from __future__ import annotations

import sys
import time
from pathlib import Path

OLDEST = 60.0
"""Seconds since the program's main loop touched its file."""


def main(argv: list[str]) -> int:
    """0 while the file named is fresh, else 1 and a sentence."""
    if len(argv) != 1:
        sys.stderr.write("usage: python -m app.cli.alive FILE\n")
        return 2
    try:
        age = time.time() - Path(argv[0]).stat().st_mtime
    except OSError as error:
        sys.stderr.write(f"{argv[0]} cannot be read ({error.strerror}): its program has not begun to serve.\n")
        return 1
    if age > OLDEST:
        sys.stderr.write(f"The main loop has not turned for {age:.0f} s.\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
