"""TWSE's tables of figures: T86, MI_MARGN, BWIBBU_d, and MI_INDEX' indices alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from app.market.security import SecurityKind
from app.sandbox import figures
from app.sandbox.cells import compact, padded, roc_words
from app.sandbox.indices import index_tables
from app.sandbox.rows import DayRow

_T86 = (
    "證券代號", "證券名稱", "外陸資買進股數(不含外資自營商)", "外陸資賣出股數(不含外資自營商)",
    "外陸資買賣超股數(不含外資自營商)", "外資自營商買進股數", "外資自營商賣出股數", "外資自營商買賣超股數",
    "投信買進股數", "投信賣出股數", "投信買賣超股數", "自營商買賣超股數", "自營商買進股數(自行買賣)",
    "自營商賣出股數(自行買賣)", "自營商買賣超股數(自行買賣)", "自營商買進股數(避險)", "自營商賣出股數(避險)",
    "自營商買賣超股數(避險)", "三大法人買賣超股數",
)  # fmt: skip
_MARGIN = (
    "代號", "名稱", "買進", "賣出", "現金償還", "前日餘額", "今日餘額", "次一營業日限額",
    "買進", "賣出", "現券償還", "前日餘額", "今日餘額", "次一營業日限額", "資券互抵", "註記",
)  # fmt: skip
_VALUATION = ("證券代號", "證券名稱", "收盤價", "殖利率(%)", "股利年度", "本益比", "股價淨值比", "財報年/季")


def institutional_table(session: date, rows: Sequence[DayRow]) -> dict[str, Any]:
    """T86, the largest net buyers first."""
    lines = [_institutional_row(row, deals) for row in rows if (deals := figures.institutional(row))]
    lines.sort(key=lambda line: -line[-1])
    return {
        "stat": "OK",
        "date": compact(session),
        "title": f"{roc_words(session)} 三大法人買賣超日報",
        "hints": "單位：股",
        "fields": list(_T86),
        "data": [_texts(line) for line in lines],
        "selectType": "ALLBUT0999",
        "notes": ["沙盒交易所：數字為合成，並非真實資料。"],
        "total": len(lines),
    }


def _institutional_row(row: DayRow, deals: Mapping[str, figures.Deal]) -> list[Any]:
    foreign, trust, own, hedge = (deals[name] for name in ("foreign", "trust", "dealer_self", "dealer_hedge"))
    dealer = own.net + hedge.net
    return [
        row.symbol,
        padded(row.listed.security.name),
        *_deal(foreign),
        *(0, 0, 0),
        *_deal(trust),
        dealer,
        *_deal(own),
        *_deal(hedge),
        foreign.net + trust.net + dealer,
    ]


def _deal(deal: figures.Deal) -> tuple[int, int, int]:
    return deal.buy, deal.sell, deal.net


def _texts(line: Sequence[Any]) -> list[str]:
    return [f"{one:,}" if isinstance(one, int) else one for one in line]


def margin_table(session: date, rows: Sequence[DayRow], before: Mapping[str, DayRow]) -> dict[str, Any]:
    """MI_MARGN: the market's totals, then each security."""
    lines = [_margin_row(row, before.get(row.symbol)) for row in rows if figures.is_lent(row)]
    totals = [sum(line[place] for line in lines) for place in (*range(2, 7), *range(8, 13))]
    return {
        "stat": "OK",
        "date": compact(session),
        "tables": [
            {
                "title": f"{roc_words(session)} 信用交易統計",
                "fields": ["項目", "買進", "賣出", "現金(券)償還", "前日餘額", "今日餘額"],
                "data": [
                    _texts(["融資(交易單位)", *totals[:5]]),
                    _texts(["融券(交易單位)", *totals[5:]]),
                ],
            },
            {
                "title": f"{roc_words(session)} 融資融券彙總 (全部)",
                "fields": list(_MARGIN),
                "data": [_texts(line) for line in lines],
                "notes": ["沙盒交易所：數字為合成，並非真實資料。"],
            },
        ],
    }


def _margin_row(row: DayRow, before: DayRow | None) -> list[Any]:
    margin, short = (figures.lent(kind, row, before) for kind in ("margin", "short"))
    limit = (row.issued or 0) // 4_000
    return [
        row.symbol,
        row.listed.security.name,
        *(margin.buy, margin.sell, margin.repaid, margin.previous, margin.balance, limit),
        *(short.buy, short.sell, short.repaid, short.previous, short.balance, limit),
        figures.offset(row),
        " ",
    ]


def valuation_table(session: date, rows: Sequence[DayRow]) -> dict[str, Any]:
    """BWIBBU_d: stocks only."""
    stocks = [row for row in rows if row.listed.security.kind is SecurityKind.STOCK]
    return {
        "stat": "OK",
        "date": compact(session),
        "title": f"{roc_words(session)} 個股日本益比、殖利率及股價淨值比",
        "fields": list(_VALUATION),
        "data": [
            [
                row.symbol,
                row.listed.security.name,
                "--" if row.close is None else f"{row.close / 10_000:,.2f}",
                figures.dividend_yield(row.symbol),
                session.year - 1912,
                figures.price_earnings(row.symbol) or "-",
                figures.price_book(row.symbol),
                f"{session.year - 1911}/1",
            ]
            for row in stocks
        ],
        "selectType": "ALL",
        "total": len(stocks),
    }


def index_page(session: date, rows: Sequence[DayRow]) -> dict[str, Any]:
    """MI_INDEX of type IND: its tables of indices, and nothing in the places of the others."""
    echo = {"date": compact(session), "type": "IND", "response": "json"}
    echo |= {"controller": "afterTrading", "action": "MI_INDEX", "lang": "zh"}
    tables = [*index_tables(session, rows), {}, {}, {}, {}]
    return {"tables": tables, "params": echo, "stat": "OK", "date": compact(session)}
