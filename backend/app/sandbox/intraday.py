"""A session's path from its open to its close, readable at any instant and ending at the day's bar."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time
from itertools import pairwise
from zlib import crc32

from app.market.limits import tick_size
from app.sandbox.rows import DayRow

PREOPEN = time(8, 30)
OPEN = time(9, 0)
CALL = time(13, 25)
CLOSE = time(13, 30)
_SECONDS = 16_200
"""From 09:00 to 13:30."""
_CALL_SECONDS = 15_900
"""Matching pauses for five minutes before the closing auction."""


@dataclass(frozen=True, slots=True)
class Moment:
    """What a security has done by an instant; None before its first trade. Prices in 1/10,000 TWD, volume in shares.

    ``matched`` is False between two matches, when the site shows no last price although there was one.
    """

    last: int | None = None
    open: int | None = None
    high: int | None = None
    low: int | None = None
    volume: int = 0
    match_lots: int = 0
    at: time = OPEN
    matched: bool = False


def moment(row: DayRow, now: datetime) -> Moment:
    """*row*'s state at *now*, an instant of the row's own session or any later one."""
    if row.open is None or row.high is None or row.low is None or row.close is None:
        return Moment(volume=row.volume or 0)
    volume = row.volume or 0
    if now.date() > row.session or now.time() >= CLOSE:
        return Moment(row.close, row.open, row.high, row.low, volume, max(1, volume // 8000), CLOSE, matched=True)
    if now.time() < OPEN:
        return Moment()
    word = crc32(f"{row.symbol}:{row.session}".encode())
    elapsed = min((now.hour - 9) * 3600 + now.minute * 60 + now.second, _CALL_SECONDS)
    bucket = elapsed // 5 * 5
    lots = volume // 1000
    first = 0 if lots >= 500 else word % 2400  # a thinly traded one has to wait for its first match
    if bucket < first:
        return Moment()
    last, high, low = _walk(row, word, (bucket - first) / (_SECONDS - first))
    part = (bucket - first) / (_SECONDS - first)
    done = min(lots, max(1, int(lots * 0.9 * (0.6 * part + 0.4 * (1 - (1 - part) ** 3)))))
    busy = lots >= 2000 or crc32(f"{row.symbol}:{row.session}:{bucket}".encode()) % 3 > 0
    hour, rest = divmod(9 * 3600 + bucket, 3600)
    return Moment(
        last,
        row.open,
        high,
        low,
        done * 1000,
        1 + word % 40,
        time(hour, rest // 60, rest % 60),
        matched=busy and elapsed < _CALL_SECONDS,
    )


def _walk(row: DayRow, word: int, part: float) -> tuple[int, int, int]:
    """The last price at *part* of the session, and the highest and lowest so far."""
    start, high, low, close = row.open or 0, row.high or 0, row.low or 0, row.close or 0
    first, second = (high, low) if word & 1 else (low, high)
    nodes = ((0.0, start), (0.15 + (word >> 1) % 30 / 100, first), (0.5 + (word >> 8) % 35 / 100, second), (1.0, close))
    seen = [start]
    last = start
    for (left, before), (right, after) in pairwise(nodes):
        if part >= right:
            seen.append(after)
            last = after
            continue
        exact = before + (after - before) * (part - left) / (right - left)
        tick = tick_size(int(exact), row.listed.security.kind)
        last = min(max(round(exact / tick) * tick, low), high)
        seen.append(last)
        break
    return last, max(seen), min(seen)
