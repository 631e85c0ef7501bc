"""Chromium on a real platform. Every page is watched: no error in the console, no request elsewhere."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect, sync_playwright

from tests.acceptance.up import Up
from tests.conftest import PROJECT, wait_until

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PANELS = (
    "overview",
    "sync",
    "runs",
    "runs?view=timeline",
    "schedules",
    "data",
    "data/2330",
    "coverage",
    "quality",
    "monitoring",
    "logs",
    "exports",
    "settings/users",
    "settings/tokens",
    "settings/alerting",
    "settings/audit",
    "settings/account",
)
USERS = {"ann": ("admin", "correct horse battery"), "vic": ("viewer", "staple horse battery")}
SCREEN: ViewportSize = {"width": 1280, "height": 860}
PHONE: ViewportSize = {"width": 390, "height": 844}
SCREENSHOTS = PROJECT / ".cache" / "screenshots"


@dataclass
class Console:
    """The console of a running platform, and what its pages did that they must not."""

    up: Up
    browser: Browser
    sessions: dict[str, Any] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://localhost:{self.up.port}"

    def api(self, method: str, path: str, body: object = None) -> Any:
        """A request of the operator's with the admin token."""
        token = (self.up.home / "sandbox" / "admin-token").read_text().strip()
        headers = {"Authorization": f"Bearer {token}"}
        reply = httpx.request(method, f"{self.url}/api/v1/{path}", json=body, headers=headers, timeout=30)
        reply.raise_for_status()
        return reply.json() if reply.content else None

    def run(self, task: str, **parameters: Any) -> dict[str, Any]:
        """A run of that task, once it has ended."""
        run_id = self.api("POST", f"tasks/{task}/runs", {"parameters": parameters})["id"]
        ended: dict[str, Any] = {}

        def has_ended() -> bool:
            ended.update(self.api("GET", f"runs/{run_id}")["run"])
            return ended["finished_at"] is not None

        wait_until(has_ended, within=90, what=f"the end of {task}")
        return ended

    def context(self, **options: Any) -> BrowserContext:
        """A fresh browser profile whose pages are watched, without motion: a click meets what is in its place."""
        context = self.browser.new_context(**{"viewport": SCREEN, "reduced_motion": "reduce", **options})
        context.on("request", self._look_at)
        context.on("console", lambda said: self._note(said.type, said.text, said.location.get("url", "")))
        context.on("weberror", lambda error: self.wrong.append(f"error: {error.error}"))
        return context

    def _look_at(self, request: Any) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob") and parts.netloc != f"localhost:{self.up.port}":
            self.wrong.append(f"request to {request.url}")

    def _note(self, kind: str, text: str, url: str) -> None:
        # Chromium itself writes down every reply of 400 and above: of these, only what the test means to get.
        if kind in ("error", "warning") and not url.endswith(("/api/v1/me", "/api/v1/login")):
            self.wrong.append(f"{kind}: {text} {url}")

    def page(self, name: str = "ann", **options: Any) -> Page:
        """A page on which *name* is logged in; the login itself is made once and its cookie kept."""
        if name not in self.sessions:
            page = self.context().new_page()
            page.goto(f"{self.url}/admin")
            log_in(page, name)
            self.sessions[name] = page.context.storage_state()
            page.context.close()
        page = self.context(storage_state=self.sessions[name], **options).new_page()
        page.set_default_timeout(20_000)
        return page

    def open(self, page: Page, place: str) -> None:
        """Go there and wait until it stands."""
        page.goto(f"{self.url}/admin/{place}")
        page.locator("main h1").first.wait_for()
        page.wait_for_load_state("networkidle")


def say_yes(page: Page, name: str, *, presses: int = 1) -> None:
    """Answer the question that stands open by its button of that *name*; it closes when the server has answered."""
    question = page.locator(".n-popconfirm__panel")
    question.get_by_role("button", name=name, exact=True).click(click_count=presses)
    expect(question).to_have_count(0, timeout=20_000)


def log_in(page: Page, name: str, password: str | None = None) -> None:
    page.locator("input[name=name]").fill(name)
    page.locator("input[name=password]").fill(password or USERS[name][1])
    page.keyboard.press("Enter")
    if password is None:
        page.locator("nav").wait_for(state="attached")


# Not for the whole session: while Playwright is open its loop runs in this thread, and no other test could run one.
@pytest.fixture(scope="module")
def platform_console(server_folder: Path, request: pytest.FixtureRequest) -> Iterator[Console]:
    if not CHROMIUM.exists():
        pytest.skip("There is no /usr/bin/chromium: `apt-get install chromium fonts-noto-cjk` brings it.")
    name = request.path.stem
    up = Up(server_folder / name, server_folder / f"{name}.log")
    try:
        up.wait_until_ready()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            console = Console(up, browser)
            for name, (role, password) in USERS.items():
                console.api("POST", "users", {"name": name, "role": role, "password": password})
            assert console.run("sync_stock_list")["state"] == "SUCCESS"
            assert console.run("sync_daily_prices", days=10)["state"] == "SUCCESS"
            yield console
            browser.close()
    finally:
        up.stop()


@pytest.fixture
def console(platform_console: Console) -> Iterator[Console]:
    """The console; the test fails when one of its pages did what none may."""
    platform_console.wrong.clear()
    yield platform_console
    for context in platform_console.browser.contexts:
        context.close()
    assert platform_console.wrong == []


@pytest.fixture
def first_password(platform_console: Console) -> str:
    """What the ready text said, once, of the first admin."""
    said = re.search(r"Login\s+admin / (\S+)", platform_console.up.said())
    assert said
    return said[1]


@pytest.fixture
def axe() -> Callable[[Page], list[str]]:
    """Accessibility violations of a page, by axe."""
    script = (PROJECT / "frontend" / "node_modules" / "axe-core" / "axe.min.js").read_text()
    ask = """async () => (await axe.run(document)).violations.map((one) => one.id + ': ' +
        one.nodes.map((node) => node.html.slice(0, 160) + ' ' + node.failureSummary).join(' | '))"""

    def violations(page: Page) -> list[str]:
        page.evaluate(script)
        found: list[str] = page.evaluate(ask)
        return found

    return violations
