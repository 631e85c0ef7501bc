"""``quantlab referee``: what it starts, and what it lists."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
from typer.testing import Result

from app.cache.quota import SharedQuota
from app.core.celery_app import app
from app.core.config import get_settings, load_settings
from app.core.referee import other_source, seed_of
from app.core.wiring import Platform
from app.errors import ConfigurationError, InvalidParameter
from app.market.comparison import Difference
from app.store import runs, securities
from app.store.differences import settle
from app.store.engine import transaction
from app.tasks import compare_sources

FRIDAY = date(2026, 11, 20)
Run = Callable[..., Result]


@pytest.fixture
def compared(seeded: Platform) -> Platform:
    with transaction(seeded.engine) as connection:
        held = securities.find(connection, "2330")
        assert held
        found = [
            Difference("2330", FRIDAY, "close", 9_990_000, 9_985_000),
            Difference("2330", FRIDAY, "volume", 2000, 1984),
        ]
        at = datetime(2026, 11, 20, 14, 0, tzinfo=UTC)
        settle(
            connection,
            "finmind",
            held.id,
            sessions=[FRIDAY],
            fields=["close", "volume"],
            found=found,
            run_id="r",
            at=at,
        )
    return seeded


def started(platform: Platform) -> list[dict[str, Any]]:
    with transaction(platform.engine) as connection:
        found = runs.list_unfinished(connection, "app.tasks.compare_sources")
    assert {(one.queue, one.priority) for one in found} == {("backfill", 1)}
    return [one.parameters for one in found]


def test_it_lists_both_values(compared: Platform, run: Run) -> None:
    told = run("referee", "list")
    assert told.exit_code == 0
    for text in ("2026-11-20", "close", "999", "998.5", "1984", "finmind", "SYNTHETIC"):
        assert text in told.output
    told = run("referee", "list", "--field", "volume", "--limit", "1", "--json")
    (row,) = json.loads(told.output)["differences"]
    assert (row["ours"], row["theirs"], row["symbol"]) == (2000, 1984, "2330")
    assert "2 in all" in run("referee", "list", "--limit", "1").output
    assert "No difference is known" in run("referee", "list", "--symbol", "2317").output
    assert "There is no field" in str(run("referee", "list", "--field", "price").exception)


def test_it_starts_the_task_below_fresh_data(seeded: Platform, run: Run) -> None:
    words = ("--symbols", "2330, 6488", "--days", "365", "--end-date", "2026-11-20", "--no-wait")
    assert run("referee", "run", *words).exit_code == 0
    assert started(seeded) == [{"stock_ids": ["2330", "6488"], "days": 365, "end_date": "2026-11-20"}]


def test_all_of_them(seeded: Platform, run: Run) -> None:
    assert run("referee", "run", "--source", "finlab", "--all", "--seed", "7", "--no-wait").exit_code == 0
    assert started(seeded) == [{"source": "finlab", "sample": 5000, "seed": 7}]


@pytest.mark.parametrize(
    "wrong",
    [{"source": "yahoo"}, {"sample": 0}, {"stock_ids": "??"}, {"seed": -1}, {"days": "30"}, {"universe": "all"}],
)
def test_wrong_parameters_are_refused_before_anything_is_asked(platform: Platform, wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameter, match=next(iter(wrong))):
        compare_sources(**wrong)


def test_finlab_has_nothing_to_do_with_the_sandbox(platform: Platform) -> None:
    context = platform.context()
    with pytest.raises(ConfigurationError, match="compare with finmind"):
        other_source("finlab", context, get_settings())
    real = load_settings(quantlab_source="exchange", finlab_api_token="t0ken")
    assert other_source("finlab", context, real).name == "finlab"
    assert other_source("finmind", context, real).name == "finmind"


def test_all_attempts_of_a_run_draw_the_same() -> None:
    assert seed_of("a-run") == seed_of("a-run") != seed_of("another")


def test_no_schedule_asks_others_unasked() -> None:
    assert "app.tasks.compare_sources" not in {entry["task"] for entry in app.conf.beat_schedule.values()}


def test_finminds_pace_follows_its_token(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().finmind_pace == 12
    monkeypatch.setenv("FINMIND_TOKEN", "s3cret")
    settings = load_settings()
    assert settings.finmind_pace == 6
    assert "s3cret" not in repr(settings) + settings.model_dump_json()
    monkeypatch.setenv("FINMIND_TOKEN", "")
    assert load_settings().finmind_pace == 12, "an empty one is none"
    monkeypatch.setenv("FINMIND_SECONDS_PER_REQUEST", "0.5")
    assert load_settings().finmind_pace == 0.5


def test_the_doctor_tells_of_a_site_that_rests(platform: Platform, run: Run) -> None:
    SharedQuota(platform.redis, seconds=1).rest(
        "finmind", 1800, "finmind says that the hour's requests are used up (402)."
    )
    told = " ".join(run("doctor").output.split())
    assert "finmind is left alone for another" in told
    assert "Every site may be asked" not in told
    assert run("breaker", "close", "finmind").exit_code == 0
    assert "Every site may be asked" in " ".join(run("doctor").output.split())
