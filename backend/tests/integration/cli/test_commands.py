"""The commands on a platform without a worker: what they print, queue, change and exit with."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any, cast

import pytest
from rich.console import Console
from typer.testing import Result

from app.cli import data, diagnosis
from app.cli.monitor import Picture, draw
from app.core.wiring import Platform
from app.errors import InvalidParameter, QuantLabError, SourceRefused, UnknownRun, UnknownTask
from app.ops.health import Finding, Level
from app.sources.base import Site
from app.store import leases, runs, sessions
from app.store.counts import Counts
from app.store.engine import transaction

Run = Callable[..., Result]
Quantlab = Callable[..., subprocess.CompletedProcess[str]]


def good(result: Result) -> str:
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def queued(platform: Platform) -> list[runs.Run]:
    with transaction(platform.engine) as connection:
        return runs.list_runs(connection)


def end_as_soon_as_queued(platform: Platform, monkeypatch: pytest.MonkeyPatch, **end: Any) -> None:
    """Stand in for a worker: the first look at a run shows it under way, and then it ends."""
    real = data._read

    def look(run_id: str) -> runs.Run:
        seen = real(run_id)
        at = datetime.now(UTC)
        with transaction(platform.engine) as connection:
            if seen.state == "QUEUED":
                leases.start(connection, run_id, task=seen.task, parameters={}, trigger="manual", worker="w", at=at)
                leases.progress(connection, run_id, 1, {"done": 1, "total": 2, "what": "daily_bars TWSE 2026-11-20"})
            else:
                leases.finish(connection, run_id, at=at, **end)
        return real(run_id)

    monkeypatch.setattr(data, "_read", look)
    monkeypatch.setattr(data, "POLL", 0.01)


def test_sync_queues_typed_parameters(run: Run, platform: Platform) -> None:
    output = good(
        run("sync", "bars", "--symbols", "2330, 2317", "--days", "3", "--end-date", "2026-11-20", "--no-wait")
    )
    (one,) = queued(platform)
    assert output.strip() == one.id
    assert (one.task, one.state, one.trigger) == ("app.tasks.sync_daily_prices", "QUEUED", "manual")
    assert one.parameters == {"stock_ids": ["2330", "2317"], "days": 3, "end_date": "2026-11-20"}


def test_sync_by_any_name(run: Run, platform: Platform) -> None:
    for name in (*data.DATASETS, "sync_qlib", "app.tasks.cleanup_old_cache"):
        good(run("sync", name, "--no-wait", "--json"))
    assert {one.task.removeprefix("app.tasks.") for one in queued(platform)} == set(data.DATASETS.values())


@pytest.mark.parametrize(
    ("end", "code", "text"),
    [
        ({"state": "SUCCESS", "counts": Counts(4, 4, 3, 1, 0)}, 0, "stored 3 · unchanged 1"),
        ({"state": "PARTIAL", "reason": "one of two failed"}, 3, "one of two failed"),
        ({"state": "FAILED", "error": "twse gave no answer.", "error_type": "E"}, 1, "twse gave no answer."),
        ({"state": "SKIPPED", "reason": "closed"}, 0, "closed"),
    ],
)
def test_sync_ends_with_the_runs_state(
    run: Run, platform: Platform, monkeypatch: pytest.MonkeyPatch, *, end: dict[str, Any], code: int, text: str
) -> None:
    end_as_soon_as_queued(platform, monkeypatch, **end)
    result = run("sync", "quotes", "--universe", "popular")
    assert result.exit_code == code, result.output
    assert end["state"] in result.output
    assert text in result.output
    assert json.loads(run("sync", "quotes", "--json").output)["state"] == end["state"]


def test_without_a_terminal_the_progress_is_lines(
    run: Run, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    end_as_soon_as_queued(platform, monkeypatch, state="SUCCESS")
    monkeypatch.setattr(data, "LINE_EVERY", 0.0)
    assert "STARTED 1/2 daily_bars TWSE 2026-11-20\n" in run("sync", "bars").stderr
    assert run("sync", "quotes", "--json").stderr == ""


def test_sync_when_nobody_works(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "WORKER_WITHIN", 0.0)
    result = run("sync", "securities")
    assert result.exit_code == 4
    assert "No worker answers" in result.output


def test_sync_stops_watching_in_time(run: Run) -> None:
    assert run("sync", "securities", "--timeout", "0").exit_code == 4


def test_ctrl_c_detaches(run: Run, platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: str) -> runs.Run:
        raise KeyboardInterrupt

    monkeypatch.setattr(data, "_read", interrupted)
    result = run("sync", "securities")
    assert "the run goes on" in result.output
    assert queued(platform)[0].state == "QUEUED"


@pytest.mark.parametrize(
    ("words", "error", "sentence"),
    [
        (
            ("sync", "nothing"),
            UnknownTask,
            "'nothing' is neither a dataset nor a task. Name one of these, or any task:\n  securities",
        ),
        (("sync", "parquet"), InvalidParameter, "quantlab export parquet"),
        (("sync", "bars", "--days", "0"), InvalidParameter, "days is 0"),
        (("sync", "securities", "--days", "3"), InvalidParameter, "there is no parameter 'days'"),
        (("runs", "show", "nothing"), UnknownRun, "The ledger has no run"),
        (("runs", "--task", "nothing"), UnknownTask, "There is no task"),
        (("calendar", "forget", "2026-08-11"), InvalidParameter, "Nothing was said of 2026-08-11"),
    ],
)
def test_errors_are_sentences(
    run: Run, platform: Platform, *, words: tuple[str, ...], error: type[QuantLabError], sentence: str
) -> None:
    result = run(*words)
    assert isinstance(result.exception, error)
    assert sentence in str(result.exception)
    assert queued(platform) == []


def test_runs_as_table_and_json(run: Run, seeded: Platform) -> None:
    output = good(run("runs"))
    for text in ("SYNTHETIC PRICES", "FAILED", "sync_daily_prices", "run-2", "twse gave no answer.", "11-23 15:00:00"):
        assert text in output
    assert [one["id"] for one in json.loads(good(run("runs", "--json", "--state", "failed")))] == ["run-2"]
    assert "run-1" in good(run("runs", "--task", "sync_stock_list", "--limit", "1"))
    for words, expected in {
        ("--order", "oldest"): ["run-1", "run-2", "run-3"],
        ("--order", "shortest", "--limit", "1"): ["run-3"],
        ("--symbol", "2330"): [],
        ("--who", "nobody"): [],
    }.items():
        assert [one["id"] for one in json.loads(good(run("runs", "--json", *words)))] == expected


def test_no_runs_yet(run: Run) -> None:
    assert "quantlab sync securities" in good(run("runs"))


def test_one_run(run: Run, seeded: Platform) -> None:
    output = good(run("runs", "show", "run-2"))
    for text in ("app.tasks.sync_daily_prices", "daily_bars TWSE 2026-11-20", "twse gave no answer.", "Traceback …"):
        assert text in output
    shown = json.loads(good(run("runs", "show", "run-2", "--json")))
    assert (shown["counts"]["stored"], shown["units"][0]["state"]) == (3, "FAILED")


def test_status(run: Run, seeded: Platform) -> None:
    good(run("sync", "bars", "--no-wait"))
    output = good(run("status"))
    for text in ("No worker answers", "Queue data_sync: 1 at priority 5", "TWSE: bars up to 2026-11-23", "sync_qlib"):
        assert text in output
    told = json.loads(good(run("status", "--json")))
    assert (told["prices"], told["queues"]["data_sync"]) == ("synthetic", {"5": 1})
    assert told["newest_sessions"][0]["bars"] == 1


def test_monitor_once(run: Run, seeded: Platform) -> None:
    result = run("monitor", "--once", "--hours", "100000")
    assert result.exit_code == 1  # for cron: no worker runs
    for text in ("No worker runs", "sync_daily_prices", "SourceUnavailable: twse gave no answer.", "Nothing runs now."):
        assert text in result.output


def test_monitor_shows_how_far_a_run_is_and_what_waits(run: Run, platform: Platform) -> None:
    good(run("sync", "bars", "--no-wait"))
    at = datetime.now(UTC) - timedelta(seconds=90)
    with transaction(platform.engine) as connection:
        leases.start(
            connection, "5e0c17aa", task="app.tasks.backfill_bars", parameters={}, trigger="manual", worker="w@a", at=at
        )
        leases.progress(connection, "5e0c17aa", 1, {"done": 300, "total": 1200, "what": "daily_bars TWSE 2026-11-20"})
    lines = run("monitor", "--once").output.splitlines()
    (active,) = [line for line in lines if "5e0c17aa" in line]
    assert "backfill_bars" in active
    assert "300/1,200" in active
    assert re.search(r"1m 3\ds +4m [23]\ds|9\d\.\d s +4m [23]\ds", active)  # 90 s for a quarter: 270 s more
    assert any(line.split()[:2] == ["data_sync", "1"] for line in lines)


def test_monitor_keeps_a_check_and_its_word_in_one_line() -> None:
    names = ("postgresql", "redis", "worker", "beat", "web", "canary", "incidents")
    at = datetime(2026, 11, 26, tzinfo=UTC)
    picture = Picture(at, [Finding(name, Level.OK, "It is.") for name in names], None, None, None, None, None)
    screen = Console(file=StringIO(), width=80)
    screen.print(draw(picture, hours=24))
    drawn = cast("StringIO", screen.file).getvalue()
    assert any(all(f"{name} ok" in line for name in names) for line in drawn.splitlines())


def test_doctor_names_what_is_wrong_and_the_remedy(run: Run, platform: Platform) -> None:
    platform.breaker.open(Site.TWSE, "a ban page.")
    platform.settings.admin_token_file.chmod(0o644)
    result = run("doctor")
    assert result.exit_code == 1
    for text in (
        "No worker runs",
        "→ Start one: `make up`",
        "quantlab breaker close twse",
        "chmod 600",
        "found something",
    ):
        assert text in result.output
    told = json.loads(run("doctor", "--json").output)
    levels = {one["name"]: one["level"] for one in told["findings"]}
    assert not told["well"]
    assert levels["postgresql"] == levels["migrations"] == levels["clock"] == levels["archive"] == "ok"
    assert (levels["worker"], levels["breakers"], levels["admin token"]) == ("error", "error", "warning")


@pytest.mark.parametrize(
    ("levels", "sentence"),
    [
        ([Level.OK, Level.OK], "All is well."),
        ([Level.OK, Level.WARNING, Level.UNKNOWN], "Nothing is wrong, but 2 of 3 checks warn: see above."),
        ([Level.ERROR, Level.WARNING], "1 of 2 checks found something wrong."),
        ([Level.OK, Level.ERROR, Level.ERROR], "2 of 3 checks found something wrong."),
    ],
)
def test_doctor_says_that_all_is_well_only_where_it_is(
    run: Run, platform: Platform, monkeypatch: pytest.MonkeyPatch, *, levels: list[Level], sentence: str
) -> None:
    checks = {str(number): partial(Finding, str(number), level, "so") for number, level in enumerate(levels)}
    monkeypatch.setattr(diagnosis, "all_checks", lambda _: checks)
    assert run("doctor").output.rstrip().endswith(sentence)


def test_a_closure_by_hand(run: Run, platform: Platform) -> None:
    good(run("calendar", "close", "2026-08-11", "--reason", "颱風"))
    good(run("calendar", "open", "2026-08-15", "--reason", "補交易"))
    with transaction(platform.engine) as connection:
        assert sessions.overrides(connection) == {date(2026, 8, 11): False, date(2026, 8, 15): True}
    good(run("calendar", "forget", "2026-08-15"))
    with transaction(platform.engine) as connection:
        (first, *_) = sessions.list_sessions(connection, start=date(2026, 8, 1), end=date(2026, 8, 31))
        assert (first.reason, first.is_open) == ("颱風", False)
        assert sessions.overrides(connection) == {date(2026, 8, 11): False}


def test_breaker_close(run: Run, platform: Platform) -> None:
    platform.breaker.open(Site.TPEX, "a ban page")
    with pytest.raises(SourceRefused, match=r"Taipei: a ban page\. The next try is at"):
        platform.breaker.check(Site.TPEX)
    said = good(run("breaker", "close", "tpex"))
    assert re.search(r"It was not since \d{4}-\d\d-\d\d \d\d:\d\d: a ban page\.$", said.strip()), "Taipei's time"
    assert platform.breaker.state(Site.TPEX) is None
    assert "was not open" in good(run("breaker", "close", "tpex"))


def test_token_and_version(run: Run) -> None:
    assert good(run("token")).strip() == "correct-horse-battery"
    assert good(run("version")).strip()


def test_help_has_examples(run: Run) -> None:
    assert "quantlab sync bars --days 30" in good(run("--help"))
    for command in ("sync", "runs", "status", "doctor", "monitor", "calendar", "breaker", "token", "sandbox", "up"):
        assert len(good(run(command, "--help"))) > 100


def test_the_program_itself(quantlab: Quantlab, platform: Platform, tmp_path: Path) -> None:
    done = quantlab("sync", "securities", "--no-wait", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["id"] == queued(platform)[0].id
    wrong = quantlab("sync", "bars", "--days", "0")
    assert (wrong.returncode, wrong.stdout) == (2, ""), "as of an option that cannot be read"
    assert quantlab("logs", "--since", "yesterday").returncode == 2
    assert wrong.stderr.strip() == (
        "app.tasks.sync_daily_prices: days is 0: Input should be greater than or equal to 1."
    )


def test_the_program_without_a_database(
    quantlab: Quantlab, monkeypatch: pytest.MonkeyPatch, free_port: Callable[[], int]
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"postgresql://127.0.0.1:{free_port()}/quantlab")
    done = quantlab("runs")
    assert done.returncode == 1
    assert "PostgreSQL could not do it" in done.stderr
    assert "Traceback" not in done.stderr
    looked = quantlab("status")
    assert looked.returncode == 1
    assert "No bars yet" not in looked.stdout  # nobody knows
    watched = quantlab("monitor")  # into a pipe: once, without being told so
    assert watched.returncode == 1
    assert "postgresql error" in watched.stdout
    assert "QUANTLAB_HOME" in watched.stdout  # cron does not know it
    assert "Nothing failed" not in watched.stdout
    assert f"No platform runs from {os.environ['QUANTLAB_HOME']}" in done.stderr
    assert "export QUANTLAB_HOME=" in done.stderr


def test_monitor_celery_sh(platform: Platform) -> None:
    script = Path(__file__).resolve().parents[4] / "monitor_celery.sh"
    done = subprocess.run([script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "No worker runs" in done.stdout
    told = subprocess.run([script, "--help"], capture_output=True, text=True, timeout=60, check=False).stdout
    assert told.startswith("Usage: monitor_celery.sh [--live]"), "its default is not that of what it calls"
    assert "--hours" in told


def test_monitor_looks_no_further_back_than_the_calendar(run: Run, seeded: Platform) -> None:
    assert run("monitor", "--once", "--hours", "20000000").exit_code == 2
