"""The page of runs: a page of the list and the timeline over the API, each beside the bare SQL that has its rows.

A ledger with 10,000 runs of the last day, as a burst of backfills by hand would leave it, and 90,000 older ones; then
the same questions of a window far back, which an index on the time at which a run was queued alone has to find.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from urllib.parse import urlencode

import psycopg
from sqlalchemy import Engine, text

from app.store.engine import transaction
from benchmarks.claim import Claim, ms
from benchmarks.server import command, database, valkey
from benchmarks.web import getting, side_by_side, web

IN_THE_WINDOW, OLDER = 10_000, 90_000
PAGE, BARS = 50, 1_000
TIMES = 100
MOST_OF_SQL = {"list": 5.0, "timeline": 12.0}
"""The web's answer ÷ its bare SQL; of a thousand bars most is reading rows into values and writing them as JSON."""

_FILL = """
INSERT INTO runs (id, task, parameters, trigger, state, queued_at, started_at, finished_at, worker, attempts, forced,
                  expected, fetched, stored, unchanged, quarantined, error_type, error, traceback)
SELECT md5(n::text), (ARRAY['app.tasks.sync_daily_prices', 'app.tasks.catch_up', 'app.tasks.sync_qlib'])[1 + n % 3],
       jsonb_build_object('days', n % 60), 'manual', CASE WHEN n % 20 = 0 THEN 'FAILED' ELSE 'SUCCESS' END,
       at, at + interval '2 s', at + interval '2 s' + (n % 40) * interval '1 s', 'celery@host-' || n % 4, 1, true,
       2000, 2000, 2000, 0, 0,
       CASE WHEN n % 20 = 0 THEN 'SourceUnavailable' END, CASE WHEN n % 20 = 0 THEN 'twse does not answer.' END,
       CASE WHEN n % 20 = 0 THEN repeat('  File "somewhere.py", line 1, in something' || chr(10), 60) END
FROM (SELECT n, now() - CASE WHEN n <= :near THEN n * interval '24 h' / :near
                             ELSE interval '24 h' + (n - :near) * interval '300 d' / :far END AS at
      FROM generate_series(1, :near + :far) n) made
"""
_LIST = f"SELECT * FROM runs ORDER BY queued_at DESC, id DESC LIMIT {PAGE}"
_TOTAL = "SELECT count(*) FROM runs"
_BARS = f"""
SELECT id, task, state, worker, queued_at, started_at, finished_at, expected, fetched, stored, unchanged, quarantined
FROM runs
WHERE queued_at <= %s AND (finished_at >= %s OR finished_at IS NULL)
ORDER BY queued_at DESC, id DESC LIMIT {BARS}
"""


def main() -> list[Claim]:
    with database() as engine, valkey() as (redis_url, _):
        with transaction(engine) as connection:
            connection.execute(text(_FILL), {"near": IN_THE_WINDOW, "far": OLDER})
            far = connection.execute(text("SELECT now() - interval '200 d', now() - interval '199 d'")).one()
            near = connection.execute(text("SELECT now() - interval '24 h', now()")).one()
        command(engine, "VACUUM ANALYZE runs")
        with web(engine, redis_url) as port:
            found = {
                f"{PAGE} of the list": side_by_side(
                    _sized(getting(port, f"/api/v1/runs?limit={PAGE}"), PAGE),
                    _sql(engine, _LIST, _TOTAL),
                    times=TIMES,
                )
            }
            for title, (since, until), bars in (
                (f"timeline, 24 h, {BARS:,} of {IN_THE_WINDOW:,}", near, BARS),
                ("timeline, a day 200 days ago", far, None),
            ):
                query = urlencode(
                    {
                        "since": since.isoformat(),
                        "until": until.isoformat(),
                        "limit": BARS,
                    }
                )
                asked = _sized(getting(port, f"/api/v1/runs/timeline?{query}"), bars)
                bare = _sql(engine, _BARS, parameters=(until, since))
                found[title] = side_by_side(asked, bare, times=TIMES)
    print(f"The page of runs: a ledger of {IN_THE_WINDOW + OLDER:,} runs, p50 of {TIMES}, ms")
    claims = []
    for title, (ours, sql) in found.items():
        most = MOST_OF_SQL["timeline" if title.startswith("timeline") else "list"]
        print(f"  {title:<42}{ours * 1e3:>9.2f}   the bare SQL{sql * 1e3:>9.2f}")
        name = f"p50 of runs, {title} ÷ the bare SQL"
        claims.append(Claim(name=name, value=ours / sql, most=most, ours=ms(ours), beside=ms(sql)))
    return claims


def _sized(ask: Callable[[], bytes], rows: int | None) -> Callable[[], object]:
    """The same, once it is known that it brings that many rows."""
    brought = len(json.loads(ask())["runs"])
    if (rows is not None and brought != rows) or not brought:
        raise SystemExit(f"{brought} runs instead of {rows or 'some'}")
    return ask


def _sql(engine: Engine, *queries: str, parameters: tuple[object, ...] = ()) -> Callable[[], object]:
    """Those statements, prepared, on a connection that stays."""
    url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    connection = psycopg.connect(url, autocommit=True)
    return lambda: [connection.execute(query, parameters, prepare=True).fetchall() for query in queries]
