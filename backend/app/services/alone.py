"""One export of a kind at a time, and what the second one is told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from app.errors import AlreadyRunning, ExportBusy
from app.export.publish import exclusive
from app.services.context import Context

PATIENCE = 3.0
"""Seconds: going back to an earlier snapshot holds the folder for some milliseconds, and is no other export."""


@contextmanager
def alone(context: Context, root: Path) -> Iterator[None]:
    """``exclusive``, but an attempt that follows a lost one may find that one, frozen, and must come again."""
    with ExitStack() as held:
        try:
            held.enter_context(exclusive(root, patience=PATIENCE))
        except AlreadyRunning as busy:
            if context.lease is None or context.lease.token == 1:
                raise
            raise ExportBusy(f"{busy} It may be an earlier attempt of this run that hangs.") from busy
        yield
