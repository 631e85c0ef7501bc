"""The pages of www.twse.com.tw and openapi.twse.com.tw: rows in, bodies out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any
from zlib import crc32

from app.market.security import SecurityKind
from app.sandbox.cells import compact, count, digits, grouped, padded, plain, roc_compact, roc_slashes, roc_words
from app.sandbox.indices import index_tables
from app.sandbox.rows import Comparison, DayRow

NO_DATA = "很抱歉，沒有符合條件的資料!"

_MI_INDEX_FIELDS = (
    "證券代號", "證券名稱", "成交股數", "成交筆數", "成交金額", "開盤價", "最高價", "最低價", "收盤價",
    "漲跌(+/-)", "漲跌價差", "最後揭示買價", "最後揭示買量", "最後揭示賣價", "最後揭示賣量", "本益比",
)  # fmt: skip
_STOCK_DAY_FIELDS = (
    "日期", "成交股數", "成交金額", "開盤價", "最高價", "最低價", "收盤價", "漲跌價差", "成交筆數", "註記",
)  # fmt: skip
_STATISTICS = (
    ("1.一般股票", SecurityKind.STOCK), ("2.台灣存託憑證", SecurityKind.TDR), ("3.受益憑證", None),
    ("4.ETF", SecurityKind.ETF), ("5.受益證券", SecurityKind.REIT), ("6.變更交易股票", None),
    ("7.認購(售)權證", None), ("8.轉換公司債", None), ("9.附認股權特別股", None), ("10.附認股權公司債", None),
    ("11.認股權憑證", None), ("12.公司債", None), ("13.ETN", SecurityKind.ETN),
    ("14.創新板股票", SecurityKind.INNOVATION), ("15.創新板-變更交易方法股票", None),
)  # fmt: skip


def no_data(kind: str) -> dict[str, Any]:
    """The body of a closed day, a future one, or one whose table is not out yet."""
    return {"stat": NO_DATA, "type": kind}


def market_table(session: date, kind: str, rows: Sequence[DayRow]) -> dict[str, Any]:
    """MI_INDEX: ten tables, of which the ninth holds the securities and the last is empty."""
    tables: list[dict[str, Any]] = [
        *index_tables(session, rows),
        _statistics(session, rows),
        _breadth(rows),
        {
            "title": f"{roc_words(session)} 每日收盤行情(全部(不含權證、牛熊證、可展延牛熊證))",
            "fields": list(_MI_INDEX_FIELDS),
            "data": [_market_row(row) for row in rows],
            "hints": "單位：元、股",
            "groups": [
                {"start": 0, "span": 11, "title": "(元,股)"},
                {"start": 11, "span": 5, "title": "(元,交易單位)"},
            ],
            "notes": ["漲跌(+/-)欄位符號說明:+/-/X表示漲/跌/不比價。", "沙盒交易所：價格為合成或重播，並非真實行情。"],
        },
        {},
    ]
    echo = {"date": compact(session), "type": kind, "response": "json"}
    echo |= {"controller": "afterTrading", "action": "MI_INDEX", "lang": "zh"}
    return {"tables": tables, "params": echo, "stat": "OK", "date": compact(session)}


def _sign(row: DayRow) -> tuple[str, str]:
    if row.close is None:
        return "<p> </p>", "0.00"
    if row.change is None or row.comparison is not Comparison.NORMAL:
        return "<p>X</p>", "0.00"
    cell = grouped(abs(row.change), absent="0.00")
    if row.change > 0:
        return "<p style= color:red>+</p>", cell
    if row.change < 0:
        return "<p style= color:green>-</p>", cell
    return "<p> </p>", cell


def _market_row(row: DayRow) -> list[str]:
    security = row.listed.security
    sign, change = _sign(row)
    # A number that only has to look like one: nothing reads it.
    earnings = f"{5 + crc32(row.symbol.encode()) % 3000 / 100:.2f}" if security.kind is SecurityKind.STOCK else "0.00"
    return [
        row.symbol,
        security.name,
        count(row.volume, absent="--"),
        count(row.trades, absent="--"),
        count(row.turnover, absent="--"),
        *(grouped(price, absent="--") for price in (row.open, row.high, row.low, row.close)),
        sign,
        change,
        grouped(row.bid, absent="--"),
        count(row.bid_lots, absent="0"),
        grouped(row.ask, absent="--"),
        count(row.ask_lots, absent="0"),
        earnings,
    ]


def _statistics(session: date, rows: Sequence[DayRow]) -> dict[str, Any]:
    def sums(of: Sequence[DayRow]) -> list[str]:
        return [f"{sum(getattr(row, name) or 0 for row in of):,}" for name in ("turnover", "volume", "trades")]

    stocks = [row for row in rows if row.listed.security.kind in (SecurityKind.STOCK, SecurityKind.INNOVATION)]
    lines = [
        [label, *sums([row for row in rows if kind is not None and row.listed.security.kind is kind])]
        for label, kind in _STATISTICS
    ]
    lines += [["證券合計(1+6+14+15)", *sums(stocks)], ["總計(1~15)", *sums(rows)]]
    return {
        "title": f"{roc_words(session)} 大盤統計資訊",
        "fields": ["成交統計", "成交金額(元)", "成交股數(股)", "成交筆數"],
        "data": lines,
        "hints": "單位：元、股",
    }


def _breadth(rows: Sequence[DayRow]) -> dict[str, Any]:
    def counts(of: Sequence[DayRow]) -> list[str]:
        moved = [row for row in of if row.change is not None and row.comparison is Comparison.NORMAL]
        rising = [row for row in moved if (row.change or 0) > 0]
        falling = [row for row in moved if (row.change or 0) < 0]
        silent = sum(row.close is None for row in of)
        return [
            f"{len(rising):,}({sum(row.close == row.limit_up for row in rising):,})",
            f"{len(falling):,}({sum(row.close == row.limit_down for row in falling):,})",
            f"{len(moved) - len(rising) - len(falling):,}",
            f"{silent:,}",
            f"{len(of) - len(moved) - silent:,}",
        ]

    labels = ("上漲(漲停)", "下跌(跌停)", "持平", "未成交", "無比價")
    stocks = [row for row in rows if row.listed.security.kind is SecurityKind.STOCK]
    return {
        "title": "漲跌證券數合計",
        "fields": ["類型", "整體市場", "股票"],
        "data": [list(line) for line in zip(labels, counts(rows), counts(stocks), strict=True)],
        "notes": [
            '"漲跌價差"為當日收盤價與前一日收盤價比較。',
            '"無比價"含前一日無收盤價、當日除權、除息、新上市、恢復交易者。',
        ],
    }


def latest_table(rows: Sequence[DayRow]) -> list[dict[str, str]]:
    """STOCK_DAY_ALL of the open data site: text only, no separators, an empty text where nobody traded."""
    return [
        {
            "Date": roc_compact(row.session),
            "Code": row.symbol,
            "Name": row.listed.security.name,
            "TradeVolume": digits(row.volume or None, absent=""),
            "TradeValue": digits(row.turnover or None, absent=""),
            "OpeningPrice": plain(row.open, absent=""),
            "HighestPrice": plain(row.high, absent=""),
            "LowestPrice": plain(row.low, absent=""),
            "ClosingPrice": plain(row.close, absent=""),
            "Change": f"{plain(row.change, absent='0.00')}00",
            "Transaction": digits(row.trades or None, absent=""),
        }
        for row in rows
    ]


def month_table(asked: date, rows: Sequence[DayRow]) -> dict[str, Any]:
    """STOCK_DAY: one security's month, ten columns."""
    if not rows:
        return {"stat": NO_DATA, "total": 0}
    security = rows[0].listed.security
    month = f"{asked.year - 1911}年{asked.month:02d}月"
    return {
        "stat": "OK",
        "date": compact(asked),
        "title": f"{month} {security.symbol} {padded(security.name)} 各日成交資訊",
        "fields": list(_STOCK_DAY_FIELDS),
        "data": [_month_row(row) for row in rows],
        "notes": [
            "符號說明:+/-/X表示漲/跌/不比價",
            "當日統計資訊含一般、零股、盤後定價、鉅額交易，不含拍賣、標購。",
            "沙盒交易所：價格為合成或重播，並非真實行情。",
        ],
        "total": len(rows),
    }


def _month_row(row: DayRow) -> list[str]:
    if row.close is None:
        change = " 0.00"
    elif row.change is None or row.comparison is not Comparison.NORMAL:
        change = "X0.00"
    else:
        sign = "+" if row.change > 0 else "-" if row.change < 0 else " "
        change = sign + grouped(abs(row.change), absent="")
    return [
        roc_slashes(row.session),
        count(row.volume, absent="--"),
        count(row.turnover, absent="--"),
        *(grouped(price, absent="--") for price in (row.open, row.high, row.low, row.close)),
        change,
        count(row.trades, absent="--"),
        "",
    ]
