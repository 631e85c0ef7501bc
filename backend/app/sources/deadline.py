"""A bound on the whole of a request, however little at a time the other side sends.

httpx bounds each read. A site that sends one byte of its headers a minute, or one interim answer after the other, would
keep a worker for ever; here each read, write and handshake gets no more than what is left of the request's time.
"""

from __future__ import annotations

import math
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import httpcore
import httpx


class Deadline(threading.local):
    """When the request under way in this thread has to be over, by the monotonic clock."""

    def __init__(self) -> None:
        self._end = math.inf

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """All that the block sends and receives has to be done in *seconds*."""
        self._end = time.monotonic() + seconds
        try:
            yield
        finally:
            self._end = math.inf

    def left(self, timeout: float | None) -> float | None:
        """What one step may take. Raises httpcore.ReadTimeout when the time is over."""
        if self._end == math.inf:
            return timeout
        left = self._end - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("the time for the whole request is over")
        return left if timeout is None else min(timeout, left)

    def bind(self, client: httpx.Client) -> None:
        """Let each connection that *client* will open keep to this deadline."""
        # httpx has no public way to hand a backend to httpcore, whose public class it is, and keep the proxies of the
        # environment. tests/fuzz/test_transport.py fails where a new version has moved these.
        for transport in (client._transport, *client._mounts.values()):  # noqa: SLF001
            if isinstance(transport, httpx.HTTPTransport):
                pool: Any = transport._pool  # noqa: SLF001
                pool._network_backend = _Backend(pool._network_backend, self)  # noqa: SLF001


class _Backend(httpcore.NetworkBackend):
    def __init__(self, inner: httpcore.NetworkBackend, deadline: Deadline) -> None:
        self._inner, self._deadline = inner, deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        left = self._deadline.left(timeout)
        stream = self._inner.connect_tcp(host, port, left, local_address, socket_options)
        return _Stream(stream, self._deadline)


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._inner, self._deadline = inner, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._deadline.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._deadline.left(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        stream = self._inner.start_tls(ssl_context, server_hostname, self._deadline.left(timeout))
        return _Stream(stream, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
