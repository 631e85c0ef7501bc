"""What holds of every panel: two languages, two themes, a phone, accessibility, and how much it loads."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PANELS, PHONE, SCREEN, SCREENSHOTS, Console

pytestmark = pytest.mark.timeout(180)

BUDGET = 350_000
"""Bytes over the wire that a panel may take, with nothing kept from before."""
CHINESE = re.compile(r"[\u4e00-\u9fff]+")


@pytest.mark.parametrize("place", PANELS)
def test_a_panel(console: Console, axe: Callable[[Page], list[str]], place: str) -> None:
    """It loads little, is accessible in both themes, fits a phone, survives a reload, and is English throughout."""
    page = console.page()
    sizes: dict[str, float] = {}
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    network.on("Network.loadingFinished", lambda event: sizes.update({event["requestId"]: event["encodedDataLength"]}))
    console.open(page, place)
    assert 50_000 < sum(sizes.values()) <= BUDGET
    look_at_it(page, re.sub(r"\W", "-", place), axe)

    heading = page.locator("main h1").first.inner_text()
    page.reload()
    expect(page.locator("main h1").first).to_have_text(heading)
    assert page.url == f"{console.url}/admin/{place}"
    assert page.title().endswith("QuantLab")
    expect(page.get_by_text("合成價格")).to_be_visible()

    page.get_by_role("button", name="English").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.wait_for_load_state("networkidle")
    if not place.startswith(("data", "settings/audit")):  # names and what people wrote stay as they are
        assert set(CHINESE.findall(page.evaluate("document.body.innerText"))) == {"中文"}


def look_at_it(page: Page, name: str, axe: Callable[[Page], list[str]]) -> None:
    """A picture of each theme, on a screen and on a phone; nothing that axe finds, nothing wider than the phone."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        expect(page.locator("html")).to_have_attribute("data-theme", theme)
        page.wait_for_timeout(350)  # colours fade over from the other theme
        page.screenshot(path=SCREENSHOTS / f"{name}-{theme}.png")
        assert axe(page) == [], theme
        page.set_viewport_size(PHONE)
        page.screenshot(path=SCREENSHOTS / f"{name}-{theme}-phone.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
        page.set_viewport_size(SCREEN)


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


def test_chinese_leaves_no_schedule_in_english(console: Console) -> None:
    page = console.page()
    for place in ("sync", "schedules"):
        console.open(page, place)
        words = page.locator("tbody").inner_text()
        assert not re.findall(r"(?<![-\w])(?:daily|hourly|trading|every|paused|min)(?![-\w])", words)
