"""A TCP proxy that can be cut, frozen and slowed down while clients are connected through it."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Iterator

_RESET = struct.pack("ii", 1, 0)


class Proxy:
    """Passes bytes from ``host:port`` (any free one) to ``127.0.0.1:target``; change ``delay`` at any time.

    ``delay`` is in seconds and added to every piece that comes back from the server.
    """

    def __init__(self, target: int, *, host: str = "127.0.0.1") -> None:
        self.delay = 0.0
        self._target = target
        self._flowing = threading.Event()
        self._flowing.set()
        self._refusing = False
        self._links: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server((host, 0), backlog=128)
        self.host, self.port = self._listener.getsockname()[:2]
        threading.Thread(target=self._accept, daemon=True, name=f"proxy {self.port}").start()

    @contextlib.contextmanager
    def cut(self) -> Iterator[None]:
        """Within the block connections are reset and new ones are closed at once, as by a server that is down."""
        self._refusing = True
        self._reset_all()
        try:
            yield
        finally:
            self._refusing = False

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Within the block nothing passes and nobody is told, as behind a cable that was pulled."""
        self._flowing.clear()
        try:
            yield
        finally:
            self._flowing.set()

    @contextlib.contextmanager
    def slow(self, seconds: float) -> Iterator[None]:
        """Within the block each reply takes so much longer."""
        self.delay = seconds
        try:
            yield
        finally:
            self.delay = 0.0

    def close(self) -> None:
        """End; connections are reset."""
        self._refusing = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept, which close alone does not
        self._listener.close()
        self._flowing.set()
        self._reset_all()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._refusing:
                _reset(client)
                continue
            threading.Thread(target=self._join, args=[client], daemon=True).start()

    def _join(self, client: socket.socket) -> None:
        try:
            self._flowing.wait()
            server = socket.create_connection(("127.0.0.1", self._target), timeout=5)
        except OSError:
            _reset(client)
            return
        server.settimeout(None)
        for link in (client, server):
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._links |= {client, server}
        for source, sink, is_reply in ((client, server, False), (server, client, True)):
            threading.Thread(target=self._pump, args=[source, sink, is_reply], daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, is_reply: bool) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(65_536):
                self._flowing.wait()
                if is_reply and self.delay:
                    time.sleep(self.delay)
                sink.sendall(piece)
            self._flowing.wait()
        with self._lock:
            self._links -= {source, sink}
        for link in (source, sink):
            with contextlib.suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)
            # The other pump may still be in a call on it; the descriptor goes when both have ended.
        source.close()

    def _reset_all(self) -> None:
        with self._lock:
            links, self._links = self._links, set()
        for link in links:
            _reset(link)


def _reset(link: socket.socket) -> None:
    with contextlib.suppress(OSError):
        link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        link.shutdown(socket.SHUT_RDWR)
    link.close()
