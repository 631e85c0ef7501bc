"""Files that only their owner may read."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def write_private(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` at once and for its owner only; readers see the old file or the new, never half."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)


def kept_secret(path: Path) -> str:
    """The secret that ``path`` holds; generated (URL-safe, 192 bits) and kept there at the first call."""
    if path.exists():
        return path.read_text().strip()
    secret = secrets.token_urlsafe(24)
    write_private(path, secret + "\n")
    return secret
