"""A replayed panel is served as it is: row for row, nothing added, nothing lost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path

import httpx
import polars as pl
import pytest

from app.errors import ConfigurationError
from app.sandbox.exchange import TAIPEI
from app.sandbox.replay import ReplayedPrices
from app.sandbox.server import create_app, fixed_clock

Ask = Callable[..., httpx.Response]
TWSE_PANEL = "panels/twse_daily_2023-03_2024-07.parquet"
DIRTY_PANEL = "panels/whole_market_daily_2024-12_2026-08.parquet"
LATER = datetime(2026, 11, 23, 20, 0, tzinfo=TAIPEI)


@pytest.fixture(scope="module")
def twse(shared_data: Path) -> ReplayedPrices:
    return ReplayedPrices(shared_data / TWSE_PANEL)


def number(cell: str) -> float | None:
    return None if cell.strip(" -") == "" else float(cell.replace(",", ""))


@pytest.mark.needs_shared
@pytest.mark.parametrize("day", ["2023-03-01", "2023-06-05", "2024-03-18", "2024-06-05", "2024-07-01", "2017-09-04"])
def test_a_session_is_the_panels_rows(twse: ReplayedPrices, shared_data: Path, ask: Ask, day: str) -> None:
    panel = pl.read_parquet(shared_data / TWSE_PANEL).filter(pl.col("Date").dt.date() == date.fromisoformat(day))
    app = create_app(twse, clock=fixed_clock(LATER))
    reply = ask(app, f"/twse/rwd/zh/afterTrading/MI_INDEX?date={day.replace('-', '')}&type=ALLBUT0999")
    signs = {"<p style= color:red>+</p>": 1, "<p style= color:green>-</p>": -1, "<p> </p>": 0}
    served = {
        row[0]: (
            *(number(row[column]) for column in (2, 4, 5, 6, 7, 8)),
            signs[row[9]] * float(row[10].replace(",", "")),
            number(row[3]),
        )
        for row in reply.json()["tables"][8]["data"]
    }
    columns = ("Capacity", "Turnover", "Open", "High", "Low", "Close", "Change", "Transaction")
    expected = {row["code"]: tuple(row[name] for name in columns) for row in panel.iter_rows(named=True)}
    assert served == expected
    assert reply.headers["x-quantlab-sandbox"] == "replay:twse_daily_2023-03_2024-07.parquet"


@pytest.mark.needs_shared
@pytest.mark.parametrize("day", ["2024-12-09", "2025-08-13", "2026-06-23", "2026-08-20"])
def test_a_panel_without_turnover_shows_it_as_absent(shared_data: Path, ask: Ask, day: str) -> None:
    frame = pl.read_parquet(shared_data / DIRTY_PANEL).filter(pl.col("Date").dt.date() == date.fromisoformat(day))
    app = create_app(ReplayedPrices(shared_data / DIRTY_PANEL), clock=fixed_clock(LATER))
    twse = ask(app, f"/twse/rwd/zh/afterTrading/MI_INDEX?date={day.replace('-', '')}&type=ALLBUT0999").json()
    tpex = ask(app, f"/tpex/www/zh-tw/afterTrading/dailyQuotes?date={day.replace('-', '/')}").json()
    rows = [(row[0], row[5:9], row[2], row[4]) for row in twse["tables"][8]["data"]] if "tables" in twse else []
    rows += [(row[0], [*row[4:7], row[2]], row[8], row[9]) for table in tpex["tables"] for row in table["data"]]
    assert {turnover.strip("-") for *_, turnover in rows} == {""}
    served = {symbol: (*(number(cell) for cell in prices), number(volume)) for symbol, prices, volume, _ in rows}
    expected = {
        row["code"]: (*(round(row[name], 2) for name in ("Open", "High", "Low", "Close")), row["Volume"])
        for row in frame.iter_rows(named=True)
    }
    assert served == expected


@pytest.mark.needs_shared
def test_the_clock_tells_the_latest_session(twse: ReplayedPrices, ask: Ask) -> None:
    evening = create_app(twse, clock=fixed_clock(datetime(2024, 6, 28, 18, 0, tzinfo=TAIPEI)))
    health = ask(evening, "/_health").json()
    assert (health["latest_session"], health["prices"]) == ("2024-06-28", "replay")
    assert health["file"] == "twse_daily_2023-03_2024-07.parquet"
    assert ask(evening, "/twse-openapi/v1/exchangeReport/STOCK_DAY_ALL").json()[0]["Date"] == "1130628"
    future = ask(evening, "/twse/rwd/zh/afterTrading/MI_INDEX?date=20240701&type=ALLBUT0999").json()
    assert future["stat"] != "OK"
    quote = ask(evening, "/mis/stock/api/getStockInfo.jsp?ex_ch=tse_2330.tw").json()["msgArray"][0]
    assert (quote["d"], quote["z"], quote["y"]) == ("20240628", "966.0000", "960.0000")
    month = ask(evening, "/twse/rwd/zh/afterTrading/STOCK_DAY?date=20240601&stockNo=2330").json()["data"]
    row = month[-1]
    assert [*row[:3], row[6], row[7]] == ["113/06/28", "42,998,776", "41,476,565,443", "966.00", "+6.00"]


@pytest.mark.needs_shared
def test_a_symbol_that_is_listed_no_more_is_named_by_itself(twse: ReplayedPrices) -> None:
    row = next(row for row in twse.day(date(2023, 3, 1)) if row.symbol == "2888")
    assert row.listed.security.name == "2888"
    assert "2888" in {each.symbol for each in twse.listing()}


def panel(folder: Path, **columns: object) -> Path:
    given: dict[str, object] = {"code": ["1101"], "Date": [datetime(2024, 1, 2)], "Volume": [1000]}  # noqa: DTZ001
    given |= {"Open": [10.0], "High": [11.0], "Low": [9.5], "Close": [float("nan")]}
    path = folder / "panel.parquet"
    pl.DataFrame({name: value for name, value in (given | columns).items() if value is not None}).write_parquet(path)
    return path


def test_nan_is_absent(tmp_path: Path) -> None:
    (row,) = ReplayedPrices(panel(tmp_path)).day(date(2024, 1, 2))
    assert (row.close, row.turnover, row.open) == (None, None, 100_000)


def test_bad_files_are_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no file"):
        ReplayedPrices(tmp_path / "none.parquet")
    with pytest.raises(ConfigurationError, match="lacks close, volume"):
        ReplayedPrices(panel(tmp_path, Close=None, Volume=None))
    with pytest.raises(ConfigurationError, match="no panel of prices"):
        ReplayedPrices(panel(tmp_path, Close=["much"]))
    text = tmp_path / "text.parquet"
    text.write_text("code,Date\n")
    with pytest.raises(ConfigurationError, match="cannot be read as Parquet"):
        ReplayedPrices(text)
