"""The exchange's holiday schedule: ISO dates on the site, ROC dates on the open data site, typhoons on neither."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from app.market.calendar import TradingCalendar
from app.sandbox.cells import compact, roc_compact
from app.sandbox.sessions import storm_closures

_FIXED = {
    (1, 1): "中華民國開國紀念日", (2, 28): "和平紀念日", (4, 4): "兒童節", (4, 5): "民族掃墓節", (5, 1): "勞動節",
    (9, 28): "孔子誕辰紀念日/教師節", (10, 10): "國慶日", (10, 25): "臺灣光復暨金門古寧頭大捷紀念日",
    (12, 25): "行憲紀念日",
}  # fmt: skip
_OLD = ("中華民國開國紀念日", "和平紀念日", "國慶日")
"""Listed at weekends too."""
_BY_MONTH = {
    1: "農曆除夕及春節", 2: "農曆除夕及春節", 3: "和平紀念日", 4: "民族掃墓節", 5: "勞動節", 6: "端午節",
    9: "中秋節", 10: "國慶日", 12: "中華民國開國紀念日",
}  # fmt: skip
_SETTLEMENT = "市場無交易，僅辦理結算交割作業"
_WEEKDAYS = "一二三四五六日"


def _holidays(year: int) -> list[tuple[date, str, str]]:
    """(day, name, description): closed weekdays, and the trading days that the real schedule lists among them."""
    sessions = TradingCalendar().sessions_between(date(year, 1, 1), date(year, 12, 31))
    if not sessions or sessions[-1].month < 12:  # not known to its end: not announced yet
        return []
    open_days = set(sessions)
    storms = storm_closures()
    entries: dict[date, tuple[str, str]] = {}
    for number in range((date(year + 1, 1, 1) - date(year, 1, 1)).days):
        day = date(year, 1, 1) + timedelta(days=number)
        fixed = _FIXED.get((day.month, day.day))
        if day in open_days or day in storms or (day.weekday() > 4 and fixed not in _OLD):
            continue
        late_february = "和平紀念日" if day.month == 2 and day.day > 24 else None
        entries[day] = (fixed or late_february or _BY_MONTH.get(day.month, "休市"), "依規定放假1日。")
    entries[sessions[0]] = ("國曆新年開始交易日", "國曆新年開始交易。")
    spring = [day for day, (name, _) in entries.items() if name.startswith("農曆")]
    if spring:
        before = max(day for day in sessions if day < min(spring))
        after = min(day for day in sessions if day > max(spring))
        entries[before] = ("農曆春節前最後交易日", "農曆春節前最後交易。")
        entries[after] = ("農曆春節後開始交易日", "農曆春節後開始交易。")
        for number in range((max(spring) - min(spring)).days):
            entries.setdefault(min(spring) + timedelta(days=number), ("農曆除夕及春節", "適逢例假日。"))
        for day in sorted(spring)[:2]:
            entries[day] = (_SETTLEMENT, "")
    return [(day, *entries[day]) for day in sorted(entries)]


def site_schedule(year: int) -> dict[str, Any] | None:
    """The site's holidaySchedule, any year that is announced; None for others."""
    rows = [[day.isoformat(), name, text] for day, name, text in _holidays(year)]
    if not rows:
        return None
    return {
        "stat": "ok",
        "date": compact(date(year, 1, 1)),
        "title": f"{year - 1911} 年市場開休市日期",
        "fields": ["日期", "名稱", "說明"],
        "data": rows,
        "queryYear": year,
        "total": len(rows),
    }


def open_schedule(year: int) -> list[dict[str, str]]:
    """The open data site's holidaySchedule, the current year."""
    return [
        {"Name": name, "Date": roc_compact(day), "Weekday": _WEEKDAYS[day.weekday()], "Description": text}
        for day, name, text in _holidays(year)
    ]
