"""`quantlab prune`: what would go, asking, doing it, and the row of the audit."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from sqlalchemy import text
from typer.testing import Result

from app.core.wiring import Platform
from app.store import audit, runs
from app.store.engine import transaction


@pytest.fixture
def aged(seeded: Platform) -> Platform:
    """All that the ledger has, and a reading, are 500 days old; twenty runs of each task came since."""
    with transaction(seeded.engine) as connection:
        connection.execute(text("UPDATE runs SET finished_at = finished_at - interval '500 days'"))
        connection.execute(
            text("INSERT INTO runs (id, task, parameters, trigger, state, queued_at, finished_at) SELECT t || n,"
                 " 'app.tasks.' || t, '{}', 'manual', 'SKIPPED', now(), now() FROM generate_series(1, 20) AS n,"
                 " unnest('{sync_stock_list,sync_daily_prices}'::text[]) AS t")
        )  # fmt: skip
        connection.execute(text("INSERT INTO readings VALUES ('memory', 'w', now() - interval '31 days', 1)"))
    return seeded


def left(platform: Platform) -> list[str]:
    with transaction(platform.engine) as connection:
        return sorted(run.id for run in runs.list_runs(connection, limit=50) if run.id.startswith("run-"))


def test_it_is_shown_first_and_nothing_goes(aged: Platform, run: Callable[..., Result]) -> None:
    done = run("prune", "--dry-run")
    assert done.exit_code == 0, done.output
    (row,) = [line for line in done.output.splitlines() if line.startswith("runs ")]
    assert "RUN_DAYS=400" in row
    assert "2025-07-" in row
    assert "ARCHIVE_DAYS=for ever" in done.output
    assert left(aged) == ["run-1", "run-2", "run-3"]
    found = json.loads(run("prune", "--dry-run", "--json").output)["found"]
    assert found["runs"]["rows"] == found["readings"]["rows"] == 1
    assert found["runs"]["bytes"] > 100


def test_it_is_done_and_stands_in_the_audit(aged: Platform, run: Callable[..., Result]) -> None:
    done = run("prune", "--only", "runs, readings", "--yes")
    assert done.exit_code == 0, done.output
    assert "runs: 1 removed" in done.output
    # run-1 is the newest success of its task, run-3 waits.
    assert left(aged) == ["run-1", "run-3"]
    with transaction(aged.engine) as connection:
        (row,) = audit.list_rows(connection, limit=5)
    assert (row.action, row.subject, row.outcome) == ("history.prune", "readings, runs", "done")
    assert row.after == {"readings": 1, "runs": 1}
    assert json.loads(run("prune", "--yes", "--json").output)["removed"] == {}
    assert run("prune").output.endswith("Nothing is older than its setting says.\n")


def test_nobody_to_ask_is_no_yes(aged: Platform, run: Callable[..., Result]) -> None:
    done = run("prune", "--only", "runs")
    assert done.exit_code == 2
    assert "--yes" in done.output
    assert len(left(aged)) == 3
    wrong = run("prune", "--only", "bars", "--yes")
    assert wrong.exit_code == 1
    assert "nothing named 'bars'" in str(wrong.exception)


def test_an_age_is_the_settings(aged: Platform, run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    from app.core.config import get_settings

    monkeypatch.setenv("RUN_DAYS", "600")
    get_settings.cache_clear()
    object.__setattr__(aged, "settings", get_settings())
    assert json.loads(run("prune", "--dry-run", "--json").output)["found"]["runs"]["rows"] == 0
