"""TPEx's tables of figures: insti/dailyTrade, margin/balance, peQryDate and highlight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from app.market.security import SecurityKind
from app.sandbox import figures
from app.sandbox.cells import compact, padded, roc_slashes, roc_words
from app.sandbox.rows import DayRow

_TRADES = ("代號", "名稱", *("買進股數", "賣出股數", "買賣超股數") * 7, "三大法人買賣超股數合計")
_MARGIN = (
    "代號", "名稱", "前資餘額(張)", "資買", "資賣", "現償", "資餘額", "資屬證金", "資使用率(%)", "資限額",
    "前券餘額(張)", "券賣", "券買", "券償", "券餘額", "券屬證金", "券使用率(%)", "券限額", "資券相抵(張)", "備註",
)  # fmt: skip
_VALUATION = ("股票代號", "公司名稱", "本益比", "每股股利", "股利年度", "殖利率(%)", "股價淨值比", "財報年/季")
_SUMMARY = (
    "上櫃家數", "總資本額(佰萬元)", "總市值(佰萬元)", "本日總成交值(佰萬元)", "本日總成交股數(仟股)", "收市指數",
    "指數漲跌", "上漲家數", "漲停家數", "下跌家數", "跌停家數", "平盤家數", "未成交(含暫停交易)家數",
)  # fmt: skip
_BASE = 200.0
"""Of the index, which follows the day's mean move as TWSE's do."""


def _page(session: date, title: str, fields: Sequence[str], lines: Sequence[Sequence[Any]]) -> dict[str, Any]:
    table = {"title": title, "date": roc_slashes(session), "totalCount": len(lines), "fields": list(fields)}
    data = [[f"{one:,}" if isinstance(one, int) else one for one in line] for line in lines]
    notes = ["沙盒交易所：數字為合成，並非真實資料。"]
    return {"date": compact(session), "tables": [{**table, "data": data, "summary": [], "notes": notes}], "stat": "ok"}


def institutional_table(session: date, rows: Sequence[DayRow]) -> dict[str, Any]:
    """dailyTrade: seven groups under the same three names."""
    lines = []
    for row in rows:
        if deals := figures.institutional(row):
            foreign, trust, own, hedge = (deals[name] for name in ("foreign", "trust", "dealer_self", "dealer_hedge"))
            groups = (foreign, figures.Deal(0, 0), foreign, trust, own, hedge, own + hedge)
            cells = [number for one in groups for number in (one.buy, one.sell, one.net)]
            total = foreign.net + trust.net + own.net + hedge.net
            lines.append([row.symbol, row.listed.security.name, *cells, total])
    page = _page(session, "三大法人買賣明細資訊", _TRADES, lines)
    subtitle = f"{roc_words(session)} 三大法人日交易資訊(含普通股、鉅額、零股、綜合帳戶之投信買賣成交量)依股票代碼排序"
    page["tables"][0]["subtitle"] = subtitle
    return {"columnNum": 25, **page, "tables": [*page["tables"], {}], "template": "/template/insti/dailyTrade"}


def margin_table(session: date, rows: Sequence[DayRow], before: Mapping[str, DayRow]) -> dict[str, Any]:
    """margin/balance, in lots."""
    lines = []
    for row in rows:
        if figures.is_lent(row):
            margin, short = (figures.lent(kind, row, before.get(row.symbol)) for kind in ("margin", "short"))
            limit = (row.issued or 0) // 4_000
            cells: list[Any] = [row.symbol, row.listed.security.name]
            cells += [margin.previous, margin.buy, margin.sell, margin.repaid, margin.balance, 0, "0.00", limit]
            cells += [short.previous, short.sell, short.buy, short.repaid, short.balance, 0, "0.00", limit]
            lines.append([*cells, figures.offset(row), ""])
    return _page(session, "上櫃股票融資融券餘額", _MARGIN, lines)


def valuation_table(session: date, rows: Sequence[DayRow]) -> dict[str, Any]:
    """peQryDate: stocks only; no ratio is N/A."""
    lines = [
        [
            row.symbol,
            padded(row.listed.security.name),
            figures.price_earnings(row.symbol) or "N/A",
            "1.20000000",
            session.year - 1912,
            figures.dividend_yield(row.symbol),
            figures.price_book(row.symbol),
            f"{session.year - 1911}Q1",
        ]
        for row in rows
        if row.listed.security.kind is SecurityKind.STOCK
    ]
    return _page(session, "", _VALUATION, lines)


def summary_page(session: date, rows: Sequence[DayRow]) -> dict[str, Any]:
    """highlight: one line about the market, with its index."""
    moves = [row.change / row.reference for row in rows if row.change is not None and row.reference]
    points = _BASE * sum(moves) / len(moves) if moves else 0.0
    rising, falling = (sum((row.change or 0) * sign > 0 for row in rows) for sign in (1, -1))
    turnover, volume = (sum(getattr(row, name) or 0 for row in rows) for name in ("turnover", "volume"))
    silent = sum(row.close is None for row in rows)
    line = [
        *(len(rows), 0, 0, turnover // 1_000_000, volume // 1_000),
        *(f"{_BASE + points:,.2f}", f"{points:.2f}"),
        *(rising, 0, falling, 0, len(rows) - rising - falling - silent, silent),
    ]
    return _page(session, "上櫃股票當日彙總資訊", _SUMMARY, [line])


def no_summary(session: date) -> dict[str, Any]:
    """What highlight says of a day that has none."""
    return {"date": compact(session), "stat": "查無資料，請重新輸入日期查詢。"}
