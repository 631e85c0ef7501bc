"""TCP ports of this machine's loopback."""

from __future__ import annotations

import contextlib
import http.client
import socket

LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """A port that nobody listens on now; the system does not hand it out again for a while."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def is_taken(port: int, host: str = LOOPBACK) -> bool:
    """Whether another program listens on ``host:port``, or on that port of every address."""
    # macOS lets one bind an address beside a program that has the wildcard; who connects then meets either.
    with contextlib.suppress(OSError), socket.create_connection((host or LOOPBACK, port), timeout=0.5):
        return True
    with socket.socket() as probe:
        # As servers do: a port in TIME_WAIT is free for us.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return True
    return False


def next_free(port: int, host: str = LOOPBACK) -> int:
    """The first port above *port* that can be had."""
    return next((other for other in range(port + 1, min(port + 100, 65_536)) if not is_taken(other, host)), 8080)


def answers_http(port: int, path: str, host: str = LOOPBACK) -> bool:
    """Whether a web server on ``host:port`` answers ``path`` with anything but a failure of its own."""
    link = http.client.HTTPConnection(host, port, timeout=5)
    try:
        link.request("GET", path)
        return link.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        link.close()
