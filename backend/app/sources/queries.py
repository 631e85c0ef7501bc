"""Queries as JSON, so that an archived reply can be parsed again with the question that it answered."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from app.errors import StoreError
from app.market.security import Venue
from app.sources.base import (
    LatestQuery,
    ListQuery,
    MonthQuery,
    PeriodQuery,
    QuotesQuery,
    RangeQuery,
    SessionQuery,
    YearQuery,
)

Query = SessionQuery | MonthQuery | RangeQuery | LatestQuery | QuotesQuery | ListQuery | YearQuery | PeriodQuery


def to_json(query: object) -> dict[str, Any]:
    """The query as plain values, with its type's name. Raises TypeError for anything that is no query."""
    match query:
        case SessionQuery(session):
            facts: dict[str, Any] = {"session": session.isoformat()}
        case MonthQuery(symbol, month):
            facts = {"symbol": symbol, "month": month.isoformat()}
        case RangeQuery(symbol, start, end):
            facts = {"symbol": symbol, "start": start.isoformat(), "end": end.isoformat()}
        case LatestQuery():
            facts = {}
        case QuotesQuery(securities):
            facts = {"securities": [[str(venue), symbol] for venue, symbol in securities]}
        case ListQuery(venue):
            facts = {"venue": str(venue)}
        case YearQuery(year):
            facts = {"year": year}
        case PeriodQuery(start, end):
            facts = {"start": start.isoformat(), "end": end.isoformat()}
        case _:
            raise TypeError(f"{query!r} is no query")
    return {"query": type(query).__name__, **facts}


def from_json(facts: Mapping[str, Any]) -> Query:  # noqa: PLR0911 - one a kind
    """The query that ``to_json`` wrote. Raises StoreError for anything else."""
    try:
        match facts["query"]:
            case "SessionQuery":
                return SessionQuery(date.fromisoformat(facts["session"]))
            case "MonthQuery":
                return MonthQuery(facts["symbol"], date.fromisoformat(facts["month"]))
            case "RangeQuery":
                start, end = date.fromisoformat(facts["start"]), date.fromisoformat(facts["end"])
                return RangeQuery(facts["symbol"], start, end)
            case "LatestQuery":
                return LatestQuery()
            case "QuotesQuery":
                return QuotesQuery(tuple((Venue(venue), symbol) for venue, symbol in facts["securities"]))
            case "ListQuery":
                return ListQuery(Venue(facts["venue"]))
            case "YearQuery":
                return YearQuery(int(facts["year"]))
            case "PeriodQuery":
                return PeriodQuery(date.fromisoformat(facts["start"]), date.fromisoformat(facts["end"]))
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(f"The archive holds a query that cannot be read: {error}.") from error
    raise StoreError(f"The archive holds a query of an unknown kind, {facts['query']!r}.")
