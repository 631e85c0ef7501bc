"""Each dataset keeps the contract; expected values are read off the recordings by eye, not computed by the code."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from app.market.bar import Bar
from app.market.holiday import Holiday
from app.market.quote import Quote
from app.market.security import Security, SecurityKind, Venue
from app.sources import registry
from app.sources.base import LatestQuery, ListQuery, MonthQuery, QuotesQuery, SessionQuery, YearQuery
from app.sources.isin import securities
from app.sources.mis import quotes
from app.sources.tpex import daily_bars as tpex_daily
from app.sources.tpex import latest_bars as tpex_latest
from app.sources.tpex import month_bars as tpex_month
from app.sources.twse import daily_bars as twse_daily
from app.sources.twse import holidays
from app.sources.twse import latest_bars as twse_latest
from app.sources.twse import month_bars as twse_month
from tests.contract import layouts
from tests.contract.dataset_contract import RECORDED, DatasetContract

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


def test_every_dataset_has_a_contract_and_a_recording() -> None:
    contracts = [one for one in globals().values() if isinstance(one, type) and issubclass(one, DatasetContract)]
    kept = {type(one.dataset): one.recording for one in contracts if one is not DatasetContract}
    assert set(kept) == set(registry.DATASETS.values())
    assert all((RECORDED / name).is_file() for name in kept.values())


def test_no_recording_is_an_orphan() -> None:
    source = Path(__file__).read_text()
    for file in RECORDED.rglob("*.*"):
        assert file.name == "README.md" or file.relative_to(RECORDED).as_posix() in source
