"""The types of task parameters; the API, the console and the check in the worker all read them."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from app.core import wiring
from app.core.config import load_universes
from app.core.referee import OtherName
from app.errors import InvalidParameter
from app.market.calendar import FIRST_DAY, TAIPEI
from app.market.quality import RULES
from app.market.security import BAR_VENUES, Venue, is_symbol
from app.services.sync_figures import fields_of


def _one_or_many(value: Any) -> Any:
    """A plain string is one symbol: ``apply_async(args=['2330'])`` means 2330, not '2', '3', '3' and '0'."""
    return [value] if isinstance(value, str) else value


def _known_universe(value: Any) -> Any:
    known = ["all", *load_universes()]
    if value is not None and value not in known:
        raise ValueError(f"there is no such universe; known are {', '.join(known)}")
    return value


def _a_symbol(value: Any) -> Any:
    if not isinstance(value, str) or not is_symbol(value):
        raise ValueError(f"{value!r} is no symbol; one is text of four to six digits or capital letters, like '2330'")
    return value


def _a_dataset(value: Any) -> Any:
    try:
        fields_of(str(value))
    except InvalidParameter as error:
        raise ValueError(str(error)) from error
    return value


class Parameters(BaseModel):
    """What holds of every task's parameters, whichever it has."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="after")
    def _one_choice_of_securities(self) -> Self:
        if getattr(self, "stock_ids", None) is not None and getattr(self, "universe", None) is not None:
            raise ValueError("give stock_ids or a universe, not both")
        return self

    @model_validator(mode="after")
    def _a_range_in_order(self) -> Self:
        start, end = getattr(self, "start", None), getattr(self, "end", None)
        if start is not None and end is not None and end < start:
            raise ValueError(f"end {end} is before start {start}")
        return self


def _a_rule(value: str | None) -> str | None:
    if value is not None and value not in RULES:
        raise ValueError(f"there is no such rule; there are {', '.join(RULES)}")
    return value


def _with_daily_bars(venue: Venue | None) -> Venue | None:
    if venue is not None and venue not in BAR_VENUES:
        raise ValueError(f"{venue} publishes no daily bars of its whole market; {' and '.join(BAR_VENUES)} do")
    return venue


def _not_in_the_future(day: date | None) -> date | None:
    today = wiring.now().astimezone(TAIPEI).date()
    if day is not None and day > today:
        raise ValueError(f"it lies in the future; today in Taipei is {today}")
    return day


Symbol = Annotated[str, BeforeValidator(_a_symbol), Field(json_schema_extra={"pattern": "^[0-9A-Z]{4,6}$"})]

StockIds = Annotated[
    Annotated[list[Symbol], Field(min_length=1, max_length=5_000)] | None,
    BeforeValidator(_one_or_many),
    Field(description="symbols such as 2330; one as plain text or a list; leave out for the default"),
]
Universe = Annotated[
    str | None,
    BeforeValidator(_known_universe),
    Field(
        description="a named set of securities: all, popular, popular_10, popular_5",
        examples=["all", *load_universes()],
    ),
]
Datasets = Annotated[
    Annotated[list[Annotated[str, BeforeValidator(_a_dataset)]], Field(min_length=1, max_length=100)] | None,
    BeforeValidator(_one_or_many),
    Field(description="datasets of figures, such as margin; all when left out"),
]
Days = Annotated[int, Field(strict=True, ge=1, le=366, description="calendar days, counted back from the end date")]
LongDays = Annotated[int, Field(strict=True, ge=1, le=10_000, description="calendar days, counted back from the end")]
EndDate = Annotated[
    date | None,
    AfterValidator(_not_in_the_future),
    Field(description="the last day, YYYY-MM-DD; today in Taipei when left out", ge=date(2004, 2, 11)),
]
FirstDay = Annotated[date, Field(description="the first day, YYYY-MM-DD, 2004-02-11 at the earliest", ge=FIRST_DAY)]
OneVenue = Annotated[
    Venue | None, AfterValidator(_with_daily_bars), Field(description="TWSE or TPEX; both when left out")
]
OnlyQuarantined = Annotated[
    bool, Field(description="only sessions of which rows wait in quarantine, after a parser or a rule was mended")
]
OneRule = Annotated[
    str | None,
    AfterValidator(_a_rule),
    Field(description="with `quarantined`: only rows that break this rule, such as ohlc-order"),
]
Force = Annotated[
    bool, Field(description="export though nothing has changed, or though somebody went back to an earlier snapshot")
]
Again = Annotated[bool, Field(description="ask for what is held, too, and record what the exchange changed since")]
OtherSource = Annotated[OtherName, Field(description="who is compared with: finmind, or finlab (optional package)")]
Sample = Annotated[
    int, Field(strict=True, ge=1, le=5_000, description="so many securities, drawn; as many as there are: all of them")
]
Seed = Annotated[
    Annotated[int, Field(strict=True, ge=0, lt=2**32)] | None,
    Field(description="draws the sample; the run's own when left out, and told in its result"),
]
