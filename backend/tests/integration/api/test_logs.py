"""Lines of the logs over HTTP: found, paged, followed, and for those who are logged in."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.api import logs
from app.core.wiring import Platform
from app.store import log_lines
from app.store.engine import Connection, transaction
from app.store.log_lines import LogLine
from tests.integration.api.conftest import Web

TOKEN = {"Authorization": "Bearer correct-horse-battery"}
AT = datetime(2026, 11, 20, 13, 0, tzinfo=UTC)


@pytest.fixture
def lines(platform: Platform) -> None:
    add(platform, *(("INFO line", 20) for _ in range(7)), ("2330 is late", 30), ("It failed for 23300", 40))


def add(platform: Platform, *said: tuple[str, int]) -> None:
    made = [
        LogLine(AT + timedelta(seconds=n), level, "h", "worker", 7, "app.tasks.sync_qlib", f"run-{n}", "m", text, None)
        for n, (text, level) in enumerate(said)
    ]
    with transaction(platform.engine) as connection:
        log_lines.keep(connection, "folder", "file", upto=1, lines=made)


def asked(web: Web, **query: Any) -> dict[str, Any]:
    reply = web.get("/api/v1/logs", params=query, headers=TOKEN)
    assert reply.status_code == 200, reply.text
    told: dict[str, Any] = reply.json()
    return told


def test_the_newest_first_page_by_page(web: Web, lines: None) -> None:
    first = asked(web, limit=4)
    second = asked(web, limit=4, before=first["next_before"])
    third = asked(web, limit=4, before=second["next_before"])
    ids = [one["id"] for page in (first, second, third) for one in page["lines"]]
    assert ids == sorted(ids, reverse=True)
    assert len(set(ids)) == 9
    assert third["next_before"] is None
    assert first["last_id"] == ids[0]
    top = first["lines"][0]
    assert (top["message"], top["level"], top["program"], top["run_id"]) == (
        "It failed for 23300",
        "ERROR",
        "worker",
        "run-8",
    )


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({"level": "WARNING"}, 2),
        ({"symbol": "2330"}, 1),
        ({"text": "LINE"}, 7),
        ({"task": "sync_qlib"}, 9),
        ({"task": "app.tasks.sync_qlib"}, 9),
        ({"run_id": "run-3"}, 1),
        ({"host": "other"}, 0),
        ({"since": (AT + timedelta(seconds=7)).isoformat()}, 2),
        ({"until": AT.isoformat()}, 1),
    ],
)
def test_filters(web: Web, lines: None, query: dict[str, str], count: int) -> None:
    assert len(asked(web, **query)["lines"]) == count


def test_following_misses_nothing(web: Web, platform: Platform, lines: None) -> None:
    last = asked(web)["last_id"]
    add(platform, *((f"new {n}", 20) for n in range(5)))
    seen: list[str] = []
    while page := asked(web, after=last, limit=2)["lines"]:
        seen += [one["message"] for one in reversed(page)]
        last = page[0]["id"]
    assert seen == [f"new {n}" for n in range(5)]


def test_a_line_that_comes_while_one_asks_is_told_once(
    web: Web, platform: Platform, lines: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    last, newest = asked(web)["last_id"], log_lines.last_id

    def meanwhile(connection: Connection) -> int:
        found = newest(connection)
        monkeypatch.setattr(log_lines, "last_id", newest)
        add(platform, ("new", 20))
        return found

    monkeypatch.setattr(log_lines, "last_id", meanwhile)
    seen: list[str] = []
    for _ in range(3):
        page = asked(web, after=last)
        seen += [one["message"] for one in page["lines"]]
        last = page["last_id"]
    assert seen == ["new"]


def test_the_hosts_that_wrote_lines(web: Web, platform: Platform, lines: None) -> None:
    one = LogLine(AT, 20, "b-host", "beat", 7, None, None, "m", "It began.", None)
    with transaction(platform.engine) as connection:
        log_lines.keep(connection, "another", "file", upto=1, lines=[one])
    told = web.get("/api/v1/logs/hosts", headers=TOKEN).json()
    assert told["hosts"] == ["b-host", "h"]
    assert [line["program"] for line in asked(web, host="b-host")["lines"]] == ["beat"]


def downloaded(web: Web, **query: Any) -> list[dict[str, Any]]:
    reply = web.get("/api/v1/logs/download", params=query, headers=TOKEN)
    assert reply.status_code == 200, reply.text
    assert re.fullmatch(
        r'attachment; filename="quantlab-logs-[0-9]{8}T[0-9]{6}[.]jsonl"', reply.headers["Content-Disposition"]
    )
    return [json.loads(line) for line in reply.text.splitlines()]


def test_what_is_filtered_is_downloaded(web: Web, lines: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_AT_ONCE", 2)  # several pages of it
    assert downloaded(web) == asked(web)["lines"]
    assert (
        downloaded(web, text="LINE", since=(AT + timedelta(seconds=3)).isoformat())
        == asked(web, text="LINE")["lines"][:4]
    )
    assert downloaded(web, host="other") == []
    monkeypatch.setattr(logs, "MOST", 4)
    newest = asked(web)["lines"][:4]
    assert downloaded(web) == [*newest, {"next_before": newest[-1]["id"]}]  # it does not pass for all there is
    assert downloaded(web, level="WARNING") == newest[:2]


@pytest.mark.parametrize("path", ["", "/hosts", "/download"])
def test_only_for_who_is_logged_in(web: Web, lines: None, path: str) -> None:
    assert web.get(f"/api/v1/logs{path}").status_code == 401


@pytest.mark.parametrize("query", [{"level": "LOUD"}, {"symbol": "' OR 1=1"}, {"since": "yesterday"}, {"text": "\0"}])
def test_what_is_wrong_is_a_sentence(web: Web, query: dict[str, str]) -> None:
    for path in ("/api/v1/logs", "/api/v1/logs/download"):
        reply = web.get(path, params=query, headers=TOKEN)
        assert reply.status_code == 422
        assert reply.json()["message"]
