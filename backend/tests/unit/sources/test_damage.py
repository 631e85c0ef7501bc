"""What ``make fuzz`` found: damaged replies of which a part was once taken for the truth."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from app.errors import NoData, SourceChanged, SourceError, SourceUnavailable
from app.market.security import Venue, is_isin
from app.sources import parsing, registry
from app.sources.base import ListQuery, MonthQuery, Parsed, QuotesQuery, SessionQuery, Site, YearQuery
from app.sources.rows import cell
from tests.contract.dataset_contract import RECORDED

DAY = SessionQuery(date(2023, 1, 30))
MONTH = MonthQuery("2330", date(2024, 11, 1))
ASKED = QuotesQuery(((Venue.TWSE, "2330"), (Venue.TPEX, "6488")))
Change = Callable[[Any], object]


def parse(owner: Venue | Site, dataset: str, recording: str, query: Any, change: Change) -> Parsed[Any]:
    document = json.loads((RECORDED / recording).read_bytes())
    change(document)
    return registry.dataset(owner, dataset).parse(json.dumps(document).encode(), query)


def twse(change: Change) -> Parsed[Any]:
    return parse(Venue.TWSE, "daily_bars", "twse/daily_bars.json", DAY, lambda it: change(it["tables"][8]["data"]))


def tpex(change: Change) -> Parsed[Any]:
    return parse(Venue.TPEX, "daily_bars", "tpex/daily_bars.json", DAY, change)


def quotes(change: Change) -> Parsed[Any]:
    return parse(Site.MIS, "quotes", "mis/quotes.json", ASKED, lambda it: change(it["msgArray"][0]))


def holidays(change: Change) -> Parsed[Any]:
    return parse(Venue.TWSE, "holidays", "twse/holidays.json", YearQuery(2024), change)


def isin(*changes: tuple[str, str]) -> Parsed[Any]:
    page = (RECORDED / "isin/securities.html").read_bytes().decode("cp950")
    for old, new in changes:
        assert old in page
        page = page.replace(old, new)
    return registry.securities().parse(page.encode("cp950"), ListQuery(Venue.TWSE))


def rules(parsed: Parsed[Any]) -> list[str]:
    return [row.rule for row in parsed.rejected]


# --- a line whose cells slipped into their neighbours' columns


def test_a_line_that_lost_a_cell_is_rejected_though_no_required_column_is_missing() -> None:
    parsed = twse(lambda lines: lines[0].pop(11))
    assert (len(parsed.rows), rules(parsed)) == (11, ["row-width"])


def test_a_change_is_no_price() -> None:
    parsed = twse(lambda lines: lines[6].__setitem__(5, "+542.00"))
    assert rules(parsed) == ["unreadable-cell"]


@pytest.mark.parametrize("magnitude", ["+0.18", "-0.00"])
def test_a_magnitude_has_no_sign_of_its_own(magnitude: str) -> None:
    assert rules(twse(lambda lines: lines[2].__setitem__(10, magnitude))) == ["unreadable-cell"]


def test_minus_nothing_is_no_count() -> None:
    assert rules(twse(lambda lines: lines[1].__setitem__(2, "-0"))) == ["negative-value"]


def test_a_thousand_dashes_are_no_mark_of_absence() -> None:
    assert rules(twse(lambda lines: lines[6].__setitem__(2, "-" * 1000))) == ["unreadable-cell"]


# --- JSON


@pytest.mark.parametrize("value", [True, [], ["台積電"], {"a": 1}, float("nan")])
def test_what_is_no_text_is_no_name_and_no_number(value: Any) -> None:
    assert rules(holidays(lambda it: it["data"][3].__setitem__(1, value))) == ["unreadable-cell"]
    assert rules(quotes(lambda it: it.update(v=value))) == ["unreadable-cell"]
    assert rules(quotes(lambda it: it.update(n=value))) == ["unreadable-cell"]


def test_a_trade_that_is_no_object_hides_no_price() -> None:
    assert rules(quotes(lambda it: it.update(z="-", trade=["593.0000"]))) == ["unreadable-cell"]


def test_numbers_are_read_as_they_are_written() -> None:
    body = (RECORDED / "twse/daily_bars.json").read_bytes()
    exact = body.replace(b'"543.00","534.00"', b"543.000000000000000001,534.00")
    assert rules(registry.daily_bars(Venue.TWSE).parse(exact, DAY)) == ["unreadable-cell"]
    long = body.replace(b'"148,413,161"', b"9" * 5000)
    assert rules(registry.daily_bars(Venue.TWSE).parse(long, DAY)) == ["unreadable-cell"]


def test_a_key_twice_with_two_values_is_neither() -> None:
    body = (RECORDED / "twse/latest_bars.json").read_bytes().decode()
    dataset = registry.latest_bars(Venue.TWSE)
    other = dataset.parse(body.replace('"Code":"0050"', '"Code":"0050","Code":"0051"').encode(), None)  # type: ignore[arg-type]
    assert (len(other.rows), rules(other)) == (5, ["unreadable-cell"])
    same = dataset.parse(body.replace('"Code":"0050"', '"Code":"0050","Code":"0050"').encode(), None)  # type: ignore[arg-type]
    assert (len(same.rows), rules(same)) == (6, [])


def test_two_dates_in_the_envelope_are_none() -> None:
    body = (RECORDED / "twse/daily_bars.json").read_bytes()
    with pytest.raises(SourceChanged, match="date"):
        registry.daily_bars(Venue.TWSE).parse(body.replace(b'"stat":', b'"date":"20230131","stat":'), DAY)


def test_half_a_surrogate_pair_is_a_lost_character_and_no_question_mark() -> None:
    assert cell("台\ud800電") == "台\ufffd電"
    assert rules(holidays(lambda it: it["data"][3].__setitem__(1, "市場\udc00交易"))) == ["unreadable-cell"]


def test_lists_without_end_are_a_cell_too() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert cell(deep) == "<list>"


# --- what is lost without a trace


@pytest.mark.parametrize("junk", [None, "?", [], 7])
def test_a_table_that_is_none_is_no_closed_day(junk: Any) -> None:
    with pytest.raises(SourceChanged):
        tpex(lambda it: it["tables"].__setitem__(0, junk))


def test_a_reply_without_its_main_table_is_no_closed_day() -> None:
    with pytest.raises(SourceChanged, match="上櫃股票行情"):
        tpex(lambda it: it["tables"].pop(0))


def test_fewer_rows_than_the_reply_says_are_a_reply_cut_short() -> None:
    with pytest.raises(SourceUnavailable, match="9 rows and says that it has 10"):
        tpex(lambda it: it["tables"][0]["data"].pop())
    with pytest.raises(SourceUnavailable):
        tpex(lambda it: it["tables"][0].update(data=[]))
    with pytest.raises(SourceUnavailable):
        holidays(lambda it: it["data"].pop())
    with pytest.raises(SourceUnavailable):
        parse(Venue.TWSE, "month_bars", "twse/month_bars.json", MONTH, lambda it: it.update(total=2))


def test_two_tables_of_closing_prices_are_one_too_many() -> None:
    with pytest.raises(SourceChanged, match="2 tables"):
        parse(
            Venue.TWSE, "daily_bars", "twse/daily_bars.json", DAY, lambda it: it["tables"].append(dict(it["tables"][8]))
        )


def test_a_quote_without_a_symbol_is_rejected_unlike_a_placeholder() -> None:
    assert rules(quotes(lambda it: it.update(c=""))) == ["not-asked"]


def test_a_key_with_blanks_is_the_same_key() -> None:
    def blank(quote: dict[str, Any]) -> None:
        quote[" b\u3000"] = quote.pop("b")

    (one,) = quotes(blank).rows
    assert one.bids[0] == (5_920_000, 827_000)


# --- values that are none


@pytest.mark.parametrize("clock", ["13", "1330", "13:30:00+05:00", "13:30:00Z", "13:30:00.5", "24:00:00"])
def test_only_a_full_time_of_day_is_one(clock: str) -> None:
    assert rules(quotes(lambda it: it.update(t=clock))) == ["unreadable-cell"]


@pytest.mark.parametrize("cells", [{"b": "._592.0000_", "g": "1_2_"}, {"a": "0.0.0_594.0000_", "f": "1_2_"}])
def test_dots_are_no_order_at_the_market(cells: dict[str, str]) -> None:
    assert rules(quotes(lambda it: it.update(cells))) == ["unreadable-cell"]


def test_a_book_out_of_order_is_rejected() -> None:
    assert rules(quotes(lambda it: it.update(a=it["b"], b=it["a"]))) == ["book-order"]


def test_a_day_of_another_year_is_no_holiday_of_this_one() -> None:
    parsed = holidays(lambda it: it["data"][3].__setitem__(0, "2025-02-06"))
    assert (len(parsed.rows), rules(parsed)) == (19, ["other-year"])


@pytest.mark.parametrize("text", ["0001-01-01", "1899-12-31", "2200-01-01", "9999-12-31"])
def test_no_date_lies_before_the_exchange_or_in_another_age(text: str) -> None:
    with pytest.raises(Exception, match="is not a date"):
        parsing.gregorian_date(text)


@pytest.mark.parametrize("text", ["台\ufffd電", "台<電", "台\x0f電", "台" * 201])
def test_words_that_were_damaged_are_none(text: str) -> None:
    with pytest.raises(Exception, match="is not a text"):
        parsing.words(text)


# --- the securities list


def test_isins_have_a_check_digit() -> None:
    assert all(map(is_isin, ("TW0002330008", "TW00001001T8", "TW25Z0300124", "KYG202881093")))
    assert not any(map(is_isin, ("TW0002330009", "TW0002331008", "tw0002330008", "TW000233000", "", "TW000233000８")))


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("TW0002330008", "TW0002330009", "unreadable-cell"),
        ("2330　", "2331　", "wrong-isin"),
        ("ESVUFR", "ESVUF", "unreadable-cell"),
        ("<B> 特別股 <B>", "<B> ETF <B>", "wrong-section"),
        ("<tr><td bgcolor=#FAFAD2 colspan=7 ><B> 特別股 <B> </td></tr>", "", "wrong-section"),
        ("<tr><td bgcolor=#FAFAD2 colspan=7 ><B> 創新板 <B> </td></tr>", "", "wrong-section"),
        ("<tr><td bgcolor=#FAFAD2 colspan=7 ><B> 上市認購(售)權證 <B> </td></tr>", "", "wrong-section"),
        ("半導體業", "半導<td", "row-width"),
        ("半導體業", "半導&lt;td", "unreadable-cell"),
    ],
)
def test_a_row_that_contradicts_itself_is_rejected(old: str, new: str, rule: str) -> None:
    assert rule in rules(isin((old, new)))


def test_a_list_that_does_not_begin_with_its_header_is_not_read() -> None:
    with pytest.raises(SourceChanged, match="begin"):
        isin(("<tr align=center>", "<tr><td>2330　台積電</td></tr><tr align=center>"))


# --- sentences and rejected rows that can be stored


def test_a_refusal_is_of_our_types_whatever_stat_says() -> None:
    for stat in ("查詢日期小於999年99月99日", "查詢日期小於93年2月30日", "\ud800" * 9, "x\0", "很" * 100_000):
        with pytest.raises(SourceError) as caught:
            holidays(lambda it, stat=stat: it.update(stat=stat))  # type: ignore[misc]
        str(caught.value).encode()
        assert len(str(caught.value)) <= 2_000
        assert "\0" not in str(caught.value)


def test_a_rejected_row_keeps_only_what_can_be_stored() -> None:
    def spoil(document: Any) -> None:
        document["fields"][2] = "說明"
        document["fields"].append("a\0b" + "x" * 10_000)
        document["data"][0] += ["y" * 1_000_000]
        document["data"][1] += ["z"] * 10_000

    parsed = holidays(spoil)
    assert len(parsed.rejected) == 20 - 1
    for row in parsed.rejected:
        assert len(row.raw) <= 101
        for column, text in row.raw.items():
            assert len(column) <= 80
            assert len(text) <= 500
            assert "\0" not in column


def test_an_empty_year_is_still_no_data() -> None:
    with pytest.raises(NoData):
        holidays(lambda it: it.update(data=[], total=0))
