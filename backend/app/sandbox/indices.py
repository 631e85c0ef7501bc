"""MI_INDEX's six index tables. Their levels follow the day's mean move from a round base: plausible, nothing more."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from app.sandbox.cells import roc_words
from app.sandbox.rows import DayRow

_INDUSTRIES = (
    "水泥", "食品", "塑膠", "紡織纖維", "電機機械", "電器電纜", "化學", "生技醫療", "玻璃陶瓷", "造紙", "鋼鐵",
    "橡膠", "汽車", "半導體", "電腦及週邊設備", "光電", "通信網路", "電子零組件", "電子通路", "資訊服務", "其他電子",
    "建材營造", "航運", "金融保險", "貿易百貨", "油電燃氣", "其他",
)  # fmt: skip
_BROAD = ("寶島股價", "發行量加權股價", "臺灣50", "臺灣中型100", "臺灣高股息", "未含金融", "未含電子")
_CROSS = ("臺灣生技", "臺灣全市場", "臺灣全市場半導體", "臺灣5G")
_COMPANY = ("漲升股利150", "藍籌30", "工業菁英30", "電子菁英30", "臺灣永續", "臺灣500")


def index_tables(session: date, rows: Sequence[DayRow]) -> list[dict[str, Any]]:
    """Price and return indices of the exchange, across the markets, and of the index company."""
    moves = [row.change / row.reference for row in rows if row.change is not None and row.reference]
    mean = sum(moves) / len(moves) if moves else 0.0
    sector = [f"{name}類" for name in _INDUSTRIES]

    def table(title: str, first: str, names: Sequence[str], ending: str, *, hints: bool = False) -> dict[str, Any]:
        lines = [_line(name + ending, 15_000.0 / (1 + at), mean) for at, name in enumerate(names)]
        fields = [first, "收盤指數", "漲跌(+/-)", "漲跌點數", "漲跌百分比(%)", "特殊處理註記"]
        return {"title": title, "fields": fields, "data": lines} | ({"hints": "單位：元、股"} if hints else {})

    exchange = f"{roc_words(session)} 價格指數(臺灣證券交易所)"
    return [
        table(exchange, "指數", [*_BROAD, *sector], "指數", hints=True),
        table("價格指數(跨市場)", "指數", _CROSS, "指數"),
        table("價格指數(臺灣指數公司)", "指數", _COMPANY, "指數"),
        table("報酬指數(臺灣證券交易所)", "報酬指數", [*_BROAD, *sector], "報酬指數"),
        table("報酬指數(跨市場)", "報酬指數", _CROSS, "報酬指數"),
        table("報酬指數(臺灣指數公司)", "報酬指數", _COMPANY, "報酬指數"),
    ]


def _line(name: str, base: float, move: float) -> list[str]:
    points = base * move
    sign = "<p style ='color:red'>+</p>" if points >= 0 else "<p style ='color:green'>-</p>"
    return [name, f"{base + points:,.2f}", sign, f"{abs(points):,.2f}", f"{move * 100:.2f}", ""]
