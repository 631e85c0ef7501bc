"""The exchanges' own tables of corporate actions, as recorded beside a panel that is replayed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from app.errors import ConfigurationError, InvalidParameter
from app.sandbox.actions import Table
from app.sandbox.cells import read_date

_FILES = {
    Table.TWSE_DIVIDENDS: "node-twstock/twse-stocks-dividends.json",
    Table.TWSE_REDUCTIONS: "node-twstock/twse-stocks-capital-reductions.json",
    Table.TWSE_PAR_CHANGES: "twse-money-flow/rwd_TWTB8U_par_change_2020_2026.json",
    Table.TWSE_SPLITS: "twse-money-flow/rwd_TWTCAU_etf_split_2020_2026.json",
    Table.TPEX_DIVIDENDS: "node-twstock/tpex-stocks-dividends.json",
    Table.TPEX_REDUCTIONS: "node-twstock/tpex-stocks-capital-reductions.json",
    Table.TPEX_PAR_CHANGES: "node-twstock/tpex-stocks-splits.json",
}
"""Of splits of TPEx's funds there is no recording."""


class RecordedTables:
    """The tables below *folder*. What is not there, or not covered by what is there, is as if nothing happened."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def lines(self, table: Table, start: date, end: date) -> Sequence[list[str]]:
        """The table's recorded rows whose ex-date lies from *start* to *end*. Raises ConfigurationError."""
        path = self._folder / _FILES.get(table, "none")
        if not path.is_file():
            return ()
        try:
            document = json.loads(path.read_text())
            tables = document.get("tables", [document])
            return [line for one in tables for line in one["data"] if start <= _day(line) <= end]
        except (ValueError, KeyError, TypeError, AttributeError, InvalidParameter) as error:
            raise ConfigurationError(f"{path} is no recording of {table}: {error!r}.") from error


def _day(line: Any) -> date:
    """The first cell: ``113年03月04日``, ``113/03/22`` or ``1130205``."""
    return read_date(str(line[0]).replace("年", "/").replace("月", "/").replace("日", ""))
