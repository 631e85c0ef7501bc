"""The console in Chromium: what fifty open pages cost the server, and how soon a page is ready beside a static one.

The static page is the same one: a server that has the console's files and the answers to its questions in memory, and
does nothing but send them. Printed beside it is a page of as many bytes in one file without a line to run: what the
browser itself cannot do without, and what no page of an application can be near to.
"""

from __future__ import annotations

import http.client
import http.server
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from app.services.users import add_user
from benchmarks.claim import Claim, ms
from benchmarks.server import database, valkey
from benchmarks.web import web

CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
PAGES = 50
LOADS = 9
MOST_MB, MOST_KB, MOST_OF_STATIC = 100, 350, 1.5
Answer = tuple[int, dict[str, str], bytes]
PASSWORD = "correct horse battery staple"


def main() -> list[Claim]:
    if not Path(CHROMIUM).exists():
        raise SystemExit("The console is measured in Chromium: apt-get install chromium")
    with database() as engine, valkey() as (url, _):
        add_user(engine, "ann", role="admin", password=PASSWORD)
        with web(engine, url) as port, sync_playwright() as playwright:
            (server,) = (one for one in psutil.Process().children() if "app.main" in " ".join(one.cmdline()))
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            context = _logged_in(browser, port)
            size, ready, still, blank = _ready(browser, context, port)
            before, after = _memory(server, context, port)
    print(f"The console in Chromium ({PAGES} pages; a page of {size:,} bytes, median of {LOADS} cold loads)")
    print(f"  web process, one page open, MB       {before / 2**20:>8.1f}   {PAGES} pages {after / 2**20:>8.1f}")
    print(
        f"  ready, ms                            {ready * 1e3:>8.0f}   the same as files {still * 1e3:>8.0f}"
        f"   as many bytes that run nothing {blank * 1e3:>8.0f}"
    )
    return [
        Claim(
            name=f"memory of the web process for {PAGES} open pages, MB",
            value=(after - before) / 2**20,
            most=MOST_MB,
        ),
        Claim(name="weight of a panel, cold, compressed, kB", value=size / 1000, most=MOST_KB),
        Claim(
            name="a panel is ready ÷ the same page and answers as files", value=ready / still, most=MOST_OF_STATIC,
            ours=ms(ready), beside=ms(still),
        ),
    ]  # fmt: skip


def _logged_in(browser: Browser, port: int) -> BrowserContext:
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"http://localhost:{port}/admin/monitoring")
    page.locator("input[name=name]").fill("ann")
    page.locator("input[name=password]").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.locator("main h1").wait_for()
    return context


def _memory(server: psutil.Process, context: BrowserContext, port: int) -> tuple[int, int]:
    before = server.memory_info().rss
    for _ in range(PAGES - len(context.pages)):
        _open(context.new_page(), port)
    return before, server.memory_info().rss


def _open(page: Page, port: int) -> None:
    page.goto(f"http://localhost:{port}/admin/runs")
    page.locator(".dot.on").wait_for(state="attached")  # its socket is open


def _ready(browser: Browser, context: BrowserContext, port: int) -> tuple[int, float, float, float]:
    """Bytes of the page on the wire, and the median seconds until each of three is ready, in turn, from nothing."""
    state = context.storage_state()
    sizes: dict[str, float] = {}
    asked: list[str] = []

    def load(url: str, is_ready: Callable[[Page], object], *, measured: bool = False) -> float:
        fresh = browser.new_context(storage_state=state)
        page = fresh.new_page()
        if measured:
            page.on("request", lambda one: asked.append(one.url.partition(f":{port}")[2]))
            network = fresh.new_cdp_session(page)
            network.send("Network.enable")
            network.on(
                "Network.loadingFinished", lambda one: sizes.update({one["requestId"]: one["encodedDataLength"]})
            )
        began = time.perf_counter()
        page.goto(url, wait_until="commit")
        is_ready(page)
        seconds = time.perf_counter() - began
        if measured:
            page.wait_for_load_state("networkidle")
        fresh.close()
        return seconds

    ours = f"http://localhost:{port}/admin/runs"
    shown = lambda page: page.locator("main h1").wait_for()  # noqa: E731
    load(ours, shown, measured=True)
    size = int(sum(sizes.values()))
    cookie = "; ".join(f"{one['name']}={one['value']}" for one in state["cookies"])
    answers = {path: _answer(port, path, cookie) for path in asked if path}
    blank = b"<!doctype html><title>static</title><main><h1>static</h1></main>"
    answers["/blank"] = (200, {"Content-Type": "text/html"}, blank + b"<!--" + b"x" * (size - len(blank) - 7) + b"-->")
    with _files(answers) as files:
        taken = [
            (
                load(ours, shown),
                load(f"{files}/admin/runs", shown),
                load(f"{files}/blank", lambda page: page.wait_for_load_state("load")),
            )
            for _ in range(LOADS)
        ]
    ready, still, nothing = (statistics.median(some) for some in zip(*taken, strict=True))
    return size, ready, still, nothing


def _answer(port: int, path: str, cookie: str) -> Answer:
    """What the console's server says to a page that asks for that, as it goes over the wire."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request(
        "GET", path, headers={"Cookie": cookie, "Accept-Encoding": "gzip, br", "Host": f"localhost:{port}"}
    )
    reply = connection.getresponse()
    kept = ("content-type", "content-encoding", "cache-control")
    return reply.status, {name: value for name, value in reply.getheaders() if name.lower() in kept}, reply.read()


@contextmanager
def _files(answers: dict[str, Answer]) -> Iterator[str]:
    """The address of a server that has just these answers."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, headers, body = answers.get(self.path, (404, {}, b""))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://localhost:{server.server_port}"
        finally:
            server.shutdown()
