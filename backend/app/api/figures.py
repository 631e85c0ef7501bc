"""Figures: what the exchanges publish of a security besides its bars, whatever the dataset."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from app.api.instants import AsOf
from app.api.replies import Reply, ThePlatform, failures
from app.api.securities import unknown_symbol
from app.errors import InvalidParameter
from app.market.figures import Figures, Unit, in_unit
from app.market.security import Venue
from app.services.sync_figures import fields_of
from app.sources import registry
from app.store import securities
from app.store.engine import transaction
from app.store.figures import read_figures

router = APIRouter(prefix="/api/v1/figures", tags=["figures"])


class DatasetRow(BaseModel):
    """A dataset and its fields."""

    name: str = Field(examples=["institutional"])
    venues: list[Venue]
    fields: dict[str, Unit] = Field(description="field → unit, in order", examples=[{"foreign_net": "shares"}])


class DatasetsReply(Reply):
    """Every dataset of figures."""

    datasets: list[DatasetRow]


class FigureRow(BaseModel):
    """One session. null: the exchange publishes no such value, which is not zero."""

    session: date
    values: dict[str, int | str | None] = Field(
        description="shares and TWD as whole numbers, ratios and points as exact decimal text",
        examples=[{"price_earnings": "30.79", "dividend_yield": "0.0541", "price_book": "1.27"}],
    )


class FiguresReply(Reply):
    """Figures of one security, oldest session first."""

    dataset: str
    symbol: str
    units: dict[str, Unit]
    count: int
    more: bool = Field(description="whether the range holds older sessions than these; ask again with an earlier `end`")
    figures: list[FigureRow]


@router.get("", summary="Datasets of figures")
def get_datasets(platform: ThePlatform) -> DatasetsReply:
    """Institutional trades, margin balances, valuations, indices: their fields and units."""
    rows = [
        DatasetRow(name=name, venues=list(by_venue), fields=fields_of(name))
        for name, by_venue in registry.figures().items()
    ]
    return DatasetsReply(source=platform.settings.quantlab_source, datasets=rows)


@router.get("/{dataset}/{symbol}", summary="Figures of a security or an index", responses=failures(404, 422))
def get_figures(
    platform: ThePlatform,
    dataset: str,
    symbol: str,
    *,
    start: Annotated[date | None, Query(description="first session, YYYY-MM-DD")] = None,
    end: Annotated[date | None, Query(description="last session, YYYY-MM-DD")] = None,
    as_of: AsOf = None,
    limit: Annotated[int, Query(ge=1, le=10_000, description="the newest so many of the range")] = 250,
) -> FiguresReply:
    """Figures as the exchange published them; the indices are TAIEX and TPEX of the dataset `indices`."""
    units = fields_of(dataset)
    if start and end and start > end:
        raise InvalidParameter(f"start {start} is later than end {end}.")
    with transaction(platform.engine) as connection:
        found = read_figures(connection, dataset, symbols=[symbol], start=start, end=end, limit=limit + 1, as_of=as_of)
        if not found and securities.find(connection, symbol) is None:
            raise unknown_symbol(symbol)
    newest = found[-limit:]
    return FiguresReply(
        source=platform.settings.quantlab_source,
        dataset=dataset,
        symbol=symbol,
        units=units,
        count=len(newest),
        more=len(found) > limit,
        figures=[_row(one, units) for one in newest],
    )


def _row(figures: Figures, units: dict[str, Unit]) -> FigureRow:
    values: dict[str, int | str | None] = {}
    for name, unit in units.items():
        value = figures.values.get(name)
        values[name] = value if value is None or unit.scale == 1 else f"{in_unit(value, unit).normalize():f}"
    return FigureRow(session=figures.session, values=values)
