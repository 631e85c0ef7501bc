"""What health and the doctor find, without any server."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from app.errors import StoreUnavailable
from app.files import LocalFiles
from app.ops import checks
from app.ops.health import Finding, Level, find_within, overall


def finding(name: str, level: Level) -> Finding:
    return Finding(name, level, "It is so.")


def test_a_check_that_hangs_holds_up_nobody() -> None:
    release = threading.Event()

    def hang() -> Finding:
        release.wait(30)
        return finding("slow", Level.OK)

    def away() -> Finding:
        raise StoreUnavailable("PostgreSQL is away.")

    def broken() -> Finding:
        raise ZeroDivisionError("a slip")

    start = time.monotonic()
    checks_of = {"slow": hang, "away": away, "broken": broken, "well": lambda: finding("well", Level.OK)}
    found = find_within(0.2, checks_of)
    release.set()
    assert time.monotonic() - start < 5
    assert [one.name for one in found] == ["slow", "away", "broken", "well"]
    assert [one.level for one in found] == [Level.ERROR] * 3 + [Level.OK]
    assert [one.detail for one in found[:3]] == [
        "No answer within 0.2 s.",
        "PostgreSQL is away.",
        "ZeroDivisionError: a slip",
    ]


@pytest.mark.parametrize(
    ("name", "level", "status"),
    [
        ("postgresql", Level.ERROR, "down"),
        ("redis", Level.ERROR, "down"),
        ("worker", Level.ERROR, "degraded"),
        ("beat", Level.UNKNOWN, "ok"),
        ("worker", Level.OK, "ok"),
    ],
)
def test_the_whole(name: str, level: Level, status: str) -> None:
    assert overall([finding("postgresql", Level.OK), finding(name, level)]) == status


@pytest.mark.parametrize(
    ("running", "given", "level"),
    [
        ({}, [], Level.ERROR),
        ({}, ["DATABASE_URL"], Level.OK),
        ({"pid": os.getpid(), "web": "http://localhost:3000"}, [], Level.OK),
        ({"pid": 2**22 + 1}, [], Level.ERROR),
    ],
)
def test_how_the_platform_is_found(tmp_path: Path, running: dict[str, object], given: list[str], level: Level) -> None:
    assert checks.check_platform(running, home=tmp_path, given=given).level is level


@pytest.mark.parametrize(
    ("url", "level"),
    [
        ("redis://:secret@127.0.0.1:1/0", Level.OK),
        ("redis://127.0.0.1:1/0", Level.OK),
        ("redis://redis.example:1/0", Level.WARNING),
        ("redis://:secret@redis.example:1/0", Level.OK),
    ],
)
def test_the_password_of_redis(url: str, level: Level) -> None:
    found = checks.check_redis_password(url)
    assert found.level is level
    assert "secret" not in found.detail


def test_backlog() -> None:
    assert checks.check_backlog({"data_sync": {5: 99}, "export": {}}).level is Level.OK
    assert checks.check_backlog({"data_sync": {5: 99, 9: 1}, "export": {}}).level is Level.WARNING


@pytest.mark.parametrize(("free", "level"), [(2**29, Level.ERROR), (2**31, Level.WARNING), (2**34, Level.OK)])
def test_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, level: Level) -> None:
    usage: Callable[[Path], object] = lambda _: type("usage", (), {"free": free})()  # noqa: E731
    monkeypatch.setattr(checks.shutil, "disk_usage", usage)
    assert checks.check_disk(tmp_path / "not" / "yet").level is level


def test_archive_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert checks.check_archive(LocalFiles(tmp_path / "archive")).level is Level.OK
    monkeypatch.setattr(checks.os, "access", lambda *_: False)  # root may write anywhere
    assert checks.check_archive(LocalFiles(tmp_path / "archive")).level is Level.ERROR


def test_admin_token(tmp_path: Path) -> None:
    file = tmp_path / "admin-token"
    assert checks.check_token(file, by_environment=False).level is Level.WARNING
    assert checks.check_token(file, by_environment=True).level is Level.OK
    file.write_text("t")
    file.chmod(0o640)
    assert checks.check_token(file, by_environment=False).remedy == f"chmod 600 {file}"
    file.chmod(0o600)
    assert checks.check_token(file, by_environment=False).level is Level.OK
