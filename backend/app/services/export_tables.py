"""What stands beside the bars in an export: securities, corporate actions and the calendar, as tables."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import polars as pl

from app.export import parquet
from app.market.bar import to_decimal
from app.services.held_panel import HeldPanel
from app.store import sessions
from app.store.bar_reads import count_by_session
from app.store.corporate_actions import HeldAction, list_actions
from app.store.engine import Connection
from app.store.securities import HeldSecurity, list_securities

_SECURITY: dict[str, Any] = {
    **dict.fromkeys(("symbol", "name", "venue", "kind", "industry", "isin"), pl.String),
    **dict.fromkeys(("listed_on", "delisted_on"), pl.Date),
    "on_list": pl.Boolean,
}
_ACTION: dict[str, Any] = {
    "symbol": pl.String,
    "ex_date": pl.Date,
    "kind": pl.String,
    **dict.fromkeys(("previous_close", "reference_price", "cash_reference", "ratio", "split_ratio"), pl.Float64),
    "note": pl.String,
}


@dataclass(frozen=True, slots=True)
class Tables:
    """The three tables, of the state of the database that the bars are of."""

    securities: pl.DataFrame
    actions: pl.DataFrame
    calendar: pl.DataFrame

    @classmethod
    def read(cls, connection: Connection, held: HeldPanel) -> Tables:
        """What is held; the calendar goes from the first bar to the last."""
        listed = sorted(list_securities(connection), key=lambda one: one.symbol)
        acted = sorted(
            list_actions(connection), key=lambda one: (one.action.symbol, one.action.ex_date, one.action.kind)
        )
        trading = sessions.trading_calendar(connection)
        days = sorted({*trading.sessions_between(held.calendar[0], held.calendar[-1]), *held.calendar})
        by_session = count_by_session(connection)
        return cls(
            pl.DataFrame([_security(one) for one in listed], schema=_SECURITY, orient="row"),
            pl.DataFrame([_action(one) for one in acted], schema=_ACTION, orient="row"),
            pl.DataFrame(
                [(day, by_session.get(day, 0)) for day in days],
                schema={"session": pl.Date, "bars": pl.Int64},
                orient="row",
            ),
        )

    def frames(self) -> dict[str, pl.DataFrame]:
        """The tables by the names of their files."""
        return {parquet.SECURITIES: self.securities, parquet.ACTIONS: self.actions, parquet.CALENDAR: self.calendar}

    def digest(self) -> str:
        """Changes with any value."""
        digest = hashlib.sha256()
        for frame in self.frames().values():
            digest.update(frame.write_ndjson().encode())
        return digest.hexdigest()


def _security(one: HeldSecurity) -> tuple[object, ...]:
    return tuple(getattr(one, name) for name in _SECURITY)


def _action(held: HeldAction) -> tuple[object, ...]:
    one = held.action
    prices = (one.previous_close, one.reference_price, one.cash_reference)
    twd = [None if price is None else float(to_decimal(price)) for price in prices]
    return one.symbol, one.ex_date, one.kind.value, *twd, float(one.ratio), float(one.split_ratio), one.note
