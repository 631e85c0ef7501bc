"""A platform on servers of the test's own, without any process of ours: what the API and the commands work on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Engine

from app.cache import quotes
from app.core import wiring
from app.core.celery_app import app
from app.core.config import get_settings
from app.core.wiring import Platform
from app.market.bar import BAR_FIELDS, Bar
from app.market.quote import Quote
from app.market.security import Security, SecurityKind, Venue
from app.runtime.postgres import Postgres
from app.store import leases, runs, units
from app.store.bars import write_bars
from app.store.counts import Counts
from app.store.engine import make_engine, transaction
from app.store.securities import save_list
from tests.conftest import TEMPLATE, fresh_database

TOKEN = "correct-horse-battery"
NOW = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)


@pytest.fixture
def platform(database_url: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    """This process's platform, over an empty database and an empty Valkey; no worker runs."""
    for name, value in {
        "QUANTLAB_HOME": str(tmp_path),
        "QUANTLAB_SOURCE": "sandbox",
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        # Celery asks the environment for these each time; the application object itself is older than this test.
        "CELERY_BROKER_URL": redis_url,
        "CELERY_RESULT_BACKEND": redis_url,
    }.items():
        monkeypatch.setenv(name, value)
    token = tmp_path / "sandbox" / "admin-token"
    token.parent.mkdir()
    token.write_text(TOKEN + "\n")
    token.chmod(0o600)
    get_settings.cache_clear()
    wiring.reset_platform()
    # Pools of the application belong to the broker of an earlier test, which may have closed them.
    app._pool = app.amqp._producer_pool = None
    made = wiring.get_platform()
    yield made
    made.close()  # a test may have turned to other servers
    get_settings.cache_clear()
    wiring.reset_platform()


@pytest.fixture
def seeded(platform: Platform) -> Platform:
    """The same with four securities, three bars, a quote and three runs."""
    quote = Quote("2330", "台積電", Venue.TWSE, NOW, 9_990_000, None, None, None, 9_985_000, None, None, 5000)
    quotes.save(platform.redis, [quote], at=datetime.now(UTC))
    return platform


@pytest.fixture
def database_url(request: pytest.FixtureRequest, postgres_server: Postgres) -> Iterator[str]:
    """As everywhere; but a test that is ``seeded`` gets a copy of what was written once."""
    seeded = "seeded" in request.fixturenames
    with fresh_database(postgres_server, request.getfixturevalue("seeds") if seeded else TEMPLATE) as url:
        yield url


@pytest.fixture(scope="session")
def seeds(postgres_server: Postgres) -> str:
    """The name of a database, to copy, with what ``seeded`` has in PostgreSQL."""
    with psycopg.connect(postgres_server.url("postgres"), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE seeds TEMPLATE {TEMPLATE}")
    engine = make_engine(postgres_server.url("seeds"), application_name="tests")
    try:
        write_seeds(engine)
    finally:
        engine.dispose()
    return "seeds"


def write_seeds(engine: Engine) -> None:
    with transaction(engine) as connection:
        for venue, rows in {
            Venue.TWSE: [("2317", "鴻海"), ("2330", "台積電")],
            Venue.TPEX: [("6488", "環球晶")],
            Venue.EMERGING: [("7772", "耀穎")],
        }.items():
            listed = [
                Security(symbol, name, venue, SecurityKind.STOCK, listed_on=date(2000, 1, 4)) for symbol, name in rows
            ]
            save_list(connection, venue, listed, at=NOW)
        bars = [
            Bar("2330", date(2026, 11, 19), 9_900_000, 10_000_000, 9_850_000, 9_985_000, None, 1000, 998_500, 3),
            Bar("2330", date(2026, 11, 20), volume=0, turnover=0, trades=0),
            Bar("2330", date(2026, 11, 23), 9_990_000, 9_995_000, 9_000_050, 9_990_000, 50, 2000, 1_998_000, 5),
        ]
        write_bars(connection, bars, fields=BAR_FIELDS, source="test", run_id=None, at=NOW)
        for number, (run_id, task, state) in enumerate(
            [("run-1", "sync_stock_list", "SUCCESS"), ("run-2", "sync_daily_prices", "FAILED")], start=1
        ):
            at = NOW.replace(hour=number)
            name = f"app.tasks.{task}"
            runs.queue(connection, run_id, task=name, parameters={"days": 7}, trigger="schedule", at=at)
            leases.start(connection, run_id, task=name, parameters={}, trigger="schedule", worker="celery@test", at=at)
            failure = {"error_type": "SourceUnavailable", "error": "twse gave no answer.", "traceback": "Traceback …"}
            counts = Counts(4, 4, 3, 1, 0)
            leases.finish(
                connection, run_id, state=state, at=at, counts=counts, **(failure if state == "FAILED" else {})
            )
        runs.queue(connection, "run-3", task="app.tasks.sync_qlib", parameters={}, trigger="manual", at=NOW)
        units.record(
            connection,
            "run-2",
            dataset="daily_bars",
            venue=Venue.TWSE,
            scope="2026-11-20",
            session=date(2026, 11, 20),
            state="FAILED",
            error_type="SourceUnavailable",
            error="twse gave no answer.",
            at=NOW,
        )
