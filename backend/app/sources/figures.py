"""Datasets of figures: a subclass says where to ask and how the table was laid out over the years; that is all.

The rest is the same for every one of them: the envelope, the date echo, which layout a reply has, rows that break a
rule, and sums that do not add up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, time
from typing import Any, ClassVar

from app.errors import NoData, SourceChanged
from app.market.figures import Figures, Unit
from app.market.security import is_warrant
from app.sources import parsing
from app.sources.bars import symbol_of
from app.sources.base import Dataset, Parsed, SessionQuery, Site
from app.sources.envelope import body_date, json_object, list_of, require_count, require_date, require_ok, title_date
from app.sources.layouts import Layout, Sum
from app.sources.rows import Row, read_rows, table_rows


class FiguresDataset(Dataset[SessionQuery, Figures]):
    """One dataset of figures of one venue, a session at a time. Subclasses hold no state."""

    site: ClassVar[Site]
    layouts: ClassVar[Sequence[Layout]]
    """The newest first: ``units`` takes its order from them."""
    title: ClassVar[str] = ""
    """What the title of the table holds; for replies with several tables of the same columns."""
    sums: ClassVar[Sequence[Sum]] = ()
    published_by: ClassVar[time]
    """Taipei, on the session itself: "there is nothing" said earlier means that it is not published yet."""

    @classmethod
    def units(cls) -> dict[str, Unit]:
        """Every field that it ever published, with its unit."""
        return {name: cell.unit for layout in cls.layouts for name, cell in layout.cells.items()}

    def owner(self, row: Row, layout: Layout) -> str | None:
        """The symbol whose row it is; None to leave the row out on purpose. Raises InvalidRow where none is there."""
        symbol = symbol_of(row[layout.symbol])
        return None if is_warrant(symbol) else symbol

    def parse(self, body: bytes, query: SessionQuery) -> Parsed[Figures]:
        """The figures in *body*; those fields that its layout has."""
        document = json_object(body, site=self.site)
        require_ok(document, site=self.site, asked=query.session)
        require_date(body_date(document.get("date"), site=self.site), query.session, site=self.site)
        layout, tables = self._tables(document)
        for table in tables:
            self._require_whole(table, query.session)
        if not any(table["data"] for table in tables):
            raise NoData(f"{self.site} has no {self.name} for {query.session}", site=self.site)

        def read(row: Row) -> Figures | None:
            symbol = self.owner(row, layout)
            if symbol is None:
                return None
            cells = layout.cells.items()
            values = {name: one.read(symbol, *(row[column] for column in one.columns)) for name, one in cells}
            for each in self.sums:
                each.require(values)
            return Figures(symbol, query.session, values)

        lines = (
            line
            for table in tables
            for line in table_rows(layout.names(_header(table)), table["data"], layout.columns(), site=self.site)
        )
        rows, rejected = read_rows(
            lines, read, key=lambda one: one.symbol, symbol=layout.symbol or None, session=query.session
        )
        return Parsed(rows=rows, rejected=rejected, fields=frozenset(layout.cells))

    def _tables(self, document: Mapping[str, Any]) -> tuple[Layout, list[Mapping[str, Any]]]:
        """The tables that are ours, and the layout that they all have. Raises SourceChanged where none is."""
        found: list[tuple[Layout, Mapping[str, Any]]] = []
        short: list[str] = []
        for table in _candidates(document):
            if self.title not in str(table.get("title", "")):
                continue
            header = _header(table)
            faults = {place: layout.faults(header) for place, layout in enumerate(self.layouts)}
            best = min(faults, key=lambda place: len(faults[place]))
            if not faults[best]:
                found.append((self.layouts[best], table))
            elif not short or len(faults[best]) < len(short):
                short = faults[best]
        if found and all(layout is found[0][0] for layout, _ in found):
            return found[0][0], [table for _, table in found]
        if short:
            sentence = f"the table {self.name} of {self.site} has not, or not as it used to, {'、'.join(short)[:500]}"
            raise SourceChanged(sentence, site=self.site, column=short[0])
        raise SourceChanged(f"the reply of {self.site} has no one table {self.title or self.name}", site=self.site)

    def _require_whole(self, table: Mapping[str, Any], session: date) -> None:
        """The table is for *session*, and all of it came."""
        if self.site is Site.TPEX and table.get("date"):
            require_date(body_date(table["date"], site=self.site, roc=True), session, site=self.site)
        if printed := title_date(str(table.get("title", ""))):
            require_date(body_date(printed, site=self.site, roc=True), session, site=self.site)
        lines = list_of(table, "data", site=self.site)
        require_count(table.get("totalCount", table.get("total")), lines, site=self.site)


def _header(table: Mapping[str, Any]) -> list[str]:
    return [parsing.field_name(one) for one in table["fields"]]


def _candidates(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Everything in the reply that is a table: itself (TWSE's older way), or those under ``tables``."""
    tables = document.get("tables")
    inner = tables if isinstance(tables, list) else []
    return [one for one in (document, *inner) if isinstance(one, dict) and isinstance(one.get("fields"), list)]
