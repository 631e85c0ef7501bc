"""The statements of ``store.coverage``: which cells there are, how each stands, and the counts of them."""

from __future__ import annotations

from sqlalchemy import text

from app.store.sessions import closed_sql

# `told` is one range of the key a session; without it each of the securities is looked up, which takes twice as long.
_CELLS = f"""
WITH days AS MATERIALIZED (
    SELECT day.session, {closed_sql("day.session", ":venue")} AS is_closed
    FROM unnest(CAST(:sessions AS date[])) AS day(session)
), told AS MATERIALIZED (
    SELECT session, security_id, close FROM bars WHERE session = ANY(CAST(:sessions AS date[]))
), cells AS (
    SELECT days.session, own.id, own.symbol, own.name, CASE
        WHEN bar.close IS NOT NULL THEN 'held'
        WHEN EXISTS (SELECT FROM quarantine q WHERE q.dataset IN ('daily_bars', 'month_bars') AND q.venue = :venue
                     AND q.session = days.session AND q.symbol = own.symbol
                     AND q.released_at IS NULL AND q.severity = 'blocking')
            THEN 'quarantined'
        WHEN bar.session IS NOT NULL THEN 'no_trade'
        WHEN days.is_closed THEN 'venue_closed'
        WHEN EXISTS (SELECT FROM halts h WHERE h.security_id = own.id
                     AND days.session BETWEEN h.first AND coalesce(h.last, days.session)) THEN 'halted'
        ELSE 'missing' END AS state
    FROM days CROSS JOIN securities own
    LEFT JOIN told bar ON bar.session = days.session AND bar.security_id = own.id
    WHERE own.venue = :venue AND (
        bar.session IS NOT NULL
        OR (own.on_list OR own.delisted_on IS NOT NULL)
        AND (own.listed_on IS NULL OR own.listed_on <= days.session)
        AND (own.delisted_on IS NULL OR own.delisted_on > days.session))
)
"""

ACCOUNT = text(
    _CELLS
    + """
INSERT INTO coverage AS c (dataset, venue, session, expected, held, quarantined, explained, missing, recorded_at)
SELECT 'daily_bars', :venue, session, sum(number), coalesce(sum(number) FILTER (WHERE state = 'held'), 0),
    coalesce(sum(number) FILTER (WHERE state = 'quarantined'), 0),
    coalesce(jsonb_object_agg(state, number) FILTER (WHERE state IN ('no_trade', 'halted', 'venue_closed')), '{}'),
    coalesce(sum(number) FILTER (WHERE state = 'missing'), 0), :at
FROM (SELECT session, state, count(*) AS number FROM cells GROUP BY session, state) AS counted
GROUP BY session
ON CONFLICT (dataset, venue, session) DO UPDATE SET expected = excluded.expected, held = excluded.held,
    quarantined = excluded.quarantined, explained = excluded.explained, missing = excluded.missing,
    recorded_at = excluded.recorded_at
WHERE (c.expected, c.held, c.quarantined, c.explained, c.missing)
    IS DISTINCT FROM (excluded.expected, excluded.held, excluded.quarantined, excluded.explained, excluded.missing)
"""
)

CLOSED_NO_MORE = text(f"""
SELECT c.venue, array_agg(c.session) AS sessions FROM coverage c
WHERE c.dataset = 'daily_bars' AND c.venue <> :venue AND c.session = ANY(CAST(:sessions AS date[]))
    AND c.explained -> 'venue_closed' IS NOT NULL AND NOT {closed_sql("c.session", "c.venue")}
GROUP BY c.venue
""")

RECOUNT = text("""
UPDATE coverage c SET expected = c.expected - c.quarantined + open.number, quarantined = open.number, recorded_at = :at
FROM (SELECT count(*) AS number FROM quarantine q
    WHERE q.released_at IS NULL AND q.severity = 'blocking'
        AND q.dataset = :dataset AND q.venue = :venue AND q.session = :session) AS open
WHERE c.dataset = :dataset AND c.venue = :venue AND c.session = :session AND c.quarantined <> open.number
""")

ROWS_BESIDE = text("""
SELECT held + quarantined + coalesce(CAST(explained ->> 'no_trade' AS integer), 0) FROM coverage
WHERE dataset = 'daily_bars' AND venue = :venue
    AND session BETWEEN CAST(:first AS date) AND CAST(:last AS date) AND session <> :session
    AND held + quarantined > 0 AND expected - missing >= CAST(:whole AS float8) * expected
ORDER BY session > :session, abs(session - :session) LIMIT 1
""")

UNHELD = text(
    _CELLS
    + """
SELECT session, symbol, name, state FROM cells WHERE state = ANY(:states) ORDER BY session DESC, symbol LIMIT :most
"""
)
