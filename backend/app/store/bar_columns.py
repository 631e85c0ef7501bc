"""Bars as columns of integers: what is compared and copied. Pure, and the gate that no wrong value passes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from app.errors import InvalidParameter, InvalidRow, UnknownSymbol
from app.market.bar import ABSENT, BAR_FIELDS, Bar
from app.market.bar_table import BarTable, Ints, column

EPOCH = date(2000, 1, 1).toordinal()
"""PostgreSQL counts days from here."""

_RANGES: dict[str, tuple[int, int]] = {
    **dict.fromkeys(("open", "high", "low", "close"), (1, 2**31 - 1)),
    "change": (ABSENT + 1, 2**31 - 1),
    "volume": (0, 2**63 - 1),
    "turnover": (0, 2**63 - 1),
    "trades": (0, 2**31 - 1),
}

_TYPES = {int, type(None)}

# With the name written out an attribute is read in a third of the time that one looked up by name takes.
_READ: dict[str, Callable[[Sequence[Bar]], list[int | None]]] = {
    "open": lambda bars: [bar.open for bar in bars],
    "high": lambda bars: [bar.high for bar in bars],
    "low": lambda bars: [bar.low for bar in bars],
    "close": lambda bars: [bar.close for bar in bars],
    "change": lambda bars: [bar.change for bar in bars],
    "volume": lambda bars: [bar.volume for bar in bars],
    "turnover": lambda bars: [bar.turnover for bar in bars],
    "trades": lambda bars: [bar.trades for bar in bars],
}

# The Bar objects of so many rows stay in a processor's cache while each field is read in turn: twice as fast.
_STRIDE = 512


@dataclass(frozen=True, slots=True)
class BarColumns:
    """Bars by column; those to be written are sorted by key, each key once.

    ``sessions`` in days since 2000-01-01, ``ids`` of securities; ``values`` holds one array a field, ABSENT for None.
    All are of the same length.
    """

    sessions: Ints
    ids: Ints
    values: Mapping[str, Ints]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def keys(self) -> Ints:
        """Session and id in one number that sorts as the table's key does."""
        return key_of(self.sessions, self.ids)

    def take(self, rows: Any) -> BarColumns:
        """Only *rows* (a slice, mask or positions)."""
        return BarColumns(self.sessions[rows], self.ids[rows], {name: v[rows] for name, v in self.values.items()})

    def by_key(self) -> BarColumns:
        """The same bars sorted by key."""
        keys = self.keys
        return self if (np.diff(keys) > 0).all() else self.take(np.argsort(keys))


def key_of(sessions: Ints, ids: Ints) -> Ints:
    """One sortable number for each (session, id)."""
    return (sessions << 32) + ids


def joined(parts: Sequence[BarColumns], fields: Collection[str]) -> BarColumns:
    """*parts* one after the other; they may be none."""
    empty = np.empty(0, np.int64)
    return BarColumns(
        np.concatenate([empty, *(part.sessions for part in parts)]),
        np.concatenate([empty, *(part.ids for part in parts)]),
        {name: np.concatenate([empty, *(part.values[name] for part in parts)]) for name in fields},
    )


def day(number: int) -> date:
    """Days since 2000-01-01 as a date."""
    return date.fromordinal(EPOCH + int(number))


def columns_of(bars: Sequence[Bar], ids: Mapping[str, int], *, fields: Collection[str]) -> BarColumns:
    """The *fields* of *bars* as columns; other fields are not even looked at.

    Raises:
        InvalidParameter: *fields* is empty or names something that a bar has not.
        UnknownSymbol: a symbol without an id.
        InvalidRow: a value that is no integer (NaN, a float, True) or out of its range, a session that is no plain
            date, or one (symbol, session) twice.
    """
    if not fields or not set(fields) <= set(BAR_FIELDS):
        raise InvalidParameter(f"The fields of a bar are {', '.join(BAR_FIELDS)}; asked to write {sorted(fields)}.")
    if isinstance(bars, BarTable):
        return _sorted(_of_table(bars, ids, fields), bars)
    count = len(bars)
    sessions, numbers = np.empty(count, np.int64), np.empty(count, np.int64)
    values = {name: np.empty(count, np.int64) for name in BAR_FIELDS if name in fields}
    for start in range(0, count, _STRIDE):
        part = bars[start : start + _STRIDE]
        end = start + len(part)
        sessions[start:end] = _sessions([bar.session for bar in part], part)
        numbers[start:end] = _ids([bar.symbol for bar in part], ids)
        for name, whole in values.items():
            whole[start:end] = _values(_READ[name](part), name, part)
    return _sorted(BarColumns(sessions, numbers, values), bars)


def _of_table(bars: BarTable, ids: Mapping[str, int], fields: Collection[str]) -> BarColumns:
    numbers = np.array(_ids(bars.symbols, ids), np.int64)
    sessions = np.full(len(bars), bars.session.toordinal() - EPOCH, np.int64)
    values = {name: bars.values[name] for name in BAR_FIELDS if name in fields}
    for name, whole in values.items():
        lowest, highest = _RANGES[name]
        if ((whole < lowest) & (whole != ABSENT) | (whole > highest)).any():
            raise _out_of_range(bars, name)
    return BarColumns(sessions, numbers, values)


def _ids(symbols: Sequence[str], ids: Mapping[str, int]) -> list[int]:
    try:
        return [ids[symbol] for symbol in symbols]
    except KeyError as error:
        raise UnknownSymbol(f"No securities list holds the symbol {error.args[0]!r}.") from None


def _sessions(days: Sequence[date], bars: Sequence[Bar]) -> list[int] | int:
    if set(map(type, days)) != {date}:
        wrong = next(bar for bar in bars if type(bar.session) is not date)
        raise InvalidRow(f"{wrong.symbol} has a bar for {wrong.session!r}, which is no date.", rule="not-a-date")
    if days.count(days[0]) == len(days):  # as in a whole market
        return days[0].toordinal() - EPOCH
    return [ordinal - EPOCH for ordinal in map(date.toordinal, days)]


def _values(raw: Sequence[int | None], name: str, bars: Sequence[Bar]) -> Ints:
    types = set(map(type, raw))
    if not types <= _TYPES:
        raise _wrong(bars, name, "not-an-integer", lambda value: type(value) not in _TYPES, "which is no whole number")
    lowest, highest = _RANGES[name]
    absent = raw.count(None) if len(types) > 1 or raw[0] is None else 0
    try:
        values = column(raw)
        below, above = int(np.count_nonzero(values < lowest)), int(values.max()) > highest
    except OverflowError:
        below, above = 0, True
    if above or below != absent:  # ABSENT itself lies below, so that a published -2**31 cannot pass for it
        raise _out_of_range(bars, name)
    return values


def _out_of_range(bars: Sequence[Bar], name: str) -> InvalidRow:
    lowest, highest = _RANGES[name]
    among = f"outside {lowest} to {highest}"
    return _wrong(bars, name, "out-of-range", lambda v: v is not None and not lowest <= v <= highest, among)


def _wrong(bars: Sequence[Bar], name: str, rule: str, is_wrong: Callable[[Any], bool], why: str) -> InvalidRow:
    bar = next(bar for bar in bars if is_wrong(getattr(bar, name)))
    return InvalidRow(
        f"{bar.symbol} {bar.session}: {name} is {getattr(bar, name)!r}, {why}.",
        rule=rule,
        symbol=bar.symbol,
        session=bar.session,
    )


def _sorted(columns: BarColumns, bars: Sequence[Bar]) -> BarColumns:
    steps = np.diff(columns.keys)
    if (steps > 0).all():
        return columns
    order = np.argsort(columns.keys, kind="stable")
    ordered = columns.take(order)
    twice = np.flatnonzero(np.diff(ordered.keys) == 0)
    if len(twice):
        bar = bars[int(order[twice[0]])]
        raise InvalidRow(
            f"{bar.symbol} has two bars for {bar.session} in one batch ({len(twice)} such pairs).",
            rule="duplicate-key",
            symbol=bar.symbol,
            session=bar.session,
        )
    return ordered
