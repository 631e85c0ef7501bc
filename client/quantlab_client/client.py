"""The client: one method a question, pages followed, errors with the server's sentence."""

from __future__ import annotations

import io
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

import httpx

from quantlab_client.errors import InvalidRequest, NotFound, NotReady, QuantLabError, Unavailable
from quantlab_client.values import Action, Bar, Coverage, Figures, Readiness, Security

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

Day = date | str
"""A date, or one as text: 2026-11-20."""
Instant = datetime | str
"""A datetime, or one as text: 2026-11-20T21:00. Without a zone it is Taipei time."""
Adjusted = Literal["none", "back", "forward"]
Method = Literal["total_return", "split_only"]
_PAGE = 20_000
_MANY = 10_000


class QuantLab:
    """A running QuantLab. Close it, or use it in a ``with`` block; one object may serve many threads."""

    def __init__(self, url: str = "http://localhost:3000", *, timeout: float = 60.0) -> None:
        """*timeout*: seconds without a byte after which an answer counts as absent."""
        self._http = httpx.Client(base_url=url, timeout=timeout)
        self.prices: str | None = None
        """``real``, or ``synthetic`` or ``replay``: the sandbox's, not the market's. None before the first answer."""

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def __enter__(self) -> QuantLab:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def bars(
        self,
        symbols: str | Iterable[str],
        *,
        start: Day | None = None,
        end: Day | None = None,
        adjusted: Adjusted = "none",
        method: Method = "total_return",
        as_of: Instant | None = None,
    ) -> list[Bar]:
        """Daily bars by symbol and session; *symbols* is a list, one symbol, or a universe: "popular", "all".

        With *as_of* as they stood at that instant, adjusted by what was known then: nothing of what came later.

        Raises:
            NotFound: names every symbol that there is not.
            InvalidRequest, Unavailable: see ``errors``.
        """
        query = _bars_query(symbols, start=start, end=end, as_of=as_of, adjusted=adjusted, method=method)
        return [Bar.of(row) for page in self._pages(query) for row in page.json()["bars"]]

    def bars_polars(
        self,
        symbols: str | Iterable[str],
        *,
        start: Day | None = None,
        end: Day | None = None,
        adjusted: Adjusted = "none",
        method: Method = "total_return",
        as_of: Instant | None = None,
    ) -> pl.DataFrame:
        """The same as a polars frame, prices as Float64: one request, of 500,000 bars at most."""
        import polars as pl  # noqa: PLC0415 - only who wants frames needs it

        query = _bars_query(symbols, start=start, end=end, as_of=as_of, adjusted=adjusted, method=method)
        return pl.read_ipc_stream(io.BytesIO(self._get("/api/v1/bars", query | {"format": "arrow"}).content))

    def bars_pandas(
        self,
        symbols: str | Iterable[str],
        *,
        start: Day | None = None,
        end: Day | None = None,
        adjusted: Adjusted = "none",
        method: Method = "total_return",
        as_of: Instant | None = None,
    ) -> pd.DataFrame:
        """The same as a pandas frame: prices as float64, absent as NaN; volume, turnover and trades as Int64."""
        import pandas as pd  # noqa: PLC0415 - only who wants frames needs it

        query = _bars_query(symbols, start=start, end=end, as_of=as_of, adjusted=adjusted, method=method) | {
            "format": "csv"
        }
        kinds = {
            "symbol": "str",
            **dict.fromkeys(("open", "high", "low", "close", "change", "applied_factor"), "float64"),
        }
        kinds |= dict.fromkeys(("volume", "turnover", "trades"), "Int64")
        parts = [
            pd.read_csv(io.BytesIO(page.content), dtype=kinds, parse_dates=["session"]) for page in self._pages(query)
        ]
        return pd.concat(parts, ignore_index=True)

    def securities(
        self,
        *,
        venue: str | None = None,
        kind: str | None = None,
        on_list: bool | None = None,
        search: str | None = None,
    ) -> list[Security]:
        """Every security of the filters, in order of symbol; those that were delisted, too."""
        query = {"venue": venue, "kind": kind, "on_list": on_list, "search": search, "limit": 1000, "after": ""}
        found: list[Security] = []
        while query["after"] is not None:
            body = self._get("/api/v1/securities", query).json()
            found += map(Security.of, body["securities"])
            query["after"] = body["next_after"]
        return found

    def actions(
        self,
        symbol: str | None = None,
        *,
        start: Day | None = None,
        end: Day | None = None,
        as_of: Instant | None = None,
    ) -> list[Action]:
        """Corporate actions, newest ex-date first and by symbol; of all securities without *symbol*.

        With *as_of* as the ledger stood at that instant.
        """
        days = {"start": _text(start), "end": _text(end), "as_of": _text(as_of)}
        query = {"symbol": symbol, **days, "limit": _MANY}
        found: dict[tuple[str, date, str], Action] = {}
        while True:
            body = self._get("/api/v1/actions", query).json()
            rows = [Action.of(row) for row in body["actions"]]
            found |= {(one.symbol, one.ex_date, one.kind): one for one in rows}
            if not body["more"]:
                return list(found.values())
            # The last day may be cut: ask for it again. A day of 10,000 actions would be asked for ever.
            if rows[0].ex_date == rows[-1].ex_date:
                raise QuantLabError(f"{rows[0].ex_date} has more actions than one reply: ask for a symbol at a time.")
            query["end"] = rows[-1].ex_date.isoformat()

    def figures(
        self,
        dataset: str,
        symbol: str,
        *,
        start: Day | None = None,
        end: Day | None = None,
        as_of: Instant | None = None,
    ) -> list[Figures]:
        """What the exchange publishes besides bars, oldest first: dataset institutional, margin, valuation, indices.

        With *as_of* as it was held at that instant.
        """
        query = {"start": _text(start), "end": _text(end), "as_of": _text(as_of), "limit": _MANY}
        found: list[Figures] = []
        while True:
            body = self._get(f"/api/v1/figures/{dataset}/{symbol}", query).json()
            found = [*map(Figures.of, body["figures"]), *found]
            if not body["more"]:
                return found
            query["end"] = (found[0].session - timedelta(days=1)).isoformat()

    def coverage(self, start: Day, end: Day, *, dataset: str | None = None, venue: str | None = None) -> list[Coverage]:
        """What is held, explained and missing of each session that was asked for, newest first."""
        query = {"start": _text(start), "end": _text(end), "dataset": dataset, "venue": venue}
        return [Coverage.of(row) for row in self._get("/api/v1/coverage", query).json()["coverage"]]

    def ready(
        self, session: Day, *, dataset: str = "daily_bars", strict: bool = False, symbols: Sequence[str] = ()
    ) -> Readiness:
        """Whether that day is complete. A day without a session is: there is nothing to wait for.

        Nearly all of it has to be held or explained; *strict*: all. With *symbols* it is about those only.
        """
        query = {"date": _text(session), "dataset": dataset, "symbols": ",".join(symbols) or None}
        return Readiness.of(self._get("/api/v1/ready", query | {"strict": "true" if strict else None}).json())

    def wait_ready(
        self,
        session: Day,
        *,
        timeout: float = 3600.0,
        poll: float = 5.0,
        dataset: str = "daily_bars",
        strict: bool = False,
        symbols: Sequence[str] = (),
    ) -> Readiness:
        """Wait until that day is complete, *timeout* seconds at most; a server that is away is waited for, too.

        What is complete, *strict* and *symbols* say as for ``ready``.

        Raises:
            NotReady: the time is over; the sentence says what is missing.
            Unavailable: the time is over, and the server still does not answer.
        """
        deadline = time.monotonic() + timeout
        while True:
            try:
                found = self.ready(session, dataset=dataset, strict=strict, symbols=symbols)
            except Unavailable:
                if time.monotonic() + poll > deadline:
                    raise
            else:
                if found.ready:
                    return found
                if time.monotonic() + poll > deadline:
                    raise NotReady(found.reason)
            time.sleep(poll)

    def _pages(self, query: dict[str, Any]) -> list[httpx.Response]:
        """All of them; once anew where a corporate action came between two, as prices would not fit together."""
        try:
            return list(self._each_page(query))
        except InvalidRequest as error:
            if error.kind != "ChangedMeanwhile":
                raise
            return list(self._each_page(query))

    def _each_page(self, query: dict[str, Any]) -> Iterator[httpx.Response]:
        cursor: str | None = None
        while True:
            page = self._get("/api/v1/bars", query | {"cursor": cursor, "limit": _PAGE})
            yield page
            cursor = page.headers.get("X-Next-Cursor")
            if cursor is None:
                return

    def _get(self, path: str, query: dict[str, Any]) -> httpx.Response:
        try:
            reply = self._http.get(path, params={name: value for name, value in query.items() if value is not None})
        except httpx.TransportError as error:
            raise Unavailable(f"{self._http.base_url} does not answer: {error}. Does it run? `make up`") from error
        self.prices = reply.headers.get("X-QuantLab-Prices", "real")
        if reply.is_success:
            return reply
        try:
            said = reply.json()
            message, kind = str(said["message"]), str(said["error"])
        except (ValueError, KeyError, TypeError):
            message, kind = f"{reply.url} answered {reply.status_code} {reply.reason_phrase}.", None
        if reply.status_code >= 500:
            raise Unavailable(message, kind=kind)
        raise (NotFound if reply.status_code == 404 else InvalidRequest)(message, kind=kind)


def _bars_query(
    symbols: str | Iterable[str],
    *,
    start: Day | None,
    end: Day | None,
    as_of: Instant | None,
    adjusted: Adjusted,
    method: Method,
) -> dict[str, Any]:
    if isinstance(symbols, str):  # universes are named in small letters, symbols have none
        which = {"universe": symbols} if symbols.islower() else {"symbols": symbols}
    else:
        which = {"symbols": ",".join(symbols)}
    days = {"start": _text(start), "end": _text(end), "as_of": _text(as_of)}
    return {**which, **days, "adjusted": adjusted, "method": method}


def _text(day: Day | Instant | None) -> str | None:
    return day if day is None or isinstance(day, str) else day.isoformat()
