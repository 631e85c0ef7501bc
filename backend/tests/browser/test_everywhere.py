"""What holds of every panel: two languages, two themes, a phone, accessibility, and how much it loads."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PANELS, SCREENSHOTS, Console

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.timeout(180)]

BUDGET = 350_000
"""Bytes over the wire that a panel may take, with nothing kept from before."""
CHINESE = re.compile(r"[\u4e00-\u9fff]+")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_panel_is_accessible_and_stands_on_a_phone(
    console: Console, axe: Callable[[Page], list[str]], theme: str
) -> None:
    page = console.page(color_scheme=theme)
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    found: dict[str, list[str]] = {}
    for place in PANELS:
        page.set_viewport_size({"width": 1280, "height": 860})
        console.open(page, place)
        name = place.replace("/", "-")
        page.screenshot(path=SCREENSHOTS / f"{name}-{theme}.png")
        found[place] = axe(page)
        page.set_viewport_size({"width": 390, "height": 844})
        page.screenshot(path=SCREENSHOTS / f"{name}-{theme}-phone.png", full_page=True)
        wide = page.evaluate("document.documentElement.scrollWidth")
        found[place] += [f"{wide} px wide on a phone of 390"] if wide > 390 else []
    assert {place: wrong for place, wrong in found.items() if wrong} == {}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_login_and_dialogs_are_accessible(console: Console, axe: Callable[[Page], list[str]], theme: str) -> None:
    page = console.context(color_scheme=theme).new_page()
    page.goto(f"{console.url}/admin")
    page.locator("input[name=name]").wait_for()
    assert axe(page) == []
    page = console.page(color_scheme=theme)
    for place, button in (("sync", "立即執行：日線歷史回補"), ("schedules", "編輯 sync-qlib")):
        console.open(page, place)
        page.get_by_role("button", name=button).click()
        dialog = page.get_by_role("dialog")
        dialog.wait_for()
        page.wait_for_timeout(400)  # until it has faded in: colours are judged
        assert axe(page) == []
        page.screenshot(path=SCREENSHOTS / f"{place}-dialog-{theme}.png")


def test_english_is_complete(console: Console) -> None:
    page = console.page()
    console.open(page, "overview")
    page.get_by_role("button", name="English").click()
    left: dict[str, list[str]] = {}
    for place in PANELS:
        console.open(page, place)  # the choice is kept
        assert page.evaluate("document.documentElement.lang") == "en"
        text = page.evaluate("document.body.innerText")
        # Names of securities and industries are data; so is what the other language is called.
        data = {"中文"} if not place.startswith("data") else set(CHINESE.findall(text))
        left[place] = sorted(set(CHINESE.findall(text)) - data)
    assert {place: words for place, words in left.items() if words} == {}


def test_chinese_leaves_no_schedule_in_english(console: Console) -> None:
    page = console.page()
    for place in ("sync", "schedules"):
        console.open(page, place)
        words = page.locator("tbody").inner_text()
        assert not re.findall(r"(?<![-\w])(?:daily|hourly|trading|every|paused|min)(?![-\w])", words)


@pytest.mark.parametrize("place", PANELS)
def test_a_panel_loads_little_and_a_deep_link_survives_a_reload(console: Console, place: str) -> None:
    page = console.page()
    sizes: dict[str, float] = {}
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    network.on("Network.loadingFinished", lambda event: sizes.update({event["requestId"]: event["encodedDataLength"]}))
    console.open(page, place)
    assert 50_000 < sum(sizes.values()) <= BUDGET
    heading = page.locator("main h1").first.inner_text()
    page.reload()
    expect(page.locator("main h1").first).to_have_text(heading)
    assert page.url == f"{console.url}/admin/{place}"
    assert page.title().endswith("QuantLab")
    expect(page.get_by_text("合成價格")).to_be_visible()
