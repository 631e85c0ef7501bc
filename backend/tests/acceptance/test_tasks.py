"""The guide's tasks by the guide's commands, on a real platform: true counts in the ledger and in PostgreSQL."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.acceptance.conftest import Platform

pytestmark = pytest.mark.timeout(180)

LISTED = 1347 + 1009
TASKS = {
    "app.tasks.sync_stock_list",
    "app.tasks.sync_daily_prices",
    "app.tasks.sync_ohlcv_data",
    "app.tasks.sync_latest_prices",
    "app.tasks.cleanup_old_cache",
    "app.tasks.sync_qlib",
    "app.tasks.export_parquet",
    "app.tasks.catch_up",
}


def counts(run: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(run[name] for name in ("expected", "fetched", "stored", "unchanged", "quarantined"))


def test_every_task_ends_in_success_with_true_counts(platform: Platform) -> None:
    run = platform.run_of(platform.call("app.tasks.sync_stock_list"))
    assert run["state"] == "SUCCESS", run
    assert run["expected"] == run["fetched"] == LISTED + 12

    run = platform.run_of(platform.call("app.tasks.sync_daily_prices"))
    assert run["state"] == "SUCCESS", run
    held = platform.rows("SELECT count(*), count(DISTINCT session) FROM bars")[0]
    assert run["fetched"] == run["expected"] == run["stored"] + run["unchanged"]
    assert run["fetched"] % LISTED == 0
    assert held[1] >= run["fetched"] // LISTED

    run = platform.run_of(platform.call("app.tasks.sync_ohlcv_data"))
    assert run["state"] == "SUCCESS", run
    assert run["fetched"] == run["expected"] >= 5 * 10

    run = platform.run_of(platform.call("app.tasks.sync_latest_prices"))
    assert run["state"] == "SUCCESS", run
    assert (run["expected"], run["fetched"], run["stored"]) == (10, 10, 10)

    for export in ("sync_qlib", "export_parquet"):
        # By force: at 22:30 and 22:45 beat's own runs leave nothing to export.
        run = platform.run_of(platform.call(f"app.tasks.{export}", force=True))
        assert run["state"] == "SUCCESS", run
        assert run["stored"] == platform.rows("SELECT count(*) FROM bars")[0][0]

    run = platform.run_of(platform.call("app.tasks.cleanup_old_cache"))
    assert run["state"] == "SUCCESS", run


def test_one_plain_string_is_one_stock(platform: Platform) -> None:
    done = platform.celery("call", "app.tasks.sync_daily_prices", "--args", '["2330"]')
    run = platform.run_of(done.stdout.strip())
    assert run["state"] == "SUCCESS", run
    assert run["parameters"] == {"stock_ids": ["2330"]}
    assert 3 <= run["fetched"] <= 5


@pytest.mark.parametrize(
    ("task", "parameters", "error", "sentence"),
    [
        ("sync_daily_prices", {"days": 0}, "InvalidParameter", "days is 0"),
        ("sync_daily_prices", {"days": -1}, "InvalidParameter", "days is -1"),
        ("sync_ohlcv_data", {"days": 100000}, "InvalidParameter", "less than or equal to 366"),
        ("sync_ohlcv_data", {"stock_ids": ["2330", "0000"]}, "UnknownSymbol", "'0000'"),
        ("sync_latest_prices", {"universe": "hot"}, "InvalidParameter", "popular_10"),
        ("sync_stock_list", {"days": 3}, "InvalidParameter", "no parameter 'days'"),
    ],
)
def test_a_wrong_parameter_is_a_failure_with_a_sentence(
    platform: Platform, task: str, parameters: dict[str, Any], error: str, sentence: str
) -> None:
    run_id = platform.call(f"app.tasks.{task}", **parameters)
    run = platform.run_of(run_id)
    assert (run["state"], run["error_type"]) == ("FAILED", error)
    assert sentence in run["error"]  # and `celery result` says it: the guide's own command for it runs in test_guide


def test_inspect_tells_what_the_worker_knows_and_does(platform: Platform) -> None:
    registered = json.loads(platform.celery("inspect", "registered", "-j").stdout)
    assert set(next(iter(registered.values()))) >= TASKS

    for command in ("active", "scheduled", "reserved"):
        answer = json.loads(platform.celery("inspect", command, "-j").stdout)
        assert all(isinstance(tasks, list) for tasks in answer.values())
    stats = json.loads(platform.celery("inspect", "stats", "-j").stdout)
    assert next(iter(stats.values()))["pool"]["max-concurrency"] == 2
    conf = json.loads(platform.celery("inspect", "conf", "-j").stdout)
    settings = next(iter(conf.values()))
    assert settings["worker_prefetch_multiplier"] == 1
    assert settings["worker_max_tasks_per_child"] == 100
    assert settings["timezone"] == "Asia/Taipei"


def test_an_unknown_task_is_refused_where_it_is_called(platform: Platform) -> None:
    done = platform.celery("call", "app.tasks.sync_stok_list")
    assert done.returncode != 0
    assert "did you mean app.tasks.sync_stock_list" in done.stderr


def test_each_message_goes_to_one_queue(platform: Platform) -> None:
    before = platform.rows("SELECT count(*) FROM runs WHERE task = 'app.tasks.cleanup_old_cache'")[0][0]
    run_id = platform.call("app.tasks.cleanup_old_cache")
    platform.run_of(run_id)
    assert platform.rows("SELECT attempts FROM runs WHERE id = %s", [run_id]) == [(1,)]
    assert platform.rows("SELECT count(*) FROM runs WHERE task = 'app.tasks.cleanup_old_cache'")[0][0] == before + 1


def test_purge_clears_what_waits(platform: Platform) -> None:
    assert platform.celery("purge", "-f").returncode == 0
    queues = platform.run("quantlab", "status")
    assert "data_sync: empty" in queues.stdout
