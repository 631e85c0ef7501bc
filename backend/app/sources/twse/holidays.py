"""TWSE's holiday schedule: by year, and its openapi twin for the current one. TPEx keeps the same calendar."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import ClassVar

from app.errors import InvalidRow, NoData, WrongDate
from app.market.holiday import Holiday
from app.market.security import Venue
from app.sources import parsing
from app.sources.base import Dataset, Parsed, RejectedRow, Request, Site, YearQuery
from app.sources.envelope import json_list, json_object, list_of, require_count, require_ok
from app.sources.rows import Row, object_rows, read_rows, table_rows

_OPEN_MARKS = ("開始交易", "最後交易")
"""Days that the list names though the market is open: the first and last sessions around the New Year.

市場無交易，僅辦理結算交割作業 (settlement only) is a closed day.
"""
MAX_NOTE = 2_000
_OTHER_YEAR = "other-year"
_FIELDS = frozenset({"day", "name", "is_session", "note"})


class Holidays(Dataset[YearQuery, Holiday]):
    """The special days of any year from about 2017 on. Typhoon closures are never among them."""

    name: ClassVar[str] = "holidays"
    venue: ClassVar[Venue | None] = Venue.TWSE

    def request(self, query: YearQuery) -> Request:
        """The schedule of the year."""
        params = (("date", f"{query.year}0101"), ("response", "json"))
        return Request(Site.TWSE, "/rwd/zh/holidaySchedule/holidaySchedule", params)

    def parse(self, body: bytes, query: YearQuery) -> Parsed[Holiday]:
        """Days, dated as ``2024-01-01``."""
        document = json_object(body, site=Site.TWSE)
        require_ok(document, site=Site.TWSE, asked=date(query.year, 12, 31))
        lines = list_of(document, "data", site=Site.TWSE)
        require_count(document.get("total"), lines, site=Site.TWSE)
        if not lines:
            raise NoData(f"{Site.TWSE} has no holidays of {query.year}", site=Site.TWSE)
        rows = table_rows(list_of(document, "fields", site=Site.TWSE), lines, ("日期", "名稱", "說明"), site=Site.TWSE)
        read = _reader("日期", parsing.gregorian_date, "名稱", "說明", year=query.year)
        return _of_year(*read_rows(rows, read, key=lambda one: (one.day, one.name)), query=query, site=Site.TWSE)


class CurrentHolidays(Dataset[YearQuery, Holiday]):
    """The same list of the current year only, from the openapi; WrongDate for any other year."""

    name: ClassVar[str] = "current_holidays"
    venue: ClassVar[Venue | None] = Venue.TWSE

    def request(self, query: YearQuery) -> Request:  # noqa: ARG002 - it knows no parameter
        """The schedule."""
        return Request(Site.TWSE_OPENAPI, "/holidaySchedule/holidaySchedule")

    def parse(self, body: bytes, query: YearQuery) -> Parsed[Holiday]:
        """Days, dated as ``1150101``."""
        lines = json_list(body, site=Site.TWSE_OPENAPI)
        rows = object_rows(lines, ("Name", "Date", "Description"), site=Site.TWSE_OPENAPI)
        read = _reader("Date", parsing.roc_date, "Name", "Description", year=query.year)
        values, rejected = read_rows(rows, read, key=lambda one: (one.day, one.name))
        return _of_year(values, rejected, query=query, site=Site.TWSE_OPENAPI)


def _reader(day: str, read_day: Callable[[str], date], name: str, note: str, *, year: int) -> Callable[[Row], Holiday]:
    def read(row: Row) -> Holiday:
        when = read_day(row[day])
        if when.year != year:  # a slip of its date, or all of the list is for another year: see _of_year
            raise InvalidRow(f"{when} is not in {year}", rule=_OTHER_YEAR)
        title = parsing.name(row[name])
        words = parsing.without_tags(row[note].replace("<br>", " "))
        return Holiday(
            day=when,
            name=title,
            is_session=any(mark in title for mark in _OPEN_MARKS),
            note=parsing.words(" ".join(words.split()), longest=MAX_NOTE),
        )

    return read


def _of_year(
    values: tuple[Holiday, ...], rejected: tuple[RejectedRow, ...], *, query: YearQuery, site: Site
) -> Parsed[Holiday]:
    if not values and any(one.rule == _OTHER_YEAR for one in rejected):
        message = f"{site} was asked for {query.year} and answered for another year"
        raise WrongDate(message, site=site, rule="date-echo")
    return Parsed(rows=values, rejected=rejected, fields=_FIELDS)
