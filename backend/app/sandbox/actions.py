"""A corporate action of the sandbox, the tables that the exchanges publish them in, and who can fill those."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Protocol

from app.market.corporate_action import ActionKind
from app.sandbox.listing import Listed


class Table(StrEnum):
    """The last part of a table's address."""

    TWSE_DIVIDENDS = "TWT49U"
    TWSE_REDUCTIONS = "TWTAUU"
    TWSE_PAR_CHANGES = "TWTB8U"
    TWSE_SPLITS = "TWTCAU"
    TPEX_DIVIDENDS = "exDailyQ"
    TPEX_REDUCTIONS = "revivt"
    TPEX_PAR_CHANGES = "pvChgRslt"
    TPEX_SPLITS = "etfSplitRslt"
    TPEX_REVERSE_SPLITS = "etfRvsRslt"


@dataclass(frozen=True, slots=True)
class Action:
    """Prices in 1/10,000 TWD."""

    listed: Listed
    session: date
    kind: ActionKind
    previous_close: int
    reference: int
    limit_up: int
    limit_down: int
    opening: int
    """The reference on a tick: 開盤競價基準."""
    cash: int
    """Of a share."""
    free_shares: int
    """Of a thousand."""
    halted_on: date | None
    """The first of the sessions without trade before, if any."""


class ActionTables(Protocol):
    """Who fills the tables: the synthetic exchange, or recordings of the real ones."""

    def lines(self, table: Table, start: date, end: date) -> Sequence[list[str]]:
        """The table's rows whose ex-date lies from *start* to *end*, as it prints them, by date and symbol."""
