"""Passwords: what checking them costs."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import psutil

from app.services.passwords import is_password

CALLERS = 24
MIB = 2**20


def test_whoever_asks_no_thread_keeps_a_buffer() -> None:
    """Each hash takes 19 MiB, which the allocator would keep for each of the threads of the web."""
    start = threading.Barrier(CALLERS)

    def one(_: int) -> bool:
        start.wait(30)
        return is_password("correct horse", None)

    before = psutil.Process().memory_info().rss
    with ThreadPoolExecutor(CALLERS) as pool:
        assert not any(pool.map(one, range(CALLERS)))
        assert psutil.Process().memory_info().rss - before < 100 * MIB
