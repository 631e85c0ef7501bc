"""A wall clock that jumps for some processes only: a library that is loaded before the C library's own."""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("clock.c")


@dataclass(frozen=True)
class Clock:
    """The wall clock of every process that has ``environment``."""

    file: Path
    library: Path

    @property
    def environment(self) -> dict[str, str]:
        return {"LD_PRELOAD": str(self.library), "CHAOS_CLOCK": str(self.file)}

    def set(self, seconds: int) -> None:
        """So far ahead of the true time, or behind it, from now on."""
        with self.file.open("r+b") as file:
            file.write(struct.pack("q", seconds))


def false_clock(folder: Path) -> Clock:
    """A clock that is right so far; skips the test where no such library can be made."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("a clock of its own takes Linux and a C compiler")
    clock = Clock(folder / "clock", folder / "clock.so")
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", SOURCE, "-o", clock.library, "-ldl"], check=True, timeout=60)
    clock.file.write_bytes(struct.pack("q", 0))
    return clock
