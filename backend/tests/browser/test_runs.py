"""The pages of runs: why one failed and doing over only that; and, over ten thousand runs and a whole market's
symbols, that what the console asks for and draws stays bounded."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import text

from app.store.engine import make_engine, transaction
from tests.browser.conftest import PHONE, SCREENSHOTS, Console, say_yes

pytestmark = pytest.mark.timeout(180)

RUNS, SYMBOLS = 10_000, 2_671
MOST_NODES = 6_000
"""Elements of a page, with its menus; a list of all of them would have ten times as many."""

_RUNS = """
INSERT INTO runs (id, task, parameters, trigger, state, queued_at, started_at, finished_at, worker, forced, error_type,
                  error)
SELECT 'many-' || n, (ARRAY['app.tasks.sync_ohlcv_data', 'app.tasks.catch_up'])[1 + n % 2], '{}', 'manual',
       CASE WHEN n % 49 = 0 THEN 'FAILED' ELSE 'SUCCESS' END, at, at, at + (1 + n % 90) * interval '1 s',
       'celery@host-' || n % 4, true, CASE WHEN n % 49 = 0 THEN 'RateLimited' END,
       CASE WHEN n % 49 = 0 THEN 'twse: asked too often.' END
FROM (SELECT n, now() - interval '60 s' - n * interval '8 s' AS at FROM generate_series(1, :many) n) made
"""
_LOSE_A_UNIT = """
UPDATE units SET state = 'FAILED', error = 'twse: 503' WHERE run_id = :id AND scope = :scope AND venue = :venue
"""
_FALL_SHORT = """
UPDATE runs SET state = 'PARTIAL', error_type = 'SourceUnavailable', error = 'twse: 503', traceback = 'Traceback: here'
WHERE id = :id
"""
_WORKS_AND_WAITS = """
INSERT INTO runs (id, task, parameters, trigger, state, queued_at, started_at, worker, attempts, lease_until, sent_at,
                  forced)
VALUES (:of || '-works', 'app.tasks.catch_up', '{}', 'manual', 'STARTED', now() - interval '9 min',
        now() - interval '9 min', 'celery@busy', 1, now() + interval '5 min', now(), true),
       (:of || '-waits', 'app.tasks.catch_up', '{}', 'manual', 'QUEUED', now() - interval '5 min', NULL, NULL, 0,
        NULL, now(), true)
"""
_IS_HALF_DONE = """
UPDATE runs SET progress = '{"done": 60, "total": 120, "what": "a day"}' WHERE id = :of || '-works'
"""
_BOTH_END = """
UPDATE runs SET state = 'CANCELLED', finished_at = now(), lease_until = NULL WHERE id LIKE :of || '-%'
"""
_SYMBOLS = """
INSERT INTO securities (symbol, name, venue, kind, on_list, first_seen_at, updated_at)
SELECT 'Z' || lpad(n::text, 4, '0'), '測試' || n, 'TWSE', 'stock', true, now(), now() FROM generate_series(1, :many) n
"""


def write(console: Console, *statements: tuple[str, dict[str, object]]) -> None:
    """Into the platform's own database, what it would take hours to come by."""
    engine = make_engine(console.up.environment()["DATABASE_URL"], application_name="test")
    try:
        with transaction(engine) as connection:
            for statement, values in statements:
                connection.execute(text(statement), values)
    finally:
        engine.dispose()


@pytest.fixture(scope="module")
def many(platform_console: Console) -> None:
    write(platform_console, (_RUNS, {"many": RUNS}), (_SYMBOLS, {"many": SYMBOLS}))


def test_only_what_failed_is_asked_for_again(console: Console, axe: Callable[[Page], list[str]]) -> None:
    run = console.run("sync_daily_prices", days=6)
    pieces = console.api("GET", f"runs/{run['id']}")["units"]
    lost = {"id": run["id"], "scope": pieces[0]["scope"], "venue": pieces[0]["venue"]}
    write(console, (_LOSE_A_UNIT, lost), (_FALL_SHORT, lost))
    page = console.page(permissions=["clipboard-read", "clipboard-write"], color_scheme="dark")
    console.open(page, f"runs/{run['id']}")
    expect(page.locator("main tbody tr").first).to_contain_text("twse: 503")  # what failed comes first
    expect(page.get_by_text("交易所網站沒有回應")).to_be_visible()
    expect(page.get_by_text("Traceback: here")).to_be_hidden()
    page.get_by_text("錯誤追蹤").click()
    page.get_by_role("button", name="複製", exact=True).click()
    assert page.evaluate("navigator.clipboard.readText()") == "Traceback: here"
    page.get_by_role("button", name="複製指令").click()
    command = page.evaluate("navigator.clipboard.readText()")
    assert command == """celery -A app.core.celery_app call app.tasks.sync_daily_prices --kwargs '{"days":6}'"""

    page.screenshot(path=SCREENSHOTS / "run-dark.png", full_page=True)
    page.get_by_role("button", name="只重跑未成功的部分").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(f"重跑 1 個未成功的單元（約 1 次請求）；已成功的 {len(pieces) - 1} 個不再抓取")
    expect(dialog.get_by_role("listitem")).to_have_text(re.compile(f"daily_bars {lost['venue']} {lost['scope']}"))
    expect(page.get_by_text("已複製")).to_have_count(0)  # by then the dialog has faded in, too: colours are judged
    assert axe(page) == []
    page.screenshot(path=SCREENSHOTS / "run-retry-dark.png")
    dialog.get_by_role("button", name="執行", exact=True).click()
    expect(page.get_by_role("link", name=run["id"])).to_be_visible()  # the new run's page, which points back
    expect(page.locator("main .head")).to_contain_text("成功", timeout=60_000)
    expect(page.locator("main tbody tr")).to_have_count(1)
    expect(page.locator("dl.facts")).to_contain_text("ann")
    page.get_by_role("link", name=run["id"]).click()
    expect(page.locator("dl.facts")).to_contain_text("由此重跑")


@pytest.fixture
def asked(console: Console, many: None) -> tuple[Page, list[str]]:
    """A page, and the requests for data that it makes."""
    page = console.page()
    made: list[str] = []
    page.on("request", lambda request: made.append(request.url) if "/api/v1/" in request.url else None)
    return page, made


def of(made: list[str], path: str) -> list[dict[str, str]]:
    """The questions of the requests to exactly that path."""
    parts = [urlsplit(url) for url in made]
    return [{name: one[0] for name, one in parse_qs(x.query).items()} for x in parts if x.path == f"/api/v1/{path}"]


def nodes(page: Page) -> int:
    return int(page.evaluate("document.getElementsByTagName('*').length"))


def test_the_list_is_a_page_at_a_time(console: Console, asked: tuple[Page, list[str]]) -> None:
    page, made = asked
    console.open(page, "runs?task=catch_up")
    rows = page.locator("main tbody tr")
    expect(rows).to_have_count(50)
    expect(page.locator("main")).to_contain_text("5,0")
    assert nodes(page) < MOST_NODES
    begun = len(of(made, "runs"))
    first = rows.first.inner_text()
    page.get_by_role("button", name="下一頁").click()
    expect(rows.first).not_to_contain_text(first[-8:])
    expect(rows).to_have_count(50)
    assert [one["limit"] for one in of(made, "runs")[begun:]] == ["50"]
    page.get_by_label("狀態").fill("失敗")
    page.keyboard.press("Enter")
    page.wait_for_url("**state=FAILED")
    expect(page.locator("main tbody").get_by_text("asked too often").first).to_be_visible()
    assert of(made, "runs")[-1]["state"] == "FAILED"
    assert nodes(page) < MOST_NODES


def test_the_longest_and_those_of_a_person(console: Console, asked: tuple[Page, list[str]]) -> None:
    page, _ = asked
    console.open(page, "runs?order=longest")
    rows = page.locator("main tbody tr")
    expect(rows.first).to_contain_text("1m 30s")
    page.get_by_label("啟動者").fill("nobody at all")
    page.wait_for_url("**who=nobody**")
    expect(page.get_by_text("沒有符合的執行記錄")).to_be_visible()


@pytest.mark.parametrize("drawn", [("1h", 400, False), ("24h", 800, True), ("7d", 100, True)])
def test_the_timeline_draws_a_thousand_at_most_and_says_so(
    console: Console, asked: tuple[Page, list[str]], axe: Callable[[Page], list[str]], drawn: tuple[str, int, bool]
) -> None:
    (page, made), (span, fewest, cut) = asked, drawn
    console.open(page, f"runs?view=timeline&span={span}")
    bars = page.locator("main section a")
    expect(bars.nth(fewest)).to_be_attached()
    assert bars.count() <= 1_000
    expect(page.get_by_text("只畫出最近 1000 筆")).to_have_count(int(cut))
    assert len(of(made, "runs")) == 0
    assert 1 <= len(of(made, "runs/timeline")) <= 2  # once more when a run begins or ends meanwhile
    assert nodes(page) < MOST_NODES
    assert axe(page) == []
    page.screenshot(path=SCREENSHOTS / f"runs-timeline-{span}.png", full_page=True)
    page.set_viewport_size(PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    page.screenshot(path=SCREENSHOTS / f"runs-timeline-{span}-phone.png", full_page=True)


def test_a_run_that_works_grows_and_one_that_waits_has_a_lane(console: Console) -> None:
    write(console, (_WORKS_AND_WAITS, {"of": "of-a-test"}))
    page = console.page()
    console.open(page, "runs?view=timeline&span=1h&search=of-a-test")
    bar = page.get_by_role("region", name="celery@busy").get_by_role("link", name=re.compile("執行中"))
    expect(bar).to_be_visible()
    was = bar.bounding_box()
    assert was
    page.wait_for_function(
        "([name, was]) => document.querySelector(`a[href$='${name}']`).getBoundingClientRect().width > was",
        arg=["of-a-test-works", was["width"]],
    )
    expect(page.get_by_role("region", name="等待中").get_by_role("link")).to_have_count(1)
    write(console, (_BOTH_END, {"of": "of-a-test"}))


def test_monitoring_shows_what_runs_now_however_long_ago_it_began(console: Console, many: None) -> None:
    write(console, (_WORKS_AND_WAITS, {"of": "of-monitoring"}), (_IS_HALF_DONE, {"of": "of-monitoring"}))
    page, viewer = console.page(), console.page("vic")
    console.open(page, "monitoring")
    running = page.get_by_role("region", name="正在執行").get_by_role("listitem")
    expect(running).to_have_count(1)  # and none that waits
    expect(running).to_contain_text("celery@busy")
    expect(running).to_contain_text("9 分鐘前開始")
    expect(running).to_contain_text(re.compile(r"60/120 .*9m"))
    expect(running.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "50")
    expect(running.get_by_role("link")).to_have_attribute("href", "/admin/runs/of-monitoring-works")
    console.open(viewer, "monitoring")
    theirs = viewer.get_by_role("region", name="正在執行").get_by_role("listitem")
    expect(theirs).to_have_count(1)
    expect(theirs.get_by_role("button")).to_have_count(0)
    running.get_by_role("button", name="取消執行").click()
    say_yes(page, "取消執行")
    expect(running.get_by_role("button")).to_contain_text("已要求取消")
    write(console, (_BOTH_END, {"of": "of-monitoring"}))
    expect(page.get_by_text("目前沒有任務在執行")).to_be_visible()
    expect(theirs).to_have_count(0)


def test_keys_walk_along_a_lane(console: Console, asked: tuple[Page, list[str]]) -> None:
    page, _ = asked
    console.open(page, "runs?view=timeline&span=1h")
    lane = page.get_by_role("region", name="celery@host-1")
    links = lane.get_by_role("link")
    expect(links.nth(20)).to_be_attached()
    assert lane.locator("a[tabindex='0']").count() == 1
    lane.locator("a[tabindex='0']").focus()
    newest = links.last.get_attribute("href")
    page.keyboard.press("ArrowLeft")
    focused = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert page.evaluate("document.activeElement.getAttribute('href')") != newest
    expect(page.locator("p.told")).to_contain_text(re.sub(r" · [^·]*$", "", focused))
    page.keyboard.press("End")
    assert page.evaluate("document.activeElement.getAttribute('href')") == newest
    page.keyboard.press("Enter")
    page.wait_for_url("**/admin/runs/many-*")


def test_the_symbol_picker_asks_the_server_and_lists_twenty(console: Console, asked: tuple[Page, list[str]]) -> None:
    page, made = asked
    console.open(page, "sync")
    page.get_by_role("button", name="立即執行：日線價格").click()
    dialog = page.get_by_role("dialog")
    picker = page.get_by_label("股票代號")
    before = nodes(page)
    # The field itself is as wide as what stands in it: nothing.
    dialog.locator(".n-base-selection").filter(has=picker).click()
    page.keyboard.type("Z00")
    options = page.locator(".n-base-select-option")
    expect(options.first).to_contain_text("Z00")
    assert options.count() <= 20
    assert {one["limit"] for one in of(made, "securities")} == {"20"}
    assert len(of(made, "securities")) <= 3  # a question a key
    page.keyboard.press("Control+A")
    page.keyboard.type("測試2671")
    expect(options).to_have_count(1)
    options.first.click()
    expect(dialog).to_contain_text("Z2671")
    assert nodes(page) < before + 500
