"""The holiday: one line of the exchange's own list of special days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class Holiday:
    """A day that the exchange's holiday schedule names, which may be an open one.

    The list also carries the first and last sessions around the New Year (``is_session`` True), and it never
    carries typhoon closures.
    """

    day: date
    name: str
    is_session: bool
    note: str = ""
