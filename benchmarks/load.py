"""The API while many ask at once: 16 connections that ask again as soon as they have their answer, beside one alone.

The web is one process, so that many cannot be answered faster than one; they must not be answered more slowly either,
and nobody may wait for long while others are served. Every connection asks for four things in turn: the bars of one
security, all latest quotes, a page of the securities and one of the runs.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections import defaultdict
from collections.abc import Mapping

import redis

from benchmarks.claim import Claim, ms
from benchmarks.panel import Panel, load
from benchmarks.reads import BARS, SYMBOL, save_quotes
from benchmarks.server import database, valkey
from benchmarks.web import asking, web

MANY = 16
REQUESTS = 2_400
"""Of all connections together, and as many of the one alone."""
PATHS = (
    f"/api/v1/bars/{SYMBOL}?limit={BARS}",
    "/api/v1/quotes",
    "/api/v1/securities?limit=50",
    "/api/v1/runs?limit=50",
)
LEAST_OF_ALONE, MOST_OF_MEDIAN = 0.8, 4.0


def main() -> list[Claim]:
    with database() as engine, valkey() as (url, _), redis.Redis.from_url(url) as cache:
        panel = Panel.make()
        load(engine, panel)
        save_quotes(cache, panel.symbols)
        with web(engine, url) as port:
            _ask(port, connections=MANY, requests=400)  # connect, import and fill caches
            alone, alone_a_second = _ask(port, connections=1, requests=REQUESTS)
            many, many_a_second = _ask(port, connections=MANY, requests=REQUESTS)
    print(f"The API over one connection, and over {MANY} that ask all the time, {REQUESTS:,} requests each")
    for path in PATHS:
        one, several = alone[path], many[path]
        print(
            f"  {path:<34} alone p50 {ms(_at(one, 50)):>9} p99 {ms(_at(one, 99)):>9}"
            f"   among {MANY} p50 {ms(_at(several, 50)):>9} p99 {ms(_at(several, 99)):>9}"
        )
    print(f"  requests a second: alone {alone_a_second:,.0f}, {MANY} together {many_a_second:,.0f}")
    together = [one for path in PATHS for one in many[path]]
    return [
        Claim(
            name=f"requests a second of {MANY} connections ÷ of one alone", value=many_a_second / alone_a_second,
            least=LEAST_OF_ALONE, ours=f"{many_a_second:,.0f}", beside=f"{alone_a_second:,.0f}",
        ),
        Claim(
            name=f"p99 ÷ p50 of the API under load, {MANY} connections", value=_at(together, 99) / _at(together, 50),
            most=MOST_OF_MEDIAN, ours=ms(_at(together, 99)), beside=ms(_at(together, 50)),
        ),
    ]  # fmt: skip


def _ask(port: int, *, connections: int, requests: int) -> tuple[Mapping[str, list[float]], float]:
    """Seconds of each answer by path, and answers a second."""
    seconds: dict[str, list[float]] = defaultdict(list)
    errors: list[BaseException] = []

    def ask() -> None:
        get = asking(port)
        try:
            for number in range(requests // connections):
                path = PATHS[number % len(PATHS)]
                began = time.perf_counter()
                get(path)
                seconds[path].append(time.perf_counter() - began)
        except BaseException as error:
            errors.append(error)

    began = time.perf_counter()
    threads = [threading.Thread(target=ask) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return seconds, sum(map(len, seconds.values())) / (time.perf_counter() - began)


def _at(seconds: list[float], percent: int) -> float:
    return statistics.quantiles(seconds, n=100)[percent - 1]
