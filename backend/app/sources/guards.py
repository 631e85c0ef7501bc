"""What stands between us and a site: a quota shared by all workers, and a breaker. Redis keeps the real ones."""

from __future__ import annotations

from typing import Protocol

from app.errors import SourceError
from app.sources.base import Site


class Quota(Protocol):
    """How often a site may be asked, over all workers."""

    def acquire(self, site: Site) -> None:
        """Wait for a turn to ask *site*; RateLimited when none comes in time, or while it rests."""

    def rest(self, site: Site, seconds: float, reason: str) -> None:
        """The site wants to be left alone for so long: nobody asks it until then."""


class Breaker(Protocol):
    """Whether a site may be asked at all."""

    def check(self, site: Site) -> None:
        """While open: SourceRefused or SourceUnavailable, saying since when, why, and when it is tried again."""

    def success(self, site: Site) -> None:
        """The site answered."""

    def failure(self, site: Site, error: SourceError) -> None:
        """The site did not answer; too many in a row open the breaker."""

    def open(self, site: Site, reason: str) -> None:
        """The site refused us: open at once."""


class NoQuota:
    """Asks as often as one likes: for tests and for a sandbox."""

    def acquire(self, site: Site) -> None:
        """Go on."""

    def rest(self, site: Site, seconds: float, reason: str) -> None:
        """Forget it."""


class NoBreaker:
    """Never open: for tests."""

    def check(self, site: Site) -> None:
        """Go on."""

    def success(self, site: Site) -> None:
        """Forget it."""

    def failure(self, site: Site, error: SourceError) -> None:
        """Forget it."""

    def open(self, site: Site, reason: str) -> None:
        """Forget it."""
