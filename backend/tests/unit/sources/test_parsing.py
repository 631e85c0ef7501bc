from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InvalidRow, SourceChanged
from app.market.bar import MAX_PRICE
from app.sources import parsing


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("112/01/30", date(2023, 1, 30)),
        ("1150929", date(2026, 9, 29)),
        ("113年03月04日", date(2024, 3, 4)),
        ("96/04/27＊", date(2007, 4, 27)),
        ("96/04/27*", date(2007, 4, 27)),
        (" 112/01/30 ", date(2023, 1, 30)),
        ("99年1月4日", date(2010, 1, 4)),
    ],
)
def test_roc_dates(text: str, expected: date) -> None:
    assert parsing.roc_date(text) == expected


@pytest.mark.parametrize(
    "text", ["", "--", "112/13/01", "112/02/30", "20230130", "2023/01/30", "１１２/01/30", "112-01-30"]
)
def test_no_roc_dates(text: str) -> None:
    with pytest.raises(InvalidRow) as caught:
        parsing.roc_date(text)
    assert caught.value.rule == "unreadable-cell"


@pytest.mark.parametrize("text", ["20230130", "2023-01-30", "2023/01/30", "2023/1/30"])
def test_gregorian_dates(text: str) -> None:
    assert parsing.gregorian_date(text) == date(2023, 1, 30)


@pytest.mark.parametrize("text", ["1150929", "112/01/30", "2023-1-30", "0000-00-00", "2023013", "None"])
def test_no_gregorian_dates(text: str) -> None:
    with pytest.raises(InvalidRow):
        parsing.gregorian_date(text)


@pytest.mark.parametrize("text", ["", " ", "-", "--", "---", " ---", "--- ", "----"])
def test_absence_is_none_and_never_zero(text: str) -> None:
    assert parsing.absent(text)
    assert parsing.integer(text) is None
    assert parsing.price(text) is None
    assert parsing.change(text) is None


@pytest.mark.parametrize(
    ("text", "times", "expected"),
    [("1,234", 1, 1234), ("0", 1, 0), ("80,057,158,264", 1, 80_057_158_264), ("21,429", 1000, 21_429_000)],
)
def test_integers(text: str, times: int, expected: int) -> None:
    assert parsing.integer(text, times=times) == expected


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("-1", "negative-value"),
        ("nan", "unreadable-cell"),
        ("inf", "unreadable-cell"),
        ("1.5", "unreadable-cell"),
        ("1e3", "unreadable-cell"),
        ("12,34", "unreadable-cell"),
        ("１２", "unreadable-cell"),
        ("9" * 30, "value-too-large"),
        ("9" * 5000, "unreadable-cell"),
    ],
)
def test_no_integers(text: str, rule: str) -> None:
    with pytest.raises(InvalidRow) as caught:
        parsing.integer(text)
    assert caught.value.rule == rule


@pytest.mark.parametrize(
    ("text", "expected"),
    [("542.00", 5_420_000), ("1,030.00", 10_300_000), ("0.01", 100), ("593.0000", 5_930_000), (" 7 ", 70_000)],
)
def test_prices(text: str, expected: int) -> None:
    assert parsing.price(text) == expected


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("0.00", "zero-price"),
        ("0", "zero-price"),
        ("-1.00", "negative-value"),
        ("214,748.3648", "price-too-large"),
        ("NaN", "unreadable-cell"),
        ("Infinity", "unreadable-cell"),
        ("1.00001", "unreadable-cell"),
        ("1e5", "unreadable-cell"),
        ("abc", "unreadable-cell"),
        ("除息", "unreadable-cell"),
    ],
)
def test_no_prices(text: str, rule: str) -> None:
    with pytest.raises(InvalidRow) as caught:
        parsing.price(text)
    assert caught.value.rule == rule


@pytest.mark.parametrize(
    ("text", "expected"),
    [("+10.00", 100_000), ("-4.00", -40_000), (" 0.00", 0), ("82.00", 820_000), ("-1.1000", -11_000), ("-0.05 ", -500)],
)
def test_changes(text: str, expected: int) -> None:
    assert parsing.change(text) == expected


@pytest.mark.parametrize("text", ["X0.00", " X0.00", "除息 ", "除權", "除權息", "--- "])
def test_what_cannot_be_compared_is_no_change(text: str) -> None:
    assert parsing.change(text) is None


@pytest.mark.parametrize("text", ["Xabc", "+-1", "除", "nan", "X"])
def test_no_changes(text: str) -> None:
    with pytest.raises(InvalidRow):
        parsing.change(text)


@pytest.mark.parametrize(
    ("sign", "magnitude", "expected"),
    [
        ("<p style= color:red>+</p>", "40.00", 400_000),
        ("<p style= color:green>-</p>", "0.18", -1_800),
        ("<p> </p>", "0.00", 0),
        ("<p>X</p>", "0.00", None),
        ("<p style ='color:red'>+</p>", "--", None),
        ("", "", None),
    ],
)
def test_a_sign_and_a_magnitude(sign: str, magnitude: str, expected: int | None) -> None:
    assert parsing.signed_change(sign, magnitude) == expected


@pytest.mark.parametrize(("sign", "magnitude"), [("<p>?</p>", "1.00"), ("<p> </p>", "1.00"), ("<p>-</p>", "-1.00")])
def test_a_sign_that_does_not_fit_is_no_guess(sign: str, magnitude: str) -> None:
    with pytest.raises(InvalidRow):
        parsing.signed_change(sign, magnitude)


def test_names_lose_their_padding() -> None:
    assert parsing.name("聯電            ") == "聯電"
    assert parsing.name("\u3000台積電 ") == "台積電"
    for text in ("", " \u3000", "台\ufffd電"):
        with pytest.raises(InvalidRow):
            parsing.name(text)


def test_columns_are_found_by_name() -> None:
    places = parsing.columns(["日 期", "次日 漲停價", "收盤", "新"], ["收盤", "日期"])
    assert places["日期"] == 0
    assert places["次日漲停價"] == 1
    assert places["收盤"] == 2


def test_a_missing_or_double_column_is_named() -> None:
    with pytest.raises(SourceChanged, match="收盤") as missing:
        parsing.columns(["日期"], ["收盤"], site="tpex")
    assert (missing.value.column, missing.value.site) == ("收盤", "tpex")
    with pytest.raises(SourceChanged, match="twice"):
        parsing.columns(["收盤", "收 盤"], ["收盤"])
    assert parsing.columns(["買進", "買進", "收盤"], ["收盤"])["收盤"] == 2  # only those that are needed must be single


@given(st.integers(1, MAX_PRICE))
def test_a_price_survives_the_round_trip(price: int) -> None:
    whole, fraction = divmod(price, 10_000)
    assert parsing.price(f"{whole:,}.{fraction:04d}") == price
    assert parsing.change(f"-{whole}.{fraction:04d}") == -price


@given(st.integers(0, 2**63 - 1))
def test_a_count_survives_the_round_trip(count: int) -> None:
    assert parsing.integer(f"{count:,}") == parsing.integer(str(count)) == count


@given(st.dates(date(1912, 1, 1), date(2199, 12, 31)))
def test_a_date_survives_the_round_trip(day: date) -> None:
    roc = day.year - 1911
    if roc >= 10:
        assert parsing.roc_date(f"{roc}/{day:%m/%d}") == parsing.roc_date(f"{roc}{day:%m%d}") == day
        assert parsing.roc_date(f"{roc}年{day:%m}月{day:%d}日") == day
    assert parsing.gregorian_date(f"{day:%Y%m%d}") == parsing.gregorian_date(day.isoformat()) == day


CELLS = st.one_of(
    st.text(max_size=30),
    st.text(alphabet="0123456789,.-+X naif/年月日<>p除息權", max_size=12),
    st.sampled_from(["nan", "NaN", "inf", "-inf", "-0", "−1", "½", "１", "0x10", "1_000", "\x00", "\ud800"]),
)


@given(CELLS)
def test_any_cell_gives_a_value_absence_or_our_own_error(text: str) -> None:
    for read in (
        parsing.integer,
        parsing.price,
        parsing.change,
        parsing.roc_date,
        parsing.gregorian_date,
        parsing.name,
    ):
        try:
            value = read(text)
        except InvalidRow:
            continue
        if value == 0 and not isinstance(value, (date, str)):
            assert "0" in text  # nothing becomes zero that was not written so
        if read is parsing.price:
            assert value is None or 0 < value <= MAX_PRICE


@given(CELLS, CELLS)
def test_any_sign_gives_a_change_absence_or_our_own_error(sign: str, magnitude: str) -> None:
    try:
        value = parsing.signed_change(sign, magnitude)
    except InvalidRow:
        return
    assert value != 0 or "0" in magnitude


@pytest.mark.parametrize(
    ("text", "expected"), [("-38,423,300", -38_423_300), ("0", 0), ("1,234", 1_234), ("", None), ("--", None)]
)
def test_signed_whole_numbers(text: str, expected: int | None) -> None:
    assert parsing.signed_integer(text) == expected


@pytest.mark.parametrize("text", ["+1", "--1", "1.0", "-1,23", "１", "9" * 19, "-" + "9" * 19, "1" * 41])
def test_no_signed_whole_numbers(text: str) -> None:
    with pytest.raises(InvalidRow):
        parsing.signed_integer(text)


@pytest.mark.parametrize(
    ("text", "percent", "expected"),
    [
        ("30.79", False, 307_900),
        ("1,234.5", False, 12_345_000),
        ("5.41", True, 541),
        ("0.00", True, 0),
        ("0.50000000", False, 5_000),
        ("-", False, None),
        ("N/A", False, None),
        (" ", True, None),
    ],
)
def test_ratios(text: str, expected: int | None, *, percent: bool) -> None:
    assert parsing.ratio(text, percent=percent) == expected


@pytest.mark.parametrize(
    "text", ["-1.5", "+1", "1.23456", "1e5", "n/a", "0." + "0" * 3 + "1" + "0" * 30 + "1", "9" * 19]
)
def test_no_ratios(text: str) -> None:
    with pytest.raises(InvalidRow):
        parsing.ratio(text)


def test_a_percentage_has_two_decimals() -> None:
    with pytest.raises(InvalidRow, match="at most 2 decimals"):
        parsing.ratio("5.413", percent=True)
