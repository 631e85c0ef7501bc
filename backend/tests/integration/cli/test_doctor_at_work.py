"""The doctor at a platform's work: a real exchange, worker and tasks break, each remedy is what it says to run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from typer.testing import Result

from app.cli import checklist
from app.core import alerts, caretaker
from app.core.celery_app import app as celery
from app.core.wiring import Platform, now
from app.errors import RateLimited
from app.sandbox.server import create_app, open_source, site_urls
from app.sources import registry
from app.sources.base import RangeQuery
from app.store import runs
from app.store.engine import transaction
from tests.conftest import wait_until
from tests.integration.cli.conftest import real_worker
from tests.unit.sandbox.conftest import serving

Run = Callable[..., Result]


@pytest.fixture
def exchange(turn: Callable[..., Platform]) -> Iterator[Platform]:
    """A platform whose sites are a sandbox exchange."""
    with serving(create_app(open_source())) as address:
        yield turn(**site_urls(urlsplit(address).port or 0), SOURCE_SECONDS_PER_REQUEST="0.001")


def work(name: str, run_id: str, **parameters: Any) -> None:
    """Do a task's run here, as a worker does when its message comes."""
    celery.tasks[f"app.tasks.{name}"].apply(kwargs=parameters, task_id=run_id, throw=False)


def do(run: Run, says: str, command: str) -> Result:
    """Run the command, which the doctor must have said."""
    assert f"quantlab {command}" in says
    result = run(*command.split())
    assert result.exit_code == 0, (result.output, result.exception)
    return result


@pytest.mark.breaks("breakers", "last runs", "incidents")
def test_a_site_that_bans_us(told: Any, run: Run, exchange: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client meets the page of a ban and asks no more, the task fails, an alert opens; each says its remedy."""
    monkeypatch.setattr("app.ops.alerts.rules.disk_low.LITTLE_ROOM", 0)  # how full this machine is is no matter
    run("sandbox", "fault", "set", "isin:ban-page:always")
    work("sync_stock_list", "banned")
    says = told("breakers").says
    assert told("breakers").level == "error"
    assert "isin is not asked until" in says
    assert told("last runs").level == "warning"
    assert "The last run of sync_stock_list failed: isin" in told("last runs").says
    alerts.look_and_tell(exchange)
    assert told("incidents").level == "warning"
    assert "isin" in told("incidents").says

    do(run, told("last runs").says, "runs show banned")
    run("sandbox", "fault", "clear")
    do(run, says, "breaker close isin")
    assert told("breakers").level == "ok"
    assert run("runs", "retry", "banned").exit_code == 0
    with transaction(exchange.engine) as connection:
        (again,) = [one for one in runs.list_runs(connection) if one.retry_of == "banned"]
    work("sync_stock_list", again.id, **again.parameters)
    assert told("last runs").level == "ok"
    for _ in range(2):  # what flaps stays open: it closes when two looks found nothing
        alerts.look_and_tell(exchange)
    assert told("incidents").level == "ok", told("incidents").says


@pytest.mark.breaks("breakers")
def test_a_site_whose_quota_is_used_up(told: Any, run: Run, exchange: Platform) -> None:
    run("sandbox", "fault", "set", "finmind:402")
    day = now().date()
    with pytest.raises(RateLimited, match="402"):
        exchange.client.fetch(registry.finmind_bars(), RangeQuery("2330", day, day))
    assert told("breakers").level == "warning"
    assert "finmind" in told("breakers").says
    run("breaker", "close", "finmind")
    assert told("breakers").level == "ok"


@pytest.mark.breaks("quarantine")
def test_rows_that_cannot_be_true(told: Any, run: Run, exchange: Platform) -> None:
    """The exchange sends them, and later the right ones: one is dismissed, one released, the third mends itself."""
    session = exchange.calendar().last_session(now() - timedelta(days=2))
    asked = {"days": 1, "end_date": session.isoformat()}
    run("sandbox", "fault", "set", "twse/MI_INDEX:bad-order")
    work("sync_daily_prices", "bad", **asked)
    assert told("quarantine").level == "warning"
    assert "ohlc-order 3" in told("quarantine").says

    listed = do(run, told("quarantine").says, "quarantine list")
    assert "ohlc-order" in listed.output
    first, second, _ = [row["id"] for row in json.loads(run("quarantine", "list", "--json").output)["rows"]]
    assert run("quarantine", "dismiss", str(first), "--note", "wrong indeed").exit_code == 0
    assert run("quarantine", "release", str(second), "--note", "as printed").exit_code == 0
    assert "ohlc-order 1" in told("quarantine").says
    work("sync_daily_prices", "good", **asked)
    assert told("quarantine").level == "ok"


@pytest.mark.breaks("canary", "worker")
def test_canaries_that_nobody_answers(
    told: Any, run: Run, platform: Platform, database_url: str, tmp_path: Path
) -> None:
    """Beat sends them and no worker is there; one comes."""
    (send,) = [duty.act for duty in caretaker.beat_duties(platform) if duty.name == "canary"]
    send()
    assert told("canary").level == "ok", "they are on their way"
    with psycopg.connect(database_url) as connection:  # two minutes go by
        connection.execute(
            "UPDATE heartbeats SET facts = facts || "
            "jsonb_build_object('sent_at', (facts->>'sent_at')::timestamptz - interval '2 min')"
        )
    assert told("worker").level == told("canary").level == "error"
    assert "backfill, data_sync, export, maintenance" in told("canary").says
    assert "See that a worker lives" in told("canary").says

    with real_worker(Path(checklist.__file__).parents[2], tmp_path / "worker.log", "-P", "solo"):
        wait_until(lambda: told("canary").level == "ok", what="the answers of the canaries")
        assert told("worker").level == "ok"
