"""What an operator does, in a real browser: from the login to a run's history, and what must not be possible."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from playwright.sync_api import Route, WebSocketRoute, expect

from app.market.calendar import TAIPEI
from tests.browser.conftest import USERS, Console, log_in, say_yes
from tests.conftest import wait_until

pytestmark = pytest.mark.timeout(180)

RUN_LIST = re.compile("立即執行：證券清單")


def test_the_first_admin_comes_in_and_a_wrong_password_does_not(console: Console, first_password: str) -> None:
    page = console.context().new_page()
    page.goto(f"{console.url}/admin/runs?state=SUCCESS")
    log_in(page, "admin", "not the password")
    wrong = page.get_by_role("alert").inner_text()
    assert "帳號或密碼不對" in wrong
    assert "belong together" not in wrong  # the server's English says no more than that
    log_in(page, "nobody", "not the password")
    expect(page.get_by_role("alert")).to_have_text(wrong)
    log_in(page, "admin", first_password)
    # Where the link led to, with its filter.
    expect(page.get_by_role("heading", name="執行記錄")).to_be_visible()
    assert page.url.endswith("/admin/runs?state=SUCCESS")
    page.get_by_role("button", name="登出").click()
    expect(page.locator("input[name=name]")).to_be_visible()


def test_run_now_to_success_and_history_and_another_page_sees_it(console: Console) -> None:
    page, other = console.page(), console.page("vic")
    console.open(other, "runs")
    console.open(page, "sync")
    page.get_by_role("button", name=RUN_LIST).click()
    page.get_by_role("dialog").get_by_role("button", name="執行", exact=True).click()
    expect(page.get_by_text("已排入佇列")).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)
    newest = console.api("GET", "runs?limit=1")["runs"][0]
    assert (newest["task"], newest["trigger"]) == ("app.tasks.sync_stock_list", "manual")
    row = other.get_by_role("row").filter(has_text=newest["id"][:8])
    expect(row).to_contain_text("成功", timeout=30_000)
    mine = page.get_by_role("row").filter(has_text="sync_stock_list")
    expect(mine).to_contain_text("成功")
    mine.get_by_role("link").click()
    page.wait_for_url(f"**/admin/runs/{newest['id']}")
    expect(page.get_by_role("heading", level=1)).to_have_text("證券清單")
    counts = console.api("GET", f"runs/{newest['id']}")["run"]["counts"]
    expect(page.locator("main")).to_contain_text(f"{counts['expected']:,}")
    expect(page.get_by_role("row").filter(has_text="securities TWSE")).to_contain_text("成功")


def test_a_parameter_that_does_not_fit_is_a_sentence_and_nothing_runs(console: Console) -> None:
    before = console.api("GET", "runs?limit=1")["total"]
    page = console.page()
    console.open(page, "sync")
    page.get_by_role("button", name="立即執行：日線歷史回補").click()
    dialog = page.get_by_role("dialog")
    run = dialog.get_by_role("button", name="執行", exact=True)
    expect(run).to_be_disabled()  # the first day is required
    day = dialog.get_by_label("開始日")
    day.fill("2001-01-05")
    day.press("Enter")
    run.click()
    refused = dialog.get_by_role("alert")
    expect(refused).to_contain_text("輸入不符，什麼都沒做")  # what it is, in the page's language,
    expect(refused.locator(".small")).to_contain_text("2004")  # and below it what the server says
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert console.api("GET", "runs?limit=1")["total"] == before
    console.wrong = [one for one in console.wrong if "status of 422" not in one]


def test_a_viewer_looks_and_changes_nothing(console: Console) -> None:
    page = console.page("vic")
    console.open(page, "sync")
    expect(page.get_by_role("row").filter(has_text="sync_stock_list")).to_be_visible()
    expect(page.get_by_role("button", name=RUN_LIST)).to_have_count(0)
    console.open(page, "schedules")
    expect(page.get_by_role("button", name="編輯")).to_have_count(0)
    asked = """(path) => fetch(path, {method: 'POST', headers: {'X-QuantLab': '1'}})
        .then(async (reply) => [reply.status, (await reply.json()).message])"""
    status, message = page.evaluate(asked, "/api/v1/tasks/sync_stock_list/runs")
    assert status == 403
    assert message
    console.wrong = [one for one in console.wrong if "status of 403" not in one]


def test_a_place_that_is_not_there_says_so(console: Console) -> None:
    page = console.page()
    console.open(page, "nothing/here")
    expect(page.get_by_role("heading", name="沒有這一頁")).to_be_visible()
    console.open(page, "runs/no-such-run")
    expect(page.get_by_role("alert")).to_contain_text("no-such-run")
    console.wrong = [one for one in console.wrong if "status of 404" not in one]


def test_a_session_that_ends_asks_again_and_keeps_the_place(console: Console) -> None:
    page = console.page()
    log_in_again = page.get_by_role("dialog", name="登入已逾時")
    console.sessions.pop("ann")  # it ends here
    console.open(page, "runs?task=sync_stock_list")
    expect(page.get_by_text("即時連線")).to_be_visible()
    for session in console.api("GET", "sessions")["sessions"]:
        if session["name"] == "ann":
            console.api("DELETE", f"sessions/{session['id']}")
    expect(log_in_again).to_be_visible()
    page.locator("input[name=password]").fill("correct horse battery")
    page.keyboard.press("Enter")
    expect(log_in_again).to_have_count(0)
    expect(page.get_by_text("即時連線")).to_be_visible()
    assert page.url.endswith("/admin/runs?task=sync_stock_list")
    console.wrong = [one for one in console.wrong if "status of 401" not in one]


def test_a_server_that_restarts_is_found_again(console: Console) -> None:
    page = console.page()
    console.open(page, "runs")
    expect(page.get_by_text("即時連線")).to_be_visible()
    console.up.programs()["web"].kill()
    expect(page.get_by_text("連線中斷")).to_be_visible()
    expect(page.get_by_text("即時連線")).to_be_visible(timeout=60_000)
    run = console.run("cleanup_old_cache")
    expect(page.get_by_role("row").filter(has_text=run["id"][:8])).to_contain_text("成功")
    console.wrong = [one for one in console.wrong if "WebSocket" not in one and "ERR_CONNECTION_REFUSED" not in one]


def test_keys_alone_lead_from_the_menu_to_a_run(console: Console) -> None:
    page = console.page()
    console.open(page, "overview")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="跳到內容")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    link = page.get_by_role("navigation").get_by_role("link", name="數據同步")
    link.focus()
    page.keyboard.press("Enter")
    button = page.get_by_role("button", name=RUN_LIST)
    button.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    for _ in range(12):  # around in the dialog, never out of it
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.closest('[role=dialog], .n-modal-container') !== null")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)


def test_a_schedule_is_edited_with_its_next_fires_shown_paused_and_reset(console: Console) -> None:
    page = console.page()
    console.open(page, "schedules")
    page.get_by_role("button", name="編輯 sync-qlib").click()
    dialog = page.get_by_role("dialog")
    timing = dialog.get_by_label("觸發時間")
    timing.fill("close+")
    expect(dialog.get_by_role("button", name="儲存")).to_be_disabled()
    timing.fill("45 17 * * *")
    expect(dialog.get_by_role("listitem")).to_have_count(5)
    fires = dialog.get_by_role("listitem").all_inner_texts()
    today = datetime.now(TAIPEI)
    first = today if (today.hour, today.minute) < (17, 45) else today + timedelta(days=1)
    assert fires == [f"{first + timedelta(days=n):%Y-%m-%d} 17:45:00" for n in range(5)]
    dialog.get_by_role("button", name="儲存").click()
    row = page.get_by_role("row").filter(has_text="sync-qlib")
    expect(row).to_contain_text("每日 17:45")
    expect(row).to_contain_text("30 22 * * *")  # the default beside it
    expect(row).to_contain_text("ann")
    page.get_by_role("button", name="暫停 sync-qlib").click()
    expect(row).to_contain_text("已暫停")
    page.get_by_role("button", name="還原預設 sync-qlib").click()
    expect(row).to_contain_text("每日 22:30")
    assert console.api("GET", "schedules/sync-qlib")["schedule"]["overrides"] == {}
    console.wrong = [one for one in console.wrong if "status of 422" not in one]


def test_a_closure_is_marked_and_taken_back(console: Console) -> None:
    page = console.page()
    console.open(page, "schedules")
    page.get_by_label("日期").fill("2026-12-15")
    page.get_by_label("日期").press("Enter")
    page.get_by_label("原因").fill("颱風")
    page.get_by_role("button", name="標為休市").click()
    said = page.get_by_role("listitem").filter(has_text="2026-12-15")
    expect(said).to_contain_text("休市 · 颱風 ann")
    day = console.api("GET", "calendar?start=2026-12-15&end=2026-12-15")["days"][0]
    assert (day["is_session"], day["overridden_by"]) == (False, "ann")
    said.get_by_role("button", name="撤回").click()
    expect(said).to_have_count(0)


def test_a_schedules_parameters_are_edited_with_the_form_of_a_run(console: Console) -> None:
    page = console.page()
    console.open(page, "schedules")
    page.get_by_role("button", name="編輯 sync-daily-prices").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("天數").fill("3")
    expect(dialog).to_contain_text("預設: 無參數")
    dialog.get_by_role("button", name="儲存").click()
    row = page.get_by_role("row").filter(has_text="sync-daily-prices")
    expect(row).to_contain_text("天數 3")
    held = console.api("GET", "schedules/sync-daily-prices")["schedule"]
    assert held["overrides"] == {"parameters": {"days": 3}}  # and nothing that was not changed
    newest = console.api("GET", "audit?action=schedule")["rows"][0]
    assert (newest["before"], newest["after"]) == ({}, held["overrides"])
    page.get_by_role("button", name="編輯 sync-daily-prices").click()
    dialog.get_by_role("button", name="還原預設").click()
    dialog.get_by_role("button", name="儲存").click()
    expect(row).not_to_contain_text("天數 3")
    assert console.api("GET", "schedules/sync-daily-prices")["schedule"]["overrides"] == {}


def test_a_newcomers_list_ticks_what_the_platform_knows_until_it_is_hidden(console: Console) -> None:
    page, viewer = console.page(), console.page("vic")
    console.open(page, "overview")
    steps = page.get_by_role("region", name="開始使用").get_by_role("listitem")
    expect(steps).to_have_count(4)
    expect(steps.filter(has_text="2330")).to_contain_text("已完成")
    expect(steps.filter(has_text="通知管道")).not_to_contain_text("已完成")
    addresses = console.up.home / "sandbox" / "alerts"
    addresses.touch(0o600)
    addresses.write_text("json://127.0.0.1:9/\n")
    page.reload()
    # The first to ask loads the library that reads addresses.
    expect(steps.filter(has_text="通知管道")).to_contain_text("已完成", timeout=30_000)
    addresses.unlink()
    console.open(viewer, "overview")  # who may change nothing has nothing to do
    expect(viewer.get_by_role("region", name="開始使用")).to_have_count(0)
    page.get_by_role("button", name="不再顯示").click()
    page.reload()
    expect(page.get_by_role("heading", name="各資料集最新一日")).to_be_visible()
    expect(steps).to_have_count(0)


def test_candles_are_drawn_of_what_is_held(console: Console) -> None:
    page = console.page()
    console.open(page, "data")
    page.get_by_label("輸入代號或名稱").fill("台積")
    page.get_by_role("link", name="台積電", exact=True).click()
    expect(page.get_by_role("figure").locator("canvas").first).to_be_visible()
    bars = console.api("GET", "bars/2330")["bars"]
    newest = page.get_by_role("row").filter(has_text=bars[-1]["session"])
    for field in ("open", "high", "low", "close"):
        expect(newest).to_contain_text(f"{Decimal(bars[-1][field]):,}")
    expect(page.get_by_role("figure")).to_contain_text(bars[-1]["session"])  # what the chart reads out is the last one


def test_a_cell_of_the_coverage_tells_what_is_held(console: Console) -> None:
    page = console.page()
    console.open(page, "coverage")
    rows = console.api("GET", "coverage?start=2026-01-01&end=2027-12-31")["coverage"]
    row = next(one for one in rows if (one["dataset"], one["venue"]) == ("daily_bars", "TWSE"))
    page.get_by_role("button", name=f"日線 TWSE {row['session']}").click()
    details = page.get_by_role("region", name=re.compile("日線 TWSE"))
    page.wait_for_url(f"**/coverage?cell=daily_bars+TWSE+{row['session']}")
    page.reload()  # who gets the link sees the same
    for number in ("expected", "held", "missing"):
        expect(details).to_contain_text(f"{row[number]:,}")


def test_a_column_sorts_by_keyboard_and_the_order_is_in_the_address(console: Console) -> None:
    page = console.page()
    console.open(page, "data")
    head = page.get_by_role("columnheader", name="代號")
    expect(head).to_have_attribute("aria-sort", "ascending")
    head.get_by_role("button").press("Enter")
    expect(head).to_have_attribute("aria-sort", "descending")
    page.wait_for_url("**/data?order=-symbol")
    last = console.api("GET", "securities?order=-symbol&limit=1")["securities"][0]["symbol"]
    expect(page.get_by_role("rowheader").first).to_have_text(last)
    page.get_by_role("button", name="下一頁").click()
    expect(page.get_by_role("rowheader").first).not_to_have_text(last)
    page.reload()
    expect(page.get_by_role("rowheader").first).to_have_text(last)


def test_a_token_is_shown_once_works_and_is_revoked(console: Console) -> None:
    page = console.page()
    console.open(page, "settings/tokens")
    page.get_by_label("名稱").fill("notebook")
    page.get_by_role("button", name="建立權杖").click()
    token = page.get_by_role("status").locator("code").inner_text()
    # Under the name by which this page came, whatever port that is.
    expect(page.get_by_role("status").locator("pre")).to_contain_text(f'{token}" {console.url}/api/v1/')
    bearer = {"Authorization": f"Bearer {token}"}
    url = f"{console.url}/api/v1/me"
    assert httpx.get(url, headers=bearer).json()["role"] == "viewer"
    page.reload()
    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="notebook"))
    expect(row).to_contain_text("唯讀")
    assert token not in page.content()
    row.get_by_role("button", name="撤銷 notebook").click()
    say_yes(page, "撤銷")
    expect(row.get_by_role("button")).to_have_count(0)
    assert httpx.get(url, headers=bearer).status_code == 401
    console.open(page, "settings/audit")
    expect(page.get_by_role("row").filter(has_text="token.revoke").first).to_contain_text("ann")


def test_users_are_for_admins(console: Console) -> None:
    page = console.page("vic")
    for place in ("settings/users", "settings/tokens"):
        console.open(page, place)
        expect(page.get_by_text("只有管理員能看這一頁")).to_be_visible()


def test_whoever_is_no_admin_has_an_account_too(console: Console) -> None:
    page, (_, password) = console.page("vic"), USERS["vic"]
    for _ in range(2):  # from elsewhere
        httpx.post(f"{console.url}/api/v1/login", json={"name": "vic", "password": password}).raise_for_status()
    console.open(page, "settings")
    page.wait_for_url("**/admin/settings/account")
    ends = page.get_by_role("button", name="結束登入")
    expect(ends.first).to_be_visible()
    before = ends.count()
    ends.first.click()
    expect(ends).to_have_count(before - 1)
    for present, new in ((password, "a better horse battery"), ("a better horse battery", password)):
        page.get_by_label("目前密碼").fill(present)
        page.get_by_label("密碼", exact=True).fill(new)
        page.get_by_role("button", name="儲存").click()
        expect(page.get_by_label("目前密碼")).to_have_value("")
        expect(ends).to_have_count(0)
    expect(page.get_by_text("這個瀏覽器")).to_be_visible()


def test_a_server_that_is_away_is_named_where_programs_are(console: Console) -> None:
    page = console.page()
    said = httpx.get(f"{console.url}/health").json()
    (redis,) = [one for one in said["findings"] if one["name"] == "redis"]
    redis |= {"level": "error", "detail": "Redis does not answer."}
    page.route("**/health", lambda route: route.fulfill(status=503, json=said | {"status": "down"}))
    for place in ("overview", "monitoring"):
        console.open(page, place)
        card = page.get_by_role("region", name="程序與伺服器")
        expect(card.get_by_role("listitem").filter(has_text="Redis does not answer.")).to_contain_text("異常")
        expect(card.get_by_role("listitem").filter(has_text="celery@")).to_have_count(1)
        expect(page.get_by_text("伺服器回應 503")).to_have_count(0)
    console.wrong = [one for one in console.wrong if "status of 503" not in one]


def test_why_a_tasks_last_run_failed_stands_beside_it(console: Console) -> None:
    page = console.page()

    def failed(route: Route) -> None:
        reply = route.fetch()
        found = reply.json()
        found["tasks"]["app.tasks.sync_stock_list"][0] |= {"id": "elsewhere", "state": "FAILED", "error": "No room."}
        route.fulfill(response=reply, json=found)

    page.route("**/api/v1/runs/by-task?*", failed)
    console.open(page, "sync")
    row = page.get_by_role("row").filter(has_text="sync_stock_list")
    expect(row.get_by_role("link", name="No room.")).to_have_attribute("href", "/admin/runs/elsewhere")


def test_an_answer_that_was_cut_off_is_told_and_the_first_run_of_all_is_heard(console: Console) -> None:
    page = console.page()
    page.route("**/api/v1/sessions", lambda route: route.fulfill(status=200, body='{"sessions": [{"id"'))
    console.open(page, "settings/account")
    expect(page.get_by_text("伺服器的回應不完整")).to_be_visible()
    # A ledger that is empty, and then its first run: the panel asks anew.
    live: list[WebSocketRoute] = []
    page.route_web_socket("**/api/v1/live", lambda route: live.append(route))  # noqa: PLW0108 - Playwright marks it
    run = console.api("GET", "runs?limit=1")["runs"][0]
    console.open(page, "runs")
    live[0].send(json.dumps({"topic": "runs", "data": []}))
    with page.expect_request("**/api/v1/runs?*"):
        live[0].send(json.dumps({"topic": "runs", "data": [run]}))


def test_logs_are_searched_and_followed_and_stand_on_their_runs_page(console: Console) -> None:
    page = console.page()
    console.open(page, "logs?level=INFO")
    lines = page.get_by_role("list", name="日誌查詢").get_by_role("listitem")
    expect(lines.first).to_be_visible()
    run = console.run("sync_stock_list")  # while the page is open
    mine = lines.filter(has_text=run["id"][:8])
    expect(mine.filter(has_text="SUCCESS")).to_be_visible()  # its last line, which comes a moment after its end
    mine.get_by_role("link").first.click()
    page.wait_for_url(f"**/admin/runs/{run['id']}")
    theirs = console.api("GET", f"logs?run_id={run['id']}")["lines"]
    assert theirs
    assert run["id"] in {one["run_id"] for one in console.api("GET", "logs?task=sync_stock_list")["lines"]}
    expect(page.get_by_role("list", name="日誌查詢").get_by_role("listitem")).to_have_count(len(theirs))
    page.get_by_role("link", name="在日誌查詢中開啟").click()
    expect(lines).to_have_count(len(theirs))
    with page.expect_download() as download:
        page.get_by_role("link", name="下載 .jsonl").click()
    assert re.fullmatch(r"quantlab-logs-\d{8}T\d{6}\.jsonl", download.value.suggested_filename)
    kept = download.value.path().read_text().splitlines()
    assert [json.loads(line)["message"] for line in kept] == [one["message"] for one in theirs]
    # This host alone wrote: there is nothing to choose from.
    expect(page.get_by_label("主機")).to_have_count(0)
    page.get_by_label("搜尋文字").fill("nothing says this")
    expect(page.get_by_text("沒有符合的日誌；放寬條件")).to_be_visible()
    page.wait_for_url("**text=nothing*")
    page.get_by_role("button", name="清除條件").click()
    expect(lines.nth(20)).to_be_visible()


def test_the_timeline_shows_a_run_in_its_workers_lane_and_leads_to_it(console: Console) -> None:
    run = console.run("sync_stock_list")
    page = console.page()
    console.open(page, "runs?task=sync_stock_list")
    page.get_by_role("button", name="時間軸").click()
    lane = page.get_by_role("region", name=run["worker"])
    bars = lane.get_by_role("link", name=re.compile("證券清單 · 成功"))
    expect(bars.first).to_be_visible()
    page.get_by_role("button", name="1h", exact=True).click()
    page.wait_for_url("**view=timeline&span=1h")
    with page.expect_response(re.compile("/runs/timeline")) as asked:
        page.get_by_role("button", name="往前").click()
    assert asked.value.ok
    page.wait_for_url("**at=2*")
    page.get_by_role("button", name="現在").click()
    bars.last.press("Enter")
    page.wait_for_url("**/admin/runs/*-*")
    expect(page.get_by_role("heading", level=1)).to_have_text("證券清單")


def test_what_is_opened_before_a_filter_settles_stays_open(console: Console) -> None:
    """The filter writes itself into the address a moment later, while the next page may still load."""
    page = console.page()
    console.open(page, "data")
    expect(page.locator("tbody a").first).to_be_visible()
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/OneSecurity*.js", hold)
    page.get_by_label("輸入代號或名稱").fill("2317")
    with page.expect_request("**/OneSecurity*.js"):
        page.get_by_label("輸入代號或名稱").press("Enter")
    page.evaluate("() => new Promise((later) => setTimeout(later, 500))")  # is due after the filter's own timer
    held[0].continue_()
    expect(page.get_by_role("heading", level=1)).to_contain_text("2317")
    assert page.url.endswith("/admin/data/2317")


def test_a_worker_is_drained_and_takes_again(console: Console) -> None:
    page = console.page()
    console.open(page, "monitoring")
    expect(page.get_by_role("img", name="記憶體")).to_be_visible(timeout=60_000)
    expect(page.get_by_role("region", name="可用磁碟空間")).to_contain_text("最低")  # of what runs out
    page.get_by_role("button", name="排空").click()
    page.get_by_text("不再從佇列取新任務").wait_for()
    say_yes(page, "排空", presses=2)  # told once
    expect(page.get_by_text("排空中")).to_be_visible(timeout=30_000)
    page.get_by_role("button", name="恢復接收").click()
    expect(page.get_by_text("排空中")).to_have_count(0, timeout=30_000)
    page.get_by_role("button", name="全部重新啟動").click()
    expect(page.get_by_text("1 個工作程序逐一重新啟動")).to_be_visible()
    say_yes(page, "全部重新啟動")
    expect(page.locator(".n-message").last).to_contain_text("1 個工作程序正逐一重新啟動")
    wait_until(lambda: re.search(r"celery@\S+ is back", console.up.said()), within=60, what="the worker's successor")
    assert console.run("cleanup_old_cache")["state"] == "SUCCESS"
    actions = [row["action"] for row in console.api("GET", "audit?action=worker")["rows"]]
    assert actions == ["worker.restart-all", "worker.resume", "worker.drain"]


def test_ten_tabs_are_all_live_and_see_the_same(console: Console) -> None:
    """Chromium opens six connections a host: what streams by HTTP would leave the seventh tab hanging."""
    first = console.page()
    pages = [first, *(first.context.new_page() for _ in range(9))]
    for page in pages:
        console.open(page, "runs")
    for page in pages:
        expect(page.get_by_text("即時連線")).to_be_visible()
    run = console.run("cleanup_old_cache")
    for page in pages:
        expect(page.get_by_role("row").filter(has_text=run["id"][:8])).to_contain_text("成功")


def test_keys_alone_lead_from_the_login_to_a_run_and_its_history(console: Console) -> None:
    page = console.context().new_page()
    page.goto(f"{console.url}/admin/sync")
    page.locator("input[name=name]").wait_for()

    def tab_to(what: str, *, most: int = 80) -> None:
        """Tab until the focused element is or holds that text; what is focused must be seen to be."""
        for _ in range(most):
            page.keyboard.press("Tab")
            said = page.evaluate(
                "(one => one === document.body ? '' : [one.ariaLabel, one.innerText, one.name].join(' '))"
                "(document.activeElement)"
            )
            if what in said:
                outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
                assert outline != "none" or page.evaluate("document.activeElement.matches('input, .n-button')")
                return
        pytest.fail(f"Tab does not lead to {what}")

    tab_to("name")
    page.keyboard.type("ann")
    page.keyboard.press("Tab")
    page.keyboard.type(USERS["ann"][1])
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="數據同步").wait_for()
    tab_to("立即執行：證券清單")
    page.keyboard.press("Enter")
    page.get_by_role("dialog").wait_for()
    tab_to("執行")
    before = console.api("GET", "runs?limit=1")["total"]
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_have_count(0)
    newest = console.api("GET", "runs?limit=1")
    assert newest["total"] == before + 1
    page.keyboard.press("Escape")
    tab_to("執行記錄")
    page.keyboard.press("Enter")
    page.wait_for_url("**/admin/runs")
    expect(page.get_by_role("row").filter(has_text=newest["runs"][0]["id"][:8])).to_contain_text("成功", timeout=30_000)
    tab_to("證券清單")
    page.keyboard.press("Enter")
    page.wait_for_url("**/admin/runs/*-*")
    expect(page.get_by_role("heading", level=1)).to_have_text("證券清單")


def test_an_export_is_read_by_the_line_that_the_page_shows_and_is_verified(console: Console) -> None:
    run = console.run("export_parquet", force=True)
    assert run["state"] == "SUCCESS"
    page = console.page()
    console.open(page, "exports")
    held: dict[str, Any] = {}
    for reader, call in (("polars", "pl.scan_parquet"), ("DuckDB", "duckdb.sql")):
        line = page.get_by_role("listitem").filter(has_text=reader).locator("pre").inner_text()
        exec(line.replace(f"{call}(", f"{reader} = {call}("), held)  # as its reader would type it
    assert held["polars"].collect().height == run["counts"]["stored"]
    assert len(held["DuckDB"].fetchall()) == 5
    with page.expect_response("**/verify") as verified:
        page.get_by_role("button", name=re.compile("驗證 snapshot-")).first.click()
    *read, last = (json.loads(line) for line in verified.value.text().splitlines())
    assert (read[0]["done"], read[-1]["done"]) == (0, last["files"])
    expect(page.get_by_text(f"{last['files']:,} 個檔案與發布時相同")).to_be_visible()
    expect(page.get_by_role("status").filter(has_text="已讀")).to_have_count(0)  # it is over


def test_a_gap_is_filled_from_the_coverage_at_the_cost_that_was_told(console: Console) -> None:
    page = console.page()
    console.open(page, "coverage")
    cells = page.get_by_role("row", name=re.compile("日線.*TWSE")).get_by_role("button")
    cells.first.click()
    expect(page.get_by_text("這一天尚未向交易所取得")).to_be_visible()
    expect(page.get_by_text(re.compile("補抓需 1 次請求"))).to_be_visible()
    name = cells.first.get_attribute("aria-label") or ""
    fill = page.get_by_role("button", name="回補…")
    # A button and not a cell: wide enough for its own text.
    assert fill.evaluate("(it) => it.clientWidth > 40 && it.scrollWidth <= it.clientWidth")
    fill.click()
    expect(page.get_by_role("dialog").get_by_text("需向交易所提出 1 次請求")).to_be_visible()
    with page.expect_response(re.compile(r"backfill_bars/runs$")) as asked:
        page.get_by_role("dialog").get_by_role("button", name="執行", exact=True).click()
    run_id = asked.value.json()["id"]
    expect(page.get_by_role("link", name="查看執行")).to_have_attribute("href", f"/admin/runs/{run_id}")
    session = name.split()[2].rstrip(":")
    expect(page.get_by_role("button", name=re.compile(f"日線.*TWSE {session}: (100|99)"))).to_be_visible(timeout=60_000)
    run = console.api("GET", f"runs/{run_id}")
    assert (run["run"]["state"], [unit["scope"] for unit in run["units"]]) == ("SUCCESS", [session])
    expect(page.get_by_text("所選的 1 個交易日都已持有")).to_be_visible()  # no longer what it was before the run
