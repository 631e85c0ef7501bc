"""How the console's page is served; what it does is tested in a browser."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.admin import console

if TYPE_CHECKING:
    from tests.integration.api.conftest import Web

SCRIPT = b"document.title = 'QuantLab'\n" * 40


@pytest.fixture(autouse=True)
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small page in place of the built one."""
    folder = tmp_path / "dist"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>QuantLab</title>")
    (folder / "built-from").write_text("secret of the build")
    (folder / "assets" / "index-1a2b.js").write_bytes(SCRIPT)
    (folder / "assets" / "index-1a2b.js.gz").write_bytes(gzip.compress(SCRIPT))
    (folder / "assets" / "index-1a2b.js.br").write_bytes(b"as brotli")
    monkeypatch.setattr(console, "PAGE", folder)
    return folder


@pytest.mark.parametrize("place", ["", "/", "/overview", "/runs/0d1c", "/data/2330", "/nothing/here"])
def test_every_place_is_the_page(web: Web, place: str) -> None:
    reply = web.get(f"/admin{place}")
    assert (reply.status_code, reply.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "<title>QuantLab" in reply.text
    assert reply.headers["Cache-Control"] == "no-cache"  # a new version must be seen at the next look


def test_scripts_are_ours_alone_and_only_here_may_styles_be_inline(web: Web) -> None:
    page, elsewhere = (web.get(path).headers["Content-Security-Policy"] for path in ("/admin/overview", "/health"))
    assert "script-src 'self'; style-src 'self';" in elsewhere
    assert page == elsewhere.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [("br, gzip", "br"), ("gzip;q=1.0, deflate", "gzip"), ("deflate", None), ("identity", None), ("brotli", None)],
)
def test_a_browser_gets_what_it_can_unpack(web: Web, accepted: str, encoding: str | None) -> None:
    reply = web.get("/admin/assets/index-1a2b.js", headers={"Accept-Encoding": accepted, "X-Raw": "1"})
    assert reply.status_code == 200
    assert reply.headers.get("Content-Encoding") == encoding
    assert reply.headers["Content-Type"].startswith("text/javascript")
    assert reply.headers["Vary"] == "Accept-Encoding"
    assert reply.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    if encoding != "br":  # httpx unpacks gzip by itself
        assert reply.content == SCRIPT


@pytest.mark.parametrize(
    "name", ["gone.js", "..%2Findex.html", "..%2Fbuilt-from", "%2e%2e%2fbuilt-from", "index-1a2b.js.br", "", ".js"]
)
def test_nothing_but_the_pages_files_is_served(web: Web, name: str) -> None:
    reply = web.get(f"/admin/assets/{name}")
    assert "secret" not in reply.text
    assert reply.status_code == 404 or "<title>QuantLab" in reply.text  # another path: a place in the page


def test_a_page_that_was_not_built_is_a_sentence(web: Web, page: Path) -> None:
    (page / "index.html").unlink()
    reply = web.get("/admin/overview")
    assert (reply.status_code, reply.json()["error"]) == (503, "ConfigurationError")
    assert "tools/build_page.py" in reply.json()["message"]
