"""Each fault does what it says, at a real server, as often as it was told to."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import httpx
import pytest

from app.errors import InvalidParameter
from app.sandbox.faults import MEANING, Fault, Kind
from app.sandbox.listing import by_symbol

DAY = "/twse/rwd/zh/afterTrading/MI_INDEX?date=20261120&type=ALLBUT0999&response=json"
QUOTES = "/tpex/www/zh-tw/afterTrading/dailyQuotes?date=2026/11/20"
LATEST = "/twse-openapi/v1/exchangeReport/STOCK_DAY_ALL"
LIST = "/isin/isin/C_public.jsp?strMode=5"


@pytest.fixture
def get(live: str) -> Callable[..., httpx.Response]:
    def go(path: str, fault: str | None = None, **more: object) -> httpx.Response:
        if fault:
            site = path.split("/")[1]
            armed = httpx.post(f"{live}/_faults", json={"site": site, "fault": fault, **more})
            assert armed.status_code == 200
        return httpx.get(live + path)

    return go


Get = Callable[..., httpx.Response]


def test_too_many(get: Get) -> None:
    assert get(DAY, "429", seconds=7, times=2).headers["retry-after"] == "7"
    assert get(DAY).status_code == 429
    assert get(DAY).status_code == 200


def test_ban_page_has_status_200(get: Get) -> None:
    reply = get(DAY, "ban-page")
    assert reply.status_code == 200
    assert b"THE PAGE CANNOT BE ACCESSED" in reply.content


def test_redirect_leads_to_a_block_page(get: Get, live: str) -> None:
    reply = get(DAY, "307")
    assert reply.status_code == 307
    block = httpx.get(live + reply.headers["location"])
    assert (block.status_code, b"CANNOT BE ACCESSED" in block.content) == (200, True)


def test_server_error_html_and_empty(get: Get) -> None:
    assert get(DAY, "5xx").status_code == 503
    page = get(DAY, "html")
    assert (page.status_code, page.content[:1]) == (200, b"<")
    assert get(DAY, "empty").content == b""


def test_truncated_body(get: Get) -> None:
    with pytest.raises(httpx.RemoteProtocolError, match="body"):
        get(DAY, "truncated")
    assert get(DAY).status_code == 200


def test_reset(get: Get) -> None:
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        get(DAY, "reset")


def test_slow(get: Get) -> None:
    start = time.monotonic()
    assert get(DAY, "slow", seconds=0.3).status_code == 200
    assert time.monotonic() - start >= 0.3


def test_wrong_date_is_the_session_before(get: Get) -> None:
    assert get(DAY, "wrong-date").json()["date"] == "20261119"
    assert get(QUOTES, "wrong-date").json()["tables"][0]["date"] == "115/11/19"
    assert get(LATEST, "wrong-date").json()[0]["Date"] == "1151120"
    quotes = get("/mis/stock/api/getStockInfo.jsp?ex_ch=tse_2330.tw", "wrong-date")
    assert quotes.json()["msgArray"][0]["d"] == "20261120"
    assert get(DAY).json()["date"] == "20261120"


def test_extra_and_missing_columns(get: Get) -> None:
    whole = get(DAY).json()["tables"][8]
    more = get(DAY, "extra-column").json()["tables"][8]
    assert len(more["fields"]) == 17
    assert [row[:1] + row[2:] for row in more["data"]] == whole["data"]
    less = get(QUOTES, "missing-column").json()["tables"][0]
    assert "收盤" not in less["fields"]
    assert all(len(row) == 18 for row in less["data"])
    assert "ClosingPrice" not in get(LATEST, "missing-column").json()[5]
    assert "NewColumn" in get(LATEST, "extra-column").json()[5]
    cells = get(LIST).content.count(b"<td")
    assert get(LIST, "extra-column").content.count(b"<td") > cells
    assert "7901\u3000" not in get(LIST, "missing-column").content.decode("cp950")


def test_bad_cells_dirty_three_rows(get: Get) -> None:
    clean, dirty = get(DAY).json()["tables"][8]["data"], get(DAY, "bad-cells").json()["tables"][8]["data"]
    changed = [new for old, new in zip(clean, dirty, strict=True) if old != new]
    assert [row[8] for row in changed][::2] == ["0.00", "N/A"]
    assert changed[1][7] == "999,999.00"
    rows = zip(get(LATEST).json(), get(LATEST, "bad-cells").json(), strict=True)
    assert sum(old != new for old, new in rows) == 3
    assert get(LIST, "bad-cells").content == get(LIST).content


def test_bad_order_exchanges_high_and_low_of_three_rows(get: Get) -> None:
    clean, dirty = get(DAY).json()["tables"][8], get(DAY, "bad-order").json()["tables"][8]
    assert clean["fields"][6:8] == ["最高價", "最低價"]
    changed = [pair for pair in zip(clean["data"], dirty["data"], strict=True) if pair[0] != pair[1]]
    assert len(changed) == 3
    for before, after in changed:
        assert after == [*before[:6], before[7], before[6], *before[8:]]
        assert float(after[6].replace(",", "")) < float(after[7].replace(",", ""))


def test_every_kind_is_explained() -> None:
    assert set(MEANING) == set(Kind)


def test_a_fault_hits_only_its_site_and_path(get: Get, live: str) -> None:
    httpx.post(f"{live}/_faults", json={"site": "twse", "path": "STOCK_DAY?", "fault": "5xx", "times": None})
    assert get(DAY).status_code == get(QUOTES).status_code == 200
    for _ in range(3):
        assert get("/twse/rwd/zh/afterTrading/STOCK_DAY?date=20261101&stockNo=2330").status_code == 503
    held = httpx.get(f"{live}/_faults").json()["faults"]
    assert [(each["fault"], each["hits"]) for each in held] == [("5xx", 3)]
    assert httpx.delete(f"{live}/_faults").json() == {"removed": 1}
    assert get("/twse/rwd/zh/afterTrading/STOCK_DAY?date=20261101&stockNo=2330").status_code == 200


@pytest.mark.parametrize(
    "body",
    [b"", b"{", {"site": "nyse", "fault": "429"}, {"site": "twse", "fault": "fire"},
     {"site": "twse", "fault": "429", "times": 0}, {"site": "twse", "fault": "slow", "seconds": -1},
     {"site": "twse", "fault": "429", "when": 1}],
)  # fmt: skip
def test_a_wrong_fault_is_refused(live: str, body: object) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body)
    reply = httpx.post(f"{live}/_faults", content=content)
    assert reply.status_code == 422
    assert reply.json()["error"]
    assert httpx.get(f"{live}/_faults").json() == {"faults": []}


def test_requests_are_counted_by_site_and_path(get: Get, live: str) -> None:
    get(DAY)
    get(QUOTES)
    get(DAY, "429")
    log = httpx.get(f"{live}/_requests").json()
    assert log["counts"]["twse"] == {"/rwd/zh/afterTrading/MI_INDEX": 2}
    assert log["counts"]["tpex"] == {"/www/zh-tw/afterTrading/dailyQuotes": 1}
    assert [entry["status"] for entry in log["requests"]] == [200, 200, 429]
    assert httpx.delete(f"{live}/_requests").json()["total"] == 0


def test_faults_as_text() -> None:
    assert Fault.from_text("twse/MI_INDEX:429:3:10") == Fault("twse", Kind.TOO_MANY, "MI_INDEX", 3, 10.0)
    assert Fault.from_text("*:slow:always") == Fault("*", Kind.SLOW, "", None)
    assert Fault.from_text("mis:reset") == Fault("mis", Kind.RESET)
    for text in ("", "twse", "twse:429:x", "twse:429:1:x", "lse:429"):
        with pytest.raises(InvalidParameter):
            Fault.from_text(text)


def test_the_shipped_list() -> None:
    kinds = [each.security.kind for each in by_symbol().values()]
    assert len(kinds) == 2356 + 400 + 12
    assert kinds.count("warrant") == 400


FINMIND = "/finmind/data?dataset=TaiwanStockPrice&data_id=2330&start_date=2026-11-16&end_date=2026-11-20"


@pytest.mark.parametrize(("fault", "status"), [("402", 402), ("403", 403)])
def test_finminds_own_refusals(get: Get, fault: str, status: int) -> None:
    reply = get(FINMIND, fault)
    assert (reply.status_code, reply.json()["status"]) == (status, status)
    assert get(FINMIND).json()["status"] == 200


def test_finminds_rows_can_be_spoilt(get: Get) -> None:
    assert "NewColumn" in get(FINMIND, "extra-column").json()["data"][0]
    assert "close" not in get(FINMIND, "missing-column").json()["data"][0]
    assert get(FINMIND, "wrong-date").json()["data"][0]["date"] == "2026-11-13"
    assert get(FINMIND, "bad-cells").json()["data"][0]["close"] == "0.00"
