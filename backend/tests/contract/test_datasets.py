"""Each dataset keeps the contract; expected values are read off the recordings by eye, not computed by the code."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from app.market.bar import Bar
from app.market.corporate_action import ActionKind, CorporateAction
from app.market.figures import Figures
from app.market.holiday import Holiday
from app.market.quote import Quote
from app.market.security import Security, SecurityKind, Venue
from app.sources import registry
from app.sources.base import (
    LatestQuery,
    ListQuery,
    MonthQuery,
    PeriodQuery,
    QuotesQuery,
    RangeQuery,
    SessionQuery,
    YearQuery,
)
from app.sources.finmind import daily_bars as finmind_daily
from app.sources.isin import securities
from app.sources.mis import quotes
from app.sources.tpex import daily_bars as tpex_daily
from app.sources.tpex import dividends as tpex_dividends
from app.sources.tpex import etf_splits as tpex_etf_splits
from app.sources.tpex import indices as tpex_indices
from app.sources.tpex import institutional as tpex_institutional
from app.sources.tpex import latest_bars as tpex_latest
from app.sources.tpex import margin as tpex_margin
from app.sources.tpex import month_bars as tpex_month
from app.sources.tpex import par_changes as tpex_par_changes
from app.sources.tpex import reductions as tpex_reductions
from app.sources.tpex import valuation as tpex_valuation
from app.sources.twse import daily_bars as twse_daily
from app.sources.twse import dividends as twse_dividends
from app.sources.twse import etf_splits as twse_etf_splits
from app.sources.twse import holidays
from app.sources.twse import indices as twse_indices
from app.sources.twse import institutional as twse_institutional
from app.sources.twse import latest_bars as twse_latest
from app.sources.twse import margin as twse_margin
from app.sources.twse import month_bars as twse_month
from app.sources.twse import par_changes as twse_par_changes
from app.sources.twse import reductions as twse_reductions
from app.sources.twse import valuation as twse_valuation
from tests.contract import layouts
from tests.contract.dataset_contract import RECORDED, DatasetContract
from tests.contract.figures_contract import FiguresContract
from tests.fuzz import cells

DAY = date(2023, 1, 30)
TAIPEI = ZoneInfo("Asia/Taipei")


def recorded(name: str) -> bytes:
    return (RECORDED / name).read_bytes()


class TestTwseDailyBars(DatasetContract):
    dataset = twse_daily.DailyBars()
    recording = "twse/daily_bars.json"
    query = SessionQuery(DAY)
    other = SessionQuery(date(2023, 1, 31))
    required = twse_daily.COLUMNS
    path = "/rwd/zh/afterTrading/MI_INDEX?date=20230130&type=ALLBUT0999&response=json"
    empty = (SessionQuery(date(2016, 9, 28)), recorded("twse/daily_bars_no_data.json"))
    count = 12
    expected = (
        Bar("2330", DAY, 5_420_000, 5_430_000, 5_340_000, 5_430_000, 400_000, 148_413_161, 80_057_158_264, 153_125),
        Bar("00632R", DAY, 53_900, 54_300, 53_500, 54_000, -1_800, 280_063_792, 1_511_902_969, 15_757),
        Bar("0050", DAY, 1_208_000, 1_210_000, 1_200_000, 1_207_000, None, 44_330_389, 5_335_880_299, 31_199),  # X
        Bar("2317", DAY, 996_000, 997_000, 980_000, 981_000, 0, 88_808_349, 8_751_639_423, 47_704),
        Bar("00625K", DAY, volume=0, turnover=0, trades=0),
        Bar("9918", DAY, volume=110, turnover=4_710, trades=13),
    )


class TestTwseDailyBarsOldLayout(TestTwseDailyBars):
    recording = "twse/daily_bars_old.json"


class TestTwseLatestBars(DatasetContract):
    dataset = twse_latest.LatestBars()
    recording = "twse/latest_bars.json"
    query = LatestQuery()
    required = twse_latest.COLUMNS
    path = "/exchangeReport/STOCK_DAY_ALL"
    empty = (LatestQuery(), b"[]")
    layout = staticmethod(layouts.json_objects)
    count = 6
    expected = (
        Bar(
            "0050",
            date(2026, 9, 29),
            1_118_000,
            1_122_500,
            1_110_500,
            1_113_000,
            None,
            110_505_674,
            12_329_061_234,
            170_770,
        ),
        Bar("00625K", date(2026, 9, 29)),
    )


class TestTwseMonthBars(DatasetContract):
    dataset = twse_month.MonthBars()
    recording = "twse/month_bars.json"
    query = MonthQuery("2330", date(2024, 11, 9))
    other = MonthQuery("2330", date(2024, 10, 9))
    required = twse_month.COLUMNS
    path = "/rwd/zh/afterTrading/STOCK_DAY?date=20241101&stockNo=2330&response=json"
    empty = (query, '{"stat":"很抱歉，沒有符合條件的資料!","total":0}'.encode())
    count = 1
    expected = (
        Bar(
            "2330",
            date(2024, 11, 1),
            9_960_000,
            10_300_000,
            9_960_000,
            10_250_000,
            -50_000,
            61_545_741,
            62_269_386_415,
            77_404,
        ),
    )


class TestHolidays(DatasetContract):
    dataset = holidays.Holidays()
    recording = "twse/holidays.json"
    query = YearQuery(2024)
    other = YearQuery(2025)
    required = ("日期", "名稱", "說明")
    path = "/rwd/zh/holidaySchedule/holidaySchedule?date=20240101&response=json"
    empty = (YearQuery(2016), '{"stat":"很抱歉，沒有符合條件的資料!"}'.encode())
    count = 20
    expected = (
        Holiday(date(2024, 1, 1), "中華民國開國紀念日", is_session=False, note="依規定放假1日。"),
        Holiday(date(2024, 1, 2), "國曆新年開始交易日", is_session=True, note="國曆新年開始交易。"),
        Holiday(date(2024, 2, 5), "農曆春節前最後交易日", is_session=True, note="農曆春節前最後交易。"),
        Holiday(date(2024, 2, 6), "市場無交易，僅辦理結算交割作業", is_session=False),
    )


class TestCurrentHolidays(DatasetContract):
    dataset = holidays.CurrentHolidays()
    recording = "twse/current_holidays.json"
    query = YearQuery(2026)
    other = YearQuery(2025)
    required = ("Name", "Date", "Description")
    path = "/holidaySchedule/holidaySchedule"
    empty = (YearQuery(2026), b"[]")
    layout = staticmethod(layouts.json_objects)
    count = 27
    expected = (
        Holiday(date(2026, 2, 11), "農曆春節前最後交易日", is_session=True, note="農曆春節前最後交易。"),
        Holiday(date(2026, 2, 12), "市場無交易，僅辦理結算交割作業", is_session=False),
        Holiday(date(2026, 12, 25), "行憲紀念日", is_session=False, note="依規定放假1日。"),
    )


class TestTpexDailyBars(DatasetContract):
    dataset = tpex_daily.DailyBars()
    recording = "tpex/daily_bars.json"
    query = SessionQuery(DAY)
    other = SessionQuery(date(2023, 1, 31))
    required = tpex_daily.COLUMNS
    path = "/www/zh-tw/afterTrading/dailyQuotes?date=2023/01/30&id=&response=json"
    empty = (SessionQuery(date(2023, 1, 1)), recorded("tpex/daily_bars_no_data.json"))
    count = 8
    expected = (
        Bar("6488", DAY, 5_050_000, 5_300_000, 5_050_000, 5_300_000, 370_000, 6_115_888, 3_179_234_099, 6_960),
        Bar("00687B", DAY, 335_800, 335_800, 334_300, 335_300, None, 1_836_128, 61_476_746, 418),  # 除息
        Bar("3085", DAY, 105_500, 109_000, 104_500, 109_000, -500, 41_270, 437_215, 46),
        Bar("020001", DAY, volume=0, turnover=0, trades=0),
        Bar("2740", DAY, volume=12, turnover=605, trades=10),
    )


class TestTpexLatestBars(DatasetContract):
    dataset = tpex_latest.LatestBars()
    recording = "tpex/latest_bars.json"
    query = LatestQuery()
    required = tpex_latest.COLUMNS
    path = "/openapi/v1/tpex_mainboard_daily_close_quotes"
    empty = (LatestQuery(), b"[]")
    layout = staticmethod(layouts.json_objects)
    count = 1
    expected = (
        Bar(
            "3293",
            date(2023, 12, 25),
            7_200_000,
            7_280_000,
            7_080_000,
            7_110_000,
            -180_000,
            1_202_000,
            861_973_000,
            1_042,
        ),
    )


class TestTpexMonthBars(DatasetContract):
    dataset = tpex_month.MonthBars()
    recording = "tpex/month_bars.json"
    query = MonthQuery("6488", date(2026, 9, 15))
    other = MonthQuery("6488", date(2026, 8, 15))
    required = (*tpex_month.COLUMNS, "成交張數", "成交仟元")
    path = "/www/zh-tw/afterTrading/tradingStock?code=6488&date=2026/09/01&response=json"
    empty = (
        query,
        '{"stat":"ok","date":"20260901","code":"6488","tables":[{"fields":["日 期","成交張數","成交仟元","開盤","最高",'
        '"最低","收盤","漲跌","筆數"],"data":[]}]}'.encode(),
    )
    count = 1
    expected = (
        Bar(
            "6488",
            date(2026, 9, 1),
            9_080_000,
            9_980_000,
            9_080_000,
            9_940_000,
            820_000,
            12_770_000,
            12_430_205_000,
            31_831,
        ),
    )


class TestQuotes(DatasetContract):
    dataset = quotes.Quotes()
    recording = "mis/quotes.json"
    query = QuotesQuery(((Venue.TPEX, "6488"), (Venue.TWSE, "2330")))
    required = quotes.COLUMNS
    path = "/stock/api/getStockInfo.jsp?ex_ch=otc_6488.tw|tse_2330.tw&json=1&delay=0"
    empty = (query, b'{"msgArray":[{"tv":"-","s":"-","c":"","z":"-"}],"rtcode":"0000","rtmessage":"OK"}')
    layout = staticmethod(layouts.mis_objects)
    count = 1
    expected = (
        Quote(
            "2330",
            "台積電",
            Venue.TWSE,
            at=datetime(2023, 12, 29, 13, 30, tzinfo=TAIPEI),
            last=5_930_000,
            open=5_890_000,
            high=5_930_000,
            low=5_890_000,
            reference=5_930_000,
            limit_up=6_520_000,
            limit_down=5_340_000,
            volume=18_323_000,
            bids=(
                (5_920_000, 827_000),
                (5_910_000, 768_000),
                (5_900_000, 1_137_000),
                (5_890_000, 554_000),
                (5_880_000, 446_000),
            ),
            asks=(
                (5_930_000, 1_938_000),
                (5_940_000, 1_465_000),
                (5_950_000, 2_925_000),
                (5_960_000, 2_407_000),
                (5_970_000, 921_000),
            ),
        ),
    )


class TestSecurities(DatasetContract):
    dataset = securities.Securities()
    recording = "isin/securities.html"
    query = ListQuery(Venue.TWSE)
    required = securities.COLUMNS
    path = "/isin/C_public.jsp?strMode=2"
    layout = staticmethod(layouts.html_table)
    count = 8
    expected = (
        Security(
            "2330", "台積電", Venue.TWSE, SecurityKind.STOCK, "TW0002330008", date(1994, 9, 5), "半導體業", "ESVUFR"
        ),
        Security(
            "2353",
            "宏碁",  # 碁 is in MS950 and not in plain Big5
            Venue.TWSE,
            SecurityKind.STOCK,
            "TW0002353000",
            date(1996, 9, 18),
            "電腦及週邊設備業",
            "ESVUFR",
        ),
        Security(
            "2254",
            "巨鎧精密-創",
            Venue.TWSE,
            SecurityKind.INNOVATION,
            "TW0002254000",
            date(2023, 10, 20),
            "汽車工業",
            "ESVUFR",
        ),
        Security("0050", "元大台灣50", Venue.TWSE, SecurityKind.ETF, "TW0000050004", date(2003, 6, 30), None, "CEOGEU"),
        Security(
            "01001T", "土銀富邦R1", Venue.TWSE, SecurityKind.REIT, "TW00001001T8", date(2005, 3, 10), None, "CBCIXU"
        ),
    )


def _party(name: str, buy: str, sell: str, net: str) -> dict[str, tuple[Any, ...]]:
    return {f"{name}_buy": (cells.shares, buy), f"{name}_sell": (cells.shares, sell), f"{name}_net": (cells.net, net)}


_TRUST = _party("trust", "投信買進股數", "投信賣出股數", "投信買賣超股數")
_DEALER_PARTS = {
    **_party("dealer_self", *(f"自營商{what}股數(自行買賣)" for what in ("買進", "賣出", "買賣超"))),
    **_party("dealer_hedge", *(f"自營商{what}股數(避險)" for what in ("買進", "賣出", "買賣超"))),
}
_T86_NETS = {"dealer_net": (cells.net, "自營商買賣超股數"), "total_net": (cells.net, "三大法人買賣超股數")}


class TestTwseInstitutional(FiguresContract):
    dataset = twse_institutional.Institutional()
    recording = "twse/institutional.json"
    query = SessionQuery(DAY)
    other = SessionQuery(date(2023, 1, 31))
    path = "/rwd/zh/fund/T86?date=20230130&selectType=ALLBUT0999&response=json"
    empty = (SessionQuery(date(2023, 1, 1)), '{"stat":"很抱歉，沒有符合條件的資料!","total":0}'.encode())
    mark = "證券代號"
    cells: ClassVar = {
        **_party("foreign", *(f"外陸資{what}股數(不含外資自營商)" for what in ("買進", "賣出", "買賣超"))),
        **_party("foreign_dealer", "外資自營商買進股數", "外資自營商賣出股數", "外資自營商買賣超股數"),
        **_TRUST,
        **_DEALER_PARTS,
        **_T86_NETS,
    }
    count = 7
    expected = (
        Figures(
            "2330",
            DAY,
            {
                "foreign_buy": 133_236_588,
                "foreign_sell": 52_595_539,
                "foreign_net": 80_641_049,
                "foreign_dealer_buy": 0,
                "foreign_dealer_sell": 0,
                "foreign_dealer_net": 0,
                "trust_buy": 1_032_000,
                "trust_sell": 94_327,
                "trust_net": 937_673,
                "dealer_self_buy": 978_000,
                "dealer_self_sell": 537_000,
                "dealer_self_net": 441_000,
                "dealer_hedge_buy": 1_227_511,
                "dealer_hedge_sell": 788_103,
                "dealer_hedge_net": 439_408,
                "dealer_net": 880_408,
                "total_net": 82_459_130,
            },
        ),
    )

    def test_a_sum_that_does_not_add_up_is_rejected_alone(self) -> None:
        for true, false in (("82,459,130", "82,459,131"), ("441,000", "440,000"), ("133,236,588", "133,236,598")):
            parsed = self.parse(self.body.replace(f'"{true}"'.encode(), f'"{false}"'.encode()))
            assert [(row.symbol, row.rule) for row in parsed.rejected] == [("2330", "sum")]
            assert len(parsed.rows) == self.count - 1


class TestTwseInstitutionalOf2014(FiguresContract):
    """Dealers' own account and hedging told apart, foreign dealers not yet."""

    dataset = twse_institutional.Institutional()
    recording = "twse/institutional_2014.json"
    query = SessionQuery(date(2014, 12, 1))
    other = SessionQuery(date(2014, 12, 2))
    path = "/rwd/zh/fund/T86?date=20141201&selectType=ALLBUT0999&response=json"
    mark = "證券代號"
    cells: ClassVar = {
        **_party("foreign", "外資買進股數", "外資賣出股數", "外資買賣超股數"),
        **_TRUST,
        **_DEALER_PARTS,
        **_T86_NETS,
    }
    count = 5
    expected = (
        Figures(
            "2882",
            date(2014, 12, 1),
            {
                "foreign_buy": 4_829_950,
                "foreign_sell": 21_514_334,
                "foreign_net": -16_684_384,
                "trust_buy": 0,
                "trust_sell": 3_725_113,
                "trust_net": -3_725_113,
                "dealer_self_buy": 850_000,
                "dealer_self_sell": 1_153_000,
                "dealer_self_net": -303_000,
                "dealer_hedge_buy": 191_000,
                "dealer_hedge_sell": 1_511_000,
                "dealer_hedge_net": -1_320_000,
                "dealer_net": -1_623_000,
                "total_net": -22_032_497,
            },
        ),
    )


class TestTwseInstitutionalOf2012(FiguresContract):
    """The first table: dealers are one."""

    dataset = twse_institutional.Institutional()
    recording = "twse/institutional_2012.json"
    query = SessionQuery(date(2012, 5, 2))
    other = SessionQuery(date(2012, 5, 3))
    path = "/rwd/zh/fund/T86?date=20120502&selectType=ALLBUT0999&response=json"
    mark = "證券代號"
    cells: ClassVar = {
        **_party("foreign", "外資買進股數", "外資賣出股數", "外資買賣超股數"),
        **_TRUST,
        **_party("dealer", "自營商買進股數", "自營商賣出股數", "自營商買賣超股數"),
        "total_net": (cells.net, "三大法人買賣超股數"),
    }
    count = 5
    expected = (
        Figures(
            "2330",
            date(2012, 5, 2),
            {
                "foreign_buy": 38_841_300,
                "foreign_sell": 32_897_643,
                "foreign_net": 5_943_657,
                "trust_buy": 284_000,
                "trust_sell": 272_000,
                "trust_net": 12_000,
                "dealer_buy": 1_774_000,
                "dealer_sell": 1_043_000,
                "dealer_net": 731_000,
                "total_net": 6_686_657,
            },
        ),
    )


class TestTpexInstitutional(FiguresContract):
    """Seven groups of three columns with the same names."""

    dataset = tpex_institutional.Institutional()
    recording = "tpex/institutional.json"
    query = SessionQuery(DAY)
    other = SessionQuery(date(2023, 1, 31))
    path = "/www/zh-tw/insti/dailyTrade?type=Daily&sect=EW&date=2023/01/30&response=json"
    empty = (SessionQuery(date(2023, 1, 1)), recorded("tpex/institutional_no_data.json"))
    mark = "代號"
    order = ("代號", "名稱", *("買進股數", "賣出股數", "買賣超股數") * 7, "三大法人買賣超股數合計")
    cells: ClassVar = {
        **_party("foreign", "買進股數", "賣出股數", "買賣超股數"),
        **_party("foreign_dealer", "買進股數#2", "賣出股數#2", "買賣超股數#2"),
        **_party("foreign_total", "買進股數#3", "賣出股數#3", "買賣超股數#3"),
        **_party("trust", "買進股數#4", "賣出股數#4", "買賣超股數#4"),
        **_party("dealer_self", "買進股數#5", "賣出股數#5", "買賣超股數#5"),
        **_party("dealer_hedge", "買進股數#6", "賣出股數#6", "買賣超股數#6"),
        **_party("dealer", "買進股數#7", "賣出股數#7", "買賣超股數#7"),
        "total_net": (cells.net, "三大法人買賣超股數合計"),
    }
    count = 5
    expected = (
        Figures(
            "6488",
            DAY,
            {
                "foreign_buy": 3_059_748,
                "foreign_sell": 2_331_441,
                "foreign_net": 728_307,
                "foreign_dealer_buy": 0,
                "foreign_dealer_sell": 0,
                "foreign_dealer_net": 0,
                "foreign_total_buy": 3_059_748,
                "foreign_total_sell": 2_331_441,
                "foreign_total_net": 728_307,
                "trust_buy": 402_000,
                "trust_sell": 3_096,
                "trust_net": 398_904,
                "dealer_self_buy": 267_600,
                "dealer_self_sell": 156_000,
                "dealer_self_net": 111_600,
                "dealer_hedge_buy": 128_167,
                "dealer_hedge_sell": 68_000,
                "dealer_hedge_net": 60_167,
                "dealer_buy": 395_767,
                "dealer_sell": 224_000,
                "dealer_net": 171_767,
                "total_net": 1_298_978,
            },
        ),
    )


class TestTpexInstitutionalOf2014(FiguresContract):
    dataset = tpex_institutional.Institutional()
    recording = "tpex/institutional_2014.json"
    query = SessionQuery(date(2014, 12, 1))
    other = SessionQuery(date(2014, 12, 2))
    path = "/www/zh-tw/insti/dailyTrade?type=Daily&sect=EW&date=2014/12/01&response=json"
    mark = "代號"
    cells: ClassVar = {
        **_party("foreign", "外資及陸資買股數", "外資及陸資賣股數", "外資及陸資淨買股數"),
        **_party("trust", "投信買進股數", "投信賣股數", "投信淨買股數"),
        **_party("dealer_self", *(f"自營商(自行買賣){what}股數" for what in ("買", "賣", "淨買"))),
        **_party("dealer_hedge", *(f"自營商(避險){what}股數" for what in ("買", "賣", "淨買"))),
        "dealer_net": (cells.net, "自營淨買股數"),
        "total_net": (cells.net, "三大法人買賣超股數"),
    }
    count = 4
    expected = (
        Figures(
            "9951",
            date(2014, 12, 1),
            {
                "foreign_buy": 1_000,
                "foreign_sell": 22_000,
                "foreign_net": -21_000,
                "trust_buy": 30_000,
                "trust_sell": 0,
                "trust_net": 30_000,
                "dealer_self_buy": 5_000,
                "dealer_self_sell": 0,
                "dealer_self_net": 5_000,
                "dealer_hedge_buy": 34_000,
                "dealer_hedge_sell": 2_000,
                "dealer_hedge_net": 32_000,
                "dealer_net": 37_000,
                "total_net": 46_000,
            },
        ),
    )


class TestTwseMargin(FiguresContract):
    """融資 and 融券 under the same names; lots become shares."""

    dataset = twse_margin.Margin()
    recording = "twse/margin.json"
    query = SessionQuery(DAY)
    other = SessionQuery(date(2023, 1, 31))
    path = "/rwd/zh/marginTrading/MI_MARGN?date=20230130&selectType=ALL&response=json"
    empty = (SessionQuery(date(2023, 1, 1)), '{"stat":"很抱歉，沒有符合條件的資料"}'.encode())
    mark = "代號"
    order = (
        *("代號", "名稱", "買進", "賣出", "現金償還", "前日餘額", "今日餘額", "限額"),
        *("買進", "賣出", "現券償還", "前日餘額", "今日餘額", "限額", "資券互抵", "註記"),
    )
    cells: ClassVar = {
        "margin_buy": (cells.lots, "買進"),
        "margin_sell": (cells.lots, "賣出"),
        "margin_repaid": (cells.lots, "現金償還"),
        "margin_previous": (cells.lots, "前日餘額"),
        "margin_balance": (cells.lots, "今日餘額"),
        "margin_limit": (cells.lots, "限額"),
        "short_buy": (cells.lots, "買進#2"),
        "short_sell": (cells.lots, "賣出#2"),
        "short_repaid": (cells.lots, "現券償還"),
        "short_previous": (cells.lots, "前日餘額#2"),
        "short_balance": (cells.lots, "今日餘額#2"),
        "short_limit": (cells.lots, "限額#2"),
        "offset": (cells.lots, "資券互抵"),
    }
    count = 4
    expected = (
        Figures(
            "2330",
            DAY,
            {
                "margin_buy": 1_209_000,
                "margin_sell": 2_295_000,
                "margin_repaid": 74_000,
                "margin_previous": 20_547_000,
                "margin_balance": 19_387_000,
                "margin_limit": 6_482_595_000,
                "short_buy": 56_000,
                "short_sell": 284_000,
                "short_repaid": 101_000,
                "short_previous": 1_506_000,
                "short_balance": 1_633_000,
                "short_limit": 6_482_595_000,
                "offset": 7_000,
            },
        ),
    )

    def test_the_limit_is_read_under_its_later_name_too(self) -> None:
        later = self.body.replace('"限額"'.encode(), '"次一營業日限額"'.encode())
        assert self.parse(later) == self.parse(self.body)

    def test_a_line_of_totals_is_no_security(self) -> None:
        totals = '"data":[["　","合計"' + ',"1"' * 13 + ',""],["0050"'
        parsed = self.parse(self.body.replace(b'"data":[["0050"', totals.encode()))
        assert parsed == self.parse(self.body)

    def test_the_lot_of_a_foreign_currency_fund_is_a_hundred(self) -> None:
        parsed = self.parse(self.body.replace(b'"0050"', b'"00625K"'))
        assert [row.values["margin_balance"] for row in parsed.rows if row.symbol == "00625K"] == [184_700]


class TestTpexMargin(FiguresContract):
    dataset = tpex_margin.Margin()
    recording = "tpex/margin.json"
    query = SessionQuery(DAY)
    other = SessionQuery(date(2023, 1, 31))
    path = "/www/zh-tw/margin/balance?date=2023/01/30&id=&response=json"
    mark = "代號"
    cells: ClassVar = {
        "margin_buy": (cells.lots, "資買"),
        "margin_sell": (cells.lots, "資賣"),
        "margin_repaid": (cells.lots, "現償"),
        "margin_previous": (cells.lots, "前資餘額(張)"),
        "margin_balance": (cells.lots, "資餘額"),
        "margin_limit": (cells.lots, "資限額"),
        "short_buy": (cells.lots, "券買"),
        "short_sell": (cells.lots, "券賣"),
        "short_repaid": (cells.lots, "券償"),
        "short_previous": (cells.lots, "前券餘額(張)"),
        "short_balance": (cells.lots, "券餘額"),
        "short_limit": (cells.lots, "券限額"),
        "offset": (cells.lots, "資券相抵(張)"),
    }
    count = 4
    expected = (
        Figures(
            "6488",
            DAY,
            {
                "margin_buy": 278_000,
                "margin_sell": 407_000,
                "margin_repaid": 11_000,
                "margin_previous": 3_120_000,
                "margin_balance": 2_980_000,
                "margin_limit": 108_809_000,
                "short_buy": 8_000,
                "short_sell": 49_000,
                "short_repaid": 0,
                "short_previous": 159_000,
                "short_balance": 200_000,
                "short_limit": 108_809_000,
                "offset": 0,
            },
        ),
    )


class TestTwseValuation(FiguresContract):
    dataset = twse_valuation.Valuation()
    recording = "twse/valuation.json"
    query = SessionQuery(DAY)
    other = SessionQuery(date(2023, 1, 31))
    path = "/rwd/zh/afterTrading/BWIBBU_d?date=20230130&selectType=ALL&response=json"
    empty = (SessionQuery(date(2023, 1, 1)), '{"stat":"很抱歉，沒有符合條件的資料!","total":0}'.encode())
    mark = "證券代號"
    cells: ClassVar = {
        "price_earnings": (cells.ratio, "本益比"),
        "dividend_yield": (cells.percent, "殖利率(%)"),
        "price_book": (cells.ratio, "股價淨值比"),
    }
    count = 5
    expected = (
        Figures("1101", DAY, {"price_earnings": 307_900, "dividend_yield": 541, "price_book": 12_700}),
        Figures("1213", DAY, {"price_earnings": None, "dividend_yield": 0, "price_book": 10_700}),
        Figures("2330", DAY, {"price_earnings": 158_800, "dividend_yield": 203, "price_book": 51_400}),
    )


class TestTpexValuation(FiguresContract):
    dataset = tpex_valuation.Valuation()
    recording = "tpex/valuation.json"
    query = SessionQuery(DAY)
    other = SessionQuery(date(2023, 1, 31))
    path = "/www/zh-tw/afterTrading/peQryDate?date=2023/01/30&cate=&id=&response=json"
    mark = "股票代號"
    cells: ClassVar = {
        "price_earnings": (cells.ratio, "本益比"),
        "dividend_yield": (cells.percent, "殖利率(%)"),
        "price_book": (cells.ratio, "股價淨值比"),
    }
    count = 4
    expected = (
        Figures("6488", DAY, {"price_earnings": 198_200, "dividend_yield": 302, "price_book": 46_100}),
        Figures("1781", DAY, {"price_earnings": None, "dividend_yield": 0, "price_book": 18_500}),
    )


def _taiex(name: Any) -> Any:
    if name is cells.BAD or not name.strip().endswith("指數"):
        return cells.BAD
    return "TAIEX" if name.strip() == "發行量加權股價指數" else None


class TestTwseIndices(FiguresContract):
    dataset = twse_indices.Indices()
    recording = "twse/indices.json"
    query = SessionQuery(DAY)
    other = SessionQuery(date(2023, 1, 31))
    path = "/rwd/zh/afterTrading/MI_INDEX?date=20230130&type=IND&response=json"
    empty = (SessionQuery(date(2016, 9, 28)), recorded("twse/daily_bars_no_data.json"))
    mark = "指數"
    title = "價格指數(臺灣證券交易所)"
    whose = staticmethod(_taiex)
    cells: ClassVar = {
        "close": (cells.level, "收盤指數"),
        "change": (cells.marked_points, "漲跌(+/-)", "漲跌點數"),
    }
    count = 1
    expected = (Figures("TAIEX", DAY, {"close": 154_938_200, "change": 5_608_900}),)


class TestTpexIndices(FiguresContract):
    dataset = tpex_indices.Indices()
    recording = "tpex/indices.json"
    query = SessionQuery(DAY)
    other = SessionQuery(date(2023, 1, 31))
    path = "/www/zh-tw/afterTrading/highlight?date=2023/01/30&id=&response=json"
    empty = (SessionQuery(date(2023, 1, 1)), recorded("tpex/indices_no_data.json"))
    mark = "收市指數"
    whose = staticmethod(lambda _: "TPEX")
    cells: ClassVar = {"close": (cells.level, "收市指數"), "change": (cells.points, "指數漲跌")}
    count = 1
    expected = (Figures("TPEX", DAY, {"close": 1_932_300, "change": 47_300}),)


NOTHING = '{"stat":"很抱歉，沒有符合條件的資料!"}'.encode()


class TestTwseDividends(DatasetContract):
    dataset = twse_dividends.Dividends()
    recording = "twse/dividends.json"
    query = PeriodQuery(date(2024, 3, 4), date(2024, 3, 5))
    other = PeriodQuery(date(2024, 3, 4), date(2024, 3, 6))
    required = ("資料日期", "股票代號", "除權息前收盤價", "除權息參考價", "權/息", "減除股利參考價")
    path = "/rwd/zh/exRight/TWT49U?startDate=20240304&endDate=20240305&response=json"
    empty = (query, NOTHING)
    count = 2
    expected = (
        CorporateAction("00690", date(2024, 3, 4), ActionKind.DIVIDEND, 313_500, 306_000, 306_000),
        CorporateAction("00913", date(2024, 3, 4), ActionKind.DIVIDEND, 194_200, 189_600, 189_600),
    )


class TestTpexDividends(DatasetContract):
    dataset = tpex_dividends.Dividends()
    recording = "tpex/dividends.json"
    query = PeriodQuery(date(2024, 3, 22), date(2024, 3, 23))
    other = PeriodQuery(date(2024, 3, 21), date(2024, 3, 23))
    required = ("除權息日期", "代號", "除權息前收盤價", "除權息參考價", "權/息", "減除股利參考價", "息值")
    path = "/www/zh-tw/bulletin/exDailyQ?startDate=2024/03/22&endDate=2024/03/23&id=&response=json"
    empty = (PeriodQuery(date(2024, 1, 1), date(2024, 1, 1)), recorded("tpex/dividends_no_data.json"))
    count = 3
    expected = (
        CorporateAction("2065", date(2024, 3, 22), ActionKind.DIVIDEND, 657_000, 628_400, 628_400),
        CorporateAction("5478", date(2024, 3, 22), ActionKind.DIVIDEND, 1_665_000, 1_575_000, 1_575_000),
    )


class TestTwseReductions(DatasetContract):
    dataset = twse_reductions.Reductions()
    recording = "twse/reductions.json"
    query = PeriodQuery(date(2024, 1, 1), date(2024, 6, 28))
    other = PeriodQuery(date(2024, 1, 1), date(2024, 6, 27))
    required = ("恢復買賣日期", "股票代號", "停止買賣前收盤價格", "恢復買賣參考價", "除權參考價", "減資原因")
    path = "/rwd/zh/reducation/TWTAUU?startDate=20240101&endDate=20240628&response=json"
    empty = (query, NOTHING)
    count = 3
    expected = (
        CorporateAction("3432", date(2024, 1, 22), ActionKind.REDUCTION, 106_500, 196_900, note="彌補虧損"),
        CorporateAction("3308", date(2024, 4, 1), ActionKind.REDUCTION, 282_000, 312_600, note="退還股款"),
    )


class TestTwseReductionOf2352(DatasetContract):
    dataset = twse_reductions.Reductions()
    recording = "twse/reductions_2025.json"
    query = PeriodQuery(date(2025, 10, 1), date(2025, 10, 31))
    other = PeriodQuery(date(2025, 10, 2), date(2025, 10, 31))
    required = TestTwseReductions.required
    path = "/rwd/zh/reducation/TWTAUU?startDate=20251001&endDate=20251031&response=json"
    count = 1
    expected = (CorporateAction("2352", date(2025, 10, 7), ActionKind.REDUCTION, 301_500, 345_700, note="退還股款"),)


class TestTpexReductions(DatasetContract):
    dataset = tpex_reductions.Reductions()
    recording = "tpex/reductions.json"
    query = PeriodQuery(date(2024, 1, 1), date(2024, 7, 1))
    other = PeriodQuery(date(2024, 1, 1), date(2024, 7, 2))
    required = (
        "恢復買賣日期", "股票代號", "最後交易日之收盤價格", "減資恢復買賣開始日參考價格", "除權參考價", "減資原因",
    )  # fmt: skip
    path = "/www/zh-tw/bulletin/revivt?startDate=2024/01/01&endDate=2024/07/01&id=&response=json"
    empty = (PeriodQuery(date(2024, 1, 1), date(2024, 1, 1)), recorded("tpex/reductions_no_data.json"))
    count = 2
    expected = (
        CorporateAction("3064", date(2024, 2, 5), ActionKind.REDUCTION, 106_500, 355_000, note="彌補虧損"),
        CorporateAction("3191", date(2024, 2, 21), ActionKind.REDUCTION, 104_500, 209_000, note="彌補虧損"),
    )


class TestTwseParChanges(DatasetContract):
    dataset = twse_par_changes.ParChanges()
    recording = "twse/par_changes.json"
    query = PeriodQuery(date(2020, 1, 1), date(2026, 9, 24))
    other = PeriodQuery(date(2020, 1, 2), date(2026, 9, 24))
    required = ("恢復買賣日期", "股票代號", "停止買賣前收盤價格", "恢復買賣參考價")
    path = "/rwd/zh/change/TWTB8U?startDate=20200101&endDate=20260924&response=json"
    empty = (query, NOTHING)
    count = 4
    expected = (
        CorporateAction("2327", date(2025, 8, 25), ActionKind.PAR_CHANGE, 5_460_000, 1_365_000),
        CorporateAction("6415", date(2022, 7, 13), ActionKind.PAR_CHANGE, 24_850_000, 6_212_500),
    )


class TestTpexParChanges(DatasetContract):
    dataset = tpex_par_changes.ParChanges()
    recording = "tpex/par_changes.json"
    query = PeriodQuery(date(2021, 1, 1), date(2024, 1, 1))
    other = PeriodQuery(date(2021, 1, 1), date(2023, 1, 1))
    required = ("恢復買賣日期", "證券代號", "最後交易日之收盤價格", "恢復買賣開始參考價")
    path = "/www/zh-tw/bulletin/pvChgRslt?startDate=2021/01/01&endDate=2024/01/01&id=&response=json"
    empty = (PeriodQuery(date(2021, 1, 1), date(2022, 1, 1)), recorded("tpex/par_changes_no_data.json"))
    count = 2
    expected = (
        CorporateAction("6613", date(2022, 8, 29), ActionKind.PAR_CHANGE, 1_690_000, 845_000),
        CorporateAction("6548", date(2022, 9, 5), ActionKind.PAR_CHANGE, 906_000, 362_400),
    )


class TestTwseEtfSplits(DatasetContract):
    dataset = twse_etf_splits.EtfSplits()
    recording = "twse/etf_splits.json"
    query = PeriodQuery(date(2020, 1, 1), date(2026, 9, 24))
    other = PeriodQuery(date(2025, 6, 1), date(2025, 6, 30))
    required = ("恢復買賣日期", "ETF代號", "停止買賣前收盤價格", "恢復買賣參考價", "分割(反分割)")
    path = "/rwd/zh/split/TWTCAU?startDate=20200101&endDate=20260924&response=json"
    empty = (query, NOTHING)
    count = 4
    expected = (
        CorporateAction("0050", date(2025, 6, 18), ActionKind.SPLIT, 1_886_500, 471_600),
        CorporateAction("00632R", date(2024, 12, 11), ActionKind.REVERSE_SPLIT, 32_800, 229_600),
        CorporateAction("00631L", date(2026, 3, 31), ActionKind.SPLIT, 4_431_500, 201_400),
        CorporateAction("00673R", date(2025, 10, 22), ActionKind.REVERSE_SPLIT, 70_200, 280_800),
    )


class TestTpexEtfSplits(DatasetContract):
    dataset = tpex_etf_splits.EtfSplits()
    recording = "tpex/etf_splits.json"
    query = PeriodQuery(date(2099, 1, 1), date(2099, 12, 31))
    other = PeriodQuery(date(2098, 1, 1), date(2098, 12, 31))
    required = TestTpexParChanges.required
    path = "/www/zh-tw/bulletin/etfSplitRslt?startDate=2099/01/01&endDate=2099/12/31&id=&response=json"
    empty = (PeriodQuery(date(2021, 1, 1), date(2022, 1, 1)), recorded("tpex/par_changes_no_data.json"))
    count = 1
    expected = (CorporateAction("00680L", date(2099, 12, 31), ActionKind.SPLIT, 10_000_000, 1_000_000),)


class TestTpexEtfReverseSplits(DatasetContract):
    dataset = tpex_etf_splits.EtfReverseSplits()
    recording = "tpex/etf_reverse_splits.json"
    query = PeriodQuery(date(2099, 1, 1), date(2099, 12, 31))
    other = PeriodQuery(date(2098, 1, 1), date(2098, 12, 31))
    required = TestTpexParChanges.required
    path = "/www/zh-tw/bulletin/etfRvsRslt?startDate=2099/01/01&endDate=2099/12/31&id=&response=json"
    empty = (PeriodQuery(date(2021, 1, 1), date(2022, 1, 1)), recorded("tpex/par_changes_no_data.json"))
    count = 1
    expected = (CorporateAction("00681R", date(2099, 12, 31), ActionKind.REVERSE_SPLIT, 10_000, 1_000_000),)


def test_every_dataset_has_a_contract_and_a_recording() -> None:
    contracts = [one for one in globals().values() if isinstance(one, type) and issubclass(one, DatasetContract)]
    kept = {type(one.dataset): one.recording for one in contracts if hasattr(one, "recording")}
    assert set(kept) == set(registry.DATASETS.values())
    assert all((RECORDED / name).is_file() for name in kept.values())


def test_no_recording_is_an_orphan() -> None:
    source = Path(__file__).read_text()
    for file in RECORDED.rglob("*.*"):
        assert file.name == "README.md" or file.relative_to(RECORDED).as_posix() in source


class TestFinMindDailyBars(DatasetContract):
    dataset = finmind_daily.DailyBars()
    recording = "finmind/daily_bars.json"
    query = RangeQuery("2330", date(2020, 4, 2), date(2020, 4, 12))
    other = RangeQuery("2330", date(2020, 4, 7), date(2020, 4, 12))
    required = finmind_daily.COLUMNS
    path = "/data?dataset=TaiwanStockPrice&data_id=2330&start_date=2020-04-02&end_date=2020-04-12"
    empty = (RangeQuery("2330", date(2020, 4, 2), date(2020, 4, 5)), b'{"msg":"success","status":200,"data":[]}')
    layout = staticmethod(layouts.data_objects)
    count = 5
    expected = (
        Bar(
            "2330",
            date(2020, 4, 6),
            2_730_000,
            2_755_000,
            2_700_000,
            2_755_000,
            40_000,
            59_712_754,
            16_324_198_154,
            19_971,
        ),
        Bar(
            "2330",
            date(2020, 4, 9),
            2_875_000,
            2_880_000,
            2_825_000,
            2_830_000,
            -20_000,
            29_276_430,
            8_346_209_654,
            15_271,
        ),
    )
