"""Which runs somebody wants to see: the filters of the ledger's list, of its total and of its timeline."""

from __future__ import annotations

from datetime import datetime
from typing import TypedDict

from sqlalchemy import ColumnElement, Text, cast, or_, select

from app.store.audit import STARTS
from app.store.tables import audit, runs, units


class RunFilters(TypedDict, total=False):
    """What is left out, or None, filters nothing.

    *since* and *until* are of the wish to run. *search* is the beginning of an id, or a part of the parameters, the
    reason, the error or the worker's name. *symbol*: runs that were to do that security by name. *who* asked for them.
    """

    task: str | None
    state: str | None
    trigger: str | None
    since: datetime | None
    until: datetime | None
    search: str | None
    symbol: str | None
    who: str | None


def clauses(wanted: RunFilters) -> list[ColumnElement[bool]]:
    """The filters as conditions on ``runs``."""
    exact = {runs.c.task: wanted.get("task"), runs.c.state: wanted.get("state"), runs.c.trigger: wanted.get("trigger")}
    found: list[ColumnElement[bool]] = [column == value for column, value in exact.items() if value is not None]
    if (since := wanted.get("since")) is not None:
        found.append(runs.c.queued_at >= since)
    if (until := wanted.get("until")) is not None:
        found.append(runs.c.queued_at <= until)
    if search := wanted.get("search"):
        texts = (cast(runs.c.parameters, Text), runs.c.reason, runs.c.error, runs.c.error_type, runs.c.worker)
        held = [text.icontains(search, autoescape=True) for text in texts]
        found.append(or_(runs.c.id.startswith(search, autoescape=True), *held))
    if symbol := wanted.get("symbol"):
        named = [runs.c.parameters.contains({"stock_ids": given}) for given in (symbol, [symbol])]
        # A unit of one security begins with its symbol: `2330 2026-11`.
        done = select(units.c.run_id).where(units.c.scope.startswith(f"{symbol} ", autoescape=True))
        found.append(or_(*named, runs.c.id.in_(done)))
    if who := wanted.get("who"):
        asked = select(audit.c.after["run"].astext).where(audit.c.who == who, audit.c.action.in_(STARTS))
        found.append(runs.c.id.in_(asked))
    return found
