"""Datasets of corporate actions: a subclass says where to ask, what the columns are called and the kinds; that is all.

The rest is the same for every one of them: the envelope, the period's echo, the dates, the two prices that make an
action, and the rows that break a rule.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from types import MappingProxyType
from typing import Any, ClassVar

from app.errors import InvalidRow, NoData
from app.market.corporate_action import ActionKind, CorporateAction
from app.market.security import is_warrant
from app.sources import parsing
from app.sources.bars import symbol_of
from app.sources.base import Dataset, Parsed, PeriodQuery, Request, Site
from app.sources.envelope import (
    body_date,
    json_object,
    list_of,
    require_count,
    require_date,
    require_ok,
    tables_of,
    title_date,
)
from app.sources.rows import Row, read_rows, table_rows

_ZERO = re.compile(r"0(?:\.0+)?")
_SPLITS = (ActionKind.SPLIT, ActionKind.REVERSE_SPLIT)


@dataclass(frozen=True, slots=True)
class Columns:
    """What a table calls the parts of an action; ``kind`` is for tables of several, ``more`` for their own readers."""

    ex_date: str
    symbol: str
    previous_close: str
    reference_price: str
    kind: str = ""
    more: tuple[str, ...] = ()

    def names(self) -> tuple[str, ...]:
        """Every column that is read."""
        own = (self.ex_date, self.symbol, self.previous_close, self.reference_price)
        return (*own, *filter(None, [self.kind]), *self.more)


class ActionsDataset(Dataset[PeriodQuery, CorporateAction]):
    """The actions of one sort and venue whose ex-date lies in a period. Subclasses hold no state."""

    site: ClassVar[Site]
    columns: ClassVar[Columns]
    kinds: ClassVar[Mapping[str, ActionKind | None]]
    """What the words in the column of kinds mean, ``""`` where there is no column; None: the prices tell."""
    optional: ClassVar[frozenset[str]] = frozenset()
    """Which of the fields that not every action has are published: ``cash_reference``, ``note``."""

    def read(self, row: Row, symbol: str, ex_date: date) -> CorporateAction:
        """The action that a row tells.

        Rules: those of ``parsing``, missing-price, unknown-kind, contradictory-kind.
        """
        previous = price_in(row, self.columns.previous_close)
        reference = price_in(row, self.columns.reference_price)
        word = row[self.columns.kind].strip() if self.columns.kind else ""
        if word not in self.kinds:
            raise InvalidRow(f"{word[:80]!r} is none of {'、'.join(self.kinds)}", rule="unknown-kind")
        kind = self.kinds[word]
        if kind in (None, *_SPLITS):
            kind = _split(kind, previous, reference)
        return CorporateAction(symbol, ex_date, kind, previous, reference)

    def parse(self, body: bytes, query: PeriodQuery) -> Parsed[CorporateAction]:
        """The actions in *body*, without those of warrants. Nothing in the whole period is NoData."""
        document = json_object(body, site=self.site)
        require_ok(document, site=self.site, asked=query.end)
        for found, asked in zip(self._period(document), (query.start, query.end), strict=True):
            require_date(body_date(found, site=self.site), asked, site=self.site)
        rows = list(self._rows(document, query))
        if not rows:
            raise NoData(f"{self.site} has no {self.name} from {query.start} to {query.end}", site=self.site)

        def read(row: Row) -> CorporateAction | None:
            symbol = symbol_of(row[self.columns.symbol])
            if is_warrant(symbol):
                return None
            ex_date = parsing.roc_date(row[self.columns.ex_date])
            if not query.start <= ex_date <= query.end:
                sentence = f"{ex_date} is not from {query.start} to {query.end}, which was asked for"
                raise InvalidRow(sentence, rule="outside-period")
            return self.read(row, symbol, ex_date)

        values, rejected = read_rows(
            rows,
            read,
            key=lambda one: (one.symbol, one.ex_date, one.kind),
            symbol=self.columns.symbol,
            session=lambda row: parsing.roc_date(row[self.columns.ex_date]),
        )
        return Parsed(values, rejected, frozenset({"previous_close", "reference_price"}) | self.optional)

    def _period(self, document: Mapping[str, Any]) -> tuple[object, object]:
        """The first and the last day that the reply says to be for."""
        if self.site is Site.TPEX:
            first, _, last = str(document.get("date")).partition("~")
            return first, last
        params = document.get("params")
        echo = params if "endDate" not in document and isinstance(params, dict) else document
        return echo.get("startDate", echo.get("strDate")), echo.get("endDate")

    def _rows(self, document: Mapping[str, Any], query: PeriodQuery) -> Iterator[Row]:
        for table in tables_of(document, site=self.site) if self.site is Site.TPEX else [document]:
            if printed := title_date(str(table.get("title", ""))):
                require_date(body_date(printed, site=self.site, roc=True), query.start, site=self.site)
            fields = list_of(table, "fields", site=self.site)
            lines = list_of(table, "data", site=self.site)
            require_count(table.get("totalCount", table.get("total")), lines, site=self.site)
            yield from table_rows(fields, lines, self.columns.names(), site=self.site)


class ReductionsDataset(ActionsDataset):
    """Reductions of capital; the reason is the action's note.

    Where new shares are sold along with it, the price that trading resumes from is 除權參考價, which takes them into
    account (formula in TWTAUU's own reply); else that cell is ``--`` (TWSE) or ``0.00`` (TPEx).
    """

    kinds = MappingProxyType({"": ActionKind.REDUCTION})
    optional = frozenset({"note"})

    def read(self, row: Row, symbol: str, ex_date: date) -> CorporateAction:
        """The action, with its reason."""
        action = super().read(row, symbol, ex_date)
        after_rights = None if _ZERO.fullmatch(row["除權參考價"].strip()) else parsing.price(row["除權參考價"])
        return replace(
            action,
            reference_price=after_rights or action.reference_price,
            note=parsing.words(row["減資原因"]) or None,
        )


def twse_period(path: str, query: PeriodQuery) -> Request:
    """The period at TWSE. The reply may echo ``strDate``, yet the parameter is ``startDate``: another is ignored."""
    period = (("startDate", f"{query.start:%Y%m%d}"), ("endDate", f"{query.end:%Y%m%d}"))
    return Request(Site.TWSE, path, (*period, ("response", "json")))


def tpex_period(path: str, query: PeriodQuery) -> Request:
    """The period at TPEx."""
    period = (("startDate", f"{query.start:%Y/%m/%d}"), ("endDate", f"{query.end:%Y/%m/%d}"))
    return Request(Site.TPEX, path, (*period, ("id", ""), ("response", "json")))


def price_in(row: Row, column: str) -> int:
    """A price without which there is no action, in 1/10,000 TWD. Rules: those of ``parsing``, missing-price."""
    price = parsing.price(row[column])
    if price is None:
        raise InvalidRow(f"{column} is not there", rule="missing-price")
    return price


def _split(told: ActionKind | None, previous_close: int, reference_price: int) -> ActionKind:
    """A split makes a unit cheaper, a reverse split dearer: the kind, which must be the one that was told."""
    if previous_close == reference_price:
        raise InvalidRow("a split that leaves the price as it was is none", rule="contradictory-kind")
    kind = ActionKind.SPLIT if reference_price < previous_close else ActionKind.REVERSE_SPLIT
    if told not in (None, kind):
        raise InvalidRow(f"the prices are those of a {kind}, not of a {told}", rule="contradictory-kind")
    return kind
