"""``quantlab users``, and the audit of everything that the command line changes."""

from __future__ import annotations

import getpass
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from datetime import date

import pytest
from typer.testing import Result

from app.cli.lazily import COMMANDS, load
from app.cli.main import app
from app.core.config import get_settings
from app.core.wiring import Platform, now
from app.errors import InvalidParameter, LastAdmin, NotAuthorised, UnknownUser
from app.market.security import Venue
from app.services import login
from app.services.identity import by_token, operator
from app.services.users import first_admin
from app.sources.base import RejectedRow
from app.store import audit, quarantine
from app.store.audit import AuditRow
from app.store.engine import transaction

Run = Callable[..., Result]

CHANGING: dict[str, tuple[tuple[str, ...], str]] = {
    "sync": (("securities", "--no-wait"), "run.start"),
    "backfill bars": (("--from", "2026-11-02", "--to", "2026-11-03", "--no-wait"), "run.start"),
    "replay": (("--from", "2026-11-02", "--no-wait"), "run.start"),
    "catch-up run": (("--no-wait",), "run.start"),
    "catch-up pause": ((), "catch-up.pause"),
    "catch-up resume": ((), "catch-up.resume"),
    "export qlib": (("--no-wait",), "run.start"),
    "export parquet": (("--no-wait",), "run.start"),
    "calendar close": (("2026-11-24", "--reason", "颱風"), "calendar.override"),
    "calendar open": (("2026-11-28", "--reason", "補班"), "calendar.override"),
    "calendar forget": (("2026-11-23",), "calendar.forget"),
    "referee run": (("--no-wait",), "run.start"),
    "runs cancel": (("run-3",), "run.cancel"),
    "quarantine reparse": (("--no-wait",), "run.start"),
    "schedule set": (("sync-daily-prices", "--timing", "close+90m"), "schedule.change"),
    "schedule pause": (("sync-daily-prices",), "schedule.change"),
    "schedule resume": (("sync-daily-prices",), "schedule.change"),
    "schedule reset": (("sync-daily-prices",), "schedule.reset"),
    "breaker close": (("twse",), "breaker.close"),
    "users add": (("mei",), "user.add"),
    "users password": (("admin",), "user.change"),
    "users role": (("admin", "admin"), "user.change"),
    "users disable": (("leaver",), "user.change"),
    "users enable": (("leaver",), "user.change"),
    "tokens make": (("notebook",), "token.make"),
    "tokens revoke": (("1",), "token.revoke"),
}
ELSEWHERE = {
    *(
        "quarantine release",
        "quarantine dismiss",
        "alerts test",
        "export rollback",
        "gaps",
        "runs retry",
        "workers drain",
        "backfill pause",
        "backfill resume",
    ),
    *("workers resume", "workers resize", "workers restart", "prune", "restore"),
}
"""They take more to be tried: the first three below; the others need snapshots, gaps, a run that failed, a worker, old
rows, a backup, a backfill."""
LOOKING = {
    *(
        "up",
        "sandbox fault",
        "version",
        "status",
        "monitor",
        "doctor",
        "token",
        "actions",
        "bars",
        "revisions",
        "wait-ready",
    ),
    *(
        "backfill list",
        "catch-up plan",
        "export csv",
        "export fetch",
        "export list",
        "export verify",
        "referee list",
        "runs show",
        "quarantine list",
    ),
    *("quarantine rules", "quarantine show", "alerts rules", "schedule list", "schedule show", "schedule preview"),
    *("users list", "tokens list", "logs", "config", "backup"),
}


def commands() -> Iterator[str]:
    for name in COMMANDS:
        command = load(name)
        below = getattr(command, "commands", None)
        yield from [name] if below is None else [f"{name} {one}" for one in below]


def rows(platform: Platform) -> list[AuditRow]:
    with transaction(platform.engine) as connection:
        return audit.list_rows(connection, limit=100)


@pytest.fixture
def people(seeded: Platform, run: Run) -> Platform:
    """An admin, and somebody who leaves."""
    assert first_admin(seeded.engine, by=operator("root"))
    assert run("users", "add", "leaver").exit_code == 0
    assert run("calendar", "close", "2026-11-23", "--reason", "颱風").exit_code == 0
    assert run("tokens", "make", "old").exit_code == 0
    return seeded


def test_every_command_is_known_here() -> None:
    assert set(commands()) == set(CHANGING) | ELSEWHERE | LOOKING


@pytest.mark.parametrize("command", CHANGING)
def test_what_a_command_changes_stands_in_the_audit(people: Platform, run: Run, command: str) -> None:
    before = rows(people)
    words, action = CHANGING[command]
    result = run(*command.split(), *words)
    assert result.exit_code == 0, (result.output, result.exception)
    (row, *rest) = rows(people)
    assert rest == before
    assert (row.who, row.via, row.action, row.outcome) == (getpass.getuser(), "cli", action, "done")
    assert row.subject


@pytest.mark.parametrize("command", CHANGING)
def test_who_has_no_name_on_this_machine_stands_there_by_his_number(
    people: Platform, run: Run, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """As of `docker run --user 987654`: no line of /etc/passwd, and no variable that names him."""
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 987_654)
    result = run(*command.split(), *CHANGING[command][0])
    assert result.exit_code == 0, (result.output, result.exception)
    assert rows(people)[0].who == "uid 987654"


@pytest.mark.parametrize("word", ["release", "dismiss"])
def test_a_word_on_a_quarantined_row_stands_in_the_audit(people: Platform, run: Run, word: str) -> None:
    values = {"open": 9_900_000, "high": 9_800_000, "low": 9_800_000, "close": 9_850_000, "volume": 1, "change": None}
    row = RejectedRow("ohlc-order", "Out of order.", {"最高價": "980"}, "2330", date(2026, 11, 18), values)
    with transaction(people.engine) as connection:
        (made,) = quarantine.add(connection, [row], venue=Venue.TWSE, dataset="daily_bars", run_id=None, at=now())
    assert run("quarantine", word, str(made), "--note", "seen").exit_code == 0
    told = rows(people)[0]
    assert (told.action, told.subject, told.outcome) == (f"quarantine.{word}", str(made), "done")
    assert told.after == {"rows": [made], "note": "seen"}


def test_a_test_message_stands_in_the_audit(
    people: Platform, run: Run, monkeypatch: pytest.MonkeyPatch, free_port: Callable[[], int]
) -> None:
    monkeypatch.setenv("QUANTLAB_ALERTS", f"json://user:secret@127.0.0.1:{free_port()}")
    get_settings.cache_clear()
    assert run("alerts", "test").exit_code == 1
    told = rows(people)[0]
    assert (told.action, told.outcome, told.after) == ("alerts.test", "done", {"told": []})
    assert "secret" not in str(told)


def test_what_is_refused_stands_nowhere(people: Platform, run: Run) -> None:
    before = rows(people)
    for words in (
        ("schedule", "set", "sync-daily-prices", "--timing", "never"),
        ("calendar", "forget", "2026-11-25"),
        ("users", "disable", "admin"),
        ("users", "add", "leaver"),
        ("runs", "cancel", "run-1"),
    ):
        assert isinstance(run(*words).exception, InvalidParameter), words
    assert rows(people) == before


def test_a_generated_password_is_shown_once_and_works(people: Platform, run: Run) -> None:
    told = run("users", "add", "mei", "--role", "admin").output
    password = told.strip().rsplit(" ", 1)[-1]
    assert len(password) == 23
    _, session = login.log_in(people.engine, "mei", password, address="127.0.0.1", agent=None)
    assert (session.user_name, session.role) == ("mei", "admin")
    told = run("users", "list").output + run("users", "list", "--json").output + str(rows(people))
    assert password not in told
    assert "argon2" not in told
    assert {one["name"] for one in json.loads(run("users", "list", "--json").output)} == {"admin", "leaver", "mei"}


def test_a_password_from_the_input(
    people: Platform, quantlab: Callable[..., subprocess.CompletedProcess[str]], run: Run
) -> None:
    result = run("users", "password", "leaver", "--password-stdin")
    assert isinstance(result.exception, InvalidParameter), "an empty one"
    from typer.testing import CliRunner

    result = CliRunner().invoke(app, ["users", "password", "leaver", "--password-stdin"], input="from the input\nmore")
    assert result.exit_code == 0
    assert "from the input" not in result.output
    login.log_in(people.engine, "leaver", "from the input", address="127.0.0.1", agent=None)


def test_a_new_password_opens_what_failures_locked(people: Platform, run: Run) -> None:
    for _ in range(login.FREE_OF_NAME):
        with pytest.raises(login.WrongLogin):
            login.log_in(people.engine, "leaver", "wrong", address="127.0.0.1", agent=None)
    with pytest.raises(login.TooManyAttempts):
        login.log_in(people.engine, "leaver", "wrong", address="127.0.0.1", agent=None)
    password = run("users", "password", "leaver").output.strip().rsplit(" ", 1)[-1]
    login.log_in(people.engine, "leaver", password, address="127.0.0.1", agent=None)


def test_the_first_admin_is_made_once(platform: Platform, run: Run) -> None:
    assert "quantlab users add NAME --role admin" in run("users", "list").output
    assert "No admin can log in" in " ".join(run("doctor").output.split())
    password = first_admin(platform.engine, by=operator("root"))
    assert password
    assert first_admin(platform.engine, by=operator("root")) is None
    login.log_in(platform.engine, "admin", password, address="127.0.0.1", agent=None)
    assert "1 can log in and change things" in " ".join(run("doctor").output.split())
    assert isinstance(run("users", "disable", "admin").exception, LastAdmin)
    assert isinstance(run("users", "role", "nobody", "admin").exception, UnknownUser)


def test_a_token_is_printed_once_and_works_until_it_is_revoked(people: Platform, run: Run) -> None:
    made = run("tokens", "make", "strategy", "--scope", "admin", "--until", "2099-12-31")
    text = made.stdout.strip()
    assert text.startswith("ql_")
    found = json.loads(run("tokens", "list", "--json").stdout)
    assert {(one["name"], one["scope"], one["expires_on"]) for one in found} == {
        ("old", "read", None),
        ("strategy", "admin", "2099-12-31"),
    }
    assert text not in run("tokens", "list").output
    assert by_token(lambda: people.engine, text, admin_token=lambda: "other").name == "strategy"
    number = next(one["id"] for one in found if one["name"] == "strategy")
    assert run("tokens", "revoke", str(number)).exit_code == 0
    with pytest.raises(NotAuthorised):
        by_token(lambda: people.engine, text, admin_token=lambda: "other")
    assert isinstance(run("tokens", "make", "old").exception, InvalidParameter)
    assert isinstance(run("tokens", "make", "late", "--until", "2020-01-01").exception, InvalidParameter)
