"""What a run came to, seen from outside: PostgreSQL's rows, what the triggers noted, what the exchange was asked."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from tests.chaos.stage import Stage

DAYS = 60
END = "2025-06-30"

BARS = """
SELECT s.symbol, b.session, b.volume, b.turnover, b.open, b.high, b.low, b.close, b.change, b.trades
FROM bars b JOIN securities s ON s.id = b.security_id ORDER BY 1, 2
"""
DAILY = {"twse": "/rwd/zh/afterTrading/MI_INDEX", "tpex": "/www/zh-tw/afterTrading/dailyQuotes"}

DONE = "kind = 'unit' AND state IN ('SUCCESS', 'PARTIAL')"

Row = tuple[Any, ...]


class Site(Protocol):
    """A platform, looked at from outside."""

    def rows(self, query: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """What PostgreSQL says."""

    def requests(self) -> dict[str, dict[str, int]]:
        """What its exchange was asked: site → path → count."""


@dataclass(frozen=True)
class Reference:
    """The same work without a fault: its rows, its units, and how long it took."""

    bars: frozenset[Row]
    units: frozenset[Row]
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Counts that have to be zero but for ``units``, ``fetches``, ``attempts`` and ``recovery`` (seconds)."""

    state: str
    units: int
    units_missing: int
    units_twice: int
    rows_lost: int
    rows_wrong: int
    rows_twice: int
    runs_open: int
    fetches: int
    attempts: int
    recovery: float | None

    def complaints(self, *, most_fetches: int) -> list[str]:
        """Each promise that was not kept."""
        zeros = ("units_missing", "units_twice", "rows_lost", "rows_wrong", "rows_twice", "runs_open")
        found = [f"{name} is {getattr(self, name)}" for name in zeros if getattr(self, name)]
        if self.state != "SUCCESS":
            found.append(f"the run ended as {self.state}")
        if self.fetches > most_fetches:
            found.append(f"{self.fetches} fetches, at most {most_fetches} were needed")
        return found


def start_sync(stage: Stage) -> str:
    """Ask for the bars of all sessions of the last 60 days: some 80 units."""
    return stage.call("sync_daily_prices", days=DAYS, end_date=END)


def reference_of(stage: Site, run_id: str, seconds: float) -> Reference:
    return Reference(_bars(stage), _units(stage, run_id), seconds)


def judge(
    stage: Site,
    run_id: str,
    reference: Reference,
    *,
    since: datetime | None = None,
    repaired: bool = True,
    asked_before: int = 0,
) -> Verdict:
    """Compare with ``reference``.

    The recovery is the time from the repair at ``since`` to the next unit; where nobody ``repaired`` anything, the
    longest time without a unit after the fault at ``since``: what was in hand may still have been done after it.
    ``asked_before`` is how many fetches an exchange that is gone has seen.
    """
    bars, units = _bars(stage), _units(stage, run_id)
    state, attempts = stage.rows("SELECT state, attempts FROM runs WHERE id = %s", [run_id])[0]
    return Verdict(
        state=state,
        units=len(units),
        units_missing=len(reference.units - units),
        units_twice=_twice(stage, DONE),
        rows_lost=len(reference.bars - bars),
        rows_wrong=len(bars - reference.bars),
        rows_twice=_twice(stage, "kind = 'bar'"),
        runs_open=int(stage.rows("SELECT count(*) FROM runs WHERE finished_at IS NULL")[0][0]),
        fetches=asked_before + fetches(stage),
        attempts=attempts,
        recovery=_recovery(stage, since, repaired=repaired),
    )


def fetches(stage: Site) -> int:
    """How often a venue's daily table was asked for."""
    counts = stage.requests()
    return sum(counts.get(site, {}).get(path, 0) for site, path in DAILY.items())


def forget(stage: Stage) -> None:
    """Back to a database that holds no bar, and an exchange that was asked nothing."""
    stage.rows("TRUNCATE bars, units, runs, revisions, quarantine, sessions, chaos_audit")
    stage.calm_exchange()


def _bars(stage: Site) -> frozenset[Row]:
    return frozenset(stage.rows(BARS))


def _units(stage: Site, run_id: str) -> frozenset[Row]:
    return frozenset(stage.rows("SELECT dataset, venue, scope, state, stored FROM units WHERE run_id = %s", [run_id]))


def _twice(stage: Site, condition: str) -> int:
    query = f"SELECT count(*) FROM (SELECT key FROM chaos_audit WHERE {condition} GROUP BY key HAVING count(*) > 1) t"
    return int(stage.rows(query)[0][0])


def _recovery(stage: Site, since: datetime | None, *, repaired: bool) -> float | None:
    """0 when nothing was left to do at that time."""
    if since is None:
        return None
    query = f"SELECT at FROM chaos_audit WHERE {DONE} AND at > %s ORDER BY at"
    times: list[datetime] = [since, *(at for (at,) in stage.rows(query, [since]))]
    pauses = [(later - earlier).total_seconds() for earlier, later in itertools.pairwise(times)]
    return max(pauses[:1] if repaired else pauses, default=0.0)
