"""Which QuantLab this is: the release, and the very source that this process runs."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

try:
    VERSION = version("quantlab")
except PackageNotFoundError:  # run from a folder that was never installed
    VERSION = "unknown"

_SOURCE = Path(__file__).resolve().parents[1]


@cache
def fingerprint() -> str:
    """A mark of the source as it lay on disk when this process first asked; a program asks at its start.

    Two processes of different marks run different code, whatever their release says.
    """
    digest = hashlib.sha256()
    for path in sorted(_SOURCE.rglob("*")):
        if path.suffix in {".py", ".toml"}:
            digest.update(b"\0".join((path.relative_to(_SOURCE).as_posix().encode(), path.read_bytes(), b"")))
    return digest.hexdigest()[:12]
