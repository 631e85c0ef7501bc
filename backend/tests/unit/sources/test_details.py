"""What single datasets know beyond the contract."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.errors import (
    InvalidParameter,
    NoData,
    NotYetPublished,
    SourceChanged,
    SourceRefused,
    SourceUnavailable,
    WrongDate,
)
from app.market.security import SecurityKind, Venue, is_warrant, lot_size
from app.sources import registry
from app.sources.base import ListQuery, MonthQuery, QuotesQuery, SessionQuery, YearQuery
from tests.contract.dataset_contract import RECORDED

DAY = date(2023, 1, 30)
TWSE = registry.daily_bars(Venue.TWSE)


def recorded(name: str) -> Any:
    return json.loads((RECORDED / name).read_bytes())


def packed(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode()


# --- symbols


@pytest.mark.parametrize(
    "symbol",
    ["030003", "089999", "03001U", "08999P", "07123C", "04012X", "06001B", "700001", "739999", "72832U", "70006C"],
)
def test_warrants(symbol: str) -> None:
    assert is_warrant(symbol)


@pytest.mark.parametrize(
    "symbol",
    [
        "2330",
        "0050",
        "00878",
        "006208",
        "00625K",
        "009818",
        "020011",
        "02001L",
        "01001T",
        "910322",
        "912000",
        "2881C",
        "2887Z1",
        "01014S",
        "7734",
        "0300031",
    ],
)
def test_no_warrants(symbol: str) -> None:
    assert not is_warrant(symbol)


def test_lots() -> None:
    assert [lot_size(symbol) for symbol in ("2330", "0050", "00625K", "00687C", "2881C", "00679B")] == [
        1_000, 1_000, 100, 100, 1_000, 1_000,
    ]  # fmt: skip


# --- the envelope


@pytest.mark.parametrize(
    ("stat", "error"),
    [
        ("很抱歉，沒有符合條件的資料!", NoData),
        ("查詢日期大於今日，請重新查詢!", NotYetPublished),
        ("查詢日期小於93年2月11日，請重新查詢!", SourceUnavailable),  # 2023 is not before 2004: the site is confused
        ("查詢日期小於113年2月11日，請重新查詢!", NoData),
        ("系統維護中", SourceChanged),
        ("", SourceChanged),
        (None, SourceChanged),
    ],
)
def test_what_stat_says(stat: str | None, error: type[Exception]) -> None:
    with pytest.raises(error):
        TWSE.parse(packed({"stat": stat}), SessionQuery(DAY))


def test_stat_is_compared_without_case() -> None:
    document = recorded("twse/daily_bars.json") | {"stat": "ok"}
    assert len(TWSE.parse(packed(document), SessionQuery(DAY)).rows) == 12


def test_a_table_that_is_titled_for_another_day_is_refused_though_the_envelope_agrees() -> None:
    document = recorded("twse/daily_bars.json") | {"date": "20230131"}
    with pytest.raises(WrongDate):
        TWSE.parse(packed(document), SessionQuery(date(2023, 1, 31)))


def test_tpex_tables_carry_their_own_date() -> None:
    document = recorded("tpex/daily_bars.json") | {"date": "20230131"}
    with pytest.raises(WrongDate):
        registry.daily_bars(Venue.TPEX).parse(packed(document), SessionQuery(date(2023, 1, 31)))


def test_a_reply_without_a_date_is_not_believed() -> None:
    document = recorded("twse/daily_bars.json")
    del document["date"]
    with pytest.raises(SourceChanged, match="date"):
        TWSE.parse(packed(document), SessionQuery(DAY))


def test_the_table_is_found_by_its_columns_where_its_title_changed() -> None:
    document = recorded("twse/daily_bars.json")
    for table in document["tables"]:
        if "每日收盤行情" in table.get("title", ""):
            table["title"] = "Daily closing quotes"
    assert len(TWSE.parse(packed(document), SessionQuery(DAY)).rows) == 12
    document["tables"] = [table for table in document["tables"] if table.get("title") != "Daily closing quotes"]
    with pytest.raises(SourceChanged, match="每日收盤行情"):
        TWSE.parse(packed(document), SessionQuery(DAY))


def test_ok_without_a_row_is_a_day_under_way_not_a_closed_one() -> None:
    document = recorded("twse/daily_bars.json")
    for table in document["tables"]:
        if table:
            table["data"] = []
    with pytest.raises(NotYetPublished):
        TWSE.parse(packed(document), SessionQuery(DAY))


def test_warrants_among_twse_rows_are_left_out() -> None:
    document = recorded("twse/daily_bars.json")
    table = next(table for table in document["tables"] if "每日收盤行情" in table.get("title", ""))
    table["data"].append(["030012", *table["data"][0][1:]])
    parsed = TWSE.parse(packed(document), SessionQuery(DAY))
    assert (len(parsed.rows), parsed.rejected) == (12, ())


def test_both_tables_of_tpex_count() -> None:
    document = recorded("tpex/daily_bars.json")
    document["tables"][1]["data"] = [["8888", *document["tables"][0]["data"][0][1:]]]
    parsed = registry.daily_bars(Venue.TPEX).parse(packed(document), SessionQuery(DAY))
    assert "8888" in {bar.symbol for bar in parsed.rows}
    assert len(parsed.rows) == 9


# --- month histories


def test_a_month_of_twse_with_a_tenth_column_a_mark_and_an_old_change() -> None:
    document = recorded("twse/month_bars.json")
    document["fields"].append("註記")
    document["data"] = [
        [
            "113/11/01",
            "61,545,741",
            "62,269,386,415",
            "996.00",
            "1,030.00",
            "996.00",
            "1,025.00",
            "X0.00",
            "77,404",
            "",
        ],
        ["113/11/04", "20,035,646", "2,938,305,595", "146.00", "147.50", "146.00", "146.50", " 0.00", "7,730", "*"],
        ["113/11/05", "0", "0", "--", "--", "--", "--", " 0.00", "0", ""],
        ["113/11/06", "1", "1", "0.00", "1", "1", "1", "0.00", "1", ""],
    ]
    parsed = registry.month_bars(Venue.TWSE).parse(packed(document), MonthQuery("2330", date(2024, 11, 30)))
    assert [bar.change for bar in parsed.rows] == [None, 0, None]
    assert [bar.session.day for bar in parsed.rows] == [1, 4, 5]
    (row,) = parsed.rejected
    assert (row.rule, row.symbol, row.session) == ("zero-price", "2330", date(2024, 11, 6))


@pytest.mark.parametrize(
    ("venue", "name", "query"),
    [
        (Venue.TWSE, "twse/month_bars.json", MonthQuery("2317", date(2024, 11, 1))),
        (Venue.TPEX, "tpex/month_bars.json", MonthQuery("3105", date(2026, 9, 1))),
    ],
)
def test_a_month_of_another_security_is_refused(venue: Venue, name: str, query: MonthQuery) -> None:
    with pytest.raises(SourceChanged, match=query.symbol):
        registry.month_bars(venue).parse(packed(recorded(name)), query)


def test_rows_of_another_month_condemn_the_reply() -> None:
    document = recorded("twse/month_bars.json")
    document["data"].append(["113/10/01", *document["data"][0][1:]])
    with pytest.raises(WrongDate):
        registry.month_bars(Venue.TWSE).parse(packed(document), MonthQuery("2330", date(2024, 11, 1)))


@pytest.mark.parametrize(
    ("volume", "turnover", "symbol", "expected"),
    [
        ("成交張數", "成交仟元", "6488", (12_770_000, 12_430_205_000, {"volume": 1_000, "turnover": 1_000})),
        ("成交仟股", "成交仟元", "6488", (12_770_000, 12_430_205_000, {"volume": 1_000, "turnover": 1_000})),
        ("成交股數", "成交金額(元)", "6488", (12_770, 12_430_205, {})),
        ("成交張數", "成交金額(元)", "00687C", (1_277_000, 12_430_205, {"volume": 100})),
    ],
)
def test_tpex_units_follow_the_header(volume: str, turnover: str, symbol: str, expected: tuple[Any, ...]) -> None:
    document = recorded("tpex/month_bars.json") | {"code": symbol}
    document["tables"][0]["fields"][1:3] = [volume, turnover]
    parsed = registry.month_bars(Venue.TPEX).parse(packed(document), MonthQuery(symbol, date(2026, 9, 1)))
    assert (parsed.rows[0].volume, parsed.rows[0].turnover, dict(parsed.rounded)) == expected


# --- latest bars


def test_each_row_of_the_latest_bars_has_its_own_date() -> None:
    document = recorded("twse/latest_bars.json")
    document[1]["Date"] = "1150928"
    document[2]["Date"] = "?"
    parsed = registry.latest_bars(Venue.TWSE).parse(packed(document), None)  # type: ignore[arg-type]
    assert {bar.session for bar in parsed.rows} == {date(2026, 9, 29), date(2026, 9, 28)}
    assert [(row.symbol, row.rule) for row in parsed.rejected] == [("0056", "unreadable-cell")]


def test_twse_latest_bars_do_not_claim_a_change() -> None:
    parsed = registry.latest_bars(Venue.TWSE).parse(packed(recorded("twse/latest_bars.json")), None)  # type: ignore[arg-type]
    assert "change" not in parsed.fields
    assert {bar.change for bar in parsed.rows} == {None}


def test_tpex_latest_bars_leave_warrants_out_and_read_marks() -> None:
    (row,) = recorded("tpex/latest_bars.json")
    rows = [row | {"Change": "除息 "}, row | {"SecuritiesCompanyCode": "700001"}]
    rows.append(
        row | {"SecuritiesCompanyCode": "3294"} | dict.fromkeys(("Open", "High", "Low", "Close", "Change"), "----")
    )
    parsed = registry.latest_bars(Venue.TPEX).parse(packed(rows), None)  # type: ignore[arg-type]
    assert [(bar.symbol, bar.close, bar.change) for bar in parsed.rows] == [
        ("3293", 7_110_000, None),
        ("3294", None, None),
    ]


# --- holidays


def test_a_holiday_list_of_another_year_is_refused_and_an_empty_one_is_no_data() -> None:
    document = recorded("twse/holidays.json")
    with pytest.raises(WrongDate):
        registry.holidays().parse(packed(document), YearQuery(2023))
    with pytest.raises(NoData):
        registry.holidays().parse(packed(document | {"data": [], "total": 0}), YearQuery(2024))


# --- quotes


QUOTE = {
    "c": "6488", "ex": "otc", "n": "環球晶", "d": "20260930", "t": "13:30:00", "tlong": "1790749800000",
    "z": "1035.0000", "tv": "87", "v": "17757", "o": "966.0000", "h": "1035.0000", "l": "953.0000", "y": "945.0000",
    "u": "1035.0000", "w": "851.0000", "a": "-", "f": "-", "b": "1035.0000_1030.0000_", "g": "3837_30_",
    "trade": {"t": "13:30:00", "v": 87, "z": "1035.0000", "ft": 20},
}  # fmt: skip
ASKED = QuotesQuery(((Venue.TPEX, "6488"), (Venue.TWSE, "2330"), (Venue.TWSE, "00625K")))


def answer(*quotes: dict[str, Any], **envelope: Any) -> bytes:
    return b"\n" * 20 + packed({"msgArray": list(quotes), "rtcode": "0000", "rtmessage": "OK"} | envelope)


def quote(**cells: Any) -> Any:
    (one,) = registry.quotes().parse(answer(QUOTE | cells), ASKED).rows
    return one


def test_a_quote_at_its_limit_has_no_asks() -> None:
    one = quote()
    assert one.last == one.limit_up == 10_350_000
    assert one.limit_down == 8_510_000
    assert one.volume == 17_757_000
    assert one.bids == ((10_350_000, 3_837_000), (10_300_000, 30_000))
    assert one.asks == ()


def test_between_two_matches_the_last_trade_counts() -> None:
    one = quote(z="-", t="10:00:07", trade={"t": "10:00:02", "z": "1030.0000", "v": 1})
    assert one.last == 10_300_000
    assert one.at == datetime(2026, 9, 30, 10, 0, 2, tzinfo=ZoneInfo("Asia/Taipei"))


def test_before_the_open_there_is_no_price() -> None:
    bare = {key: value for key, value in QUOTE.items() if key not in ("trade", "o", "h", "l", "w", "v")}
    (one,) = registry.quotes().parse(answer(bare | {"z": "-", "tv": "-", "u": "9999.9500"}), ASKED).rows
    assert (one.last, one.open, one.high, one.low, one.volume, one.limit_up, one.limit_down) == (None,) * 7
    assert one.reference == 9_450_000


def test_no_limit_is_none() -> None:
    one = quote(u="9,999.95", w="0.0100")
    assert (one.limit_up, one.limit_down) == (None, None)


def test_foreign_currency_etfs_trade_in_lots_of_a_hundred() -> None:
    (one,) = registry.quotes().parse(answer(QUOTE | {"c": "00625K", "ex": "tse"}), ASKED).rows
    assert one.volume == 1_775_700
    assert one.bids[0] == (10_350_000, 383_700)


def test_orders_at_the_market_are_no_level() -> None:
    assert quote(b="0.0000_1030.0000_", g="5_30_").bids == ((10_300_000, 30_000),)


def test_quotes_are_matched_by_symbol_and_placeholders_ignored() -> None:
    placeholder = {"tv": "-", "s": "-", "c": "", "z": "-"}
    twse = QUOTE | {"c": "2330", "ex": "tse", "n": "台積電"}
    parsed = registry.quotes().parse(answer(placeholder, twse, QUOTE), ASKED)
    assert {(one.venue, one.symbol, one.name) for one in parsed.rows} == {
        (Venue.TWSE, "2330", "台積電"),
        (Venue.TPEX, "6488", "環球晶"),
    }
    assert parsed.rejected == ()


@pytest.mark.parametrize(
    ("cells", "rule"),
    [
        ({"c": "9999"}, "not-asked"),
        ({"ex": "tse"}, "not-asked"),
        ({"ex": "???"}, "unreadable-cell"),
        ({"z": "1036.0000"}, "ohlc-order"),
        ({"o": "0.0000"}, "zero-price"),
        ({"t": "25:00:00"}, "unreadable-cell"),
        ({"d": "?"}, "unreadable-cell"),
        ({"g": "1_"}, "unreadable-cell"),
        ({"v": "-3"}, "negative-value"),
        ({"n": ""}, "unreadable-cell"),
    ],
)
def test_a_quote_that_cannot_be_true_is_rejected(cells: dict[str, Any], rule: str) -> None:
    twse = QUOTE | {"c": "2330", "ex": "tse"}
    parsed = registry.quotes().parse(answer(QUOTE | cells, twse), ASKED)
    assert [one.symbol for one in parsed.rows] == ["2330"]
    assert [row.rule for row in parsed.rejected] == [rule]


def test_a_line_that_is_no_quote_is_rejected() -> None:
    parsed = registry.quotes().parse(answer(QUOTE, "?"), ASKED)  # type: ignore[arg-type]
    assert (len(parsed.rows), [row.rule for row in parsed.rejected]) == (1, ["row-width"])


def test_mis_faults() -> None:
    with pytest.raises(SourceUnavailable, match="json decode"):
        registry.quotes().parse(answer(rtcode="5000", rtmessage="json decode error"), ASKED)
    with pytest.raises(SourceUnavailable) as caught:
        registry.quotes().parse(packed({"userDelay": 500, "rtmessage": "   ", "rtcode": "0000"}), ASKED)
    assert caught.value.needs_warm_up
    with pytest.raises(NoData):
        registry.quotes().parse(answer(), ASKED)


@pytest.mark.parametrize(
    "securities", [(), tuple((Venue.TWSE, f"{number}") for number in range(1000, 1081)), ((Venue.EMERGING, "7901"),)]
)
def test_what_cannot_be_quoted_is_not_asked(securities: tuple[tuple[Venue, str], ...]) -> None:
    with pytest.raises(InvalidParameter):
        registry.quotes().request(QuotesQuery(securities))


# --- the securities list


def isin(change: Callable[[str], str], venue: Venue = Venue.TWSE) -> Any:
    page = (RECORDED / "isin/securities.html").read_bytes().decode("cp950")
    return registry.securities().parse(change(page).encode("cp950"), ListQuery(venue))


def test_the_list_of_another_venue_is_rejected_row_by_row() -> None:
    parsed = isin(str, Venue.TPEX)
    assert parsed.rows == ()
    assert {row.rule for row in parsed.rejected} == {"wrong-venue"}
    assert {row.symbol for row in parsed.rejected} >= {"2330", "0050"}


def test_an_unknown_section_is_a_kind_of_its_own() -> None:
    parsed = isin(lambda page: page.replace("<B> ETN <B>", "<B> 新商品 <B>"))
    assert {one.kind for one in parsed.rows if one.symbol == "020011"} == {SecurityKind.OTHER}


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("2330\u3000台積電", "2330 台積電", "unreadable-cell"),
        ("1994/09/05", "1994/13/05", "unreadable-cell"),
        ("2330\u3000台積電", "23-0\u3000台積電", "not-a-symbol"),
        ("2330\u3000台積電", "2330\u3000", "unreadable-cell"),
        ("<tr><td bgcolor=#FAFAD2 colspan=7 ><B> 股票 <B> </td></tr>", "", "no-section"),
    ],
)
def test_a_line_of_the_list_that_cannot_be_read_is_rejected(old: str, new: str, rule: str) -> None:
    assert rule in {row.rule for row in isin(lambda page: page.replace(old, new)).rejected}


def test_a_character_outside_of_the_encoding_is_not_guessed() -> None:
    body = (RECORDED / "isin/securities.html").read_bytes().replace("台積電".encode("cp950"), b"\xff\xff\xb9q")
    parsed = registry.securities().parse(body, ListQuery(Venue.TWSE))
    assert [row.symbol for row in parsed.rejected] == ["2330"]


def test_an_empty_list_and_pages_that_are_none() -> None:
    header = "<table><tr><td>" + "</td><td>".join(
        ("有價證券代號及名稱", "國際證券辨識號碼(ISIN Code)", "上市日", "市場別", "產業別", "CFICode", "備註")
    )
    with pytest.raises(NoData):
        isin(lambda _: header + "</td></tr></table>")
    with pytest.raises(SourceChanged):
        isin(lambda _: "<table><tr><td>x</td></tr></table>")
    with pytest.raises(SourceRefused):
        isin(lambda _: "<script>window.location.replace('class_nofind.html')</script>")
    with pytest.raises(SourceUnavailable):
        isin(lambda _: " ")
    with pytest.raises(InvalidParameter):
        registry.securities().request(ListQuery("NYSE"))  # type: ignore[arg-type]
