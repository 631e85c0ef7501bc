"""The complete bodies that exchanges sent once, beside the few rows that the recordings keep."""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from datetime import date
from pathlib import Path

import pytest

from app.errors import SourceChanged
from app.market.bar import Bar
from app.market.security import SecurityKind, Venue, is_warrant, lot_size
from app.sources import registry
from app.sources.base import ListQuery, SessionQuery

DAY = date(2023, 1, 30)
TYPES = {
    "股票": SecurityKind.STOCK,
    "創新板": SecurityKind.INNOVATION,
    "特別股": SecurityKind.PREFERRED,
    "ETF": SecurityKind.ETF,
    "ETN": SecurityKind.ETN,
    "臺灣存託憑證(TDR)": SecurityKind.TDR,
    "受益證券-不動產投資信託": SecurityKind.REIT,
    "受益證券-資產基礎證券": SecurityKind.ABS,
}

pytestmark = pytest.mark.needs_shared


@pytest.fixture(scope="module")
def listed(shared_data: Path) -> dict[Venue, list[dict[str, str]]]:
    lists = {}
    for venue, name in ((Venue.TWSE, "twse"), (Venue.TPEX, "tpex")):
        with gzip.open(shared_data / f"twstock-1.5.1/{name}_equities.csv.gz", "rt", encoding="utf-8") as file:
            lists[venue] = list(csv.DictReader(file))
    return lists


def test_the_warrant_rule_agrees_with_every_row_of_both_lists(listed: dict[Venue, list[dict[str, str]]]) -> None:
    rows = [row for one in listed.values() for row in one]
    assert len(rows) == 46_725
    assert [row for row in rows if is_warrant(row["code"]) != ("權證" in row["type"])] == []
    assert sum(not is_warrant(row["code"]) for row in rows) == 2_356


def test_twse_whole_market(shared_data: Path) -> None:
    body = (shared_data / "node-twstock/twse-stocks-historical.json").read_bytes()
    parsed = registry.daily_bars(Venue.TWSE).parse(body, SessionQuery(DAY))
    assert len(parsed.rows) == 1_182
    assert parsed.rejected == ()
    bars = {bar.symbol: bar for bar in parsed.rows}
    assert bars["2330"] == Bar(
        "2330", DAY, 5_420_000, 5_430_000, 5_340_000, 5_430_000, 400_000, 148_413_161, 80_057_158_264, 153_125
    )
    # The exchange's own count of signs in that reply: 22 not comparable; the rest without a change have no price.
    assert sum(bar.change is None and bar.close is not None for bar in parsed.rows) == 22
    assert sum((bar.change or 0) > 0 for bar in parsed.rows) == 899
    assert sum((bar.change or 0) < 0 for bar in parsed.rows) == 176
    assert {bar.symbol for bar in parsed.rows if bar.close is None and bar.volume} == {"2891C", "9918"}


def test_an_empty_object_is_no_holiday(shared_data: Path) -> None:
    body = (shared_data / "node-twstock/twse-stocks-historical-no-data.json").read_bytes()
    with pytest.raises(SourceChanged):
        registry.daily_bars(Venue.TWSE).parse(body, SessionQuery(DAY))


def test_tpex_whole_market(shared_data: Path) -> None:
    body = (shared_data / "node-twstock/tpex-stocks-historical.json").read_bytes()
    parsed = registry.daily_bars(Venue.TPEX).parse(body, SessionQuery(DAY))
    assert parsed.rejected == ()
    assert len(parsed.rows) == 908  # of 7,281: the rest are warrants
    assert sum(len(bar.symbol) == 4 for bar in parsed.rows) == 808
    assert [bar.symbol for bar in parsed.rows if is_warrant(bar.symbol)] == []
    bars = {bar.symbol: bar for bar in parsed.rows}
    assert bars["6488"].close == 5_300_000
    assert sum(bar.change is None and bar.close is not None for bar in parsed.rows) == 15  # 除息


@pytest.mark.parametrize(
    ("venue", "dataset", "file", "session", "count"),
    [
        (Venue.TWSE, "institutional", "twse-stocks-institutional", DAY, 1_120),
        (Venue.TWSE, "institutional", "twse-stocks-institutional-without-foreign-dealers", date(2014, 12, 1), 860),
        (Venue.TWSE, "institutional", "twse-stocks-institutional-origin", date(2012, 5, 2), 803),
        (Venue.TPEX, "institutional", "tpex-stocks-institutional", DAY, 740),
        (Venue.TPEX, "institutional", "tpex-stocks-institutional-without-foreign-dealers", date(2014, 12, 1), 430),
        (Venue.TWSE, "margin", "twse-stocks-margin-trades", DAY, 1_103),
        (Venue.TPEX, "margin", "tpex-stocks-margin-trades", DAY, 769),
        (Venue.TWSE, "valuation", "twse-stocks-values", DAY, 968),
        (Venue.TPEX, "valuation", "tpex-stocks-values", DAY, 808),
        (Venue.TWSE, "indices", "twse-stocks-historical", DAY, 1),
        (Venue.TPEX, "indices", "tpex-market-breadth", DAY, 1),
    ],
)
def test_whole_tables_of_figures(
    shared_data: Path, *, venue: Venue, dataset: str, file: str, session: date, count: int
) -> None:
    body = (shared_data / f"node-twstock/{file}.json").read_bytes()
    parsed = registry.dataset(venue, dataset).parse(body, SessionQuery(session))
    assert parsed.rejected == ()
    assert len(parsed.rows) == count


@pytest.mark.parametrize(
    ("venue", "file", "margin", "short"),
    # In lots, as the replies' own lines of totals say.
    [(Venue.TWSE, "twse", 6_281_622, 543_932), (Venue.TPEX, "tpex", 1_617_845, 112_544)],
)
def test_margin_balances_add_up_to_the_printed_totals(
    shared_data: Path, *, venue: Venue, file: str, margin: int, short: int
) -> None:
    body = (shared_data / f"node-twstock/{file}-stocks-margin-trades.json").read_bytes()
    rows = registry.dataset(venue, "margin").parse(body, SessionQuery(DAY)).rows
    lots = {
        name: sum((row.values[name] or 0) // lot_size(row.symbol) for row in rows)
        for name in ("margin_balance", "short_balance")
    }
    assert lots == {"margin_balance": margin, "short_balance": short}


def page_of(rows: list[dict[str, str]], *, title: str) -> bytes:
    """The ISIN page that lists ``rows``, in its own markup and encoding."""
    header = ("有價證券代號及名稱 ", "國際證券辨識號碼(ISIN Code)", "上市日", "市場別", "產業別", "CFICode", "備註")
    lines = ["<tr align=center>" + "".join(f"<td bgcolor=#D5FFD5>{cell}</td>" for cell in header) + "</tr>"]
    for kind in dict.fromkeys(row["type"] for row in rows):
        lines.append(f"<tr><td bgcolor=#FAFAD2 colspan=7 ><B> {kind} <B> </td></tr>")
        for row in rows:
            if row["type"] == kind:
                cells = (
                    f"{row['code']}\u3000{row['name']}",
                    *(row[k] for k in ("ISIN", "start", "market", "group", "CFI")),
                )
                lines.append("<tr>" + "".join(f"<td bgcolor=#FAFAD2>{cell}</td>" for cell in (*cells, "")) + "</tr>")
    table = "<TABLE class='h4' align=center cellSpacing=3 cellPadding=2 width=750 border=0>"
    return f"<body><h2>{title}</h2>{table}{''.join(lines)}</table></body>".encode("cp950")


@pytest.mark.parametrize(("venue", "count"), [(Venue.TWSE, 1_347), (Venue.TPEX, 1_009)])
def test_the_list_of_every_security(listed: dict[Venue, list[dict[str, str]]], venue: Venue, count: int) -> None:
    body = page_of(listed[venue], title="國際證券辨識號碼一覽表")
    parsed = registry.securities().parse(body, ListQuery(venue))
    assert parsed.rejected == ()
    assert len(parsed.rows) == count
    wanted = Counter(TYPES[row["type"]] for row in listed[venue] if row["type"] in TYPES)
    assert Counter(one.kind for one in parsed.rows) == wanted
    by_code = {row["code"]: row for row in listed[venue]}
    for one in parsed.rows:
        row = by_code[one.symbol]
        assert (one.name, one.isin, one.industry or "") == (row["name"], row["ISIN"], row["group"])
        assert one.listed_on is not None
        assert one.listed_on.strftime("%Y/%m/%d") == row["start"]
