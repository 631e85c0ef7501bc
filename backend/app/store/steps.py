"""Steps of the price from one close to the next, beyond what the held actions make of the close before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection, text

from app.market.security import SecurityKind, Venue

_STEPS = text("""
WITH RECURSIVE days AS (
    (SELECT session, 0 AS back FROM bars ORDER BY session DESC LIMIT 1)
    UNION ALL
    SELECT (SELECT b.session FROM bars b WHERE b.session < days.session ORDER BY b.session DESC LIMIT 1), back + 1
    FROM days WHERE days.session IS NOT NULL AND back < :sessions
), recent AS MATERIALIZED (
    SELECT b.security_id, b.session, b.close, b.change, days.back,
        lag(b.session) OVER own AS before, lag(b.close) OVER own AS previous
    FROM days JOIN bars b ON b.session = days.session AND b.close IS NOT NULL
    WINDOW own AS (PARTITION BY b.security_id ORDER BY b.session)
), pairs AS (
    SELECT security_id, recent.session, recent.close, change,
        coalesce(before, far.session) AS before, coalesce(previous, far.close) AS previous
    FROM recent LEFT JOIN LATERAL (
        SELECT b.session, b.close FROM bars b
        WHERE previous IS NULL AND b.security_id = recent.security_id AND b.close IS NOT NULL
          AND b.session < recent.session AND b.session > recent.session - CAST(:furthest AS int)
        ORDER BY b.session DESC LIMIT 1) AS far ON true
    WHERE back < :sessions
), acts AS (
    SELECT DISTINCT ON (security_id, ex_date, kind) security_id, ex_date, withdrawn,
        ln(reference_price / previous_close::float8) AS size
    FROM corporate_actions ORDER BY security_id, ex_date, kind, recorded_at DESC
), expected AS MATERIALIZED (
    SELECT pairs.*, previous * exp(coalesce((
        SELECT sum(size) FROM acts
        WHERE acts.security_id = pairs.security_id AND NOT withdrawn
          AND ex_date > pairs.before AND ex_date <= pairs.session), 0)) AS expected
    FROM pairs WHERE previous IS NOT NULL
)
SELECT s.symbol, s.venue, s.kind, s.listed_on, session, before, close, change, previous, expected
FROM expected JOIN securities s ON s.id = security_id
WHERE abs(close - expected) > expected * :share
ORDER BY session DESC, s.symbol
""")


@dataclass(frozen=True, slots=True)
class Step:
    """A close far from what was *expected*: the *previous* one (of the session *before*) times the actions' ratios.

    Prices in 1/10,000 TWD; ``change`` is the venue's own, None where it calls the two not comparable.
    """

    symbol: str
    venue: Venue
    kind: SecurityKind
    listed_on: date | None
    session: date
    before: date
    close: int
    change: int | None
    previous: int
    expected: float


def large_steps(connection: Connection, *, share: float, sessions: int, furthest: int = 90) -> list[Step]:
    """Steps of more than *share* of what was expected, in the last *sessions* that are held, newest first.

    A close is compared with the last one before it, at most *furthest* calendar days ago: a halt lies between.
    """
    rows = connection.execute(_STEPS, {"share": share, "sessions": sessions, "furthest": furthest})
    return [Step(**{**row._mapping, "venue": Venue(row.venue), "kind": SecurityKind(row.kind)}) for row in rows]  # noqa: SLF001
