"""Daily bars of many securities: pages of JSON or CSV, or one file of Parquet or Arrow."""

from __future__ import annotations

import base64
import binascii
import io
import json
from datetime import date
from enum import StrEnum
from typing import Annotated, Any

import polars as pl
from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import Field

from app.api.bars import METHODS, Adjusted, BarRow
from app.api.instants import AsOf
from app.api.replies import Reply, ThePlatform, failures
from app.core.config import load_universes
from app.errors import InvalidParameter
from app.export.bar_frame import as_numbers, as_text
from app.market.adjustment import Adjustment, Direction, Method
from app.services.bar_pages import COLUMNS, Choice, Place, choose_bars, count_bars, pages, read_page
from app.store.engine import Connection, snapshot

router = APIRouter(prefix="/api/v1/bars", tags=["bars"])

KEY = ("symbol", "session")
PAGE, LARGEST_PAGE = 10_000, 100_000
LARGEST_FILE = 500_000
"""Bars in one reply of Parquet or Arrow, which are built as a whole: 300 MB of memory while it is made."""


class Form(StrEnum):
    """How bars are written."""

    JSON = "json"
    CSV = "csv"
    PARQUET = "parquet"
    ARROW = "arrow"


_MEDIA = {
    Form.JSON: "application/json",
    Form.CSV: "text/csv",
    Form.PARQUET: "application/vnd.apache.parquet",
    Form.ARROW: "application/vnd.apache.arrow.stream",
}


class ManyBarRow(BarRow):
    """One session of one security; without what `fields` leaves out."""

    symbol: str = Field(examples=["0050"])


class ManyBarsReply(Reply):
    """Bars in order of symbol and session."""

    currency: str = "TWD"
    adjusted: Adjusted
    method: Method | None = Field(description="null: prices are raw")
    count: int
    next: str | None = Field(description="the `cursor` of the next page; null on the last one")
    bars: list[ManyBarRow]


@router.get(
    "",
    summary="Daily bars of many securities",
    response_model=ManyBarsReply,
    responses={
        **failures(404, 409, 422),
        200: {"content": {media: {} for form, media in _MEDIA.items() if form is not Form.JSON}},
    },
)
def get_many_bars(
    platform: ThePlatform,
    request: Request,
    *,
    symbols: Annotated[str | None, Query(description="by commas", examples=["2330,0050"])] = None,
    universe: Annotated[
        str | None, Query(description="instead of symbols: popular, popular_10, popular_5, or all", max_length=50)
    ] = None,
    start: Annotated[date | None, Query(description="first session, YYYY-MM-DD")] = None,
    end: Annotated[date | None, Query(description="last session, YYYY-MM-DD")] = None,
    adjusted: Annotated[
        Adjusted, Query(description="none: as published; back: the newest price is raw; forward: the oldest held is")
    ] = Adjusted.NONE,
    method: Annotated[Method, Query(description=METHODS)] = Method.TOTAL_RETURN,
    as_of: AsOf = None,
    fields: Annotated[
        str | None, Query(description="only these, by commas; symbol and session always", examples=["close,volume"])
    ] = None,
    form: Annotated[
        Form | None, Query(alias="format", description="json, unless this or the Accept header says otherwise")
    ] = None,
    limit: Annotated[
        int | None, Query(ge=1, le=LARGEST_PAGE, description=f"bars a page of json or csv; {PAGE:,} when left out")
    ] = None,
    cursor: Annotated[
        str | None, Query(description="json and csv: the page after that of which it is the `next`", max_length=200)
    ] = None,
    accept: Annotated[str | None, Header(include_in_schema=False)] = None,
) -> Response:
    """Raw or adjusted bars by symbol and session: the numbers of `/api/v1/bars/{symbol}`, of many at once.

    With as_of as they stood then, adjusted by what was known then; the securities of a universe are today's.

    JSON and CSV have exact decimal text and come in pages: `next` in the body, `X-Next-Cursor` and `Link` in the
    headers, to be given back as `cursor`. Bars that are written meanwhile come twice in none of them; where a
    corporate action came meanwhile, so that a security's adjusted prices would not fit together, the next page is
    refused (409): begin anew. Parquet and Arrow (an IPC stream) have float64 prices and come as one file of at most
    500,000 bars.
    """
    form = form or _accepted(accept)
    chosen_fields = _fields(fields)
    adjustment = None if adjusted is Adjusted.NONE else Adjustment(Direction(adjusted.value), method)
    after = None if cursor is None else _place(cursor)
    whole = form in (Form.PARQUET, Form.ARROW)
    if whole and (limit is not None or after):
        raise InvalidParameter("limit and cursor are for json and csv: parquet and arrow come as one file.")
    with snapshot(platform.engine) as connection:
        choice = choose_bars(
            connection,
            symbols=None if symbols is None else _symbols(symbols),
            universe=universe,
            universes=load_universes(),
            start=start,
            end=end,
            adjustment=adjustment,
            as_of=as_of,
        )
        if whole:
            frame, following = _all(connection, choice).select(chosen_fields), None
        else:
            page = read_page(connection, choice, after=after, limit=limit or PAGE)
            frame, following = page.frame.select(chosen_fields), page.next and _cursor(page.next)
    source = platform.settings.quantlab_source
    headers = {"Vary": "Accept"}
    if form is not Form.JSON:
        headers["Content-Disposition"] = f'attachment; filename="bars.{_ENDINGS[form]}"'
    if following:
        headers["X-Next-Cursor"] = following
        headers["Link"] = f'<{request.url.include_query_params(cursor=following)}>; rel="next"'
    head = {
        "source": source,
        "currency": "TWD",
        "adjusted": adjusted,
        "method": None if adjusted is Adjusted.NONE else method,
        "count": frame.height,
        "next": following,
    }
    return Response(_written(frame, form, head), media_type=_MEDIA[form], headers=headers)


_ENDINGS = {Form.CSV: "csv", Form.PARQUET: "parquet", Form.ARROW: "arrows"}


def _all(connection: Connection, choice: Choice) -> pl.DataFrame:
    if count_bars(connection, choice, most=LARGEST_FILE + 1) > LARGEST_FILE:
        raise InvalidParameter(
            f"That is more than {LARGEST_FILE:,} bars: ask for fewer symbols or a shorter range, page through csv, "
            "or read the files of `quantlab export parquet`."
        )
    return pl.concat([page.frame for page in pages(connection, choice, limit=LARGEST_PAGE)])


def _written(frame: pl.DataFrame, form: Form, head: dict[str, Any]) -> bytes:
    if form is Form.JSON:
        text = json.dumps(head).removesuffix("}")
        return f'{text}, "bars": {as_text(frame).write_json()}}}'.encode()
    if form is Form.CSV:
        return as_text(frame).write_csv().encode()
    file = io.BytesIO()
    numbers = as_numbers(frame)
    if form is Form.ARROW:
        numbers.rechunk().write_ipc_stream(file)
    else:
        numbers.write_parquet(file, compression="zstd", metadata={"source": str(head["source"])})
    return file.getvalue()


def _accepted(accept: str | None) -> Form:
    """The first form that the client names; JSON for those who take anything, or nothing that there is."""
    asked = [part.split(";")[0].strip().lower() for part in (accept or "").split(",")]
    return next((form for media in asked for form, known in _MEDIA.items() if media == known), Form.JSON)


def _symbols(text: str) -> list[str]:
    found = [part.strip() for part in text.split(",") if part.strip()]
    if not found:
        raise InvalidParameter(f"symbols is {text[:60]!r}: write symbols such as 2330 with commas between them.")
    return found


def _fields(text: str | None) -> list[str]:
    if text is None:
        return list(COLUMNS)
    asked = {part.strip() for part in text.split(",") if part.strip()}
    if unknown := sorted(asked - set(COLUMNS)):
        raise InvalidParameter(f"There is no field {unknown[0][:60]!r}; there are {', '.join(COLUMNS)}.")
    return [name for name in COLUMNS if name in KEY or name in asked]


def _cursor(place: Place) -> str:
    words = f"{place.symbol} {place.session} {place.factors or ''}".rstrip()
    return base64.urlsafe_b64encode(words.encode()).decode().rstrip("=")


def _place(cursor: str) -> Place:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        symbol, session, *factors = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii").split(" ")
        return Place(symbol, date.fromisoformat(session), *factors[:1])
    except (ValueError, binascii.Error) as error:
        raise InvalidParameter(f"cursor is {cursor[:60]!r}: give back what the page before had as `next`.") from error
