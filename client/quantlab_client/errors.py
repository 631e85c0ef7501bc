"""What can go wrong; ``str(error)`` is the server's own sentence.

::

    QuantLabError
    ├── InvalidRequest    an argument is wrong (422); nothing was done
    │   └── NotFound      a symbol, dataset or address that there is not (404)
    ├── NotReady          the time to wait was over before the day was complete
    └── Unavailable       no answer, or the server cannot give one now (5xx): try again later
"""

from __future__ import annotations


class QuantLabError(Exception):
    """Base of all. ``kind`` is the server's word for it, such as ``UnknownSymbol``; None when it said nothing."""

    def __init__(self, message: str, *, kind: str | None = None) -> None:
        super().__init__(message)
        self.kind = kind


class InvalidRequest(QuantLabError):
    """An argument is wrong."""


class NotFound(InvalidRequest):
    """There is no such symbol, dataset or address."""


class NotReady(QuantLabError):
    """The day was not complete in time."""


class Unavailable(QuantLabError):
    """The server does not answer, or cannot now."""
