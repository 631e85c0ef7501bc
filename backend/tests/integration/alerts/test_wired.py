"""The watch of a platform over real servers: the facts are true, and the commands and the API show and test it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from sqlalchemy import text
from typer.testing import CliRunner, Result

from app.cache import quotes
from app.cli.main import app
from app.core import alerts
from app.core.config import get_settings
from app.core.wiring import Platform
from app.errors import ConfigurationError
from app.market.calendar import TAIPEI
from app.market.quote import Quote
from app.market.security import BAR_VENUES, Security, SecurityKind, Venue
from app.ops.alerts.facts import Facts
from app.ops.alerts.promises import PROMISES
from app.ops.alerts.rules import (
    breaker_open,
    failing_task,
    freshness,
    missing_heartbeat,
    quarantine_above,
    queue_growing,
    wedged_canary,
)
from app.sources.base import Site
from app.store import sessions
from app.store.engine import transaction
from app.store.securities import save_list
from tests.integration.alerts.conftest import Receiver

FIGURES = ("institutional", "margin", "valuation", "indices")

MONDAY = datetime(2026, 11, 23, 22, 0, tzinfo=TAIPEI)
LONG_AGO = datetime(2004, 1, 1, tzinfo=UTC)


def execute(platform: Platform, statement: str, **values: Any) -> None:
    with transaction(platform.engine) as connection:
        connection.execute(text(statement), values)


def facts(platform: Platform, at: datetime = MONDAY) -> Facts:
    with time_machine.travel(at, tick=False):
        return alerts.facts_of(platform, alerts.Channels)


@pytest.fixture
def market(platform: Platform) -> Platform:
    """Each venue lists 20 securities; all bars of Thursday and Friday are held; the installation is old."""
    with transaction(platform.engine) as connection:
        for number, venue in enumerate(Venue):
            listed = [
                Security(f"{number + 1}{one:03}", "x", venue, SecurityKind.STOCK, listed_on=LONG_AGO.date())
                for one in range(20)
            ]
            save_list(connection, venue, listed, at=LONG_AGO)
    execute(platform, "UPDATE provenance SET created_at = '2026-11-19T00:00+08'")
    for day in ("2026-11-19", "2026-11-20"):
        hold(platform, day)
    return platform


def hold(platform: Platform, day: str, *, of: int = 20) -> None:
    execute(
        platform,
        "INSERT INTO bars (session, security_id, recorded_at, volume) SELECT CAST(:day AS date), id, now(), 0 FROM ("
        "SELECT id, row_number() OVER (PARTITION BY venue ORDER BY symbol) AS number FROM securities "
        "WHERE venue = ANY(:venues)) AS s WHERE number <= :of ON CONFLICT DO NOTHING",
        day=day,
        of=of,
        venues=[venue.value for venue in BAR_VENUES],
    )


def run(platform: Platform, run_id: str, state: str, at: str, **more: Any) -> None:
    values = {"id": run_id, "state": state, "at": at, "error": None, "reason": None, "priority": 5} | more
    ended = at if state in ("SUCCESS", "PARTIAL", "FAILED", "SKIPPED", "LOST") else None
    execute(
        platform,
        "INSERT INTO runs (id, task, parameters, trigger, state, queued_at, finished_at, error, reason, priority, "
        "forced, queue) VALUES (:id, 'app.tasks.sync_qlib', '{}', 'manual', :state, :at, :ended, :error, :reason, "
        ":priority, true, 'export')",
        ended=ended,
        **values,
    )


def late(platform: Platform, at: datetime = MONDAY) -> set[str]:
    found = {one.subject for one in freshness.find(facts(platform, at))}
    return {subject for subject in found if subject.startswith("daily bars")}


def test_bars_that_are_late_come_and_are_held(market: Platform) -> None:
    bars = {f"daily bars of {venue}" for venue in BAR_VENUES}
    assert late(market, MONDAY.replace(hour=21, minute=29)) == set()
    assert late(market) == bars
    hold(market, "2026-11-23", of=18)
    assert late(market) == bars
    hold(market, "2026-11-23", of=19)
    assert late(market) == set()


def test_a_typhoon_by_word_of_the_operator_or_of_the_exchange(market: Platform) -> None:
    with transaction(market.engine) as connection:
        sessions.observe(connection, Venue.TWSE, MONDAY.date(), is_open=False, at=MONDAY)
    assert late(market) == {f"daily bars of {Venue.TPEX}"}
    with transaction(market.engine) as connection:
        sessions.override(connection, MONDAY.date(), is_open=False, reason="颱風", by="me", at=MONDAY)
    assert late(market) == set()


def test_lists_and_quotes(market: Platform) -> None:
    eleven = MONDAY.replace(hour=11)
    assert len(freshness.find(facts(market, eleven))) == len(PROMISES) - len(BAR_VENUES)
    run(market, "r1", "SUCCESS", "2026-11-23T08:00+08")
    for venue in Venue:
        execute(
            market,
            "INSERT INTO units (run_id, dataset, venue, scope, state, finished_at) "
            "VALUES ('r1', 'securities', :venue, 'list', 'SUCCESS', '2026-11-23T08:00:05+08')",
            venue=venue.value,
        )
    quote = Quote("1001", "x", Venue.TWSE, eleven, 1, None, None, None, None, None, None, 0)
    quotes.save(market.redis, [quote], at=eleven - timedelta(minutes=15))
    lacking = [one.subject for one in freshness.find(facts(market, eleven))]
    assert sorted(lacking) == sorted(
        [f"corporate actions of {venue}" for venue in BAR_VENUES]
        + [f"{dataset} figures of {venue}" for dataset in FIGURES for venue in BAR_VENUES]
    )
    for venue in BAR_VENUES:
        execute(
            market,
            "INSERT INTO units (run_id, dataset, venue, scope, state, finished_at) "
            "VALUES ('r1', 'dividends', :venue, '2026-11', 'SUCCESS', '2026-11-20T19:30:05+08')",
            venue=venue.value,
        )
        execute(
            market,
            "INSERT INTO coverage "
            "(dataset, venue, session, expected, held, quarantined, explained, missing, recorded_at) "
            "SELECT dataset, :venue, '2026-11-20'::date - back, 9, 9, 0, '{}', 0, now() "
            "FROM unnest(CAST(:datasets AS text[])) dataset, generate_series(0, 4) back",
            venue=venue.value,
            datasets=list(FIGURES),
        )
    assert freshness.find(facts(market, eleven)) == []
    assert [one.subject for one in freshness.find(facts(market, eleven + timedelta(minutes=6)))] == ["quotes"]


def test_endings(platform: Platform) -> None:
    run(platform, "old", "FAILED", "2026-11-20T22:00+08", error="The disk is full.")
    run(platform, "skipped", "SKIPPED", "2026-11-21T22:00+08")
    (breach,) = failing_task.find(facts(platform))
    assert (breach.subject, "The disk is full." in breach.sentence) == ("app.tasks.sync_qlib", True)
    for day in (21, 22, 23):
        assert (len(failing_task.find(facts(platform))) == 1) is (day == 21)
        run(platform, f"partial-{day}", "PARTIAL", f"2026-11-{day}T23:00+08", reason="Some are missing.")
    assert "3 times in a row" in failing_task.find(facts(platform))[0].sentence
    run(platform, "well", "SUCCESS", "2026-11-24T01:00+08")
    assert failing_task.find(facts(platform)) == []


def test_backlog(platform: Platform) -> None:
    run(platform, "new", "QUEUED", (datetime.now(UTC) - timedelta(minutes=59)).isoformat())
    run(platform, "backfill", "QUEUED", "2026-01-01T00:00+08", priority=1)
    assert queue_growing.find(facts(platform)) == []
    run(platform, "old", "QUEUED", (datetime.now(UTC) - timedelta(minutes=61)).isoformat())
    (breach,) = queue_growing.find(facts(platform))
    assert breach.sentence.startswith("2 fresh runs wait in the queue export, the first for 61 min")


def test_heartbeats_and_canary(platform: Platform) -> None:
    execute(
        platform,
        "INSERT INTO heartbeats (kind, name, host, pid, started_at, seen_at, facts) VALUES "
        "('beat', 'b1', 'h', 1, now(), now() - interval '300 s', '{}'), ('beat', 'b2', 'h', 2, now(), now(), '{}'), "
        "('worker', 'w', 'h', 3, now(), now() - interval '90 s', '{}'), "
        "('canary', 'export', 'h', 1, now(), now(), jsonb_build_object('number', 7, 'answered', 6, "
        "'sent_at', now() - interval '400 s')), "
        "('canary', 'data_sync', 'h', 1, now(), now(), jsonb_build_object('number', 7, 'answered', 7, "
        "'sent_at', now() - interval '400 s'))",
    )
    now = facts(platform)
    server_age = now.seen().server_age
    missing = [one.subject for one in missing_heartbeat.find(now)]
    # The tests' PostgreSQL may have started just now: then nobody could have renewed anything before.
    assert missing == (["worker"] if server_age >= missing_heartbeat.GRACE.total_seconds() else [])
    assert [one.subject for one in wedged_canary.find(now)] == ["export"]


def test_breaker_and_quarantine(market: Platform) -> None:
    market.breaker.open(Site.TPEX, "a ban page.")
    assert [one.subject for one in breaker_open.find(facts(market))] == ["tpex"]
    for session, rows in (("2026-11-19", 50), ("2026-11-20", 21)):
        execute(
            market,
            "INSERT INTO quarantine (venue, dataset, session, symbol, rule, reason, raw, seen_at, last_seen_at) "
            "SELECT 'TWSE', 'daily_bars', CAST(:session AS date), n::text, 'r', 'x', '{}', now(), now() "
            "FROM generate_series(1, :rows) AS n",
            session=session,
            rows=rows,
        )
    (breach,) = quarantine_above.find(facts(market))
    assert breach.sentence.startswith("21 rows of daily_bars of TWSE of 2026-11-20")
    execute(market, "UPDATE quarantine SET released_at = now(), decision = 'dismissed' WHERE symbol = '1'")
    assert quarantine_above.find(facts(market)) == []
    execute(market, "UPDATE quarantine SET symbol = '2330' WHERE symbol = '2'")
    (breach,) = quarantine_above.find(facts(market))
    assert "20 rows of daily_bars of TWSE of 2026-11-20 wait in quarantine, 2330 among them" in breach.sentence


@pytest.fixture
def told(platform: Platform, receiver: Receiver) -> Receiver:
    """Its address is in the file of addresses."""
    write_addresses(f"# ours\n{receiver.address}\n")
    return receiver


def write_addresses(content: str) -> None:
    file = get_settings().alerts_file
    file.write_text(content)
    file.chmod(0o600)


def command(*words: str) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, list(words))


def test_a_worker_stands_in_while_no_beat_lives(platform: Platform, told: Receiver) -> None:
    execute(platform, "UPDATE provenance SET created_at = now()")
    platform.breaker.open(Site.TWSE, "a ban page.")
    execute(platform, "DELETE FROM heartbeats")
    execute(platform, "INSERT INTO heartbeats VALUES ('beat', 'beat@a', 'a', 1, now(), now(), '{}')")
    alerts.stand_in_for_beat(platform)
    assert told.bodies == [], "beat itself looks"
    execute(platform, "UPDATE heartbeats SET seen_at = now() - interval '10 min'")
    alerts.stand_in_for_beat(platform)
    assert any("twse is not asked since" in body["message"] for body in told.bodies)


def test_from_the_look_to_the_webhook(platform: Platform, told: Receiver) -> None:
    execute(platform, "UPDATE provenance SET created_at = now()")
    alerts.look_and_tell(platform)
    told.bodies.clear()  # of a disk that is nearly full here, perhaps
    platform.breaker.open(Site.TWSE, "a ban page.")
    alerts.look_and_tell(platform)
    alerts.look_and_tell(platform)
    (body,) = told.bodies
    assert body["title"].endswith(", synthetic prices: 1 wrong: twse")
    assert "twse is not asked since" in body["message"]
    shown = command("alerts")
    assert shown.exit_code == 1
    assert "twse is not asked since" in shown.output
    platform.breaker.close(Site.TWSE)
    write_addresses(f"{told.address}\nnonsense://hunter2\n")  # counts at the next look
    alerts.look_and_tell(platform)
    assert "position 2 is none that Apprise understands" in told.bodies[1]["message"]
    alerts.look_and_tell(platform)
    assert told.bodies[2]["title"].endswith("1 over: twse")
    listed = json.loads(command("alerts", "--json").output)
    assert [one["subject"] for one in listed["over"]] == ["twse"]
    assert "Over" in command("alerts").output


def test_the_test_message(platform: Platform, told: Receiver) -> None:
    result = command("alerts", "test")
    assert (result.exit_code, result.output) == (0, "Channel 1 (json): it took the message.\n")
    assert told.bodies[0]["message"] == "This is a test: alerts of QuantLab arrive here. Nothing is wrong."
    told.status = 403
    result = command("alerts", "test")
    assert (result.exit_code, result.output) == (1, "Channel 1 (json): not told, its server answered 403.\n")


@pytest.mark.parametrize(
    ("content", "mode", "sentence"),
    [
        (None, 0o600, "Nobody is told of incidents: set QUANTLAB_ALERTS"),
        ("json://127.0.0.1/\nnonsense://hunter2", 0o600, "position 2"),
        ("json://someone:hunter2@127.0.0.1/", 0o644, "chmod 600"),
    ],
)
def test_wrong_addresses_are_sentences(platform: Platform, content: str | None, mode: int, sentence: str) -> None:
    if content is not None:
        write_addresses(content)
        get_settings().alerts_file.chmod(mode)
    result = command("alerts", "test")
    assert isinstance(result.exception, ConfigurationError)
    assert sentence in str(result.exception)
    assert "hunter2" not in str(result.exception)


def test_the_environment_goes_before_the_file(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    write_addresses("json://127.0.0.1/file")
    monkeypatch.setenv("QUANTLAB_ALERTS", "json://127.0.0.1/a\n  jsons://127.0.0.1/b ")
    get_settings.cache_clear()
    assert get_settings().alert_addresses() == ("json://127.0.0.1/a", "jsons://127.0.0.1/b")
    assert "127.0.0.1/a" not in repr(get_settings())
    monkeypatch.setenv("QUANTLAB_ALERTS", "")
    get_settings.cache_clear()
    assert get_settings().alert_addresses() == ("json://127.0.0.1/file",)


def test_the_rules_in_words(platform: Platform) -> None:
    platform.breaker.open(Site.TWSE, "a ban page.")
    result = command("alerts", "rules")
    assert result.exit_code == 0, result.output
    for said in ("by 21:30 of each session", "→ twse is not asked since", "missing_heartbeat"):
        assert said in " ".join(result.output.split())
    rows = {one["rule"]: one for one in json.loads(command("alerts", "rules", "--json").output)}
    assert [one["subject"] for one in rows["breaker_open"]["breaches"]] == ["twse"]
    assert command("alerts").output.strip().endswith("No incident is open.")  # to look opens nothing


def test_nothing_to_tell_of_a_new_platform(platform: Platform, told: Receiver) -> None:
    """Two looks right after the start: no alarm about what nobody could have done yet."""
    execute(platform, "UPDATE provenance SET created_at = now()")
    watch: Callable[[], Any] = alerts.make_watch(platform).look
    for _ in range(2):
        found = {rule: breaches for rule, breaches in watch().found.items() if breaches and rule != "disk_low"}
        assert found == {}
