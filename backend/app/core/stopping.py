"""Whether this worker has been told to stop: known in its children at once, for they share a byte of memory."""

from __future__ import annotations

import mmap

# Anonymous shared memory, made before the pool forks: what the main process writes its children read.
_byte = mmap.mmap(-1, 1)


def ask_to_stop() -> None:
    """Let every task of this worker give its run back at the next pause point."""
    _byte[0] = 1


def is_stopping() -> bool:
    """Whether somebody has asked."""
    return _byte[0] != 0
