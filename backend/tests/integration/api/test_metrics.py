"""`/metrics`: what the ledger and Redis say, in a form that promtool accepts; and what is made of it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from datetime import timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import event, text

from app.api import metrics as route
from app.core import metrics
from app.core.metrics import METRICS, names_of_samples
from app.core.wiring import Platform, now
from app.market.security import Venue
from app.sources.base import RejectedRow
from app.store import heartbeats, leases, old_rows, quarantine, runs
from app.store.counts import Counts
from app.store.engine import make_engine, transaction
from tests.conftest import PROJECT
from tests.integration.api.conftest import Web

DEPLOY = PROJECT / "deploy"
PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(
    PROMTOOL is None, reason="There is no promtool: `apt-get install prometheus` brings it."
)


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(route, "_exposition", metrics.Exposition())


def samples(web: Web) -> dict[tuple[str, ...], float]:
    reply = web.get("/metrics")
    assert reply.status_code == 200
    found = {}
    for family in text_string_to_metric_families(reply.text):
        for one in family.samples:
            labels = (METRICS.get(one.name) or METRICS[family.name]).labels
            values = [one.labels[label] for label in (*labels, "le") if label in one.labels]
            found[one.name, *values] = one.value
    return found


def a_run(platform: Platform, run_id: str, *, state: str, seconds: float, stored: int | None = None) -> None:
    task, at = "app.tasks.sync_qlib", now()
    with transaction(platform.engine) as connection:
        runs.queue(connection, run_id, task=task, parameters={}, trigger="manual", at=at, forced=True)
        leases.start(connection, run_id, task=task, parameters={}, trigger="manual", worker="w", at=at)
        leases.finish(
            connection,
            run_id,
            state=state,
            at=at + timedelta(seconds=seconds),
            counts=Counts(stored=stored, fetched=stored),
        )


def test_what_the_ledger_and_redis_say(web: Web, seeded: Platform) -> None:
    for number, seconds in enumerate((0.3, 3.0, 4000.0)):
        a_run(seeded, f"r{number}", state="SUCCESS", seconds=seconds, stored=10)
    a_run(seeded, "bad", state="FAILED", seconds=1.5)
    web.post("/api/v1/tasks/sync_stock_list/runs", headers={"Authorization": "Bearer correct-horse-battery"})
    with transaction(seeded.engine) as connection:
        facts = {"slots": 2, "busy": 1, "memory": 123}
        heartbeats.renew(connection, "worker", "celery@a", host="elsewhere", pid=1, started=True, facts=facts)
        row = RejectedRow("ohlc-order", "no", {}, symbol="2330", session=now().date())
        quarantine.add(connection, [row], venue=Venue.TWSE, dataset="daily_bars", run_id=None, at=now())
    seeded.breaker.open("twse", "a ban page.")
    found = samples(web)
    before = {key: value for key, value in found.items() if key[0] == "quantlab_runs_total"}
    assert before[("quantlab_runs_total", "sync_qlib", "SUCCESS")] >= 3
    assert before[("quantlab_runs_total", "sync_qlib", "FAILED")] >= 1
    assert found[("quantlab_runs_unfinished", "sync_stock_list", "QUEUED")] == 1
    bucket = "quantlab_run_duration_seconds_bucket"
    counts = [found[(bucket, "sync_qlib", le)] for le in ("0.5", "2.0", "5.0", "3600.0", "+Inf")]
    assert counts == sorted(counts)
    assert counts[-1] - counts[-2] == 1  # the one of 4,000 s
    assert found[("quantlab_run_duration_seconds_count", "sync_qlib")] == counts[-1]
    assert found[("quantlab_rows_total", "sync_qlib", "stored")] >= 30
    assert found[("quantlab_queue_messages", "data_sync", "5")] == 1
    assert found[("quantlab_queue_messages", "export", "5")] == 0
    assert found[("quantlab_program_up", "worker", "celery@a")] == 1
    assert (found[("quantlab_worker_slots", "celery@a")], found[("quantlab_worker_busy_slots", "celery@a")]) == (2, 1)
    assert found[("quantlab_program_memory_bytes", "worker", "celery@a")] == 123
    assert (found[("quantlab_source_open", "twse")], found[("quantlab_source_open", "tpex")]) == (0, 1)
    assert found[("quantlab_quarantine_open_rows", "daily_bars", "ohlc-order")] >= 1
    assert found[("quantlab_server_up", "postgresql")] == found[("quantlab_server_up", "redis")] == 1
    assert found[("quantlab_disk_free_bytes",)] > 0
    assert {key[0] for key in found} <= set(names_of_samples())


def test_counters_go_on_over_what_is_pruned_while_they_are_read(
    web: Web, seeded: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Old runs go between two statements of one scrape, and for good: neither that scrape nor the next is less."""
    for number, seconds in enumerate((0.1, 0.2, 0.3, 40.0)):
        a_run(seeded, f"old{number}", state="FAILED", seconds=seconds, stored=10)
    with transaction(seeded.engine) as connection:
        connection.execute(text("UPDATE runs SET queued_at = '2020-01-01Z' WHERE id LIKE 'old%'"))
    for number in range(20):  # the twenty newest of a task stay
        a_run(seeded, f"new{number}", state="SKIPPED", seconds=1)
    ended = ("quantlab_runs_total", "quantlab_rows_total", "quantlab_run_duration_seconds")

    def counters() -> dict[tuple[str, ...], float]:
        monkeypatch.setattr(route, "_exposition", metrics.Exposition())
        return {key: value for key, value in samples(web).items() if key[0].startswith(ended)}

    before, other = counters(), make_engine(seeded.settings.database_url.get_secret_value(), application_name="other")
    gone: list[int] = []

    def prune(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if "FROM runs" in statement and not gone:
            with transaction(other) as connection:
                gone.append(old_rows.remove(connection, "runs", before=now() + timedelta(days=1), at_once=100))

    event.listen(seeded.engine, "after_cursor_execute", prune)
    try:
        meanwhile = counters()
    finally:
        event.remove(seeded.engine, "after_cursor_execute", prune)
        other.dispose()
    assert gone == [4]
    assert meanwhile == counters() == before


def test_what_cannot_be_asked_is_absent_and_said_to_be_away(
    web: Web, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = make_engine("postgresql://127.0.0.1:9/none", application_name="away", pool_size=1)
    monkeypatch.setattr(Platform, "engine", away)
    found = samples(web)
    assert (found[("quantlab_server_up", "postgresql")], found[("quantlab_server_up", "redis")]) == (0, 1)
    assert not [key for key in found if key[0].startswith(("quantlab_runs", "quantlab_program"))]
    assert ("quantlab_queue_messages", "data_sync", "5") in found


def promtool(*words: str, given: str | None = None) -> None:
    assert PROMTOOL
    done = subprocess.run([PROMTOOL, *words], input=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_promtool_likes_what_is_served(web: Web, seeded: Platform) -> None:
    a_run(seeded, "r", state="SUCCESS", seconds=1, stored=1)
    promtool("check", "metrics", given=web.get("/metrics").text)


@needs_promtool
def test_the_alert_rules_fire_when_they_should_and_else_not() -> None:
    promtool("check", "config", str(DEPLOY / "prometheus/prometheus.yml"))
    promtool("test", "rules", str(DEPLOY / "prometheus/alerts.test.yml"))


def used(text: str) -> set[str]:
    return set(re.findall(r"\bquantlab_\w+", text))


def test_dashboard_and_alerts_use_what_there_is() -> None:
    dashboard = json.loads((DEPLOY / "grafana/quantlab.json").read_text(encoding="utf-8"))
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert len(expressions) >= 16
    rules = re.findall(r"^\s+expr: (.*)$", (DEPLOY / "prometheus/alerts.yml").read_text(encoding="utf-8"), re.MULTILINE)
    assert used(" ".join((*expressions, *rules))) <= set(names_of_samples())


def test_names_follow_prometheus() -> None:
    for name, one in METRICS.items():
        assert one.help.endswith("."), name
        assert name.endswith("_total") == (one.kind == "counter"), name
