"""A small disk of one's own, to fill up."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def small_disk(folder: Path, *, megabytes: int) -> Iterator[None]:
    """Let ``folder`` be a file system of so many MB; skips the test where this machine does not allow mounts."""
    folder.mkdir(parents=True, exist_ok=True)
    words = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0711", "quantlab-chaos", folder]
    try:
        if os.geteuid() != 0:
            raise PermissionError("it takes root")
        subprocess.run(words, check=True, capture_output=True, timeout=10)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"this machine allows no small file systems: {error}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=False, capture_output=True, timeout=30)


@contextlib.contextmanager
def full(folder: Path) -> Iterator[None]:
    """Within the block no byte is free on the disk of ``folder``."""
    ballast = folder / "ballast"
    piece = b"\0" * 65_536
    descriptor = os.open(ballast, os.O_WRONLY | os.O_CREAT)
    try:
        while piece:
            try:
                os.write(descriptor, piece)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                piece = piece[: len(piece) // 2]
        yield
    finally:
        os.close(descriptor)
        ballast.unlink()
