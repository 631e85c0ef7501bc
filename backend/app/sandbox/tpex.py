"""The pages of www.tpex.org.tw: rows in, bodies out. TPEx separates the thousands of counts, never of prices."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any
from zlib import crc32

from app.market.security import SecurityKind, lot_size
from app.sandbox.cells import compact, count, digits, plain, roc_compact, roc_slashes
from app.sandbox.rows import Comparison, DayRow

_FIELDS = (
    "代號", "名稱", "收盤", "漲跌", "開盤", "最高", "最低", "均價", "成交股數", "成交金額(元)", "成交筆數",
    "最後買價", "最後買量(千股)", "最後賣價", "最後賣量(千股)", "發行股數", "次日 參考價", "次日 漲停價", "次日 跌停價",
)  # fmt: skip
_MONTH_FIELDS = ("日 期", "成交張數", "成交仟元", "開盤", "最高", "最低", "收盤", "漲跌", "筆數")

_EX = {Comparison.EX_DIVIDEND: "除息 ", Comparison.EX_RIGHTS: "除權 ", Comparison.EX_BOTH: "除權息"}


def is_managed(row: DayRow) -> bool:
    """Whether a stock stands in the second table, 管理股票; a fixed handful, so that readers must join both."""
    return row.listed.security.kind is SecurityKind.STOCK and crc32(row.symbol.encode()) % 211 == 0


def market_table(session: date, rows: Sequence[DayRow]) -> dict[str, Any]:
    """dailyQuotes: two tables of 19 columns, warrants included; a closed day has none of both's rows and stat ok."""
    main = [row for row in rows if not is_managed(row)]
    managed = [row for row in rows if is_managed(row)]
    companies = sum(len(row.symbol) == 4 for row in main)
    turnover, volume, trades = (
        f"{sum(getattr(row, name) or 0 for row in main):,}" for name in ("turnover", "volume", "trades")
    )
    gap = "&nbsp;" * 3
    return {
        "date": compact(session),
        "tables": [
            {
                "title": "上櫃股票行情",
                "subtitle": f"上櫃家數: {companies}家{gap}總成交金額: {turnover}元{gap}"
                f"總成交股數: {volume}股{gap}總成交筆數: {trades}筆",
                "date": roc_slashes(session),
                "listedCompanies": str(companies),
                "totalTradingAmount": turnover,
                "totalTradingShares": volume,
                "totalTranscations": trades,
                "totalCount": len(main),
                "fields": list(_FIELDS),
                "data": [_market_row(row) for row in main],
                "notes": [],
            },
            {
                "title": "管理股票",
                "subtitle": "",
                "totalCount": len(managed),
                "fields": list(_FIELDS),
                "data": [_market_row(row) for row in managed],
                "notes": [
                    "沙盒交易所：價格為合成或重播，並非真實行情。",
                    "--- : 個股當日無交易時，以此符號表示開市價、最高價、最低價、收盤價、漲跌價",
                ],
            },
        ],
        "stat": "ok",
    }


def _change(row: DayRow) -> str:
    if row.close is None:
        return "--- "
    if row.comparison in _EX:
        return _EX[row.comparison]
    if row.change is None:
        return "--- "
    return f"+{plain(row.change, absent='')}" if row.change > 0 else f"{plain(row.change, absent='')} "


def _average(row: DayRow) -> int | None:
    if row.volume and row.turnover is not None:
        return row.turnover * 10_000 // row.volume // 100 * 100
    return row.reference


def _market_row(row: DayRow) -> list[str]:
    return [
        row.symbol,
        row.listed.security.name,
        plain(row.close, absent=" ---"),
        _change(row),
        *(plain(price, absent="---") for price in (row.open, row.high, row.low, _average(row))),
        *(count(number, absent="---") for number in (row.volume, row.turnover, row.trades)),
        plain(row.bid, absent="0.00"),
        str(row.bid_lots),
        plain(row.ask, absent="0.00"),
        str(row.ask_lots),
        count(row.issued, absent="---"),
        plain(row.next_reference, absent="---"),
        plain(row.next_limit_up, absent="---"),
        plain(row.next_limit_down, absent="---"),
    ]


def latest_table(rows: Sequence[DayRow]) -> list[dict[str, str]]:
    """tpex_mainboard_daily_close_quotes: text only, with TPEx's own spelling ``LatesAskPrice``."""
    return [
        {
            "Date": roc_compact(row.session),
            "SecuritiesCompanyCode": row.symbol,
            "CompanyName": row.listed.security.name,
            "Close": plain(row.close, absent="---"),
            "Change": _change(row),
            "Open": plain(row.open, absent="---"),
            "High": plain(row.high, absent="---"),
            "Low": plain(row.low, absent="---"),
            "TradingShares": digits(row.volume, absent="---"),
            "TransactionAmount": digits(row.turnover, absent="---"),
            "TransactionNumber": digits(row.trades, absent="---"),
            "LatestBidPrice": plain(row.bid, absent="0.00"),
            "LatesAskPrice": plain(row.ask, absent="0.00"),
            "Capitals": digits(row.issued, absent="---"),
            "NextLimitUp": plain(row.next_limit_up, absent="---"),
            "NextLimitDown": plain(row.next_limit_down, absent="---"),
        }
        for row in rows
    ]


def month_table(asked: date, symbol: str, rows: Sequence[DayRow]) -> dict[str, Any]:
    """tradingStock: one security's month, volume in lots and turnover in thousands, rounded to the nearest."""
    name = rows[0].listed.security.name if rows else ""
    return {
        "stat": "ok",
        "date": compact(asked),
        "code": symbol,
        "name": name,
        "tables": [
            {
                "title": "個股日成交資訊",
                "subtitle": f"{symbol} {name} {asked.year - 1911}年{asked.month:02d}月",
                "date": roc_slashes(asked),
                "totalCount": len(rows),
                "fields": list(_MONTH_FIELDS),
                "data": [_month_row(row) for row in rows],
                "notes": [],
            }
        ],
    }


def _in_units(number: int | None, unit: int) -> int | None:
    return None if number is None else (number + unit // 2) // unit


def _month_row(row: DayRow) -> list[str]:
    change = _change(row).strip() if row.change is None else plain(row.change, absent="---")
    return [
        roc_slashes(row.session),
        count(_in_units(row.volume, lot_size(row.symbol)), absent="---"),
        count(_in_units(row.turnover, 1000), absent="---"),
        *(plain(price, absent="---") for price in (row.open, row.high, row.low, row.close)),
        change,
        count(row.trades, absent="---"),
    ]
