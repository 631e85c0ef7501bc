"""The design's promise: a further dataset is one source file, one registry line, one recording, one contract class."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import date, time
from typing import Any, ClassVar

import pytest

from app.market.figures import Figures
from app.market.security import Venue
from app.services.sync_figures import sync_figures
from app.sources import registry
from app.sources.base import Request, SessionQuery, Site
from app.sources.figures import FiguresDataset
from app.sources.layouts import Layout, Sum, net, shares
from app.store.engine import transaction
from app.store.figures import read_figures
from app.tasks.parameters import _a_dataset
from tests.conftest import PROJECT
from tests.contract.figures_contract import FiguresContract
from tests.fuzz import cells
from tests.fuzz.case import make_case, run
from tests.fuzz.seeds import Seed

DAY = date(2023, 1, 30)

# ---- 1: the source file (app/sources/tpex/lending.py) -------------------------------------------------------------


class Lending(FiguresDataset):
    """Shares that were borrowed and sold, and given back: margin/sbl of TPEx."""

    name: ClassVar[str] = "lending"
    venue: ClassVar[Venue | None] = Venue.TPEX
    site = Site.TPEX
    layouts = (
        Layout(
            "股票代號",
            {
                "previous": shares("前日餘額#2"),
                "sold": shares("當日賣出"),
                "returned": shares("當日還券"),
                "adjusted": net("當日調整數額"),
                "balance": shares("當日餘額#2"),
                "limit": shares("次一營業日可借券賣出限額"),
            },
            order=(
                *("股票代號", "股票名稱", "前日餘額", "賣出", "買進", "現券", "當日餘額", "限額", "前日餘額"),
                *("當日賣出", "當日還券", "當日調整數額", "當日餘額", "次一營業日可借券賣出限額", "備註"),
            ),
        ),
    )
    sums = (Sum("balance", ("previous", "sold", "adjusted"), ("returned",)),)
    published_by = time(22, 30)

    def request(self, query: SessionQuery) -> Request:
        """The balances of the session."""
        params = (("date", f"{query.session:%Y/%m/%d}"), ("response", "json"))
        return Request(Site.TPEX, "/www/zh-tw/margin/sbl", params)


# ---- 2: the line in the registry ----------------------------------------------------------------------------------

LINE = {(Venue.TPEX, "lending"): Lending}

# ---- 3: the recording (tests/recorded/tpex/lending.json): rows of a capture that node-twstock keeps ------------------

_FIELDS = [
    *("股票代號", "股票名稱", "前日餘額", "賣出", "買進", "現券", "當日餘額", "限額", "前日餘額", "當日賣出"),
    *("當日還券", "當日調整數額", "當日餘額", "次一營業日可借券賣出限額", "備註"),
]
_ROWS = """\
006201|元大富櫃50|0|0|0|0|0|5,361,500|83,000|0|0|0|83,000|10,212|
1785|光洋科|240,000|5,000|0|0|245,000|134,284,310|13,579,853|11,000|110,000|-39,000|13,441,853|99,536|
6488|環球晶|159,000|49,000|8,000|0|200,000|108,809,250|2,946,682|132,000|43,000|0|3,035,682|189,646|
5483|中美晶|204,000|45,000|7,000|0|242,000|146,555,412|5,686,000|109,000|0|0|5,795,000|348,352|"""
RECORDING = json.dumps(
    {
        "date": "20230130",
        "tables": [
            {
                "title": "信用額度總量管制餘額表",
                "date": "112/01/30",
                "totalCount": 4,
                "fields": _FIELDS,
                "data": [line.split("|") for line in _ROWS.splitlines()],
                "notes": [],
            }
        ],
        "stat": "ok",
    },
    ensure_ascii=False,
).encode()

# ---- 4: the contract class (tests/contract/test_datasets.py) -------------------------------------------------------

GLOBALWAFERS = {"previous": 2_946_682, "sold": 132_000, "returned": 43_000, "adjusted": 0}
GLOBALWAFERS |= {"balance": 3_035_682, "limit": 189_646}


class TestTpexLending(FiguresContract):
    dataset = Lending()
    recording = "none, for this one is not kept"
    query = SessionQuery(DAY)
    other = SessionQuery(date(2023, 1, 31))
    path = "/www/zh-tw/margin/sbl?date=2023/01/30&response=json"
    mark = "股票代號"
    order = tuple(_FIELDS)
    cells: ClassVar = {
        "previous": (cells.shares, "前日餘額#2"),
        "sold": (cells.shares, "當日賣出"),
        "returned": (cells.shares, "當日還券"),
        "adjusted": (cells.net, "當日調整數額"),
        "balance": (cells.shares, "當日餘額#2"),
        "limit": (cells.shares, "次一營業日可借券賣出限額"),
    }
    count = 4
    expected = (Figures("6488", DAY, GLOBALWAFERS),)

    @property
    def body(self) -> bytes:
        return RECORDING


# ---- nothing else: it is fuzzed, synced, stored, read and accepted as a parameter ----------------------------------


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    for key, kind in LINE.items():
        monkeypatch.setitem(registry.DATASETS, key, kind)  # type: ignore[arg-type]


def test_it_is_fuzzed() -> None:
    contract = TestTpexLending
    seed = Seed("lending", Venue.TPEX, contract.dataset, contract.query, RECORDING, "table", contract)
    for number in range(150):
        run(make_case(seed, number))


class Canned:
    def fetch(self, dataset: Any, query: Any) -> Any:
        return dataset.parse(RECORDING, query)


def test_it_is_synced_and_read(registered: None, bench: Any) -> None:
    context = replace(bench.context, client=Canned())
    report = sync_figures(context, start=DAY, end=DAY, datasets=["lending"])
    assert (report.state, report.counts.stored) == ("SUCCESS", 4)
    with transaction(bench.engine) as connection:
        (held,) = read_figures(connection, "lending", symbols=["6488"])
        assert held.values == GLOBALWAFERS
    assert _a_dataset("lending") == "lending"


def test_no_code_but_its_source_and_the_sandbox_knows_a_dataset_by_name() -> None:
    names = "|".join(registry.figures())
    folder = PROJECT / "backend/app"
    knowing = {
        path.relative_to(folder).parts[0]
        for path in folder.rglob("*.py")
        if re.search(rf"[\"'](?:{names})[\"']", re.sub(r"examples=\[.*?\]|description=.*", "", path.read_text()))
    }
    assert knowing <= {"sources", "sandbox"}
