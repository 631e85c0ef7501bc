"""A backfill in several runs, shared by workers on hosts of their own, and what the exchange saw of it."""

from __future__ import annotations

import contextlib
import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import httpx

from tests.chaos.hosts import separate_host
from tests.chaos.prepare import end_of
from tests.chaos.stage import Stage
from tests.chaos.verdict import BARS, DAYS, DONE, END, Row, fetches

PACE = 0.25
"""Seconds between two requests to a site: two workers without a common quota would ask twice as often."""
RUNS = 8
"""One run is one worker's at a time; a backfill for several is several runs."""


@dataclass(frozen=True)
class Shared:
    """What several workers came to together."""

    seconds: float
    """From the first that was sent to the last that ended."""
    workers: Set[str]
    units: frozenset[Row]
    bars: frozenset[Row]
    units_twice: int
    rows_twice: int
    fetches: int
    most_in_two_seconds: Mapping[str, int]
    """Site → the most requests that it saw within any two seconds."""


def shared_backfill(stage: Stage, *, hosts: int, pace: float = PACE) -> Shared:
    """The days of the reference in RUNS runs, done by a worker of one process on each of so many hosts."""
    with contextlib.ExitStack() as cables:
        for number in range(1, hosts + 1):
            host = cables.enter_context(separate_host(stage, number))
            environment = host.environment | {
                "QUANTLAB_HOME": str(stage.folder / f"home-{number}"),  # they share no disk
                "SOURCE_SECONDS_PER_REQUEST": str(pace),
                "BACKFILL_AT_ONCE": str(hosts),
            }
            stage.worker(f"w{number}", concurrency=1, prefix=host.prefix, environment=environment)
        for child in stage.children.values():
            child.wait_until_ready()
        stage.extra["BACKFILL_AT_ONCE"] = str(hosts)
        # The copied ledger says that all is held, whose bars were taken away.
        runs = stage.call_each(
            "backfill_bars", *({"start": str(a), "end": str(b), "again": True} for a, b in _ranges())
        )
        for run_id in runs:
            end_of(stage, run_id, within=120)
        asked = _asked(stage)
    took = "SELECT extract(epoch FROM max(finished_at) - min(queued_at)) FROM runs WHERE id::text = ANY(%s)"
    workers = stage.rows("SELECT DISTINCT split_part(worker, '@', 1) FROM runs WHERE id::text = ANY(%s)", [runs])
    units = stage.rows("SELECT dataset, venue, scope, state, stored FROM units WHERE run_id::text = ANY(%s)", [runs])
    assert len(units) == len(set(units))
    return Shared(
        seconds=float(stage.rows(took, [runs])[0][0]),
        workers={name for (name,) in workers},
        units=frozenset(units),
        bars=frozenset(stage.rows(BARS)),
        units_twice=_twice(stage, DONE),
        rows_twice=_twice(stage, "kind = 'bar'"),
        fetches=fetches(stage),
        most_in_two_seconds={site: _most_within(times, timedelta(seconds=2)) for site, times in asked.items()},
    )


def _ranges() -> Iterator[tuple[date, date]]:
    """The days of the reference, cut into RUNS."""
    end = date.fromisoformat(END)
    first = end - timedelta(days=DAYS - 1)
    cuts = [first + timedelta(days=DAYS * number // RUNS) for number in range(RUNS + 1)]
    for begin, following in itertools.pairwise(cuts):
        yield begin, following - timedelta(days=1)


def _asked(stage: Stage) -> dict[str, list[datetime]]:
    """Site → when its daily tables were asked for."""
    requests = httpx.get(f"http://127.0.0.1:{stage.exchange}/_requests").json()["requests"]
    times = defaultdict(list)
    for one in requests:
        if one["site"] in ("twse", "tpex"):
            times[one["site"]].append(datetime.fromisoformat(one["at"]))
    return times


def _most_within(times: list[datetime], window: timedelta) -> int:
    times = sorted(times)
    return max(sum(begin <= one < begin + window for one in times) for begin in times)


def _twice(stage: Stage, condition: str) -> int:
    query = f"SELECT count(*) FROM (SELECT key FROM chaos_audit WHERE {condition} GROUP BY key HAVING count(*) > 1) t"
    return int(stage.rows(query)[0][0])
