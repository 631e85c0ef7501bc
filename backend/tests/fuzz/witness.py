"""A second reading of a reply, which says what its rows may become: values, or nothing at all.

It is written apart from ``app.sources``, from the exchanges' formats. It may be laxer than the code under test with a
line that was damaged, never with one that was not.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from app.market.bar import Bar
from app.market.corporate_action import CorporateAction
from app.market.figures import Figures
from app.market.holiday import Holiday
from app.market.quote import Quote
from app.market.security import Security, SecurityKind, Venue
from app.sources.base import PeriodQuery, RangeQuery
from tests.fuzz import actions, cells
from tests.fuzz.cells import BAD
from tests.fuzz.seeds import Seed
from tests.fuzz.sheet import Heading, Sheet, is_ours, tables

LEFT_OUT = cells.LEFT_OUT


@dataclass(frozen=True)
class Line:
    """What a line may become: ``value`` is one of ours, BAD (must not be stored) or LEFT_OUT."""

    said: Hashable
    """All that is read of it: two lines that say the same are the same."""
    value: Any

    @property
    def key(self) -> Hashable:
        return key_of(self.value)


@dataclass
class Reading:
    """``refuse`` tells why no row of the reply may be stored at all; ``is_empty`` that it says to hold nothing."""

    lines: list[Line] = field(default_factory=list)
    refuse: str | None = None
    is_empty: bool = False


def key_of(value: Any) -> Hashable:
    match value:
        case Bar() | Figures():
            return value.symbol, value.session
        case Holiday():
            return value.day, value.name
        case Quote():
            return value.venue, value.symbol
        case Security():
            return value.symbol
        case CorporateAction():
            return value.symbol, value.ex_date, value.kind
    return None


class Twice(tuple):  # type: ignore[type-arg]
    """The different values of a key that an object has more than once."""


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        again = key in found and (type(found[key]) is not type(value) or found[key] != value)
        found[key] = Twice((found[key], value)) if again else value
    return found


def document_of(body: bytes) -> Any:
    """The body as JSON, numbers as they are written. Raises ValueError or RecursionError."""
    text = body.removeprefix(b"\xef\xbb\xbf").strip()
    return json.loads(text, object_pairs_hook=_pairs, parse_int=str, parse_float=str)


@contextmanager
def deeper() -> Iterator[None]:
    """Room for a nesting that the code under test, which was called from elsewhere, may just have read."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(limit + 5_000)
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


def read_body(seed: Seed, body: bytes) -> Reading:
    """The second reading of a reply in JSON, wherever in it the rows may lie."""
    with deeper():
        return _read_body(seed, body)


def _read_body(seed: Seed, body: bytes) -> Reading:
    try:
        document = document_of(body)
    except (ValueError, RecursionError):
        return Reading(refuse="it is no JSON")
    expected = list if seed.body.lstrip().startswith(b"[") else dict
    if not isinstance(document, expected):
        return Reading(refuse="it is another kind of JSON")
    reading = Reading(refuse=_envelope(seed, document) if expected is dict else None)
    reading.is_empty = _is_empty(seed, document)
    for columns, lines in _grids(seed, document):
        reading.lines += _lines(seed, columns, lines)
    return reading


def _envelope(seed: Seed, document: Mapping[str, Any]) -> str | None:  # noqa: PLR0911 - one a kind of query
    if seed.dataset.name == "quotes":
        return None if document.get("rtcode") == "0000" else "its code is not 0000"
    if isinstance(seed.query, RangeQuery):
        return None if document.get("status") == "200" else "its status is not 200"
    stat = document.get("stat")
    if not isinstance(stat, str) or stat.strip().lower() != "ok":
        return "its stat is not ok"
    if seed.dataset.name == "holidays":
        return None
    if isinstance(seed.query, PeriodQuery):
        return actions.period_fault(seed, document)
    found = cells.day(document.get("date"))
    if found is BAD:
        return "it has no date"
    if seed.dataset.name == "month_bars":
        month = seed.query.month
        return None if (found.year, found.month) == (month.year, month.month) else "it is for another month"
    return None if found == seed.query.session else "it is for another day"


def _is_empty(seed: Seed, document: Any) -> bool:
    """Whether the reply says clearly that there is nothing."""
    if isinstance(document, list):
        return not document
    if seed.dataset.name == "quotes":
        array = document.get("msgArray")
        return isinstance(array, list) and all(_is_placeholder(one) for one in array)
    if isinstance(seed.query, RangeQuery):
        return document.get("status") == "200" and document.get("data") == []
    stat = document.get("stat")
    if isinstance(stat, str) and ("沒有符合條件" in stat or "查無資料" in stat or "大於今日" in stat or "小於" in stat):
        return True
    found = [holder["data" + suffix] for _, holder, suffix in tables(document) if is_ours(seed, holder, suffix)]
    return bool(found) and not any(found)


def _is_placeholder(line: Any) -> bool:
    if not isinstance(line, dict):
        return False
    named = {"".join(key.split()): value for key, value in line.items()}
    code = named.get("c", "-") or ""
    return isinstance(code, str) and not code.strip() and not {"ex", "n", "d", "t"} & set(named)


def _grids(seed: Seed, document: Any) -> Iterator[tuple[list[Any] | None, list[Any]]]:
    if seed.shape == "table":
        for _, holder, suffix in tables(document):
            if is_ours(seed, holder, suffix):
                yield holder["fields" + suffix], holder["data" + suffix]
    else:
        key = "data" if isinstance(seed.query, RangeQuery) else "msgArray"
        lines = document.get(key) if isinstance(document, dict) else document
        yield None, lines if isinstance(lines, list) else []


def _lines(seed: Seed, columns: list[Any] | None, lines: list[Any]) -> Iterator[Line]:
    read = _figures if seed.contract else READERS[str(seed.owner), seed.dataset.name]
    names = None if columns is None else ["".join(str(one).split()) for one in columns]
    if names and seed.contract and seed.contract.order:
        nth = [names[: at + 1].count(name) for at, name in enumerate(names)]
        names = [name if number == 1 else f"{name}#{number}" for name, number in zip(names, nth, strict=True)]
    for line in lines:
        yield read_line(seed, names, line, read)


def read_line(seed: Seed, names: list[str] | None, line: Any, read: Callable[[Seed, Cells], Any]) -> Line:
    if names is None:
        if not isinstance(line, dict):
            return Line(repr(line), BAD)
        if seed.dataset.name == "quotes" and _is_placeholder(line):
            return Line(repr(line)[:1000], LEFT_OUT)
        row = Cells({"".join(key.split()): cells.text_of(value) for key, value in line.items()})
        for key, value in line.items():
            if key == "trade" and isinstance(value, dict):
                row.update({f"trade.{inner}": cells.text_of(one) for inner, one in value.items()})
                row["trade"] = ""
    elif not isinstance(line, list) or len(line) != len(names):
        return Line(repr(line)[:1000], BAD)
    else:
        row = Cells(zip(names, map(cells.text_of, line), strict=True))
    value = read(seed, row)
    return Line(tuple(sorted((key, repr(row[key])) for key in row.asked)), value)


class Cells(dict[str, Any]):
    """A line's cells, which remember what was asked of them."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.asked: set[str] = set()

    def __missing__(self, key: str) -> Any:
        return BAD

    def of(self, key: str, otherwise: Any = BAD) -> Any:
        if key in self:
            self.asked.add(key)
            return self[key]
        return otherwise


def _bar(row: Cells, code: Any, session: Any, prices: tuple[str, ...], change: Any, counts: Any) -> Any:  # noqa: PLR0917
    opened, high, low, close = found = [cells.price(row.of(column)) for column in prices]
    if BAD in (code, session, change, *counts, *found) or (None in found and found != [None] * 4):
        return BAD
    if close is None:
        change = None
    volume, turnover, trades = counts
    if trades is not None and trades >= 2**31:
        return BAD
    return Bar(code, session, opened, high, low, close, change, volume, turnover, trades)


def _unless_warrant(code: Any, value: Callable[[], Any]) -> Any:
    found = value()  # even of a warrant: what is asked of its line tells a damaged one from a whole one
    return LEFT_OUT if cells.is_warrant(code) else found


def _twse_daily(seed: Seed, row: Cells) -> Any:
    code = cells.symbol(row.of("證券代號"))
    change = cells.marked_change(row.of("漲跌(+/-)"), row.of("漲跌價差"))
    counts = tuple(cells.whole(row.of(column)) for column in ("成交股數", "成交金額", "成交筆數"))
    prices = ("開盤價", "最高價", "最低價", "收盤價")
    return _unless_warrant(code, lambda: _bar(row, code, seed.query.session, prices, change, counts))


def _tpex_daily(seed: Seed, row: Cells) -> Any:
    code = cells.symbol(row.of("代號"))
    counts = tuple(cells.whole(row.of(column)) for column in ("成交股數", "成交金額(元)", "成交筆數"))
    prices, change = ("開盤", "最高", "最低", "收盤"), cells.change(row.of("漲跌"))
    return _unless_warrant(code, lambda: _bar(row, code, seed.query.session, prices, change, counts))


def _twse_latest(seed: Seed, row: Cells) -> Any:
    code, session = cells.symbol(row.of("Code")), cells.roc_day(row.of("Date"))
    counts = tuple(cells.whole(row.of(column)) for column in ("TradeVolume", "TradeValue", "Transaction"))
    prices = ("OpeningPrice", "HighestPrice", "LowestPrice", "ClosingPrice")
    return _unless_warrant(code, lambda: _bar(row, code, session, prices, None, counts))


def _tpex_latest(seed: Seed, row: Cells) -> Any:
    code, session = cells.symbol(row.of("SecuritiesCompanyCode")), cells.roc_day(row.of("Date"))
    names = ("TradingShares", "TransactionAmount", "TransactionNumber")
    counts = tuple(cells.whole(row.of(column)) for column in names)
    prices, change = ("Open", "High", "Low", "Close"), cells.change(row.of("Change"))
    return _unless_warrant(code, lambda: _bar(row, code, session, prices, change, counts))


def _in_month(seed: Seed, session: Any) -> Any:
    if session is BAD:
        return BAD
    return session if (session.year, session.month) == (seed.query.month.year, seed.query.month.month) else BAD


def _twse_month(seed: Seed, row: Cells) -> Any:
    session = _in_month(seed, cells.roc_day(row.of("日期")))
    counts = tuple(cells.whole(row.of(column)) for column in ("成交股數", "成交金額", "成交筆數"))
    prices, change = ("開盤價", "最高價", "最低價", "收盤價"), cells.change(row.of("漲跌價差"))
    return _bar(row, seed.query.symbol, session, prices, change, counts)


def _tpex_month(seed: Seed, row: Cells) -> Any:
    session = _in_month(seed, cells.roc_day(row.of("日期")))
    units = {"成交張數": cells.lot(seed.query.symbol), "成交仟股": 1_000, "成交股數": 1}
    volume = next((cells.whole(row.of(name), unit) for name, unit in units.items() if name in row), BAD)
    units = {"成交仟元": 1_000, "成交金額(元)": 1, "成交金額": 1}
    turnover = next((cells.whole(row.of(name), unit) for name, unit in units.items() if name in row), BAD)
    prices, change = ("開盤", "最高", "最低", "收盤"), cells.change(row.of("漲跌"))
    counts = (volume, turnover, cells.whole(row.of("筆數")))
    return _bar(row, seed.query.symbol, session, prices, change, counts)


def _finmind(seed: Seed, row: Cells) -> Any:
    code, session = cells.symbol(row.of("stock_id")), cells.day(row.of("date"))
    if BAD in (code, session) or code != seed.query.symbol or not seed.query.start <= session <= seed.query.end:
        return BAD
    prices = [cells.amount(row.of(column)) for column in ("open", "max", "min", "close")]
    texts = [row.of(column) for column in ("Trading_Volume", "Trading_money", "Trading_turnover")]
    counts = [cells.whole(text if text is BAD else re.sub(r"(\d)\.0+\s*$", r"\1", text)) for text in texts]
    change = cells.change(row.of("spread"))
    if prices == [0, 0, 0, 0]:
        if BAD in (change, *counts) or (counts[2] or 0) >= 2**31:
            return BAD
        return Bar(code, session, None, None, None, None, None, *(count or None for count in counts))
    return _bar(row, code, session, ("open", "max", "min", "close"), change, counts)


def _holiday(day: str, name: str, note: str, read: Callable[[Any], Any]) -> Callable[[Seed, Cells], Any]:
    def reader(seed: Seed, row: Cells) -> Any:
        when, title, words = read(row.of(day)), cells.words(row.of(name)), row.of(note)
        if BAD in (when, title, words) or not cells.is_whole(words):
            return BAD
        words = " ".join(re.sub(r"<[^<>]*>", "", words.replace("<br>", " ")).split())
        return Holiday(when, title, is_session="開始交易" in title or "最後交易" in title, note=words)

    return reader


def _levels(row: Cells, prices: str, sizes: str, lot: int) -> Any:
    texts = [row.of(key, "-") for key in (prices, sizes)]
    if BAD in texts:
        return BAD
    found = [[one for one in text.split("_") if one.strip() not in cells.MARKS] for text in texts]
    if len(found[0]) != len(found[1]):
        return BAD
    levels = []
    for price, size in zip(*found, strict=True):
        at_market = re.fullmatch(r"0+(\.0+)?", price.strip(), re.ASCII)
        pair = (None if at_market else cells.price(price), cells.whole(size, lot))
        if BAD in pair:
            return BAD
        if not at_market:
            levels.append(pair)
    return tuple(levels)


def _quote(seed: Seed, row: Cells) -> Any:
    code, market = cells.symbol(row.of("c")), row.of("ex")
    venue = {"tse": Venue.TWSE, "otc": Venue.TPEX}.get(market.strip() if market is not BAD else "")
    if code is BAD or venue is None or (venue, code) not in seed.query.securities:
        return BAD
    lot = cells.lot(code)
    last, clock = cells.price(row.of("z", "-")), row.of("t")
    if last is None and row.of("trade", "") is not BAD:
        last = cells.price(row.of("trade.z", "-"))
        clock = row.of("trade.t", clock) if last is not None else clock
    opened, high, low, reference = (cells.price(row.of(key, "-")) for key in "ohly")
    limits = [cells.price(row.of(key, "-")) for key in "uw"]
    limits = [None if one in (99_999_500, 100) else one for one in limits]
    volume = cells.whole(row.of("v", "-"), lot)
    bids, asks = _levels(row, "b", "g", lot), _levels(row, "a", "f", lot)
    at, name = cells.instant(row.of("d"), clock), cells.words(row.of("n"))
    parts = (last, opened, high, low, reference, *limits, volume, bids, asks, at, name, row.of("trade", ""))
    if any(one is BAD for one in parts):
        return BAD
    inside = [one for one in (last, opened) if one is not None]
    if None not in (high, low) and not all(low <= one <= high for one in inside):
        return BAD
    return Quote(code, name, venue, at, last, opened, high, low, reference, *limits, volume, bids, asks)


def _figures(seed: Seed, row: Cells) -> Any:
    contract = seed.contract
    assert contract
    text = row.of(contract.mark)
    code = cells.symbol(text) if contract.whose is None else contract.whose(text)
    values = {
        name: read("" if code in (BAD, None) else code, *(row.of(column) for column in columns))
        for name, (read, *columns) in contract.cells.items()
    }
    if code is None or (contract.whose is None and cells.is_warrant(code)):
        return LEFT_OUT
    if code is BAD or any(value is BAD for value in values.values()):
        return BAD
    return Figures(code, seed.query.session, values)


READERS: Mapping[tuple[str, str], Callable[[Seed, Cells], Any]] = {
    ("TWSE", "daily_bars"): _twse_daily,
    ("TPEX", "daily_bars"): _tpex_daily,
    ("TWSE", "latest_bars"): _twse_latest,
    ("TPEX", "latest_bars"): _tpex_latest,
    ("TWSE", "month_bars"): _twse_month,
    ("TPEX", "month_bars"): _tpex_month,
    ("TWSE", "holidays"): _holiday("日期", "名稱", "說明", cells.day),
    ("TWSE", "current_holidays"): _holiday("Date", "Name", "Description", cells.roc_day),
    ("mis", "quotes"): _quote,
    ("finmind", "daily_bars"): _finmind,
    **actions.READERS,
}
REQUIRED: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("TWSE", "daily_bars"): ("證券代號", "成交股數", "成交筆數", "成交金額", "開盤價", "最高價", "最低價", "收盤價",
                             "漲跌(+/-)", "漲跌價差"),
    ("TPEX", "daily_bars"): ("代號", "收盤", "漲跌", "開盤", "最高", "最低", "成交股數", "成交金額(元)", "成交筆數"),
    ("TWSE", "month_bars"): ("日期", "成交股數", "成交金額", "開盤價", "最高價", "最低價", "收盤價", "漲跌價差",
                             "成交筆數"),
    ("TPEX", "month_bars"): ("日期", "開盤", "最高", "最低", "收盤", "漲跌", "筆數"),
    ("TWSE", "holidays"): ("日期", "名稱", "說明"),
    ("isin", "securities"): ("有價證券代號及名稱", "國際證券辨識號碼(ISINCode)", "上市日", "市場別", "產業別",
                             "CFICode"),
}  # fmt: skip
"""Of tables: a header must have each of these exactly once."""

_KINDS = {
    "股票": SecurityKind.STOCK, "創新板": SecurityKind.INNOVATION, "特別股": SecurityKind.PREFERRED,
    "ETF": SecurityKind.ETF, "ETN": SecurityKind.ETN, "臺灣存託憑證(TDR)": SecurityKind.TDR,
    "受益證券-不動產投資信託": SecurityKind.REIT, "受益證券-資產基礎證券": SecurityKind.ABS,
}  # fmt: skip
_LISTED = ("上市日", "上櫃日", "登錄日", "發行日")


def header_fault(seed: Seed, columns: list[Any]) -> str | None:
    """What is wrong with a table's header, if something is."""
    names = ["".join(str(one).split()) for one in columns]
    if seed.shape == "page":
        names = ["上市日" if one in _LISTED else one for one in names]
    if seed.contract and (order := seed.contract.order):
        found = [name for name in names if name in order]
        return None if found == list(order) else f"columns {found}"
    required = seed.contract().required if seed.contract else None
    for column in required or REQUIRED.get((str(seed.owner), seed.dataset.name), ()):
        if names.count(column) != 1:
            return f"{names.count(column)} columns {column}"
    return None


def read_page(seed: Seed, sheet: Sheet) -> Reading:
    """The second reading of a page, from the rows that were put into it."""
    names = ["上市日" if one in _LISTED else one for one in ("".join(str(name).split()) for name in sheet.columns)]
    reading = Reading(refuse=header_fault(seed, sheet.columns))
    section = ""
    for line in sheet.lines:
        if isinstance(line, Heading):
            section = line.text.strip()
        elif "認購(售)權證" in section and isinstance(line, list) and any(map(_names_warrant, line)):
            reading.lines.append(Line(repr((sheet.columns, line)), LEFT_OUT))
        elif not isinstance(line, list) or len(line) != len(names):
            reading.lines.append(Line(repr(line), BAD))
        else:
            row = Cells({name: str(cell).strip(" \t\r\n") for name, cell in zip(names, line, strict=True)})
            row["section"] = section
            value = _security(seed, row)
            reading.lines.append(Line(tuple(sorted((key, row[key]) for key in row.asked)), value))
    reading.is_empty = not any(line.value is not LEFT_OUT for line in reading.lines)
    return reading


def _names_warrant(cell: Any) -> bool:
    return cells.is_warrant(str(cell).strip().partition("\u3000")[0])


def _security(seed: Seed, row: Cells) -> Any:
    code, _, name = row.of("有價證券代號及名稱", "").partition("\u3000")
    section, market = row.of("section"), row.of("市場別", "")
    code = cells.symbol(code)
    if "認購(售)權證" in section:
        return LEFT_OUT if cells.is_warrant(code) else BAD  # the former, unless its line was seen to be one already
    listed: date | None = None
    if row.of("上市日", "").strip():
        listed = cells.day(row.of("上市日"))
    texts = [row.of(column, "").strip() or None for column in ("國際證券辨識號碼(ISINCode)", "產業別", "CFICode")]
    wanted = {Venue.TWSE: "上市", Venue.TPEX: "上櫃"}[seed.query.venue]
    title = cells.words(name)
    if BAD in (code, title, listed) or not section or not market.startswith(wanted):
        return BAD
    kind = _KINDS.get(section, SecurityKind.OTHER)
    return Security(code, title, seed.query.venue, kind, texts[0], listed, texts[1], texts[2])
