"""How long the web waits for those who connect and say nothing, and how many it lets in: uvicorn waits for ever."""

from __future__ import annotations

import asyncio
import resource

from uvicorn.protocols.http.h11_impl import H11Protocol

HEADERS_WITHIN = 20.0
"""Seconds for a request's line and headers, from the connection or from the end of the answer before."""
MOST_CONNECTIONS = 1_000
SPARE_DESCRIPTORS = 200
"""For PostgreSQL, Redis and files. Without one left nothing can be accepted, not even to say no."""


def most_connections() -> int:
    """As many as the process has descriptors for."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_CONNECTIONS if soft < 0 else min(MOST_CONNECTIONS, max(soft - SPARE_DESCRIPTORS, soft // 2))


class PatientForAWhile(H11Protocol):
    """Closes a connection on which no request comes in time, and at once one too many."""

    _limit: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """One more; it may be sent away."""
        super().connection_made(transport)
        if len(self.connections) > most_connections():
            transport.abort()
        else:
            self._wait()

    def data_received(self, data: bytes) -> None:
        """Some of a request."""
        super().data_received(data)
        self._wait()

    def on_response_complete(self) -> None:
        """Uvicorn itself closes what says nothing after an answer; but not what then says half a word."""
        super().on_response_complete()
        self._stop_waiting()
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait(self) -> None:
        if not self._idle:
            self._stop_waiting()
        elif self._limit is None:
            self._limit = self.loop.call_later(HEADERS_WITHIN, self._give_up)

    def _stop_waiting(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None

    def _give_up(self) -> None:
        # A live socket has the connection now, with a patience of its own.
        if self._idle and self.transport.get_protocol() is self:
            self.transport.abort()

    @property
    def _idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete
