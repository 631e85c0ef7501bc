"""Faults on demand: what an exchange's site does on its bad days, where and how often."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from app.errors import InvalidParameter

SITES = ("twse", "twse-openapi", "tpex", "mis", "isin", "finmind")


class Kind(StrEnum):
    """What goes wrong."""

    TOO_MANY = "429"
    USED_UP = "402"  # FinMind's word for a quota that is used up until the hour is over
    BANNED = "403"
    BAN_PAGE = "ban-page"
    REDIRECT = "307"
    SERVER_ERROR = "5xx"
    HTML = "html"
    EMPTY = "empty"
    TRUNCATED = "truncated"
    RESET = "reset"
    SLOW = "slow"
    WRONG_DATE = "wrong-date"
    EXTRA_COLUMN = "extra-column"
    MISSING_COLUMN = "missing-column"
    BAD_CELLS = "bad-cells"
    BAD_ORDER = "bad-order"


MEANING = {
    Kind.TOO_MANY: "Too Many Requests, with Retry-After SECONDS",
    Kind.USED_UP: "FinMind: the hour's quota is used up",
    Kind.BANNED: "FinMind: this address is banned",
    Kind.BAN_PAGE: "TWSE's page for who asks too often, with status 200; the site's breaker opens",
    Kind.REDIRECT: "a redirect to that page",
    Kind.SERVER_ERROR: "503 Service Unavailable",
    Kind.HTML: "a page about maintenance in place of the data",
    Kind.EMPTY: "a reply without a body",
    Kind.TRUNCATED: "half of a body",
    Kind.RESET: "the connection is cut off",
    Kind.SLOW: "the answer comes after SECONDS",
    Kind.WRONG_DATE: "the session before the one that was asked for",
    Kind.EXTRA_COLUMN: "a column more",
    Kind.MISSING_COLUMN: "the close's column is missing",
    Kind.BAD_CELLS: "three rows with cells that cannot be true or read",
    Kind.BAD_ORDER: "three rows with high and low exchanged, which can be released from quarantine",
}
"""What each kind is, for who wants to try it."""


@dataclass(slots=True)
class Fault:
    """One fault and the requests that it hits: those of *site* whose address holds *path*, *times* times.

    ``times`` None is until removed. ``seconds`` is the delay of ``slow`` and the Retry-After of ``429``.
    """

    site: str
    fault: Kind
    path: str = ""
    times: int | None = 1
    seconds: float = 2.0
    hits: int = 0

    @classmethod
    def from_json(cls, value: object) -> Fault:
        """A fault from the control path's body. Raises InvalidParameter with the reason."""
        if not isinstance(value, dict) or set(value) - {"site", "path", "fault", "times", "seconds"}:
            raise InvalidParameter("A fault is an object of site, fault, and if wished path, times and seconds.")
        site, kind = value.get("site"), value.get("fault")
        if site not in (*SITES, "*"):
            raise InvalidParameter(f"{site!r} is no site; there are {', '.join(SITES)} and * for all.")
        if kind not in set(Kind):
            raise InvalidParameter(f"{kind!r} is no fault; there are {', '.join(Kind)}.")
        times, seconds = value.get("times", 1), value.get("seconds", 2.0)
        if times is not None and (not isinstance(times, int) or times < 1):
            raise InvalidParameter(f"times is {times!r}; it has to be a number from 1, or null for always.")
        if not isinstance(seconds, int | float) or seconds < 0:
            raise InvalidParameter(f"seconds is {seconds!r}; it has to be a number from 0.")
        return cls(site, Kind(kind), path=str(value.get("path", "")), times=times, seconds=float(seconds))

    @classmethod
    def from_text(cls, text: str) -> Fault:
        """``SITE[/PATH]:FAULT[:TIMES[:SECONDS]]``, times ``always`` for ever: ``twse/MI_INDEX:429:3``."""
        where, *parts = text.split(":")
        site, _, path = where.partition("/")
        try:
            times = None if parts[1:2] == ["always"] else int(parts[1]) if len(parts) > 1 else 1
            seconds = float(parts[2]) if len(parts) > 2 else 2.0
        except ValueError:
            raise InvalidParameter(f"{text!r} is no fault: write SITE[/PATH]:FAULT[:TIMES[:SECONDS]].") from None
        kind = parts[0] if parts else None
        return cls.from_json({"site": site, "path": path, "fault": kind, "times": times, "seconds": seconds})


class FaultBook:
    """The faults in force; safe to change while requests are served."""

    def __init__(self, faults: tuple[Fault, ...] = ()) -> None:
        self._faults = list(faults)
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        """Put *fault* in force after those that are there."""
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> int:
        """End all; says how many there were."""
        with self._lock:
            count = len(self._faults)
            self._faults.clear()
        return count

    def listing(self) -> list[dict[str, Any]]:
        """The faults in force and how often each has hit."""
        with self._lock:
            return [asdict(fault) for fault in self._faults]

    def take(self, site: str, address: str) -> Fault | None:
        """The first fault for this request, used once."""
        with self._lock:
            for fault in self._faults:
                if fault.site not in (site, "*") or fault.path not in address:
                    continue
                fault.hits += 1
                if fault.times is not None and fault.hits >= fault.times:
                    self._faults.remove(fault)
                return fault
        return None
