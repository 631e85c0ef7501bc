"""A clock that jumps for some processes only: libfaketime, told by a file what time it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

PLACES = ("/usr/lib", "/usr/lib64", "/usr/local/lib")


@dataclass(frozen=True)
class Clock:
    """The clock of every process that has ``environment``."""

    file: Path
    library: Path

    @property
    def environment(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": str(self.library),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            # A jump of the wall clock leaves the monotonic one alone, as on a real machine.
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, seconds: float) -> None:
        """So far ahead of the true time, or behind it, from now on."""
        aside = self.file.with_suffix(".new")
        aside.write_text(f"{seconds:+.0f}s\n")
        aside.replace(self.file)


def false_clock(folder: Path) -> Clock:
    """A clock that is right so far; skips the test where libfaketime is not installed."""
    found = [path for place in PLACES for path in sorted(Path(place).glob("**/faketime/libfaketimeMT.so.1"))]
    if not found:
        pytest.skip("libfaketime is not installed (Debian: apt-get install faketime)")
    clock = Clock(folder / "clock", found[0])
    clock.set(0)
    return clock
