"""Pruning as a service: every kind by its setting, some at a time, beside others at work."""

from __future__ import annotations

import os
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from sqlalchemy import Connection, text

from app.core.config import Settings
from app.core.retention import keep_of
from app.errors import ConfigurationError, InvalidParameter
from app.export.publish import CURRENT, building, exclusive, publish
from app.services.clean import KINDS, clean
from app.services.prunable import Keep
from app.services.report import Report
from app.sources.archive import Archive
from app.sources.base import Reply, Request, SessionQuery, Site
from app.store import audit, leases, runs
from app.store.engine import transaction
from tests.integration.services.conftest import FRIDAY, NOW, Bench


def keep(**other: Any) -> Keep:
    return keep_of(Settings(**other))


def gone(report: Report) -> int:
    return sum(report.details["removed"].values())


def days_ago(days: float) -> datetime:
    return (NOW - timedelta(days=days)).astimezone(UTC)


def newer(connection: Connection, task: str) -> None:
    """The twenty runs of the task that the console draws, of a minute ago."""
    connection.execute(
        text("INSERT INTO runs (id, task, parameters, trigger, state, queued_at, finished_at) SELECT 'newer' || n,"
             " :task, '{}', 'manual', 'SKIPPED', :at, :at FROM generate_series(1, 20) AS n"),
        {"task": task, "at": NOW - timedelta(minutes=1)},
    )  # fmt: skip


def aged(path: Path, days: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.write_text("12345")
    os.utime(path, (days_ago(days).timestamp(),) * 2)
    return path


def test_every_setting_of_what_is_kept_belongs_to_a_kind() -> None:
    assert {name for kind in KINDS.values() for name in kind.settings} == {one.name for one in fields(Keep)}
    assert all(name in Settings.model_fields for kind in KINDS.values() for name in kind.settings)


def test_runs_are_kept_for_longer_than_catching_up_looks_back() -> None:
    from app.core.config import load_settings

    with pytest.raises(ConfigurationError, match="RUN_DAYS is 60 and CATCH_UP_DAYS is 60"):
        load_settings(run_days=60, catch_up_days=60)
    assert load_settings(run_days=61, catch_up_days=60).run_days == 61


def test_every_kind_is_shown_and_removed_by_its_setting(bench: Bench) -> None:
    context, folder = bench.context, bench.context.data_dir
    quote = aged(folder / "archive/mis/quotes/2026/11/a.gz", 8)
    reply = aged(folder / "archive/twse/daily_bars/2020/01/a.gz", 2500)
    log, other = aged(folder / "logs/lines/quantlab-2026-10-01.jsonl", 40), aged(folder / "logs/worker.log", 40)
    context.redis.set("quantlab:nobody", "1")
    context.redis.set("celery-task-meta-x", "1")
    with transaction(bench.engine) as connection:
        newer(connection, "t")
        runs.queue(connection, "old", task="t", parameters={}, trigger="manual", at=days_ago(401))
        leases.start(connection, "old", task="t", parameters={}, trigger="manual", worker="w", at=days_ago(401))
        leases.finish(connection, "old", state="FAILED", at=days_ago(401))
        audit.begin(connection, who="ann", via="cli", action="user.add", subject="x", before=None)
        connection.execute(text("UPDATE audit SET at = :at"), {"at": days_ago(800)})
        connection.execute(text("INSERT INTO readings VALUES ('memory', 'w', :at, 1)"), {"at": days_ago(31)})
        connection.execute(
            text("INSERT INTO login_failures VALUES ('name x', 1, :at, :at), ('name y', 1, :now, :now)"),
            {"at": days_ago(2), "now": days_ago(0.5)},
        )
        connection.execute(
            text("INSERT INTO incidents (rule, subject, sentence, opened_at, seen_at, closed_at)"
                 " VALUES ('r', 's', 'x', :at, :at, :at)"), {"at": days_ago(401)},
        )  # fmt: skip
    once = {"keys", "results", "quotes", "log_files", "readings", "audit", "runs", "login_failures", "incidents"}
    found = {name: kind.look(context, keep()) for name, kind in KINDS.items()}
    assert {name for name, extent in found.items() if extent.rows} == once
    assert all(extent.rows in (0, 1) for extent in found.values())
    assert (found["quotes"].bytes, found["quotes"].oldest) == (5, days_ago(8))
    assert found["audit"].newest == days_ago(800)

    report = clean(context, keep())
    assert report.details["removed"] == {name: int(name in once) for name in KINDS}
    assert str(report.reason).startswith(f"Removed {len(once)}: ")
    assert [path.exists() for path in (quote, log, reply, other)] == [False, False, True, True]
    assert context.redis.ttl("celery-task-meta-x") > 0
    assert not context.redis.exists("quantlab:nobody")
    # Of the results one stays, which now has a life: nothing is left to do.
    assert clean(context, keep()).reason == "Nothing is older than its setting says."
    assert [step[2] for step in bench.progress[: len(KINDS)]] == list(KINDS)


def test_replies_go_by_whole_months_with_their_notes_and_only_if_it_is_wished(bench: Bench) -> None:
    context = bench.context
    kept = Archive(context.archived)
    for at in (datetime(2026, 9, 30, 15, tzinfo=UTC), datetime(2026, 10, 1, 15, tzinfo=UTC)):
        asked = Request(Site.TWSE, "/x", (("date", f"{at:%Y%m%d}"),))
        body = kept.keep(Reply(asked, b"{}", "application/json", at), dataset="daily_bars", query=SessionQuery(FRIDAY))
        for path in (body, body.with_suffix(".json")):
            os.utime(path, (at.timestamp(),) * 2)
    assert KINDS["replies"].look(context, keep()).rows == 0
    bench.at(datetime(2026, 11, 5, 12, tzinfo=UTC))  # 31 days before: 5 October
    assert KINDS["replies"].look(context, keep(archive_days=31)).rows == 2
    assert gone(clean(context, keep(archive_days=31), only=["replies"])) == 2
    assert [one.received_at.month for one in kept.entries()] == [10]


def test_snapshots_beyond_the_newest_go_but_never_while_one_is_built(bench: Bench) -> None:
    root = bench.context.data_dir / "exports" / "parquet"
    names = []
    for hour in (1, 2, 3):
        with exclusive(root), building(root, "x", size=1) as folder:
            (folder / "a").write_text("123")
            names.append(publish(root, folder, {}, at=NOW.replace(hour=hour)).name)
    (root / ".building-dead").mkdir()
    found = KINDS["exports"].look(bench.context, keep(export_keep=1))
    assert found.rows == 2
    assert found.bytes
    with exclusive(root):
        assert gone(clean(bench.context, keep(export_keep=1), only=["exports"])) == 0
    (root / ".building-dead").mkdir()
    assert gone(clean(bench.context, keep(export_keep=1), only=["exports"])) == 2
    assert sorted(path.name for path in root.glob("*")) == [".lock", CURRENT, names[-1]]
    assert not (root / ".building-dead").exists()


def test_a_kind_that_there_is_not_is_refused(bench: Bench) -> None:
    with pytest.raises(InvalidParameter, match="nothing named 'bars' to prune; there are keys, "):
        clean(bench.context, keep(), only=["bars"])


def test_by_a_clock_that_runs_ahead_nothing_is_removed(bench: Bench) -> None:
    with transaction(bench.engine) as connection:
        connection.execute(text("INSERT INTO login_failures VALUES ('name x', 1, :at, :at)"), {"at": days_ago(2)})
    for far, fast in ((timedelta(days=400), r"9,60\d\.\d hours"), (timedelta(hours=-2), r"2\.0 hours")):
        with (
            time_machine.travel(datetime.now(UTC) + far),
            pytest.raises(ConfigurationError, match=rf"PostgreSQL's are {fast} apart.*nothing was removed"),
        ):
            clean(bench.context, keep())
    assert bench.number("SELECT count(*) FROM login_failures") == 1
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=50)):
        assert gone(clean(bench.context, keep(), only=["login_failures"])) == 1


def test_many_runs_go_in_steps_while_another_writes(bench: Bench) -> None:
    """2,500 of them: three steps, between which the run could make room; what others insert meanwhile stays."""
    with transaction(bench.engine) as connection:
        connection.execute(
            text("INSERT INTO runs (id, task, parameters, trigger, state, queued_at, finished_at) SELECT 'r' || n, 't',"
                 " '{}', 'manual', 'FAILED', :at, :at FROM generate_series(1, 2500) AS n"), {"at": days_ago(500)},
        )  # fmt: skip
        connection.execute(
            text("INSERT INTO units (run_id, dataset, venue, scope, state, finished_at)"
                 " SELECT id, 'daily_bars', 'TWSE', 'x', 'FAILED', :at FROM runs WHERE id LIKE 'r%' AND task = 't'"),
            {"at": days_ago(500)},
        )  # fmt: skip
        newer(connection, "t")
    steps = []
    for some in KINDS["runs"].remove(bench.context, keep()):
        steps.append(some)
        with transaction(bench.engine) as connection:
            runs.queue(connection, f"new{len(steps)}", task="t", parameters={"n": len(steps)}, trigger="api", at=NOW)
    assert steps == [1000, 1000, 500]
    assert bench.number("SELECT count(*) FROM units") == 0
    assert {row.id for row in bench.rows("SELECT id FROM runs WHERE id NOT LIKE 'newer%'")} == {
        "run-1",
        "new1",
        "new2",
        "new3",
    }
