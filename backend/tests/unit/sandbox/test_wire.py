"""The sandbox's replies have the shape of the exchanges' own, as captured."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.sandbox.exchange import TAIPEI
from app.sandbox.faulty import App

Ask = Callable[..., httpx.Response]
MI_INDEX = "/twse/rwd/zh/afterTrading/MI_INDEX?date={}&type=ALLBUT0999&response=json"
DAILY = "/tpex/www/zh-tw/afterTrading/dailyQuotes?date={}&id=&response=json"


def captured(folder: Path, name: str) -> Any:
    return json.loads((folder / name).read_text())


def style(cell: str) -> str:
    """A cell with its digits and their grouping blotted out, its signs, spaces and dashes kept."""
    return re.sub(r"9(,9)*", "9", re.sub(r"\d+", "9", cell))


def styles(rows: list[list[str]], column: int) -> set[str]:
    return {style(row[column]) for row in rows}


@pytest.mark.needs_shared
def test_mi_index_is_laid_out_as_captured(app: App, ask: Ask, shared_data: Path) -> None:
    real = captured(shared_data, "node-twstock/twse-stocks-historical.json")
    reply = ask(app, MI_INDEX.format("20261120"))
    ours = reply.json()
    assert list(ours) == list(real)
    assert ours["params"] | {"date": "", "type": ""} == real["params"] | {"date": "", "type": ""}
    assert len(ours["tables"]) == len(real["tables"]) == 10
    for mine, theirs in zip(ours["tables"], real["tables"], strict=True):
        assert list(mine) == list(theirs)
        assert mine.get("fields") == theirs.get("fields")
        assert mine.get("groups") == theirs.get("groups")
    assert [row[0] for row in ours["tables"][6]["data"]] == [row[0] for row in real["tables"][6]["data"]]
    assert [row[0] for row in ours["tables"][7]["data"]] == [row[0] for row in real["tables"][7]["data"]]
    rows, known = ours["tables"][8]["data"], real["tables"][8]["data"]
    for column in range(2, 16):
        assert styles(rows, column) <= styles(known, column), real["tables"][8]["fields"][column]
    assert {row[9] for row in rows} == {row[9] for row in known}
    assert ours["tables"][8]["title"].startswith("115年11月20日 每日收盤行情(全部(不含權證")
    assert rb"<\u002fp>" in reply.content
    assert b"</p>" not in reply.content
    assert [row[0] for row in rows] == sorted(row[0] for row in rows)
    assert not any(re.fullmatch(r"0[3-8]\d{4}", row[0]) for row in rows)


@pytest.mark.needs_shared
def test_daily_quotes_are_laid_out_as_captured(app: App, ask: Ask, shared_data: Path) -> None:
    real = captured(shared_data, "node-twstock/tpex-stocks-historical.json")
    ours = ask(app, DAILY.format("2026/11/20")).json()
    assert list(ours) == list(real)
    known = real["tables"][0]["data"]
    for mine, theirs in zip(ours["tables"], real["tables"], strict=True):
        assert list(mine) == list(theirs)
        assert mine["fields"] == theirs["fields"]
        assert mine["totalCount"] == len(mine["data"])
        for column in range(2, 19):
            if column != 3:
                assert styles(mine["data"], column) <= styles(known, column), mine["fields"][column]
    ours_change = {style(row[3]) for table in ours["tables"] for row in table["data"]}
    assert ours_change <= {style(row[3]) for row in known}
    assert re.sub(r"[\d,]+", "", ours["tables"][0]["subtitle"]) == re.sub(r"[\d,]+", "", real["tables"][0]["subtitle"])
    assert ours["tables"][1]["data"], "the second table holds securities too, so that readers must join both"
    assert sum(len(row[0]) == 6 and row[0].startswith("7") for row in ours["tables"][0]["data"]) > 150


@pytest.mark.needs_shared
def test_no_data_is_verbatim(app: App, ask: Ask, shared_data: Path) -> None:
    sunday = ask(app, MI_INDEX.format("20261122"))
    assert sunday.content == (shared_data / "twse-money-flow/rwd_MI_INDEX_no_data.json").read_bytes().strip()
    assert sunday.status_code == 200
    real = captured(shared_data, "node-twstock/tpex-stocks-historical-no-data.json")
    ours = ask(app, DAILY.format("2026/11/22")).json()
    real["date"], real["tables"][0]["date"] = "20261122", "115/11/22"
    ours["tables"][1]["notes"] = real["tables"][1]["notes"]  # ours say that this is the sandbox
    assert ours == real


@pytest.mark.needs_shared
def test_open_data_rows_have_the_captured_keys_and_styles(app: App, ask: Ask, shared_data: Path) -> None:
    real = captured(shared_data, "twse-money-flow/openapi_STOCK_DAY_ALL_2026-09-29_head.json")
    rows = ask(app, "/twse-openapi/v1/exchangeReport/STOCK_DAY_ALL").json()
    assert all(list(row) == list(real[0]) for row in rows)
    assert {row["Date"] for row in rows} == {"1151123"}
    assert all(re.fullmatch(r"-?\d+\.\d{4}", row["Change"]) for row in rows)
    silent = [row for row in rows if not row["ClosingPrice"]]
    assert silent
    assert all(row["Change"] == "0.0000" for row in silent)


@pytest.mark.needs_shared
def test_quotes_have_the_captured_keys(app: App, ask: Ask, shared_data: Path) -> None:
    real = captured(shared_data, "node-twstock/mis-twse-stocks-quote.json")
    reply = ask(app, "/mis/stock/api/getStockInfo.jsp?ex_ch=tse_2330.tw%7Cotc_2330.tw%7Ctse_9999.tw&json=1&delay=0")
    assert reply.content.startswith(b"\r\n" * 20)
    ours = reply.json()
    assert list(ours) == list(real)
    assert set(ours["queryTime"]) == set(real["queryTime"])
    quote = ours["msgArray"][0]
    assert set(quote) == set(real["msgArray"][0]) | {"@", "trade"}
    for key, value in real["msgArray"][0].items():
        if key not in {"n", "nf"}:
            assert style(quote[key]) == style(value), key
    assert ours["msgArray"][1:] == [{"tv": "-", "s": "-", "c": "", "z": "-"}] * 2


@pytest.mark.needs_shared
def test_holidays_agree_with_the_real_schedules(app: App, ask: Ask, shared_data: Path) -> None:
    real = captured(shared_data, "twse-money-flow/rwd_holidaySchedule_2024.json")
    ours = ask(app, "/twse/rwd/zh/holidaySchedule/holidaySchedule?date=20240101&response=json").json()
    assert list(ours) == list(real)
    assert (ours["title"], ours["fields"], ours["queryYear"]) == (real["title"], real["fields"], 2024)
    assert {row[0] for row in ours["data"]} == {row[0] for row in real["data"]}
    trading = [row[:2] for row in real["data"] if "開始交易" in row[1] or "最後交易" in row[1]]
    assert [row[:2] for row in ours["data"] if "交易日" in row[1]] == trading
    current = captured(shared_data, "twse-money-flow/openapi_holidaySchedule_2026.json")
    open_data = ask(app, "/twse-openapi/v1/holidaySchedule/holidaySchedule").json()
    assert list(open_data[0]) == list(current[0])
    weekdays = {row["Date"] for row in current if row["Weekday"] not in "六日"}
    assert weekdays == {row["Date"] for row in open_data if row["Weekday"] not in "六日"}


def test_a_year_that_is_not_announced_has_no_schedule(app: App, ask: Ask) -> None:
    for year in ("20310101", "19900101", "x"):
        assert ask(app, f"/twse/rwd/zh/holidaySchedule/holidaySchedule?date={year}").json()["stat"] != "ok"


def test_stock_day_has_ten_columns_and_the_signs_of_the_site(app: App, ask: Ask) -> None:
    seen: set[str] = set()
    for month in range(1, 12):
        for symbol in ("1225", "2330", "1101", "2617"):
            page = f"/twse/rwd/zh/afterTrading/STOCK_DAY?date=2026{month:02d}01&stockNo={symbol}&response=json"
            body = ask(app, page).json()
            assert body["fields"][0::9] == ["日期", "註記"]
            assert body["fields"][1:3] == ["成交股數", "成交金額"]
            assert body["title"].startswith(f"115年{month:02d}月 {symbol} ")
            assert body["title"].endswith(" 各日成交資訊")
            assert body["total"] == len(body["data"])
            seen |= {style(row[7]) for row in body["data"]}
            assert all(re.fullmatch(r"115/\d\d/\d\d", row[0]) for row in body["data"])
    assert seen == {"+9.9", "-9.9", " 9.9", "X9.9"}
    assert ask(app, "/twse/exchangeReport/STOCK_DAY?date=20261101&stockNo=6488").json()["stat"] != "OK"


def test_trading_stock_counts_in_lots_and_thousands(app: App, ask: Ask) -> None:
    daily = {row[0]: row for row in ask(app, DAILY.format("2026/11/20")).json()["tables"][0]["data"]}
    path = "/tpex/www/zh-tw/afterTrading/tradingStock"
    body = ask(app, path, params={"code": "6488", "date": "2026/11/01", "response": "json"}).json()
    table = body["tables"][0]
    assert table["fields"][:3] == ["日 期", "成交張數", "成交仟元"]
    row = next(row for row in table["data"] if row[0] == "115/11/20")
    shares, dollars = (int(daily["6488"][column].replace(",", "")) for column in (8, 9))
    assert abs(int(row[1].replace(",", "")) * 1000 - shares) <= 500
    assert abs(int(row[2].replace(",", "")) * 1000 - dollars) <= 500
    form = ask(app, path, method="POST", data={"code": "6488", "date": "115/11/01"}).json()
    assert form["tables"] == body["tables"]
    assert ask(app, path, params={"code": "2330", "date": "2026/11/01"}).json()["tables"][0]["data"] == []


def test_tpex_latest_keeps_the_venues_own_spelling(app: App, ask: Ask) -> None:
    rows = ask(app, "/tpex/openapi/v1/tpex_mainboard_daily_close_quotes?date=1150101").json()
    assert "LatesAskPrice" in rows[0]
    assert {row["Date"] for row in rows} == {"1151123"}
    assert not any("," in value for row in rows for value in row.values())


@pytest.mark.parametrize(("mode", "kinds"), [("2", 8), ("4", 6), ("5", 1)])
def test_list_pages_are_big5_with_sections(app: App, ask: Ask, mode: str, kinds: int) -> None:
    reply = ask(app, f"/isin/isin/C_public.jsp?strMode={mode}")
    text = reply.content.decode("cp950")
    assert "MS950" in reply.headers["content-type"]
    assert len(re.findall(r"colspan=7", text)) == kinds
    assert len(re.findall("\\w+\u3000", text)) >= 12
    if mode == "2":
        assert "2330\u3000台積電</td><td bgcolor=#FAFAD2>TW0002330008</td><td bgcolor=#FAFAD2>1994/09/05" in text
        assert text.count("RW") >= 200
    if mode == "5":
        assert text.count("合成興櫃") == 12


def test_an_unknown_list_or_page_is_html(app: App, ask: Ask) -> None:
    assert "html" in ask(app, "/isin/isin/C_public.jsp?strMode=9").headers["content-type"]
    unknown = ask(app, "/twse-openapi/v1/fund/T86")
    assert (unknown.status_code, unknown.content[:1]) == (200, b"<")
    assert "JSESSIONID" in ask(app, "/mis/stock/index.jsp").headers["set-cookie"]
    assert ask(app, MI_INDEX.format("2026-99-99")).json()["stat"] != "OK"
    assert ask(app, "/twse/rwd/zh/afterTrading/MI_INDEX?date=20261120&type=24").json()["type"] == "24"


@pytest.mark.parametrize(("hour", "published"), [(13, False), (14, True)])
def test_today_is_published_from_two_in_the_afternoon(
    make_app: Callable[[datetime], App], ask: Ask, hour: int, published: bool
) -> None:
    app = make_app(datetime(2026, 11, 23, hour, 5, tzinfo=TAIPEI))
    assert (ask(app, MI_INDEX.format("20261123")).json()["stat"] == "OK") is published
    assert bool(ask(app, DAILY.format("2026/11/23")).json()["tables"][0]["data"]) is published
    newest = "1151123" if published else "1151120"
    assert ask(app, "/twse-openapi/v1/exchangeReport/STOCK_DAY_ALL").json()[0]["Date"] == newest
    month = ask(app, "/twse/rwd/zh/afterTrading/STOCK_DAY?date=20261101&stockNo=2330").json()["data"]
    assert month[-1][0] == ("115/11/23" if published else "115/11/20")
    assert ask(app, MI_INDEX.format("20261124")).json()["stat"] != "OK"


def test_every_reply_says_that_it_is_no_real_one(app: App, ask: Ask) -> None:
    for path in ("/_health", "/isin/isin/C_public.jsp?strMode=5", "/nowhere", MI_INDEX.format("20261120")):
        assert ask(app, path).headers["x-quantlab-sandbox"] == "synthetic"
    assert ask(app, "/_health").json()["prices"] == "synthetic"
